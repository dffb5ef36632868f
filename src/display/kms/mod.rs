//! A monitor on a graphics card, by KMS: modes set, dumb buffers flipped, no desktop and no GPU driver needed.
//!
//! The older calls (`SETCRTC`, `PAGE_FLIP`, `SETPLANE`) are used rather than atomic commits: every driver takes them, atomic ones
//! through the kernel's own helpers, and one plane on one output needs no more.

mod buffer;
mod card;
mod choose;
mod edid;
mod output;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drm::control::{Device as _, Mode, PageFlipFlags, connector, crtc, plane};
use tracing::debug;

use super::ScreenError;
use super::canvas;
use super::fader::View;
use crate::config::{self, Fit, Size};
use buffer::Buffer;
use card::Card;

use output::Output;

pub use choose::{Timing, choose};
#[doc(hidden)]
pub use edid::monitor_name;
pub use output::{Listed, survey};

/// A flip that has not happened by then is given up: some drivers lose the event.
const LATE: Duration = Duration::from_millis(100);
/// A screen that takes no flip for so long is lost.
const STUCK: Duration = Duration::from_secs(3);
/// The connector property `DPMS`.
const DPMS_ON: u64 = 0;
const DPMS_OFF: u64 = 3;

/// A monitor that shows pictures.
pub struct Kms {
    card: Card,
    connector: connector::Handle,
    crtc: crtc::Handle,
    mode: Mode,
    /// `HDMI-A-1`, and what the monitor calls itself.
    name: String,
    monitor: String,
    wanted: config::Mode,
    fit: Fit,
    rotate: config::Rotation,
    /// The plane that enlarges pictures, where there is one that can.
    scaler: Option<plane::Handle>,
    /// The one shown and the one drawn on.
    front: Buffer,
    back: Buffer,
    /// When the flip was asked for that has not been seen to happen.
    pending: Option<Instant>,
    /// Since when no flip was taken.
    refused: Option<Instant>,
    /// Flips whose event did not come in time.
    late: u64,
    dark: bool,
    row: Vec<u8>,
}

/// Why no monitor can be used.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// Nothing to be had by KMS here: a framebuffer may still be.
    #[error("{0}")]
    NoCard(String),
    /// There is a card, but no monitor on it, or it belongs to another program at the moment.
    #[error("{0}")]
    NoMonitor(String),
}

