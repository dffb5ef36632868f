//! How the device is: what telemetry says, and what systemd is told.

mod board;
mod jetson;
mod notify;
mod telemetry;

pub use board::{THERMAL, Zone, free_memory, heat, memory_mib, zones};
pub use jetson::{Power, power};
pub use notify::{Notify, is_service, watchdog_period};
pub use telemetry::{CameraState, Fault, Telemetry};
