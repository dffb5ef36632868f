//! `reverie`: parse, set up the log, dispatch, exit code.

use std::backtrace::Backtrace;
use std::io::{IsTerminal, Write};
use std::panic::PanicHookInfo;

use clap::Parser;
use reverie::cli::{BadInput, Cli, Exit};
use reverie::log_tail::TailLayer;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

fn main() {
    // From 1.29 on ONNX Runtime reports to its makers over the network, and what its interface offers against it
    // (`with_telemetry(false)`) leaves the sender running: this alone, set before it is loaded, keeps it still.
    // SAFETY: no other thread was started that could read the environment meanwhile.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    let cli = Cli::parse();
    let level = ["info", "debug", "trace"][usize::from(cli.verbose.min(2))];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("warn,reverie={level}")));
    listen(filter);
    std::panic::set_hook(Box::new(report_panic));
    let code = match cli.command.run() {
        Ok(()) => 0,
        Err(error) => code_of(&error),
    };
    let _ = std::io::stdout().flush();
    exit_at_once(code)
}

/// Ends the process without the destructors of libraries. `exit` would run them, ONNX Runtime's among them, under threads that are still
/// opening graphs or building engines there: one in three such ends was a crash.
fn exit_at_once(code: u8) -> ! {
    // SAFETY: _exit is always allowed; what was to be written and closed has been.
    unsafe { libc::_exit(code.into()) }
}

/// The exit code for `error`, which is told where it was not yet.
fn code_of(error: &anyhow::Error) -> u8 {
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return exit.0;
    }
    eprintln!("reverie: {error:#}");
    if error.is::<BadInput>() { 2 } else { 1 }
}

/// Log lines go to the journal, with their fields, where systemd has it listen to this process; else to stderr.
fn listen(filter: EnvFilter) {
    // Set by systemd for whose stderr it reads: other processes may write to the journal too, but nobody expects them to.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let is_journal = journal.is_some() && !std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(filter)
        .with(TailLayer)
        .with(journal.filter(|_| is_journal).map(|journal| journal.with_field_prefix(Some("REVERIE".to_owned()))))
        .with((!is_journal).then_some(lines))
        .init();
}

/// A bug of ours, told with all that helps to find it. Stages are started again by whoever runs them.
fn report_panic(panic: &PanicHookInfo) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("without a word");
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let backtrace = Backtrace::force_capture().to_string();
    tracing::error!(thread, place, backtrace, "thread {thread} panicked at {place}: {message}");
}
