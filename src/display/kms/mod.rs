//! A monitor on a graphics card through KMS: mode setting and page flips of dumb buffers, without desktop or GPU
//! driver.
//!
//! It uses the legacy calls (`SETCRTC`, `PAGE_FLIP`, `SETPLANE`) rather than atomic commits: every driver supports
//! them, atomic ones through the kernel's helpers, and one plane on one output needs no more.

mod buffer;
mod card;
mod choose;
mod edid;
mod head;
mod output;
mod swapchain;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use drm::control::connector;
use tracing::debug;

use super::canvas;
use super::fader::View;
use super::{Fit, Rotation, ScreenError, Settings, ShowOutcome};
use crate::display;
use crate::size::Size;
use card::Card;
use head::CardHead;
use swapchain::{Head as _, Swapchain};

pub use choose::{Timing, choose};
#[doc(hidden)]
pub use edid::monitor_name;
pub use output::{CardInfo, survey};

/// The connector property `DPMS`.
const DPMS_ON: u64 = 0;
const DPMS_OFF: u64 = 3;
/// The connector property `link-status` where link training failed, or the cable was replugged.
const LINK_BAD: u64 = 1;

/// An open monitor.
pub struct Kms {
    chain: Swapchain<CardHead>,
    /// The connector's name, `HDMI-A-1`, and the monitor's.
    name: String,
    monitor: String,
    wanted: display::Mode,
    fit: Fit,
    rotate: Rotation,
    blanked: bool,
}

/// Why no monitor can be used.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// No usable card: there may still be a framebuffer.
    #[error("{0}")]
    NoCard(String),
    /// There is a card, but it has no monitor, or another program holds it.
    #[error("{0}")]
    NoMonitor(String),
}

impl Kms {
    /// Opens the first output that `settings` allow and that has a monitor.
    ///
    /// # Errors
    /// Why there is none, card by card.
    pub fn open(settings: &Settings) -> Result<Kms, KmsError> {
        let cards = settings.device.as_ref().map_or_else(card::paths, |device| vec![device.clone()]);
        if cards.is_empty() {
            return Err(KmsError::NoCard("there is no graphics card (/dev/dri/card0)".to_owned()));
        }
        let mut reasons = Vec::new();
        let mut has_outputs = false;
        for path in cards {
            match Kms::open_card(&path, settings) {
                Ok(kms) => return Ok(kms),
                Err(KmsError::NoMonitor(reason)) => {
                    has_outputs = true;
                    reasons.push(format!("{}: {reason}", path.display()));
                }
                Err(KmsError::NoCard(reason)) => reasons.push(format!("{}: {reason}", path.display())),
            }
        }
        let reasons = reasons.join("; ");
        Err(if has_outputs { KmsError::NoMonitor(reasons) } else { KmsError::NoCard(reasons) })
    }

    fn open_card(path: &Path, settings: &Settings) -> Result<Kms, KmsError> {
        let card = Card::open(path).map_err(|e| KmsError::NoCard(format!("cannot be opened: {}", explain(&e))))?;
        let outputs =
            output::outputs(&card).map_err(|e| KmsError::NoCard(format!("drives no monitor: {}", explain(&e))))?;
        if outputs.is_empty() {
            return Err(KmsError::NoCard("has no outputs".to_owned()));
        }
        let (output, mode) = output::choose(&outputs, settings).map_err(KmsError::NoMonitor)?;
        let crtc = output::free_crtc(&card, output);
        let head = crtc.map(|crtc| CardHead { card, connector: output.connector, crtc, mode });
        let chain = head.and_then(|head| Swapchain::start(head, settings.plane_scaling)).map_err(|e| {
            KmsError::NoMonitor(match e.raw_os_error() {
                Some(libc::EACCES | libc::EPERM) => {
                    format!("{}: another program (a desktop, a boot screen) drives it", output.name)
                }
                _ => format!("{}: its mode cannot be set: {}", output.name, explain(&e)),
            })
        })?;
        // A program that ended may have left the screen blanked.
        let _ = chain.head().card.set_connector(output.connector, "DPMS", DPMS_ON);
        Ok(Kms {
            chain,
            name: output.name.clone(),
            monitor: output.monitor.clone().unwrap_or_default(),
            wanted: settings.mode,
            fit: settings.fit,
            rotate: settings.rotate,
            blanked: false,
        })
    }

    /// Pixels of the mode.
    pub fn size(&self) -> Size {
        self.chain.head().size()
    }

    /// Size of the pictures it takes for dreams of `dream` pixels.
    pub fn canvas(&self, dream: Size) -> Size {
        self.chain.canvas(canvas::upright(dream, self.rotate), self.fit)
    }

