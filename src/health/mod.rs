//! How the device is: statuses, telemetry, and what systemd is told.

mod board;
mod findings;
mod history;
mod jetson;
mod notify;
mod service;
mod status;
mod telemetry;

pub use board::{Heat, THERMAL_DIR, ThermalZone, free_memory, memory_mib, thermal_zones};
pub use findings::{CHECK_BROKER, COOL, Finding, PLUG_IN_CAMERA, Verdict, findings};
pub use history::History;
pub use jetson::{Power, power};
pub use notify::{SystemdNotifier, is_service, watchdog_period};
pub use service::{RUNTIME_DIR, ServiceRecord, line_says_dreaming};
pub use status::{BrokerStatus, CameraState, CameraStatus, NetworkStatus, ScreenStatus};
pub use telemetry::{Fault, Telemetry};
