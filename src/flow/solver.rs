//! Variational refinement on patches: minimises the data terms of all patches of a level and a robust smoothness term between neighbours,
//! together, by Gauss–Seidel sweeps.

use multiversion::multiversion;

use super::plane::{F32x8, PatchGrid, first8, first8_mut};

/// Weight of the smoothness term against the data terms.
const SMOOTHNESS: f32 = 40.0;

/// Scale c of the smoothness term's Cauchy weight 1 / (1 + d² / c²), where d is the difference between neighbours in pixels: halved at c, it
/// falls with the square beyond, where it is rather a motion boundary.
const EDGE_SCALE: f32 = 0.7;

/// Added to the diagonal: keeps the equations solvable where a patch has no texture and no neighbour.
const MIN_DIAGONAL: f32 = 1e-3;

/// How displacement changes from one patch to the next by the global motion: to the right (x, y) and down (x, y), pixels. Smoothness is
/// measured against it.
pub(super) type Slope = [[f32; 2]; 2];

/// The displacements of a level's patches, and the equations for them.
#[derive(Debug, Default)]
pub(super) struct Solver {
    pub grid: PatchGrid,
    /// By patch, pixels.
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    /// By groups of eight.
    pub terms: Vec<DataTerm>,
    /// Inverses of the equations' matrices, by groups of eight.
    inverses: Vec<[F32x8; 3]>,
    /// Smoothness weights between each patch and its neighbour to the right, and below.
    right: Vec<f32>,
    down: Vec<f32>,
    /// The row being solved.
    next: Vec<[F32x8; 2]>,
}

/// The data terms of eight patches: uᵀ A u − 2 bᵀ u for the displacement u, with A = (xx xy; xy yy), b = (x, y).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DataTerm {
    pub xx: F32x8,
    pub xy: F32x8,
    pub yy: F32x8,
    pub x: F32x8,
    pub y: F32x8,
}

impl Solver {
    /// Changes the grid, with zero displacements.
    pub fn reset(&mut self, grid: PatchGrid) {
        self.grid = grid;
        for values in [&mut self.x, &mut self.y, &mut self.right, &mut self.down] {
            values.clear();
            values.resize(grid.size(), 0.0);
        }
        self.terms.clear();
        self.terms.resize(grid.size() / 8, DataTerm::default());
        self.inverses.resize(grid.size() / 8, [[0.0; 8]; 3]);
        self.next.resize(grid.stride / 8, [[0.0; 8]; 2]);
    }
}

/// Weighs smoothness by the present displacements (iteratively reweighted least squares), and prepares the equations.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn assemble(solver: &mut Solver, slope: &Slope) {
    let PatchGrid { columns, rows, stride } = solver.grid;
    for row in 0..rows {
        for group in solver.grid.groups(row) {
            let at = 8 * group;
            let (x, y) = (first8(&solver.x[at..]), first8(&solver.y[at..]));
            *first8_mut(&mut solver.right[at..]) =
                cauchy_weights(x, y, first8(&solver.x[at + 1..]), first8(&solver.y[at + 1..]), slope[0]);
            *first8_mut(&mut solver.down[at..]) = if row + 1 < rows {
                cauchy_weights(x, y, first8(&solver.x[at + stride..]), first8(&solver.y[at + stride..]), slope[1])
            } else {
                [0.0; 8]
            };
        }
        let first = solver.grid.row(row);
        solver.right[first + columns - 1..first + stride].fill(0.0);
        for group in solver.grid.groups(row) {
            let at = 8 * group;
            let (right, left) = (first8(&solver.right[at..]), first8(&solver.right[at - 1..]));
            let (down, up) = (first8(&solver.down[at..]), first8(&solver.down[at - stride..]));
            let (term, inverse) = (&solver.terms[group], &mut solver.inverses[group]);
            for i in 0..8 {
                let weight = MIN_DIAGONAL + (right[i] + left[i]) + (down[i] + up[i]);
                let (xx, xy, yy) = (term.xx[i] + weight, term.xy[i], term.yy[i] + weight);
                let determinant = 1.0 / (xx * yy - xy * xy);
                inverse[0][i] = yy * determinant;
                inverse[1][i] = -xy * determinant;
                inverse[2][i] = xx * determinant;
            }
        }
    }
}