impl Kms {
    /// Opens the first output that `settings` allow and that shows something.
    ///
    /// # Errors
    /// Why none does, card by card.
    pub fn open(settings: &config::Screen) -> Result<Kms, KmsError> {
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

    fn open_card(path: &Path, settings: &config::Screen) -> Result<Kms, KmsError> {
        let card = Card::open(path).map_err(|e| KmsError::NoCard(format!("cannot be opened: {}", explained(&e))))?;
        let outputs =
            output::outputs(&card).map_err(|e| KmsError::NoCard(format!("drives no monitor: {}", explained(&e))))?;
        if outputs.is_empty() {
            return Err(KmsError::NoCard("has no outputs".to_owned()));
        }
        let output = output::choose(&outputs, settings).map_err(KmsError::NoMonitor)?;
        Kms::light(card, output, settings).map_err(|e| match e.raw_os_error() {
            // The rest may be had another way; who holds the card has to let go of it.
            Some(libc::EACCES | libc::EPERM) => {
                KmsError::NoMonitor(format!("{}: another program (a desktop, a boot screen) drives it", output.name))
            }
            _ => KmsError::NoCard(format!("{}: its mode cannot be set: {}", output.name, explained(&e))),
        })
    }

    /// Sets the mode, on black.
    fn light(card: Card, output: &Output, settings: &config::Screen) -> io::Result<Kms> {
        let index = output::mode(output, settings.mode).map_err(io::Error::other)?;
        let mode = output.modes[index];
        let size = size_of(&mode);
        let (front, back) = (Buffer::new(&card, size)?, Buffer::new(&card, size)?);
        let crtc = output::free_crtc(&card, output)?;
        card.set_crtc(crtc, Some(front.picture()), (0, 0), &[output.connector], Some(mode))?;
        let mut kms = Kms {
            card,
            connector: output.connector,
            crtc,
            mode,
            name: output.name.clone(),
            monitor: output.monitor.clone().unwrap_or_default(),
            wanted: settings.mode,
            fit: settings.fit,
            rotate: settings.rotate,
            scaler: None,
            front,
            back,
            pending: None,
            refused: None,
            late: 0,
            dark: false,
            row: Vec::new(),
        };
        if settings.plane_scaling {
            kms.try_scaling();
        }
        // A screen that was dark when its program ended is lit again.
        let _ = kms.card.set_connector(kms.connector, "DPMS", DPMS_ON);
        Ok(kms)
    }

    /// Finds out whether the card enlarges pictures; the driver alone knows.
    fn try_scaling(&mut self) {
        let Some(plane) = self.card.primary_plane(self.crtc) else { return };
        let half = Size { width: (self.size().width / 2).max(1), height: (self.size().height / 2).max(1) };
        self.scaler = Some(plane);
        if let Err(error) = self.take_size(half) {
            debug!("screen {}: the card does not enlarge pictures ({error}): it is done here", self.name);
            self.scaler = None;
        }
    }

    /// Goes over to pictures of another size, which the card enlarges.
    fn take_size(&mut self, size: Size) -> io::Result<()> {
        let Some(plane) = self.scaler else { return Err(io::Error::from(io::ErrorKind::Unsupported)) };
        let (front, back) = (Buffer::new(&self.card, size)?, Buffer::new(&self.card, size)?);
        self.settle();
        let fixed = |pixels: usize| (pixels as u32) << 16;
        let full = self.size();
        self.card.set_plane(
            plane,
            self.crtc,
            Some(front.picture()),
            0,
            (0, 0, full.width as u32, full.height as u32),
            (0, 0, fixed(size.width), fixed(size.height)),
        )?;
        let (old_front, old_back) =
            (std::mem::replace(&mut self.front, front), std::mem::replace(&mut self.back, back));
        old_front.free(&self.card);
        old_back.free(&self.card);
        Ok(())
    }

    /// Pixels of the mode.
    pub fn size(&self) -> Size {
        size_of(&self.mode)
    }

    /// The size in which pictures made of dreams of `dream` pixels are taken.
    pub fn canvas(&self, dream: Size) -> Size {
        match self.scaler {
            Some(_) => choose::canvas(self.size(), canvas::upright(dream, self.rotate), self.fit),
            None => self.size(),
        }
    }

    /// Pictures a second.
    pub fn rate(&self) -> f64 {
        f64::from(Timing::of(&self.mode).refresh_mhz) / 1000.0
    }

    /// Flips whose event came late or never.
    pub fn late(&self) -> u64 {
        self.late
    }

    pub fn name(&self) -> String {
        let scaling = if self.scaler.is_some() { ", enlarged by the card" } else { "" };
        let monitor = if self.monitor.is_empty() { String::new() } else { format!(" ({})", self.monitor) };
        format!("kms {} {} {}@{:.0}{monitor}{scaling}", self.card.path().display(), self.name, self.size(), self.rate())
    }

    /// Shows a picture as large as [`Kms::canvas`] said, once the last one is seen.
    ///
    /// # Errors
    /// The monitor is lost: drop it and open it again.
    pub fn show(&mut self, view: &View) -> Result<(), ScreenError> {
        if self.dark {
            self.set_dark(false)?;
        }
        if view.size != self.back.size()
            && let Err(error) = self.take_size(view.size)
        {
            return Err(self.lost(format!("the card does not enlarge {}: {}", view.size, explained(&error))));
        }
        self.settle();
        self.back.layout().draw(view, self.back.memory(), &mut self.row);
        match self.card.page_flip(self.crtc, self.back.picture(), PageFlipFlags::EVENT, None) {
            Ok(()) => {
                self.pending = Some(Instant::now());
                self.refused = None;
                std::mem::swap(&mut self.front, &mut self.back);
                Ok(())
            }
            // The last flip is still under way, whatever its event says: this picture is left out.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                let since = *self.refused.get_or_insert_with(Instant::now);
                if since.elapsed() > STUCK {
                    return Err(self.lost(format!("it took no picture for {} s", STUCK.as_secs())));
                }
                std::thread::sleep(Duration::from_millis(5));
                Ok(())
            }
            Err(error) => Err(self.lost(explained(&error))),
        }
    }

