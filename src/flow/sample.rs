//! Compares patches with the other picture at the places where they are believed to lie.

use multiversion::multiversion;

use super::patches::Stats;
use super::plane::{PATCH, PIXELS, Place, Row, STEP, Shape, eight};
use super::pyramid::Level;
use super::solver::{DataTerm, Slope, Solver};

/// A neighbour's motion is tried where it differs by more than this, in pixels (|x| + |y|) …
const OTHER: f32 = 0.25;

/// … and taken where it leaves less than this share of the squared error …
const BETTER: f32 = 0.9;

/// … and by this much less, in grey levels² over all pixels.
const CLEARLY: f32 = 1.0;

/// Contrast, as a sum of squares over a patch (one grey level's), below which a gain cannot be told: it is taken as 1.
const FLAT: f32 = 64.0;

/// Mean squared error, in grey levels², that is as good as none.
const PERFECT: f32 = 0.05;

/// How much curvature noise adds to a Hessian for each unit of mean squared error.
const NOISE: f32 = 9.5;

/// How much of a Hessian's smaller eigenvalue may be put down to noise.
const DOUBT: f32 = 0.95;

/// Longest step in each direction, pixels.
const STRIDE: f32 = 2.0;

/// What was seen of the patches of a level when they were last compared.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// By groups of eight.
    pub seen: Vec<Seen>,
    /// Sums of the row of patches being compared, by groups of eight.
    sums: Vec<[Row; 5]>,
    /// The same before the lanes of each sum are added up, by patch.
    lanes: Vec<[Row; 5]>,
}

/// Of eight patches: what maps the other picture's luma at their places to their own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// Mean luma of the other picture there.
    pub mean: Row,
    /// Factor from the contrast there to the patch's.
    pub scale: Row,
    /// Sum of squared errors.
    pub error: Row,
}

impl Samples {
    /// Changes the arrangement.
    pub fn resize(&mut self, shape: Shape) {
        self.seen.resize(shape.size() / 8, Seen::default());
        self.sums.resize(shape.stride / 8, [[0.0; 8]; 5]);
        self.lanes.resize(shape.columns, [[0.0; 8]; 5]);
    }
}

/// In what order patches are compared, and whose motion each tries beside its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order {
    /// Nobody's.
    Alone,
    /// From the upper left: that of the neighbours to the left and above.
    Down,
    /// From the lower right: that of the neighbours to the right and below.
    Up,
}

/// Compares each patch of `now` with `before` at its place in `solver`, and gives the solver its costs.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn compare(
    now: &Level,
    before: &Level,
    solver: &mut Solver,
    samples: &mut Samples,
    slope: &Slope,
    order: Order,
) {
    let shape = solver.shape;
    for row in 0..shape.rows {
        let row = if order == Order::Up { shape.rows - 1 - row } else { row };
        let first = shape.row(row);
        for (column, lanes) in samples.lanes.iter_mut().enumerate() {
            let (x, y) = (solver.x[first + column], solver.y[first + column]);
            sample(now, before, (column, row), (x, y), lanes);
        }
        add_lanes(&samples.lanes, &mut samples.sums);
        if order != Order::Alone {
            propagate(now, before, row, solver, samples, slope, order);
        }
        for (group, sums) in shape.groups(row).zip(&samples.sums) {
            let (x, y) = (eight(&solver.x[8 * group..]), eight(&solver.y[8 * group..]));
            (solver.terms[group], samples.seen[group]) = evaluate(sums, &now.patches.stats[group], x, y);
        }
    }
}

