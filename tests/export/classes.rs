//! A classifier's scores at every position, as a layer; and a layer that is dreamed beside another.

use proptest::prelude::*;
use reverie::export::{Attribute, LayerRequest, Options, pack};
use reverie::pack::{Manifest, Objective};

use crate::adjoints::{CHANNELS, check, sizes};
use crate::network::{Graph, Small, ints, options, picture};

const CLASSES: usize = 7;

/// The ways in which networks are found to end.
#[derive(Debug, Clone, Copy)]
enum Head {
    Gemm { turned: bool },
    Product { has_bias: bool },
    Mean,
}

fn heads() -> impl Strategy<Value = Head> {
    prop_oneof![
        any::<bool>().prop_map(|turned| Head::Gemm { turned }),
        any::<bool>().prop_map(|has_bias| Head::Product { has_bias }),
        Just(Head::Mean),
    ]
}

/// A classifier of `maps`: the scores, and the weights, classes × channels, and bias of its linear map.
fn classifier(small: &mut Small, maps: &str, head: Head) -> (String, Vec<Vec<f32>>, Vec<f32>) {
    let weights: Vec<Vec<f32>> = (0..CLASSES)
        .map(|class| (0..CHANNELS).map(|channel| ((class * CHANNELS + channel) as f32).sin()).collect())
        .collect();
    let bias: Vec<f32> = (0..CLASSES).map(|class| 0.1 * class as f32 - 0.3).collect();
    let by_class: Vec<f32> = weights.concat();
    let by_channel = (0..CHANNELS).flat_map(|channel| weights.iter().map(move |of| of[channel])).collect();
    let tensor = reverie::export::Tensor::floats;
    let (rows, columns) = (tensor(&[CLASSES, CHANNELS], by_class), tensor(&[CHANNELS, CLASSES], by_channel));
    let row = small.keep(tensor(&[CLASSES], bias.clone()));
    let flat = match head {
        Head::Mean => small.node("ReduceMean", &[maps], &[("axes", ints(&[2, 3])), ("keepdims", Attribute::Int(0))]),
        _ => {
            let pooled = small.node("GlobalAveragePool", &[maps], &[]);
            small.node("Flatten", &[&pooled], &[])
        }
    };
    let scores = match head {
        Head::Gemm { turned: true } => {
            let matrix = small.keep(rows);
            small.node("Gemm", &[&flat, &matrix, &row], &[("transB", Attribute::Int(1))])
        }
        Head::Gemm { turned: false } => {
            let matrix = small.keep(columns);
            small.node("Gemm", &[&flat, &matrix, &row], &[])
        }
        Head::Mean | Head::Product { has_bias: true } => {
            let matrix = small.keep(columns);
            let product = small.node("MatMul", &[&flat, &matrix], &[]);
            small.node("Add", &[&product, &row], &[])
        }
        Head::Product { has_bias: false } => {
            let matrix = small.keep(columns);
            return (small.node("MatMul", &[&flat, &matrix], &[]), weights, vec![0.0; CLASSES]);
        }
    };
    (scores, weights, bias)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Of the maps' means, as the classifier has it.
    #[test]
    fn scores_at_every_position_are_in_the_mean_the_classifiers(size in sizes(), head in heads(), seed in 0u64..1000) {
        let mut small = Small::new(seed);
        let maps = small.conv("image", 3, CHANNELS);
        let (scores, weights, bias) = classifier(&mut small, &maps, head);
        let image = picture(size, seed);
        let means = Graph::of(&small, &maps, None).run(&image, size, 0.0).activation;
        let found = Graph::of(&small, &scores, None).run(&image, size, 0.0).activation;
        for (class, found) in found.iter().enumerate() {
            let expected: f32 = weights[class].iter().zip(&means).map(|(w, mean)| w * mean).sum::<f32>() + bias[class];
            // The pack's weights are in half precision.
            prop_assert!((found - expected).abs() < 5e-3, "class {class}: {found}, and not {expected}");
        }
    }

    /// The objective of classes: what is wanted without bounds, what is not wanted as far as it is there.
    #[test]
    fn classes(size in sizes(), head in heads(), seed in 0u64..1000) {
        check(size, seed, |small, maps| (classifier(small, maps, head).0, CLASSES * size[0] * size[1]));
    }
}

fn labelled(tensor: &str, folder: &std::path::Path) -> Options {
    let mut options = options(tensor, &folder.join("pack"));
    let labels = folder.join("labels");
    std::fs::write(&labels, "cat\ndog\nox = bull\nbee\nant\nowl\nape\n").unwrap();
    options.about.labels = Some(labels);
    options
}

