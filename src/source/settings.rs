//! `[source]`: where pictures come from, and the limits of each key.

mod camera;
mod command;

pub use camera::{Cameras, ControlValue};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checks::{InvalidSetting, check_range, check_size};
use crate::pixel_format::FORMAT_NAMES;
use crate::size::Size;

/// What is opened, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub kind: SourceKind,
    /// The cameras that may be used, best first; none: all there are.
    pub device: Cameras,
    /// Pixel format asked of the camera, by its four letters; none: the one that costs least.
    pub format: Option<String>,
    /// The picture of `still`, the folder of `folder`.
    pub path: Option<PathBuf>,
    /// The program of `program`, and its arguments.
    #[serde(deserialize_with = "command::deserialize")]
    pub command: Vec<String>,
    /// What the camera is to be set to, by the names that `v4l2-ctl` gives its controls.
    #[serde(with = "camera::controls")]
    pub controls: Vec<(String, ControlValue)>,
    /// Least size asked of the camera, size drawn by the others; none: [`Settings::size`].
    pub size: Option<Size>,
    /// Pictures a second; none: [`Settings::fps`].
    pub fps: Option<u32>,
    /// Still pictures are seen through a slowly wandering virtual camera.
    pub wander: bool,
    /// Seconds each picture of a folder stays.
    pub hold: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A camera where there is one, else pictures; one plugged in later is taken up.
    Auto,
    V4l2,
    Still,
    Folder,
    Pattern,
    /// One that writes YUV4MPEG2 to its standard output.
    Program,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            kind: SourceKind::Auto,
            device: Cameras::default(),
            format: None,
            controls: Vec::new(),
            path: None,
            command: Vec::new(),
            size: None,
            fps: None,
            wander: true,
            hold: 40.0,
        }
    }
}

impl Settings {
    /// The size that is captured or drawn, in pixels: 1280x720 unless set.
    pub fn size(&self) -> Size {
        self.size.unwrap_or(Size { width: 1280, height: 720 })
    }

    /// Pictures a second: unless set 30, which every camera has.
    pub fn fps(&self) -> u32 {
        self.fps.unwrap_or(30)
    }

    /// # Errors
    /// The first key whose value cannot be used. Whether a camera is there is not asked.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        self.size.map_or(Ok(()), |size| check_size("size", size, 16, 7680))?;
        self.fps.map_or(Ok(()), |fps| check_range("fps", fps, 1.0, 240.0))?;
        check_range("hold", self.hold, 5.0, 86_400.0)?;
        self.format.as_deref().map_or(Ok(()), check_format)?;
        self.device.check()?;
        match self.kind {
            SourceKind::Still => self.check_path("still", Path::is_file),
            SourceKind::Folder => self.check_path("folder", Path::is_dir),
            SourceKind::Program => command::check(&self.command),
            SourceKind::Auto | SourceKind::V4l2 | SourceKind::Pattern => Ok(()),
        }
    }

    fn check_path(&self, what: &str, is_there: fn(&Path) -> bool) -> Result<(), InvalidSetting> {
        let message = match &self.path {
            None => format!("is missing: kind = \"{what}\" needs it"),
            Some(path) if !is_there(path) => format!("{}: there is no such {what}", path.display()),
            Some(_) => return Ok(()),
        };
        Err(InvalidSetting::new("path", message))
    }

    /// Has relative paths lie below `folder`.
    pub fn resolve_paths(&mut self, folder: &Path) {
        if let Some(path) = &mut self.path {
            *path = folder.join(&path);
        }
        command::resolve(&mut self.command, folder);
    }
}

fn check_format(format: &str) -> Result<(), InvalidSetting> {
    match FORMAT_NAMES.iter().any(|name| name.eq_ignore_ascii_case(format)) {
        true => Ok(()),
        false => Err(InvalidSetting::new("format", format!("`{format}` is none of {}", FORMAT_NAMES.join(", ")))),
    }
}
