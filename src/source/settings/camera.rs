//! Cameras and their controls, as people name them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::checks::InvalidSetting;

/// Cameras, best first, each by number (`0`), path (`/dev/video0`) or name below `/dev/v4l/by-id`; in the file one of these
/// or a list. Empty: all there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cameras(pub Vec<String>);

impl Cameras {
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses an address. Only its scheme is shown, since the rest may hold a password.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        let Some((scheme, _)) = self.0.iter().find_map(|name| name.split_once("://")) else { return Ok(()) };
        let why = "is read by a program: kind = \"program\" (deploy/reference/program-source.md has the lines)";
        Err(InvalidSetting::new("device", format!("an address ({scheme}://…) {why}")))
    }

    /// The files that these names mean, of which not all need to be there.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.iter().map(|name| path_of(name)).collect()
    }
}

fn path_of(name: &str) -> PathBuf {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return PathBuf::from(format!("/dev/video{name}"));
    }
    if name.starts_with('/') {
        return PathBuf::from(name);
    }
    let by_path = Path::new("/dev/v4l/by-path").join(name);
    if by_path.exists() { by_path } else { Path::new("/dev/v4l/by-id").join(name) }
}

impl From<&str> for Cameras {
    fn from(name: &str) -> Cameras {
        Cameras(vec![name.to_owned()])
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a camera takes a number, a path, a name below /dev/v4l/by-id, or a list of these")]
enum RawCameras {
    Number(u32),
    Name(String),
    List(Vec<RawCamera>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawCamera {
    Number(u32),
    Name(String),
}

impl<'de> Deserialize<'de> for Cameras {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cameras, D::Error> {
        let name = |camera: RawCamera| match camera {
            RawCamera::Number(number) => number.to_string(),
            RawCamera::Name(name) => name,
        };
        let names = match RawCameras::deserialize(deserializer)? {
            RawCameras::Number(number) => vec![number.to_string()],
            RawCameras::Name(name) => vec![name],
            RawCameras::List(list) => list.into_iter().map(name).collect(),
        };
        match names.iter().any(String::is_empty) {
            true => Err(serde::de::Error::custom("a camera's name is empty")),
            false => Ok(Cameras(names)),
        }
    }
}

impl Serialize for Cameras {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What a control is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a control takes a whole number, true or false, or the name of a menu's entry")]
pub enum ControlValue {
    Switch(bool),
    Number(i64),
    Text(String),
}

impl fmt::Display for ControlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlValue::Switch(on) => on.fmt(f),
            ControlValue::Number(number) => number.fmt(f),
            ControlValue::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

/// A table of controls, as the list it is kept as.
pub mod controls {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::ControlValue;

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, ControlValue)>, D::Error> {
        Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
    }

    pub fn serialize<S: Serializer>(controls: &[(String, ControlValue)], serializer: S) -> Result<S::Ok, S::Error> {
        controls.iter().map(|(name, value)| (name, value)).collect::<BTreeMap<_, _>>().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Cameras, String> {
        #[derive(Deserialize)]
        struct Section {
            device: Cameras,
        }
        toml::from_str::<Section>(text).map(|section| section.device).map_err(|e| e.to_string())
    }

    #[test]
    fn cameras_are_named_in_many_ways() {
        let paths = |text: &str| read(text).unwrap().paths();
        assert_eq!(paths("device = 2"), [PathBuf::from("/dev/video2")]);
        assert_eq!(paths("device = \"/dev/video7\""), [PathBuf::from("/dev/video7")]);
        let both = paths("device = [\"usb-Logitech_C920-video-index0\", 0]");
        assert_eq!(both[0], Path::new("/dev/v4l/by-id/usb-Logitech_C920-video-index0"));
        assert_eq!(both[1], Path::new("/dev/video0"));
        assert!(read("device = []").unwrap().is_any());
        for wrong in ["device = -1", "device = true", "device = \"\"", "device = [1.5]"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
