//! One step of ascent, as a pack has it, made over for the CPU.

use std::collections::HashMap;

use super::apart::Apart;
use super::{ComposeError, LayerGraph};
use crate::export::{Builder, Dimension, initializer, maps};
use crate::pack::{MAPS, SEEN};

/// The graph of `layer` for pictures of `size` alone, with what its backward passes through strides are computed apart ([`Apart`]), as an ONNX model whose
/// weights lie in the pack's folder; those through maps of so many bytes at `least` ([`super::WORTHWHILE`]). None where there is nothing to make over.
///
/// # Errors
/// The graph lacks what it should have.
pub fn apart(layer: &LayerGraph, size: (usize, usize), least: f64) -> Result<Option<Vec<u8>>, ComposeError> {
    let graph = layer.graph()?;
    let apart = Apart::new(graph, size, least);
    // What is wrong with a graph is best explained of the graph itself.
    if !layer.keeps_contract() || !apart.changes_anything() {
        return Ok(None);
    }
    let (width, height) = size;
    let picture = [1, 3, height, width].map(Dimension::Fixed);
    let channels = [Dimension::Fixed(layer.channels)];
    let maps = maps(layer.channels);
    let mut b = Builder::default();
    let mut inputs = HashMap::new();
    for input in &graph.input {
        let name = input.name.as_str();
        let value = match (name, layer.inputs.get(name)) {
            ("image", _) => b.input(name, &picture),
            ("neurons", _) => b.input(name, &channels),
            (SEEN, Some(_)) => b.input(name, &maps),
            (_, Some(values)) => {
                let shape: Vec<_> = layer.filled(name, values).0.into_iter().map(Dimension::Fixed).collect();
                b.input(name, &shape)
            }
            (_, None) => b.input(name, &[]),
        };
        inputs.insert(name, value);
    }
    let outputs = b.inline(graph, &inputs, |b, node, values| apart.instead(b, node, values));
    let outputs = outputs.map_err(|reason| layer.broken(reason))?;
    for (name, shape) in [("dreamed", &picture[..]), ("activation", &channels), ("objective", &[]), (MAPS, &maps)] {
        if let Some(value) = outputs.get(name) {
            b.output(name, value, shape);
        }
    }
    Ok(Some(b.finish(initializer).to_bytes()))
}
