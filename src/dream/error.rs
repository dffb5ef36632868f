//! Why a frame was not dreamed.

use crate::pack::{NeuronsError, PackError};
use crate::runtime::RuntimeError;

/// Why a frame was not dreamed. The dream is as it was before; the next frame may well succeed.
#[derive(Debug, thiserror::Error)]
pub enum DreamError {
    /// The layer does not exist.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The layer has no such neurons.
    #[error("neurons: {0}")]
    Neurons(#[from] NeuronsError),
    /// The graph could not be opened or run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The runtime gave pictures that are none. The dream begins anew.
    #[error("layer {layer} gave values that are no numbers; the dream begins anew")]
    NotFinite { layer: String },
    /// The thread that opens graphs has died, or opened another than was asked: a bug.
    #[error("the graph of layer {layer} was not opened, which is a bug of this program")]
    NotOpened { layer: String },
}
