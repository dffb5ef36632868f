//! The figures that go out every ten seconds, gathered from all stages.

use super::Power;
use serde::Serialize;

/// What the camera does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// None is there that could be used.
    Absent,
    /// It was opened, and its first picture is waited for.
    Opening,
    Streaming,
    /// It is there and sent nothing any more; it is opened anew.
    Stalled,
}

/// A bug that was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Tells it from the one before: how many restarts there had been.
    pub number: u64,
    pub text: String,
}

/// The device's state at one moment. Stages write their own fields; `remote/` and `console/` send the whole.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Telemetry {
    /// Dream frames a second over the last seconds.
    pub fps: f64,
    /// Median and 99th percentile of the time one dream frame takes, milliseconds.
    pub frame_ms_p50: f64,
    pub frame_ms_p99: f64,
    /// Pictures a second that camera and dream are put together to, and the median time that one takes, milliseconds.
    pub picture_fps: f64,
    pub picture_ms_p50: f64,
    /// The size they have, pixels.
    pub canvas_width: usize,
    pub canvas_height: usize,
    /// From a picture's light on the sensor to the screen, milliseconds: the median of the last seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// From the last command that changed what is dreamed to the first picture on the screen that follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_ms: Option<f64>,
    /// The execution provider that runs the network: `tensorrt`, `cuda` or `cpu`.
    pub provider: String,
    /// Working size of the dream, pixels.
    pub width: usize,
    pub height: usize,
    /// Octaves and steps in effect, after the governor.
    pub octaves: u32,
    pub steps: u32,
    /// What the source does: `streaming /dev/video0`, `absent`, `still photo.jpg` …
    pub camera: String,
    /// `absent`, `opening`, `streaming` or `stalled`, where there is to be a camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_state: Option<CameraState>,
    /// Where the picture goes: `kms /dev/dri/card0 HDMI-A-1 1920x1080@60`, `headless` …
    pub display: String,
    /// Pictures that the screen did not show in time, and screens lost, since the start.
    pub display_late: u64,
    pub display_lost: u64,
    /// Whether there is a broker: `connected to localhost:1883`, `none at localhost:1883`; empty before it is known.
    pub broker: String,
    /// The hottest thermal zone, °C, where the board tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// How far the nearest zone is from being slowed down, °C, where the board tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heat_room: Option<f64>,
    /// A Jetson's.
    #[serde(flatten)]
    pub power: Power,
    /// Resident memory of the process, MiB.
    pub memory_mib: f64,
    /// Seconds since start.
    pub uptime_s: u64,
    /// Frames dropped between the stages because a newer one came.
    pub drops: u64,
    /// Times a stage failed and was started anew.
    pub restarts: u64,
    /// The last of our own bugs that a stage was started anew for, where there was any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Why the configuration's file is not in effect, where it is wrong: the last one that was right is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// Commands taken since the start, and those of a flood that were left out because a newer one came.
    pub commands: u64,
    pub commands_superseded: u64,
    /// Mean activation over the chosen channels before the last step: what the ascent pushes up.
    pub activation: f64,
}
