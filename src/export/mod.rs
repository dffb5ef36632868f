//! Any ONNX classifier → a graph pack.
//!
//! [`Network::read`] reads the file. A [`Trace`](trace::Trace) walks it from the picture on and writes each node
//! into a new graph by its rule ([`rules`] is the table of operators), keeping the way back on a tape; going back
//! along the tape from a layer gives the gradient at the picture, and [`tail`] makes the next picture of it. [`pack()`]
//! does so for each layer wanted and writes the folder; the weights go once into `weights.bin`.
//!
//! ```text
//! image ─▶ normalise ─▶ the network up to the layer ─▶ w·a ─▶ its adjoint, in reverse ─▶ smooth, colour, step ─▶ dreamed
//! ```
//!
//! No runtime is involved: all this is rewriting. Sizes that depend on the picture's are computed in the graph
//! (from `Shape`), so it holds for any height and width, and ONNX Runtime folds them away once these are fixed.

mod builder;
mod error;
mod graph;
mod list;
mod network;
mod onnx;
mod pack;
mod rules;
mod simplify;
mod tail;
mod tensor;
mod trace;
mod weights;

pub use error::ExportError;
pub use graph::{MaxPool, Normalisation};
pub use list::{Candidate, candidates};
pub use network::{Network, Node};
pub use pack::{About, LayerRequest, Options, Recognise, pack};
pub use rules::supported as supported_operators;
pub use tensor::{Attribute, Data, Tensor};
pub use weights::WEIGHTS_FILE;
