//! `reverie restore-console`: restores the text console after the daemon was killed.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;

use crate::display::vt;

/// Let the text console draw on the screen again, after a `run` that was killed before it could restore it.
///
/// The systemd unit does this whenever the service has ended (ExecStopPost). It does nothing where the console is as it should be.
#[derive(ClapArgs)]
pub struct Args {
    /// The terminal; /dev/tty0 is the one in the foreground.
    #[arg(default_value = "/dev/tty0", value_name = "TTY")]
    tty: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let hint = "that takes the terminal itself, or root";
    vt::restore(&args.tty).with_context(|| format!("{} cannot be set to text ({hint})", args.tty.display()))
}
