//! Graphs in half precision beside those in single precision: nearly the same step.

use std::path::Path;

use ort::session::Session;
use ort::value::Tensor;
use reverie::compose::{FramePlan, LayerGraph, Lowering, compose};
use reverie::pack::{Layer, Manifest};

use crate::network::{environment, picture};

const SIZE: (usize, usize) = (160, 96);
const STEP: f32 = 1.75 / 255.0;

struct Climbed {
    picture: Vec<f32>,
    objective: f32,
}

/// One ascent of `image` by a frame's graph of `layer`, in this precision.
fn climb(folder: &Path, layer: &Layer, image: &[f32], is_half: bool) -> Climbed {
    let mut graph = LayerGraph::read(folder, layer).unwrap();
    if is_half {
        graph = graph.halved().unwrap();
    }
    let plan = FramePlan { size: SIZE, octaves: vec![SIZE], steps: 1, parts: 0 };
    let composed = compose(vec![graph], &plan, Lowering::Plain).unwrap();
    let mut builder = Session::builder(environment()).unwrap().with_intra_threads(1).unwrap();
    for (name, file) in &composed.weights {
        builder = builder.with_external_initializer_file_in_memory(name, std::fs::read(file).unwrap().into()).unwrap();
    }
    let mut session = builder.commit_from_memory(&composed.model).unwrap();
    let scalar = |v: f32| Tensor::from_array(([0usize; 0], vec![v])).unwrap();
    let rolls: Vec<i64> = [SIZE.1, SIZE.0, SIZE.1, SIZE.0].into_iter().flat_map(|count| 0..count as i64).collect();
    let outputs = session
        .run(ort::inputs![
            "picture" => Tensor::from_array(([1, 3, SIZE.1, SIZE.0], image.to_vec())).unwrap(),
            "neurons_0" => Tensor::from_array(([layer.channels], vec![1f32; layer.channels])).unwrap(),
            "steps" => Tensor::from_array(([1], vec![STEP])).unwrap(),
            "smoothing" => scalar(1.0),
            "colour" => scalar(0.3),
            "rolls" => Tensor::from_array(([rolls.len()], rolls)).unwrap(),
        ])
        .unwrap();
    let values = |name: &str| outputs[name].try_extract_tensor::<f32>().unwrap().1.to_vec();
    Climbed { picture: values("dreamed"), objective: values("objective")[0] }
}

/// The cosine of the angle between where two of them climbed from `image`.
fn cosine(a: &[f32], b: &[f32], image: &[f32]) -> f64 {
    let change = |x: &[f32]| -> Vec<f64> { x.iter().zip(image).map(|(x, image)| f64::from(x - image)).collect() };
    let (a, b) = (change(a), change(b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

#[test]
fn every_layer_climbs_in_half_precision_where_it_climbs_in_single() {
    let image = picture([SIZE.1, SIZE.0], 1);
    for pack in ["mobilenet-v2", "efficientnet-lite0", "faces", "letters"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(pack);
        for layer in &Manifest::read(&folder).unwrap().layers {
            let [half, single] = [true, false].map(|is_half| climb(&folder, layer, &image, is_half));
            let alike = cosine(&half.picture, &single.picture, &image);
            let grown = f64::from(half.objective / single.objective);
            eprintln!("{pack}/{}: cosine {alike:.4}, objective {grown:.4}", layer.name);
            assert!(half.picture.iter().all(|value| value.is_finite()), "{pack}/{}", layer.name);
            assert!(alike > 0.95, "{pack}/{}: cosine {alike}", layer.name);
            assert!((grown - 1.0).abs() < 0.02, "{pack}/{}: objective {grown} times as large", layer.name);
        }
    }
}
