//! What is wrong with a running mirror, and what to do about it: of each part one line, in the words of `reverie doctor`.

use serde::Serialize;

use super::{BrokerStatus, CameraStatus, NetworkStatus, ScreenStatus, Telemetry};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    Warning,
    Failure,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub about: &'static str,
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do; empty where there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Finding {
    pub fn ok(about: &'static str, seen: impl Into<String>) -> Finding {
        Finding { about, verdict: Verdict::Ok, seen: seen.into(), remedy: String::new() }
    }

    pub fn warning(about: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { about, verdict: Verdict::Warning, seen: seen.into(), remedy: remedy.into() }
    }

    pub fn failure(about: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { about, verdict: Verdict::Failure, seen: seen.into(), remedy: remedy.into() }
    }
}

/// What to do, where more than one place says it.
pub const PLUG_IN_CAMERA: &str = "plug one in; it is used at once";
pub const COOL: &str = "a fan, or air around the board";
pub const CHECK_BROKER: &str = "look at mqtt.host and mqtt.port, the cable, and the broker's firewall";
const CHECK_CABLE: &str = "look at the camera's cable; it is opened again by itself";
const CORRECT_FILE: &str = "correct that line; `reverie doctor` checks the file";
const REPORT_FAULT: &str =
    "it was restarted by itself; if it comes again, send the log to whoever maintains the mirror";

/// Everything that can be told of a mirror while it runs.
pub fn findings(now: &Telemetry) -> Vec<Finding> {
    let mut found = vec![camera(now), screen(now), network(now), broker(now)];
    found.extend(heat(now));
    found.extend(now.configuration.as_ref().map(|why| {
        Finding::failure("configuration", format!("wrong, and the last valid one is in effect: {why}"), CORRECT_FILE)
    }));
    found.extend(now.fault.as_ref().map(|fault| Finding::warning("fault", &fault.text, REPORT_FAULT)));
    found
}

fn camera(now: &Telemetry) -> Finding {
    const ABOUT: &str = "camera";
    let seen = now.camera.to_string();
    match now.camera {
        CameraStatus::Unknown => Finding::ok(ABOUT, "being looked for"),
        CameraStatus::NotUsed(_) | CameraStatus::Streaming(_) | CameraStatus::Opening { after_stall: false, .. } => {
            Finding::ok(ABOUT, seen)
        }
        CameraStatus::Absent { .. } => Finding::warning(ABOUT, seen, PLUG_IN_CAMERA),
        CameraStatus::Opening { after_stall: true, .. } | CameraStatus::Stalled { .. } => {
            Finding::warning(ABOUT, seen, CHECK_CABLE)
        }
    }
}

fn screen(now: &Telemetry) -> Finding {
    const ABOUT: &str = "screen";
    match &now.display {
        ScreenStatus::Unknown => Finding::ok(ABOUT, "being looked for"),
        ScreenStatus::Headless(size) => Finding::ok(ABOUT, format!("none: the picture ({size}) is on this page alone")),
        ScreenStatus::Present(name) => Finding::ok(ABOUT, name),
    }
}

fn network(now: &Telemetry) -> Finding {
    const ABOUT: &str = "network";
    match now.provider {
        NetworkStatus::Opening => Finding::ok(ABOUT, "being opened"),
        NetworkStatus::RunsOn(provider) => {
            Finding::ok(ABOUT, format!("{}x{} on {provider}, {:.1} dreams a second", now.width, now.height, now.fps))
        }
    }
}

fn broker(now: &Telemetry) -> Finding {
    const ABOUT: &str = "broker";
    let seen = now.broker.to_string();
    match now.broker {
        BrokerStatus::Unknown => Finding::ok(ABOUT, "none"),
        BrokerStatus::Connected(_) => Finding::ok(ABOUT, seen),
        BrokerStatus::Unreachable(_) | BrokerStatus::Unusable { .. } => Finding::warning(ABOUT, seen, CHECK_BROKER),
    }
}

fn heat(now: &Telemetry) -> Option<Finding> {
    const ABOUT: &str = "heat";
    let seen = format!("{:.0} °C", now.heat.temperature?);
    Some(match now.heat.headroom {
        Some(..=0.0) => Finding::warning(ABOUT, format!("{seen}: it throttles"), COOL),
        Some(..5.0) => Finding::warning(ABOUT, format!("{seen}, near throttling"), COOL),
        _ => Finding::ok(ABOUT, seen),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Fault, Heat};

    fn verdicts(now: &Telemetry) -> Vec<(&'static str, Verdict)> {
        findings(now).into_iter().map(|found| (found.about, found.verdict)).collect()
    }

    #[test]
    fn a_mirror_that_is_well_has_nothing_to_be_done() {
        let now = Telemetry {
            camera: CameraStatus::Streaming("/dev/video0".to_owned()),
            broker: BrokerStatus::Connected("localhost:1883".to_owned()),
            heat: Heat { temperature: Some(50.0), headroom: Some(30.0) },
            ..Telemetry::default()
        };
        assert!(findings(&now).iter().all(|found| found.verdict == Verdict::Ok && found.remedy.is_empty()));
    }

    #[test]
    fn every_fault_comes_with_what_to_do() {
        let now = Telemetry {
            camera: CameraStatus::Absent { reason: None, stand_in: None },
            broker: BrokerStatus::Unreachable("localhost:1883".to_owned()),
            heat: Heat { temperature: Some(96.0), headroom: Some(1.0) },
            configuration: Some("line 3".to_owned()),
            fault: Some(Fault { number: 1, text: "source: a bug".to_owned() }),
            ..Telemetry::default()
        };
        let wrong: Vec<_> = verdicts(&now).into_iter().filter(|(_, verdict)| *verdict != Verdict::Ok).collect();
        let expected = [
            ("camera", Verdict::Warning),
            ("broker", Verdict::Warning),
            ("heat", Verdict::Warning),
            ("configuration", Verdict::Failure),
            ("fault", Verdict::Warning),
        ];
        assert_eq!(wrong, expected);
        assert!(findings(&now).iter().all(|found| (found.verdict == Verdict::Ok) == found.remedy.is_empty()));
    }
}
