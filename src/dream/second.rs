//! A second layer that is dreamed beside the first: how much of it, on the way to how much is wanted.

use std::time::Duration;

use super::crossfade::{Crossfade, Selection};
use crate::pack::Neurons;

/// A layer beside another, with neurons that fade as the first's do.
#[derive(Debug, Clone, PartialEq)]
pub struct Second {
    crossfade: Crossfade,
    /// How much of it there is to be in the dream, 0 to 1: a number that is on its way by itself.
    wanted: f64,
    /// How far it is there, 0 to 1.
    presence: f64,
}

impl Second {
    pub fn new(selection: Selection, share: f64) -> Second {
        Second { crossfade: Crossfade::new(selection), wanted: share, presence: 1.0 }
    }

    /// Of it in the dream, 0 to 1.
    pub fn share(&self) -> f64 {
        self.wanted * self.presence
    }

    pub fn layer(&self) -> &str {
        &self.crossfade.from.layer
    }

    /// Whether it is of this layer, and there or on its way to these neurons.
    pub fn is_of(&self, layer: &str, neurons: &Neurons) -> bool {
        self.layer() == layer && self.crossfade.latest().neurons.as_ref() == Some(neurons)
    }

    /// What it is on its way to, with another share.
    pub fn with_share(&self, share: f64) -> Second {
        Second::new(self.crossfade.latest().clone(), share)
    }

    /// The same, of which there is nothing yet.
    pub fn begin(&self) -> Second {
        Second { presence: 0.0, ..self.clone() }
    }

    /// On its way to `wanted`, to be there in `seconds`, `elapsed` later; none when it has gone. It goes where another layer is wanted, or none.
    pub fn advance(mut self, wanted: Option<Second>, seconds: f64, elapsed: Duration) -> Option<Second> {
        let wanted = wanted.filter(|wanted| wanted.layer() == self.layer());
        let aim = if wanted.is_some() { 1.0 } else { 0.0 };
        if seconds == 0.0 {
            return wanted;
        }
        let stride = elapsed.as_secs_f64() / seconds;
        self.presence += (aim - self.presence).clamp(-stride, stride);
        if let Some(wanted) = wanted {
            self.wanted = wanted.wanted;
            // Of one layer: there is nothing to open.
            self.crossfade.retarget(&wanted.crossfade.from, seconds);
        }
        self.crossfade.advance(elapsed);
        (aim > 0.0 || self.presence > 0.0).then_some(self)
    }

    /// Weight of each channel, into `weights`.
    pub fn weights(&self, weights: &mut Vec<f32>) {
        self.crossfade.weights(weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(layer: &str, neurons: &str, weights: &[f32], share: f64) -> Second {
        let (layer, neurons) = (layer.to_owned(), Some(neurons.parse().unwrap()));
        Second::new(Selection { layer, neurons, weights: weights.into(), choice: 0 }, share)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_comes_to_its_share_and_goes_evenly() {
        let wanted = second("b", "all", &[1.0], 0.5);
        let mut now = wanted.begin();
        let shares: Vec<f64> = (0..3)
            .map(|_| {
                now = now.clone().advance(Some(wanted.clone()), 4.0, SECOND).unwrap();
                now.share()
            })
            .collect();
        assert_eq!(shares, [0.125, 0.25, 0.375]);
        // Another layer in its place has to wait until it has gone.
        let other = second("c", "all", &[1.0], 0.5);
        now = now.advance(Some(other.clone()), 4.0, SECOND).unwrap();
        assert_eq!((now.layer(), now.share()), ("b", 0.25));
        assert_eq!(now.clone().advance(Some(other), 4.0, 2 * SECOND), None);
        // How much there is to be follows at once: that number has a ramp of its own.
        let more = now.advance(Some(second("b", "all", &[1.0], 1.0)), 1000.0, Duration::ZERO).unwrap();
        assert_eq!(more.share(), 0.5);
    }

    #[test]
    fn its_neurons_fade_and_without_a_fade_all_is_there_at_once() {
        let (all, one) = (second("b", "all", &[1.0, 1.0], 0.5), second("b", "0", &[1.0, 0.0], 0.5));
        let weights = |second: &Second| {
            let mut weights = Vec::new();
            second.weights(&mut weights);
            weights
        };
        let midway = all.clone().advance(Some(one.clone()), 4.0, SECOND).unwrap();
        assert_eq!((weights(&midway), midway.share()), (vec![1.0, 0.75], 0.5));
        assert!(midway.is_of("b", &"0".parse().unwrap()));
        let there = midway.advance(Some(one.clone()), 4.0, 3 * SECOND).unwrap();
        assert_eq!(weights(&there), [1.0, 0.0]);
        assert_eq!(all.clone().advance(Some(one.clone()), 0.0, Duration::ZERO), Some(one));
        assert_eq!(all.advance(None, 0.0, Duration::ZERO), None);
    }
}
