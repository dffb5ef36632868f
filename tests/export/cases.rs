//! Networks as researchers have them (cases/README.md). What is right comes from ONNX Runtime, which runs the original file: the
//! exported graph must see in a picture what the network sees, and its gradient must be the slope of the network's own objective.

use std::path::{Path, PathBuf};

use ort::session::{Session, SessionInputValue};
use ort::value::Tensor as OrtTensor;
use reverie::export::{ExportError, Network, candidates, pack};

use crate::network::{Graph, environment, options, picture, weights};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn read(name: &str) -> Network {
    Network::read(&case(name)).unwrap()
}

/// The graph of `layer`, for one size; with `plain`, of the picture as it is.
fn exported(name: &str, layer: &str, size: [usize; 2], plain: bool) -> Graph {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(layer, &folder.path().join("pack"));
    (options.about.mean, options.about.std) = if plain { (Some([0.0; 3]), Some([1.0; 3])) } else { (None, None) };
    let manifest = pack(&read(name), &options, |_| ()).unwrap();
    Graph::load(&options.out.join("layer.onnx"), manifest.layers[0].channels, Some(size))
}

/// What the network in the file makes of a picture: the maps of its output `layer`, channel by channel.
struct Original {
    session: Session,
    layer: String,
}

impl Original {
    fn open(name: &str, layer: &str) -> Original {
        let session = Session::builder(environment()).unwrap().commit_from_file(case(name)).unwrap();
        Original { session, layer: layer.to_owned() }
    }

    fn maps(&mut self, image: SessionInputValue<'_>) -> Vec<Vec<f32>> {
        let outputs = self.session.run(ort::inputs!["image" => image]).unwrap();
        let (shape, values) = outputs[self.layer.as_str()].try_extract_tensor::<f32>().unwrap();
        values.chunks(values.len() / shape[1] as usize).map(<[f32]>::to_vec).collect()
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

fn assert_sees_the_same(seen: &[f32], maps: &[Vec<f32>]) {
    let right: Vec<f32> = maps.iter().map(|map| mean(map)).collect();
    assert_eq!(seen.len(), right.len());
    // Weights are stored in half precision.
    let largest = right.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 1e-3, "there is something to see: {right:?}");
    for (seen, right) in seen.iter().zip(&right) {
        assert!((seen - right).abs() < 2e-3 * largest, "{seen} and {right}, of {largest}");
    }
}

/// ½ Σ w·a², by the definition.
fn objective(maps: &[Vec<f32>]) -> f64 {
    let squares = |map: &Vec<f32>| map.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
    maps.iter().zip(weights(maps.len())).map(|(map, w)| 0.5 * f64::from(w) * squares(map)).sum()
}

/// Compares the graph with the network at `size`, which is given its picture by `feed`.
fn assert_agrees(name: &str, layer: &str, size: [usize; 2], feed: impl Fn(&[f32]) -> SessionInputValue<'static>) {
    let (mut graph, mut original) = (exported(name, layer, size, true), Original::open(name, layer));
    let image = picture(size, 5);
    let seen = graph.run(&image, size, 0.0);
    assert_sees_the_same(&seen.activation, &original.maps(feed(&image)));

    const EPSILON: f64 = 0.005;
    let length = seen.gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let mut along = |sign: f64| {
        let moved = |(x, g): (&f32, &f32)| x + (sign * EPSILON * f64::from(*g) / length) as f32;
        let moved: Vec<f32> = image.iter().zip(&seen.gradient).map(moved).collect();
        objective(&original.maps(feed(&moved)))
    };
    let slope = (along(1.0) - along(-1.0)) / (2.0 * EPSILON);
    assert!(length > 1e-4, "the gradient is not 0");
    assert!((slope / length - 1.0).abs() < 0.03, "{name}: slope {slope}, gradient {length}");
}

fn nchw([height, width]: [usize; 2]) -> impl Fn(&[f32]) -> SessionInputValue<'static> {
    move |image| OrtTensor::from_array(([1, 3, height, width], image.to_vec())).unwrap().into()
}

#[test]
fn weights_that_other_operators_make_are_computed_at_export() {
    assert_agrees("export/cases/weights_reshaped.onnx", "last", [37, 50], nchw([37, 50]));
    assert_agrees("export/cases/weights_computed.onnx", "r", [21, 34], nchw([21, 34]));
}

#[test]
fn functions_of_the_models_own_are_put_in_place_of_their_calls() {
    assert_agrees("export/cases/local_function.onnx", "last", [37, 50], nchw([37, 50]));
    assert_agrees("export/cases/functions_nested.onnx", "r", [37, 50], nchw([37, 50]));
}

#[test]
fn text_in_a_network_is_no_reason_to_refuse_its_layers() {
    assert_agrees("export/cases/string_constant_head.onnx", "r1", [37, 50], nchw([37, 50]));
    assert_agrees("export/cases/string_constant_node.onnx", "r1", [37, 50], nchw([37, 50]));
}

#[test]
fn a_constant_that_cannot_be_used_is_named_where_a_layer_needs_it() {
    let mut network = read("export/cases/string_constant_head.onnx");
    assert_eq!(network.unusable.keys().collect::<Vec<_>>(), ["labels"]);
    network.nodes[0].inputs[1] = "labels".to_owned();
    let folder = tempfile::tempdir().unwrap();
    let error = pack(&network, &options("r1", &folder.path().join("out")), |_| ()).unwrap_err().to_string();
    assert!(error.contains("its input `labels`: it holds text"), "{error}");
}

