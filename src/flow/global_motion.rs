//! The motion of the whole: an affine field, fitted to what the patches that know theirs agree on.

use multiversion::multiversion;

use super::plane::{Row, eight};
use super::solver::{DataTerm, Slope, Solver};

/// How sure a patch must be, in curvature of its cost, to count half.
const SURE: f32 = 3.0;

/// Error, in pixels, at which a patch counts a quarter.
const ODD: f32 = 1.0;

/// Agreement at which the slope begins to be believed, and from which on it is believed fully.
const AGREED: (f32, f32) = (0.5, 0.8);

/// Keeps the slope at zero where too few patches speak for another.
const RIDGE: f32 = 0.5;

/// An affine field over the patches of a level.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GlobalMotion {
    /// Motion in the middle (x, y), pixels.
    middle: [f32; 2],
    /// How it changes from patch to patch, pixels.
    slope: Slope,
    /// The share of what the patches know that fits the field, 0 to 1.
    agreement: f32,
}

impl GlobalMotion {
    /// How the motion of the whole changes from patch to patch: not at all where too few patches agree on the field, which
    /// then more likely spans several things that move differently.
    pub fn slope(&self) -> Slope {
        let trust = ((self.agreement - AGREED.0) / (AGREED.1 - AGREED.0)).clamp(0.0, 1.0);
        self.slope.map(|change| change.map(|v| trust * v))
    }

    /// The same field on the next finer level: pixels and patches are half as large, so the slope stays.
    pub fn refine(&mut self) {
        self.middle = self.middle.map(|v| 2.0 * v);
    }
}

/// One step of iteratively reweighted least squares from the field as it is.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn fit(solver: &Solver, global: &mut GlobalMotion) {
    let shape = solver.shape;
    let centre = ((shape.columns as f32 - 1.0) / 2.0, (shape.rows as f32 - 1.0) / 2.0);
    // Sums of w, wx, wy, wxx, wxy, wyy, of w, wx, wy times either motion, and of w before the fit, in eight lanes each.
    let mut sums = [[0.0; 8]; 13];
    for row in 0..shape.rows {
        let y = row as f32 - centre.1;
        for (i, group) in shape.groups(row).enumerate() {
            let term = &solver.terms[group];
            let (ux, uy) = (eight(&solver.x[8 * group..]), eight(&solver.y[8 * group..]));
            let x: Row = std::array::from_fn(|l| (8 * i + l) as f32 - centre.0);
            let (w, sure) = weigh(term, ux, uy, &x, y, global);
            sums[12] = plus(&sums[12], &sure);
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
    if let Some(found) = solve(totals) {
        *global = found;
    }
}

const ONE: Row = [1.0; 8];

#[inline(always)]
fn times(a: &Row, b: &Row) -> Row {
    let mut to = [0.0; 8];
    for i in 0..8 {
        to[i] = a[i] * b[i];
    }
    to
}

#[inline(always)]
fn plus(a: &Row, b: &Row) -> Row {
    let mut to = [0.0; 8];
    for i in 0..8 {
        to[i] = a[i] + b[i];
    }
    to
}

/// How much each of eight patches counts: by how sure it is, and by how well it fits the field.
#[inline(always)]
fn weigh(term: &DataTerm, ux: &Row, uy: &Row, x: &Row, y: f32, global: &GlobalMotion) -> (Row, Row) {
    let ([mx, my], [[xx, xy], [yx, yy]]) = (global.middle, global.slope);
    let (mut to, mut all) = ([0.0; 8], [0.0; 8]);
    for i in 0..8 {
        // About the smaller eigenvalue; zero for places without a patch.
        let determinant = (term.xx[i] * term.yy[i] - term.xy[i] * term.xy[i]).max(0.0);
        let sure = determinant / (term.xx[i] + term.yy[i] + 1e-3);
        let (ex, ey) = (ux[i] - mx - xx * x[i] - yx * y, uy[i] - my - xy * x[i] - yy * y);
        let odd = 1.0 + (ex * ex + ey * ey) * (1.0 / (ODD * ODD));
        all[i] = sure / (sure + SURE);
        to[i] = all[i] / (odd * odd);
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
