//! The configuration file: TOML, every key optional, every wrong one refused before any device is opened.
//!
//! The file's keys are the fields of the sections, most of which belong to the rooms below. `deploy/reverie.toml` shows each key
//! with its default, as a test checks.

mod rooms;
mod sections;

pub use rooms::state_folder;
pub use sections::{Dream, Memory, Start};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::checks::InvalidSetting;
use crate::director::{self, PlaySettings, RawSchedule, Scenes};
use crate::{console, display, params, recognition, remote, runtime, source};

/// Read where no other file is named and this one exists.
pub const DEFAULT_FILE: &str = "/etc/reverie/reverie.toml";

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Folders of graph packs; none: the installed ones.
    pub packs: Vec<PathBuf>,
    /// Folder of pictures that a dream can be led by; none: the photos that ship.
    pub guides: Option<PathBuf>,
    /// Whether such a picture may be sent, over MQTT or from the page.
    pub accept_guides: bool,
    pub source: source::Settings,
    pub screen: display::Settings,
    pub dream: Dream,
    pub runtime: runtime::Settings,
    pub mqtt: remote::RawSettings,
    pub home_assistant: remote::HomeAssistant,
    pub console: console::Settings,
    pub recognition: recognition::Settings,
    pub play: PlaySettings,
    pub memory: Memory,
    pub schedule: RawSchedule,
    /// Scenes by name: the parameters that make them.
    pub scenes: Scenes,
    /// Start values of parameters, by name.
    pub params: Map<String, Json>,
}

/// Why a configuration cannot be used. Each names the file and the key, and says what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {message}")]
    Syntax { path: PathBuf, message: String },
    #[error("{path}: there is no key `{key}`{}", hint(.nearest))]
    UnknownKey { path: PathBuf, key: String, nearest: Option<String> },
    /// A secret that only the service has: nothing is wrong with the configuration.
    #[error("mqtt: {message}")]
    ServiceOnly { message: String },
    /// `place` is the file and a colon, or empty.
    #[error("{place}{key}: {message}")]
    Invalid { place: String, key: String, message: String },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
}

impl ConfigError {
    fn invalid(file: Option<&Path>, key: impl Into<String>, message: String) -> ConfigError {
        let place = file.map(|file| format!("{}: ", file.display())).unwrap_or_default();
        ConfigError::Invalid { place, key: key.into(), message }
    }

    /// Adds file and section to what a room refused.
    fn in_section(file: Option<&Path>, section: &str) -> impl Fn(InvalidSetting) -> ConfigError {
        move |error| ConfigError::invalid(file, format!("{section}.{}", error.key), error.message)
    }
}

/// Where `error` lies in `text`, by line and key, and what it is. Not the line itself, which toml's own message shows: this one is logged,
/// published and shown on the screen, and an address in the line may hold a password.
fn syntax_message(error: &toml::de::Error, text: &str) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return error.message().to_owned() };
    let number = before.matches('\n').count();
    let is_key = |key: &&str| key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) && !key.is_empty();
    let line = text.lines().nth(number).unwrap_or_default();
    let key = line.split_once('=').map(|(key, _)| key.trim()).filter(is_key);
    let key = key.map(|key| format!(" `{key}`:")).unwrap_or_default();
    format!("line {}:{key} {}", number + 1, error.message())
}

impl Config {
    /// Where the installed service keeps its state: the unit's `StateDirectory=`.
    pub const INSTALLED_STATE: &str = "/var/lib/reverie";

    /// The file used: `named`, else [`DEFAULT_FILE`] where it exists.
    pub fn file(named: Option<&Path>) -> Option<&Path> {
        let default = Path::new(DEFAULT_FILE);
        named.or_else(|| default.exists().then_some(default))
    }

