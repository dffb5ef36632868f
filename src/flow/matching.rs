//! Patch matching: compares patches with the other picture at their current displacements, and takes one step of the inverse search.

use multiversion::multiversion;

use super::patches::PatchStats;
use super::plane::{F32x8, PATCH, PATCH_PIXELS, PatchGrid, SPACING, SubpixelPosition, first8};
use super::pyramid::Level;
use super::solver::{DataTerm, Slope, Solver};

/// Propagation: a neighbour's displacement is tried where it differs by more than this, in pixels (|x| + |y|) …
const CANDIDATE_DISTANCE: f32 = 0.25;

/// … and taken where it leaves less than this share of the sum of squared errors …
const CANDIDATE_ERROR_RATIO: f32 = 0.9;

/// … and by this much less, in grey levels² over all pixels.
const CANDIDATE_ERROR_MARGIN: f32 = 1.0;

/// Added to both sums of squares before their ratio gives the gain: a standard deviation of one grey level over the patch, below which
/// contrast is noise and the gain tends to 1.
const CONTRAST_FLOOR: f32 = 64.0;

/// Added to the mean squared error, in grey levels², before its inverse weighs the data term.
const ERROR_FLOOR: f32 = 0.05;

/// What noise adds to each eigenvalue of a patch's Hessian, for each unit of mean squared error.
const NOISE_CURVATURE: f32 = 9.5;

/// Largest share of the smaller eigenvalue that is put down to noise.
const MAX_NOISE_SHARE: f32 = 0.95;

/// Largest step in each direction, pixels.
const MAX_STEP: f32 = 2.0;

/// The last comparison of a level's patches.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// By groups of eight.
    pub groups: Vec<PatchMatches>,
    /// Sums of the row of patches being compared, by groups of eight.
    sums: Vec<[F32x8; 5]>,
    /// The same before the lanes of each sum are added up, by patch.
    lanes: Vec<[F32x8; 5]>,
}

/// Of eight patches: what maps the other picture's luma at their positions to their own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PatchMatches {
    /// Mean luma of the other picture there.
    pub mean: F32x8,
    /// Factor from the contrast there to the patch's.
    pub gain: F32x8,
    /// Sum of squared errors.
    pub error: F32x8,
}

impl Matches {
    /// Changes the grid.
    pub fn resize(&mut self, grid: PatchGrid) {
        self.groups.resize(grid.size() / 8, PatchMatches::default());
        self.sums.resize(grid.stride / 8, [[0.0; 8]; 5]);
        self.lanes.resize(grid.columns, [[0.0; 8]; 5]);
    }
}

/// In what order patches are compared, and which neighbours' displacements each tries besides its own (as in PatchMatch).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Propagation {
    /// None's.
    Off,
    /// In reading order: those of the neighbours to the left and above.
    FromUpperLeft,
    /// In reverse: those of the neighbours to the right and below.
    FromLowerRight,
}

/// Compares each patch of `now` with `before` at its displacement in `solver`, and writes its data term there.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn match_patches(
    now: &Level,
    before: &Level,
    solver: &mut Solver,
    matches: &mut Matches,
    slope: &Slope,
    propagation: Propagation,
) {
    let grid = solver.grid;
    for row in 0..grid.rows {
        let row = if propagation == Propagation::FromLowerRight { grid.rows - 1 - row } else { row };
        let first = grid.row(row);
        for (column, lanes) in matches.lanes.iter_mut().enumerate() {
            let (x, y) = (solver.x[first + column], solver.y[first + column]);
            sample(now, before, (column, row), (x, y), lanes);
        }
        sum_groups(&matches.lanes, &mut matches.sums);
        if propagation != Propagation::Off {
            propagate(now, before, row, solver, matches, slope, propagation);
        }
        for (group, sums) in grid.groups(row).zip(&matches.sums) {
            let (x, y) = (first8(&solver.x[8 * group..]), first8(&solver.y[8 * group..]));
            (solver.terms[group], matches.groups[group]) = gauss_newton_step(sums, &now.patches.stats[group], x, y);
        }
    }
}

