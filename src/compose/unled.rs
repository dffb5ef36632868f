//! A layer's graph that nothing leads: without what a guide and a caricature would be computed by.
//!
//! Both are mixed in by shares, `gradient + share · (other − gradient)`. Where a share is known to be 0, the product is nothing, the sum is what it is added to, and
//! what only made the product is not wanted any more.

use std::collections::{HashMap, HashSet};

use crate::export::{onnx, wanted};
use crate::pack::{CARICATURE, GUIDED, LEADING};

/// `graph` where both shares are 0; without their inputs.
pub fn unled(graph: onnx::Graph) -> onnx::Graph {
    let mut nothing: HashSet<String> = [GUIDED, CARICATURE].map(str::to_owned).into();
    let mut same: HashMap<String, String> = HashMap::new();
    let mut kept = Vec::new();
    for mut node in graph.node {
        for input in &mut node.input {
            if let Some(other) = same.get(input) {
                other.clone_into(input);
            }
        }
        let is_nothing: Vec<bool> = node.input.iter().map(|input| nothing.contains(input)).collect();
        match (node.op_type.as_str(), is_nothing.as_slice()) {
            ("Mul", [true, _] | [_, true]) => nothing.extend(node.output),
            ("Add", [one, true] | [true, one]) if !one => {
                let other = node.input.swap_remove(usize::from(is_nothing[0]));
                same.extend(node.output.into_iter().map(|output| (output, other.clone())));
            }
            _ => kept.push(node),
        }
    }
    let (node, _) = wanted(kept, graph.output.iter().map(|output| output.name.as_str()));
    let input = graph.input.into_iter().filter(|input| !LEADING.contains(&input.name.as_str())).collect();
    onnx::Graph { node, input, ..graph }
}