    /// Waits until the last flip is seen to have happened, or too long.
    fn settle(&mut self) {
        let Some(asked) = self.pending.take() else { return };
        let patience = LATE.saturating_sub(asked.elapsed()).max(Duration::from_millis(1));
        if self.card.wait(patience) {
            let _ = self.card.receive_events();
        } else {
            self.late += 1;
        }
    }

    /// Darkens the monitor, or lights it again; that costs it seconds. One that knows no darkness is black instead.
    ///
    /// # Errors
    /// It cannot be lit any more: it is lost.
    pub fn set_dark(&mut self, dark: bool) -> Result<(), ScreenError> {
        if self.dark == dark {
            return Ok(());
        }
        self.settle();
        match self.card.set_connector(self.connector, "DPMS", if dark { DPMS_OFF } else { DPMS_ON }) {
            Ok(()) => self.dark = dark,
            Err(error) if dark => debug!("screen {}: stays lit, and black: {error}", self.name),
            Err(error) => return Err(self.lost(format!("it cannot be lit: {}", explained(&error)))),
        }
        Ok(())
    }

    /// Looks, after a hotplug event, whether the monitor is still there and still the same.
    ///
    /// # Errors
    /// It is not: drop it and open what there is.
    pub fn check(&mut self) -> Result<(), ScreenError> {
        let output = output::read(&self.card, self.connector, true).map_err(|e| self.lost(explained(&e)))?;
        if !output.is_connected {
            return Err(self.lost("it was unplugged".to_owned()));
        }
        let chosen = output::mode(&output, self.wanted).map(|index| output.modes[index]);
        if chosen != Ok(self.mode) {
            return Err(self.lost("another monitor, or one with other modes, was plugged in".to_owned()));
        }
        if self.dark {
            return Ok(());
        }
        // Plugged out and in again between two looks: its link is set up anew.
        self.relight().map_err(|e| self.lost(explained(&e)))
    }

    /// Sets the mode once more; the picture stays.
    fn relight(&mut self) -> io::Result<()> {
        self.settle();
        let drawn = self.front.size();
        if drawn == self.size() {
            return self.card.set_crtc(
                self.crtc,
                Some(self.front.picture()),
                (0, 0),
                &[self.connector],
                Some(self.mode),
            );
        }
        // A mode is set with a picture of its size alone; then back to the size that the card enlarges.
        let full = Buffer::new(&self.card, self.size())?;
        self.card.set_crtc(self.crtc, Some(full.picture()), (0, 0), &[self.connector], Some(self.mode))?;
        let outcome = self.take_size(drawn);
        full.free(&self.card);
        outcome
    }

    fn lost(&self, reason: String) -> ScreenError {
        ScreenError::Lost { screen: format!("{} on {}", self.name, self.card.path().display()), reason }
    }

    /// Which card this is.
    pub fn path(&self) -> &PathBuf {
        self.card.path()
    }
}

impl AsFd for Kms {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.card.as_fd()
    }
}

impl Drop for Kms {
    fn drop(&mut self) {
        if self.dark {
            let _ = self.card.set_connector(self.connector, "DPMS", DPMS_ON);
        }
        self.settle();
        debug!("screen {}: closing (file {})", self.name, self.card.as_fd().as_raw_fd());
        // Buffers go with the card's file, and with it the kernel's console comes back.
    }
}

fn size_of(mode: &Mode) -> Size {
    Size { width: mode.size().0.into(), height: mode.size().1.into() }
}

/// An error in words for the person in front of the device.
fn explained(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            "permission denied; is the user in the group `video`, and no other program on the screen?".to_owned()
        }
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
            let settings = config::Screen { device: Some(path.into()), ..config::Screen::default() };
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
