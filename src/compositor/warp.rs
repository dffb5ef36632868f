//! Row by row: a layer carried to where things are now, and laid over the camera.
//!
//! This is what runs for every pixel of the screen at the camera's rate. Plain loops over four values at a time, which compilers turn into vector
//! instructions on x86_64 and arm64 alike; for AVX2, which not every x86_64 has, they are compiled a second time.

use multiversion::multiversion;

use super::layer::{Layer, UNIT};
use crate::flow::Path;

/// A row of the picture while it is put together: red, green, blue and nothing, in levels of 255.
#[derive(Debug, Default)]
pub struct Sum(pub Vec<[f32; 4]>);

impl Sum {
    /// Begins with `part` of a row of bytes, three a pixel.
    pub fn begin(&mut self, row: &[u8], part: f32) {
        self.0.resize(row.len() / 3, [0.0; 4]);
        begin_row(row, part, &mut self.0);
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
        write_row(&self.0, row);
    }
}

/// A path enlarged to a layer's size, a row at a time.
#[derive(Debug, Default)]
pub struct Rows {
    /// Of a row of the path, and of a row of the layer.
    small: Vec<f32>,
    x: Vec<f32>,
    y: Vec<f32>,
    seen: Vec<f32>,
    /// Where each pixel of the row comes from, in [`PARTS`]; and how much of it is seen.
    columns: Vec<i32>,
    rows: Vec<i32>,
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
        let (above, below, part) = place(y, ratio, height);
        let planes = [(&path.back.x, &mut self.x), (&path.back.y, &mut self.y), (&path.seen, &mut self.seen)];
        for (number, (plane, to)) in planes.into_iter().enumerate() {
            let scale = if number < 2 { ratio as f32 } else { 1.0 };
            let (above, below) = (&plane[above * small..][..small], &plane[below * small..][..small]);
            self.small.clear();
            self.small.extend(above.iter().zip(below).map(|(a, b)| (a + (b - a) * part) * scale));
            to.resize(width, 0.0);
            enlarge(&self.small, ratio, to);
        }
    }

    /// Adds `part` of what `layer` shows along row `y`, carried along `path`, whose pixels are [`flow::ratio`] wide. What was
    /// not seen all the while goes. A layer in a trance goes with the camera, and goes away, the less the more it is in one. All of it follows
    /// `motion`.
    ///
    /// [`flow::ratio`]: crate::flow::ratio
    pub fn add(&mut self, layer: &Layer, path: &Path, motion: &Affine, y: usize, part: f32, sum: &mut Sum) {
        let width = layer.width;
        self.set(path, crate::flow::ratio(width), width, y);
        let mirror = 1.0 - layer.trance;
        let seen = |seen: f32| part * (layer.trance + mirror * seen);
        if !motion.is_none() {
            let back = self.x.iter().zip(&self.y).zip(&self.seen);
            for ((at, sum), ((dx, dy), weight)) in sum.0.iter_mut().enumerate().zip(back) {
                let moved = motion.at(at as f32, y as f32);
                let (from_x, from_y) = (at as f32 + mirror * dx + moved.0, y as f32 + mirror * dy + moved.1);
                for (sum, value) in sum.iter_mut().zip(layer.between(from_x, from_y)) {
                    *sum += value * seen(*weight) / UNIT;
                }
            }
            return;
        }
        for list in [&mut self.columns, &mut self.rows] {
            list.resize(width, 0);
        }
        to_parts(&self.x, (0.0, 1.0), mirror, width, &mut self.columns);
        to_parts(&self.y, (y as f32, 0.0), mirror, layer.height, &mut self.rows);
        self.weights.clear();
        self.weights.extend(self.seen.iter().map(|weight| seen(*weight) / UNIT));
        let row = &layer.pixels[y * width..][..width];
        for begin in (0..width).step_by(CHUNK) {
            let chunk = begin..(begin + CHUNK).min(width);
            let (out, weights) = (&mut sum.0[chunk.clone()], &self.weights[chunk.clone()]);
            let is_still = self.x[chunk.clone()].iter().chain(&self.y[chunk.clone()]).all(|way| *way == 0.0);
            if is_still {
                add_in_place(&row[chunk], weights, out);
            } else {
                let below = if layer.height > 1 { width } else { 0 };
                let from = (&self.columns[chunk.clone()], &self.rows[chunk]);
                add_from(&layer.pixels, (width, below), from, weights, out);
            }
        }
    }
}

