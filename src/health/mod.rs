//! How the device is: what telemetry says, and what systemd is told.

mod board;
mod notify;
mod telemetry;

pub use board::{memory_mib, temperature};
pub use notify::{Notify, watchdog_period};
pub use telemetry::{CameraState, Fault, Telemetry};
