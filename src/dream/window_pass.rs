//! The window pass: parts of the canvas are climbed at its own size, after the whole.

use super::current::Current;
use super::error::DreamError;
use super::octaves::{self, Climb};
use super::{Dreamer, Progress, windows};
use crate::params::Params;
use crate::pixel;

impl Dreamer {
    /// Climbs a few parts of the canvas at its own size.
    pub(super) fn climb_windows(&mut self, current: &Current, now: &Params, step_scale: f64) -> Result<(), DreamError> {
        let size = current.plan.size;
        let spread = windows::spread(self.canvas.size(), size, current.plan.windows);
        let at_once = windows::at_once(self.canvas.size(), size);
        let octaves = octaves::work(&current.sizes, current.plan.steps);
        let windows = |count| octaves::work(&[size], count);
        for number in 0..current.plan.windows {
            if (number as usize).is_multiple_of(at_once) {
                let (path, last) = (&self.path, self.last.as_deref());
                let interest = |x, y| path.movement_at(x, y).min(1.0) + last.map_or(0.0, |last| last.strength_at(x, y));
                self.windows.wait(interest);
            }
            let Some(window) = self.windows.next(self.canvas.size(), size, &mut self.rng) else { return Ok(()) };
            self.window.resize(size.0, size.1);
            self.canvas.cut(window.corner, window.ratio, &mut self.window);
            self.next.copy_from(&self.window);
            let all = Dreamer::climb_of(&self.weights, current, now, 0, step_scale * spread);
            let climb = Climb { sizes: &[size], steps: 1, ..all };
            let last = self.climber.climb(&mut self.next, &climb, &mut self.sessions, None);
            last.map_err(|error| self.give_up(error))?;
            pixel::subtract(&self.window, &mut self.next);
            if self.next.data.iter().all(|value| value.is_finite()) {
                self.canvas.add_part(window.corner, window.ratio, &self.next);
            }
            if let Some(on_step) = self.on_step.as_deref_mut() {
                let (done, total) = (octaves + windows(number + 1), octaves + windows(current.plan.windows));
                on_step(Progress { done, total, activation: self.status.activation, objective: None });
            }
        }
        Ok(())
    }

    /// What the windows of a frame are climbed in, pixels; nothing where there are none.
    pub(super) fn work_of_windows(&self, current: &Current) -> u64 {
        let size = current.plan.size;
        if windows::are_useful(self.canvas.size(), size) { octaves::work(&[size], current.plan.windows) } else { 0 }
    }
}
