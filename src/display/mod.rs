//! Where pictures go: the kinds of screen, the fader that smooths a low rate, and the tap for the web page.

mod boot_card;
mod canvas;
mod caption;
mod fader;
mod fbdev;
mod kms;
mod pen;
mod raster;
mod screen_manager;
mod settings;
mod survey;
mod tap;
pub mod vt;
#[cfg(feature = "window")]
mod window;

pub use boot_card::{BootCard, Row};
pub use canvas::Canvas;
pub use caption::{Caption, CaptionRow, CornerCaption, draw_caption};
pub use fader::{Fader, View};
#[doc(hidden)]
pub use kms::{Timing, choose as choose_mode, monitor_name};
pub use screen_manager::ScreenManager;
pub use settings::{Fit, Mode, Refresh, Rotation, ScreenKind, Settings, Vt};
pub use survey::{Survey, survey};
pub use tap::{Tap, Watcher};

use std::path::PathBuf;

use crate::health::ScreenStatus;
use crate::size::Size;
use kms::{Kms, KmsError};

/// An open screen.
pub enum Screen {
    Kms(Box<Kms>),
    Fbdev(Box<fbdev::Fbdev>),
    #[cfg(feature = "window")]
    Window(Box<window::Window>),
    /// None: the picture is seen on the web page alone.
    Headless(Size),
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    #[error("kms: {0}")]
    Kms(#[from] KmsError),
    #[error("framebuffer {device}: {reason}")]
    Framebuffer { device: PathBuf, reason: String },
    #[error("window: {0}")]
    Window(String),
    #[error("the window was closed")]
    WindowClosed,
    #[error("{screen}: {reason}")]
    Lost { screen: String, reason: String },
}

/// What became of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowOutcome {
    Shown,
    /// The card has not shown the last one yet.
    Skipped,
    /// The screen, or the size it takes, has changed: draw again.
    ScreenChanged,
}

const DEFAULT_FRAMEBUFFER: &str = "/dev/fb0";
/// Frames per second of a screen that does not report its rate.
const DEFAULT_RATE: f64 = 30.0;

impl Screen {
    /// Opens the screen that `settings` name; with `auto` the best there is, and why there is no better one.
    ///
    /// # Errors
    /// The screen that was named is not there. `auto` always finds one.
    pub fn open(settings: &Settings) -> Result<(Screen, Option<String>), ScreenError> {
        let screen = match settings.kind {
            ScreenKind::Auto => return Ok(Screen::best(settings)),
            ScreenKind::Kms => Screen::kms(settings)?,
            ScreenKind::Fbdev => Screen::fbdev(settings)?,
            ScreenKind::Window => Screen::window(settings.size)?,
            ScreenKind::Headless => Screen::Headless(settings.size),
        };
        Ok((screen, None))
    }

    fn best(settings: &Settings) -> (Screen, Option<String>) {
        // A desktop owns the card: what is drawn there is not seen, or spoils the desktop.
        let found = if has_desktop() { Screen::window(settings.size) } else { Screen::bare(settings) };
        match found {
            Ok(screen) => (screen, None),
            Err(reason) => (Screen::Headless(settings.size), Some(reason.to_string())),
        }
    }

    /// Without a desktop: KMS, else a framebuffer.
    fn bare(settings: &Settings) -> Result<Screen, ScreenError> {
        if names_framebuffer(settings) {
            return Screen::fbdev(settings);
        }
        match Screen::kms(settings) {
            Err(ScreenError::Kms(KmsError::NoCard(no_card))) => Screen::fbdev(settings)
                .map_err(|no_fbdev| ScreenError::Kms(KmsError::NoCard(format!("{no_card}; {no_fbdev}")))),
            // The framebuffer of a card without a monitor shows nobody anything.
            other => other,
        }
    }

    fn kms(settings: &Settings) -> Result<Screen, ScreenError> {
        Ok(Screen::Kms(Box::new(Kms::open(settings)?)))
    }

    fn fbdev(settings: &Settings) -> Result<Screen, ScreenError> {
        Ok(Screen::Fbdev(Box::new(fbdev::Fbdev::open(&framebuffer(settings))?)))
    }

