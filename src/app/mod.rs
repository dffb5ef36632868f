//! The daemon: it starts the stages, watches their heartbeats, and drains on stop.

mod daemon;
mod desk;
mod exhibit;
mod keeper;
mod meter;
mod snapshots;
mod stage;
mod stages;
mod stop;

pub use daemon::{Plan, run};
pub use desk::{Desk, direct};
pub use keeper::recall;
pub use stage::{Running, Stage};
pub use stop::{Stop, told};
