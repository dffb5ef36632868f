//! Graphs that are not as they should be, put together with others all the same: an error or another graph, never a panic.

use std::path::Path;

use proptest::prelude::*;
use reverie::compose::{FramePlan, LayerGraph, Lowering, apart, compose};
use reverie::export::onnx::{Graph, Model};
use reverie::pack::{Layer, Manifest};

/// What is done to a graph; the numbers choose where.
#[derive(Debug, Clone)]
enum Harm {
    Inputs {
        node: usize,
    },
    Outputs {
        node: usize,
    },
    Attributes {
        node: usize,
    },
    /// It reads what it makes.
    Circle {
        node: usize,
        input: usize,
    },
    Operator {
        node: usize,
        of: usize,
    },
    Whole {
        node: usize,
        attribute: usize,
        value: i64,
    },
    Fraction {
        node: usize,
        attribute: usize,
        value: f32,
    },
    Shape {
        tensor: usize,
        axis: usize,
        value: i64,
    },
    Content {
        tensor: usize,
        length: usize,
    },
    Tensor {
        tensor: usize,
    },
    Declared {
        input: usize,
    },
}

impl Harm {
    fn any() -> impl Strategy<Value = Harm> {
        let (at, small) = (any::<usize>(), 0usize..4);
        let value = prop_oneof![Just(0), Just(-1), Just(i64::MAX), Just(i64::MIN), 1i64..1_000_000];
        let fraction = prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(0.0), Just(-1e30), Just(1e20)];
        prop_oneof![
            at.prop_map(|node| Harm::Inputs { node }),
            at.prop_map(|node| Harm::Outputs { node }),
            at.prop_map(|node| Harm::Attributes { node }),
            (at, small.clone()).prop_map(|(node, input)| Harm::Circle { node, input }),
            (at, at).prop_map(|(node, of)| Harm::Operator { node, of }),
            (at, small.clone(), value.clone()).prop_map(|(node, attribute, value)| Harm::Whole {
                node,
                attribute,
                value
            }),
            (at, small.clone(), fraction).prop_map(|(node, attribute, value)| Harm::Fraction {
                node,
                attribute,
                value
            }),
            (at, small.clone(), value).prop_map(|(tensor, axis, value)| Harm::Shape { tensor, axis, value }),
            (at, 0usize..9).prop_map(|(tensor, length)| Harm::Content { tensor, length }),
            at.prop_map(|tensor| Harm::Tensor { tensor }),
            at.prop_map(|input| Harm::Declared { input }),
        ]
    }

    fn befall(&self, graph: &mut Graph) {
        let nodes = graph.node.len().max(1);
        let tensors = graph.initializer.len().max(1);
        let operators: Vec<String> = graph.node.iter().map(|node| node.op_type.clone()).collect();
        match *self {
            Harm::Inputs { node } => graph.node[node % nodes].input.clear(),
            Harm::Outputs { node } => graph.node[node % nodes].output.clear(),
            Harm::Attributes { node } => graph.node[node % nodes].attribute.clear(),
            Harm::Circle { node, input } => {
                let node = &mut graph.node[node % nodes];
                let own = node.output.first().cloned().unwrap_or_default();
                node.input.iter_mut().skip(input).take(1).for_each(|name| name.clone_from(&own));
            }
            Harm::Operator { node, of } => graph.node[node % nodes].op_type.clone_from(&operators[of % nodes]),
            Harm::Whole { node, attribute, value } => {
                let attributes = &mut graph.node[node % nodes].attribute;
                attributes.iter_mut().skip(attribute).take(1).for_each(|attribute| {
                    attribute.i = value;
                    attribute.ints.iter_mut().for_each(|own| *own = value);
                });
            }
            Harm::Fraction { node, attribute, value } => {
                let attributes = &mut graph.node[node % nodes].attribute;
                attributes.iter_mut().skip(attribute).take(1).for_each(|attribute| attribute.f = value);
            }
            Harm::Shape { tensor, axis, value } => {
                graph.initializer[tensor % tensors].dims.iter_mut().skip(axis).take(1).for_each(|dim| *dim = value);
            }
            Harm::Content { tensor, length } => {
                let tensor = &mut graph.initializer[tensor % tensors];
                tensor.raw_data.truncate(length);
                tensor.external_data.truncate(length);
            }
            Harm::Tensor { tensor } => drop(graph.initializer.remove(tensor % tensors)),
            Harm::Declared { input } => {
                let count = graph.input.len().max(1);
                graph.input[input % count].r#type = None;
            }
        }
    }
}

/// Everything that is made of a layer's graph when it is opened.
fn put_together(folder: &Path, layer: &Layer) {
    let Ok(graph) = LayerGraph::read(folder, layer) else { return };
    let plan = FramePlan { size: (64, 48), octaves: vec![(40, 30), (64, 48)], steps: 1, parts: 1 };
    let _ = apart(&graph, plan.size, 0.0);
    for lowering in [Lowering::Plain, Lowering::Apart] {
        let _ = compose(vec![graph.clone()], &plan, lowering);
    }
    if let Ok(halved) = graph.halved() {
        let _ = compose(vec![halved], &plan, Lowering::Plain);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_malformed_graph_makes_nothing_panic(
        pack in prop_oneof![Just(("mobilenet-v2", "f6")), Just(("efficientnet-lite0", "b4"))],
        harms in proptest::collection::vec(Harm::any(), 1..4),
    ) {
        let (pack, name) = pack;
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(pack);
        let manifest = Manifest::read(&shipped).unwrap();
        let layer = manifest.layers.iter().find(|layer| layer.name == name).unwrap();
        let mut model = Model::read(&std::fs::read(shipped.join(&layer.file)).unwrap()).unwrap();
        let graph = model.graph.as_mut().unwrap();
        harms.iter().for_each(|harm| harm.befall(graph));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(&layer.file), model.to_bytes()).unwrap();
        put_together(folder.path(), layer);
    }
}
