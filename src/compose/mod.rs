//! Graphs composed out of a pack's, where they are opened: all ascents of a frame in one, and a step made over for the CPU.
//!
//! A pack holds one step of ascent for each layer, as plainly as can be (`deploy/reference/graph-pack.md`). What suits who runs them is made of
//! these. No runtime is involved: all this is rewriting, by the exporter's builder.

mod apart;
mod frame;
mod half;
mod step;
mod unled;

pub use apart::WORTHWHILE;
pub use frame::{FramePlan, compose};
pub use step::apart;
pub use unled::unled;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::export::onnx;
use crate::pack::{LEADING, Layer};

/// Numbers that one stands for at most: a pack may come from a stranger.
const LARGEST_INPUT: usize = 1 << 22;

/// Why nothing is composed of a layer's graph.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error("cannot read {file}: {error}")]
    Read { file: PathBuf, error: std::io::Error },
    #[error("{file} cannot be put together with others: {reason}")]
    Graph { file: PathBuf, reason: String },
}

/// Shape and numbers of an extra input that is given `values`: of the shape that its graph `declares`, where that holds as many or the only one fills it,
/// else a row.
pub fn filled(declares: Option<Vec<usize>>, values: &[f32]) -> (Vec<usize>, Vec<f32>) {
    let count = |shape: &[usize]| shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    let fits = |count: usize| count == values.len() || values.len() == 1 && count <= LARGEST_INPUT;
    match declares.and_then(|shape| Some((count(&shape).filter(|count| fits(*count))?, shape))) {
        Some((count, shape)) => (shape, values.iter().cycle().take(count).copied().collect()),
        None => (vec![values.len()], values.to_vec()),
    }
}

/// A layer's graph, as its pack has it.
#[derive(Debug, Clone)]
pub struct LayerGraph {
    file: PathBuf,
    model: onnx::Model,
    channels: usize,
    /// Inputs of later graphs, at the defaults that their pack states.
    inputs: BTreeMap<String, Vec<f32>>,
}

impl LayerGraph {
    /// Reads the graph of `layer` in the pack `folder`.
    ///
    /// # Errors
    /// It cannot be read whole.
    pub fn read(folder: &Path, layer: &Layer) -> Result<LayerGraph, ComposeError> {
        let file = folder.join(&layer.file);
        let read = std::fs::read(&file);
        let bytes = read.map_err(|error| ComposeError::Read { file: file.clone(), error })?;
        let model = onnx::Model::read(&bytes);
        let model = model.map_err(|reason| ComposeError::Graph { file: file.clone(), reason })?;
        Ok(LayerGraph { file, model, channels: layer.channels, inputs: layer.inputs.clone() })
    }

    /// The same in half precision, but for what needs more ([`half`]).
    ///
    /// # Errors
    /// It is not as `reverie export` writes it.
    pub fn halved(self) -> Result<LayerGraph, ComposeError> {
        let unled = self.unled();
        let model = half::halved(&unled.model);
        let model = model.map_err(|reason| unled.broken(reason))?;
        Ok(LayerGraph { model, ..unled })
    }

    /// The same without what other pictures lead it by ([`unled()`]), where there is that in it.
    fn unled(mut self) -> LayerGraph {
        if LEADING.iter().all(|name| self.inputs.contains_key(*name)) {
            self.inputs.retain(|name, _| !LEADING.contains(&name.as_str()));
            self.model.graph = self.model.graph.map(unled::unled);
        }
        self
    }

    /// Has its files of weights be called as in `prefix`/`weights.bin`, so that those of two packs are told apart; returns them.
    fn rename_weights(&mut self, prefix: usize) -> Result<BTreeMap<String, PathBuf>, ComposeError> {
        let mut files = BTreeMap::new();
        let tensors = self.model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
        for entry in tensors.flat_map(|tensor| &mut tensor.external_data).filter(|entry| entry.key == "location") {
            let file = self.file.with_file_name(&entry.value);
            // A plain name: nothing beyond the pack's folder is read.
            if Path::new(&entry.value).file_name().is_none_or(|name| name != entry.value.as_str()) {
                let reason = format!("its weights lie in {}", file.display());
                return Err(ComposeError::Graph { file: self.file.clone(), reason });
            }
            entry.value = format!("{prefix}/{}", entry.value);
            files.insert(entry.value.clone(), file);
        }
        Ok(files)
    }

    fn graph(&self) -> Result<&onnx::Graph, ComposeError> {
        self.model.graph.as_ref().ok_or_else(|| self.broken("it holds no graph".to_owned()))
    }

    fn broken(&self, reason: String) -> ComposeError {
        ComposeError::Graph { file: self.file.clone(), reason }
    }

    /// Shape and numbers of an extra input that is given `values`.
    fn filled(&self, input: &str, values: &[f32]) -> (Vec<usize>, Vec<f32>) {
        filled(self.declared_shape(input), values)
    }

    /// The shape that the graph says an input or output has, where that does not depend on the picture.
    fn declared_shape(&self, name: &str) -> Option<Vec<usize>> {
        self.declared(name)?.into_iter().collect()
    }

    /// The sizes that the graph says an input or output has; none for those that depend on the picture.
    fn declared(&self, name: &str) -> Option<Vec<Option<usize>>> {
        use onnx::tensor_shape::dimension::Value;
        let outlets = self.model.graph.iter().flat_map(|graph| graph.input.iter().chain(&graph.output));
        let shape = outlets
            .filter(|info| info.name == name)
            .find_map(|info| info.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref());
        let sizes = shape?.dim.iter().map(|dim| match dim.value {
            Some(Value::DimValue(size)) => usize::try_from(size).ok(),
            _ => None,
        });
        Some(sizes.collect())
    }

    /// Whether it says of itself what the contract asks for (`deploy/reference/graph-pack.md`).
    fn keeps_contract(&self) -> bool {
        let is_picture = |name| self.declared(name).is_some_and(|sizes| sizes == [Some(1), Some(3), None, None]);
        let has = |name, shape: &[usize]| self.declared_shape(name).is_some_and(|declared| declared == shape);
        ["image", "dreamed"].into_iter().all(is_picture)
            && ["neurons", "activation"].into_iter().all(|name| has(name, &[self.channels]))
            && ["step", "smoothing", "colour"].into_iter().all(|name| has(name, &[]))
    }
}

/// What a composed graph is to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lowering {
    /// GPUs: as plain as can be.
    Plain,
    /// The CPU: backward passes through strides apart, in smaller maps.
    Apart,
}

/// A composed graph.
#[derive(Debug)]
pub struct Composed {
    /// An ONNX model.
    pub model: Vec<u8>,
    /// The files that hold its weights, each with the name that the model has for it.
    pub weights: BTreeMap<String, PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_fills_an_input_and_what_does_not_fit_stays_a_row() {
        assert_eq!(filled(Some(vec![2, 3]), &[0.5]), (vec![2, 3], vec![0.5; 6]));
        assert_eq!(filled(Some(vec![1, 2]), &[1.0, 2.0]), (vec![1, 2], vec![1.0, 2.0]));
        assert_eq!(filled(Some(vec![]), &[4.0]), (vec![], vec![4.0]));
        for declared in [None, Some(vec![6]), Some(vec![usize::MAX, 2])] {
            assert_eq!(filled(declared, &[1.0, 2.0]), (vec![2], vec![1.0, 2.0]));
        }
        assert_eq!(filled(Some(vec![1 << 40]), &[1.0]), (vec![1], vec![1.0]), "a stranger's input of any size");
    }
}
