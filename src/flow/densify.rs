//! Densification: from the displacements of patches to those of pixels.

use multiversion::multiversion;

use super::FlowField;
use super::matching::Matches;
use super::plane::SPACING;
use super::pyramid::Level;
use super::solver::Solver;

/// Where the patches around a pixel differ by more than this, in pixels, each is weighed by how well it fits the pixel.
const MIXED_DISTANCE: f32 = 0.75;

/// Added to a pixel's squared error, in grey levels², before its inverse is the weight.
const PIXEL_ERROR_FLOOR: f32 = 4.0;

/// How much the sum of squared errors of a whole patch lowers its weight: 1 / (1 + this · error).
const PATCH_ERROR_WEIGHT: f32 = 5e-4;

/// Linear weights of the pixels of a cell: of the patch at its right or lower end, and of that at its left or upper one.
const END_WEIGHTS: [f32; SPACING] = [0.125, 0.375, 0.625, 0.875];
const START_WEIGHTS: [f32; SPACING] = [0.875, 0.625, 0.375, 0.125];

/// The pixels between four patches' centres.
type Cell = [[f32; SPACING]; SPACING];

/// Interpolates bilinearly between patches. `row` is a work buffer.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn interpolate(solver: &Solver, row: &mut Vec<f32>, out: &mut FlowField) {
    let grid = solver.grid;
    // One value before the first patch, one after the last.
    row.resize(grid.columns + 2, 0.0);
    let width = out.width;
    for (values, out) in [(&solver.x, &mut out.x), (&solver.y, &mut out.y)] {
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            let (above, below) = cell_neighbours(y / SPACING, grid.rows);
            let (above, below) = (&values[grid.row(above)..], &values[grid.row(below)..]);
            let near = END_WEIGHTS[y % SPACING];
            for ((to, a), b) in row[1..].iter_mut().zip(above).zip(below).take(grid.columns) {
                *to = a + (b - a) * near;
            }
            row[0] = row[1];
            row[grid.columns + 1] = row[grid.columns];
            let (cells, rest) = out.as_chunks_mut::<SPACING>();
            for ((to, a), b) in cells.iter_mut().zip(&row[..]).zip(&row[1..]) {
                for i in 0..SPACING {
                    to[i] = a + (b - a) * END_WEIGHTS[i];
                }
            }
            let (a, b) = (row[width / SPACING], row[(width / SPACING + 1).min(grid.columns + 1)]);
            for (to, near) in rest.iter_mut().zip(END_WEIGHTS) {
                *to = a + (b - a) * near;
            }
        }
    }
}

/// The two patches around a cell, in one direction: the same one twice at either end.
#[inline(always)]
fn cell_neighbours(cell: usize, count: usize) -> (usize, usize) {
    (cell.saturating_sub(1), cell.min(count - 1))
}

/// At motion boundaries, lets each pixel weigh the patches around it by how well each fits it, as the densification of dense
/// inverse search does everywhere: interpolating there would make motion that nothing has.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn refine_mixed_cells(now: &Level, before: &Level, solver: &Solver, matches: &Matches, out: &mut FlowField) {
    let grid = solver.grid;
    for row in 0..out.height.div_ceil(SPACING) {
        let (above, below) = cell_neighbours(row, grid.rows);
        let (above, below) = (grid.row(above), grid.row(below));
        for column in 0..out.width.div_ceil(SPACING) {
            let (left, right) = cell_neighbours(column, grid.columns);
            let patches = [above + left, above + right, below + left, below + right];
            if !is_mixed(solver, patches) {
                continue;
            }
            let (x, y) = (SPACING * column, SPACING * row);
            let (cell_x, cell_y) = weigh_patches(now, before, solver, matches, (x, y), patches);
            let width = SPACING.min(out.width - x);
            for i in 0..SPACING.min(out.height - y) {
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
    between(a, d).max(between(b, c)).max(between(a, b)).max(between(c, d)) > MIXED_DISTANCE * MIXED_DISTANCE
}

/// Horizontal and vertical displacements of a cell's pixels, of which the first is at (left, top).
#[inline(always)]
fn weigh_patches(
    now: &Level,
    before: &Level,
    solver: &Solver,
    matches: &Matches,
    (left, top): (usize, usize),
    patches: [usize; 4],
) -> (Cell, Cell) {
    let [mut weights, mut sums_x, mut sums_y] = [Cell::default(); 3];
    for (i, patch) in patches.into_iter().enumerate() {
        let (across, along) = (
            if i % 2 == 0 { START_WEIGHTS } else { END_WEIGHTS },
            if i / 2 == 0 { START_WEIGHTS } else { END_WEIGHTS },
        );
        let (x, y) = (solver.x[patch], solver.y[patch]);
        let found = &matches.groups[patch / 8];
        let gain = found.gain[patch % 8];
        let offset = now.patches.stats[patch / 8].mean[patch % 8] - found.mean[patch % 8] * gain;
        let fit = 1.0 / (1.0 + PATCH_ERROR_WEIGHT * found.error[patch % 8]);
        let position = before.luma.position(left as f32 + x, top as f32 + y);
        let mut row = [0.0; SPACING];
        for line in 0..=SPACING {
            let from = &before.luma.data[position.at + line * before.luma.stride..];
            let from: &[f32; SPACING + 1] = from.first_chunk().expect("a margin around every picture");
            let upper = row;
            for i in 0..SPACING {
                row[i] = from[i] + (from[i + 1] - from[i]) * position.x;
            }
            let Some(line) = line.checked_sub(1) else { continue };
            let own: &[f32; SPACING] = now.luma.data[now.luma.at(left, top + line)..].first_chunk().expect("a margin");
            for i in 0..SPACING {
                let error = (upper[i] + (row[i] - upper[i]) * position.y) * gain + offset - own[i];
                let weight = fit * along[line] * across[i] / (error * error + PIXEL_ERROR_FLOOR);
                weights[line][i] += weight;
                sums_x[line][i] += weight * x;
                sums_y[line][i] += weight * y;
            }
        }
    }
    for line in 0..SPACING {
        for i in 0..SPACING {
            let inverse = 1.0 / weights[line][i];
            sums_x[line][i] *= inverse;
            sums_y[line][i] *= inverse;
        }
    }
    (sums_x, sums_y)
}
