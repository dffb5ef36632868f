//! `reverie password`: who may open the page from other machines.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args as ClapArgs, ValueEnum};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::{BadInput, load};
use crate::config::Config;
use crate::console::{self, PASSWORD_FILE, PasswordError, Role};

/// Set the password with which other machines open the web page.
///
/// It is asked for, or read from a pipe: `pwgen -s 20 1 | sudo reverie password`. Only its hash is kept, where the service keeps its
/// state; it is in effect at once, and who was logged in with the old one is logged out. Other machines are let in where the
/// configuration has `allow_remote = true` and an address they reach under [console].
#[derive(ClapArgs)]
pub struct Args {
    /// Whose: directors may do everything, viewers may look.
    #[arg(long, value_enum, default_value_t = Who::Director)]
    role: Who,
    /// Print the hash, for `password` or `viewer_password` under [console], and keep nothing.
    #[arg(long)]
    print: bool,
    /// Take the viewers' password away.
    #[arg(long, conflicts_with = "print")]
    remove: bool,
    /// Configuration file [default: /etc/reverie/reverie.toml where it exists].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Who {
    Director,
    Viewer,
}

impl From<Who> for Role {
    fn from(who: Who) -> Role {
        match who {
            Who::Director => Role::Director,
            Who::Viewer => Role::Viewer,
        }
    }
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    if args.print {
        let hash = console::hash_password(&ask()?).map_err(bad_input)?;
        println!("{hash}");
        return Ok(());
    }
    let file = file(args.config.as_deref())?;
    let password = if args.remove { String::new() } else { ask()? };
    console::store_password(&file, args.role.into(), &password).map_err(|error| match error {
        PasswordError::Write { .. } => anyhow::Error::from(error),
        error => bad_input(error),
    })?;
    eprintln!("{} ({})", if args.remove { "taken away" } else { "set" }, file.display());
    Ok(())
}

fn bad_input(error: PasswordError) -> anyhow::Error {
    BadInput(error.to_string()).into()
}

/// Where the service looks for it.
fn file(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let config = load::read(named)?;
    if config.console.password.is_some() {
        let text = "the configuration has a password under [console], which comes first: change it there (--print)";
        return Err(BadInput(text.to_owned()).into());
    }
    let installed = PathBuf::from(Config::INSTALLED_STATE);
    let folder = config.memory_folder().or_else(|| installed.is_dir().then_some(installed));
    let folder = folder.ok_or_else(|| {
        BadInput(
            "nothing is kept here: set memory.file in the configuration, or put the hash there (--print)".to_owned(),
        )
    })?;
    Ok(folder.join(PASSWORD_FILE))
}

/// Twice at a terminal, which does not show it; else one line.
fn ask() -> anyhow::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line();
    }
    let unseen = Unseen::begin().context("the terminal cannot be kept from showing the password")?;
    let first = prompted("Password: ")?;
    let again = prompted("Again: ")?;
    drop(unseen);
    if first == again { Ok(first) } else { Err(BadInput("these were not the same".to_owned()).into()) }
}

fn prompted(prompt: &str) -> anyhow::Result<String> {
    eprint!("{prompt}");
    io::stderr().flush()?;
    let line = line();
    eprintln!();
    line
}

fn line() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// The terminal shows nothing that is typed, until this is dropped.
struct Unseen(rustix::termios::Termios);

impl Unseen {
    fn begin() -> io::Result<Unseen> {
        let before = tcgetattr(io::stdin())?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &unseen)?;
        Ok(Unseen(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
