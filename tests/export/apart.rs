//! Graphs made over for the CPU beside those that a pack holds: the same step.

use std::path::Path;

use ort::session::Session;
use ort::value::Tensor;
use proptest::prelude::*;
use reverie::compose::{self, LayerGraph};
use reverie::export::{Attribute, pack};
use reverie::pack::{GUIDE, GUIDE_POSITIONS, Layer, Manifest, SEEN};

use crate::adjoints::{Window, sizes, windows};
use crate::network::{Small, environment, options, picture, weights};

/// Where the weights of a model lie that is read from memory.
const WEIGHTS_FOLDER: &str = "session.model_external_initializers_file_folder_path";
/// As long as pictures let a step be that is not clipped: the smallest differences count.
const STEP: f32 = 0.05;

fn climb(mut session: Session, layer: &Layer, [height, width]: [usize; 2], image: &[f32]) -> Vec<f32> {
    let scalar = |v: f32| Tensor::from_array(([0usize; 0], vec![v])).unwrap();
    let mut inputs = ort::inputs![
        "image" => Tensor::from_array(([1, 3, height, width], image.to_vec())).unwrap(),
        "neurons" => Tensor::from_array(([layer.channels], weights(layer.channels))).unwrap(),
        "step" => scalar(STEP),
        "smoothing" => scalar(0.0),
        "colour" => scalar(0.3),
    ];
    let filled =
        |shape: &[usize], value: f32| Tensor::from_array((shape, vec![value; shape.iter().product()])).unwrap().into();
    inputs.extend(layer.inputs.iter().map(|(name, values)| {
        let value = match name.as_str() {
            GUIDE => filled(&[GUIDE_POSITIONS, layer.channels], values[0]),
            SEEN => filled(&[1, layer.channels, 1, 1], values[0]),
            _ => scalar(values[0]).into(),
        };
        (name.as_str().into(), value)
    }));
    let outputs = session.run(inputs).unwrap();
    outputs["dreamed"].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

/// Climbs with the graph of `layer` as it is, and made over; panics where they differ, or where nothing was made over.
fn assert_same(folder: &Path, layer: &Layer, size: [usize; 2]) {
    let [height, width] = size;
    let builder = || Session::builder(environment()).unwrap().with_intra_threads(1).unwrap();
    let fixed = |name, length: usize| {
        move |builder: ort::session::builder::SessionBuilder| {
            builder.with_dimension_override(name, length as i64).unwrap()
        }
    };
    let plain = fixed("width", width)(fixed("height", height)(builder())).commit_from_file(folder.join(&layer.file));
    let graph = LayerGraph::read(folder, layer).unwrap();
    let model = compose::apart(&graph, (width, height), 0.0).unwrap().expect("there is a stride");
    let apart =
        builder().with_config_entry(WEIGHTS_FOLDER, folder.to_str().unwrap()).unwrap().commit_from_memory(&model);
    let image = picture(size, 7);
    let [plain, apart] = [plain, apart].map(|session| climb(session.unwrap(), layer, size, &image));
    let change: f32 = plain.iter().zip(&image).map(|(a, b)| (a - b).abs()).sum();
    let apart: f32 = plain.iter().zip(&apart).map(|(a, b)| (a - b).abs()).sum();
    assert!(change > 0.1 * STEP * image.len() as f32, "{}: nothing was climbed", layer.name);
    // Rounding turns a mask over here and there.
    assert!(apart < 0.02 * change, "{} at {size:?}: {} of what was climbed", layer.name, apart / change);
}

#[test]
fn every_layer_that_ships_climbs_the_same_made_over_for_the_cpu() {
    for name in ["mobilenet-v2", "efficientnet-lite0"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        for layer in &Manifest::read(&folder).unwrap().layers {
            for size in [[96, 160], [91, 163]] {
                assert_same(&folder, layer, size);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// As MobileNet's blocks have them.
    #[test]
    fn depthwise_strides_of_any_window(
        size in sizes(), window in windows(), same in 0usize..3, leak in prop_oneof![Just(0.0f32), Just(0.1)], seed in 0u64..1000,
    ) {
        let strides = if window.strides == [1, 1] { [2, 1] } else { window.strides };
        let kernel = [0, 1].map(|axis| window.kernel[axis].max(strides[axis]));
        let window = Window { kernel, strides, dilations: [1, 1], pads: window.pads };
        const WIDE: usize = 6;
        let mut small = Small::new(seed);
        let maps = small.conv("image", 3, 4);
        let (wide, bias) = (small.constant(&[WIDE, 4, 1, 1], -0.5, 0.5), small.constant(&[WIDE], -0.1, 0.3));
        let maps = small.node("Conv", &[&maps, &wide, &bias], &[]);
        let maps = small.node("Relu", &[&maps], &[]);
        let depthwise = small.constant(&[WIDE, 1, kernel[0], kernel[1]], -0.5, 0.5);
        let group = ("group", Attribute::Int(WIDE as i64));
        let attributes = match same {
            0 => [&window.attributes()[..], &[group]].concat(),
            _ => {
                let word = Attribute::Text(["SAME_UPPER", "SAME_LOWER"][same - 1].to_owned());
                vec![("auto_pad", word), ("strides", Attribute::Ints(strides.map(|s| s as i64).to_vec())), group]
            }
        };
        let layer = small.node("Conv", &[&maps, &depthwise], &attributes);
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(&layer, &folder.path().join("pack"));
        options.gradients.leak = leak;
        let manifest = pack(&small.network, &options, |_| ()).unwrap();
        assert_same(&options.out, &manifest.layers[0], size);
    }
}
