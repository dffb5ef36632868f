//! From a configuration file to what the daemon runs on: the one check that `run`, `provision`, `doctor` and `healthcheck` share.

use std::path::{Path, PathBuf};

use tracing::error;

use super::BadInput;
use super::flags::ParamFlags;
use crate::config::{self, Config, ConfigError};
use crate::director::Setup;
use crate::guides::Guides;
use crate::pack::{Catalogue, PackError};
use crate::params::{Params, Refusal};

/// The configuration `named`, else the default file where it exists, else the defaults. [`checked_setup`] is called once the flags are applied.
pub fn read(named: Option<&Path>) -> Result<Config, BadInput> {
    Config::file(named).map_or_else(|| Ok(Config::default()), Config::read).map_err(bad_input)
}

/// The packs in the folders `named`, else the installed ones; the photos that ship are their guides.
pub fn packs(named: &[PathBuf]) -> anyhow::Result<Catalogue> {
    let folders = if named.is_empty() { crate::assets::pack_folders() } else { named.to_vec() };
    let catalogue = Catalogue::read(&folders).map_err(|e| match e {
        PackError::NoPacks { .. } if !named.is_empty() => anyhow::Error::from(BadInput(e.to_string())),
        e => e.into(),
    });
    Ok(catalogue?.with_guides(Guides::of(crate::assets::photo_folder())))
}

/// The packs and guides of `config`.
pub fn packs_of(config: &Config) -> anyhow::Result<Catalogue> {
    let catalogue = packs(&config.packs)?;
    let folder = config.guides.clone().or_else(crate::assets::photo_folder);
    Ok(catalogue.with_guides(Guides::of(folder).and_sent(config.accept_guides)))
}

/// As [`packs_of`], without damaged ones, so that the others can still be dreamed.
pub fn intact_packs(config: &Config) -> anyhow::Result<Catalogue> {
    let (intact, errors) = packs_of(config)?.verified();
    errors.iter().for_each(|error| error!("{error}; its layers are left out"));
    match errors.into_iter().next() {
        Some(error) if intact.packs().next().is_none() => Err(error.into()),
        _ => Ok(intact),
    }
}

/// Whether secrets that systemd hands to the service alone have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceSecrets {
    /// This process connects with them.
    Required,
    /// The service will have them.
    Assumed,
}

/// What the director begins with, where the daemon would start on `config`, which came from `file`.
///
/// # Errors
/// The first thing that the daemon would refuse.
pub fn checked_setup(
    config: &Config,
    file: Option<&Path>,
    flags: &ParamFlags<true>,
    catalogue: &Catalogue,
    secrets: ServiceSecrets,
) -> Result<Setup, BadInput> {
    config.check(file).map_err(bad_input)?;
    config.check_files(file).map_err(bad_input)?;
    let setup = direction(config, file, flags, catalogue)?;
    match config.broker() {
        Err(ConfigError::ServiceOnly { .. }) if secrets == ServiceSecrets::Assumed => Ok(setup),
        broker => broker.map(|_| setup).map_err(bad_input),
    }
}

/// Parameters, scenes and hours of `config`, checked against the packs of `catalogue`.
pub fn direction(
    config: &Config,
    file: Option<&Path>,
    flags: &ParamFlags<true>,
    catalogue: &Catalogue,
) -> Result<Setup, BadInput> {
    let params = start_params(config, file, flags, catalogue)?;
    config.direction(params, catalogue).map_err(bad_input)
}

/// The table's defaults, then the file's `[params]`, then the flags.
fn start_params(
    config: &Config,
    file: Option<&Path>,
    flags: &ParamFlags<true>,
    catalogue: &Catalogue,
) -> Result<Params, BadInput> {
    let named = |refusal: &Refusal| {
        let file = file.unwrap_or(Path::new(config::DEFAULT_FILE)).display();
        format!("{file}: params.{}: {}", refusal.param, refusal.message)
    };
    let configured = Params::new(catalogue)
        .with(&config.params, catalogue)
        .map_err(|refusals| BadInput(refusals.iter().map(named).collect::<Vec<_>>().join("\n  ")))?;
    flags.apply(&configured, catalogue)
}

pub fn bad_input(error: ConfigError) -> BadInput {
    BadInput(error.to_string())
}
