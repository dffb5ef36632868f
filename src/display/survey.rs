//! Lists the screens there are, for `reverie devices` and `reverie doctor`.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::fbdev::Fbdev;
use super::kms::{self, CardInfo};
use super::{ScreenKind, Settings};

/// Cards with their outputs, framebuffers, and what would be used.
#[derive(Debug, Serialize)]
pub struct Survey {
    pub cards: Vec<CardInfo>,
    pub framebuffers: Vec<FramebufferInfo>,
    /// The output and mode, or framebuffer, that `reverie run` would use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct FramebufferInfo {
    pub path: PathBuf,
    /// Its size and depth, or why it cannot be used.
    pub state: String,
    pub usable: bool,
}

/// Looks at every card and framebuffer. Nothing is shown, and no mode is set.
pub fn survey(settings: &Settings) -> Survey {
    let cards = kms::survey(settings);
    let framebuffers: Vec<FramebufferInfo> = (0..8)
        .map(|number| PathBuf::from(format!("/dev/fb{number}")))
        .filter(|path| path.exists())
        .map(|path| match Fbdev::open(&path) {
            Ok(fbdev) => FramebufferInfo { state: fbdev.name(), usable: true, path },
            Err(error) => FramebufferInfo { state: error.to_string(), usable: false, path },
        })
        .collect();
    let chosen = chosen(&cards, &framebuffers, settings);
    Survey { cards, framebuffers, chosen }
}

/// As [`super::Screen::open`] chooses, without opening.
fn chosen(cards: &[CardInfo], framebuffers: &[FramebufferInfo], settings: &Settings) -> Option<String> {
    use ScreenKind::{Auto, Fbdev, Headless, Kms, Window};
    let card = || {
        let named = cards.iter().filter(|card| settings.device.as_ref().is_none_or(|device| *device == card.path));
        named.filter_map(|card| Some(format!("kms {} {}", card.path.display(), card.chosen.as_ref()?))).next()
    };
    let framebuffer = || {
        let used = super::framebuffer(settings);
        framebuffers.iter().find(|it| it.usable && it.path == used).map(|it| it.state.clone())
    };
    let window = || Some("a window".to_owned());
    match settings.kind {
        Kms => card(),
        Fbdev => framebuffer(),
        Auto if super::has_desktop() => window(),
        Auto if super::names_framebuffer(settings) => framebuffer(),
        Auto if cards.iter().any(|card| !card.outputs.is_empty()) => card(),
        Auto => framebuffer(),
        Window => window(),
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
