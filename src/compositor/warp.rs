//! Warp and blend, row by row: a layer warped to where things are now, and added to the camera.
//!
//! This runs for every pixel of the canvas at the camera's rate. Plain loops over lanes, which compilers turn into vector
//! instructions on x86_64 and arm64 alike; for AVX2, which not every x86_64 has, they are compiled a second time.

use multiversion::multiversion;

use super::layer::UNITS_PER_LEVEL;
use crate::flow::{FlowField, SampleRow, all_zero, downscale_factor, round_to_int};

/// One row of the composed picture, as a sum in floats.
#[derive(Debug, Default)]
pub struct RowAccumulator {
    /// Red, green, blue and 0, in levels of 255.
    pub pixels: Vec<[f32; 4]>,
    bytes: Vec<[u8; 4]>,
}

impl RowAccumulator {
    /// Starts with `part` (a factor) times a row of RGB bytes.
    pub fn start(&mut self, row: &[u8], part: f32) {
        self.pixels.resize(row.len() / 3, [0.0; 4]);
        start_row(row, part, &mut self.pixels);
    }

    /// Adds `part` times a row of a layer, not warped.
    pub fn add(&mut self, row: &[[i16; 4]], part: f32) {
        let part = part / UNITS_PER_LEVEL;
        for (sum, value) in self.pixels.iter_mut().zip(row) {
            for (sum, value) in sum.iter_mut().zip(value) {
                *sum += f32::from(*value) * part;
            }
        }
    }

    /// Writes the row as RGB bytes: rounded to the nearest, clipped to 0..=255.
    pub fn write_rgb(&mut self, row: &mut [u8]) {
        self.bytes.resize(self.pixels.len(), [0; 4]);
        to_bytes(self.pixels.as_flattened(), self.bytes.as_flattened_mut());
        drop_fourth(&self.bytes, row);
    }

    /// Writes it as a row of a layer: rounded to the nearest, clipped to `least`..=255 levels.
    pub fn write_layer(&self, least: f32, row: &mut [[i16; 4]]) {
        to_fixed_point(self.pixels.as_flattened(), least, row.as_flattened_mut());
    }
}

/// The warp of one row of a layer: where each pixel comes from, and its opacity.
///
/// Opacity is the flow's confidence: what was occluded or is new goes. The deeper a layer's trance, the less it moves and fades.
#[derive(Debug, Default)]
pub struct RowWarp {
    /// Of the canvas, and the row's number.
    size: (usize, usize),
    y: usize,
    /// A row of the flow field, or of its confidence.
    small: Vec<f32>,
    /// Backward displacement of each pixel, in pixels of the canvas.
    back_x: Vec<f32>,
    back_y: Vec<f32>,
    from: SampleRow,
    /// Of each pixel, 0 to 1.
    opacity: Vec<f32>,
    /// Whether all motion is that of the flow.
    is_flow_only: bool,
}

impl RowWarp {
    /// Sets where row `y` of a canvas of `size` comes from: along `back`, of [`field_size`](crate::flow::field_size) and scaled by 1 − `trance`,
    /// and by `motion`, mirrored at the edges.
    pub fn locate(&mut self, back: &FlowField, trance: f32, motion: &Affine, size: (usize, usize), y: usize) {
        (self.size, self.y) = (size, y);
        let (small, ratio) = ((back.width, back.height), downscale_factor(size.0));
        let scale = (1.0 - trance) * ratio as f32;
        for (plane, to) in [(&back.x, &mut self.back_x), (&back.y, &mut self.back_y)] {
            enlarge_row(plane, small, ratio, scale, y, &mut self.small);
            to.resize(size.0, 0.0);
            enlarge(&self.small, ratio, to);
        }
        self.is_flow_only = motion.is_none();
        if !self.is_flow_only {
            for (x, (dx, dy)) in self.back_x.iter_mut().zip(&mut self.back_y).enumerate() {
                let moved = motion.at(x as f32, y as f32);
                *dx = reflect(x as f32 + *dx + moved.0, size.0) - x as f32;
                *dy = reflect(y as f32 + *dy + moved.1, size.1) - y as f32;
            }
        }
        self.from.locate(&self.back_x, &self.back_y, y, size);
    }

    /// Sets the row's opacity: trance + (1 − trance) · confidence, where `confidence` is a plane of `small` size.
    pub fn set_opacity(&mut self, confidence: &[f32], small: (usize, usize), trance: f32) {
        let ratio = downscale_factor(self.size.0);
        enlarge_row(confidence, small, ratio, 1.0 - trance, self.y, &mut self.small);
        self.small.iter_mut().for_each(|value| *value += trance);
        self.opacity.resize(self.size.0, 0.0);
        enlarge(&self.small, ratio, &mut self.opacity);
    }

