//! How a frame is climbed: by one run of its own graph where that is open, else step by step.

use super::current::{Current, Weights};
use super::error::DreamError;
use super::frame_cache::FrameKey;
use super::leading::LeadingClimb;
use super::octaves::{self, Climb, LastAscent};
use super::{Dreamer, Progress, fatigue, strength};
use crate::params::Params;
use crate::runtime::Provider;

/// How many times `step` is climbed by the whole and by each of its parts, which have one step a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepScales {
    pub whole: f64,
    pub part: f64,
}

impl Dreamer {
    /// How `current` is climbed at the moment.
    pub(super) fn climb_of<'a>(
        weights: &'a Weights,
        current: &'a Current,
        params: &Params,
        jitter: u32,
        step_scale: f64,
    ) -> Climb<'a> {
        Climb {
            layer: &current.crossfade.from.layer,
            other: current.other(weights),
            sizes: &current.sizes,
            neurons: &weights.first,
            step: (params.step * strength(params) * step_scale / 255.0) as f32,
            smoothing: params.smoothing as f32,
            colour: params.colour as f32,
            jitter: jitter as i32,
            steps: current.plan.steps,
            extra_work: 0,
            led: LeadingClimb::default(),
        }
    }

    /// How a part of the canvas is climbed: by one step.
    pub(super) fn part_climb<'a>(
        weights: &'a Weights,
        current: &'a Current,
        params: &Params,
        step_scale: f64,
    ) -> Climb<'a> {
        let sizes = std::slice::from_ref(&current.plan.size);
        Climb { sizes, steps: 1, ..Dreamer::climb_of(weights, current, params, 0, step_scale) }
    }

    /// Whether anything is amplified.
    pub(super) fn climbs(current: &Current, params: &Params) -> bool {
        !current.sizes.is_empty() && current.plan.steps > 0 && params.step * strength(params) > 0.0
    }

    /// How the whole is climbed in frame `number`: the octaves whose turn it is.
    fn whole_climb<'a>(
        weights: &'a Weights,
        current: &'a Current,
        params: &Params,
        step_scale: f64,
        number: u64,
    ) -> Climb<'a> {
        let (sizes, at_once) = (&current.sizes, current.plan.octaves);
        let turns = octaves::turns(sizes, at_once).min(octaves::MAX_TURNS) as f64;
        let sizes = octaves::turn(sizes, at_once, number);
        Climb { sizes, ..Dreamer::climb_of(weights, current, params, params.jitter, step_scale * turns) }
    }

    /// Climbs `next` octave by octave, those whose turn it is, and the parts that were cut: in one run where the frame's graph is open, else
    /// step by step. Returns whether there was anything to climb.
    pub(super) fn climb(&mut self, current: &Current, params: &Params, scales: StepScales) -> Result<bool, DreamError> {
        current.write_weights(&mut self.weights);
        self.fatigue.swing(&mut self.weights.first, fatigue::share(params.fatigue) * self.gaze.stares());
        self.climber.count_anew();
        let number = self.frames;
        self.frames += 1;
        if !Dreamer::climbs(current, params) || scales.whole == 0.0 {
            // Nothing is amplified, but it could be.
            if let Some(&size) = current.sizes.last() {
                self.status.provider = Some(self.sessions.ascent(&current.crossfade.from.layer, size)?.provider());
            }
            return Ok(false);
        }
        let climbed = match self.climb_at_once(current, params, scales, number) {
            Some(last) => Ok(Some(last)),
            None => self.climb_in_steps(current, params, scales, number),
        };
        match climbed {
            Ok(_) if !self.next.is_finite() => {
                // Fed back, they would never leave the picture again.
                self.restarts = true;
                Err(self.give_up(DreamError::NotFinite { layer: current.crossfade.layer().to_owned() }))
            }
            Ok(last) => {
                if let Some(last) = &last {
                    self.status.provider = Some(last.provider);
                    self.status.activation = last.activation;
                }
                Ok(last.is_some())
            }
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// In one run; none where the frame's graph cannot be run yet, or fails.
    fn climb_at_once(
        &mut self,
        current: &Current,
        params: &Params,
        scales: StepScales,
        number: u64,
    ) -> Option<LastAscent> {
        let part_scale = scales.part * self.spread(current);
        let climb = Dreamer::whole_climb(&self.weights, current, params, scales.whole, number);
        let part_climb = Dreamer::part_climb(&self.weights, current, params, part_scale);
        // A frame that begins a dream has no parts beside it, and is one alone. A frame's graph cannot be led.
        if !self.has_feedback() || self.leading.leads(params) || climb.sizes.len() < current.sizes.len() {
            return None;
        }
        let key = FrameKey {
            layer: climb.layer,
            other: climb.other.map(|(other, ..)| other),
            size: current.plan.size,
            octaves: climb.sizes,
            steps: climb.steps,
            parts: self.parts.len(),
        };
        let provider = self.sessions.provider(climb.layer, current.plan.size)?;
        // A fade is over before an engine is built.
        if current.crossfade.other().is_some() && provider == Provider::TensorRt {
            return None;
        }
        let frame = self.frame_graphs.get(&key, provider)?;
        let parts = self.parts.pictures();
        let climbed = self.climber.climb_at_once(&mut self.next, parts, &climb, &part_climb, frame);
        self.frame_graphs.set_awaits_recording(matches!(climbed, Ok(None)));
        let error = match climbed {
            Ok(None) => return None,
            Ok(Some(last)) if self.next.is_finite() => {
                if let Some(on_step) = self.on_step.as_deref_mut() {
                    let total = octaves::work(climb.sizes, climb.steps);
                    on_step(Progress { done: total, total, activation: last.activation, objective: None });
                }
                return Some(last);
            }
            Ok(Some(_)) => DreamError::NotFinite { layer: climb.layer.to_owned() },
            Err(error) => error,
        };
        self.frame_graphs.refuse(&key, provider, &error);
        self.next.copy_from(&self.looked);
        self.parts.restore();
        None
    }

    /// Step by step.
    fn climb_in_steps(
        &mut self,
        current: &Current,
        params: &Params,
        scales: StepScales,
        number: u64,
    ) -> Result<Option<LastAscent>, DreamError> {
        let climb = Climb {
            extra_work: self.work_of_windows(current),
            led: self.leading.climb(current, params, self.leading.sees_camera.then_some(&self.camera)),
            ..Dreamer::whole_climb(&self.weights, current, params, scales.whole, number)
        };
        let on_step = self.on_step.as_deref_mut();
        let last = self.climber.climb(&mut self.next, &climb, &mut self.sessions, on_step)?;
        self.climb_parts(current, params, scales.part, 0)?;
        Ok(last)
    }
}
