//! `reverie`: parse, set up the log, dispatch, exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use reverie::cli::{BadInput, Cli};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // From 1.29 on ONNX Runtime reports to its makers over the network, and what its interface offers against it
    // (`with_telemetry(false)`) leaves the sender running: this alone, set before it is loaded, keeps it still.
    // SAFETY: no other thread was started that could read the environment meanwhile.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    let cli = Cli::parse();
    let level = ["info", "debug", "trace"][usize::from(cli.verbose.min(2))];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("warn,reverie={level}")));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colours)
        .init();
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reverie: {error:#}");
            ExitCode::from(if error.is::<BadInput>() { 2 } else { 1 })
        }
    }
}
