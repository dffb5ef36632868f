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
            // Clipped before, a cast to a larger integer is one instruction for all four.
            let whole = sum.map(|value| (value + 0.5).clamp(0.0, 255.0) as i32);
            *rgb = [whole[0] as u8, whole[1] as u8, whole[2] as u8];
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
    /// Where each pixel of the row comes from, in [`PARTS`], and how much of it is seen.
    places: Vec<(i32, i32)>,
    weights: Vec<f32>,
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
        if !motion.is_none() {
            return self.add_moved(layer, motion, y, part, sum);
        }
        let most = |side: usize| ((side as i32 - 1) << PARTS) - 1;
        let (most_x, most_y) = (most(layer.width).max(0), most(layer.height).max(0));
        let parts = (1 << PARTS) as f32;
        self.places.resize(layer.width, (0, 0));
        self.weights.resize(layer.width, 0.0);
        for run in &self.runs {
            let ((x, y_back, seen), (x_end, y_end, seen_end)) = (self.at(run.left), self.at(run.right));
            let (x_slope, y_slope) = ((x_end - x) * slope, (y_end - y_back) * slope);
            let seen_slope = (seen_end - seen) * slope;
            let before = run.offset * ratio as f32;
            let places = self.places[run.begin..run.end].iter_mut().zip(&mut self.weights[run.begin..run.end]);
            for (i, (place, weight)) in places.enumerate() {
                let way = before + i as f32;
                let from_x = (run.begin + i) as f32 + mirror * (x + x_slope * way);
                let from_y = y as f32 + mirror * (y_back + y_slope * way);
                *place = (((from_x * parts) as i32).clamp(0, most_x), ((from_y * parts) as i32).clamp(0, most_y));
                *weight = part * (trance + mirror * (seen + seen_slope * way));
            }
        }
        let row = &layer.pixels[y * layer.width..][..layer.width];
        let still = |chunk: usize| {
            let small = (chunk * CHUNK / ratio).saturating_sub(1)..((chunk + 1) * CHUNK / ratio + 2).min(self.x.len());
            self.x[small.clone()].iter().chain(&self.y[small]).all(|way| *way == 0.0)
        };
        let chunks = sum.0.chunks_mut(CHUNK).zip(self.places.chunks(CHUNK)).zip(self.weights.chunks(CHUNK));
        for (number, ((out, places), weights)) in chunks.enumerate() {
            if still(number) {
                add_in_place(&row[number * CHUNK..], weights, out);
            } else {
                layer.add_from(places, weights, out);
            }
        }
    }

    /// What the path holds at a pixel of its own.
    #[inline(always)]
    fn at(&self, small: usize) -> (f32, f32, f32) {
        (self.x[small], self.y[small], self.seen[small])
    }

    /// As [`Rows::add`], where something moves besides: the picture is mirrored beyond its edges.
    fn add_moved(&mut self, layer: &Layer, motion: &Affine, y: usize, part: f32, sum: &mut Sum) {
        let ratio = crate::flow::ratio(layer.width) as f32;
        let (mirror, trance) = (1.0 - layer.trance, layer.trance);
        for run in &self.runs {
            let ((x, y_back, seen), (x_end, y_end, seen_end)) = (self.at(run.left), self.at(run.right));
            for (i, sum) in sum.0[run.begin..run.end].iter_mut().enumerate() {
                let way = run.offset + i as f32 / ratio;
                let (moved, _) = motion.at((run.begin + i) as f32, y as f32);
                let from_x = (run.begin + i) as f32 + mirror * (x + (x_end - x) * way) + moved.0;
                let from_y = y as f32 + mirror * (y_back + (y_end - y_back) * way) + moved.1;
                let weight = part * (trance + mirror * (seen + (seen_end - seen) * way));
                for (sum, value) in sum.iter_mut().zip(layer.between(from_x, from_y)) {
                    *sum += value * weight;
                }
            }
        }
    }
}

fn add_in_place(row: &[[i16; 4]], weights: &[f32], out: &mut [[f32; 4]]) {
    for ((sum, value), weight) in out.iter_mut().zip(row).zip(weights) {
        for (sum, value) in sum.iter_mut().zip(value) {
            *sum += f32::from(*value) * weight;
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

/// Parts of a pixel that a place is told in, as a power of two: integers find a pixel, since a float's way to one is slow.
const PARTS: u32 = 16;
/// Pixels that are looked at together, whether anything moves there.
const CHUNK: usize = 64;

impl Layer {
    /// Adds what lies at `places`, in [`PARTS`], to `out`. None lies beyond the last pixel's neighbours.
    fn add_from(&self, places: &[(i32, i32)], weights: &[f32], out: &mut [[f32; 4]]) {
        const PART: f32 = 1.0 / (1 << PARTS) as f32;
        const REST: i32 = (1 << PARTS) - 1;
        let (width, below) = (self.width, if self.height > 1 { self.width } else { 0 });
        for ((&(x, y), weight), sum) in places.iter().zip(weights).zip(out) {
            let place = (y >> PARTS) as usize * width + (x >> PARTS) as usize;
            let (fx, fy) = ((x & REST) as f32 * PART, (y & REST) as f32 * PART);
            let Some([a, b]) = self.pixels.get(place..place + 2) else { continue };
            let Some([c, d]) = self.pixels.get(place + below..place + below + 2) else { continue };
            let right = fx * weight;
            let left = weight - right;
            for k in 0..4 {
                let above = f32::from(a[k]) * left + f32::from(b[k]) * right;
                let under = f32::from(c[k]) * left + f32::from(d[k]) * right;
                sum[k] += above + (under - above) * fy;
            }
        }
    }

    /// What it holds at a place between its pixels, bilinear; beyond its edges it is mirrored.
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