#[test]
fn a_classifiers_neurons_are_called_by_its_labels() {
    let mut small = Small::new(1);
    let maps = small.conv("image", 3, CHANNELS);
    let (scores, ..) = classifier(&mut small, &maps, Head::Gemm { turned: true });
    let folder = tempfile::tempdir().unwrap();
    let options = labelled(&scores, folder.path());
    pack(&small.network, &options, |_| ()).unwrap();
    let manifest = Manifest::read(&options.out).unwrap();
    let layer = &manifest.layers[0];
    assert_eq!((layer.objective, layer.channels), (Objective::Linear, CLASSES));
    let weights = |neurons: &str| neurons.parse::<reverie::pack::Neurons>().unwrap().weights(layer);
    assert_eq!(weights("an owl, -dogs:0.5").unwrap(), [0.0, -0.5, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(weights("ox bull").unwrap()[2], 1.0);
    assert_eq!(weights("a dogge").unwrap_err().to_string(), "layer `layer` knows no `a dogge`; did you mean `dog`?");
}

#[test]
fn a_linear_map_of_what_was_not_averaged_is_no_layer() {
    let mut small = Small::new(1);
    let maps = small.conv("image", 3, CHANNELS);
    let largest = small.node("GlobalMaxPool", &[&maps], &[]);
    let flat = small.node("Flatten", &[&largest], &[]);
    let matrix = small.constant(&[CHANNELS, CLASSES], -1.0, 1.0);
    let scores = small.node("MatMul", &[&flat, &matrix], &[]);
    let folder = tempfile::tempdir().unwrap();
    assert!(pack(&small.network, &options(&scores, &folder.path().join("pack")), |_| ()).is_err());
}

/// Two layers one after the other.
fn two_layers(seed: u64) -> (Small, String, String) {
    let mut small = Small::new(seed);
    let first = small.conv("image", 3, CHANNELS);
    let active = small.node("Relu", &[&first], &[]);
    let second = small.conv(&active, CHANNELS, 5);
    (small, first, second)
}

fn beside(tensor: &str, other: &str) -> Options {
    let options = options(tensor, std::path::Path::new(""));
    let layers =
        options.about.layers.iter().map(|layer| LayerRequest { beside: Some(other.to_owned()), ..layer.clone() });
    Options { about: reverie::export::About { layers: layers.collect(), ..options.about.clone() }, ..options }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn unit(x: &[f32]) -> Vec<f32> {
    let length = dot(x, x).sqrt() as f32;
    x.iter().map(|x| x / length).collect()
}

#[test]
fn a_layer_beside_another_is_climbed_by_its_share() {
    const SIZE: [usize; 2] = [18, 25];
    for seed in 0..4 {
        let (small, first, second) = two_layers(seed);
        let image = picture(SIZE, seed);
        let gradient = |mut graph: Graph| unit(&graph.run(&image, SIZE, 0.0).gradient);
        let mixed = |share: f32| {
            let mut graph = Graph::with(&small, &beside(&second, &first), None);
            graph.beside = Some(share);
            gradient(graph)
        };
        let itself = gradient(Graph::of(&small, &second, None));
        // Beside another all of a layer's neurons are dreamed.
        let mut whole = Graph::of(&small, &first, None);
        whole.all_neurons();
        let other = gradient(whole);
        assert!(dot(&mixed(0.0), &itself) > 0.99999);
        assert!(dot(&mixed(1e4), &other) > 0.99999);
        // Half of both is in the plane of the two, between them.
        let both = mixed(1.0);
        let across = dot(&itself, &other);
        let (a, b) = (dot(&both, &itself), dot(&both, &other));
        let (x, y) = ((a - across * b) / (1.0 - across * across), (b - across * a) / (1.0 - across * across));
        let left: Vec<f32> =
            both.iter().zip(&itself).zip(&other).map(|((c, i), o)| c - (x as f32) * i - (y as f32) * o).collect();
        assert!(x > 0.1 && y > 0.1, "seed {seed}: {x} and {y}");
        assert!(dot(&left, &left).sqrt() < 1e-3, "seed {seed}: {left:?}");
    }
}

#[test]
fn what_cannot_be_dreamed_beside_a_layer_is_refused() {
    let (small, first, second) = two_layers(1);
    let error = |tensor: &str, other: &str| {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { out: folder.path().join("pack"), ..beside(tensor, other) };
        pack(&small.network, &options, |_| ()).unwrap_err().to_string()
    };
    assert!(error(&first, &second).contains("only layers on the way to another"), "it comes after");
    assert!(error(&second, &second).contains("not beside itself"));
    assert!(error(&second, "image").contains("only layers on the way to another"));
    assert!(error(&second, "nothing").contains("nothing"));
}
