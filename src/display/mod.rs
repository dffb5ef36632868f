//! Where pictures go: one enum of screens, a fader that makes few dreams fluid, and a tap for the web page.

mod fader;
mod fbdev;
mod projector;
mod raster;
mod tap;
#[cfg(feature = "window")]
mod window;

pub use fader::Fader;
pub use projector::Projector;
pub use tap::{Tap, Watcher};

use std::path::{Path, PathBuf};

use crate::config::{self, ScreenKind, Size};
use crate::frame::Frame;

/// A screen that was opened.
pub enum Screen {
    Fbdev(fbdev::Fbdev),
    #[cfg(feature = "window")]
    Window(Box<window::Window>),
    /// None: the picture is seen on the web page alone.
    Headless(Size),
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    #[error("framebuffer {device}: {reason}")]
    Framebuffer { device: PathBuf, reason: String },
    #[error("window: {0}")]
    Window(String),
    #[error("the window was closed")]
    WindowClosed,
}

const FRAMEBUFFER: &str = "/dev/fb0";

impl Screen {
    /// Opens what `settings` name. With `auto` the best there is, and why not a better one.
    ///
    /// # Errors
    /// The screen that was named is not there. `auto` always finds one.
    pub fn open(settings: &config::Screen) -> Result<(Screen, Option<String>), ScreenError> {
        let device = settings.device.as_deref().unwrap_or(Path::new(FRAMEBUFFER));
        match settings.kind {
            ScreenKind::Auto => Ok(Screen::best(device, settings.size)),
            ScreenKind::Fbdev => Ok((Screen::Fbdev(fbdev::Fbdev::open(device)?), None)),
            ScreenKind::Window => Ok((Screen::window(settings.size)?, None)),
            ScreenKind::Headless => Ok((Screen::Headless(settings.size), None)),
        }
    }

    fn best(device: &Path, size: Size) -> (Screen, Option<String>) {
        let desktop =
            ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
        // A framebuffer lies behind a desktop: what is drawn there is not seen, or spoils the desktop.
        let found = if desktop { Screen::window(size) } else { fbdev::Fbdev::open(device).map(Screen::Fbdev) };
        match found {
            Ok(screen) => (screen, None),
            Err(reason) => (Screen::Headless(size), Some(reason.to_string())),
        }
    }

    #[cfg(feature = "window")]
    fn window(size: Size) -> Result<Screen, ScreenError> {
        window::Window::open(size).map(|window| Screen::Window(Box::new(window)))
    }

    #[cfg(not(feature = "window"))]
    fn window(_: Size) -> Result<Screen, ScreenError> {
        Err(ScreenError::Window("not built in; build with `--features window`".to_owned()))
    }

    /// Size of the pictures it takes.
    pub fn size(&self) -> Size {
        match self {
            Screen::Fbdev(fbdev) => fbdev.size(),
            #[cfg(feature = "window")]
            Screen::Window(window) => window.size(),
            Screen::Headless(size) => *size,
        }
    }

    /// Shows a picture of [`Screen::size`].
    ///
    /// # Errors
    /// The screen is lost: drop it and open it again.
    pub fn show(&mut self, picture: &Frame) -> Result<(), ScreenError> {
        match self {
            Screen::Fbdev(fbdev) => {
                fbdev.show(picture);
                Ok(())
            }
            #[cfg(feature = "window")]
            Screen::Window(window) => window.show(picture),
            Screen::Headless(_) => Ok(()),
        }
    }

    /// Nobody sees it but through the tap.
    pub fn is_headless(&self) -> bool {
        matches!(self, Screen::Headless(_))
    }

    /// For the log and the telemetry: `fbdev /dev/fb0 1920x1080`.
    pub fn name(&self) -> String {
        match self {
            Screen::Fbdev(fbdev) => fbdev.name(),
            #[cfg(feature = "window")]
            Screen::Window(window) => format!("window {}", window.size()),
            Screen::Headless(size) => format!("headless {size}"),
        }
    }
}
