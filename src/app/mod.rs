//! The daemon: it starts the stages, watches their heartbeats, and drains on stop.

mod daemon;
mod display_worker;
mod keeper;
mod meter;
mod reloadable;
mod snapshots;
mod stage;
mod stages;

pub use daemon::{Plan, run};
pub use keeper::recall;
pub use stage::{RunningStage, Stage};
