//! `[play]` and `[scenes]`: what the configuration file says of them, checked before any pack is read.

use serde::{Deserialize, Serialize};

use super::scenes::{self, Scenes};
use crate::checks::InvalidSetting;
use crate::params::{self, Refusal, Scope};

/// `[play]`: what goes on by itself, where the parameter `play` says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaySettings {
    /// The scenes that are played, in this order; none: all of one's own, in the order of their names, and where there are none, those that ship.
    pub scenes: Vec<String>,
    /// Whether the scenes that ship are there.
    pub shipped: bool,
    /// Seeds the walk and shuffling; none: another seed for each device.
    pub seed: Option<u64>,
}

impl Default for PlaySettings {
    fn default() -> PlaySettings {
        PlaySettings { scenes: Vec::new(), shipped: true, seed: None }
    }
}

/// Checks what can be checked of scenes without any pack: their names, and that each value is one of a look.
///
/// # Errors
/// The first that cannot be used, by scene and parameter.
pub fn check_scenes(all: &Scenes) -> Result<(), InvalidSetting> {
    for (name, scene) in all {
        scenes::check_name(name)
            .map_err(|refusal| InvalidSetting::new(format!("\"{name}\""), format!("its name {}", refusal.message)))?;
        for (param, value) in scene {
            let checked = params::find(param).and_then(|spec| match spec.scope {
                Scope::Look => spec.read(value).map(drop),
                Scope::Device => Err(Refusal::new(param, "belongs to the device, not to a scene")),
            });
            checked.map_err(|refusal| InvalidSetting::new(format!("\"{name}\".{}", refusal.param), refusal.message))?;
        }
    }
    Ok(())
}