    /// Adds `part` times this row of a layer's `pixels`, warped and by its opacity.
    pub fn accumulate(&self, pixels: &[[i16; 4]], part: f32, sum: &mut RowAccumulator) {
        let (width, height) = self.size;
        let part = part / UNITS_PER_LEVEL;
        let row = &pixels[self.y * width..][..width];
        for begin in (0..width).step_by(CHUNK) {
            let chunk = begin..(begin + CHUNK).min(width);
            let (out, opacity) = (&mut sum.pixels[chunk.clone()], &self.opacity[chunk.clone()]);
            if self.is_flow_only && all_zero(&self.back_x[chunk.clone()]) && all_zero(&self.back_y[chunk.clone()]) {
                add_in_place(&row[chunk], opacity, part, out);
            } else if width > 1 {
                let below = if height > 1 { width } else { 0 };
                let samples =
                    (&self.from.index[chunk.clone()], &self.from.frac_x[chunk.clone()], &self.from.frac_y[chunk]);
                add_from(pixels.as_flattened(), below, samples, opacity, part, out);
            }
        }
    }
}

/// Pixels that are tested together for whether anything moves there.
const CHUNK: usize = 64;

/// Along one side: the two pixels of a small plane that pixel `at` of a large one lies between, and how far between them.
fn neighbours(at: usize, ratio: usize, most: usize) -> (usize, usize, f32) {
    let position = ((at as f32 + 0.5) / ratio as f32 - 0.5).clamp(0.0, (most - 1) as f32);
    let first = position as usize;
    (first, (first + 1).min(most - 1), position - first as f32)
}

/// `scale` times row `y` of a picture whose pixels are `ratio` times smaller than those of `plane`: interpolated vertically only.
fn enlarge_row(plane: &[f32], (width, height): (usize, usize), ratio: usize, scale: f32, y: usize, to: &mut Vec<f32>) {
    let (above, below, part) = neighbours(y, ratio, height);
    let (above, below) = (&plane[above * width..][..width], &plane[below * width..][..width]);
    to.clear();
    to.extend(above.iter().zip(below).map(|(a, b)| (a + (b - a) * part) * scale));
}

/// Enlarges a row linearly: each value of `small` lies in the middle of `ratio` pixels of `to`.
#[multiversion(targets("x86_64+avx2"))]
fn enlarge(small: &[f32], ratio: usize, to: &mut [f32]) {
    match ratio {
        1 if small.len() == to.len() => to.copy_from_slice(small),
        2 => enlarge_by::<2>(small, to),
        3 => enlarge_by::<3>(small, to),
        4 => enlarge_by::<4>(small, to),
        5 => enlarge_by::<5>(small, to),
        6 => enlarge_by::<6>(small, to),
        _ => to.iter_mut().enumerate().for_each(|(at, to)| {
            let (left, right, part) = neighbours(at, ratio, small.len());
            *to = small[left] + (small[right] - small[left]) * part;
        }),
    }
}

/// As [`enlarge`], for a ratio known at compile time, so that each step is a few instructions.
#[inline(always)]
fn enlarge_by<const R: usize>(small: &[f32], to: &mut [f32]) {
    // Pixels before the middle of the first value; and the interpolation weight of each pixel after a middle.
    let first = R / 2;
    let way: [f32; R] = std::array::from_fn(|k| (k as f32 + if R.is_multiple_of(2) { 0.5 } else { 0.0 }) / R as f32);
    let (Some(begin), Some(end)) = (small.first(), small.last()) else { return };
    let (before, rest) = to.split_at_mut(first.min(to.len()));
    before.fill(*begin);
    let mut runs = rest.chunks_exact_mut(R);
    for pair in small.windows(2) {
        let Some(run) = runs.next() else { break };
        for k in 0..R {
            run[k] = pair[0] + (pair[1] - pair[0]) * way[k];
        }
    }
    runs.by_ref().for_each(|run| run.fill(*end));
    runs.into_remainder().fill(*end);
}

