//! Who directs, in the configuration: scenes, what plays by itself, what is remembered.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sections::Fault;
use super::{Config, ConfigError};
use crate::director::{self, Capabilities, MAX_GROUPS, Outside, Scenes, Setup};
use crate::pack::Catalogue;
use crate::params::{self, Params, Refusal, Scope};

/// `[play]`: what goes on by itself, where the parameter `play` says so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Play {
    /// The scenes that are played, in this order; none: all, in the order of their names.
    pub scenes: Vec<String>,
    /// Of the walk and of shuffling; none: another for each device.
    pub seed: Option<u64>,
}

/// `[memory]`: what outlasts a power cut.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Where it is kept; none: in systemd's state directory, else nowhere.
    pub file: Option<PathBuf>,
    pub start: Start,
}

/// What it starts with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// With the parameters it had last.
    #[default]
    Last,
    /// With those that are configured.
    Config,
}

/// Checks what can be checked of scenes without any pack: names, and that each value is one of a look.
pub(super) fn scenes_fault(scenes: &Scenes) -> Option<(String, String)> {
    scenes.iter().find_map(|(name, scene)| {
        if let Err(refusal) = director::check_scene_name(name) {
            return Some((format!("scenes.\"{name}\""), format!("its name {}", refusal.message)));
        }
        scene.iter().find_map(|(param, value)| {
            let checked = params::find(param).and_then(|spec| match spec.scope {
                Scope::Look => spec.read(value).map(drop),
                Scope::Device => Err(Refusal::new(param, "belongs to the device, not to a scene")),
            });
            checked.err().map(|refusal| (format!("scenes.\"{name}\".{}", refusal.param), refusal.message))
        })
    })
}

impl Config {
    /// The file of what is remembered; none where nothing is.
    pub fn memory_file(&self) -> Option<PathBuf> {
        self.memory.file.clone().or_else(|| state_folder().map(|folder| folder.join("state.json")))
    }

    pub(super) fn groups_fault(&self) -> Fault {
        let groups = &self.mqtt.groups;
        if groups.len() > MAX_GROUPS {
            return Some(("mqtt.groups", format!("has {} groups; a device is in {MAX_GROUPS} at most", groups.len())));
        }
        let wrong = groups.iter().find_map(|group| Some((group, director::check_group(group).err()?)));
        wrong.map(|(group, refusal)| ("mqtt.groups", format!("`{group}`: a group's name {}", refusal.message)))
    }

    /// What the director begins with, besides `params` which it starts with, over the packs of `catalogue`.
    ///
    /// # Errors
    /// A scene that the installed layers do not have, or one that is named and is not there.
    pub fn direction(&self, params: Params, catalogue: &Catalogue) -> Result<Setup, ConfigError> {
        let fault = |key: String, message: String| ConfigError::Value { place: String::new(), key, message };
        for (name, scene) in &self.scenes {
            director::check_scene(scene, catalogue).map_err(|refusals| {
                let all = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                fault(format!("scenes.\"{name}\""), all)
            })?;
        }
        let is_missing = |name: &&String| !self.scenes.contains_key(*name);
        if let Some(name) = self.play.scenes.iter().find(is_missing) {
            return Err(fault("play.scenes".to_owned(), format!("there is no scene `{name}` below [scenes]")));
        }
        let schedule = self.schedule.read().map_err(|(key, message)| fault(key.to_owned(), message))?;
        if let Some(Outside::Scene(name)) = schedule.as_ref().map(director::Schedule::outside)
            && !self.scenes.contains_key(name)
        {
            return Err(fault("schedule.outside".to_owned(), format!("there is no scene `{name}` below [scenes]")));
        }
        Ok(Setup {
            params,
            scenes: self.scenes.clone(),
            playlist: Some(self.play.scenes.clone()).filter(|scenes| !scenes.is_empty()),
            groups: self.mqtt.groups.clone(),
            schedule,
            capabilities: Capabilities { snapshots: self.mqtt.snapshots, restart: crate::health::is_service() },
            seed: self.play.seed,
        })
    }
}

/// Where systemd keeps the service's state.
pub fn state_folder() -> Option<PathBuf> {
    std::env::var_os("STATE_DIRECTORY").and_then(|folders| std::env::split_paths(&folders).next())
}
