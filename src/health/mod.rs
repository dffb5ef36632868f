//! How the device is: what telemetry says, and what systemd is told.

mod board;
mod jetson;
mod notify;
mod telemetry;

pub use board::{THERMAL_DIR, ThermalZone, free_memory, heat, memory_mib, thermal_zones};
pub use jetson::{Power, power};
pub use notify::{SystemdNotifier, is_service, watchdog_period};
pub use telemetry::{CameraState, Fault, Telemetry};
