//! `reverie params`: the table of parameters, printed.

use std::io::Write;

use clap::{Args as ClapArgs, ValueEnum};

use crate::pack::Catalogue;
use crate::params;

/// Print the table of all parameters that can be changed while it runs.
#[derive(ClapArgs)]
pub struct Args {
    /// Format: text for people, schema for programs (JSON schema 2020-12), markdown for the reference page.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Schema,
    Markdown,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let printed = match args.format {
        Format::Text => params::text(),
        Format::Schema => {
            let catalogue = Catalogue::read(&crate::assets::pack_folders()).unwrap_or_default();
            format!("{:#}\n", params::json_schema(&catalogue))
        }
        Format::Markdown => params::markdown(),
    };
    // A pager that was closed early is no error.
    let _ = std::io::stdout().write_all(printed.as_bytes());
    Ok(())
}