/// Sums, over a patch at a displacement, of w, w², w·t, w·gx and w·gy, where w is the other picture's luma, in eight lanes
/// each. The lanes are added up elsewhere: where the compiler sees that, it shuffles lanes in this loop.
#[inline(always)]
fn sample(now: &Level, before: &Level, (column, row): (usize, usize), (x, y): (f32, f32), to: &mut [Row; 5]) {
    let (left, top) = (column * STEP, row * STEP);
    let place = before.luma.place(left as f32 + x, top as f32 + y);
    let at = now.luma.at(left, top);
    let [mut w0, mut ww, mut wt, mut wx, mut wy] = [[0.0; PATCH]; 5];
    let mut above = across(&before.luma.data[place.at..], place);
    let rows = before.luma.rows(place.at + before.luma.stride);
    let rows = rows.zip(now.luma.rows(at)).zip(now.gx.rows(at).zip(now.gy.rows(at)));
    for ((below, t), (gx, gy)) in rows {
        let (t, gx, gy) = (eight(t), eight(gx), eight(gy));
        let below = across(below, place);
        for i in 0..PATCH {
            let w = above[i] + (below[i] - above[i]) * place.y;
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

/// Eight values between the first nine of a row.
#[inline(always)]
fn across(row: &[f32], place: Place) -> Row {
    let from: &[f32; PATCH + 1] = row.first_chunk().expect("at least nine values");
    let mut to = [0.0; PATCH];
    for i in 0..PATCH {
        to[i] = from[i] + (from[i + 1] - from[i]) * place.x;
    }
    to
}

#[inline(always)]
fn add(v: &Row) -> f32 {
    ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
}

/// Adds up the lanes of each patch.
#[inline(never)]
fn add_lanes(patches: &[[Row; 5]], groups: &mut [[Row; 5]]) {
    for (group, patches) in groups.iter_mut().zip(patches.chunks(8)) {
        for (i, patch) in patches.iter().enumerate() {
            for (group, lanes) in group.iter_mut().zip(patch) {
                group[i] = add(lanes);
            }
        }
    }
}

/// Lets the patches of a row take over the motion of two neighbours where it fits better: how motion gets to where the
/// coarser level had none, such as a limb's, and away from behind an edge.
#[inline(always)]
fn propagate(
    now: &Level,
    before: &Level,
    row: usize,
    solver: &mut Solver,
    samples: &mut Samples,
    slope: &Slope,
    order: Order,
) {
    let shape = solver.shape;
    for column in 0..shape.columns {
        let column = if order == Order::Up { shape.columns - 1 - column } else { column };
        let at = shape.row(row) + column;
        // Neighbours to the right and below differ by the slope the other way round.
        let (beside, above, sign) = if order == Order::Up {
            ((column + 1 < shape.columns).then_some(at + 1), (row + 1 < shape.rows).then_some(at + shape.stride), -1.0)
        } else {
            (column.checked_sub(1).map(|_| at - 1), row.checked_sub(1).map(|_| at - shape.stride), 1.0)
        };
        let motion = |at: usize, slope: [f32; 2]| (solver.x[at] + sign * slope[0], solver.y[at] + sign * slope[1]);
        let others = [beside.map(|at| motion(at, slope[0])), above.map(|at| motion(at, slope[1]))];
        let stats = &now.patches.stats[at / 8];
        let (mean, variance) = (stats.mean[at % 8], stats.variance[at % 8]);
        let mut tried = None;
        for (x, y) in others.into_iter().flatten() {
            let is_like = |(a, b): (f32, f32)| (x - a).abs() + (y - b).abs() < OTHER;
            if is_like((solver.x[at], solver.y[at])) || tried.is_some_and(is_like) {
                continue;
            }
            tried = Some((x, y));
            let sums = &mut samples.sums[column / 8];
            let own =
                BETTER * judge([sums[0][column % 8], sums[1][column % 8], sums[2][column % 8]], mean, variance).error;
            if own <= CLEARLY {
                break;
            }
            let mut lanes = [[0.0; 8]; 5];
            sample(now, before, (column, row), (x, y), &mut lanes);
            let found = [add(&lanes[0]), add(&lanes[1]), add(&lanes[2]), add(&lanes[3]), add(&lanes[4])];
            if judge([found[0], found[1], found[2]], mean, variance).error + CLEARLY < own {
                (solver.x[at], solver.y[at]) = (x, y);
                for (sums, found) in sums.iter_mut().zip(found) {
                    sums[column % 8] = found;
                }
            }
        }
    }
}

/// How a patch compares with the other picture at a place.
struct Judgement {
    mean: f32,
    scale: f32,
    error: f32,
}

/// From the sums of w, w² and w·t, and the patch's mean and variance.
#[inline(always)]
fn judge([w, ww, wt]: [f32; 3], own_mean: f32, own_variance: f32) -> Judgement {
    let mean = w * (1.0 / PIXELS);
    let variance = (ww - w * mean).max(0.0);
    // No exposure changes by more than a factor of two between two pictures: beyond that it is something else.
    let scale = ((own_variance + FLAT) / (variance + FLAT)).sqrt().clamp(0.5, 2.0);
    let covariance = wt - own_mean * w;
    let error = ((variance * scale - 2.0 * covariance) * scale + own_variance).max(0.0);
    Judgement { mean, scale, error }
}

/// The Gauss–Newton step of eight patches at (x, y) as a quadratic cost for the solver.
#[inline(always)]
fn evaluate(sums: &[Row; 5], stats: &Stats, x: &Row, y: &Row) -> (DataTerm, Seen) {
    let (mut term, mut seen) = (DataTerm::default(), Seen::default());
    let [w, ww, wt, wx, wy] = sums;
    for i in 0..8 {
        let judged = judge([w[i], ww[i], wt[i]], stats.mean[i], stats.variance[i]);
        let (xx, xy, yy) = (stats.xx[i], stats.xy[i], stats.yy[i]);
        let trace = xx + yy;
        // The step to the patch's own optimum.
        let bx = (wx[i] - stats.gx[i] * w[i]) * judged.scale - stats.own_x[i];
        let by = (wy[i] - stats.gy[i] * w[i]) * judged.scale - stats.own_y[i];
        let ridge = 1.0 + 1e-4 * trace;
        let (rx, ry) = (xx + ridge, yy + ridge);
        let inverse = 1.0 / (rx * ry - xy * xy);
        let dx = ((ry * bx - xy * by) * inverse).clamp(-STRIDE, STRIDE);
        let dy = ((rx * by - xy * bx) * inverse).clamp(-STRIDE, STRIDE);
        // A flat patch's Hessian is that of its noise, about which nothing moves: it is subtracted, as far as the error
        // tells how much there is. The last term keeps the rest positive in spite of rounding.
        let squared = judged.error * (1.0 / PIXELS);
        let half = 0.5 * (xx - yy);
        let least = (0.5 * trace - (half * half + xy * xy).sqrt()).max(0.0);
        let noise = (NOISE * squared).min(DOUBT * least) - 1e-5 * trace;
        let weight = 1.0 / (PERFECT + squared);
        let (xx, xy, yy) = (weight * (xx - noise), weight * xy, weight * (yy - noise));
        let (x, y) = (x[i] - dx, y[i] - dy);
        term.xx[i] = xx;
        term.xy[i] = xy;
        term.yy[i] = yy;
        term.x[i] = xx * x + xy * y;
        term.y[i] = xy * x + yy * y;
        seen.mean[i] = judged.mean;
        seen.scale[i] = judged.scale;
        seen.error[i] = judged.error;
    }
    (term, seen)
}
