//! The network runtime: ONNX Runtime as a dynamic library, its execution providers, and an opened layer graph.
//!
//! This is the only room that names `ort`. The library is found and checked before `ort` touches it, because `ort`
//! panics on a bad one; providers are tried one by one, because `ort` would try all at once and keep the reasons to
//! itself; and what really runs is measured, because a provider that registered may still have taken no node.

mod ascent;
mod engines;
mod error;
mod library;
mod placement;
mod provider;

pub use ascent::{Ascent, AscentResult, Controls, Graph};
pub use engines::Engines;
pub use error::RuntimeError;
pub use library::{OLDEST_MINOR, Runtime, search_order};
pub use provider::{Provider, UnknownProvider};

use std::path::PathBuf;

/// How the runtime is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The library, where its owner named one: `libonnxruntime.so`, or the folder that holds it.
    pub library: Option<PathBuf>,
    /// Execution providers in the order they are tried.
    pub providers: Vec<Provider>,
    /// Threads of the CPU provider; 0 is one for each core.
    pub threads: usize,
    /// TensorRT's.
    pub engines: Engines,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            library: None,
            providers: Provider::ALL.to_vec(),
            threads: 0,
            engines: Engines { folder: None, fp16: false },
        }
    }
}
