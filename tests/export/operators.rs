//! What GPUs take of the graphs: each node of a graph whose size is fixed, by the providers' published lists. One that a provider takes whole is
//! one partition: nothing goes back and forth between it and the CPU.

use std::collections::BTreeMap;
use std::path::Path;

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use prost::Message;
use reverie::compose::{FramePlan, LayerGraph, Lowering, compose};
use reverie::export::{Attribute, Tensor, pack};
use reverie::pack::Manifest;

use crate::network::{Small, environment, ints, options};

const SIZE: [usize; 2] = [90, 161];

/// What a provider takes (operators.toml).
#[derive(serde::Deserialize)]
struct Provider {
    list: String,
    operators: Vec<String>,
    /// Of an operator, the attributes that only have these values; an empty one is left out.
    only: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

// As much of ONNX's file format as is looked at (onnx.proto).

#[derive(Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
}

#[derive(Message)]
struct Node {
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<NodeAttribute>,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Message)]
struct NodeAttribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "4")]
    s: Vec<u8>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
}

impl Node {
    fn attribute(&self, name: &str) -> String {
        let Some(attribute) = self.attribute.iter().find(|a| a.name == name) else { return String::new() };
        match attribute.ints.as_slice() {
            [] => String::from_utf8_lossy(&attribute.s).into_owned(),
            ints => ints.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }
}

impl Provider {
    /// Why it does not take `node`, where it does not.
    fn refusal(&self, node: &Node) -> Option<String> {
        if !node.domain.is_empty() || !self.operators.contains(&node.op_type) {
            return Some(format!("{} ({})", node.op_type, node.name));
        }
        let told = self.only.get(&node.op_type).into_iter().flatten();
        let refused = told.map(|(name, values)| (name, node.attribute(name), values));
        let mut refused = refused.filter(|(_, value, values)| !values.contains(value));
        refused.next().map(|(name, value, _)| format!("{} ({}) with {name} = {value}", node.op_type, node.name))
    }
}

/// The nodes that are left of the graph that is loaded, at one size, when ONNX Runtime hands it to its providers.
fn handed_out(load: impl FnOnce(SessionBuilder) -> Session) -> Vec<Node> {
    let folder = tempfile::tempdir().unwrap();
    let optimised = folder.path().join("graph.onnx");
    let builder = Session::builder(environment())
        .unwrap()
        .with_dimension_override("height", SIZE[0] as i64)
        .unwrap()
        .with_dimension_override("width", SIZE[1] as i64)
        .unwrap()
        // What is done before; what comes after is the providers' own.
        .with_optimization_level(GraphOptimizationLevel::Level1)
        .unwrap()
        .with_optimized_model_path(&optimised)
        .unwrap();
    load(builder);
    Model::decode(&*std::fs::read(optimised).unwrap()).unwrap().graph.unwrap().node
}

fn assert_taken_whole(path: &Path) {
    assert_taken(&path.display().to_string(), |mut builder| builder.commit_from_file(path).unwrap());
}

fn assert_taken(what: &str, load: impl FnOnce(SessionBuilder) -> Session) {
    let providers: BTreeMap<String, Provider> = toml::from_str(include_str!("operators.toml")).unwrap();
    let nodes = handed_out(load);
    assert!(!nodes.is_empty());
    for (name, provider) in &providers {
        let refused: Vec<String> = nodes.iter().filter_map(|node| provider.refusal(node)).collect();
        assert!(refused.is_empty(), "{name} ({}) does not take of {what}: {refused:?}", provider.list);
    }
}

#[test]
fn gpus_take_the_shipped_packs_whole() {
    for name in ["mobilenet-v2", "efficientnet-lite0", "faces", "letters"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        for layer in Manifest::read(&folder).unwrap().layers {
            assert_taken_whole(&folder.join(layer.file));
        }
    }
}

#[test]
fn gpus_take_whole_frames_whole() {
    let layers = [("mobilenet-v2", "f12"), ("efficientnet-lite0", "b10")].map(|(pack, layer)| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(pack);
        let manifest = Manifest::read(&folder).unwrap();
        let layer = manifest.layers.iter().find(|known| known.name == layer).unwrap();
        LayerGraph::read(&folder, layer).unwrap()
    });
    for (octaves, parts) in [(vec![(115, 64), (161, 90)], 0), (vec![(161, 90)], 2), (vec![(115, 64)], 1)] {
        let plan = FramePlan { size: (161, 90), octaves, steps: 2, parts };
        for layers in [&layers[..1], &layers[1..], &layers] {
            let composed = compose(layers.to_vec(), &plan, Lowering::Plain).unwrap();
            assert_taken(&format!("{plan:?} of {} layers", layers.len()), |mut builder| {
                for (name, file) in &composed.weights {
                    let bytes = std::fs::read(file).unwrap().into();
                    builder = builder.with_external_initializer_file_in_memory(name, bytes).unwrap();
                }
                builder.commit_from_memory(&composed.model).unwrap()
            });
        }
    }
}