/// Sums, over a patch at a displacement, of w, w², w·t, w·gx and w·gy, where w is the other picture's luma there and t the patch's own, in
/// eight lanes each. The lanes are added up elsewhere: where the compiler sees that, it shuffles lanes in this loop.
#[inline(always)]
fn sample(now: &Level, before: &Level, (column, row): (usize, usize), (x, y): (f32, f32), to: &mut [F32x8; 5]) {
    let (left, top) = (column * SPACING, row * SPACING);
    let position = before.luma.position(left as f32 + x, top as f32 + y);
    let at = now.luma.at(left, top);
    let [mut w0, mut ww, mut wt, mut wx, mut wy] = [[0.0; PATCH]; 5];
    let mut above = lerp_row(&before.luma.data[position.at..], position);
    let rows = before.luma.rows(position.at + before.luma.stride);
    let rows = rows.zip(now.luma.rows(at)).zip(now.gx.rows(at).zip(now.gy.rows(at)));
    for ((below, t), (gx, gy)) in rows {
        let (t, gx, gy) = (first8(t), first8(gx), first8(gy));
        let below = lerp_row(below, position);
        for i in 0..PATCH {
            let w = above[i] + (below[i] - above[i]) * position.y;
            w0[i] += w;
            ww[i] += w * w;
            wt[i] += w * t[i];
            wx[i] += w * gx[i];
            wy[i] += w * gy[i];
        }
        above = below;
    }
    *to = [w0, ww, wt, wx, wy];
}

/// Eight values, interpolated between the first nine of a row.
#[inline(always)]
fn lerp_row(row: &[f32], position: SubpixelPosition) -> F32x8 {
    let from: &[f32; PATCH + 1] = row.first_chunk().expect("at least nine values");
    let mut to = [0.0; PATCH];
    for i in 0..PATCH {
        to[i] = from[i] + (from[i + 1] - from[i]) * position.x;
    }
    to
}

#[inline(always)]
fn sum_lanes(v: &F32x8) -> f32 {
    ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
}

/// Adds up the lanes of each patch.
#[inline(never)]
fn sum_groups(patches: &[[F32x8; 5]], groups: &mut [[F32x8; 5]]) {
    for (group, patches) in groups.iter_mut().zip(patches.chunks(8)) {
        for (i, patch) in patches.iter().enumerate() {
            for (group, lanes) in group.iter_mut().zip(patch) {
                group[i] = sum_lanes(lanes);
            }
        }
    }
}

/// Lets the patches of a row take over the displacement of a neighbour where it fits better: so motion reaches places where the
/// coarser level had none, such as a limb, and is corrected behind edges.
#[inline(always)]
fn propagate(
    now: &Level,
    before: &Level,
    row: usize,
    solver: &mut Solver,
    matches: &mut Matches,
    slope: &Slope,
    propagation: Propagation,
) {
    let grid = solver.grid;
    for column in 0..grid.columns {
        let column = if propagation == Propagation::FromLowerRight { grid.columns - 1 - column } else { column };
        let at = grid.row(row) + column;
        // Neighbours to the right and below differ by the slope the other way round.
        let (beside, above, sign) = if propagation == Propagation::FromLowerRight {
            ((column + 1 < grid.columns).then_some(at + 1), (row + 1 < grid.rows).then_some(at + grid.stride), -1.0)
        } else {
            (column.checked_sub(1).map(|_| at - 1), row.checked_sub(1).map(|_| at - grid.stride), 1.0)
        };
        let motion = |at: usize, slope: [f32; 2]| (solver.x[at] + sign * slope[0], solver.y[at] + sign * slope[1]);
        let others = [beside.map(|at| motion(at, slope[0])), above.map(|at| motion(at, slope[1]))];
        let stats = &now.patches.stats[at / 8];
        let (mean, variance) = (stats.mean[at % 8], stats.variance[at % 8]);
        let mut tried = None;
        for (x, y) in others.into_iter().flatten() {
            let is_like = |(a, b): (f32, f32)| (x - a).abs() + (y - b).abs() < CANDIDATE_DISTANCE;
            if is_like((solver.x[at], solver.y[at])) || tried.is_some_and(is_like) {
                continue;
            }
            tried = Some((x, y));
            let sums = &mut matches.sums[column / 8];
            let own = CANDIDATE_ERROR_RATIO
                * photometric_match([sums[0][column % 8], sums[1][column % 8], sums[2][column % 8]], mean, variance)
                    .error;
            if own <= CANDIDATE_ERROR_MARGIN {
                break;
            }
            let mut lanes = [[0.0; 8]; 5];
            sample(now, before, (column, row), (x, y), &mut lanes);
            let found = [
                sum_lanes(&lanes[0]),
                sum_lanes(&lanes[1]),
                sum_lanes(&lanes[2]),
                sum_lanes(&lanes[3]),
                sum_lanes(&lanes[4]),
            ];
            if photometric_match([found[0], found[1], found[2]], mean, variance).error + CANDIDATE_ERROR_MARGIN < own {
                (solver.x[at], solver.y[at]) = (x, y);
                for (sums, found) in sums.iter_mut().zip(found) {
                    sums[column % 8] = found;
                }
            }
        }
    }
}

