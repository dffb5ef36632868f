//! What is precomputed of a patch before the search: its mean, variance, gradients and Hessian.

use multiversion::multiversion;

use super::plane::{F32x8, PATCH_PIXELS, PatchGrid, Plane, SPACING, first8};

/// A level's patches.
#[derive(Debug, Clone, Default)]
pub(super) struct Patches {
    pub grid: PatchGrid,
    /// By groups of eight.
    pub stats: Vec<PatchStats>,
    /// Sums of blocks of 4×4 pixels, a quarter of a patch: of the row of blocks above, and of the current one.
    blocks: [Vec<f32>; 2],
    /// Sums of columns of four pixels.
    columns: Vec<f32>,
}

/// Of eight patches. `t` is the luma and `g` its gradient, each less its mean over the patch, since brightness may change by an
/// offset; sums are over the 64 pixels of a patch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PatchStats {
    /// Mean luma.
    pub mean: F32x8,
    /// Σt².
    pub variance: F32x8,
    /// Mean gradient.
    pub gx: F32x8,
    pub gy: F32x8,
    /// Σtg: what correlating the gradient with the other picture gives where the patch has not moved.
    pub t_gx: F32x8,
    pub t_gy: F32x8,
    /// Σggᵀ: the Gauss–Newton Hessian.
    pub xx: F32x8,
    pub xy: F32x8,
    pub yy: F32x8,
}

/// Sums kept for each block: t, gx, gy, tt, t·gx, t·gy, gx·gx, gx·gy, gy·gy.
const SUMS: usize = 9;

impl Patches {
    /// Changes the grid.
    pub fn resize(&mut self, grid: PatchGrid) {
        if self.grid == grid {
            return;
        }
        self.grid = grid;
        self.stats.clear();
        self.stats.resize(grid.size() / 8, PatchStats::default());
        self.columns.resize(SUMS * SPACING * (grid.columns + 1), 0.0);
        for blocks in &mut self.blocks {
            // Groups read one block more than they have patches.
            blocks.resize(SUMS * (grid.stride + 1), 0.0);
        }
    }
}

/// Precomputes all patches of a level.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn measure(luma: &Plane, gx: &Plane, gy: &Plane, to: &mut Patches) {
    let PatchGrid { columns, rows, stride } = to.grid;
    for row in 0..=rows {
        to.blocks.swap(0, 1);
        sum_blocks(luma, gx, gy, row, columns + 1, &mut to.columns, &mut to.blocks[1]);
        if row > 0 {
            let [above, below] = &to.blocks;
            for (group, stats) in to.stats[to.grid.groups(row - 1)].iter_mut().enumerate() {
                let mut sums = [[0.0; 8]; SUMS];
                // Unused values count nothing.
                let used = columns.saturating_sub(8 * group).min(8);
                for (c, sums) in sums.iter_mut().enumerate() {
                    let at = c * (stride + 1) + 8 * group;
                    *sums = add_blocks([&above[at..], &above[at + 1..], &below[at..], &below[at + 1..]]);
                    sums[used..].fill(0.0);
                }
                *stats = evaluate(&sums);
            }
        }
    }
}

/// One sum of eight patches from that of the four blocks of each.
#[inline(always)]
fn add_blocks(blocks: [&[f32]; 4]) -> F32x8 {
    let [a, b, c, d] = blocks.map(first8);
    let mut to = [0.0; 8];
    for i in 0..8 {
        to[i] = (a[i] + b[i]) + (c[i] + d[i]);
    }
    to
}

/// The sums of a row of `count` blocks.
#[inline(always)]
fn sum_blocks(luma: &Plane, gx: &Plane, gy: &Plane, row: usize, count: usize, columns: &mut [f32], blocks: &mut [f32]) {
    let width = SPACING * count;
    let columns = &mut columns[..SUMS * width];
    columns.fill(0.0);
    let (first, second) = columns.split_at_mut(4 * width);
    for y in SPACING * row..SPACING * (row + 1) {
        let (t, gx, gy) = (&luma.row(y)[..width], &gx.row(y)[..width], &gy.row(y)[..width]);
        let (s0, rest) = first.split_at_mut(width);
        let (s1, rest) = rest.split_at_mut(width);
        let (s2, s3) = rest.split_at_mut(width);
        for x in 0..width {
            s0[x] += t[x];
            s1[x] += gx[x];
            s2[x] += gy[x];
            s3[x] += t[x] * t[x];
        }
        let (s4, rest) = second.split_at_mut(width);
        let (s5, rest) = rest.split_at_mut(width);
        let (s6, rest) = rest.split_at_mut(width);
        let (s7, s8) = rest.split_at_mut(width);
        for x in 0..width {
            s4[x] += t[x] * gx[x];
            s5[x] += t[x] * gy[x];
        }
        for x in 0..width {
            s6[x] += gx[x] * gx[x];
            s7[x] += gx[x] * gy[x];
            s8[x] += gy[x] * gy[x];
        }
    }
    let stride = blocks.len() / SUMS;
    for (blocks, columns) in blocks.chunks_exact_mut(stride).zip(columns.chunks_exact(width)) {
        for (to, from) in blocks.iter_mut().zip(columns.as_chunks::<SPACING>().0) {
            *to = (from[0] + from[1]) + (from[2] + from[3]);
        }
    }
}

#[inline(always)]
fn evaluate(sums: &[F32x8; SUMS]) -> PatchStats {
    let mut to = PatchStats::default();
    let [t, gx, gy, tt, tx, ty, xx, xy, yy] = sums;
    for i in 0..8 {
        let (mean, mx, my) = (t[i] * (1.0 / PATCH_PIXELS), gx[i] * (1.0 / PATCH_PIXELS), gy[i] * (1.0 / PATCH_PIXELS));
        to.mean[i] = mean;
        to.variance[i] = (tt[i] - t[i] * mean).max(0.0);
        to.gx[i] = mx;
        to.gy[i] = my;
        to.t_gx[i] = tx[i] - t[i] * mx;
        to.t_gy[i] = ty[i] - t[i] * my;
        to.xx[i] = (xx[i] - gx[i] * mx).max(0.0);
        to.xy[i] = xy[i] - gx[i] * my;
        to.yy[i] = (yy[i] - gy[i] * my).max(0.0);
    }
    to
}
