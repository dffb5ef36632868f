//! `/metrics`: the telemetry as Prometheus reads it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::health::{BrokerStatus, CameraState, CameraStatus, NetworkStatus, ScreenStatus, Telemetry};

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Value = Gauge<f64, AtomicU64>;

/// The figures of this moment. Names and meanings are a contract: `deploy/reference/metrics.md`.
pub fn text(now: &Telemetry, device: &str) -> String {
    let mut registry = Registry::with_prefix("reverie");
    let about = Info::new([("device", device.to_owned()), ("version", env!("CARGO_PKG_VERSION").to_owned())]);
    registry.register("mirror", "Which mirror this is, and its version", about);
    for (name, help, unit, value) in rows(now) {
        let gauge = Value::default();
        gauge.set(value);
        match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, gauge),
            None => registry.register(name, help, gauge),
        }
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

type Row = (&'static str, &'static str, Option<Unit>, f64);

/// Those that are known: a board that reports no temperature has no row for it.
fn rows(now: &Telemetry) -> Vec<Row> {
    let is = |yes: bool| if yes { 1.0 } else { 0.0 };
    let seconds = |ms: f64| ms / 1000.0;
    let mib = 1024.0 * 1024.0;
    let camera = match now.camera {
        CameraStatus::NotUsed(_) | CameraStatus::Unknown => None,
        _ => Some(is(now.camera.state() == Some(CameraState::Streaming))),
    };
    let broker = match now.broker {
        BrokerStatus::Unknown => None,
        BrokerStatus::Connected(_) => Some(1.0),
        BrokerStatus::Unreachable(_) | BrokerStatus::Unusable { .. } => Some(0.0),
    };
    let always = [
        ("dreams_per_second", "Dreams a second, over the last seconds", None, now.fps),
        ("pictures_per_second", "Pictures a second in which camera and dream are put together", None, now.picture_fps),
        ("dream_median", "Median time that a dream takes", Some(Unit::Seconds), seconds(now.frame_ms_p50)),
        ("dream_p99", "99th percentile of the time that a dream takes", Some(Unit::Seconds), seconds(now.frame_ms_p99)),
        ("picture_median", "Median time that a picture takes", Some(Unit::Seconds), seconds(now.picture_ms_p50)),
        ("ready", "Whether the network is open", None, is(now.provider != NetworkStatus::Opening)),
        ("working_pixels", "Pixels that the network works on", None, (now.width * now.height) as f64),
        ("screen", "Whether there is a screen", None, is(matches!(now.display, ScreenStatus::Present(_)))),
        ("screen_late_pictures", "Pictures not shown in time, since the start", None, now.display_late as f64),
        ("screens_lost", "Screens lost, since the start", None, now.display_lost as f64),
        ("memory", "Resident memory", Some(Unit::Bytes), now.memory_mib * mib),
        ("uptime", "Time since the start", Some(Unit::Seconds), now.uptime_s as f64),
        ("dropped_pictures", "Pictures dropped because a newer one came, since the start", None, now.drops as f64),
        ("stage_restarts", "Stages that failed and were restarted, since the start", None, now.restarts as f64),
        ("configuration_valid", "Whether the configuration file is in effect", None, is(now.configuration.is_none())),
        ("commands", "Commands handled, since the start", None, now.commands as f64),
        ("activation", "Of the chosen neurons, before the last step", None, now.activation),
    ];
    let sometimes = [
        ("camera_streaming", "Whether the camera sends pictures", None, camera),
        ("broker_connected", "Whether there is a broker", None, broker),
        ("latency", "From the camera to the screen, median", Some(Unit::Seconds), now.latency_ms.map(seconds)),
        ("temperature", "Of the hottest zone", Some(Unit::Celsius), now.heat.temperature),
        ("heat_room", "How far the nearest zone is from throttling", Some(Unit::Celsius), now.heat.headroom),
    ];
    let known = sometimes.into_iter().filter_map(|(name, help, unit, value)| Some((name, help, unit, value?)));
    always.into_iter().chain(known).collect()
}
