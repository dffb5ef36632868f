//! Reverie on real drivers, in a virtual machine: `make test-vm`. [README.md](README.md) says how a test is written.

mod colour;
#[path = "../dream/fuse.rs"]
mod fuse;
mod harness;
mod picture;

mod boot;
mod camera;
mod chaos;
mod formats;
mod hang;
mod kms;
mod package;
mod power;
mod screen;
mod soak;
