//! The graph pack: a network cut into one dreaming graph a layer, as `reverie export` writes it.
//!
//! A pack is a directory with `pack.toml` ([`Manifest`]), `weights.bin` (fp16, shared by all graphs
//! as ONNX external data), one ONNX file a layer, and optionally `labels.txt`, `words.txt`, `recognise.onnx`,
//! an [`Atlas`] and `LICENSE`. This room knows what a pack says of itself; it opens no network runtime.
//!
//! The contract, with name, shape and unit of everything that a graph takes and gives, is `deploy/reference/graph-pack.md`.

mod atlas;
mod catalogue;
mod manifest;
mod neurons;
mod words;

pub use atlas::{Atlas, LIKENESS, LayerAtlas};
pub use catalogue::Catalogue;
pub use manifest::{
    CARICATURE, FORMAT, GUIDE, GUIDE_POSITIONS, GUIDED, Input, LEADING, Layer, MAPS, Manifest, Objective, PackError,
    SEEN, hex_sha256,
};
pub use neurons::{LIVE, Neurons, NeuronsError};
pub use words::Words;
