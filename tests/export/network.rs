//! Small networks made in a test, exported, and run.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor as OrtTensor;
use reverie::export::{
    About, Attribute, Gradients, LayerRequest, MaxPool, Network, Node, Options, Saturated, Tensor, pack,
};
use reverie::pack::{CARICATURE, GUIDE, GUIDE_POSITIONS, GUIDED, MAPS, SEEN};

/// A network that begins at `image` and grows node by node; constants are random but repeatable.
pub struct Small {
    pub network: Network,
    random: fastrand::Rng,
}

impl Small {
    pub fn new(seed: u64) -> Small {
        let network = Network { input: "image".to_owned(), opset: 17, ..Network::default() };
        Small { network, random: fastrand::Rng::with_seed(seed) }
    }

    /// Appends a node and returns its output's name.
    pub fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let output = format!("{}_{}", operator.to_lowercase(), self.network.nodes.len());
        self.network.nodes.push(Node {
            name: format!("node {output}"),
            operator: operator.to_owned(),
            inputs: inputs.iter().map(|&i| i.to_owned()).collect(),
            outputs: vec![output.clone()],
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        });
        output
    }

    /// A constant of random numbers from `low` to `high`.
    pub fn constant(&mut self, dims: &[usize], low: f32, high: f32) -> String {
        let values = (0..dims.iter().product()).map(|_| low + (high - low) * self.random.f32()).collect();
        self.keep(Tensor::floats(dims, values))
    }

    pub fn keep(&mut self, tensor: Tensor) -> String {
        let name = format!("constant_{}", self.network.constants.len());
        self.network.constants.insert(name.clone(), Arc::new(tensor));
        name
    }

    /// A convolution of `x` to `channels` channels.
    pub fn conv(&mut self, x: &str, from: usize, channels: usize) -> String {
        let weights = self.constant(&[channels, from, 3, 3], -0.5, 0.5);
        let bias = self.constant(&[channels], -0.2, 0.2);
        self.node("Conv", &[x, &weights, &bias], &[("pads", ints(&[1, 1, 1, 1]))])
    }
}

pub fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

pub fn options(tensor: &str, out: &Path) -> Options {
    Options {
        out: out.to_owned(),
        about: About {
            name: Some("small".to_owned()),
            mean: Some([0.4, 0.5, 0.6]),
            std: Some([0.9, 1.0, 1.1]),
            layers: vec![LayerRequest {
                name: Some("layer".to_owned()),
                tensor: tensor.to_owned(),
                ..LayerRequest::default()
            }],
            ..About::default()
        },
        // Finite differences know no other.
        gradients: Gradients { max_pool: MaxPool::Exact, saturated: Saturated::Stops, leak: 0.0 },
        show_gradient: true,
        replace: false,
    }
}

/// A layer's graph, loaded.
pub struct Graph {
    session: Session,
    channels: usize,
    /// What leads it; nothing unless it is said.
    pub led: Led,
    /// Whether its layer can be led.
    can_be_led: bool,
    weights: Vec<f32>,
}

/// What leads a layer. No numbers stand for zeros.
#[derive(Default, Clone)]
pub struct Led {
    pub guide: Vec<f32>,
    pub guided: f32,
    /// Of maps of this height and width.
    pub seen: Vec<f32>,
    pub map_size: [usize; 2],
    pub caricature: f32,
}

/// What one run of it gives.
pub struct Seen {
    pub dreamed: Vec<f32>,
    pub activation: Vec<f32>,
    /// Mean over the layer of ½ w·a².
    pub objective: f64,
    pub gradient: Vec<f32>,
    /// Of the layer, and their height and width, where it can be led.
    pub maps: Vec<f32>,
    pub map_size: [usize; 2],
}

impl Graph {
    /// Exports `tensor` of `small` and loads its graph, for one size where `fixed` says so.
    pub fn of(small: &Small, tensor: &str, fixed: Option<[usize; 2]>) -> Graph {
        Graph::with(small, &options(tensor, Path::new("")), fixed)
    }

