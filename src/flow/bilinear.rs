//! Bilinear sampling of planes.

use multiversion::multiversion;

/// The four pixels around a position, and their bilinear weights.
#[derive(Debug, Clone, Copy)]
pub struct BilinearWeights {
    index: [usize; 4],
    weight: [f32; 4],
}

impl BilinearWeights {
    /// The value of `plane` at the position.
    #[inline(always)]
    pub fn sample(&self, plane: &[f32]) -> f32 {
        (0..4).map(|k| plane[self.index[k]] * self.weight[k]).sum()
    }

    /// The same of a plane of four values a pixel.
    pub fn sample_pixel(&self, plane: &[[i16; 4]]) -> [f32; 4] {
        std::array::from_fn(|c| (0..4).map(|k| f32::from(plane[self.index[k]][c]) * self.weight[k]).sum())
    }
}

/// Bilinear weights at (`x`, `y`), pixels, in a plane of `width` × `height`, neither of them 0. Positions outside are clamped to the edge.
#[inline(always)]
pub fn bilinear(x: f32, y: f32, width: usize, height: usize) -> BilinearWeights {
    let (x, y) = (x.clamp(0.0, (width - 1) as f32), y.clamp(0.0, (height - 1) as f32));
    let (left, top) = (x as usize, y as usize);
    let (fx, fy) = (x - left as f32, y - top as f32);
    let (right, below) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    BilinearWeights {
        index: [top * width + left, top * width + right, below * width + left, below * width + right],
        weight: [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy],
    }
}

/// Sample positions for one row of a warped picture: for each of its pixels, a position in the source picture.
#[derive(Debug, Clone, Default)]
pub struct SampleRow {
    /// Index of the pixel to the upper left of the position, and how far the position lies to the right of that and below it, 0 to 1 pixels.
    pub index: Vec<u32>,
    pub frac_x: Vec<f32>,
    pub frac_y: Vec<f32>,
}

impl SampleRow {
    /// Computes the positions for row `y` from the backward displacements of its pixels; clamped to the edges of `size`.
    pub fn locate(&mut self, back_x: &[f32], back_y: &[f32], y: usize, size: (usize, usize)) {
        self.index.resize(back_x.len(), 0);
        for list in [&mut self.frac_x, &mut self.frac_y] {
            list.resize(back_x.len(), 0.0);
        }
        locate_row(back_x, back_y, y, size, self);
    }

    /// Samples `plane`, `width` pixels wide with four values each, at every position.
    pub fn sample(&self, plane: &[[f32; 4]], width: usize, row: &mut [[f32; 4]]) {
        sample_row(plane, width, self, row);
    }
}

/// 1.5 · 2²³: added to a number of magnitude below 2²², it leaves the nearest integer in the lowest bits. An `as` cast also handles values
/// that cannot occur here, and is slow.
const ROUNDING_BIAS: f32 = 12_582_912.0;

/// `value` rounded to the nearest integer, ties to even. Its magnitude must be below 2²².
#[inline(always)]
pub fn round_to_int(value: f32) -> i32 {
    (value + ROUNDING_BIAS).to_bits().wrapping_sub(ROUNDING_BIAS.to_bits()) as i32
}

/// Whether all values are zero, of either sign.
pub fn all_zero(values: &[f32]) -> bool {
    values.iter().fold(0, |bits, value| bits | value.to_bits()) << 1 == 0
}

#[multiversion(targets("x86_64+avx2"))]
fn locate_row(back_x: &[f32], back_y: &[f32], y: usize, (width, height): (usize, usize), samples: &mut SampleRow) {
    let most = (width as f32 - 1.0, height as f32 - 1.0);
    // The last pixel that has a neighbour to the right, and below.
    let last = (width.max(2) as i32 - 2, height.max(2) as i32 - 2);
    let row = y as f32;
    let samples = samples.index.iter_mut().zip(&mut samples.frac_x).zip(&mut samples.frac_y);
    for (at, (((index, frac_x), frac_y), (dx, dy))) in (0i32..).zip(samples.zip(back_x.iter().zip(back_y))) {
        let x = (at as f32 + dx).max(0.0).min(most.0);
        let y = (row + dy).max(0.0).min(most.1);
        let (left, top) = (round_to_int(x - 0.5).min(last.0), round_to_int(y - 0.5).min(last.1));
        (*frac_x, *frac_y) = (x - left as f32, y - top as f32);
        *index = (top * width as i32 + left) as u32;
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn sample_row(plane: &[[f32; 4]], width: usize, samples: &SampleRow, row: &mut [[f32; 4]]) {
    let below = plane.get(width..).unwrap_or_default();
    let samples = samples.index.iter().zip(&samples.frac_x).zip(&samples.frac_y);
    for (((&index, frac_x), frac_y), to) in samples.zip(row) {
        let two = index as usize..index as usize + 2;
        let (Some([a, b]), Some([c, d])) = (plane.get(two.clone()), below.get(two)) else {
            // A picture one pixel wide or high has no such neighbours.
            plane.get(index as usize).into_iter().for_each(|value| *to = *value);
            continue;
        };
        *to = std::array::from_fn(|k| {
            let (above, under) = (a[k] + (b[k] - a[k]) * frac_x, c[k] + (d[k] - c[k]) * frac_x);
            above + (under - above) * frac_y
        });
    }
}
