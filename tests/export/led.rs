//! What leads a layer: the gradient of each objective against finite differences of that objective, computed here from the layer's maps.

use proptest::prelude::*;
use reverie::export::Attribute;
use reverie::pack::GUIDE_POSITIONS;

use crate::adjoints::{CHANNELS, sizes};
use crate::network::{Graph, Led, Seen, Small, picture, weights};

/// Small beside the distance to most corners, large beside the rounding of a sum.
const EPSILON: f64 = 0.005;
/// Of the caricature's cosine.
const POWER: f64 = 0.5;

/// A layer of a few kinds of node.
fn graph(seed: u64, size: [usize; 2]) -> Graph {
    let mut small = Small::new(seed);
    let maps = small.conv("image", 3, CHANNELS);
    let maps = small.node("Tanh", &[&maps], &[]);
    let strides = [("strides", Attribute::Ints(vec![2, 2])), ("kernel_shape", Attribute::Ints(vec![2, 2]))];
    let pooled = small.node("AveragePool", &[&maps], &strides);
    let layer = small.conv(&pooled, CHANNELS, CHANNELS);
    Graph::of(&small, &layer, seed.is_multiple_of(2).then_some(size))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// At position `at` of maps of so many positions.
fn feature(maps: &[f32], positions: usize, at: usize) -> Vec<f64> {
    maps.iter().skip(at).step_by(positions).map(|value| f64::from(*value)).collect()
}

fn weighted(features: &[f64]) -> Vec<f64> {
    features.iter().zip(weights(CHANNELS)).map(|(feature, weight)| feature * f64::from(weight)).collect()
}

/// The slopes of `objective` along several directions are in the proportion of what the gradient has in each.
fn check(graph: &mut Graph, image: &[f32], size: [usize; 2], seed: u64, objective: impl Fn(&Seen) -> f64) {
    let found: Vec<f64> = graph.run(image, size, 0.0).gradient.iter().map(|value| f64::from(*value)).collect();
    let length = dot(&found, &found).sqrt();
    assert!(length > 0.0, "the gradient is not 0");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut along = |turned: f64| {
        let chance: Vec<f64> = found.iter().map(|_| random.f64() - 0.5).collect();
        let scale = turned * length / dot(&chance, &chance).sqrt();
        let direction: Vec<f64> = found.iter().zip(&chance).map(|(g, chance)| g + scale * chance).collect();
        let unit = dot(&direction, &direction).sqrt();
        let mut at = |sign: f64| {
            let moved = |(x, d): (&f32, &f64)| (f64::from(*x) + sign * EPSILON * d / unit) as f32;
            let image: Vec<f32> = image.iter().zip(&direction).map(moved).collect();
            objective(&graph.run(&image, size, 0.0))
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * EPSILON);
        (slope, dot(&found, &direction) / unit)
    };
    // How large it is does not matter: it is brought to a size of its own.
    let (slope, part) = along(0.0);
    let size_of_it = slope / part;
    assert!(size_of_it > 0.0, "size {size:?}: it leads away");
    for turned in [0.5, 1.0, 2.0, 4.0] {
        let (slope, part) = along(turned);
        let error = (slope / size_of_it - part).abs() / length;
        assert!(error < 0.02, "size {size:?}: slope {slope}, of the gradient {part} times {size_of_it}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_guides_likest_features(size in sizes(), seed in 0u64..1000) {
        let mut graph = graph(seed, size);
        let mut random = fastrand::Rng::with_seed(seed);
        let guide: Vec<f32> = (0..GUIDE_POSITIONS * CHANNELS).map(|_| random.f32() - 0.5).collect();
        graph.led = Led { guide: guide.clone(), guided: 1.0, ..Led::default() };
        let features: Vec<Vec<f64>> = guide
            .chunks(CHANNELS)
            .map(|feature| weighted(&feature.iter().map(|value| f64::from(*value)).collect::<Vec<_>>()))
            .collect();
        check(&mut graph, &picture(size, seed), size, seed, |seen| {
            let positions = seen.map_size[0] * seen.map_size[1];
            let best = |at| {
                let here = feature(&seen.maps, positions, at);
                features.iter().map(|feature| dot(feature, &here)).fold(f64::MIN, f64::max)
            };
            (0..positions).map(best).sum()
        });
    }

    #[test]
    fn the_caricature_of_what_was_seen(size in sizes(), seed in 0u64..1000) {
        let mut graph = graph(seed, size);
        // Of a picture that is much like the one that is climbed, as a mirror's are.
        let image = picture(size, seed);
        let other: Vec<f32> = image.iter().zip(picture(size, seed + 1)).map(|(a, b)| 0.6 * a + 0.4 * b).collect();
        let before = graph.run(&other, size, 0.0);
        graph.led =
            Led { seen: before.maps.clone(), map_size: before.map_size, caricature: 1.0, ..Led::default() };
        check(&mut graph, &image, size, seed, |seen| {
            let positions = seen.map_size[0] * seen.map_size[1];
            let here = |at| {
                let (x, r) = (feature(&seen.maps, positions, at), weighted(&feature(&before.maps, positions, at)));
                let cosine = dot(&x, &r) / (dot(&x, &x) * dot(&r, &r)).sqrt();
                dot(&x, &r) * cosine.max(0.1).powf(POWER)
            };
            (0..positions).map(here).sum()
        });
    }

    /// Where nothing leads, whatever else is given changes nothing; half of each is between both.
    #[test]
    fn shares_mix_what_leads(size in sizes(), seed in 0u64..1000) {
        let mut graph = graph(seed, size);
        let image = picture(size, seed);
        let gradient = |graph: &mut Graph| -> Vec<f64> {
            let found = graph.run(&image, size, 0.0);
            let found: Vec<f64> = found.gradient.iter().map(|value| f64::from(*value)).collect();
            let length = dot(&found, &found).sqrt();
            found.iter().map(|value| value / length).collect()
        };
        let own = gradient(&mut graph);
        let guide: Vec<f32> = (0..GUIDE_POSITIONS * CHANNELS).map(|at| (at as f32).sin()).collect();
        let mut led = |guided: f32| {
            graph.led = Led { guide: guide.clone(), guided, ..Led::default() };
            gradient(&mut graph)
        };
        let (none, half, whole) = (led(0.0), led(0.5), led(1.0));
        prop_assert!(dot(&none, &own) > 0.999_999);
        // Chance may have both lead nearly the same way.
        prop_assert!(dot(&whole, &own) < 0.999);
        prop_assert!(dot(&half, &own) > dot(&whole, &own) && dot(&half, &whole) > dot(&own, &whole));
    }
}
