//! A way through all that has a name, from like to like: the named groups of every pack that has an atlas, each once, then round again.

use crate::pack::{Catalogue, LIKENESS};

/// A place of the tour.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// The layer, by the name that it is listed under.
    pub layer: String,
    /// What is amplified there: a named group, or all of the layer.
    pub neurons: String,
    /// What that looks like, as a vector of length 1.
    axes: [f32; LIKENESS],
}

impl Stop {
    /// The cosine between what both look like.
    pub fn likeness(&self, other: &Stop) -> f32 {
        self.axes.iter().zip(&other.axes).map(|(a, b)| a * b).sum()
    }

    fn normalise(&mut self) {
        let length = self.axes.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        self.axes.iter_mut().for_each(|value| *value /= length);
    }
}

/// The stops of `catalogue` in the order of the tour. Classes are none: little of a word is seen on a slow board.
pub fn tour(catalogue: &Catalogue) -> Vec<Stop> {
    let mut stops = stops(catalogue);
    part(&mut stops);
    let mut stops = in_order_of_likeness(stops);
    shorten(&mut stops);
    stops
}

fn stops(catalogue: &Catalogue) -> Vec<Stop> {
    let mut stops = Vec::new();
    for (_, pack) in catalogue.packs() {
        let Some(atlas) = &pack.atlas else { continue };
        for layer in pack.layers.iter().filter(|layer| layer.vocabulary.is_empty()) {
            let likeness = atlas.layer(&layer.name).into_iter().flat_map(|layer| &layer.likeness);
            // Groups may have changed since it was drawn.
            let is_known = |name: &str| name == "all" || layer.groups.contains_key(name);
            stops.extend(likeness.filter(|(name, _)| is_known(name)).map(|(name, axes)| Stop {
                layer: catalogue.short_name(pack, layer),
                neurons: name.clone(),
                axes: std::array::from_fn(|i| axes.get(i).map_or(0.0, |value| f32::from(*value))),
            }));
        }
    }
    stops
}

/// Takes out of all what they have in common, as dreams: what is left tells them apart.
fn part(stops: &mut [Stop]) {
    stops.iter_mut().for_each(Stop::normalise);
    let count = stops.len().max(1) as f32;
    let mean: [f32; LIKENESS] = std::array::from_fn(|i| stops.iter().map(|stop| stop.axes[i]).sum::<f32>() / count);
    for stop in stops {
        stop.axes.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
        stop.normalise();
    }
}

/// From each stop to the one most like it that is left.
fn in_order_of_likeness(mut stops: Vec<Stop>) -> Vec<Stop> {
    for at in 1..stops.len() {
        let like = |i: &usize| stops[at - 1].likeness(&stops[*i]);
        let next = (at..stops.len()).max_by(|a, b| like(a).total_cmp(&like(b)));
        stops.swap(at, next.unwrap_or(at));
    }
    stops
}

/// Turns stretches round where that makes the tour, as a circle, go by more likeness (2-opt).
fn shorten(stops: &mut [Stop]) {
    /// It is as good as it gets after a few.
    const MAX_PASSES: usize = 20;
    let count = stops.len();
    for _ in 0..MAX_PASSES {
        let mut is_better = false;
        for first in 0..count.saturating_sub(2) {
            for last in first + 2..count {
                let (a, b, c, d) = (&stops[first], &stops[first + 1], &stops[last], &stops[(last + 1) % count]);
                if a.likeness(c) + b.likeness(d) > a.likeness(b) + c.likeness(d) + 1e-4 {
                    stops[first + 1..=last].reverse();
                    is_better = true;
                }
            }
        }
        if !is_better {
            return;
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::director::tests::catalogue;
    use crate::pack::{Atlas, LayerAtlas, Manifest};

    /// Groups on a circle in the plane of the first two axes, named in an order that is none.
    pub fn circle(count: usize) -> Catalogue {
        let mut packs: Vec<Manifest> = catalogue().packs().map(|(_, pack)| pack.clone()).collect();
        let pack = &mut packs[0];
        let layer = &mut pack.layers[0];
        let mut likeness = BTreeMap::new();
        for number in 0..count {
            let angle = number as f32 / count as f32 * std::f32::consts::TAU;
            let mut axes = vec![0i8; LIKENESS];
            (axes[0], axes[1]) = ((127.0 * angle.cos()) as i8, (127.0 * angle.sin()) as i8);
            let name = format!("g{}-{number}", number * 7919 % count);
            layer.groups.insert(name.clone(), "0".to_owned());
            likeness.insert(name, axes);
        }
        likeness.insert("gone".to_owned(), vec![1; LIKENESS]);
        let (name, file) = (layer.name.clone(), "a.jpg".to_owned());
        let drawn = LayerAtlas { name, file, tiles: Vec::new(), likeness };
        pack.atlas = Some(Atlas { side: 64, across: 16, layers: vec![drawn] });
        Catalogue::of(packs)
    }

    #[test]
    fn the_tour_goes_round_a_circle() {
        let tour = tour(&circle(60));
        let numbers: Vec<i32> =
            tour.iter().map(|stop| stop.neurons.rsplit('-').next().unwrap().parse().unwrap()).collect();
        assert_eq!(numbers.len(), 60, "each once, and none that is no group any more");
        for (one, next) in numbers.iter().zip(numbers.iter().cycle().skip(1)) {
            assert_eq!((one - next).rem_euclid(60).min((next - one).rem_euclid(60)), 1, "{numbers:?}");
        }
    }

    #[test]
    fn without_an_atlas_there_is_no_tour() {
        assert_eq!(tour(&catalogue()), vec![]);
        assert_eq!(tour(&Catalogue::of(Vec::new())), vec![]);
    }
}
