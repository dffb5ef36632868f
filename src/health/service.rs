//! What the service says of itself on its own machine: a line for `systemctl status`, and a file for `reverie healthcheck`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{NetworkStatus, Telemetry};
use crate::files::{self, Rights};

/// What the unit's `RuntimeDirectory=` is. systemd removes it when the service ends, so that no file outlives who wrote it.
pub const RUNTIME_DIR: &str = "/run/reverie";
const RECORD: &str = "status.json";
/// Follows the rate in the status line. Health checks before the record read the rate in front of it: neither may change.
const RATE_UNIT: &str = " dreams a second";

/// What `reverie healthcheck` has to know. Keys are only ever added: after an update either side may be the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// Dreams came within the last seconds, or would have but for a pause.
    pub dreaming: bool,
}

impl ServiceRecord {
    pub fn of(now: &Telemetry, is_paused: bool) -> ServiceRecord {
        ServiceRecord { dreaming: now.provider != NetworkStatus::Opening && (now.fps > 0.0 || is_paused) }
    }

    /// None where there is none: no service, or one older than the record.
    pub fn read(folder: &Path) -> Option<ServiceRecord> {
        serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()
    }

    /// For everybody to read. Where it cannot be written, none is left: an old one would be believed.
    pub fn write(self, folder: &Path) -> io::Result<()> {
        let file = folder.join(RECORD);
        let written = files::write_whole(&file, &serde_json::to_vec(&self)?, Rights::ALL, None);
        if written.is_err() {
            let _ = fs::remove_file(file);
        }
        written
    }
}

/// The folder that systemd made for this service; none where it is run by hand.
pub fn runtime_dir() -> Option<PathBuf> {
    std::env::var_os("RUNTIME_DIRECTORY").and_then(|folders| std::env::split_paths(&folders).next())
}

/// The line for `systemctl status`.
pub fn status_line(now: &Telemetry) -> String {
    let camera = &now.camera;
    if now.provider == NetworkStatus::Opening {
        return format!("opening the network; camera {camera}");
    }
    let (fps, width, height, provider) = (now.fps, now.width, now.height, now.provider);
    let digits = if fps < 10.0 { 1 } else { 0 };
    format!("{fps:.digits$}{RATE_UNIT} at {width}x{height} on {provider}; camera {camera}")
}

/// Whether a service without a record dreams, by its status line.
pub fn line_says_dreaming(line: &str) -> bool {
    let rate = line.split_once(RATE_UNIT).and_then(|(rate, _)| rate.parse::<f64>().ok());
    rate.is_some_and(|rate| rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::CameraStatus;
    use crate::runtime::Provider;

    fn dreaming(fps: f64) -> Telemetry {
        Telemetry {
            fps,
            provider: NetworkStatus::RunsOn(Provider::Cpu),
            width: 160,
            height: 96,
            camera: CameraStatus::Streaming("/dev/video0".to_owned()),
            ..Telemetry::default()
        }
    }

    #[test]
    fn an_older_health_check_understands_this_service() {
        assert_eq!(status_line(&dreaming(7.94)), "7.9 dreams a second at 160x96 on cpu; camera streaming /dev/video0");
        assert_eq!(status_line(&dreaming(12.4)), "12 dreams a second at 160x96 on cpu; camera streaming /dev/video0");
        let opening = Telemetry { provider: NetworkStatus::Opening, ..dreaming(0.0) };
        assert!(!ServiceRecord::of(&opening, true).dreaming);
        assert_eq!(status_line(&opening), "opening the network; camera streaming /dev/video0");
    }

    #[test]
    fn this_health_check_understands_an_older_service() {
        assert!(line_says_dreaming("0.4 dreams a second at 160x96 on cpu; camera absent"));
        for silent in ["0.0 dreams a second at 160x96 on cpu; camera absent", "opening the network; camera absent", ""]
        {
            assert!(!line_says_dreaming(silent), "{silent}");
        }
    }

    #[test]
    fn what_the_service_records_is_read_and_a_newer_ones_keys_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ServiceRecord::read(folder.path()), None);
        // Paused by a person or the configuration, a system is no worse.
        for (fps, is_paused, expected) in [(0.0, false, false), (0.2, false, true), (0.0, true, true)] {
            ServiceRecord::of(&dreaming(fps), is_paused).write(folder.path()).unwrap();
            assert_eq!(ServiceRecord::read(folder.path()), Some(ServiceRecord { dreaming: expected }));
        }
        let write = |text: &str| fs::write(folder.path().join("status.json"), text).unwrap();
        write("{\"dreaming\": true, \"mood\": \"calm\"}");
        assert!(ServiceRecord::read(folder.path()).unwrap().dreaming);
        write("{\"drea");
        assert_eq!(ServiceRecord::read(folder.path()), None);
    }
}