#[test]
fn gpus_take_every_adjoint_whole() {
    let pool = [("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 2])), ("pads", ints(&[1, 1, 1, 1]))];
    let valid = [("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 2])), ("ceil_mode", Attribute::Int(1))];
    let same = [("strides", ints(&[2, 2])), ("auto_pad", Attribute::Text("SAME_UPPER".to_owned()))];
    type Grow<'a> = Box<dyn Fn(&mut Small, &str) -> String + 'a>;
    let plain = |operator: &'static str, attributes: Vec<(&'static str, Attribute)>| -> Grow {
        Box::new(move |small, x| small.node(operator, &[x], &attributes))
    };
    let conv = |groups: i64, size: usize, attributes: &[(&'static str, Attribute)]| -> Grow {
        let attributes = [attributes, &[("group", Attribute::Int(groups))]].concat();
        Box::new(move |small, x| {
            let weights = small.constant(&[8, 8 / groups as usize, size, size], -0.5, 0.5);
            small.node("Conv", &[x, &weights], &attributes)
        })
    };
    let layers = [
        plain("Relu", vec![]),
        plain("LeakyRelu", vec![]),
        plain("Sigmoid", vec![]),
        plain("Tanh", vec![]),
        plain("HardSigmoid", vec![]),
        plain("HardSwish", vec![]),
        plain("Clip", vec![("min", Attribute::Float(0.0)), ("max", Attribute::Float(6.0))]),
        plain("LRN", vec![("size", Attribute::Int(5))]),
        plain("MaxPool", pool.to_vec()),
        plain("MaxPool", valid.to_vec()),
        plain("AveragePool", pool.to_vec()),
        plain("AveragePool", valid.to_vec()),
        conv(1, 3, &same),
        conv(1, 1, &[("strides", ints(&[2, 2]))]),
        conv(1, 7, &[("strides", ints(&[2, 2])), ("pads", ints(&[3, 3, 3, 3]))]),
        conv(1, 3, &[("dilations", ints(&[2, 2])), ("strides", ints(&[2, 2]))]),
        conv(2, 3, &[("strides", ints(&[2, 2]))]),
        conv(8, 3, &same),
        conv(8, 5, &[("strides", ints(&[2, 2])), ("pads", ints(&[2, 2, 2, 2]))]),
        Box::new(|small, x| {
            let list = small.keep(Tensor::ints(&[2, 0, 1]));
            small.node("Gather", &[x, &list], &[("axis", Attribute::Int(1))])
        }),
        // Branches that meet at some sizes only.
        Box::new(|small, x| {
            let pool = [("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2]))];
            let down = small.node("MaxPool", &[x], &pool);
            let up = small.node("MaxPool", &[x], &[&pool[..], &[("ceil_mode", Attribute::Int(1))]].concat());
            small.node("Concat", &[&down, &up], &[("axis", Attribute::Int(1))])
        }),
        Box::new(|small, x| {
            let other = small.constant(&[1, 8, 1, 1], 0.5, 1.5);
            let less = small.node("Sub", &[&other, x], &[]);
            let shares = small.node("Div", &[&other, &less], &[]);
            small.node("Sum", &[&shares, x], &[])
        }),
        Box::new(|small, x| {
            let numbers: Vec<String> = (0..4).map(|_| small.constant(&[8], 0.5, 1.5)).collect();
            small.node("BatchNormalization", &[x, &numbers[0], &numbers[1], &numbers[2], &numbers[3]], &[])
        }),
        Box::new(|small, x| {
            let gate = small.node("GlobalAveragePool", &[x], &[]);
            let scaled = small.node("Mul", &[x, &gate], &[]);
            small.node("Concat", &[x, &scaled], &[("axis", Attribute::Int(1))])
        }),
    ];
    for grow in layers {
        let mut small = Small::new(1);
        let maps = small.conv("image", 3, 8);
        let layer = grow(&mut small, &maps);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("pack");
        pack(&small.network, &options(&layer, &out), |_| ()).unwrap();
        assert_taken_whole(&out.join("layer.onnx"));
    }
}
