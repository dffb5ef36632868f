//! The layers of a network that can be dreamed.

use std::collections::HashSet;

use super::builder::{Builder, Value};
use super::graph::NO_SIZE;
use super::network::Network;
use super::trace::{Gradients, Shape};
use super::walk::Walk;

/// A tensor that is a layer, or would be one but for an operator without a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its name.
    pub tensor: String,
    /// The operator that makes it.
    pub operator: String,
    /// What dreaming it means, or why it cannot be dreamed.
    pub layer: Result<CandidateLayer, String>,
}

/// What is known of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CandidateLayer {
    /// Channels.
    pub channels: usize,
    /// Picture pixels a position covers; the larger of the two directions.
    pub stride: usize,
    /// Multiply-adds a picture pixel costs, one whole ascent.
    pub macs_per_pixel: f64,
}

/// Every layer of `network`, from the picture on, and after them the nodes that stop the way deeper.
pub fn candidates(network: &Network) -> Vec<Candidate> {
    let mut network = network.clone();
    network.keep_axis_of_gathers();
    network.fold_batch_norms(&HashSet::new());
    let mut walk = Walk::new(&network, Builder::default(), Value::named("image"), Gradients::default());
    walk.run(&vec![true; network.nodes.len()]);

    let mut layers = Vec::new();
    let mut stops = Vec::new();
    for (index, node) in network.nodes.iter().enumerate() {
        let tensor = node.output();
        let candidate = |layer| Candidate { tensor: tensor.to_owned(), operator: node.operator.clone(), layer };
        if let Some(blocked) = walk.why_blocked(tensor) {
            if blocked.node == index {
                stops.push(candidate(Err(blocked.why.clone())));
            }
        } else if let Some(traced) = walk.trace.get(tensor)
            && let Shape::Maps { channels, stride } = traced.shape
            && traced.name == tensor
        {
            if traced.fits().is_none() {
                layers.push(candidate(Err(NO_SIZE.to_owned())));
                continue;
            }
            let macs_per_pixel = walk.macs_per_pixel(&network.ancestors(tensor));
            layers.push(candidate(Ok(CandidateLayer { channels, stride: stride[0].max(stride[1]), macs_per_pixel })));
        }
    }
    layers.extend(stops);
    layers
}