/// Smoothness weights between eight patches and eight neighbours; see [`EDGE_SCALE`].
#[inline(always)]
fn cauchy_weights(x0: &F32x8, y0: &F32x8, x1: &F32x8, y1: &F32x8, slope: [f32; 2]) -> F32x8 {
    let mut weights = [0.0; 8];
    for i in 0..8 {
        let (dx, dy) = (x1[i] - x0[i] - slope[0], y1[i] - y0[i] - slope[1]);
        weights[i] = SMOOTHNESS / (1.0 + (dx * dx + dy * dy) * (1.0 / (EDGE_SCALE * EDGE_SCALE)));
    }
    weights
}

/// One sweep: solves the equations of each patch with its neighbours as they are, row by row, from the top or from the bottom (Gauss–Seidel);
/// within a row all at once (Jacobi), since patches that wait for the one beside them wait for the processor's store buffer, too.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn sweep(solver: &mut Solver, slope: &Slope, is_up: bool) {
    let PatchGrid { rows, stride, .. } = solver.grid;
    for row in 0..rows {
        let row = if is_up { rows - 1 - row } else { row };
        for (next, group) in solver.next.iter_mut().zip(solver.grid.groups(row)) {
            let at = 8 * group;
            let (right, left) = (first8(&solver.right[at..]), first8(&solver.right[at - 1..]));
            let (down, up) = (first8(&solver.down[at..]), first8(&solver.down[at - stride..]));
            let weights = [left, right, up, down];
            let (term, inverse) = (&solver.terms[group], &solver.inverses[group]);
            let x = right_side(&term.x, weights, neighbours(&solver.x, at, stride), [slope[0][0], slope[1][0]]);
            let y = right_side(&term.y, weights, neighbours(&solver.y, at, stride), [slope[0][1], slope[1][1]]);
            *next = [weighted_sum(&inverse[0], &x, &inverse[1], &y), weighted_sum(&inverse[1], &x, &inverse[2], &y)];
        }
        for (next, group) in solver.next.iter().zip(solver.grid.groups(row)) {
            *first8_mut(&mut solver.x[8 * group..]) = next[0];
            *first8_mut(&mut solver.y[8 * group..]) = next[1];
        }
    }
}

/// Left, right, up, down.
#[inline(always)]
fn neighbours(values: &[f32], at: usize, stride: usize) -> [&F32x8; 4] {
    [
        first8(&values[at - 1..]),
        first8(&values[at + 1..]),
        first8(&values[at - stride..]),
        first8(&values[at + stride..]),
    ]
}

/// One component of the right-hand side: data terms, and neighbours (left, right, up, down) by their smoothness weights.
#[inline(always)]
fn right_side(own: &F32x8, weights: [&F32x8; 4], values: [&F32x8; 4], [across, along]: [f32; 2]) -> F32x8 {
    let mut to = [0.0; 8];
    for i in 0..8 {
        let beside = weights[0][i] * (values[0][i] + across) + weights[1][i] * (values[1][i] - across);
        let above = weights[2][i] * (values[2][i] + along) + weights[3][i] * (values[3][i] - along);
        to[i] = own[i] + (beside + above);
    }
    to
}

/// a · x + b · y, lane by lane.
#[inline(always)]
fn weighted_sum(a: &F32x8, x: &F32x8, b: &F32x8, y: &F32x8) -> F32x8 {
    let mut to = [0.0; 8];
    for i in 0..8 {
        to[i] = a[i] * x[i] + b[i] * y[i];
    }
    to
}
