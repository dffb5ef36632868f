//! The daemon: starts the stages, checks their heartbeats, and lets them drain when it stops.

mod boot_card;
mod daemon;
mod display_worker;
mod meter;
mod recognise;
mod reloadable;
mod snapshots;
mod stage;
mod stages;
mod state_file;

pub use daemon::{Plan, run};
pub use stage::{RunningStage, Stage};
pub use state_file::load as load_state;
