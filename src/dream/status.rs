//! What a dreamer reports of itself.

use std::time::Duration;

use crate::runtime::Provider;

/// What the dreamer does at the moment, for telemetry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// What runs the network; none before the first graph is open.
    pub provider: Option<Provider>,
    /// The layer in effect: the last one while the graphs of another are being opened.
    pub layer: String,
    /// Whether those of another are.
    pub awaits_layer: bool,
    /// Working size.
    pub width: usize,
    pub height: usize,
    /// Octaves climbed in a frame, and steps, after the governor and after octaves too small to see are left out.
    pub octaves: u32,
    pub steps: u32,
    /// What the last frame was climbed by.
    pub traffic: Traffic,
    /// How long the last frame took.
    pub frame_time: Duration,
    /// Mean activation over the chosen channels, each with its sign and weight, before the last step.
    pub activation: f64,
}

impl Status {
    /// Bytes that were copied to a GPU and back for the last frame: on the CPU graphs read them where they lie.
    pub fn copied_bytes(&self) -> u64 {
        if self.provider == Some(Provider::Cpu) { 0 } else { self.traffic.bytes }
    }
}

/// What goes to and from graphs in a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Runs of a graph.
    pub runs: u32,
    /// Bytes that these were given and gave: where they do not run on the CPU, so many are copied to their device and back.
    pub bytes: u64,
    /// Whether the last run replayed a CUDA graph.
    pub is_replay: bool,
}

impl Traffic {
    /// One more run.
    pub(super) fn count(&mut self, bytes: usize) {
        self.runs += 1;
        self.bytes += bytes as u64;
    }
}

/// One ascent done: for progress bars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Work done and to do in this frame, in pixels climbed: a step of a fine octave counts more than one of a coarse.
    pub done: u64,
    pub total: u64,
    /// As [`Status::activation`], before this ascent.
    pub activation: f64,
    /// The objective before this ascent, of graphs that have that output.
    pub objective: Option<f32>,
}

/// How much of the layer's dream is in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// As [`Status::activation`].
    pub activation: f64,
    /// The objective, of graphs that have that output.
    pub objective: Option<f32>,
}
