//! The network runtime: ONNX Runtime as a dynamic library, its execution providers, and an opened layer graph.
//!
//! This is the only room that names `ort`. The library is found and checked before `ort` touches it, because `ort`
//! panics on a bad one; providers are tried one by one, because `ort` would try all at once and keep the reasons to
//! itself; and what really runs is measured, because a provider that registered may still have taken no node.

mod ascent;
mod captures;
mod classifier;
mod device_tensors;
mod engines;
mod error;
mod frame_ascent;
mod library;
mod open_graph;
mod placement;
mod provider;

pub use ascent::{Ascent, AscentResult, Controls, Graph, Led, Maps};
pub use classifier::{Classifier, ClassifierGraph};
pub use error::RuntimeError;
pub use frame_ascent::{Frame, FrameAscent, FrameControls, FrameResult};
pub use library::{OLDEST_MINOR, Runtime, search_order};
pub use provider::{Provider, UnknownProvider};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use crate::checks::{InvalidSetting, check_range};

/// `[runtime]`: how the runtime is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `libonnxruntime.so`, or the folder that holds it; none: searched for.
    #[serde(rename = "onnxruntime")]
    pub library: Option<PathBuf>,
    /// Execution providers in the order they are tried.
    pub providers: Vec<Provider>,
    /// Threads of the CPU provider; 0 is one for each core.
    pub threads: usize,
    /// How many digits GPUs compute with.
    #[serde(alias = "fp16", deserialize_with = "read_precision")]
    pub precision: Precision,
    /// Whether a frame is one run, of a graph that holds all its ascents.
    pub whole_frames: WholeFrames,
    /// Whether a GPU replays such a run as one CUDA graph. Not proven on a GPU yet.
    pub cuda_graphs: bool,
    /// Folder of TensorRT's engines; none: they are not kept, and every start builds them anew.
    pub engines: Option<PathBuf>,
}

/// How many digits GPUs compute with; the CPU always computes in single precision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single, until half precision was measured to be as good on a board.
    #[default]
    Auto,
    /// Single precision.
    Fp32,
    /// Half precision, about twice as fast: with TensorRT where it likes, with CUDA in frames that are one run, but for what needs more.
    Fp16,
}

/// Reads a precision; the key was `fp16` once, yes or no.
fn read_precision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Precision, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "\"auto\", \"fp32\" or \"fp16\"")]
    enum Written {
        Named(Precision),
        IsHalf(bool),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Named(precision) => precision,
        Written::IsHalf(false) => Precision::Fp32,
        Written::IsHalf(true) => Precision::Fp16,
    })
}

/// Where a frame is one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WholeFrames {
    /// On GPUs, where each run costs copies and launches; in films not, whose frames would have to wait for the graph.
    #[default]
    Auto,
    Always,
    Never,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            library: None,
            providers: Provider::ALL.to_vec(),
            threads: 0,
            precision: Precision::Auto,
            whole_frames: WholeFrames::Auto,
            cuda_graphs: false,
            engines: None,
        }
    }
}

impl Settings {
    /// # Errors
    /// The first key whose value cannot be used. Whether the library is there is not asked.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        if self.providers.is_empty() {
            return Err(InvalidSetting::new("providers", "is empty: name at least one of tensorrt, cuda, cpu"));
        }
        check_range("threads", self.threads as f64, 0.0, 256.0)
    }

    /// Has relative paths lie below `folder`.
    pub fn resolve_paths(&mut self, folder: &Path) {
        for path in [&mut self.library, &mut self.engines].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }
}
