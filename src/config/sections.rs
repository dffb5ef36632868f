//! The sections that no room below takes as they are: `[dream]` is for two of them, `[memory]` for `app/`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::checks::{InvalidSetting, check_size};
use crate::dream;
use crate::size::Size;

/// `[dream]`: how large and how fast, for the compositor and the dream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dream {
    /// The largest canvas: the size that camera and dream are put together at, as large as the screen and the board allow.
    pub canvas: Size,
    /// As in [`dream::Settings`], like all that follow.
    pub size: Option<Size>,
    pub max_size: Size,
    pub target_fps: f64,
    pub seed: Option<u64>,
}

impl Default for Dream {
    fn default() -> Dream {
        let large = Size::new(1280, 720);
        Dream { canvas: large, size: None, max_size: large, target_fps: 8.0, seed: None }
    }
}

impl Dream {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        check_size("canvas", self.canvas, 64, 4096)?;
        self.settings().check()
    }

    pub(super) fn settings(&self) -> dream::Settings {
        dream::Settings { size: self.size, max_size: self.max_size, target_fps: self.target_fps, seed: self.seed }
    }
}

/// `[memory]`: what outlasts a power cut.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Where it is kept; none: in systemd's state directory, else nowhere.
    pub file: Option<PathBuf>,
    pub start: Start,
}

/// Which parameters it starts with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Those it had last.
    #[default]
    Last,
    /// Those that are configured.
    Config,
}
