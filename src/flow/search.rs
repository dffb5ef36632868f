//! The search from coarse to fine.

use std::mem;

use super::FlowField;
use super::densify::{choose, interpolate};
use super::global_motion::{GlobalMotion, fit};
use super::plane::Shape;
use super::pyramid::Pyramid;
use super::sample::{Order, Samples, compare};
use super::solver::{Solver, sweep, weigh};

/// Looks for the pixels of one picture in another; keeps its buffers between calls, and nothing else.
#[derive(Debug, Default)]
pub struct InverseSearch {
    solver: Solver,
    samples: Samples,
    /// The motion of the coarser level's patches.
    coarse_x: Vec<f32>,
    coarse_y: Vec<f32>,
    row: Vec<f32>,
}

/// How much work a level gets.
struct Effort {
    /// How often each patch is compared.
    rounds: usize,
    /// How often the equations are relaxed after each.
    sweeps: usize,
    /// In how many of the first rounds motion spreads from patch to patch.
    spreading: usize,
}

impl Effort {
    /// At level `level`, 0 being the full size. Coarse levels cost next to nothing, and all rests on them.
    fn of(level: usize) -> Effort {
        match level {
            0 => Effort { rounds: 2, sweeps: 8, spreading: 2 },
            1 => Effort { rounds: 4, sweeps: 12, spreading: 2 },
            _ => Effort { rounds: 6, sweeps: 12, spreading: 2 },
        }
    }
}

/// Steps of the fit after each round.
const FITS: usize = 2;

impl InverseSearch {
    /// For each pixel of `now`, where it lies in `before`, a picture of the same size. Exposure may differ. What has no place
    /// there (hidden, or outside) gets the motion of what is around it: compare both directions to find out.
    pub fn flow(&mut self, now: &Pyramid, before: &Pyramid, out: &mut FlowField) {
        let (width, height) = (now.luma().width, now.luma().height);
        assert_eq!((width, height), (before.luma().width, before.luma().height), "pictures of one size");
        out.resize(width, height);
        let mut global = GlobalMotion::default();
        for (level, (now, before)) in now.levels.iter().zip(&before.levels).enumerate().rev() {
            self.descend(now.patches.shape);
            global.refine();
            let effort = Effort::of(level);
            for round in 0..effort.rounds {
                let order = match round {
                    _ if round >= effort.spreading => Order::Alone,
                    _ if round % 2 == 0 => Order::Down,
                    _ => Order::Up,
                };
                compare(now, before, &mut self.solver, &mut self.samples, &global.slope(), order);
                weigh(&mut self.solver, &global.slope());
                for i in 0..effort.sweeps {
                    sweep(&mut self.solver, &global.slope(), i % 2 == 1);
                }
                // Nothing comes after the last.
                let fits = if (level, round + 1) == (0, effort.rounds) { 0 } else { FITS };
                for _ in 0..fits {
                    fit(&self.solver, &mut global);
                }
            }
        }
        if let (Some(now), Some(before)) = (now.levels.first(), before.levels.first()) {
            interpolate(&self.solver, &mut self.row, out);
            choose(now, before, &self.solver, &self.samples, out);
        }
        // The next search starts from nothing.
        self.solver.shape = Shape::default();
    }

    /// Goes on to a level with patches arranged in `shape`, from the motion found on the coarser one if there is one.
    fn descend(&mut self, shape: Shape) {
        let coarse = self.solver.shape;
        mem::swap(&mut self.solver.x, &mut self.coarse_x);
        mem::swap(&mut self.solver.y, &mut self.coarse_y);
        self.solver.reset(shape);
        self.samples.resize(shape);
        if coarse != Shape::default() {
            refine(&self.coarse_x, coarse, &mut self.solver.x, shape);
            refine(&self.coarse_y, coarse, &mut self.solver.y, shape);
        }
    }
}

/// One component of the motion on a level twice as fine: patch i lies where the coarser level's (i − 1) / 2 is, or
/// halfway between two.
fn refine(from: &[f32], coarse: Shape, to: &mut [f32], fine: Shape) {
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
