//! From a configuration file to what the daemon runs on: `run` and its check, `provision`, `doctor` and `healthcheck` judge by this alone.

use std::path::{Path, PathBuf};

use tracing::error;

use super::BadInput;
use super::flags::ParamFlags;
use crate::config::{self, Config, ConfigError};
use crate::director::Setup;
use crate::pack::{Catalogue, PackError};
use crate::params::{Params, Refusal};

/// The configuration `named`, else the usual one where there is one, else the defaults. [`judge`] comes after the flags have had their say.
pub fn read(named: Option<&Path>) -> Result<Config, BadInput> {
    Config::file(named).map_or_else(|| Ok(Config::default()), Config::read).map_err(bad)
}

/// The packs in the folders that are `named`, else the installed ones.
pub fn packs(named: &[PathBuf]) -> anyhow::Result<Catalogue> {
    let folders = if named.is_empty() { crate::assets::pack_folders() } else { named.to_vec() };
    Catalogue::read(&folders).map_err(|e| match e {
        PackError::NoPacks { .. } if !named.is_empty() => BadInput(e.to_string()).into(),
        e => e.into(),
    })
}

/// As [`packs`], without those that are damaged: that one is must not keep the others from being dreamed.
pub fn sound_packs(config: &Config) -> anyhow::Result<Catalogue> {
    let (sound, faults) = packs(&config.packs)?.sound();
    faults.iter().for_each(|fault| error!("{fault}; its layers are left out"));
    match faults.into_iter().next() {
        Some(fault) if sound.packs().next().is_none() => Err(fault.into()),
        _ => Ok(sound),
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

/// What the director begins with, where the daemon takes `config`, which came from `file`.
///
/// # Errors
/// The first thing that the daemon would refuse.
pub fn judge(
    config: &Config,
    file: Option<&Path>,
    flags: &ParamFlags<true>,
    catalogue: &Catalogue,
    secrets: ServiceSecrets,
) -> Result<Setup, BadInput> {
    config.check(file).map_err(bad)?;
    let setup = direction(config, file, flags, catalogue)?;
    match config.broker() {
        Err(ConfigError::ServiceOnly { .. }) if secrets == ServiceSecrets::Assumed => Ok(setup),
        broker => broker.map(|_| setup).map_err(bad),
    }
}

/// What `config` says of parameters, scenes and hours, against the packs of `catalogue`.
pub fn direction(
    config: &Config,
    file: Option<&Path>,
    flags: &ParamFlags<true>,
    catalogue: &Catalogue,
) -> Result<Setup, BadInput> {
    let params = start_params(config, file, flags, catalogue)?;
    config.direction(params, catalogue).map_err(bad)
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

pub fn bad(error: ConfigError) -> BadInput {
    BadInput(error.to_string())
}
