//! How active a layer's channels are on what is looked at, and which of them `strong`, `weak` and `rare` stand for at the moment.
//!
//! Seen is the picture that the camera gives, not the dream over it: what is amplified would be the strongest for ever. A run of the graph once a second tells
//! it; every so often channels are chosen anew, and are faded to as other neurons are.

use std::time::Duration;

use super::Dreamer;
use super::current::Current;
use super::error::DreamError;
use crate::pack::Objective;
use crate::params::Params;
use crate::pixel::Picture;
use crate::runtime::{Controls, Led};

/// Seconds between two looks, and between two choices.
const LOOK_PERIOD: f64 = 1.0;
const CHOICE_PERIOD: f64 = 20.0;
/// Time constants of what a channel does now and of what it usually does, seconds.
const NOW: f64 = 4.0;
const USUALLY: f64 = 120.0;
/// Of the mean activation of all channels, the least that each is taken to vary by.
const LEAST_SPREAD: f32 = 0.1;
/// One channel of so many is chosen.
const ONE_OF: usize = 16;

/// The channels of one layer.
#[derive(Default)]
pub struct Activity {
    layer: String,
    /// Of each channel: mean activation now and usually, and how far the one is usually from the other.
    now: Vec<f32>,
    usual: Vec<f32>,
    spread: Vec<f32>,
    since_look: f64,
    since_choice: f64,
    /// The channels that each word stands for, and the number of that choice; 0: none was made yet.
    strong: Vec<usize>,
    weak: Vec<usize>,
    rare: Vec<usize>,
    choice: u32,
    picture: Picture,
}

impl Activity {
    /// The number of the choice that there is for `layer`; 0 where there is none.
    pub fn choice(&self, layer: &str) -> u32 {
        if self.layer == layer { self.choice } else { 0 }
    }

    /// The channels of `layer` that `word` stands for; none where that is not known yet.
    pub fn channels(&self, layer: &str, word: &str) -> Option<&[usize]> {
        let channels = match word {
            "strong" => &self.strong,
            "weak" => &self.weak,
            _ => &self.rare,
        };
        (self.choice(layer) > 0).then_some(channels.as_slice())
    }

    /// Lets time pass. Returns whether it has to look.
    fn advance(&mut self, layer: &str, elapsed: Duration) -> bool {
        if self.layer != layer {
            *self = Activity { layer: layer.to_owned(), ..Activity::default() };
        }
        self.since_look += elapsed.as_secs_f64();
        self.since_choice += elapsed.as_secs_f64();
        self.now.is_empty() || self.since_look >= LOOK_PERIOD
    }

    /// `seen` is the mean activation of each channel. What counts of it is how large it is, and of classes how high.
    fn see(&mut self, seen: &[f32], objective: Objective) {
        let strength = |seen: &f32| if objective == Objective::Linear { *seen } else { seen.abs() };
        let seconds = std::mem::take(&mut self.since_look);
        if self.now.len() != seen.len() {
            self.now = seen.iter().map(strength).collect();
            self.usual.clone_from(&self.now);
            self.spread = vec![0.0; seen.len()];
            return;
        }
        let [now_share, usual_share] = [NOW, USUALLY].map(|time| 1.0 - (-seconds / time).exp() as f32);
        for (channel, seen) in seen.iter().enumerate() {
            let (now, usual) = (&mut self.now[channel], &mut self.usual[channel]);
            *now += (strength(seen) - *now) * now_share;
            let excess = *now - *usual;
            *usual += excess * usual_share;
            self.spread[channel] += (excess.abs() - self.spread[channel]) * usual_share;
        }
    }

    /// Chooses anew where it is time.
    fn choose(&mut self) {
        if self.choice > 0 && self.since_choice < CHOICE_PERIOD {
            return;
        }
        self.since_choice = 0.0;
        let strong = most(&self.now, |now| now);
        let weak = most(&self.now, |now| -now);
        // How much more than usual, beside how much it usually varies, and a share of what channels do at all: as little is known at first.
        let mean = self.usual.iter().map(|usual| usual.abs()).sum::<f32>() / self.usual.len() as f32;
        let excess = self.now.iter().zip(&self.usual).zip(&self.spread);
        let excess: Vec<f32> =
            excess.map(|((now, usual), spread)| (now - usual) / (spread + LEAST_SPREAD * mean)).collect();
        // Nothing is rare where nothing has changed yet.
        let has_changed = self.spread.iter().any(|spread| *spread > 0.0);
        let rare = if has_changed { most(&excess, |excess| excess) } else { strong.clone() };
        if (&strong, &weak, &rare) != (&self.strong, &self.weak, &self.rare) {
            (self.strong, self.weak, self.rare) = (strong, weak, rare);
            self.choice += 1;
        }
    }
}

/// The channels that have most of something, in order of number.
fn most(values: &[f32], of: impl Fn(f32) -> f32) -> Vec<usize> {
    let mut channels: Vec<usize> = (0..values.len()).collect();
    channels.sort_by(|a, b| of(values[*b]).total_cmp(&of(values[*a])));
    channels.truncate((values.len() / ONE_OF).max(1));
    channels.sort_unstable();
    channels
}

