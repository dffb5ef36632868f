//! The picture that is dreamed on, at the size it is shown at.
//!
//! The network works on a smaller one; what it gains there is enlarged and added here, so that everything that was sharp stays so. A few
//! parts a frame ([`super::windows`]) are climbed at this size itself.

use multiversion::multiversion;

use crate::compositor::{Affine, Layer, RowAccumulator, RowWarp, UNITS_PER_LEVEL};
use crate::flow::{ComposedFlow, round_to_int};
use crate::frame::Frame;
use crate::pixel::{Picture, Scaler};

/// Full light, in a layer's units.
const FULL: f32 = 255.0 * UNITS_PER_LEVEL;

/// The previous dream, how it is warped to the present camera picture, and what of it is fed back.
#[derive(Debug)]
pub struct Previous<'a> {
    pub layer: &'a Layer,
    /// How things moved since, and what is left of it in each place of the path.
    pub path: &'a ComposedFlow,
    pub left: &'a [f32],
    /// How it moves besides.
    pub motion: Affine,
    /// How much of its trance stays; the rest is the camera.
    pub persistence: f32,
    /// Whether it is fed back at all, or only faded from.
    pub is_fed_back: bool,
}

/// A picture under work.
#[derive(Debug)]
pub struct Canvas {
    width: usize,
    height: usize,
    /// In a layer's units, red, green, blue and nothing.
    pixels: Vec<[i16; 4]>,
    /// What was shown before, as a layer over the camera picture.
    before: Vec<[i16; 4]>,
    /// The pixels as bytes.
    bytes: Frame,
    rows: RowWarp,
    sum: RowAccumulator,
    scaler: Scaler,
    gain: Picture,
}

impl Default for Canvas {
    fn default() -> Canvas {
        Canvas {
            width: 0,
            height: 0,
            pixels: Vec::new(),
            before: Vec::new(),
            bytes: Frame::new(0, 0),
            rows: RowWarp::default(),
            sum: RowAccumulator::default(),
            scaler: Scaler::default(),
            gain: Picture::default(),
        }
    }
}

impl Canvas {
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Becomes `camera`, with what is left of the `last` dream over it; the layer to come is in that much `trance`.
    pub fn lay(&mut self, camera: &Frame, last: Option<&Previous>, trance: f32) {
        let size = (camera.width, camera.height);
        (self.width, self.height) = size;
        let width = self.width.max(1);
        for plane in [&mut self.pixels, &mut self.before] {
            plane.resize(self.width * self.height, [0; 4]);
        }
        self.bytes.resize(self.width, self.height);
        for (y, row) in camera.pixels.chunks_exact(3 * width).enumerate() {
            let before = &mut self.before[y * width..][..width];
            self.sum.start(row, trance - last.map_or(0.0, |last| last.layer.trance));
            if let Some(Previous { layer, path, .. }) = last {
                self.rows.locate(&path.field, layer.trance, &Affine::default(), size, y);
                self.rows.set_opacity(&path.confidence, path.size(), layer.trance);
                self.rows.accumulate(&layer.pixels, 1.0, &mut self.sum);
            }
            self.sum.write_layer(-255.0, before);
            match last.filter(|last| last.is_fed_back) {
                None => self.sum.start(row, 1.0),
                Some(Previous { layer, path, left, motion, persistence, .. }) => {
                    if !motion.is_none() {
                        self.rows.locate(&path.field, layer.trance, motion, size, y);
                    }
                    let mixed = layer.trance * (1.0 - persistence);
                    self.rows.set_opacity(left, path.size(), layer.trance);
                    self.sum.start(row, 1.0 - layer.trance + mixed * layer.trance);
                    self.rows.accumulate(&layer.pixels, 1.0 - mixed, &mut self.sum);
                }
            }
            self.sum.write_layer(0.0, &mut self.pixels[y * width..][..width]);
            self.sum.write_rgb(&mut self.bytes.pixels[3 * width * y..][..3 * width]);
        }
    }

    /// Becomes `picture`, enlarged.
    pub fn paint(&mut self, picture: &Picture) {
        self.pixels.fill([0; 4]);
        self.add(picture);
        for (y, row) in self.bytes.pixels.chunks_exact_mut(3 * self.width.max(1)).enumerate() {
            self.sum.start(row, 0.0);
            self.sum.add(&self.pixels[y * self.width..][..self.width], 1.0);
            self.sum.write_rgb(row);
        }
    }

    /// Writes it into `to`, at the size that has.
    pub fn read(&mut self, frame: &mut Frame, to: &mut Picture, size: (usize, usize)) {
        frame.resize(size.0, size.1);
        self.scaler.stretch(&self.bytes, frame);
        crate::pixel::from_frame(frame, to);
    }