    /// Frames per second.
    pub fn rate(&self) -> f64 {
        f64::from(Timing::of(&self.chain.head().mode).refresh_mhz) / 1000.0
    }

    /// Flips whose event came late or never.
    pub fn late(&self) -> u64 {
        self.chain.late()
    }

    pub fn name(&self) -> String {
        let scaling = if self.chain.scales() { ", enlarged by the card" } else { "" };
        let monitor = if self.monitor.is_empty() { String::new() } else { format!(" ({})", self.monitor) };
        let mode = output::mode_name(&self.chain.head().mode);
        format!("kms {} {} {mode}{monitor}{scaling}", self.path().display(), self.name)
    }

    /// Shows a picture of [`Kms::canvas`].
    ///
    /// # Errors
    /// The monitor is lost: drop it and open it again.
    pub fn show(&mut self, view: &View) -> Result<ShowOutcome, ScreenError> {
        self.set_blanked(false)?;
        self.chain.show(view, Instant::now()).map_err(|e| self.lost(explain(&e)))
    }

    /// Blanks the monitor, or unblanks it, which takes seconds. One without DPMS shows black instead.
    ///
    /// # Errors
    /// It cannot be unblanked: it is lost.
    pub fn set_blanked(&mut self, blanked: bool) -> Result<(), ScreenError> {
        if self.blanked == blanked {
            return Ok(());
        }
        self.chain.finish_flip(Instant::now());
        let CardHead { card, connector, .. } = self.chain.head();
        match card.set_connector(*connector, "DPMS", if blanked { DPMS_OFF } else { DPMS_ON }) {
            Ok(()) => self.blanked = blanked,
            Err(error) if blanked => debug!("screen {}: cannot be blanked, so it shows black: {error}", self.name),
            Err(error) => return Err(self.lost(format!("it cannot be unblanked: {}", explain(&error)))),
        }
        Ok(())
    }

    /// Checks that the monitor is still there and the same; `probe` asks it, which takes a moment, instead of
    /// trusting the driver.
    ///
    /// # Errors
    /// It is not: drop it and open what there is.
    pub fn check(&mut self, probe: bool) -> Result<(), ScreenError> {
        let CardHead { card, connector, mode, .. } = self.chain.head();
        let output = output::read(card, *connector, probe).map_err(|e| self.lost(explain(&e)))?;
        if output.state == connector::State::Disconnected {
            return Err(self.lost("it was unplugged".to_owned()));
        }
        if output::mode(&output, self.wanted).as_ref() != Ok(mode) {
            return Err(self.lost("another monitor, or one with other modes, was plugged in".to_owned()));
        }
        // A driver that cannot restore the link by itself waits for us to set the mode again.
        let is_bad = card.property(*connector, "link-status").is_some_and(|(_, status)| status == LINK_BAD);
        if is_bad && !self.blanked {
            self.chain.finish_flip(Instant::now());
            self.chain.reset_mode().map_err(|e| self.lost(explain(&e)))?;
        }
        Ok(())
    }

    fn lost(&self, reason: String) -> ScreenError {
        ScreenError::Lost { screen: format!("{} on {}", self.name, self.path().display()), reason }
    }

    /// The card's path.
    fn path(&self) -> &PathBuf {
        self.chain.head().card.path()
    }
}

impl Drop for Kms {
    fn drop(&mut self) {
        let _ = self.set_blanked(false);
        self.chain.finish_flip(Instant::now());
        // Closing the card's file frees the buffers and brings the kernel's console back.
    }
}

/// An error in words for the person in front of the device.
fn explain(error: &io::Error) -> String {
    if let Some(why) = crate::denied(error) {
        return why.to_owned();
    }
    match error.raw_os_error() {
        Some(libc::ENODEV) => "the card is gone".to_owned(),
        Some(libc::EOPNOTSUPP) => "its driver sets no modes (on NVIDIA: `nvidia-drm modeset=1`)".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_card_is_refused_with_its_reason() {
        let refused = |path: &str| {
            let settings = Settings { device: Some(path.into()), ..Settings::default() };
            match Kms::open(&settings) {
                Err(KmsError::NoCard(reason)) => reason,
                Err(KmsError::NoMonitor(reason)) => panic!("{path} has outputs: {reason}"),
                Ok(kms) => panic!("{path} is {}", kms.name()),
            }
        };
        assert!(refused("/dev/null").starts_with("/dev/null: "), "{}", refused("/dev/null"));
        assert!(refused("/dev/no-such-card").contains("No such file"), "{}", refused("/dev/no-such-card"));
    }
}