impl Dreamer {
    /// Looks which channels are active, where `params` name some by that, and chooses among them from time to time.
    pub(super) fn choose_channels(
        &mut self,
        current: &mut Current,
        params: &Params,
        elapsed: Duration,
    ) -> Result<(), DreamError> {
        let Some(&size) = current.sizes.last().filter(|_| current.crossfade.has(&params.layer)) else { return Ok(()) };
        if !self.is_live(params)? {
            return Ok(());
        }
        if self.activity.advance(&params.layer, elapsed) {
            let layer = self.catalogue.layer(&params.layer)?.2;
            let (channels, objective) = (layer.channels, layer.objective);
            let picture = if self.leading.sees_camera { &self.camera } else { &self.looked };
            if picture.size() != size {
                return Ok(());
            }
            self.activity.picture.copy_from(picture);
            let seen = self.look_for_activity(&params.layer, size, channels);
            let seen = seen.map_err(|error| self.give_up(error))?;
            self.activity.see(&seen, objective);
            self.activity.choose();
        }
        // Of what nobody has seen yet, at once.
        let from = &current.crossfade.from;
        let is_first = from.choice == 0 && from.neurons.as_ref() == Some(&params.neurons) && !self.has_feedback();
        if is_first && current.crossfade.to.is_none() {
            current.crossfade.from = self.selection(params)?;
        }
        Ok(())
    }

    /// Whether `params` name channels by how active they are. Most do not, which is found out without looking for the layer.
    pub(super) fn is_live(&self, params: &Params) -> Result<bool, DreamError> {
        let names_any = params.neurons.live_words().next().is_some();
        Ok(names_any && params.neurons.is_live(self.catalogue.layer(&params.layer)?.2))
    }

    fn look_for_activity(
        &mut self,
        layer: &str,
        size: (usize, usize),
        channels: usize,
    ) -> Result<Vec<f32>, DreamError> {
        let neurons = vec![1.0; channels];
        let led = Led::default();
        let controls = Controls { neurons: &neurons, step: 0.0, smoothing: 0.0, colour: 0.0, shift: (0, 0), led };
        let ascent = self.sessions.ascent(layer, size)?;
        Ok(ascent.climb(&mut self.activity.picture, &controls)?.activation.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watch(activity: &mut Activity, seconds: u32, seen: &[f32]) {
        for _ in 0..seconds {
            assert!(activity.advance("a", SECOND));
            activity.see(seen, Objective::Squared);
            activity.choose();
        }
    }

    fn chosen(activity: &Activity) -> [Vec<usize>; 3] {
        ["strong", "weak", "rare"].map(|word| activity.channels("a", word).unwrap().to_vec())
    }

    #[test]
    fn the_strongest_the_weakest_and_those_that_are_seldom_so_active_are_chosen() {
        let mut usual = vec![1.0; 32];
        (usual[3], usual[4], usual[9], usual[30]) = (-9.0, 8.0, 0.01, 0.02);
        let mut activity = Activity::default();
        assert_eq!((activity.channels("a", "strong"), activity.choice("a")), (None, 0));
        watch(&mut activity, 1, &usual);
        assert_eq!(chosen(&activity), [vec![3, 4], vec![9, 30], vec![3, 4]], "by how much, whatever the sign");
        assert_eq!((activity.channels("b", "strong"), activity.choice("b")), (None, 0), "of another layer nothing");
        watch(&mut activity, 60, &usual);
        assert_eq!(activity.choice("a"), 1, "what stays as it is stays chosen");
        let mut other = usual.clone();
        (other[12], other[13]) = (2.5, 2.0);
        watch(&mut activity, 25, &other);
        assert_eq!(chosen(&activity), [vec![3, 4], vec![9, 30], vec![12, 13]]);
        assert_eq!(activity.choice("a"), 2);
    }

    #[test]
    fn it_looks_once_a_second_and_chooses_now_and_then() {
        let mut activity = Activity::default();
        let dream = Duration::from_millis(125);
        let mut looks = 0;
        for _ in 0..8 * 30 {
            if activity.advance("a", dream) {
                looks += 1;
                let strongest = looks as usize % 16;
                let seen: Vec<f32> = (0..16).map(|channel| if channel == strongest { 50.0 } else { 1.0 }).collect();
                activity.see(&seen, Objective::Squared);
                activity.choose();
            }
        }
        assert!((28..=31).contains(&looks), "{looks} looks in 30 s");
        assert_eq!(activity.choice("a"), 2, "in 30 s twice");
    }

    #[test]
    fn of_classes_the_highest_count() {
        let mut activity = Activity::default();
        assert!(activity.advance("a", SECOND));
        let seen: Vec<f32> = (0..16).map(|class| class as f32 - 20.0).collect();
        activity.see(&seen, Objective::Linear);
        activity.choose();
        assert_eq!(chosen(&activity), [vec![15], vec![0], vec![15]]);
    }
}
