//! The dense inverse search, from coarse to fine.

use std::mem;

use super::FlowField;
use super::densify::{interpolate, refine_mixed_cells};
use super::global_motion::{GlobalMotion, fit};
use super::matching::{Matches, Propagation, match_patches};
use super::plane::PatchGrid;
use super::pyramid::Pyramid;
use super::solver::{Solver, assemble, sweep};

/// Computes flow; keeps its buffers between calls, and nothing else.
#[derive(Debug, Default)]
pub struct InverseSearch {
    solver: Solver,
    matches: Matches,
    /// The displacements of the coarser level's patches.
    coarse_x: Vec<f32>,
    coarse_y: Vec<f32>,
    row: Vec<f32>,
}

/// How many iterations a level gets.
struct Effort {
    /// Inverse search steps for each patch.
    rounds: usize,
    /// Gauss–Seidel sweeps after each of these.
    sweeps: usize,
    /// In how many of the first rounds displacements propagate from patch to patch.
    propagation_rounds: usize,
}

impl Effort {
    /// For `level`, 0 being the full size. Coarse levels cost next to nothing, and all others build on them.
    fn of(level: usize) -> Effort {
        match level {
            0 => Effort { rounds: 2, sweeps: 8, propagation_rounds: 2 },
            1 => Effort { rounds: 4, sweeps: 12, propagation_rounds: 2 },
            _ => Effort { rounds: 6, sweeps: 12, propagation_rounds: 2 },
        }
    }
}

/// Steps of the global motion's fit after each round.
const FIT_STEPS: usize = 2;

impl InverseSearch {
    /// Computes the backward flow: for each pixel of `now`, where it lies in `before`. Exposure may differ. What is occluded or outside there
    /// gets the motion of what is around it; a forward-backward check finds such pixels.
    ///
    /// # Panics
    /// The pictures are not of one size.
    pub fn flow(&mut self, now: &Pyramid, before: &Pyramid, out: &mut FlowField) {
        let (width, height) = (now.luma().width, now.luma().height);
        assert_eq!((width, height), (before.luma().width, before.luma().height), "pictures of one size");
        out.resize(width, height);
        let mut global = GlobalMotion::default();
        for (level, (now, before)) in now.levels.iter().zip(&before.levels).enumerate().rev() {
            self.begin_level(now.patches.grid);
            global.refine();
            let effort = Effort::of(level);
            for round in 0..effort.rounds {
                let propagation = match round {
                    _ if round >= effort.propagation_rounds => Propagation::Off,
                    _ if round % 2 == 0 => Propagation::FromUpperLeft,
                    _ => Propagation::FromLowerRight,
                };
                match_patches(now, before, &mut self.solver, &mut self.matches, &global.slope(), propagation);
                assemble(&mut self.solver, &global.slope());
                for i in 0..effort.sweeps {
                    sweep(&mut self.solver, &global.slope(), i % 2 == 1);
                }
                // Nothing uses it after the last round.
                let fits = if (level, round + 1) == (0, effort.rounds) { 0 } else { FIT_STEPS };
                for _ in 0..fits {
                    fit(&self.solver, &mut global);
                }
            }
        }
        if let (Some(now), Some(before)) = (now.levels.first(), before.levels.first()) {
            interpolate(&self.solver, &mut self.row, out);
            refine_mixed_cells(now, before, &self.solver, &self.matches, out);
        }
        // The next search starts from zero.
        self.solver.grid = PatchGrid::default();
    }

    /// Begins a level with patches in `grid`, from the displacements found on the coarser one if there is one.
    fn begin_level(&mut self, grid: PatchGrid) {
        let coarse = self.solver.grid;
        mem::swap(&mut self.solver.x, &mut self.coarse_x);
        mem::swap(&mut self.solver.y, &mut self.coarse_y);
        self.solver.reset(grid);
        self.matches.resize(grid);
        if coarse != PatchGrid::default() {
            upsample(&self.coarse_x, coarse, &mut self.solver.x, grid);
            upsample(&self.coarse_y, coarse, &mut self.solver.y, grid);
        }
    }
}

/// One component of the displacements on a level twice as fine, doubled since its pixels are half as large: patch i lies where the coarser
/// level's (i − 1) / 2 is, or halfway between two.
fn upsample(from: &[f32], coarse: PatchGrid, to: &mut [f32], fine: PatchGrid) {
    let around = |i: usize, count: usize| ((i.saturating_sub(1) / 2).min(count - 1), (i / 2).min(count - 1));
    for row in 0..fine.rows {
        let (above, below) = around(row, coarse.rows);
        let (above, below) = (&from[coarse.row(above)..], &from[coarse.row(below)..]);
        for (column, to) in to[fine.row(row)..][..fine.columns].iter_mut().enumerate() {
            let (left, right) = around(column, coarse.columns);
            *to = 0.5 * ((above[left] + above[right]) + (below[left] + below[right]));
        }
    }
}
