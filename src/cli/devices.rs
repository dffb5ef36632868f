//! `reverie devices`: which cameras and screens there are, and which would be used.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::load;
use crate::config::Config;
use crate::{display, source};

/// List cameras (formats, sizes, rates) and screens (outputs, modes), and which would be used.
///
/// Nothing is shown and no mode is set, so it is safe while the daemon runs.
#[derive(ClapArgs)]
pub struct Args {
    /// Configuration file that decides what would be used [default: /etc/reverie/reverie.toml where it exists].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Devices {
    cameras: source::Survey,
    screens: display::Survey,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = load::read(args.config.as_deref())?;
    config.check(Config::file(args.config.as_deref())).map_err(load::bad_input)?;
    let devices = Devices { cameras: source::survey(&config.source()), screens: display::survey(&config.screen) };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&devices)?);
    } else {
        print!("{}\n{}", devices.cameras, devices.screens);
    }
    Ok(())
}
