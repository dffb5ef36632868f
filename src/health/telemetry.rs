//! The figures that are published every ten seconds, gathered from all stages. As JSON they are a contract:
//! `deploy/reference/mqtt.md`.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::recognition::Sight;

use super::{BrokerStatus, CameraStatus, Heat, NetworkStatus, Power, ScreenStatus};

/// A panic of one of the stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Distinguishes it from the one before: how many restarts there had been.
    pub number: u64,
    pub text: String,
}

/// The device's state at one moment. Each stage writes its own fields; `remote/` and `console/` send the whole.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Telemetry {
    /// Dreams per second over the last seconds.
    pub fps: f64,
    /// Median and 99th percentile of the time one dream takes, milliseconds.
    pub frame_ms_p50: f64,
    pub frame_ms_p99: f64,
    /// Pictures composed per second from camera and dream, and the median time one takes, milliseconds.
    pub picture_fps: f64,
    pub picture_ms_p50: f64,
    /// Their size, pixels.
    pub canvas_width: usize,
    pub canvas_height: usize,
    /// From the light on the camera's sensor to the screen, milliseconds: the median of the last seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// From the last command that changed the dream to the first picture on the screen that shows it, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_ms: Option<f64>,
    /// The execution provider that runs the network.
    #[serde(serialize_with = "as_text")]
    pub provider: NetworkStatus,
    /// Working size of the dream, pixels.
    pub width: usize,
    pub height: usize,
    /// Octaves and steps in effect, after the governor.
    pub octaves: u32,
    pub steps: u32,
    /// `camera`, and `camera_state` where a camera is wanted.
    #[serde(flatten)]
    pub camera: CameraStatus,
    #[serde(serialize_with = "as_text")]
    pub display: ScreenStatus,
    /// Pictures that the screen did not show in time, and screens lost, since the start.
    pub display_late: u64,
    pub display_lost: u64,
    #[serde(serialize_with = "as_text")]
    pub broker: BrokerStatus,
    #[serde(flatten)]
    pub heat: Heat,
    /// A Jetson's.
    #[serde(flatten)]
    pub power: Power,
    /// Resident memory of the process, MiB.
    pub memory_mib: f64,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Pictures that the display never took because a newer one came.
    pub drops: u64,
    /// Times a stage failed and was restarted.
    pub restarts: u64,
    /// The last panic that a stage was restarted for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Why the configuration file is not in effect, where it is wrong: the last valid one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// Commands accepted since the start, and those of a flood that were dropped because a newer one came.
    pub commands: u64,
    pub commands_superseded: u64,
    /// Mean activation over the chosen channels before the last step: what the ascent increases.
    pub activation: f64,
    /// Runs of a graph that the last dream took, and bytes that were copied to a GPU and back for it.
    pub graph_runs: u32,
    pub copied_bytes: u64,
    /// What the network recognises in the camera's picture and in the dream, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recognition: Option<Sight>,
}

fn as_text<S: Serializer>(status: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Provider;
    use crate::size::Size;

    /// As versions before typed statuses sent it, to the byte.
    #[test]
    fn programs_that_read_the_telemetry_find_every_field_where_it_was() {
        let mut now = Telemetry::default();
        let camera = |now: &Telemetry| {
            let json = serde_json::to_value(now).unwrap();
            (json["camera"].as_str().unwrap().to_owned(), json.get("camera_state").cloned().unwrap_or_default())
        };
        assert_eq!(
            serde_json::to_string(&now).unwrap(),
            "{\"fps\":0.0,\"frame_ms_p50\":0.0,\"frame_ms_p99\":0.0,\"picture_fps\":0.0,\"picture_ms_p50\":0.0,\
             \"canvas_width\":0,\"canvas_height\":0,\"provider\":\"\",\"width\":0,\"height\":0,\"octaves\":0,\"steps\":0,\
             \"camera\":\"\",\"display\":\"\",\"display_late\":0,\"display_lost\":0,\"broker\":\"\",\"memory_mib\":0.0,\
             \"uptime_s\":0,\"drops\":0,\"restarts\":0,\"commands\":0,\"commands_superseded\":0,\"activation\":0.0,\
             \"graph_runs\":0,\"copied_bytes\":0}"
        );
        now.provider = NetworkStatus::RunsOn(Provider::TensorRt);
        now.camera = CameraStatus::Streaming("/dev/video0".to_owned());
        now.display = ScreenStatus::Headless(Size { width: 1280, height: 720 });
        now.broker = BrokerStatus::Connected("localhost:1883".to_owned());
        now.heat = Heat { temperature: Some(61.5), headroom: Some(36.0) };
        let told = serde_json::to_string(&now).unwrap();
        for part in [
            "\"provider\":\"tensorrt\",",
            "\"camera\":\"streaming /dev/video0\",\"camera_state\":\"streaming\",\"display\":\"headless 1280x720\",",
            "\"broker\":\"connected to localhost:1883\",\"temperature\":61.5,\"heat_room\":36.0,\"memory_mib\"",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        let stand_in = || Some("folder photos".to_owned());
        let lost = || "/dev/video0: no picture".to_owned();
        for (status, text, state) in [
            (CameraStatus::NotUsed("test pattern".to_owned()), "test pattern", None),
            (CameraStatus::Absent { reason: None, stand_in: None }, "absent", Some("absent")),
            (
                CameraStatus::Absent { reason: None, stand_in: stand_in() },
                "absent, folder photos instead",
                Some("absent"),
            ),
            (
                CameraStatus::Absent { reason: Some("sh: it ended".to_owned()), stand_in: None },
                "absent: sh: it ended",
                Some("absent"),
            ),
            (CameraStatus::Opening { camera: "sh".to_owned(), after_stall: false }, "opening sh", Some("opening")),
            (CameraStatus::Opening { camera: "sh".to_owned(), after_stall: true }, "opening sh", Some("stalled")),
            (
                CameraStatus::Stalled { reason: lost(), stand_in: None },
                "stalled: /dev/video0: no picture",
                Some("stalled"),
            ),
            (
                CameraStatus::Stalled { reason: lost(), stand_in: stand_in() },
                "absent, folder photos instead",
                Some("stalled"),
            ),
        ] {
            now.camera = status;
            assert_eq!(camera(&now), (text.to_owned(), serde_json::json!(state)));
        }
        now.broker = BrokerStatus::Unreachable("localhost:1883".to_owned());
        assert_eq!(serde_json::to_value(&now).unwrap()["broker"], "none at localhost:1883");
        let (address, reason) = ("localhost:1883".to_owned(), "it speaks MQTT 3.1.1 only".to_owned());
        now.broker = BrokerStatus::Unusable { address, reason };
        let text = "cannot be used at localhost:1883: it speaks MQTT 3.1.1 only";
        assert_eq!(serde_json::to_value(&now).unwrap()["broker"], text);
    }
}
