//! Execution providers: what a graph can run on.

use std::fmt;
use std::str::FromStr;

use ort::ep::{ArenaExtendStrategy, CUDA, ExecutionProvider as _, TensorRT};
use ort::session::builder::SessionBuilder;

use super::engines::Place;
use crate::text::excerpt;

/// What a graph runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// NVIDIA TensorRT: fastest on a Jetson, minutes to build an engine.
    TensorRt,
    /// NVIDIA CUDA.
    Cuda,
    /// ONNX Runtime's own, on every machine.
    Cpu,
}

/// The name is not that of a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an execution provider; there are: tensorrt, cuda, cpu")]
pub struct UnknownProvider(String);

impl Provider {
    /// Every provider, in the order they are tried where nobody says otherwise.
    pub const ALL: [Provider; 3] = [Provider::TensorRt, Provider::Cuda, Provider::Cpu];

    /// The name ONNX Runtime writes into its profiles.
    pub(super) fn ort_name(self) -> &'static str {
        match self {
            Provider::TensorRt => "TensorrtExecutionProvider",
            Provider::Cuda => "CUDAExecutionProvider",
            Provider::Cpu => "CPUExecutionProvider",
        }
    }

    /// Whether the loaded library was built with it.
    pub(super) fn is_built_in(self) -> bool {
        let answer = match self {
            Provider::TensorRt => TensorRT::is_available(),
            Provider::Cuda => CUDA::is_available(),
            Provider::Cpu => Ok(true),
        };
        answer.unwrap_or(false)
    }

    /// Adds this provider to a session that is being built, TensorRT with its engine at this place; where it `is_captured`, each run
    /// replays the first as one CUDA graph. One that is compiled in may still fail here, for want of a driver or a library.
    pub(super) fn register(
        self,
        builder: &mut SessionBuilder,
        fp16: bool,
        engine: Option<&Place>,
        is_captured: bool,
    ) -> ort::Result<()> {
        match self {
            Provider::TensorRt => {
                tensorrt(fp16, engine).with_cuda_graph(is_captured).register(builder)?;
                // What TensorRT leaves over is better on the same chip than copied back; without CUDA it goes to the CPU.
                if let Err(e) = cuda().register(builder) {
                    tracing::debug!("no CUDA beside TensorRT: {e}");
                }
                Ok(())
            }
            Provider::Cuda => cuda().with_cuda_graph(is_captured).register(builder),
            // Always there, after all others.
            Provider::Cpu => Ok(()),
        }
    }
}

/// TensorRT, which keeps its engine at `engine`, where that is given.
fn tensorrt(fp16: bool, engine: Option<&Place>) -> TensorRT {
    let tensorrt = TensorRT::default().with_fp16(fp16);
    match engine {
        None => tensorrt,
        Some(place) => tensorrt
            .with_engine_cache(true)
            .with_engine_cache_path(place.engine.display())
            .with_timing_cache(true)
            .with_timing_cache_path(place.timing.display()),
    }
}

/// CUDA, taking no more memory than it needs: by default it takes it in steps that double, and keeps what is too much.
fn cuda() -> CUDA {
    CUDA::default().with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Provider::TensorRt => "tensorrt",
            Provider::Cuda => "cuda",
            Provider::Cpu => "cpu",
        })
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Provider, UnknownProvider> {
        Provider::ALL
            .into_iter()
            .find(|p| p.to_string().eq_ignore_ascii_case(name.trim()))
            .ok_or_else(|| UnknownProvider(excerpt(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_they_print() {
        for provider in Provider::ALL {
            assert_eq!(provider.to_string().parse(), Ok(provider));
            assert_eq!(serde_json::to_value(provider).unwrap(), serde_json::json!(provider.to_string()));
        }
        assert_eq!(
            "gpu".parse::<Provider>().unwrap_err().to_string(),
            "`gpu` is not an execution provider; there are: tensorrt, cuda, cpu"
        );
    }
}
