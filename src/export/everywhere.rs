//! A classifier at every position of the maps below it, as a layer that can be dreamed.
//!
//! A classifier averages its last maps over all positions and has a linear map make scores of the means. Averaging and a linear map
//! commute: the same weights as a 1×1 convolution give scores at every position, whose means are the classifier's. Each channel of that is
//! one class, and so has a name.
//!
//! ```text
//! maps ─ mean over positions ─ flatten ─ linear ─ scores        maps ─ 1×1 convolution ─ scores everywhere
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use super::network::{Network, Node};
use super::tensor::{Data, Tensor};

/// Operators that pass a row of numbers on as it is, but for its shape.
const SHAPES: [&str; 6] = ["Flatten", "Reshape", "Squeeze", "Identity", "Dropout", "Unsqueeze"];

/// A linear map found in a network.
struct Linear {
    /// What it is done to.
    input: String,
    /// Classes × channels.
    weights: Tensor,
    bias: Option<String>,
}

/// `network` with the class scores `tensor` at every position; none where they are no linear map of averaged maps.
pub fn at_every_position(network: &Network, tensor: &str) -> Option<Network> {
    let linear = linear(network, tensor)?;
    let maps = averaged_maps(network, &linear.input)?;
    let mut network = network.clone();
    let kernel = format!("{tensor}, kernel");
    let &[classes, channels] = linear.weights.dims.as_slice() else { return None };
    network.constants.insert(kernel.clone(), Arc::new(linear.weights.reshaped(&[classes, channels, 1, 1])));
    let place = maker(&network, tensor)?;
    network.nodes[place] = Node {
        name: tensor.to_owned(),
        operator: "Conv".to_owned(),
        inputs: [Some(maps), Some(kernel), linear.bias].into_iter().flatten().collect(),
        outputs: vec![tensor.to_owned()],
        attributes: Default::default(),
    };
    // What takes the scores took a row of them.
    network.nodes.truncate(place + 1);
    Some(network)
}

fn maker(network: &Network, tensor: &str) -> Option<usize> {
    network.nodes.iter().position(|node| node.outputs.iter().any(|output| output == tensor))
}

/// The linear map that makes `tensor`.
fn linear(network: &Network, tensor: &str) -> Option<Linear> {
    let node = &network.nodes[maker(network, tensor)?];
    if node.operator != "Add" {
        return product(network, node);
    }
    let [a, b] = [node.input(0)?, node.input(1)?];
    let (made, bias) = if network.constants.contains_key(b) { (a, b) } else { (b, a) };
    let product = product(network, &network.nodes[maker(network, made)?]).filter(|product| product.bias.is_none())?;
    Some(Linear { bias: row(network, Some(bias.to_owned()))?, ..product })
}

/// The linear map that `node` is.
fn product(network: &Network, node: &Node) -> Option<Linear> {
    let matrix = |name: &str| network.constants.get(name).filter(|constant| constant.dims.len() == 2).cloned();
    match node.operator.as_str() {
        "Gemm" if node.int("transA", 0) == 0 && node.float("alpha", 1.0) == 1.0 && node.float("beta", 1.0) == 1.0 => {
            let weights = matrix(node.input(1)?)?;
            let weights = if node.int("transB", 0) == 1 { (*weights).clone() } else { turned(&weights)? };
            let bias = node.input(2).map(str::to_owned);
            Some(Linear { input: node.input(0)?.to_owned(), bias: row(network, bias)?, weights })
        }
        "MatMul" => {
            let weights = turned(&*matrix(node.input(1)?)?)?;
            Some(Linear { input: node.input(0)?.to_owned(), weights, bias: None })
        }
        _ => None,
    }
}

/// `bias`, if it is a row of stored numbers, or none at all.
fn row(network: &Network, bias: Option<String>) -> Option<Option<String>> {
    let is_row = |name: &String| network.constants.get(name).is_some_and(|constant| constant.dims.len() == 1);
    bias.as_ref().is_none_or(is_row).then_some(bias)
}

/// Rows as columns.
fn turned(matrix: &Tensor) -> Option<Tensor> {
    let (&[rows, columns], Data::F32(values)) = (matrix.dims.as_slice(), &matrix.data) else { return None };
    let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect();
    Some(Tensor::floats(&[columns, rows], turned))
}

/// The maps whose averages, a number a channel, are `tensor`.
fn averaged_maps(network: &Network, tensor: &str) -> Option<String> {
    let makers: HashMap<&str, &Node> =
        network.nodes.iter().flat_map(|node| node.outputs.iter().map(move |output| (output.as_str(), node))).collect();
    let mut node = makers.get(tensor)?;
    // Each is made before it is read, so that this ends.
    while SHAPES.contains(&node.operator.as_str()) {
        node = makers.get(node.input(0)?)?;
    }
    let is_mean = match node.operator.as_str() {
        "GlobalAveragePool" => true,
        "ReduceMean" => {
            let stored = node.input(1).and_then(|axes| network.constants.get(axes)).and_then(|axes| axes.as_ints());
            matches!(node.ints("axes").or(stored), Some([2, 3] | [-2, -1] | [3, 2] | [-1, -2]))
        }
        _ => false,
    };
    if is_mean { node.input(0).map(str::to_owned) } else { None }
}
