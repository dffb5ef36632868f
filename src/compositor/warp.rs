//! Row by row: a layer carried to where things are now, and laid over the camera.
//!
//! This is what runs for every pixel of the screen at the camera's rate. Plain loops over four values at a time, which compilers turn into vector
//! instructions on x86_64 and arm64 alike.

use super::layer::{Layer, UNIT};
use crate::flow::Path;

/// A row of the picture while it is put together: red, green, blue and nothing, in levels of 255.
#[derive(Debug, Default)]
pub struct Sum(pub Vec<[f32; 4]>);

impl Sum {
    /// Begins with `part` of a row of bytes, three a pixel.
    pub fn begin(&mut self, row: &[u8], part: f32) {
        self.0.resize(row.len() / 3, [0.0; 4]);
        for (sum, rgb) in self.0.iter_mut().zip(row.as_chunks::<3>().0) {
            *sum = [f32::from(rgb[0]) * part, f32::from(rgb[1]) * part, f32::from(rgb[2]) * part, 0.0];
        }
    }

    /// Adds `part` of a row of a layer, as it lies.
    pub fn add(&mut self, row: &[[i16; 4]], part: f32) {
        let part = part / UNIT;
        for (sum, value) in self.0.iter_mut().zip(row) {
            for (sum, value) in sum.iter_mut().zip(value) {
                *sum += f32::from(*value) * part;
            }
        }
    }

    /// As bytes, three a pixel: rounded to the nearest, clipped to 0..=255.
    pub fn write(&self, row: &mut [u8]) {
        for (rgb, sum) in row.as_chunks_mut::<3>().0.iter_mut().zip(&self.0) {
            // A float-to-integer cast saturates.
            *rgb = [(sum[0] + 0.5) as u8, (sum[1] + 0.5) as u8, (sum[2] + 0.5) as u8];
        }
    }
}

/// A run of pixels of a large row over which what lies in a small one goes evenly from one pixel to the next.
#[derive(Debug, Clone, Copy)]
struct Run {
    begin: usize,
    end: usize,
    /// The two pixels of the small row, and how far between them the run begins.
    left: usize,
    right: usize,
    offset: f32,
}

/// A path enlarged to a layer's size, a row at a time.
#[derive(Debug, Default)]
pub struct Rows {
    /// Of a row of so many pixels, made of so many small ones of so many each.
    runs: Vec<Run>,
    made_for: (usize, usize, usize),
    x: Vec<f32>,
    y: Vec<f32>,
    seen: Vec<f32>,
}

/// The pixels of a small plane that pixel `at` of a large one lies between, along one side, and how far between them.
fn place(at: usize, ratio: usize, most: usize) -> (usize, usize, f32) {
    let place = ((at as f32 + 0.5) / ratio as f32 - 0.5).clamp(0.0, (most - 1) as f32);
    let first = place as usize;
    (first, (first + 1).min(most - 1), place - first as f32)
}

impl Rows {
    /// Works out what `path` holds along row `y` of a picture `width` wide, of which `ratio` pixels a side are one of the path's; distances
    /// become the picture's.
    fn set(&mut self, path: &Path, ratio: usize, width: usize, y: usize) {
        let (small, height) = path.size();
        if self.made_for != (width, small, ratio) {
            self.made_for = (width, small, ratio);
            self.runs.clear();
            for at in 0..width {
                let (left, right, offset) = place(at, ratio, small);
                match self.runs.last_mut() {
                    Some(run) if (run.left, run.right) == (left, right) => run.end = at + 1,
                    _ => self.runs.push(Run { begin: at, end: at + 1, left, right, offset }),
                }
            }
        }
        let (above, below, part) = place(y, ratio, height);
        let lines = |plane: &[f32], to: &mut Vec<f32>, scale: f32| {
            to.clear();
            let (above, below) = (&plane[above * small..][..small], &plane[below * small..][..small]);
            to.extend(above.iter().zip(below).map(|(a, b)| (a + (b - a) * part) * scale));
        };
        lines(&path.back.x, &mut self.x, ratio as f32);
        lines(&path.back.y, &mut self.y, ratio as f32);
        lines(&path.seen, &mut self.seen, 1.0);
    }

