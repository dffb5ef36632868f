//! Who is dreamed: a layer and its neurons, and for the time of a cross-fade a second one beside it.

use std::sync::Arc;
use std::time::Duration;

use crate::pack::Neurons;

/// A fade that something else is waiting for is brought to its nearer end in this time, seconds.
const HURRY: f64 = 1.0;

/// A layer and the neurons of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub layer: String,
    /// None for a mix of two choices.
    pub neurons: Option<Neurons>,
    /// Of each channel, as `neurons` say.
    pub weights: Arc<[f32]>,
}

impl Part {
    fn is(&self, other: &Part) -> bool {
        self.layer == other.layer && self.neurons.is_some() && self.neurons == other.neurons
    }
}

/// Who is dreamed at the moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Cast {
    pub now: Part,
    /// Who comes, and how far.
    pub next: Option<Coming>,
}

/// The one that is faded to.
#[derive(Debug, Clone, PartialEq)]
pub struct Coming {
    pub part: Part,
    /// Of it in the dream, 0 to 1.
    pub share: f64,
    /// What its share grows by in a second.
    speed: f64,
}

/// What has to be done so that the one wanted is dreamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// It is, alone.
    There,
    /// It is on its way, or another fade has to end first.
    Going,
    /// Its graphs are to be opened: then [`Cast::begin`].
    Open,
}

impl Cast {
    pub fn of(now: Part) -> Cast {
        Cast { now, next: None }
    }

    /// Turns to `wanted`, to be there in `seconds`.
    pub fn aim(&mut self, wanted: &Part, seconds: f64) -> Aim {
        match &mut self.next {
            None if self.now.is(wanted) => return Aim::There,
            None => {}
            Some(next) if next.part.is(wanted) => return Aim::Going,
            Some(next) if self.now.is(wanted) => {
                turn(&mut self.now, next);
                next.speed = 1.0 / seconds;
                return Aim::Going;
            }
            Some(next) if next.part.layer == self.now.layer => {
                // Of one layer: it goes on from the mix.
                self.now.weights = mix(&self.now.weights, &next.part.weights, next.share as f32).collect();
                self.now.neurons = None;
                self.next = None;
            }
            Some(next) => {
                if next.share < 0.5 {
                    turn(&mut self.now, next);
                }
                next.speed = next.speed.max(1.0 / HURRY);
                return Aim::Going;
            }
        }
        if self.now.layer != wanted.layer {
            return Aim::Open;
        }
        self.begin(wanted.clone(), seconds);
        Aim::Going
    }

    /// Begins to fade to `part`, in `seconds`.
    pub fn begin(&mut self, part: Part, seconds: f64) {
        self.next = Some(Coming { part, share: 0.0, speed: 1.0 / seconds });
    }

    /// Lets time pass.
    pub fn advance(&mut self, elapsed: Duration) {
        let Some(next) = &mut self.next else { return };
        next.share += next.speed * elapsed.as_secs_f64();
        if next.share >= 1.0
            && let Some(next) = self.next.take()
        {
            self.now = next.part;
        }
    }

    /// The layer that is seen most of.
    pub fn layer(&self) -> &str {
        let next = self.next.as_ref().filter(|next| next.share >= 0.5);
        next.map_or(&self.now.layer, |next| &next.part.layer)
    }

    /// Whether `layer` is dreamed, or on its way in.
    pub fn has(&self, layer: &str) -> bool {
        self.now.layer == layer || self.next.as_ref().is_some_and(|next| next.part.layer == layer)
    }

    /// Those of `now` on the way to those of the same layer that come, into `weights`.
    pub fn weights(&self, weights: &mut Vec<f32>) {
        weights.clear();
        match self.next.as_ref().filter(|next| next.part.layer == self.now.layer) {
            Some(next) => weights.extend(mix(&self.now.weights, &next.part.weights, next.share as f32)),
            None => weights.extend_from_slice(&self.now.weights),
        }
    }

    /// Another layer that comes, and its share.
    pub fn other(&self) -> Option<(&Part, f64)> {
        let next = self.next.as_ref().filter(|next| next.part.layer != self.now.layer);
        next.map(|next| (&next.part, next.share))
    }
}

/// Goes back: what was coming goes, from where it is.
fn turn(now: &mut Part, next: &mut Coming) {
    std::mem::swap(now, &mut next.part);
    next.share = 1.0 - next.share;
}

fn mix(from: &[f32], to: &[f32], share: f32) -> impl Iterator<Item = f32> {
    from.iter().zip(to).map(move |(from, to)| from + (to - from) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(layer: &str, neurons: &str, weights: &[f32]) -> Part {
        Part { layer: layer.to_owned(), neurons: Some(neurons.parse().unwrap()), weights: weights.into() }
    }

    fn weights(cast: &Cast) -> Vec<f32> {
        let mut weights = Vec::new();
        cast.weights(&mut weights);
        weights
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn neurons_of_one_layer_are_faded_and_a_change_midway_goes_on_from_the_mix() {
        let (all, one, other) = (part("a", "all", &[1., 1.]), part("a", "0", &[1., 0.]), part("a", "1", &[0., 1.]));
        let mut cast = Cast::of(all);
        assert_eq!(cast.aim(&one, 4.0), Aim::Going);
        cast.advance(SECOND);
        assert_eq!(weights(&cast), [1.0, 0.75]);
        assert_eq!(cast.aim(&other, 2.0), Aim::Going);
        assert_eq!(weights(&cast), [1.0, 0.75]);
        cast.advance(SECOND);
        assert_eq!(weights(&cast), [0.5, 0.875]);
        cast.advance(SECOND);
        assert_eq!((cast.aim(&other, 2.0), weights(&cast)), (Aim::There, vec![0.0, 1.0]));
    }

    #[test]
    fn a_layer_comes_when_it_is_open_and_goes_back_from_where_it_is() {
        let (a, b) = (part("a", "all", &[1.]), part("b", "all", &[1.]));
        let mut cast = Cast::of(a.clone());
        assert_eq!(cast.aim(&b, 4.0), Aim::Open);
        assert_eq!(cast.aim(&b, 4.0), Aim::Open);
        cast.begin(b.clone(), 4.0);
        cast.advance(SECOND);
        assert_eq!((cast.aim(&b, 4.0), cast.other().unwrap().1, cast.layer()), (Aim::Going, 0.25, "a"));
        assert_eq!(cast.aim(&a, 4.0), Aim::Going);
        assert_eq!((cast.now.layer.as_str(), cast.other().unwrap().1, cast.layer()), ("b", 0.75, "a"));
        cast.advance(SECOND);
        assert_eq!((cast.aim(&a, 4.0), cast.other()), (Aim::There, None));
    }

    #[test]
    fn a_third_layer_waits_until_the_nearer_of_two_is_there() {
        let (a, b, c) = (part("a", "all", &[1.]), part("b", "all", &[1.]), part("c", "all", &[1.]));
        let mut cast = Cast::of(a.clone());
        cast.begin(b.clone(), 10.0);
        cast.advance(3 * SECOND);
        assert_eq!(cast.aim(&c, 10.0), Aim::Going);
        assert!((cast.other().unwrap().1 - 0.7).abs() < 1e-9, "nothing jumps");
        cast.advance(SECOND / 2);
        assert_eq!((cast.aim(&c, 10.0), cast.now.layer.as_str()), (Aim::Open, "a"));
    }
}
