//! A screen that comes and goes: lost, the dream goes on without it, and it is looked for again.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{Screen, ScreenError};
use crate::backoff::Backoff;
use crate::config::{self, ScreenKind};
use crate::frame::Frame;

pub struct Projector {
    settings: config::Screen,
    /// Headless while there is no other.
    screen: Screen,
    /// When to look for a better one; none where this is what was asked for.
    look_at: Option<Instant>,
    backoff: Backoff,
    /// Why there is none, as it was told last: the same is told once.
    told: String,
}

impl Projector {
    /// Opens what `settings` name; where that is not there, it is looked for from then on.
    pub fn new(settings: &config::Screen) -> Projector {
        let mut projector = Projector {
            settings: settings.clone(),
            screen: Screen::Headless(settings.size),
            look_at: None,
            backoff: Backoff::new(Duration::from_secs(2), Duration::from_secs(10)).unwrap_or_default(),
            told: String::new(),
        };
        projector.look();
        projector
    }

    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Shows a picture of the screen's size; true where the screen is another afterwards, perhaps of another size.
    pub fn show(&mut self, picture: &Frame) -> bool {
        let Err(error) = self.screen.show(picture) else { return false };
        self.screen = Screen::Headless(self.settings.size);
        if matches!(error, ScreenError::WindowClosed) {
            info!("screen: {error}; the dream goes on, to be seen on the web page");
        } else {
            warn!("screen lost: {error}; the dream goes on, and it is looked for again");
            self.told = error.to_string();
            self.look_at = Some(Instant::now() + self.backoff.wait());
        }
        true
    }

    /// Looks for a missing screen when it is time to; true where one was found.
    pub fn look_again(&mut self) -> bool {
        self.look_at.is_some_and(|at| Instant::now() >= at) && self.look()
    }

    fn look(&mut self) -> bool {
        let lacking = match Screen::open(&self.settings) {
            Ok((screen, None)) => {
                info!("screen: {}", screen.name());
                self.screen = screen;
                self.look_at = None;
                self.backoff.reset();
                self.told.clear();
                return true;
            }
            Ok((_, Some(reason))) => reason,
            Err(error) => error.to_string(),
        };
        self.look_at = Some(Instant::now() + self.backoff.wait());
        if lacking != self.told {
            let seen = "the picture is seen on the web page; one that comes is used";
            if self.settings.kind == ScreenKind::Auto {
                info!("screen: none ({lacking}); {seen}");
            } else {
                warn!("screen: {lacking}; {seen}");
            }
            self.told = lacking;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_that_is_missing_is_looked_for_and_one_that_is_not_wanted_is_not() {
        let missing = config::Screen {
            kind: ScreenKind::Fbdev,
            device: Some("/dev/no-such-screen".into()),
            ..config::Screen::default()
        };
        let mut projector = Projector::new(&missing);
        assert!(projector.screen().is_headless() && projector.look_at.is_some());
        assert!(!projector.show(&Frame::new(1280, 720)));
        let headless = Projector::new(&config::Screen { kind: ScreenKind::Headless, ..missing });
        assert!(headless.screen().is_headless() && headless.look_at.is_none());
    }
}
