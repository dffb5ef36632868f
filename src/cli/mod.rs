//! The command line: one file a subcommand.

mod atlas;
mod bench;
mod ctl;
mod ctl_watch;
mod devices;
mod doctor;
mod dream;
mod export;
mod flags;
mod healthcheck;
mod load;
mod manual;
mod params;
mod password;
mod provision;
mod restore_console;
mod run;

use clap::{Parser, Subcommand};

/// A dreaming mirror: live DeepDream on camera pictures, controlled over MQTT.
#[derive(Parser)]
#[command(name = "reverie", version, propagate_version = true)]
pub struct Cli {
    /// Log more: -v for debug, -vv for everything. RUST_LOG takes precedence where it is set.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Atlas(atlas::Args),
    Bench(bench::Args),
    Ctl(Box<ctl::Args>),
    Devices(devices::Args),
    Doctor(doctor::Args),
    Dream(Box<dream::Args>),
    Export(Box<export::Args>),
    Healthcheck(healthcheck::Args),
    #[command(hide = true)]
    Manual(manual::Args),
    Params(params::Args),
    Password(password::Args),
    Provision(provision::Args),
    RestoreConsole(restore_console::Args),
    Run(Box<run::Args>),
}

impl Command {
    /// Runs the subcommand to its end.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Atlas(args) => atlas::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Ctl(args) => ctl::run(*args),
            Command::Devices(args) => devices::run(&args),
            Command::Doctor(args) => doctor::run(&args),
            Command::Dream(args) => dream::run(*args),
            Command::Export(args) => export::run(*args),
            Command::Healthcheck(args) => healthcheck::run(&args),
            Command::Manual(args) => manual::run(&args),
            Command::Params(args) => params::run(args),
            Command::Password(args) => password::run(&args),
            Command::Provision(args) => provision::run(args),
            Command::RestoreConsole(args) => restore_console::run(&args),
            Command::Run(args) => run::run(*args),
        }
    }
}

/// Everything was printed already; only the exit code is left.
#[derive(Debug, thiserror::Error)]
#[error("exit code {0}")]
pub struct Exit(pub u8);

/// The caller's mistake: exit code 2 instead of 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);
