//! A classifier's scores at every position, as a layer.

use proptest::prelude::*;
use reverie::export::{Attribute, Options, pack};
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
