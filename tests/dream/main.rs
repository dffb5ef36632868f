//! The dream on the shipped networks: what someone at the mirror, or at the command line, would notice.

mod allocations;
mod cases;
mod clip;
mod command;
mod fade;
mod frames;
mod fuse;
mod led;
mod library;
mod live;
mod mirror;
mod recognition;
mod scene;
