//! A picture pyramid: full size, half, a quarter and so on, each level with its gradients and patches.

use multiversion::multiversion;

use super::Luma;
use super::patches::{Patches, measure};
use super::plane::{PATCH, PatchGrid, Plane, SPACING};

/// No level's shorter side is smaller than this, unless the picture's is.
const MIN_SIDE: usize = 12;

/// What is computed once for a picture and used in both directions: its levels, with gradients and patches.
#[derive(Debug, Clone, Default)]
pub struct Pyramid {
    luma: Luma,
    /// From the full size to the coarsest.
    pub(super) levels: Vec<Level>,
    /// A row being filtered.
    row: Vec<f32>,
}

/// One size of the picture. Planes are rounded up to whole patches, the last pixels repeated.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    /// 0 is mid-grey, to keep the sums of squares small.
    pub luma: Plane,
    /// Change of luma for a pixel to the right.
    pub gx: Plane,
    /// Change of luma for a pixel down.
    pub gy: Plane,
    pub patches: Patches,
}

impl Pyramid {
    /// Becomes the pyramid of `luma`, of any size. Memory is kept, and none is allocated for the size built last.
    ///
    /// # Panics
    /// `luma.pixels` has not `width · height` values.
    pub fn build(&mut self, luma: &Luma) {
        assert_eq!(luma.pixels.len(), luma.width * luma.height, "a picture has width · height pixels");
        self.luma.resize(luma.width, luma.height);
        self.luma.pixels.copy_from_slice(&luma.pixels);
        if luma.pixels.is_empty() {
            self.levels.clear();
            return;
        }
        let half = |(width, height): (usize, usize)| (width.div_ceil(2), height.div_ceil(2));
        let sizes = std::iter::successors(Some((luma.width, luma.height)), |size| {
            Some(half(*size)).filter(|(width, height)| *width.min(height) >= MIN_SIDE)
        });
        self.levels.resize_with(sizes.clone().count(), Level::default);
        self.row.resize(2 * luma.width + 16, 0.0);
        for (i, (width, height)) in sizes.enumerate() {
            let (finer, level) = self.levels.split_at_mut(i);
            let level = &mut level[0];
            let padded = |size: usize| size.next_multiple_of(SPACING).max(PATCH);
            level.resize(padded(width), padded(height));
            match finer.last() {
                None => centre_levels(luma, &mut level.luma),
                Some(finer) => downsample(&finer.luma, &mut level.luma, (width, height), &mut self.row),
            }
            level.luma.replicate_border(width, height);
            differentiate(&level.luma, &mut level.gx, &mut level.gy, &mut self.row);
            measure(&level.luma, &level.gx, &level.gy, &mut level.patches);
        }
    }

    /// The full-size picture it was built from.
    pub fn luma(&self) -> &Luma {
        &self.luma
    }
}

impl Level {
    fn resize(&mut self, width: usize, height: usize) {
        for plane in [&mut self.luma, &mut self.gx, &mut self.gy] {
            plane.resize(width, height);
        }
        self.patches.resize(PatchGrid::of(width, height));
    }
}

/// Bytes to floats, mid-grey to zero.
#[multiversion(targets("x86_64+avx2"))]
fn centre_levels(luma: &Luma, to: &mut Plane) {
    for (y, row) in luma.pixels.chunks_exact(luma.width).enumerate() {
        for (to, from) in to.row_mut(y).iter_mut().zip(row) {
            *to = f32::from(*from) - 128.0;
        }
    }
}

/// Halves both sides, after the binomial filter (1 3 3 1) / 8 in each direction. A mean of 2×2 lets enough aliasing through to double the
/// error of the flow.
#[multiversion(targets("x86_64+avx2"))]
fn downsample(from: &Plane, to: &mut Plane, (width, height): (usize, usize), row: &mut [f32]) {
    let count = 2 * width + 2;
    let row = &mut row[..count];
    for y in 0..height {
        // From one column to the left of the picture to one to the right.
        let at = from.at(0, 2 * y) - 1;
        let line = |y: usize| &from.data[at + y * from.stride - from.stride..][..count];
        let (a, b, c, d) = (line(0), line(1), line(2), line(3));
        for x in 0..count {
            row[x] = 0.125 * (a[x] + d[x]) + 0.375 * (b[x] + c[x]);
        }
        let (even, odd) = (row.as_chunks::<2>().0, row[1..].as_chunks::<2>().0);
        let (left, middle, right) = (&even[..width], &odd[..width], &even[1..][..width]);
        let to = &mut to.row_mut(y)[..width];
        for x in 0..width {
            to[x] = 0.125 * (left[x][0] + right[x][1]) + 0.375 * (middle[x][0] + middle[x][1]);
        }
    }
}

/// Central differences, smoothed a little across, (1 6 1) / 8, against noise.
#[multiversion(targets("x86_64+avx2"))]
fn differentiate(luma: &Plane, gx: &mut Plane, gy: &mut Plane, row: &mut [f32]) {
    let (width, stride) = (luma.width, luma.stride);
    let count = width + 2;
    let row = &mut row[..count];
    for y in 0..luma.height {
        let at = luma.at(0, y) - 1;
        let (above, here) = (&luma.data[at - stride..][..count], &luma.data[at..][..count]);
        let below = &luma.data[at + stride..][..count];
        for x in 0..count {
            row[x] = 0.0625 * (above[x] + below[x]) + 0.375 * here[x];
        }
        let to = &mut gx.row_mut(y)[..width];
        for x in 0..width {
            to[x] = row[x + 2] - row[x];
        }
        for x in 0..count {
            row[x] = below[x] - above[x];
        }
        let to = &mut gy.row_mut(y)[..width];
        for x in 0..width {
            to[x] = 0.0625 * (row[x] + row[x + 2]) + 0.375 * row[x + 1];
        }
    }
}
