//! The daemon: it starts the stages, watches their heartbeats, and drains on stop.

mod daemon;
mod desk;
mod exhibit;
mod meter;
mod stage;
mod stages;
mod stop;

pub use daemon::{Plan, run};
pub use desk::{Action, Desk};
pub use stage::{Running, Stage};
pub use stop::Stop;
