//! The window pass: parts of the canvas are climbed at its own size, beside the whole or after it.

use super::current::Current;
use super::error::DreamError;
use super::octaves::{self, Climb};
use super::windows::Window;
use super::{Dreamer, Progress, windows};
use crate::params::Params;
use crate::pixel::{self, Picture};

/// Parts of the canvas on their way; buffers are kept.
#[derive(Default)]
pub struct Parts {
    places: Vec<Window>,
    cut: Vec<Picture>,
    climbed: Vec<Picture>,
}

impl Parts {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// As they were cut.
    pub fn restore(&mut self) {
        self.climbed
            .iter_mut()
            .zip(&self.cut)
            .take(self.places.len())
            .for_each(|(climbed, cut)| climbed.copy_from(cut));
    }

    /// Those that are climbed, as they are cut or climbed by now.
    pub fn pictures(&mut self) -> &mut [Picture] {
        &mut self.climbed[..self.places.len()]
    }
}

impl Dreamer {
    /// Cuts the next `count` parts out of the canvas, or none where it is not larger than the graph. Number `first` of the frame is the first of these.
    pub(super) fn cut_parts(&mut self, current: &Current, first: u32, count: u32) {
        let size = current.plan.size;
        let at_once = windows::at_once(self.canvas.size(), size);
        self.parts.places.clear();
        for number in first..first + count {
            if (number as usize).is_multiple_of(at_once) {
                let (path, last) = (&self.path, self.last.as_deref());
                let interest = |x, y| path.movement_at(x, y).min(1.0) + last.map_or(0.0, |last| last.strength_at(x, y));
                self.windows.wait(interest);
            }
            let Some(window) = self.windows.next(self.canvas.size(), size, &mut self.rng) else { return };
            let index = self.parts.len();
            let Parts { places, cut, climbed } = &mut self.parts;
            if cut.len() == index {
                cut.push(Picture::default());
                climbed.push(Picture::default());
            }
            cut[index].resize(size.0, size.1);
            self.canvas.cut(window.corner, window.ratio, &mut cut[index]);
            climbed[index].copy_from(&cut[index]);
            places.push(window);
        }
    }

    /// Climbs the parts that were cut, one after the other.
    pub(super) fn climb_parts(
        &mut self,
        current: &Current,
        now: &Params,
        step_scale: f64,
        first: u32,
    ) -> Result<(), DreamError> {
        let size = current.plan.size;
        let work = octaves::work(&current.sizes, current.plan.steps);
        // One step from what it is itself: there is nothing to exaggerate yet.
        let climb = Climb {
            led: self.leading.climb(current, now, None),
            ..Dreamer::part_climb(&self.weights, current, now, step_scale * self.spread(current))
        };
        for (number, part) in (first..).zip(self.parts.pictures()) {
            self.climber.climb(part, &climb, &mut self.sessions, None)?;
            if let Some(on_step) = self.on_step.as_deref_mut() {
                let of = |count| work + octaves::work(&[size], count);
                let (done, total) = (of(number + 1), of(current.plan.windows));
                on_step(Progress { done, total, activation: self.status.activation, objective: None });
            }
        }
        Ok(())
    }

    /// Adds what the parts gained to the canvas.
    pub(super) fn add_parts(&mut self) {
        let Parts { places, cut, climbed } = &mut self.parts;
        for ((window, cut), climbed) in places.iter().zip(cut).zip(climbed) {
            pixel::subtract(cut, climbed);
            if climbed.is_finite() {
                self.canvas.add_part(window.corner, window.ratio, climbed);
            }
        }
        places.clear();
    }

    /// How many times as much as the whole a part climbs.
    pub(super) fn spread(&self, current: &Current) -> f64 {
        windows::spread(self.canvas.size(), current.plan.size, current.plan.windows)
    }

    /// What the windows of a frame are climbed in, pixels; nothing where there are none.
    pub(super) fn work_of_windows(&self, current: &Current) -> u64 {
        let size = current.plan.size;
        if windows::are_useful(self.canvas.size(), size) { octaves::work(&[size], current.plan.windows) } else { 0 }
    }
}
