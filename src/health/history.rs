//! The figures of the last hour.

use std::collections::VecDeque;

use serde::Serialize;

use super::Telemetry;

/// Between two entries, seconds.
pub const INTERVAL: u64 = 10;
/// An hour of them.
const MAX_ENTRIES: usize = 360;

/// A figure for each entry, the oldest first, each list as long as the others.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct History {
    /// Seconds between two entries.
    interval: u64,
    /// Dreams a second.
    fps: VecDeque<f64>,
    /// Pictures a second.
    picture_fps: VecDeque<f64>,
    /// Milliseconds from the camera to the screen; null where there is no screen.
    latency_ms: VecDeque<Option<f64>>,
    /// °C of the hottest zone; null where the board does not say.
    temperature: VecDeque<Option<f64>>,
    /// Resident memory, MiB.
    memory_mib: VecDeque<f64>,
    #[serde(skip)]
    entered: Option<u64>,
}

impl History {
    /// Enters `now`, where that is due.
    pub fn enter(&mut self, now: &Telemetry) {
        if self.entered.is_some_and(|entered| now.uptime_s < entered + INTERVAL) {
            return;
        }
        self.entered = Some(now.uptime_s);
        self.interval = INTERVAL;
        enter(&mut self.fps, round(now.fps));
        enter(&mut self.picture_fps, round(now.picture_fps));
        enter(&mut self.latency_ms, now.latency_ms.map(round));
        enter(&mut self.temperature, now.heat.temperature.map(round));
        enter(&mut self.memory_mib, round(now.memory_mib));
    }
}

fn enter<T>(list: &mut VecDeque<T>, value: T) {
    if list.len() == MAX_ENTRIES {
        list.pop_front();
    }
    list.push_back(value);
}

/// Finer is no use in a plot, and more to send.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        for uptime_s in 0..5000 {
            history.enter(&Telemetry { uptime_s, fps: uptime_s as f64, ..Telemetry::default() });
        }
        let json = serde_json::to_value(&history).unwrap();
        let fps = json["fps"].as_array().unwrap();
        assert_eq!((fps.len(), fps[0].as_f64(), fps[359].as_f64()), (360, Some(1400.0), Some(4990.0)));
        assert_eq!(json["latency_ms"].as_array().unwrap().len(), 360);
        assert_eq!(json["interval"], 10);
    }
}