/// Adds bilinear samples of a layer to `out`; `below`: pixels from one to that under it, 0 in a layer of one row.
#[multiversion(targets("x86_64+avx2"))]
fn add_from(
    values: &[i16],
    below: usize,
    (index, across, down): (&[u32], &[f32], &[f32]),
    opacity: &[f32],
    part: f32,
    out: &mut [[f32; 4]],
) {
    let values_below = values.get(4 * below..).unwrap_or_default();
    let samples = index.iter().zip(across).zip(down);
    for ((((&index, across), down), opacity), sum) in samples.zip(opacity).zip(out) {
        // A pixel and that to the right, and the two below.
        let two = 4 * index as usize..4 * index as usize + 8;
        let (Some(above), Some(under)) = (values.get(two.clone()), values_below.get(two)) else { continue };
        let (above, under): ([f32; 8], [f32; 8]) =
            (std::array::from_fn(|k| f32::from(above[k])), std::array::from_fn(|k| f32::from(under[k])));
        let two: [f32; 8] = std::array::from_fn(|k| above[k] + (under[k] - above[k]) * down);
        let part = opacity * part;
        *sum = std::array::from_fn(|k| sum[k] + (two[k] + (two[k + 4] - two[k]) * across) * part);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add_in_place(row: &[[i16; 4]], opacity: &[f32], part: f32, out: &mut [[f32; 4]]) {
    for ((sum, value), opacity) in out.iter_mut().zip(row).zip(opacity) {
        for k in 0..4 {
            sum[k] += f32::from(value[k]) * (opacity * part);
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn start_row(row: &[u8], part: f32, sums: &mut [[f32; 4]]) {
    for (sum, rgb) in sums.iter_mut().zip(row.as_chunks::<3>().0) {
        *sum = [f32::from(rgb[0]) * part, f32::from(rgb[1]) * part, f32::from(rgb[2]) * part, 0.0];
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn to_bytes(sums: &[f32], bytes: &mut [u8]) {
    for (byte, sum) in bytes.iter_mut().zip(sums) {
        *byte = round_to_int(sum.clamp(0.0, 255.0)) as u8;
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn to_fixed_point(sums: &[f32], least: f32, units: &mut [i16]) {
    for (unit, sum) in units.iter_mut().zip(sums) {
        *unit = round_to_int(sum.max(least).min(255.0) * UNITS_PER_LEVEL) as i16;
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn drop_fourth(from: &[[u8; 4]], to: &mut [u8]) {
    for (from, to) in from.as_chunks::<4>().0.iter().zip(to.as_chunks_mut::<12>().0) {
        let from = from.as_flattened();
        *to = std::array::from_fn(|k| from[k / 3 * 4 + k % 3]);
    }
    let rest = from.len() / 4 * 4;
    for (from, to) in from[rest..].iter().zip(to[3 * rest..].as_chunks_mut::<3>().0) {
        *to = [from[0], from[1], from[2]];
    }
}

/// A similarity transform: how a picture moves about its middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Scale factor; above 0.
    pub zoom: f32,
    /// Rotation, radians, clockwise.
    pub angle: f32,
    /// To the right and down, pixels.
    pub translation: (f32, f32),
}

impl Motion {
    /// No motion at all.
    pub const NONE: Motion = Motion { zoom: 1.0, angle: 0.0, translation: (0.0, 0.0) };
}

/// The inverse of a [`Motion`] about the middle of a picture: backward displacement as an affine function of the pixel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Affine {
    /// Change of the displacement for one pixel to the right, and for one down.
    right: (f32, f32),
    down: (f32, f32),
    /// Displacement at the first pixel.
    start: (f32, f32),
}

impl Affine {
    /// The inverse of `motion` for a picture of `width` × `height`.
    pub fn of(motion: &Motion, width: usize, height: usize) -> Affine {
        if *motion == Motion::NONE {
            return Affine::default();
        }
        let (sin, cos) = motion.angle.sin_cos();
        let (cos, sin) = (cos / motion.zoom, sin / motion.zoom);
        let (cx, cy) = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
        // The picture turns clockwise, so each pixel comes from the other way round.
        let (dx, dy) = (-cx - motion.translation.0, -cy - motion.translation.1);
        Affine {
            right: (cos - 1.0, -sin),
            down: (sin, cos - 1.0),
            start: (cx + dx * cos + dy * sin, cy - dx * sin + dy * cos),
        }
    }

    /// Whether it is the identity.
    pub fn is_none(&self) -> bool {
        *self == Affine::default()
    }

    /// Backward displacement of the pixel at (`x`, `y`).
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        let along = |start: f32, right: f32, down: f32| start + x * right + y * down;
        (along(self.start.0, self.right.0, self.down.0), along(self.start.1, self.right.1, self.down.1))
    }
}

/// A coordinate beyond an edge, reflected at it: …, 2, 1, 0, 1, … last, last − 1, …
#[inline(always)]
fn reflect(at: f32, size: usize) -> f32 {
    let last = (size - 1) as f32;
    let at = at.abs();
    if at <= last { at } else { (2.0 * last - at).max(0.0) }
}