    /// Adds `part` of what `layer` shows along row `y`, carried along `path`, whose pixels are [`flow::ratio`] wide. What was
    /// not seen all the while goes. A layer in a trance goes with the camera, and goes away, the less the more it is in one. All of it follows
    /// `motion`.
    ///
    /// [`flow::ratio`]: crate::flow::ratio
    pub fn add(&mut self, layer: &Layer, path: &Path, motion: &Affine, y: usize, part: f32, sum: &mut Sum) {
        let ratio = crate::flow::ratio(layer.width);
        self.set(path, ratio, layer.width, y);
        let (mirror, trance, slope) = (1.0 - layer.trance, layer.trance, 1.0 / ratio as f32);
        let part = part / UNIT;
        for run in &self.runs {
            let (x, y_back, seen) = (self.x[run.left], self.y[run.left], self.seen[run.left]);
            let (x_end, y_end, seen_end) = (self.x[run.right], self.y[run.right], self.seen[run.right]);
            let weight = part * (trance + mirror * seen);
            let weight_slope = part * mirror * (seen_end - seen) * slope;
            let out = &mut sum.0[run.begin..run.end];
            let is_still = x == 0.0 && y_back == 0.0 && x_end == 0.0 && y_end == 0.0;
            if is_still && motion.is_none() {
                let row = &layer.pixels[y * layer.width..][run.begin..run.end];
                let weight = weight + weight_slope * run.offset * ratio as f32;
                for (i, (sum, value)) in out.iter_mut().zip(row).enumerate() {
                    let weight = weight + weight_slope * i as f32;
                    for (sum, value) in sum.iter_mut().zip(value) {
                        *sum += f32::from(*value) * weight;
                    }
                }
                continue;
            }
            let (x_slope, y_slope) = (mirror * (x_end - x) * slope, mirror * (y_end - y_back) * slope);
            let (moved, moved_slope) = motion.at(run.begin as f32, y as f32);
            let before = run.offset * ratio as f32;
            let start_x = run.begin as f32 + mirror * x + x_slope * before + moved.0;
            let start_y = y as f32 + mirror * y_back + y_slope * before + moved.1;
            let (x_slope, y_slope) = (1.0 + x_slope + moved_slope.0, y_slope + moved_slope.1);
            let weight = weight + weight_slope * before;
            for (i, sum) in out.iter_mut().enumerate() {
                let i = i as f32;
                let weight = weight + weight_slope * i;
                let value = layer.between(start_x + x_slope * i, start_y + y_slope * i);
                for (sum, value) in sum.iter_mut().zip(value) {
                    *sum += value * weight;
                }
            }
        }
    }
}

/// How a picture moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Factor it grows by; above 0.
    pub zoom: f32,
    /// Angle it turns by, radians, clockwise.
    pub angle: f32,
    /// How far it slides to the right and down, pixels.
    pub slide: (f32, f32),
}

impl Motion {
    /// No motion at all.
    pub const NONE: Motion = Motion { zoom: 1.0, angle: 0.0, slide: (0.0, 0.0) };
}

/// A [`Motion`] about the middle of a picture: how far back each pixel comes from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Affine {
    /// By how much the place a pixel comes from changes beyond one, for one step right and one step down.
    right: (f32, f32),
    down: (f32, f32),
    /// At the first pixel.
    start: (f32, f32),
}

impl Affine {
    /// What `motion` is for a picture of `width` × `height`.
    pub fn of(motion: &Motion, width: usize, height: usize) -> Affine {
        if *motion == Motion::NONE {
            return Affine::default();
        }
        let (sin, cos) = motion.angle.sin_cos();
        let (cos, sin) = (cos / motion.zoom, sin / motion.zoom);
        let (cx, cy) = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
        // Turned clockwise on the screen, so what is seen comes from the other way round.
        let (dx, dy) = (-cx - motion.slide.0, -cy - motion.slide.1);
        Affine {
            right: (cos - 1.0, -sin),
            down: (sin, cos - 1.0),
            start: (cx + dx * cos + dy * sin, cy - dx * sin + dy * cos),
        }
    }

    fn is_none(&self) -> bool {
        *self == Affine::default()
    }

    /// How far back the pixel at (`x`, `y`) comes from, and how that changes a step to the right.
    fn at(&self, x: f32, y: f32) -> ((f32, f32), (f32, f32)) {
        let along = |start: f32, right: f32, down: f32| start + x * right + y * down;
        let back = (along(self.start.0, self.right.0, self.down.0), along(self.start.1, self.right.1, self.down.1));
        (back, self.right)
    }
}

/// A place beyond an edge, mirrored back: …, 1, 0 | 0, 1, … last | last, ….
#[inline(always)]
fn fold(place: f32, size: usize) -> f32 {
    let last = (size - 1) as f32;
    let place = place.abs();
    if place <= last { place } else { (2.0 * last - place).max(0.0) }
}

impl Layer {
    /// What it holds at a place between its pixels, bilinear; beyond its edges it is mirrored.
    #[inline(always)]
    pub(super) fn between(&self, x: f32, y: f32) -> [f32; 4] {
        let (x, y) = (fold(x, self.width), fold(y, self.height));
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let right = usize::from(left + 1 < self.width);
        let below = if top + 1 < self.height { self.width } else { 0 };
        let at = top * self.width + left;
        let (a, b) = (self.pixels[at], self.pixels[at + right]);
        let (c, d) = (self.pixels[at + below], self.pixels[at + below + right]);
        let parts = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        std::array::from_fn(|k| {
            f32::from(a[k]) * parts[0]
                + f32::from(b[k]) * parts[1]
                + f32::from(c[k]) * parts[2]
                + f32::from(d[k]) * parts[3]
        })
    }
}