    /// Reads the file at `path`. [`Config::check`] is called once the flags are applied.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Config::read_text(&text, path)
    }

    /// As [`Config::read`], where the file at `path` holds `text`.
    pub fn read_text(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let mut config = Config::parse(text, path)?;
        // A relative path lies beside the file that names it, wherever the daemon was started.
        let folder = path.parent().unwrap_or(Path::new(""));
        for own in config.packs.iter_mut().chain(&mut config.guides).chain(&mut config.memory.file) {
            *own = folder.join(&*own);
        }
        config.source.resolve_paths(folder);
        config.runtime.resolve_paths(folder);
        config.mqtt.resolve_paths(folder);
        config.console.resolve_paths(folder);
        Ok(config)
    }

    /// Reads the text of a configuration; `path` only appears in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let syntax =
            |e: toml::de::Error| ConfigError::Syntax { path: path.to_owned(), message: syntax_message(&e, text) };
        let mut unknown = Vec::new();
        let deserializer = toml::Deserializer::parse(text).map_err(syntax)?;
        let config: Config =
            serde_ignored::deserialize(deserializer, |key| unknown.push(key.to_string())).map_err(syntax)?;
        if let Some(key) = unknown.into_iter().next() {
            let nearest = nearest_key(&key, &known_keys());
            return Err(ConfigError::UnknownKey { path: path.to_owned(), key, nearest });
        }
        for (name, value) in &config.params {
            let checked = params::find(name).and_then(|spec| spec.read(value));
            checked.map_err(|refusal| {
                ConfigError::invalid(Some(path), format!("params.{}", refusal.param), refusal.message)
            })?;
        }
        director::check_scenes(&config.scenes).map_err(ConfigError::in_section(Some(path), "scenes"))?;
        Ok(config)
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first that cannot be used, after `file` where that is given.
    pub fn check(&self, file: Option<&Path>) -> Result<(), ConfigError> {
        let in_section = |section| ConfigError::in_section(file, section);
        self.source.check().map_err(in_section("source"))?;
        self.screen.check().map_err(in_section("screen"))?;
        self.dream.check().map_err(in_section("dream"))?;
        self.runtime.check().map_err(in_section("runtime"))?;
        self.mqtt.check().map_err(in_section("mqtt"))?;
        self.home_assistant.check().map_err(in_section("home_assistant"))?;
        self.schedule.read().map_err(in_section("schedule"))?;
        self.console.check().map_err(in_section("console"))
    }

    /// Reads the files that the page is served with; those of the broker are read by [`Config::broker`].
    ///
    /// # Errors
    /// The first that cannot be used, after `file` where that is given.
    pub fn check_files(&self, file: Option<&Path>) -> Result<(), ConfigError> {
        self.console.check_files().map_err(ConfigError::in_section(file, "console"))
    }
}

/// Every key, with its section: `source.fps`.
fn known_keys() -> Vec<String> {
    fn walk(prefix: &str, json: &Json, keys: &mut Vec<String>) {
        for (name, value) in json.as_object().into_iter().flatten() {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            walk(&key, value, keys);
            keys.push(key);
        }
    }
    let mut keys = Vec::new();
    // As JSON, which keeps keys without a value.
    walk("", &serde_json::to_value(Config::default()).expect("a configuration is plain values"), &mut keys);
    keys
}

/// The known key that was most likely meant: a similar one of the same section, else the same name in another.
fn nearest_key(key: &str, known: &[String]) -> Option<String> {
    let split =
        |key: &str| key.rsplit_once('.').map_or((String::new(), key.to_owned()), |(s, n)| (s.to_owned(), n.to_owned()));
    let (section, name) = split(key);
    let siblings: Vec<&String> = known.iter().filter(|k| split(k).0 == section).collect();
    let names: Vec<String> = siblings.iter().map(|k| split(k).1).collect();
    match crate::nearest(&name, names.iter().map(String::as_str)) {
        Some(nearest) => siblings.into_iter().find(|k| split(k).1 == nearest).cloned(),
        None => known.iter().find(|k| split(k).1 == name).cloned(),
    }
}

#[cfg(test)]
mod tests;
