//! Global motion: an affine field, fitted robustly to the displacements of a level's patches.

use multiversion::multiversion;

use super::plane::{F32x8, first8};
use super::solver::{DataTerm, Slope, Solver};

/// Curvature of a patch's data term at which it counts half.
const HALF_CURVATURE: f32 = 3.0;

/// Scale c of the Geman–McClure weight 1 / (1 + e² / c²)², where e is a patch's distance from the field in pixels: a quarter at c.
const OUTLIER_SCALE: f32 = 1.0;

/// Agreement at which the slope begins to count, and from which on it counts in full.
const AGREEMENT_RANGE: (f32, f32) = (0.5, 0.8);

/// Ridge regularisation: keeps the slope near zero where few patches support another.
const RIDGE: f32 = 0.5;

/// An affine field over the patches of a level.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GlobalMotion {
    /// Displacement in the middle (x, y), pixels.
    middle: [f32; 2],
    /// How it changes from patch to patch, pixels.
    slope: Slope,
    /// Weight of the patches after the robust weighting, as a share of that before, 0 to 1.
    agreement: f32,
}

impl GlobalMotion {
    /// How the global motion changes from patch to patch: zero where too few patches agree on the field, which then more likely spans
    /// several things that move differently.
    pub fn slope(&self) -> Slope {
        let trust = ((self.agreement - AGREEMENT_RANGE.0) / (AGREEMENT_RANGE.1 - AGREEMENT_RANGE.0)).clamp(0.0, 1.0);
        self.slope.map(|change| change.map(|v| trust * v))
    }

    /// The same field on the next finer level: pixels and patches are half as large, so the slope stays.
    pub fn refine(&mut self) {
        self.middle = self.middle.map(|v| 2.0 * v);
    }
}

/// One step of iteratively reweighted least squares, weighted by the distances from the present field.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn fit(solver: &Solver, global: &mut GlobalMotion) {
    let grid = solver.grid;
    let centre = ((grid.columns as f32 - 1.0) / 2.0, (grid.rows as f32 - 1.0) / 2.0);
    // Sums of w, wx, wy, wxx, wxy, wyy, of w, wx, wy times either motion, and of w before the fit, in eight lanes each.
    let mut sums = [[0.0; 8]; 13];
    for row in 0..grid.rows {
        let y = row as f32 - centre.1;
        for (i, group) in grid.groups(row).enumerate() {
            let term = &solver.terms[group];
            let (ux, uy) = (first8(&solver.x[8 * group..]), first8(&solver.y[8 * group..]));
            let x: F32x8 = std::array::from_fn(|l| (8 * i + l) as f32 - centre.0);
            let (w, certainty) = patch_weights(term, ux, uy, &x, y, global);
            sums[12] = plus(&sums[12], &certainty);
            let (wx, wy) = (times(&w, &x), w.map(|w| w * y));
            for (sum, (a, b)) in sums.iter_mut().zip([
                (&w, &ONE),
                (&wx, &ONE),
                (&wy, &ONE),
                (&wx, &x),
                (&wy, &x),
                (&wy, &[y; 8]),
                (&w, ux),
                (&wx, ux),
                (&wy, ux),
                (&w, uy),
                (&wx, uy),
                (&wy, uy),
            ]) {
                *sum = plus(sum, &times(a, b));
            }
        }
    }
    let mut totals = [0.0; 13];
    for (total, lanes) in totals.iter_mut().zip(&sums) {
        *total = lanes.iter().sum();
    }
    if let Some(fitted) = solve(totals) {
        *global = fitted;
    }
}

const ONE: F32x8 = [1.0; 8];

#[inline(always)]
fn times(a: &F32x8, b: &F32x8) -> F32x8 {
    let mut to = [0.0; 8];
    for i in 0..8 {
        to[i] = a[i] * b[i];
    }
    to
}

#[inline(always)]
fn plus(a: &F32x8, b: &F32x8) -> F32x8 {
    let mut to = [0.0; 8];
    for i in 0..8 {
        to[i] = a[i] + b[i];
    }
    to
}

/// Weights of eight patches: by curvature and by how well each fits the field; and by curvature alone.
#[inline(always)]
fn patch_weights(term: &DataTerm, ux: &F32x8, uy: &F32x8, x: &F32x8, y: f32, global: &GlobalMotion) -> (F32x8, F32x8) {
    let ([mx, my], [[xx, xy], [yx, yy]]) = (global.middle, global.slope);
    let (mut to, mut all) = ([0.0; 8], [0.0; 8]);
    for i in 0..8 {
        // About the smaller eigenvalue; zero where there is no patch.
        let determinant = (term.xx[i] * term.yy[i] - term.xy[i] * term.xy[i]).max(0.0);
        let certainty = determinant / (term.xx[i] + term.yy[i] + 1e-3);
        let (ex, ey) = (ux[i] - mx - xx * x[i] - yx * y, uy[i] - my - xy * x[i] - yy * y);
        let outlier = 1.0 + (ex * ex + ey * ey) * (1.0 / (OUTLIER_SCALE * OUTLIER_SCALE));
        all[i] = certainty / (certainty + HALF_CURVATURE);
        to[i] = all[i] / (outlier * outlier);
    }
    (to, all)
}

/// Solves the normal equations, by the adjugate of their matrix.
fn solve([w, x, y, xx, xy, yy, ux, uxx, uxy, uy, uyx, uyy, all]: [f32; 13]) -> Option<GlobalMotion> {
    let w = w + 1e-3;
    let (xx, yy) = (xx + RIDGE * w, yy + RIDGE * w);
    let (c00, c01, c02) = (xx * yy - xy * xy, xy * y - x * yy, x * xy - xx * y);
    let (c11, c12, c22) = (w * yy - y * y, x * y - w * xy, w * xx - x * x);
    let inverse = 1.0 / (w * c00 + x * c01 + y * c02);
    let row = |a: f32, b: f32, c: f32| [(a * ux + b * uxx + c * uxy) * inverse, (a * uy + b * uyx + c * uyy) * inverse];
    let (middle, slope) = (row(c00, c01, c02), [row(c01, c11, c12), row(c02, c12, c22)]);
    let agreement = w / (all + 1e-3);
    let is_sound = middle.iter().chain(slope.iter().flatten()).all(|v| v.is_finite());
    is_sound.then_some(GlobalMotion { middle, slope, agreement })
}
