//! Walking a network from the picture on, lowering each node by its rule.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::builder::{Builder, Value};
use super::fold::fold;
use super::network::{Network, Node};
use super::rules;
use super::trace::{Gradients, Shape, Trace, Traced};

/// Why a tensor cannot be had.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocked {
    /// Index of the node that has no rule, or whose rule refuses it.
    pub node: usize,
    /// The reason.
    pub why: String,
}

/// A walk over a network, and what it could not lower.
pub struct Walk<'a> {
    network: &'a Network,
    /// What is lowered so far.
    pub trace: Trace<'a>,
    /// Whether nodes that no rule takes are copied as they are: for the classifier, which has no backward pass.
    copies_head: bool,
    blocked: HashMap<&'a str, Arc<Blocked>>,
    /// Multiply-adds a picture pixel costs in each node, forward.
    macs: Vec<f64>,
}

impl<'a> Walk<'a> {
    /// Begins at the network's input, which is `picture` in the graph of `builder`.
    pub fn new(network: &'a Network, builder: Builder, picture: Value, gradients: Gradients) -> Walk<'a> {
        Walk {
            network,
            trace: Trace::new(network, builder, picture, gradients),
            copies_head: false,
            blocked: HashMap::new(),
            macs: vec![0.0; network.nodes.len()],
        }
    }

    /// Copies what has no rule, as far as a classifier is made of it.
    pub fn copying_head(mut self) -> Walk<'a> {
        self.copies_head = true;
        self
    }

    /// Lowers the nodes for which `wanted` is true; those that cannot be lowered block all that depends on them.
    pub fn run(&mut self, wanted: &[bool]) {
        for (index, node) in self.network.nodes.iter().enumerate().filter(|(i, _)| wanted[*i]) {
            if let Some(cause) = node.inputs.iter().find_map(|i| self.blocked.get(i.as_str())) {
                let cause = cause.clone();
                self.block(node, cause);
            } else if let Err(why) = self.step(index, node) {
                self.block(node, Arc::new(Blocked { node: index, why }));
            }
        }
    }

    fn block(&mut self, node: &'a Node, cause: Arc<Blocked>) {
        // An output that is left out has no name, as has an input that is.
        for output in node.outputs.iter().filter(|output| !output.is_empty()) {
            self.blocked.insert(output, cause.clone());
        }
    }

    fn step(&mut self, index: usize, node: &'a Node) -> Result<(), String> {
        if !node.inputs.iter().any(|i| self.trace.get(i).is_some()) {
            let constant = fold(node, |name| self.trace.stored(name))?;
            self.trace.keep_constant(node, constant)?;
            return Ok(());
        }
        if rules::passes_through(node)
            && let Some(same) = self.trace.get(&node.inputs[0]).cloned()
            && same.shape != Shape::Other
        {
            self.trace.keep_alias(node, same);
            return Ok(());
        }
        let lowered = match rules::find(&node.operator) {
            Some(rule) => rule(&mut self.trace, node),
            None => Err("the exporter has no rule for it".to_owned()),
        };
        let lowered = match lowered {
            Err(_) if self.copies_head => {
                rules::copy_head(&mut self.trace, node, self.network.opset, self.network.batch)?
            }
            other => other?,
        };
        if let Shape::Maps { stride, .. } = lowered.shape {
            self.macs[index] = lowered.macs as f64 / (stride[0] as f64 * stride[1] as f64);
        }
        let rectified = self.rectifies(node);
        self.trace.keep(node, lowered, rectified);
        Ok(())
    }

    /// Whether the result of `node` is [rectified](Traced::rectified).
    fn rectifies(&self, node: &Node) -> bool {
        let is_rectified = |input: &String| self.trace.get(input).is_some_and(|traced| traced.rectified);
        match node.operator.as_str() {
            "Relu" => true,
            // Each is 0 only where all its inputs are, or the very one it scales.
            "AveragePool" | "Concat" | "LRN" | "MaxPool" => node.inputs.iter().all(is_rectified),
            _ => false,
        }
    }

    /// Why the tensor called `name` was not lowered.
    pub fn why_blocked(&self, name: &str) -> Option<&Blocked> {
        self.blocked.get(name).map(Arc::as_ref)
    }

    /// Multiply-adds a picture pixel costs, forward and backward, to reach a layer that depends on the nodes `needed`.
    pub fn macs_per_pixel(&self, needed: &[bool]) -> f64 {
        2.0 * self.macs.iter().zip(needed).filter(|(_, needed)| **needed).map(|(macs, _)| macs).sum::<f64>()
    }

    /// The nearest layer to node `index` toward the picture, found breadth first.
    pub fn nearest_layer(&self, index: usize) -> Option<String> {
        let makers: HashMap<&str, &Node> =
            self.network.nodes.iter().flat_map(|n| n.outputs.iter().map(move |o| (o.as_str(), n))).collect();
        let mut queue = VecDeque::from([&self.network.nodes[index]]);
        let mut seen = HashSet::new();
        while let Some(node) = queue.pop_front() {
            for input in node.inputs.iter().filter(|i| seen.insert(i.as_str())) {
                let Some(maker) = makers.get(input.as_str()) else { continue };
                match self.trace.get(input) {
                    Some(Traced { shape: Shape::Maps { .. }, .. }) => return Some(input.clone()),
                    _ => queue.push_back(maker),
                }
            }
        }
        None
    }
}