/// How a patch compares with the other picture at one position; as in [`PatchMatches`].
struct Match {
    mean: f32,
    gain: f32,
    error: f32,
}

/// From the sums of w, w² and w·t, and the patch's mean and Σt²: the gain that gives both the same variance, and the sum of squared errors
/// Σ(gain · (w − w̄) − t)² that it leaves.
#[inline(always)]
fn photometric_match([w, ww, wt]: [f32; 3], own_mean: f32, own_variance: f32) -> Match {
    let mean = w * (1.0 / PATCH_PIXELS);
    let variance = (ww - w * mean).max(0.0);
    // No exposure changes contrast by more than a factor of two from frame to frame: beyond that it is something else.
    let gain = ((own_variance + CONTRAST_FLOOR) / (variance + CONTRAST_FLOOR)).sqrt().clamp(0.5, 2.0);
    let covariance = wt - own_mean * w;
    let error = ((variance * gain - 2.0 * covariance) * gain + own_variance).max(0.0);
    Match { mean, gain, error }
}

/// One Gauss–Newton step of the inverse search for eight patches displaced by u = (x, y), as data terms: with H = Σggᵀ and b = Σg (w − t) it
/// leads to u₀ = u − H⁻¹ b, and the cost of any displacement v is (v − u₀)ᵀ A (v − u₀), where A is H less noise, over the mean squared error.
#[inline(always)]
fn gauss_newton_step(sums: &[F32x8; 5], stats: &PatchStats, x: &F32x8, y: &F32x8) -> (DataTerm, PatchMatches) {
    let (mut term, mut found) = (DataTerm::default(), PatchMatches::default());
    let [w, ww, wt, wx, wy] = sums;
    for i in 0..8 {
        let matched = photometric_match([w[i], ww[i], wt[i]], stats.mean[i], stats.variance[i]);
        let (xx, xy, yy) = (stats.xx[i], stats.xy[i], stats.yy[i]);
        let trace = xx + yy;
        // The step to the patch's own optimum.
        let bx = (wx[i] - stats.gx[i] * w[i]) * matched.gain - stats.t_gx[i];
        let by = (wy[i] - stats.gy[i] * w[i]) * matched.gain - stats.t_gy[i];
        let ridge = 1.0 + 1e-4 * trace;
        let (rx, ry) = (xx + ridge, yy + ridge);
        let inverse = 1.0 / (rx * ry - xy * xy);
        let dx = ((ry * bx - xy * by) * inverse).clamp(-MAX_STEP, MAX_STEP);
        let dy = ((rx * by - xy * bx) * inverse).clamp(-MAX_STEP, MAX_STEP);
        // A flat patch's Hessian is that of its noise, which says nothing of motion: it is subtracted, as far as the error
        // shows how much noise there is. The last term keeps the rest positive in spite of rounding.
        let squared = matched.error * (1.0 / PATCH_PIXELS);
        let half = 0.5 * (xx - yy);
        let least = (0.5 * trace - (half * half + xy * xy).sqrt()).max(0.0);
        let noise = (NOISE_CURVATURE * squared).min(MAX_NOISE_SHARE * least) - 1e-5 * trace;
        let weight = 1.0 / (ERROR_FLOOR + squared);
        let (xx, xy, yy) = (weight * (xx - noise), weight * xy, weight * (yy - noise));
        let (x, y) = (x[i] - dx, y[i] - dy);
        term.xx[i] = xx;
        term.xy[i] = xy;
        term.yy[i] = yy;
        term.x[i] = xx * x + xy * y;
        term.y[i] = xy * x + yy * y;
        found.mean[i] = matched.mean;
        found.gain[i] = matched.gain;
        found.error[i] = matched.error;
    }
    (term, found)
}
