//! The walk: a random path through layers and neurons that does not repeat itself for years.
//!
//! A place is made of the seed and its number alone. Which layer follows a smooth random curve (value noise: Ken Perlin's
//! lattice noise of 1985, with values in place of gradients) through the layers as the pack orders them, shallow to deep, so
//! that a place and the next look related; which neurons is drawn anew at each.

use serde_json::{Map, Value as Json};

use crate::pack::{Catalogue, Layer};

/// Places from one value of the curve to the next: about as long it stays in one region of the network.
const PLACES_PER_NODE: i64 = 5;
/// Chances that a place amplifies the whole layer, and that it takes one of the layer's named groups where there are any.
const WHOLE_LAYER_CHANCE: f64 = 0.15;
const NAMED_GROUP_CHANCE: f64 = 0.45;
/// The most channels amplified together; more blur into the whole layer.
const MAX_CHANNELS: usize = 5;
/// The most words dreamed together.
const MAX_WORDS: usize = 2;

/// The layer and neurons of place `number`, in the pack that `layer` belongs to.
pub fn place(catalogue: &Catalogue, layer: &str, seed: u64, number: i64) -> Map<String, Json> {
    let Some((name, layer)) = layer_at(catalogue, layer, height(seed, number)) else { return Map::new() };
    let neurons = neurons(layer, seed, number);
    Map::from_iter([("layer".to_owned(), name.into()), ("neurons".to_owned(), neurons.into())])
}

/// The curve at `number`, from 0 to 1 (1 left out).
fn height(seed: u64, number: i64) -> f64 {
    let value = |at: i64| super::seeded_rng(seed, "height", at).f64();
    let (before, part) =
        (number.div_euclid(PLACES_PER_NODE), number.rem_euclid(PLACES_PER_NODE) as f64 / PLACES_PER_NODE as f64);
    let smooth = part * part * (3.0 - 2.0 * part);
    value(before) + (value(before + 1) - value(before)) * smooth
}

fn layer_at<'a>(catalogue: &'a Catalogue, of_the_pack_of: &str, height: f64) -> Option<(String, &'a Layer)> {
    let (_, pack, _) = catalogue.layer(of_the_pack_of).ok()?;
    let layer = pack.layers.get((height * pack.layers.len() as f64) as usize)?;
    Some((catalogue.short_name(pack, layer), layer))
}

fn neurons(layer: &Layer, seed: u64, number: i64) -> String {
    let mut rng = super::seeded_rng(seed, "neurons", number);
    if !layer.vocabulary.is_empty() {
        return words(layer, &mut rng);
    }
    if rng.f64() < WHOLE_LAYER_CHANCE {
        return "all".to_owned();
    }
    if !layer.groups.is_empty() && rng.f64() < NAMED_GROUP_CHANCE {
        return layer.groups.keys().nth(rng.usize(..layer.groups.len())).cloned().unwrap_or_default();
    }
    let count = rng.usize(1..=MAX_CHANNELS.min(layer.channels));
    let mut channels: Vec<usize> = (0..count).map(|_| rng.usize(..layer.channels)).collect();
    channels.sort_unstable();
    channels.dedup();
    channels.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// One thing or two that people have a word for: all classes together are nothing.
fn words(layer: &Layer, rng: &mut fastrand::Rng) -> String {
    let known = layer.vocabulary.common();
    if known.is_empty() {
        return "all".to_owned();
    }
    let count = rng.usize(1..=MAX_WORDS);
    let mut words: Vec<&str> = (0..count).map(|_| known[rng.usize(..known.len())].as_str()).collect();
    words.dedup();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::director::tests::catalogue;
    use crate::params::Params;

    #[test]
    fn a_year_of_places_is_sound_repeats_no_stretch_and_goes_everywhere() {
        let catalogue = catalogue();
        let params = Params::new(&catalogue);
        let places: Vec<Map<String, Json>> =
            (0..100_000).map(|number| place(&catalogue, &params.layer, 7, number)).collect();
        for place in &places {
            params.with(place, &catalogue).unwrap();
        }
        let layers: HashSet<&str> = places.iter().map(|place| place["layer"].as_str().unwrap()).collect();
        assert_eq!(layers.len(), catalogue.layer(&params.layer).unwrap().1.layers.len());
        let stretches: HashSet<String> = places.windows(12).map(|some| serde_json::to_string(some).unwrap()).collect();
        assert_eq!(stretches.len(), places.len() - 11);
        // Back as well as on, and the same again.
        assert_eq!(place(&catalogue, &params.layer, 7, 4711), places[4711]);
        assert_ne!(place(&catalogue, &params.layer, 8, 4711), places[4711]);
        params.with(&place(&catalogue, &params.layer, 7, -4711), &catalogue).unwrap();
    }

    #[test]
    fn the_walk_goes_step_by_step() {
        for number in -1000..1000 {
            assert!((height(3, number) - height(3, number + 1)).abs() < 0.35, "{number}");
        }
    }
}
