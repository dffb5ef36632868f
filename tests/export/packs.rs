//! The pack as a whole, and what is refused.

use std::path::Path;

use proptest::prelude::*;
use reverie::export::{LayerRequest, Network, Tensor, pack};
use reverie::pack::{Manifest, Objective};

use crate::network::{Graph, Small, options, picture};

#[test]
fn neurons_and_picture_both_steer_the_gradient() {
    let mut small = Small::new(3);
    let layer = small.conv("image", 3, 4);
    let size = [33, 47];
    let mut graph = Graph::of(&small, &layer, None);
    let (one, other) = (graph.run(&picture(size, 1), size, 0.01), graph.run(&picture(size, 2), size, 0.01));
    assert_ne!(one.gradient, other.gradient, "a gradient that does not depend on the picture is baked in");
    assert_ne!(one.dreamed, picture(size, 1));
    assert!(one.dreamed.iter().all(|v| (0.0..=1.0).contains(v)));
    assert_eq!(one.activation.len(), 4);

    let mut fixed = Graph::of(&small, &layer, Some(size));
    let same = fixed.run(&picture(size, 1), size, 0.01);
    let apart = one.dreamed.iter().zip(&same.dreamed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-4, "fixed beforehand or not, the size is the same: {apart}");
}

#[test]
fn a_pack_is_whole_and_holds_its_weights_once() {
    let mut small = Small::new(4);
    let first = small.conv("image", 3, 16);
    let second = small.conv(&first, 16, 16);
    let folder = tempfile::tempdir().unwrap();
    let layer = |tensor: &str| LayerRequest { tensor: tensor.to_owned(), ..LayerRequest::default() };
    let mut one = options(&second, &folder.path().join("one"));
    pack(&small.network, &one, |_| ()).unwrap();
    let mut both = options(&second, &folder.path().join("both"));
    both.about.layers.insert(0, layer(&first));
    let manifest = pack(&small.network, &both, |_| ()).unwrap();

    let written = Manifest::read(&both.out).unwrap();
    assert_eq!(written, manifest);
    written.verify(&both.out).unwrap();
    // Each tensor begins at a multiple of 64 bytes, and which one comes last is chance: the tail after it counts too.
    let weights = |out: &std::path::Path| std::fs::metadata(out.join("weights.bin")).unwrap().len().div_ceil(64);
    assert_eq!(weights(&one.out), weights(&both.out), "two layers share the weights of the first");

    let again = pack(&small.network, &one, |_| ()).unwrap_err().to_string();
    assert!(again.contains("--force replaces it"), "{again}");
    one.replace = true;
    pack(&small.network, &one, |_| ()).unwrap();
    one.out = folder.path().to_owned();
    let foreign = pack(&small.network, &one, |_| ()).unwrap_err().to_string();
    assert!(foreign.contains("is not a pack"), "{foreign}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn what_cannot_be_dreamed_is_named_with_the_nearest_layer_that_can() {
    let mut small = Small::new(5);
    let maps = small.conv("image", 3, 4);
    let relu = small.node("Relu", &[&maps], &[]);
    let odd = small.node("NonMaxSuppression", &[&relu], &[]);
    let beyond = small.node("Sigmoid", &[&odd], &[]);
    let folder = tempfile::tempdir().unwrap();
    let error = |tensor: &str| {
        pack(&small.network, &options(tensor, &folder.path().join("out")), |_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        error(&beyond),
        "`sigmoid_3` cannot be dreamed: node `node nonmaxsuppression_2`, operator NonMaxSuppression: the exporter has no \
         rule for it; the nearest layer above it that can be dreamed is `relu_1`"
    );
    assert!(error("relu_2").contains("did you mean `relu_1`?"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_constant_of_one_picture_size_is_refused() {
    let mut small = Small::new(6);
    let maps = small.conv("image", 3, 4);
    let fixed = small.keep(Tensor::floats(&[1, 4, 14, 14], vec![0.0; 4 * 14 * 14]));
    let sum = small.node("Add", &[&maps, &fixed], &[]);
    let folder = tempfile::tempdir().unwrap();
    let error = pack(&small.network, &options(&sum, &folder.path().join("out")), |_| ()).unwrap_err().to_string();
    assert!(error.contains("[1, 4, 14, 14] is not one number, or one for each channel"), "{error}");
}

proptest! {
    #[test]
    fn torn_and_foreign_files_are_refused_or_read_but_never_panic(
        cut in 0usize..20_000, changes in proptest::collection::vec((0usize..20_000, any::<u8>()), 0..20),
    ) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/mobilenet-v2/f3.onnx");
        let mut bytes = std::fs::read(path).unwrap();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut);
        let read = Network::parse(&bytes, None);
        prop_assert!(read.is_err(), "a graph with five inputs, its weights elsewhere, is no classifier");
    }
}

#[test]
fn packs_of_older_formats_are_read_and_those_of_a_later_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mobilenet-v2/pack.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let read = |format: u32| {
        let older = text.replacen("format = 3", &format!("format = {format}"), 1);
        std::fs::write(folder.path().join("pack.toml"), older).unwrap();
        Manifest::read(folder.path())
    };
    assert!(read(2).is_ok());
    let manifest = read(1).unwrap();
    assert!(manifest.layers.iter().all(|layer| layer.objective == Objective::Squared && layer.vocabulary.is_empty()));
    for format in [0, 4] {
        let told = read(format).unwrap_err().to_string();
        assert!(told.contains(&format!("pack format {format} is not one that this version reads (1 to 3)")), "{told}");
    }
}
