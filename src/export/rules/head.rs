//! The classifier at a network's end. It is only ever run forward, so its nodes are copied as they are, but for
//! what changed its spelling between versions of ONNX's operator set.

use std::sync::Arc;

use crate::export::builder::Value;
use crate::export::network::Node;
use crate::export::tensor::{Attribute, Tensor};
use crate::export::trace::{Input, Lowered, Shape, Trace};

/// Operators whose nodes mean the same in every version.
const PLAIN: [&str; 17] = [
    "Add",
    "Cast",
    "Div",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalMaxPool",
    "Identity",
    "MatMul",
    "Mul",
    "Relu",
    "Shape",
    "Sigmoid",
    "Sub",
    "Tanh",
    "Transpose",
    "Concat",
];

/// Copies `node`, of a network in operator set `opset` fixed to `batch` pictures.
pub fn copy(t: &mut Trace, node: &Node, opset: i64, batch: Option<usize>) -> Result<Lowered, String> {
    let mut inputs = Vec::new();
    for (index, name) in node.inputs.iter().enumerate() {
        inputs.push(match (name.as_str(), index) {
            ("", _) => Value::none(),
            _ => match t.input(node, index)? {
                Input::Picture(traced) => traced.value,
                Input::Constant(tensor) => t.builder.constant(&tensor),
            },
        });
    }
    let mut attributes: Vec<(&str, Attribute)> =
        node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    attributes.sort_by(|a, b| a.0.cmp(b.0));
    match node.operator.as_str() {
        // In its newer form a dropout has inputs to say how it trains.
        "Dropout" => {
            inputs.truncate(1);
            attributes.clear();
        }
        operator if PLAIN.contains(&operator) => attributes.retain(|(name, _)| *name != "broadcast"),
        "Softmax" | "LogSoftmax" => {
            let axis = node.int("axis", if opset < 13 { 1 } else { -1 });
            attributes = vec![("axis", Attribute::Int(axis))];
        }
        "Squeeze" | "Unsqueeze" => {
            if let Some(axes) = node.ints("axes") {
                inputs.push(t.builder.ints(axes));
            }
            attributes.clear();
        }
        "ReduceMean" | "ReduceMax" => {
            if let Some(axes) = t.constant(node, 1)? {
                let axes = axes.as_ints().ok_or("its axes are not integers")?;
                attributes.push(("axes", Attribute::Ints(axes.to_vec())));
            }
            inputs.truncate(1);
            attributes.retain(|(name, _)| ["axes", "keepdims"].contains(name));
        }
        "Reshape" => {
            let target = t.constant(node, 1).ok().flatten();
            let target = target.as_deref().and_then(Tensor::as_ints).or(node.ints("shape"));
            if let Some(target) = target {
                let mut dims = target.to_vec();
                // A network fixed to a batch of pictures gets one.
                if dims.len() > 1 && batch.is_some_and(|n| dims[0] == n as i64) {
                    dims[0] = 1;
                }
                inputs.truncate(1);
                inputs.push(t.builder.constant(&Arc::new(Tensor::ints(&dims))));
            }
            attributes.retain(|(name, _)| *name == "allowzero");
        }
        operator => return Err(format!("a classifier with {operator} is not supported")),
    }
    let inputs: Vec<&Value> = inputs.iter().collect();
    let value = t.builder.op(&node.operator, &inputs, &attributes);
    Ok(Lowered::plain(value, Shape::Other, Box::new(|_, _| Vec::new())))
}