    /// Adds `gain`, enlarged to this size.
    pub fn add(&mut self, gain: &Picture) {
        self.gain.resize(self.width, self.height);
        self.scaler.resize(gain, &mut self.gain);
        add_planes(&self.gain, &mut self.pixels);
    }

    /// Copies the part of `size` at (`left`, `top`) into `to`, whose size is that, or a whole part of it.
    pub fn cut(&self, (left, top): (usize, usize), ratio: usize, to: &mut Picture) {
        let (width, height) = to.size();
        let plane = width * height;
        let scale = 1.0 / (FULL * (ratio * ratio) as f32);
        for y in 0..height {
            for x in 0..width {
                let mut sums = [0i32; 4];
                for row in 0..ratio {
                    let at = (top + y * ratio + row) * self.width + left + x * ratio;
                    for pixel in &self.pixels[at..at + ratio] {
                        for (sum, value) in sums.iter_mut().zip(pixel) {
                            *sum += i32::from(*value);
                        }
                    }
                }
                for (c, sum) in sums.iter().take(3).enumerate() {
                    to.data[c * plane + y * width + x] = *sum as f32 * scale;
                }
            }
        }
    }

    /// Adds `gain` at (`left`, `top`), enlarged `ratio` times; less and less toward its edges.
    pub fn add_part(&mut self, (left, top): (usize, usize), ratio: usize, gain: &Picture) {
        let size = (gain.width * ratio, gain.height * ratio);
        let part = if ratio == 1 {
            gain
        } else {
            self.gain.resize(size.0, size.1);
            self.scaler.resize(gain, &mut self.gain);
            &self.gain
        };
        let fades = |corner: usize, length: usize, most: usize| (corner > 0, corner + length < most);
        let (across, along) = (fades(left, size.0, self.width), fades(top, size.1, self.height));
        let plane = size.0 * size.1;
        for y in 0..size.1 {
            let down = edge(y, size.1, along);
            let row = &mut self.pixels[(top + y) * self.width + left..][..size.0];
            for (x, pixel) in row.iter_mut().enumerate() {
                let share = down * edge(x, size.0, across) * FULL;
                for (c, channel) in pixel.iter_mut().take(3).enumerate() {
                    *channel = rounded(f32::from(*channel) + part.data[c * plane + y * size.0 + x] * share);
                }
            }
        }
    }

    /// Becomes a layer over `camera`, of the trance given to [`Canvas::lay`].
    pub fn lift(&mut self, camera: &Frame, trance: f32, layer: &mut Layer) {
        layer.resize(self.width, self.height);
        layer.trance = trance;
        subtract_camera(&self.pixels, &camera.pixels, (1.0 - trance) * UNITS_PER_LEVEL, &mut layer.pixels);
        std::mem::swap(&mut layer.previous, &mut self.before);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add_planes(gain: &Picture, pixels: &mut [[i16; 4]]) {
    let mut planes = gain.planes();
    let (Some(red), Some(green), Some(blue)) = (planes.next(), planes.next(), planes.next()) else { return };
    for (((pixel, r), g), b) in pixels.iter_mut().zip(red).zip(green).zip(blue) {
        for (value, gain) in pixel.iter_mut().zip([r, g, b]) {
            *value = rounded(f32::from(*value) + gain * FULL);
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn subtract_camera(pixels: &[[i16; 4]], camera: &[u8], part: f32, layer: &mut [[i16; 4]]) {
    for ((to, from), rgb) in layer.iter_mut().zip(pixels).zip(camera.as_chunks::<3>().0) {
        for c in 0..3 {
            to[c] = round_to_int(f32::from(from[c]) - f32::from(rgb[c]) * part) as i16;
        }
    }
}

/// A value held to the light there is, as it is kept.
#[inline(always)]
fn rounded(value: f32) -> i16 {
    // Cut off instead of rounded, weeks of feedback would darken the picture.
    round_to_int(value.clamp(0.0, FULL)) as i16
}

/// Pixels over which a window's edge that is the picture's fades: the network sees nothing beyond it, and would draw a frame there.
const FRAME: f32 = 12.0;

/// How much counts at a place along a side: from nothing to all over a third of its length, or over [`FRAME`] at an edge of the picture, where it
/// does not `fade` at its beginning and its end.
fn edge(at: usize, length: usize, fades: (bool, bool)) -> f32 {
    let part = |distance: usize, fades: bool| {
        let reach = if fades { length as f32 / 3.0 } else { FRAME };
        let part = ((distance as f32 + 0.5) / reach).min(1.0);
        part * part * (3.0 - 2.0 * part)
    };
    part(at, fades.0) * part(length - 1 - at, fades.1)
}