    /// As `options` say, but for where they write it.
    pub fn with(small: &Small, options: &Options, fixed: Option<[usize; 2]>) -> Graph {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("pack");
        let options = Options { out: out.clone(), ..options.clone() };
        let manifest = pack(&small.network, &options, |_| ()).unwrap();
        Graph::load(&out.join("layer.onnx"), manifest.layers[0].channels, fixed)
    }

    pub fn load(path: &Path, channels: usize, fixed: Option<[usize; 2]>) -> Graph {
        let mut builder = Session::builder(environment()).unwrap().with_intra_threads(1).unwrap();
        if let Some([height, width]) = fixed {
            builder = builder.with_dimension_override("height", height as i64).unwrap();
            builder = builder.with_dimension_override("width", width as i64).unwrap();
        }
        let session = builder.commit_from_file(path).unwrap();
        let can_be_led = session.inputs().iter().any(|input| input.name() == GUIDE);
        Graph { session, channels, led: Led::default(), can_be_led, weights: weights(channels) }
    }

    pub fn run(&mut self, image: &[f32], size: [usize; 2], step: f32) -> Seen {
        let weights = self.weights.clone();
        let scalar = |v: f32| OrtTensor::from_array(([0usize; 0], vec![v])).unwrap();
        let mut inputs = ort::inputs![
            "image" => OrtTensor::from_array(([1, 3, size[0], size[1]], image.to_vec())).unwrap(),
            "neurons" => OrtTensor::from_array(([self.channels], weights)).unwrap(),
            "step" => scalar(step),
            "smoothing" => scalar(1.0),
            "colour" => scalar(0.3),
        ];
        if self.can_be_led {
            let Led { guide, guided, seen, map_size, caricature } = self.led.clone();
            let row = |mut values: Vec<f32>, length: usize| {
                values.resize(length, 0.0);
                values
            };
            let [height, width] = map_size.map(|size| size.max(1));
            let channels = self.channels;
            let (guide, seen) = (row(guide, GUIDE_POSITIONS * channels), row(seen, channels * height * width));
            inputs.push((GUIDE.into(), OrtTensor::from_array(([GUIDE_POSITIONS, channels], guide)).unwrap().into()));
            inputs.push((SEEN.into(), OrtTensor::from_array(([1, channels, height, width], seen)).unwrap().into()));
            inputs.push((GUIDED.into(), scalar(guided).into()));
            inputs.push((CARICATURE.into(), scalar(caricature).into()));
        }
        let outputs = self.session.run(inputs).unwrap();
        let values = |name: &str| outputs[name].try_extract_tensor::<f32>().unwrap().1.to_vec();
        let (mut maps, mut map_size) = (Vec::new(), [0; 2]);
        if self.can_be_led {
            maps = values(MAPS);
            let shape = outputs[MAPS].try_extract_tensor::<f32>().unwrap().0;
            map_size = [shape[2] as usize, shape[3] as usize];
        }
        Seen {
            dreamed: values("dreamed"),
            activation: values("activation"),
            objective: f64::from(values("objective")[0]),
            gradient: values("gradient"),
            maps,
            map_size,
        }
    }
}

/// The weight of each channel: some climb, some descend.
pub fn weights(channels: usize) -> Vec<f32> {
    (0..channels).map(|c| if c % 3 == 1 { -0.5 } else { 1.0 }).collect()
}

/// ONNX Runtime, found where the program finds it.
pub fn environment() -> &'static Environment {
    static STARTED: OnceLock<Environment> = OnceLock::new();
    STARTED.get_or_init(|| {
        let files = reverie::runtime::search_order(None);
        let (library, _) =
            files.into_iter().find(|(path, _)| path.exists()).expect("deploy/fetch-onnxruntime fetches ONNX Runtime");
        ort::init_from(library).unwrap().build().unwrap()
    })
}

/// A picture away from the ends of 0..1, repeatable.
pub fn picture(size: [usize; 2], seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..3 * size[0] * size[1]).map(|_| 0.1 + 0.8 * random.f32()).collect()
}
