//! `reverie manual`: the manual pages and shell completions that the package installs.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args as ClapArgs, CommandFactory};
use clap_complete::{Shell, generate_to};

use super::Cli;

/// Write manual pages and shell completions, for packages.
#[derive(ClapArgs)]
pub struct Args {
    /// Folder to create and fill.
    #[arg(value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let written = || format!("writing to {}", args.out.display());
    fs::create_dir_all(&args.out).with_context(written)?;
    clap_mangen::generate_to(Cli::command(), &args.out).with_context(written)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "reverie", &args.out).with_context(written)?;
    }
    Ok(())
}
