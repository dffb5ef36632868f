//! What the rooms are handed that takes more than one section.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError};
use crate::director::{self, Capabilities, OpeningHours, Scenes, Setup};
use crate::pack::Catalogue;
use crate::params::Params;
use crate::size::Size;
use crate::{dream, remote, runtime, source};

impl Config {
    /// The source, with what is not configured as the mirror needs it: the size of the canvas, and no fewer pictures a second than dreams.
    pub fn source(&self) -> source::Settings {
        let dreams = self.dream.target_fps.ceil() as u32;
        let fps = self.source.fps.unwrap_or(self.source.fps().max(dreams));
        source::Settings {
            size: Some(self.source.size.unwrap_or(self.dream.canvas)),
            fps: Some(fps),
            ..self.source.clone()
        }
    }

    /// The largest canvas.
    pub fn canvas(&self) -> Size {
        self.dream.canvas
    }

    pub fn dream_settings(&self) -> dream::Settings {
        self.dream.settings()
    }

    /// Engines lie in systemd's state directory unless another folder is configured.
    pub fn runtime_settings(&self) -> runtime::Settings {
        let kept = || state_folder().map(|folder| folder.join("engines"));
        runtime::Settings { engines: self.runtime.engines.clone().or_else(kept), ..self.runtime.clone() }
    }

    /// How the broker is reached; none where there is to be none. Reads the files named.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold what it should, one that only the service is handed ([`ConfigError::ServiceOnly`]), or settings that
    /// could never work.
    pub fn broker(&self) -> Result<Option<remote::Settings>, ConfigError> {
        // Where it listens everywhere, nobody here knows by which address it is found.
        let page = self.console.remote_address().filter(|address| !address.ip().is_unspecified());
        let page = page.map(|address| format!("{}://{address}/", self.console.scheme()));
        let home = remote::HomeAssistant { page, ..self.home_assistant.clone() };
        self.mqtt.read(home).map_err(|e| match e {
            remote::SettingsError::ServiceOnly(_) => ConfigError::ServiceOnly { message: e.to_string() },
            e => ConfigError::invalid(None, "mqtt", e.to_string()),
        })
    }

    /// The state file; none where nothing is saved.
    pub fn memory_file(&self) -> Option<PathBuf> {
        self.memory.file.clone().or_else(|| state_folder().map(|folder| folder.join("state.json")))
    }

    /// The folder of the state file, where other things that are to last lie too; none where nothing is saved.
    pub fn memory_folder(&self) -> Option<PathBuf> {
        let folder = |file: PathBuf| file.parent().map(Path::to_owned);
        self.memory_file().and_then(folder).map(|folder| Path::new(".").join(folder))
    }

    /// What the director begins with, over the packs of `catalogue`.
    ///
    /// # Errors
    /// A scene of which a layer is not installed, or a name for which there is no scene.
    pub fn direction(&self, params: Params, catalogue: &Catalogue) -> Result<Setup, ConfigError> {
        for (name, scene) in &self.scenes {
            director::check_scene(scene, catalogue).map_err(|refusals| {
                let all = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                ConfigError::invalid(None, format!("scenes.\"{name}\""), all)
            })?;
        }
        let shipped = if self.play.shipped { director::shipped_scenes(catalogue) } else { Scenes::new() };
        let is_there = |name: &str| self.scenes.contains_key(name) || shipped.contains_key(name);
        let check_named = |key: &str, name: &str| match is_there(name) {
            true => Ok(()),
            false => {
                let why = format!("there is no scene `{name}`, neither below [scenes] nor among those that ship");
                Err(ConfigError::invalid(None, key, why))
            }
        };
        self.play.scenes.iter().try_for_each(|name| check_named("play.scenes", name))?;
        let hours = OpeningHours::read(self.schedule.clone()).map_err(ConfigError::in_section(None, "schedule"))?;
        hours.scene_outside().map_or(Ok(()), |name| check_named("schedule.outside", name))?;
        Ok(Setup {
            params,
            scenes: self.scenes.clone(),
            shipped,
            playlist: Some(self.play.scenes.clone()).filter(|scenes| !scenes.is_empty()),
            groups: self.mqtt.groups.clone(),
            hours,
            capabilities: Capabilities { snapshots: self.mqtt.snapshots, restart: crate::health::is_service() },
            seed: self.play.seed,
        })
    }
}

/// Where systemd keeps the service's state.
pub fn state_folder() -> Option<PathBuf> {
    std::env::var_os("STATE_DIRECTORY").and_then(|folders| std::env::split_paths(&folders).next())
}
