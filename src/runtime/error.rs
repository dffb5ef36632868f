//! What can go wrong between us and ONNX Runtime, and what mends it.

use std::path::PathBuf;

use super::library::OLDEST_MINOR;

/// Why the network runtime cannot be used, or why a graph failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error(
        "ONNX Runtime is not installed (looked for {searched}); run `deploy/fetch-onnxruntime`, or name the library with `--onnxruntime`, the config key `onnxruntime` or ORT_DYLIB_PATH"
    )]
    Missing { searched: String },
    #[error(
        "{path} ({named_by}) cannot be used as ONNX Runtime: {reason}; run `deploy/fetch-onnxruntime` for one that can"
    )]
    Library { path: PathBuf, named_by: &'static str, reason: String },
    #[error(
        "{path} is ONNX Runtime {version}, too old: 1.{OLDEST_MINOR} is the oldest that works; run `deploy/fetch-onnxruntime` for a newer one"
    )]
    TooOld { path: PathBuf, version: String },
    #[error("ONNX Runtime {loaded} is loaded already; a process cannot change to {wanted}, start it anew")]
    AnotherLoaded { loaded: PathBuf, wanted: PathBuf },
    #[error("ONNX Runtime cannot start: {reason}")]
    Start { reason: String },
    /// The library was built without the provider, or what it links to is not installed.
    #[error("the execution provider is not there: {reason}")]
    Absent { reason: String },
    #[error("no execution provider can run {graph}: {reasons}")]
    NoProvider { graph: PathBuf, reasons: String },
    #[error("{graph} is not a graph this version can run: {reason}; export the pack again with this version")]
    Graph { graph: PathBuf, reason: String },
    #[error(transparent)]
    Compose(#[from] crate::compose::ComposeError),
    #[error("running {graph} on {provider} failed: {reason}")]
    Run { graph: PathBuf, provider: super::Provider, reason: String },
    /// From then on none is recorded.
    #[error("no CUDA graph of {graph} can be recorded: {reason}")]
    NotRecorded { graph: PathBuf, reason: String },
}
