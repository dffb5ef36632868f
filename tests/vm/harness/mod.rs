//! The machine, what is put into it, and how it is looked at from outside.

mod agent;
mod cache;
mod camera;
mod emulator;
mod lines;
mod machine;
mod mirror;
mod operator;
pub mod payload;
mod qmp;
pub mod vnc;

pub use camera::{JpegCamera, Vivid};
pub use machine::{Disks, Hardware, Kernel, Machine, Screen};
pub use mirror::{Footprint, Mirror, console_shows_text, install, main_pid, mirror_of_ramp, wait_for_end};
pub use operator::Operator;

use std::process::Command;
use std::time::{Duration, Instant};

/// Longer than anything takes that comes at all, emulated on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again and again until there is an answer, for [`PATIENCE`] at most; says what did not come.
pub fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_at_most(PATIENCE, what, ask)
}

/// As [`wait_for`], for `patience` at most.
pub fn wait_at_most<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A program of the host, those of `sbin` too, which are outside a plain user's PATH.
pub fn on_host(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

/// One test for each kernel: `linux_6::name` and `linux_7::name`, which call `name` with the kernel.
macro_rules! on_each_kernel {
    ($($name:ident),+ $(,)?) => {
        mod linux_6 {
            $(#[test]
            fn $name() {
                super::$name(crate::harness::Kernel::Linux6);
            })+
        }
        mod linux_7 {
            $(#[test]
            fn $name() {
                super::$name(crate::harness::Kernel::Linux7);
            })+
        }
    };
}
pub(crate) use on_each_kernel;
