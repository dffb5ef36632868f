//! Solves for the motion of all patches of a level at once: each patch's own cost, and smoothness between neighbours.

use multiversion::multiversion;

use super::plane::{Row, Shape, eight, eight_mut};

/// Weight of smoothness against the patches' own costs.
const SMOOTH: f32 = 40.0;

/// Difference between neighbours, in pixels, from which on it is rather an edge of something that moves: the weight of
/// smoothness is halved there, and falls with the square beyond.
const EDGE: f32 = 0.7;

/// Keeps the equations solvable where a patch has nothing to say and no neighbour.
const TINY: f32 = 1e-3;

/// By how much the motion of neighbours differs of itself: to the right (x, y) and down (x, y), pixels a patch.
pub(super) type Slope = [[f32; 2]; 2];

/// The motion of a level's patches, and the equations for it.
#[derive(Debug, Default)]
pub(super) struct Solver {
    pub shape: Shape,
    /// By patch, pixels.
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    /// By groups of eight.
    pub terms: Vec<DataTerm>,
    /// Inverses of the equations' matrices, by groups of eight.
    inverses: Vec<[Row; 3]>,
    /// Weight of smoothness between each patch and its neighbour to the right, and below.
    right: Vec<f32>,
    down: Vec<f32>,
    /// The motion of the row being solved.
    next: Vec<[Row; 2]>,
}

/// The costs of eight patches: uᵀ A u − 2 bᵀ u for the motion u = (x, y), A = (xx xy; xy yy), b = (x, y).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DataTerm {
    pub xx: Row,
    pub xy: Row,
    pub yy: Row,
    pub x: Row,
    pub y: Row,
}

impl Solver {
    /// Changes the arrangement: nothing moves.
    pub fn reset(&mut self, shape: Shape) {
        self.shape = shape;
        for values in [&mut self.x, &mut self.y, &mut self.right, &mut self.down] {
            values.clear();
            values.resize(shape.size(), 0.0);
        }
        self.terms.clear();
        self.terms.resize(shape.size() / 8, DataTerm::default());
        self.inverses.resize(shape.size() / 8, [[0.0; 8]; 3]);
        self.next.resize(shape.stride / 8, [[0.0; 8]; 2]);
    }
}

/// Weighs smoothness by how much the motion of neighbours differs now, and prepares the equations.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn weigh(solver: &mut Solver, slope: &Slope) {
    let Shape { columns, rows, stride } = solver.shape;
    for row in 0..rows {
        for group in solver.shape.groups(row) {
            let at = 8 * group;
            let (x, y) = (eight(&solver.x[at..]), eight(&solver.y[at..]));
            *eight_mut(&mut solver.right[at..]) =
                likeness(x, y, eight(&solver.x[at + 1..]), eight(&solver.y[at + 1..]), slope[0]);
            *eight_mut(&mut solver.down[at..]) = if row + 1 < rows {
                likeness(x, y, eight(&solver.x[at + stride..]), eight(&solver.y[at + stride..]), slope[1])
            } else {
                [0.0; 8]
            };
        }
        let first = solver.shape.row(row);
        solver.right[first + columns - 1..first + stride].fill(0.0);
        for group in solver.shape.groups(row) {
            let at = 8 * group;
            let (right, left) = (eight(&solver.right[at..]), eight(&solver.right[at - 1..]));
            let (down, up) = (eight(&solver.down[at..]), eight(&solver.down[at - stride..]));
            let (term, inverse) = (&solver.terms[group], &mut solver.inverses[group]);
            for i in 0..8 {
                let weight = TINY + (right[i] + left[i]) + (down[i] + up[i]);
                let (xx, xy, yy) = (term.xx[i] + weight, term.xy[i], term.yy[i] + weight);
                let determinant = 1.0 / (xx * yy - xy * xy);
                inverse[0][i] = yy * determinant;
                inverse[1][i] = -xy * determinant;
                inverse[2][i] = xx * determinant;
            }
        }
    }
}

/// The weights of smoothness between eight patches and eight neighbours.
#[inline(always)]
fn likeness(x0: &Row, y0: &Row, x1: &Row, y1: &Row, slope: [f32; 2]) -> Row {
    let mut weights = [0.0; 8];
    for i in 0..8 {
        let (dx, dy) = (x1[i] - x0[i] - slope[0], y1[i] - y0[i] - slope[1]);
        weights[i] = SMOOTH / (1.0 + (dx * dx + dy * dy) * (1.0 / (EDGE * EDGE)));
    }
    weights
}

/// Solves the equations of each patch for its neighbours as they are: row by row, from the top or from the bottom. Within a
/// row all are solved at once, since patches that wait for the one beside them wait for the processor's store buffer, too.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn sweep(solver: &mut Solver, slope: &Slope, is_up: bool) {
    let Shape { rows, stride, .. } = solver.shape;
    for row in 0..rows {
        let row = if is_up { rows - 1 - row } else { row };
        for (next, group) in solver.next.iter_mut().zip(solver.shape.groups(row)) {
            let at = 8 * group;
            let (right, left) = (eight(&solver.right[at..]), eight(&solver.right[at - 1..]));
            let (down, up) = (eight(&solver.down[at..]), eight(&solver.down[at - stride..]));
            let weights = [left, right, up, down];
            let (term, inverse) = (&solver.terms[group], &solver.inverses[group]);
            let x = pull(&term.x, weights, neighbours(&solver.x, at, stride), [slope[0][0], slope[1][0]]);
            let y = pull(&term.y, weights, neighbours(&solver.y, at, stride), [slope[0][1], slope[1][1]]);
            *next = [combine(&inverse[0], &x, &inverse[1], &y), combine(&inverse[1], &x, &inverse[2], &y)];
        }
        for (next, group) in solver.next.iter().zip(solver.shape.groups(row)) {
            *eight_mut(&mut solver.x[8 * group..]) = next[0];
            *eight_mut(&mut solver.y[8 * group..]) = next[1];
        }
    }
}

/// Left, right, up, down.
#[inline(always)]
fn neighbours(values: &[f32], at: usize, stride: usize) -> [&Row; 4] {
    [eight(&values[at - 1..]), eight(&values[at + 1..]), eight(&values[at - stride..]), eight(&values[at + stride..])]
}

/// What the patches' own costs and their neighbours (left, right, up, down) ask for, weighted, in one component.
#[inline(always)]
fn pull(own: &Row, weights: [&Row; 4], values: [&Row; 4], [across, along]: [f32; 2]) -> Row {
    let mut to = [0.0; 8];
    for i in 0..8 {
        let beside = weights[0][i] * (values[0][i] + across) + weights[1][i] * (values[1][i] - across);
        let above = weights[2][i] * (values[2][i] + along) + weights[3][i] * (values[3][i] - along);
        to[i] = own[i] + (beside + above);
    }
    to
}

#[inline(always)]
fn combine(a: &Row, x: &Row, b: &Row, y: &Row) -> Row {
    let mut to = [0.0; 8];
    for i in 0..8 {
        to[i] = a[i] * x[i] + b[i] * y[i];
    }
    to
}
