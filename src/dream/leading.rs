//! Other pictures that lead the dream: the guide, whose features are sought for, and the camera picture, which is caricatured.
//!
//! A guide comes and goes by its share, so that nothing jumps when another is chosen. Its features are found out by one run of the layer's
//! graph, at the size that is dreamed at, when a layer first meets it.

use std::sync::Arc;
use std::time::Duration;

use super::Dreamer;
use super::current::Current;
use super::error::DreamError;
use super::session_cache::SessionCache;
use crate::frame::Frame;
use crate::guides::NONE;
use crate::pack::Catalogue;
use crate::params::Params;
use crate::pixel::{self, Picture, Scaler};

/// The guide's positions are taken from so many rows and columns of its maps.
const SIDE: usize = 8;

/// What leads, and how much.
pub struct Leading {
    /// The guide that leads; [`NONE`] where none does.
    guide: String,
    /// How far it is there, 0 to 1, and by how much more in a second.
    share: f64,
    speed: f64,
    /// Of that guide, for each layer that met it. None where it could not be found out.
    features: Vec<(String, Option<Vec<f32>>)>,
    scaler: Scaler,
    /// Whether what was looked at is a camera's.
    pub sees_camera: bool,
}

impl Default for Leading {
    fn default() -> Leading {
        Leading {
            guide: NONE.to_owned(),
            share: 0.0,
            speed: 0.0,
            features: Vec::new(),
            scaler: Scaler::default(),
            sees_camera: false,
        }
    }
}

/// What leads the climbing of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LeadingClimb<'a> {
    /// Features of the guide, of the layer and of another that is mixed in.
    pub features: [Option<&'a [f32]>; 2],
    /// How much these lead.
    pub guided: f32,
    /// What is caricatured, and how much.
    pub camera: Option<&'a Picture>,
    pub caricature: f32,
}

impl Leading {
    /// Lets `elapsed` pass on the way to the guide `wanted`, to be there in `seconds`: one goes before another comes.
    pub fn advance(&mut self, wanted: &str, seconds: f64, elapsed: Duration) {
        if wanted != self.guide && (self.share == 0.0 || seconds == 0.0) {
            wanted.clone_into(&mut self.guide);
            self.features.clear();
            self.share = 0.0;
        }
        let arrived = if self.guide == NONE { 0.0 } else { 1.0 };
        if wanted != self.guide {
            // Half the time for each, where another comes.
            let parts = if wanted == NONE { 1.0 } else { 2.0 };
            self.speed = parts / seconds;
            self.share = (self.share - self.speed * elapsed.as_secs_f64()).max(0.0);
        } else if seconds == 0.0 || self.share == arrived {
            self.share = arrived;
            self.speed = 0.0;
        } else {
            if self.speed == 0.0 {
                self.speed = 1.0 / seconds;
            }
            self.share = (self.share + self.speed * elapsed.as_secs_f64()).min(arrived);
        }
    }

    /// Whether an ascent is led by anything.
    pub fn leads(&self, params: &Params) -> bool {
        self.share * params.guided > 0.0 || params.caricature > 0.0
    }

    /// Finds out the guide's features in each of `layers` that has not met it, dreamed at `size`.
    fn meet<'a>(
        &mut self,
        layers: impl Iterator<Item = &'a str>,
        size: (usize, usize),
        catalogue: &Catalogue,
        sessions: &mut SessionCache,
    ) -> Result<(), DreamError> {
        if self.share == 0.0 {
            return Ok(());
        }
        for layer in layers {
            if self.features.iter().any(|(known, _)| known == layer) {
                continue;
            }
            let found = match catalogue.guides().picture(&self.guide) {
                Ok(picture) => self.features_of(&picture, layer, size, catalogue, sessions)?,
                Err(error) => {
                    tracing::warn!("the guide `{}` leads no more: {error}", self.guide);
                    None
                }
            };
            self.features.push((layer.to_owned(), found));
        }
        Ok(())
    }

    /// What `layer` sees of `picture` at positions that are spread evenly over it.
    fn features_of(
        &mut self,
        picture: &Arc<Frame>,
        layer: &str,
        size: (usize, usize),
        catalogue: &Catalogue,
        sessions: &mut SessionCache,
    ) -> Result<Option<Vec<f32>>, DreamError> {
        let channels = catalogue.layer(layer)?.2.channels;
        let (mut small, mut image) = (Frame::new(size.0, size.1), Picture::default());
        self.scaler.stretch(picture, &mut small);
        pixel::from_frame(&small, &mut image);
        let maps = sessions.ascent(layer, size)?.maps(&image, &vec![1.0; channels])?;
        Ok(maps.map(|(maps, size)| spread(maps, size)))
    }

    fn features(&self, layer: &str) -> Option<&[f32]> {
        self.features.iter().find(|(known, _)| known == layer)?.1.as_deref()
    }

    /// What leads `current`.
    pub fn climb<'a>(&'a self, current: &Current, params: &Params, camera: Option<&'a Picture>) -> LeadingClimb<'a> {
        let layers = [Some(current.crossfade.from.layer.as_str()), current.other_layer()];
        let (guided, caricature) = (self.share * params.guided, params.caricature);
        let caricature = if camera.is_some() { caricature } else { 0.0 };
        // Together they are the whole at most.
        let most = (guided + caricature).max(1.0);
        let (guided, caricature) = (guided / most, caricature / most);
        LeadingClimb {
            features: layers.map(|layer| layer.filter(|_| guided > 0.0).and_then(|layer| self.features(layer))),
            guided: guided as f32,
            camera: camera.filter(|_| caricature > 0.0),
            caricature: caricature as f32,
        }
    }
}

