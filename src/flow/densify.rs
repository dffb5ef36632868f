//! From the motion of patches to that of pixels.

use multiversion::multiversion;

use super::FlowField;
use super::plane::STEP;
use super::pyramid::Level;
use super::sample::Samples;
use super::solver::Solver;

/// Patches around a pixel that differ by more than this, in pixels, are weighed by how well each fits the pixel.
const DIFFERENT: f32 = 0.75;

/// Squared error of a pixel, in grey levels², that is forgiven.
const FORGIVEN: f32 = 4.0;

/// What a patch's own squared error takes from its weight.
const UNFIT: f32 = 5e-4;

/// How near each pixel of a cell is to the patch at its right or lower end, and how far from it.
const NEAR: [f32; STEP] = [0.125, 0.375, 0.625, 0.875];
const FAR: [f32; STEP] = [0.875, 0.625, 0.375, 0.125];

/// The pixels between four patches' centres.
type Cell = [[f32; STEP]; STEP];

/// Interpolates between patches. `row` is a work buffer.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn interpolate(solver: &Solver, row: &mut Vec<f32>, out: &mut FlowField) {
    let shape = solver.shape;
    // One value before the first patch, one after the last.
    row.resize(shape.columns + 2, 0.0);
    let width = out.width;
    for (values, out) in [(&solver.x, &mut out.x), (&solver.y, &mut out.y)] {
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            let (above, below) = around(y / STEP, shape.rows);
            let (above, below) = (&values[shape.row(above)..], &values[shape.row(below)..]);
            let near = NEAR[y % STEP];
            for ((to, a), b) in row[1..].iter_mut().zip(above).zip(below).take(shape.columns) {
                *to = a + (b - a) * near;
            }
            row[0] = row[1];
            row[shape.columns + 1] = row[shape.columns];
            let (cells, rest) = out.as_chunks_mut::<STEP>();
            for ((to, a), b) in cells.iter_mut().zip(&row[..]).zip(&row[1..]) {
                for i in 0..STEP {
                    to[i] = a + (b - a) * NEAR[i];
                }
            }
            let (a, b) = (row[width / STEP], row[(width / STEP + 1).min(shape.columns + 1)]);
            for (to, near) in rest.iter_mut().zip(NEAR) {
                *to = a + (b - a) * near;
            }
        }
    }
}

/// The two patches around a cell, in one direction: the same one twice at either end.
#[inline(always)]
fn around(cell: usize, count: usize) -> (usize, usize) {
    (cell.saturating_sub(1), cell.min(count - 1))
}

/// Where patches that are neighbours move differently, lets each pixel weigh them by how well each fits it: interpolating there
/// would make motion that nothing has.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn choose(now: &Level, before: &Level, solver: &Solver, samples: &Samples, out: &mut FlowField) {
    let shape = solver.shape;
    for row in 0..out.height.div_ceil(STEP) {
        let (above, below) = around(row, shape.rows);
        let (above, below) = (shape.row(above), shape.row(below));
        for column in 0..out.width.div_ceil(STEP) {
            let (left, right) = around(column, shape.columns);
            let patches = [above + left, above + right, below + left, below + right];
            if !is_mixed(solver, patches) {
                continue;
            }
            let (x, y) = (STEP * column, STEP * row);
            let (cell_x, cell_y) = weigh(now, before, solver, samples, (x, y), patches);
            let width = STEP.min(out.width - x);
            for i in 0..STEP.min(out.height - y) {
                let at = (y + i) * out.width + x;
                out.x[at..at + width].copy_from_slice(&cell_x[i][..width]);
                out.y[at..at + width].copy_from_slice(&cell_y[i][..width]);
            }
        }
    }
}

#[inline(always)]
fn is_mixed(solver: &Solver, [a, b, c, d]: [usize; 4]) -> bool {
    let between = |a: usize, b: usize| {
        let (x, y) = (solver.x[a] - solver.x[b], solver.y[a] - solver.y[b]);
        x * x + y * y
    };
    between(a, d).max(between(b, c)).max(between(a, b)).max(between(c, d)) > DIFFERENT * DIFFERENT
}

/// The motion of a cell's pixels, of which the first is at (left, top).
#[inline(always)]
fn weigh(
    now: &Level,
    before: &Level,
    solver: &Solver,
    samples: &Samples,
    (left, top): (usize, usize),
    patches: [usize; 4],
) -> (Cell, Cell) {
    let [mut weights, mut sums_x, mut sums_y] = [Cell::default(); 3];
    for (i, patch) in patches.into_iter().enumerate() {
        let (across, along) = (if i % 2 == 0 { FAR } else { NEAR }, if i / 2 == 0 { FAR } else { NEAR });
        let (x, y) = (solver.x[patch], solver.y[patch]);
        let seen = &samples.seen[patch / 8];
        let scale = seen.scale[patch % 8];
        let shift = now.patches.stats[patch / 8].mean[patch % 8] - seen.mean[patch % 8] * scale;
        let fit = 1.0 / (1.0 + UNFIT * seen.error[patch % 8]);
        let place = before.luma.place(left as f32 + x, top as f32 + y);
        let mut row = [0.0; STEP];
        for line in 0..=STEP {
            let from = &before.luma.data[place.at + line * before.luma.stride..];
            let from: &[f32; STEP + 1] = from.first_chunk().expect("a margin around every picture");
            let upper = row;
            for i in 0..STEP {
                row[i] = from[i] + (from[i + 1] - from[i]) * place.x;
            }
            let Some(line) = line.checked_sub(1) else { continue };
            let own: &[f32; STEP] = now.luma.data[now.luma.at(left, top + line)..].first_chunk().expect("a margin");
            for i in 0..STEP {
                let error = (upper[i] + (row[i] - upper[i]) * place.y) * scale + shift - own[i];
                let weight = fit * along[line] * across[i] / (error * error + FORGIVEN);
                weights[line][i] += weight;
                sums_x[line][i] += weight * x;
                sums_y[line][i] += weight * y;
            }
        }
    }
    for line in 0..STEP {
        for i in 0..STEP {
            let inverse = 1.0 / weights[line][i];
            sums_x[line][i] *= inverse;
            sums_y[line][i] *= inverse;
        }
    }
    (sums_x, sums_y)
}
