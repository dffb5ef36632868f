//! `reverie doctor`: checks everything a mirror needs; each finding comes with its remedy.

mod board;
mod program;
mod service;

use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

pub use service::service_state;

use super::Exit;
use crate::config::Config;
pub use crate::health::{Finding, Verdict};

/// Check everything a mirror needs, and say what is wrong and what to do.
///
/// Nothing is shown or changed, so that it may run beside the daemon. As root it judges for the service, else for the
/// caller.
#[derive(ClapArgs)]
#[command(after_long_help = EXIT)]
pub struct Args {
    /// Configuration file [default: /etc/reverie/reverie.toml where it exists].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

const EXIT: &str = "\
Exit code: 0 where all is well, 1 where there are warnings, 2 where something keeps it from dreaming as configured.";

pub fn run(args: &Args) -> anyhow::Result<()> {
    let findings = examine(args.config.as_deref().map(PathBuf::from));
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        print(&findings);
    }
    match findings.iter().map(|finding| finding.verdict).max() {
        None | Some(Verdict::Ok) => Ok(()),
        Some(Verdict::Warning) => Err(Exit(1).into()),
        Some(Verdict::Failure) => Err(Exit(2).into()),
    }
}

/// One line for each, and one for what to do.
pub fn print(findings: &[Finding]) {
    let colours = std::io::stdout().is_terminal();
    findings.iter().for_each(|finding| print!("{}", Line { finding, colours }));
}

/// Checks what an installation brings: configuration, packs, library, network.
pub fn examine_program(named: Option<&Path>) -> (Config, Vec<Finding>) {
    let (config, mut findings) = program::configuration(named);
    findings.extend(program::network(&config, Config::file(named)));
    (config, findings)
}

/// Checks everything.
fn examine(named: Option<PathBuf>) -> Vec<Finding> {
    let (config, mut findings) = examine_program(named.as_deref());
    findings.extend(board::cameras(&config));
    findings.extend(board::screen(&config));
    findings.push(board::heat());
    findings.push(board::clock());
    findings.push(board::disk(&config));
    findings.push(program::broker(&config));
    findings.extend(service::examine());
    findings
}

struct Line<'a> {
    finding: &'a Finding,
    colours: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { about, verdict, seen, remedy } = self.finding;
        let (word, colour) = match verdict {
            Verdict::Ok => ("OK", "32"),
            Verdict::Warning => ("warning", "33"),
            Verdict::Failure => ("FAILURE", "31;1"),
        };
        let word = format!("{word:<8}");
        let word = if self.colours { format!("\x1b[{colour}m{word}\x1b[0m") } else { word };
        writeln!(f, "{word} {about:<14} {seen}")?;
        if !remedy.is_empty() {
            writeln!(f, "{:>24}{remedy}", "→ ")?;
        }
        Ok(())
    }
}
