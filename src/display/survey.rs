//! What screens there are, for a person who asks.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fbdev::Fbdev;
use super::kms::{self, Listed};
use crate::config;

/// Cards with their outputs, framebuffers, and what would be used.
#[derive(Debug, Serialize)]
pub struct Survey {
    pub cards: Vec<Listed>,
    pub framebuffers: Vec<Framebuffer>,
    /// The output and mode, or framebuffer, that `reverie run` would use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Framebuffer {
    pub path: PathBuf,
    /// Its size and depth, or why it cannot be used.
    pub state: String,
    pub usable: bool,
}

/// Looks at every card and framebuffer. Nothing is shown, and no mode is set.
pub fn survey(settings: &config::Screen) -> Survey {
    let cards = kms::survey(settings);
    let framebuffers: Vec<Framebuffer> = (0..8)
        .map(|number| PathBuf::from(format!("/dev/fb{number}")))
        .filter(|path| path.exists())
        .map(|path| match Fbdev::open(&path) {
            Ok(fbdev) => Framebuffer { state: fbdev.name(), usable: true, path },
            Err(error) => Framebuffer { state: error.to_string(), usable: false, path },
        })
        .collect();
    let chosen = chosen(&cards, &framebuffers, settings);
    Survey { cards, framebuffers, chosen }
}

/// As [`super::Screen::open`] chooses, without opening.
fn chosen(cards: &[Listed], framebuffers: &[Framebuffer], settings: &config::Screen) -> Option<String> {
    use config::ScreenKind::{Auto, Fbdev, Headless, Kms, Window};
    let is_named = |path: &Path| settings.device.as_deref().is_none_or(|device| device == path);
    let output = cards.iter().filter(|card| is_named(&card.path)).find_map(|card| {
        let wanted = |name: &str| settings.connector.as_deref().is_none_or(|wanted| wanted == name);
        let output =
            card.outputs.iter().find(|output| output.connected && wanted(&output.name) && output.chosen.is_some())?;
        let mode = output.chosen?;
        let rate = f64::from(mode.refresh_mhz) / 1000.0;
        Some(format!("kms {} {} {}x{}@{rate:.0}", card.path.display(), output.name, mode.width, mode.height))
    });
    let framebuffer = framebuffers.iter().find(|fb| fb.usable && is_named(&fb.path)).map(|fb| fb.state.clone());
    let has_outputs = cards.iter().any(|card| !card.outputs.is_empty());
    match settings.kind {
        Kms => output,
        Fbdev => framebuffer,
        Auto if has_outputs => output,
        Auto => framebuffer,
        Window => Some("a window".to_owned()),
        Headless => Some("headless".to_owned()),
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Screens")?;
        if self.cards.is_empty() && self.framebuffers.is_empty() {
            writeln!(f, "  none")?;
        }
        self.cards.iter().try_for_each(|card| card.fmt(f))?;
        for framebuffer in &self.framebuffers {
            writeln!(f, "  {}", framebuffer.state)?;
        }
        match &self.chosen {
            Some(chosen) => writeln!(f, "  used: {chosen}"),
            None => writeln!(f, "  used: none; the picture is seen on the web page alone"),
        }
    }
}