/// Parts of a pixel that a place is told in, as a power of two: integers find a pixel, since a float's way to one is slow.
const PARTS: u32 = 16;
/// Pixels that are looked at together, whether anything moves there.
const CHUNK: usize = 64;

/// Fills `to` with `small`, of which each value stands for `ratio` pixels about its middle, evenly from one to the next.
fn enlarge(small: &[f32], ratio: usize, to: &mut [f32]) {
    match ratio {
        1 if small.len() == to.len() => to.copy_from_slice(small),
        2 => enlarge_by::<2>(small, to),
        3 => enlarge_by::<3>(small, to),
        4 => enlarge_by::<4>(small, to),
        5 => enlarge_by::<5>(small, to),
        6 => enlarge_by::<6>(small, to),
        _ => to.iter_mut().enumerate().for_each(|(at, to)| {
            let (left, right, part) = place(at, ratio, small.len());
            *to = small[left] + (small[right] - small[left]) * part;
        }),
    }
}

/// As [`enlarge`], for a ratio that is known when this is compiled, so that each step is a few instructions.
#[inline(always)]
fn enlarge_by<const R: usize>(small: &[f32], to: &mut [f32]) {
    // Pixels before the first middle; and how far each after a middle lies on the way to the next.
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

/// Where each pixel comes from along one side, in [`PARTS`], held to the layer: the first one's place, how far that of the next is, and
/// `share` of the way `back`.
#[multiversion(targets("x86_64+avx2"))]
fn to_parts(back: &[f32], (first, next): (f32, f32), share: f32, side: usize, places: &mut [i32]) {
    const WHOLE: f32 = (1 << PARTS) as f32;
    // The last place that has a neighbour behind it, but for a hair.
    let most = ((side as f32 - 1.0) * WHOLE - 1.0).max(0.0);
    for (at, (place, back)) in places.iter_mut().zip(back).enumerate() {
        let from = first + next * at as i32 as f32 + share * back;
        *place = (from * WHOLE).clamp(0.0, most) as i32;
    }
}

/// Adds what lies at columns and rows, in [`PARTS`], of a layer `width` wide to `out`; `below`: from a pixel to the one under it.
#[multiversion(targets("x86_64+avx2"))]
fn add_from(
    pixels: &[[i16; 4]],
    (width, below): (usize, usize),
    (columns, rows): (&[i32], &[i32]),
    weights: &[f32],
    out: &mut [[f32; 4]],
) {
    const PART: f32 = 1.0 / (1 << PARTS) as f32;
    const REST: i32 = (1 << PARTS) - 1;
    for (((&x, &y), weight), sum) in columns.iter().zip(rows).zip(weights).zip(out) {
        let place = (y >> PARTS) as usize * width + (x >> PARTS) as usize;
        let (fx, fy) = ((x & REST) as f32 * PART, (y & REST) as f32 * PART);
        let Some([a, b]) = pixels.get(place..place + 2) else { continue };
        let Some([c, d]) = pixels.get(place + below..place + below + 2) else { continue };
        let right = fx * weight;
        let left = weight - right;
        for k in 0..4 {
            let above = f32::from(a[k]) * left + f32::from(b[k]) * right;
            let under = f32::from(c[k]) * left + f32::from(d[k]) * right;
            sum[k] += above + (under - above) * fy;
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add_in_place(row: &[[i16; 4]], weights: &[f32], out: &mut [[f32; 4]]) {
    for ((sum, value), weight) in out.iter_mut().zip(row).zip(weights) {
        for k in 0..4 {
            sum[k] += f32::from(value[k]) * weight;
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn begin_row(row: &[u8], part: f32, sums: &mut [[f32; 4]]) {
    for (sum, rgb) in sums.iter_mut().zip(row.as_chunks::<3>().0) {
        *sum = [f32::from(rgb[0]) * part, f32::from(rgb[1]) * part, f32::from(rgb[2]) * part, 0.0];
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn write_row(sums: &[[f32; 4]], row: &mut [u8]) {
    for (rgb, sum) in row.as_chunks_mut::<3>().0.iter_mut().zip(sums) {
        // Clipped before, a cast to a larger integer is one instruction for all four.
        let whole = sum.map(|value| (value + 0.5).clamp(0.0, 255.0) as i32);
        *rgb = [whole[0] as u8, whole[1] as u8, whole[2] as u8];
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

    /// How far back the pixel at (`x`, `y`) comes from.
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        let along = |start: f32, right: f32, down: f32| start + x * right + y * down;
        (along(self.start.0, self.right.0, self.down.0), along(self.start.1, self.right.1, self.down.1))
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