/// Of `maps` of this height and width, channel by channel, the features of [`SIDE`]² positions, position by position.
fn spread(maps: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
    let at = |index: usize, length: usize| (2 * index + 1) * length / (2 * SIDE);
    let positions = (0..SIDE * SIDE).map(|index| at(index / SIDE, height) * width + at(index % SIDE, width));
    positions.flat_map(|position| maps.iter().skip(position).step_by(height * width)).copied().collect()
}

impl Dreamer {
    /// The guide on its way, and its features in the layers that are dreamed.
    pub(super) fn lead(&mut self, current: &Current, params: &Params, elapsed: Duration) -> Result<(), DreamError> {
        self.leading.advance(&params.guide, params.crossfade, elapsed);
        let Some(&size) = current.sizes.last() else { return Ok(()) };
        let layers = std::iter::once(current.crossfade.from.layer.as_str()).chain(current.other_layer());
        let met = self.leading.meet(layers, size, &self.catalogue, &mut self.sessions);
        met.map_err(|error| self.give_up(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: Duration = Duration::from_millis(250);

    #[test]
    fn a_guide_comes_and_goes_evenly_and_another_waits_for_it() {
        let mut leading = Leading::default();
        let mut shares = |wanted: &str, times: usize| -> Vec<(String, f64)> {
            let mut next = || {
                leading.advance(wanted, 1.0, QUARTER);
                (leading.guide.clone(), leading.share)
            };
            (0..times).map(|_| next()).collect()
        };
        let expect = |found: Vec<(String, f64)>, guide: &str, shares: &[f64]| {
            assert_eq!(found, shares.iter().map(|share| (guide.to_owned(), *share)).collect::<Vec<_>>());
        };
        expect(shares(NONE, 1), NONE, &[0.0]);
        expect(shares("sea", 5), "sea", &[0.25, 0.5, 0.75, 1.0, 1.0]);
        // In the time that was asked for, one after the other.
        expect(shares("sky", 2), "sea", &[0.5, 0.0]);
        expect(shares("sky", 2), "sky", &[0.5, 1.0]);
        expect(shares(NONE, 3), "sky", &[0.75, 0.5, 0.25]);
        // Back again before it was gone.
        expect(shares("sky", 1), "sky", &[0.5]);
    }

    #[test]
    fn without_a_fade_it_is_there_at_once() {
        let mut leading = Leading::default();
        leading.advance("sea", 0.0, Duration::ZERO);
        assert_eq!((leading.guide.as_str(), leading.share), ("sea", 1.0));
        leading.advance("sky", 0.0, Duration::ZERO);
        assert_eq!((leading.guide.as_str(), leading.share), ("sky", 1.0));
        leading.advance(NONE, 0.0, Duration::ZERO);
        assert_eq!((leading.guide.as_str(), leading.share), (NONE, 0.0));
    }

    #[test]
    fn features_are_taken_from_all_over_the_maps() {
        // Two channels of 16 × 8 positions, each its own number.
        let maps: Vec<f32> = (0..2 * 16 * 8).map(|number| number as f32).collect();
        let features = spread(&maps, (8, 16));
        assert_eq!(features.len(), 2 * SIDE * SIDE);
        assert_eq!(features[..4], [1.0, 129.0, 3.0, 131.0]);
        assert_eq!(spread(&[7.0], (1, 1)), vec![7.0; SIDE * SIDE], "where there is one position it is that");
    }
}
