//! Any ONNX classifier → a graph pack.
//!
//! [`Network::read`] reads the file. A [`Walk`](walk::Walk) goes over it from the picture on and lowers each node
//! into a new graph by its rule ([`rules`] is the table of operators); a [`Trace`](trace::Trace) keeps what is lowered, and each
//! node's adjoint on a tape. Run in reverse, the tape gives the gradient at the picture, and [`tail`] makes the next picture of
//! it. [`pack()`] does so for each layer wanted and writes the folder; the weights go once into `weights.bin`.
//!
//! ```text
//! image ─▶ normalise ─▶ the network up to the layer ─▶ w·a ─▶ its adjoints, in reverse ─▶ smooth, colour, step ─▶ dreamed
//! ```
//!
//! Each file knows only those before it in this line (tests/architecture.rs): `error`, `names`, `onnx`, `model`, `functions`, `tensor`, `weights`,
//! `network`, `everywhere`, `builder`, `fold`, `window`, `sizes`, `trace`, `rules`, `simplify`, `walk`, `tail`, `led`, `graph`, `list`, `pack`.
//!
//! No runtime is involved: all this is rewriting. Sizes that depend on the picture's are computed in the graph
//! (from `Shape`), so it holds for any height and width, and ONNX Runtime folds them away once these are fixed.

mod builder;
mod error;
mod everywhere;
mod fold;
mod functions;
mod graph;
mod led;
mod list;
mod model;
mod names;
mod network;
pub mod onnx;
mod pack;
mod rules;
mod simplify;
mod sizes;
mod tail;
mod tensor;
mod trace;
mod walk;
mod weights;
mod window;

pub use builder::{Builder, Dimension, Value, initializer, wanted};
pub use error::ExportError;
pub use graph::Normalisation;
pub use led::{MAP_SIZES, maps};
pub use list::{Candidate, candidates};
pub use names::split_layers;
pub use network::{Network, Node};
pub use pack::{About, LEAKS, LayerRequest, Options, Recognise, pack};
pub use rules::stride::{pad_for, positions, turned};
pub use rules::supported as supported_operators;
pub(crate) use tensor::data_type;
pub use tensor::{Attribute, Data, Tensor};
pub use trace::{Gradients, MaxPool, Saturated};
pub use weights::WEIGHTS_FILE;
