//! Layer selection and crossfade: a layer and its neurons, and during a fade the selection that replaces it.

use std::sync::Arc;
use std::time::Duration;

use crate::pack::Neurons;

/// A fade that something else is waiting for is brought to its nearer end in this time, seconds.
pub const HURRY: f64 = 1.0;

/// A layer and the neurons of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    pub layer: String,
    /// None for a mix of two choices.
    pub neurons: Option<Neurons>,
    /// Of each channel, as `neurons` say.
    pub weights: Arc<[f32]>,
    /// Where neurons are chosen by how active they are: which choice it is of these.
    pub choice: u32,
}

impl Selection {
    fn is(&self, other: &Selection) -> bool {
        self.is_another_choice_of(other) && self.choice == other.choice
    }

    /// Whether both say the same of the same layer, though it may have chosen other channels.
    pub fn is_another_choice_of(&self, other: &Selection) -> bool {
        self.layer == other.layer && self.neurons.is_some() && self.neurons == other.neurons
    }
}

/// What is dreamed at the moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossfade {
    pub from: Selection,
    /// What is faded to, if anything.
    pub to: Option<Incoming>,
}

/// The selection that is faded to.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    pub selection: Selection,
    /// Of it in the dream, 0 to 1.
    pub share: f64,
    /// What its share grows by in a second.
    speed: f64,
}

/// What has to be done so that the one wanted is dreamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FadeStep {
    /// It is, alone.
    Done,
    /// It is on its way, or another fade has to end first.
    Running,
    /// Its graphs are to be opened: then [`Crossfade::begin`].
    OpenGraphs,
}

impl Crossfade {
    pub fn new(from: Selection) -> Crossfade {
        Crossfade { from, to: None }
    }

    /// Turns to `wanted`, to be there in `seconds`.
    pub fn retarget(&mut self, wanted: &Selection, seconds: f64) -> FadeStep {
        match &mut self.to {
            None if self.from.is(wanted) => return FadeStep::Done,
            None => {}
            Some(to) if to.selection.is(wanted) => return FadeStep::Running,
            Some(to) if self.from.is(wanted) => {
                turn(&mut self.from, to);
                to.speed = 1.0 / seconds;
                return FadeStep::Running;
            }
            Some(to) if to.selection.layer == self.from.layer => {
                // Of one layer: it goes on from the mix.
                self.from.weights = mix(&self.from.weights, &to.selection.weights, to.share as f32).collect();
                self.from.neurons = None;
                self.to = None;
            }
            Some(to) => {
                if to.share < 0.5 {
                    turn(&mut self.from, to);
                }
                to.speed = to.speed.max(1.0 / HURRY);
                return FadeStep::Running;
            }
        }
        if self.from.layer != wanted.layer {
            return FadeStep::OpenGraphs;
        }
        self.begin(wanted.clone(), seconds);
        FadeStep::Running
    }

    /// Begins to fade to `selection`, in `seconds`.
    pub fn begin(&mut self, selection: Selection, seconds: f64) {
        self.to = Some(Incoming { selection, share: 0.0, speed: 1.0 / seconds });
    }

    /// Lets time pass.
    pub fn advance(&mut self, elapsed: Duration) {
        let Some(to) = &mut self.to else { return };
        to.share += to.speed * elapsed.as_secs_f64();
        if to.share >= 1.0
            && let Some(to) = self.to.take()
        {
            self.from = to.selection;
        }
    }

    /// What is faded to, else what is there.
    pub fn latest(&self) -> &Selection {
        self.to.as_ref().map_or(&self.from, |to| &to.selection)
    }

    /// The layer that is seen most of.
    pub fn layer(&self) -> &str {
        let to = self.to.as_ref().filter(|to| to.share >= 0.5);
        to.map_or(&self.from.layer, |to| &to.selection.layer)
    }

    /// Whether `layer` is dreamed, or on its way in.
    pub fn has(&self, layer: &str) -> bool {
        self.from.layer == layer || self.to.as_ref().is_some_and(|to| to.selection.layer == layer)
    }

    /// Those of `from` on the way to those of the same layer that come, into `weights`.
    pub fn weights(&self, weights: &mut Vec<f32>) {
        weights.clear();
        match self.to.as_ref().filter(|to| to.selection.layer == self.from.layer) {
            Some(to) => weights.extend(mix(&self.from.weights, &to.selection.weights, to.share as f32)),
            None => weights.extend_from_slice(&self.from.weights),
        }
    }

