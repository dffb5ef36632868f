//! Why a network cannot be exported, said so that a person knows what to do.

use std::path::PathBuf;

/// Why a network cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not an ONNX network, or not a whole one.
    #[error("this is not an ONNX network that can be read: {0}")]
    NotOnnx(String),
    /// The network is whole, but does not take a picture.
    #[error("this network does not take one picture: {0}")]
    NoPicture(String),
    /// No tensor has the name given.
    #[error("the network has no tensor `{name}`{}; `--list` shows the layers that can be dreamed", crate::did_you_mean(.nearest.as_deref()))]
    NoSuchTensor {
        /// The name given.
        name: String,
        /// The name most like it.
        nearest: Option<String>,
    },
    /// The tensor exists but is no layer of feature maps.
    #[error("`{name}` cannot be dreamed: {why}")]
    NotALayer {
        /// The tensor.
        name: String,
        /// What it is instead.
        why: String,
    },
    /// On the way from the picture to the layer stands an operator without a rule.
    #[error(
        "`{layer}` cannot be dreamed: node `{node}`, operator {operator}: {why}; {}",
        nearest_layer(.nearest)
    )]
    Unsupported {
        /// The layer asked for.
        layer: String,
        /// The node's name, or the tensor it makes.
        node: String,
        /// Its operator.
        operator: String,
        /// What about it is unsupported.
        why: String,
        /// The nearest layer toward the picture that can be dreamed.
        nearest: Option<String>,
    },
    /// What was asked for does not fit together.
    #[error("{0}")]
    Options(String),
}

fn nearest_layer(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("the nearest layer above it that can be dreamed is `{name}`"),
        None => "no layer above it can be dreamed".to_owned(),
    }
}
