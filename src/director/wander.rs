//! The walk: a path through layers and neurons that does not repeat itself for years.
//!
//! A place is made of the seed and its number alone. Where packs have an atlas it follows the [`tour`] of all that has a name, in strides,
//! so that what is seen is related to what was seen and yet another thing, and joins to it something like it, drawn anew at each place. Elsewhere
//! it goes by depth: which layer follows a smooth random curve (value noise: Ken Perlin's lattice noise of 1985, with values in place of
//! gradients) through the layers as the pack orders them, shallow to deep; which neurons is drawn anew at each.

use serde_json::{Map, Value as Json};

use super::tour::{Stop, tour};
use crate::pack::{Catalogue, Layer};

/// A tour of fewer stops is none.
const MIN_STOPS: usize = 24;
/// So many places go once round the tour.
const PLACES_PER_ROUND: usize = 24;
/// Chance that a place joins something like it, from the nearest so many of the layer, and how much of that at least and at most.
const COMPANION_CHANCE: f64 = 0.6;
const COMPANIONS: usize = 3;
const COMPANION_WEIGHT: (f64, f64) = (0.2, 0.8);
/// Places from one value of the curve to the next: about as long it stays in one region of the network.
const PLACES_PER_NODE: i64 = 5;
/// Chances that a place amplifies the whole layer, and that it takes one of the layer's named groups where there are any.
const WHOLE_LAYER_CHANCE: f64 = 0.15;
const NAMED_GROUP_CHANCE: f64 = 0.45;
/// The most channels amplified together; more blur into the whole layer.
const MAX_CHANNELS: usize = 5;
/// The most words dreamed together.
const MAX_WORDS: usize = 2;

/// The layer and neurons of place `number`: of the tour where there is one, else in the pack that `layer` belongs to.
pub fn place(catalogue: &Catalogue, layer: &str, seed: u64, number: i64) -> Map<String, Json> {
    let tour = tour(catalogue);
    let found = match tour.len() {
        MIN_STOPS.. => Some(stop_at(&tour, seed, number)),
        _ => layer_at(catalogue, layer, height(seed, number)).map(|(name, layer)| (name, neurons(layer, seed, number))),
    };
    let Some((name, neurons)) = found else { return Map::new() };
    Map::from_iter([("layer".to_owned(), name.into()), ("neurons".to_owned(), neurons.into())])
}

/// Layer and neurons of place `number` on `tour`.
fn stop_at(tour: &[Stop], seed: u64, number: i64) -> (String, String) {
    let count = tour.len();
    // All stops in turn, in strides, and then with another stride from another one on.
    let mut of_round = super::seeded_rng(seed, "round", number.div_euclid(count as i64));
    let (start, stride) = (of_round.usize(..count), stride(count, &mut of_round));
    let at = (start + number.rem_euclid(count as i64) as usize * stride) % count;
    let stop = &tour[at];
    let mut rng = super::seeded_rng(seed, "companion", number);
    let mut companions: Vec<&Stop> = tour
        .iter()
        .filter(|other| other.layer == stop.layer && other.neurons != stop.neurons && other.neurons != "all")
        .collect();
    companions.sort_by(|a, b| stop.likeness(b).total_cmp(&stop.likeness(a)));
    companions.truncate(COMPANIONS);
    let is_joined = stop.neurons != "all" && !companions.is_empty() && rng.f64() < COMPANION_CHANCE;
    if !is_joined {
        return (stop.layer.clone(), stop.neurons.clone());
    }
    let companion = &companions[rng.usize(..companions.len())].neurons;
    let (least, most) = COMPANION_WEIGHT;
    let weight = least + (most - least) * rng.f64();
    (stop.layer.clone(), format!("{},{companion}:{weight:.2}", stop.neurons))
}

/// One that comes to each of `count` stops, and goes round in about [`PLACES_PER_ROUND`].
fn stride(count: usize, rng: &mut fastrand::Rng) -> usize {
    let usual = (count / PLACES_PER_ROUND).max(1);
    let meets_all = |stride: &usize| greatest_common_divisor(*stride, count) == 1;
    let strides: Vec<usize> = (usual..2 * usual + 2).filter(meets_all).collect();
    if strides.is_empty() { 1 } else { strides[rng.usize(..strides.len())] }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
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
    fn a_walk_by_likeness_comes_everywhere_each_round_and_joins_only_what_is_there() {
        let catalogue = super::super::tour::tests::circle(60);
        let params = Params::new(&catalogue);
        let places: Vec<Map<String, Json>> =
            (0..600).map(|number| place(&catalogue, &params.layer, 7, number)).collect();
        for round in places.chunks(60) {
            let first =
                |place: &Map<String, Json>| place["neurons"].as_str().unwrap().split(',').next().unwrap().to_owned();
            assert_eq!(round.iter().map(first).collect::<HashSet<_>>().len(), 60);
        }
        for place in &places {
            params.with(place, &catalogue).unwrap();
        }
        assert!(places[..60] != places[60..120] && places[0] != places[60]);
        assert_eq!(place(&catalogue, &params.layer, 7, 99), places[99]);
        params.with(&place(&catalogue, &params.layer, 7, -99), &catalogue).unwrap();
    }

    #[test]
    fn the_walk_goes_step_by_step() {
        for number in -1000..1000 {
            assert!((height(3, number) - height(3, number + 1)).abs() < 0.35, "{number}");
        }
    }
}