    /// The layer that is dreamed alone; none while two are mixed.
    pub fn only_layer(&self) -> Option<&str> {
        self.other().is_none().then_some(&self.from.layer)
    }

    /// Another layer that comes, and its share.
    pub fn other(&self) -> Option<(&Selection, f64)> {
        let to = self.to.as_ref().filter(|to| to.selection.layer != self.from.layer);
        to.map(|to| (&to.selection, to.share))
    }
}

/// Goes back: what was coming goes, from where it is.
fn turn(from: &mut Selection, to: &mut Incoming) {
    std::mem::swap(from, &mut to.selection);
    to.share = 1.0 - to.share;
}

fn mix(from: &[f32], to: &[f32], share: f32) -> impl Iterator<Item = f32> {
    from.iter().zip(to).map(move |(from, to)| from + (to - from) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(layer: &str, neurons: &str, weights: &[f32]) -> Selection {
        Selection {
            layer: layer.to_owned(),
            neurons: Some(neurons.parse().unwrap()),
            weights: weights.into(),
            choice: 0,
        }
    }

    fn weights(crossfade: &Crossfade) -> Vec<f32> {
        let mut weights = Vec::new();
        crossfade.weights(&mut weights);
        weights
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn neurons_of_one_layer_are_faded_and_a_change_midway_goes_on_from_the_mix() {
        let (all, one, other) = (part("a", "all", &[1., 1.]), part("a", "0", &[1., 0.]), part("a", "1", &[0., 1.]));
        let mut crossfade = Crossfade::new(all);
        assert_eq!(crossfade.retarget(&one, 4.0), FadeStep::Running);
        crossfade.advance(SECOND);
        assert_eq!(weights(&crossfade), [1.0, 0.75]);
        assert_eq!(crossfade.retarget(&other, 2.0), FadeStep::Running);
        assert_eq!(weights(&crossfade), [1.0, 0.75]);
        crossfade.advance(SECOND);
        assert_eq!(weights(&crossfade), [0.5, 0.875]);
        crossfade.advance(SECOND);
        assert_eq!((crossfade.retarget(&other, 2.0), weights(&crossfade)), (FadeStep::Done, vec![0.0, 1.0]));
    }

    #[test]
    fn a_layer_comes_when_it_is_open_and_goes_back_from_where_it_is() {
        let (a, b) = (part("a", "all", &[1.]), part("b", "all", &[1.]));
        let mut crossfade = Crossfade::new(a.clone());
        assert_eq!(crossfade.retarget(&b, 4.0), FadeStep::OpenGraphs);
        assert_eq!(crossfade.retarget(&b, 4.0), FadeStep::OpenGraphs);
        crossfade.begin(b.clone(), 4.0);
        crossfade.advance(SECOND);
        assert_eq!(
            (crossfade.retarget(&b, 4.0), crossfade.other().unwrap().1, crossfade.layer()),
            (FadeStep::Running, 0.25, "a")
        );
        assert_eq!(crossfade.retarget(&a, 4.0), FadeStep::Running);
        assert_eq!((crossfade.from.layer.as_str(), crossfade.other().unwrap().1, crossfade.layer()), ("b", 0.75, "a"));
        crossfade.advance(SECOND);
        assert_eq!((crossfade.retarget(&a, 4.0), crossfade.other()), (FadeStep::Done, None));
    }

    #[test]
    fn a_third_layer_waits_until_the_nearer_of_two_is_there() {
        let (a, b, c) = (part("a", "all", &[1.]), part("b", "all", &[1.]), part("c", "all", &[1.]));
        let mut crossfade = Crossfade::new(a.clone());
        crossfade.begin(b.clone(), 10.0);
        crossfade.advance(3 * SECOND);
        assert_eq!(crossfade.retarget(&c, 10.0), FadeStep::Running);
        assert!((crossfade.other().unwrap().1 - 0.7).abs() < 1e-9, "nothing jumps");
        crossfade.advance(SECOND / 2);
        assert_eq!((crossfade.retarget(&c, 10.0), crossfade.from.layer.as_str()), (FadeStep::OpenGraphs, "a"));
    }
}