#[test]
fn a_network_that_normalises_colours_itself_dreams() {
    assert_agrees("export/cases/transform_input.onnx", "r1", [37, 50], nchw([37, 50]));
    let listed = candidates(&read("export/cases/transform_input.onnx"));
    assert!(listed.iter().all(|candidate| candidate.layer.is_ok()), "{listed:?}");
}

#[test]
fn a_network_with_the_colours_last_dreams() {
    let [height, width] = [37, 50];
    assert_agrees("export/cases/nhwc_dynamic.onnx", "c1", [height, width], |image| {
        let last: Vec<f32> =
            (0..height * width).flat_map(|at| [0, 1, 2].map(|colour| image[colour * height * width + at])).collect();
        OrtTensor::<f32>::from_array(([1, height, width, 3], last)).unwrap().into()
    });
}

#[test]
fn a_network_with_the_colours_last_throughout_is_refused_with_what_to_do() {
    let bytes = std::fs::read(case("export/cases/nhwc_dynamic.onnx")).unwrap();
    // Of the Transpose, the one attribute.
    let perm = bytes.windows(4).position(|at| at == b"perm").unwrap();
    let mut other = bytes.clone();
    other[perm..perm + 4].copy_from_slice(b"prem");
    let error = Network::parse(&other, None).unwrap_err().to_string();
    assert!(error.contains("colours last (NHWC)") && error.contains("--inputs-as-nchw"), "{error}");
}

#[test]
fn a_network_that_takes_bytes_dreams() {
    let (name, size) = ("export/cases/uint8_input.onnx", [37, 50]);
    let bytes: Vec<u8> = picture(size, 5).iter().map(|value| (value * 255.0) as u8).collect();
    let image: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
    // Nobody says what it was trained on: the network does.
    let seen = exported(name, "c1", size, false).run(&image, size, 0.0);
    let fed = OrtTensor::from_array(([1, 3, size[0], size[1]], bytes)).unwrap();
    assert_sees_the_same(&seen.activation, &Original::open(name, "c1").maps(fed.into()));
}

#[test]
fn another_kind_of_input_is_refused_in_words() {
    let mut bytes = std::fs::read(case("export/cases/uint8_input.onnx")).unwrap();
    // The input's element type, 2 (uint8) in field 1 of its tensor type, as 7 (int64).
    let image = bytes.windows(8).rposition(|at| at.starts_with(b"image\x12")).unwrap();
    let kind = image + bytes[image..].windows(2).position(|at| at == [0x08, 2]).unwrap();
    bytes[kind + 1] = 7;
    let error = Network::parse(&bytes, None).unwrap_err().to_string();
    assert!(error.contains("its input `image` takes int64; "), "{error}");
}

#[test]
fn a_batch_normalisation_in_training_mode_is_refused() {
    let network = read("export/cases/bn_five_outputs.onnx");
    let folder = tempfile::tempdir().unwrap();
    let error = pack(&network, &options("r", &folder.path().join("out")), |_| ()).unwrap_err();
    assert!(matches!(&error, ExportError::Unsupported { nearest: Some(nearest), .. } if nearest == "c1"), "{error}");
    assert!(error.to_string().contains("training mode; export the network for inference"), "{error}");
}

/// Its roads meet where ⌈size / 2⌉ is even; ONNX Runtime runs the original at 224×224 alone. Beside a smaller picture lies what the
/// network takes for nothing.
#[test]
fn a_layer_whose_branches_meet_at_some_sizes_dreams_at_all() {
    let name = "dream/cases/two_roads_floor_and_ceil.onnx";
    for [height, width] in [[224, 224], [223, 224], [222, 221]] {
        assert_agrees(name, "r", [height, width], |image| {
            let mut whole = vec![0.0; 3 * 224 * 224];
            for (row, values) in image.chunks(width).enumerate() {
                whole[(row / height * 224 + row % height) * 224..][..width].copy_from_slice(values);
            }
            OrtTensor::from_array(([1, 3, 224, 224], whole)).unwrap().into()
        });
    }
    for size in [[74, 64], [33, 46], [97, 131]] {
        let image = picture(size, 2);
        let seen = exported(name, "r", size, true).run(&image, size, 0.01);
        assert!(seen.dreamed != image && seen.dreamed.iter().all(|v| (0.0..=1.0).contains(v)));
    }
}

#[test]
fn a_layer_whose_branches_never_meet_is_refused() {
    let network = read("export/cases/roads_never_meet.onnx");
    let folder = tempfile::tempdir().unwrap();
    let error = pack(&network, &options("r", &folder.path().join("out")), |_| ()).unwrap_err().to_string();
    assert!(
        error.contains("`r` cannot be dreamed: branches that are joined before it have maps of different sizes"),
        "{error}"
    );
    let listed = candidates(&network);
    assert_eq!(listed.iter().filter(|c| c.layer.is_ok()).map(|c| c.tensor.as_str()).collect::<Vec<_>>(), ["c", "d"]);
}
