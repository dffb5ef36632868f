//! The virtual machine, what is put into it, and how the tests control and observe it from outside.

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
pub use mirror::{
    Footprint, Mirror, configure, console_shows_text, daemon_log, install, is_dreaming, main_pid, mirror_of_ramp,
    plain_mirror, shows, shows_a_picture, wait_for_end,
};
pub use operator::Operator;

use std::process::Command;
use std::time::{Duration, Instant};

/// Longer than anything takes that happens at all, emulated on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// Polls `ask` until it gives a value, for [`TIMEOUT`] at most; then the test fails, naming `what`.
pub fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_at_most(TIMEOUT, what, ask)
}

/// As [`wait_for`], until `condition` is true.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// As [`wait_for`], for `limit` at most.
pub fn wait_at_most<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A program of the host, those of `sbin` too, which are outside a plain user's PATH.
pub fn on_host(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

/// Runs a program of the host, which must succeed.
#[track_caller]
pub fn run_on_host(command: &mut Command) {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e} (`deploy/install-tools vm` installs it)"));
    let output = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {output}");
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