    #[cfg(feature = "window")]
    fn window(size: Size) -> Result<Screen, ScreenError> {
        window::Window::open(size).map(|window| Screen::Window(Box::new(window)))
    }

    #[cfg(not(feature = "window"))]
    fn window(_: Size) -> Result<Screen, ScreenError> {
        Err(ScreenError::Window("not built in; build with `--features window`".to_owned()))
    }

    /// Its pixels.
    pub fn size(&self) -> Size {
        match self {
            Screen::Kms(kms) => kms.size(),
            Screen::Fbdev(fbdev) => fbdev.size(),
            #[cfg(feature = "window")]
            Screen::Window(window) => window.size(),
            Screen::Headless(size) => *size,
        }
    }

    /// Size of the pictures it takes for dreams of `dream` pixels.
    pub fn canvas(&self, dream: Size) -> Size {
        match self {
            Screen::Kms(kms) => kms.canvas(dream),
            _ => self.size(),
        }
    }

    /// Frames per second.
    pub fn rate(&self) -> f64 {
        match self {
            Screen::Kms(kms) => kms.rate().clamp(1.0, 240.0),
            _ => DEFAULT_RATE,
        }
    }

    /// Page flips whose event came late or never.
    pub fn late(&self) -> u64 {
        match self {
            Screen::Kms(kms) => kms.late(),
            _ => 0,
        }
    }

    /// Shows a picture of [`Screen::canvas`].
    ///
    /// # Errors
    /// The screen is lost: drop it and open it again.
    pub fn show(&mut self, view: &View) -> Result<ShowOutcome, ScreenError> {
        match self {
            Screen::Kms(kms) => return kms.show(view),
            Screen::Fbdev(fbdev) => fbdev.show(view)?,
            #[cfg(feature = "window")]
            Screen::Window(window) => window.show(view)?,
            Screen::Headless(_) => (),
        }
        Ok(ShowOutcome::Shown)
    }

    /// Blanks the monitor, which saves power and wear; the next picture unblanks it.
    ///
    /// # Errors
    /// As [`Screen::show`].
    pub fn blank(&mut self) -> Result<(), ScreenError> {
        match self {
            Screen::Kms(kms) => kms.set_blanked(true),
            Screen::Fbdev(fbdev) => fbdev.set_blanked(true),
            _ => Ok(()),
        }
    }

    /// Checks that it is still there; `probe` asks the monitor itself, after a hotplug event.
    ///
    /// # Errors
    /// As [`Screen::show`].
    pub fn check(&mut self, probe: bool) -> Result<(), ScreenError> {
        match self {
            Screen::Kms(kms) => kms.check(probe),
            Screen::Fbdev(fbdev) => fbdev.check(),
            _ => Ok(()),
        }
    }

    /// Whether only the tap shows the picture.
    pub fn is_headless(&self) -> bool {
        matches!(self, Screen::Headless(_))
    }

    /// Whether a terminal could draw on it.
    fn has_terminal(&self) -> bool {
        matches!(self, Screen::Kms(_) | Screen::Fbdev(_))
    }

    /// For the telemetry.
    pub fn status(&self) -> ScreenStatus {
        match self {
            Screen::Headless(size) => ScreenStatus::Headless(*size),
            _ => ScreenStatus::Present(self.name()),
        }
    }

    /// For the log: `kms /dev/dri/card0 HDMI-A-1 1920x1080@60`.
    pub fn name(&self) -> String {
        match self {
            Screen::Kms(kms) => kms.name(),
            Screen::Fbdev(fbdev) => fbdev.name(),
            #[cfg(feature = "window")]
            Screen::Window(window) => format!("window {}", window.size()),
            Screen::Headless(size) => format!("headless {size}"),
        }
    }
}

fn has_desktop() -> bool {
    ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn names_framebuffer(settings: &Settings) -> bool {
    settings.device.as_deref().is_some_and(|device| device.starts_with("/dev/fb"))
}

/// The framebuffer that would be used.
fn framebuffer(settings: &Settings) -> PathBuf {
    let named = settings.device.clone().filter(|device| !device.starts_with("/dev/dri"));
    named.unwrap_or_else(|| DEFAULT_FRAMEBUFFER.into())
}
