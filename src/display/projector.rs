//! A screen that comes and goes: lost, the dream goes on without it, and it is looked for again.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::canvas::{self, Canvas};
use super::fader::View;
use super::vt::Graphics;
use super::{Screen, ScreenError, ScreenKind, Settings, Shown};
use crate::backoff::Backoff;
use crate::hotplug::Hotplug;
use crate::size::Size;

/// Between two looks at a screen of which no word came.
const LOOK: Duration = Duration::from_secs(5);
/// One lost sooner than this after it was opened is not opened again at once: it may be lost each time.
const STEADY: Duration = Duration::from_secs(10);

/// Shows pictures on the best screen there is at the moment.
pub struct Projector {
    settings: Settings,
    /// Headless while there is no other.
    screen: Screen,
    opened: Instant,
    /// Keeps the terminal behind the screen quiet.
    graphics: Option<Graphics>,
    hotplug: Hotplug,
    /// When to look for a better one, or at this one; none where nothing is to be looked at.
    look_at: Option<Instant>,
    backoff: Backoff,
    /// Why there is none, as it was told last: the same is told once.
    told: String,
    /// Late pictures of screens that are gone.
    late: u64,
    lost: u64,
}

impl Projector {
    /// Opens what `settings` name; where that is not there, it is looked for from then on.
    pub fn new(settings: &Settings) -> Projector {
        let mut projector = Projector {
            settings: settings.clone(),
            screen: Screen::Headless(settings.size),
            opened: Instant::now(),
            graphics: None,
            // Before the first look: what is plugged in meanwhile is heard of.
            hotplug: Hotplug::listen("drm"),
            look_at: None,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(10)).unwrap_or_default(),
            told: String::new(),
            late: 0,
            lost: 0,
        };
        projector.look();
        projector
    }

    /// Goes on as `settings` say. Only where they name another screen, or another mode, is it opened anew.
    pub fn configure(&mut self, settings: &Settings) {
        let opens = |settings: &Settings| {
            let Settings { kind, device, connector, mode, plane_scaling, size, vt, .. } = settings.clone();
            (kind, device, connector, mode, plane_scaling, size, vt)
        };
        if opens(&self.settings) == opens(settings) {
            self.settings = settings.clone();
            return;
        }
        let (late, lost) = self.mishaps();
        // Let go first: it may be the same card.
        self.screen = Screen::Headless(settings.size);
        self.graphics = None;
        *self = Projector { late, lost, ..Projector::new(settings) };
    }

    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// What pictures made of dreams of `dream` pixels are drawn on.
    pub fn canvas(&self, dream: Size) -> Canvas {
        if self.screen.is_headless() {
            return Canvas::plain(self.screen.size());
        }
        Canvas::new(self.screen.canvas(dream), &self.settings)
    }

    /// Its size as the one sees it who stands before it; none where there is no screen.
    pub fn seen_size(&self) -> Option<Size> {
        (!self.screen.is_headless()).then(|| canvas::upright(self.screen.size(), self.settings.rotate))
    }

    /// Time from one picture to the next.
    pub fn period(&self) -> Duration {
        let most = self.settings.fps.map_or(f64::INFINITY, f64::from);
        Duration::from_secs_f64(1.0 / self.screen.rate().min(most))
    }

    /// Pictures shown late, and screens lost, since the start.
    pub fn mishaps(&self) -> (u64, u64) {
        (self.late + self.screen.late(), self.lost)
    }

    /// Shows a picture of [`Projector::canvas`].
    pub fn show(&mut self, view: &View) -> Shown {
        match self.screen.show(view) {
            Ok(shown) => shown,
            Err(error) => {
                self.lose(&error, self.opened.elapsed() >= STEADY);
                Shown::Anew
            }
        }
    }

    /// Darkens the screen until the next picture; true where it is another afterwards.
    pub fn darken(&mut self) -> bool {
        let outcome = self.screen.darken();
        outcome.is_err_and(|error| self.lose(&error, self.opened.elapsed() >= STEADY))
    }

    /// Looks at the screen, and for a missing or a better one, when it is time to or word came; true where it is another
    /// afterwards.
    pub fn look_again(&mut self) -> bool {
        let word = self.hotplug.happened();
        let Some(at) = self.look_at else { return false };
        if !word && Instant::now() < at {
            return false;
        }
        if self.screen.is_headless() {
            return self.look();
        }
        self.look_at = Some(Instant::now() + LOOK);
        // A card may have come whose driver was not there yet when this framebuffer was taken.
        let is_makeshift = self.settings.kind == ScreenKind::Auto && matches!(self.screen, Screen::Fbdev(_));
        if is_makeshift
            && word
            && let Ok(screen) = Screen::kms(&self.settings)
        {
            self.take(screen);
            return true;
        }
        self.screen.check(word).is_err_and(|error| self.lose(&error, true))
    }

    /// Goes on without the screen, or, where it may be looked for `at_once`, with what is in its place; true.
    fn lose(&mut self, error: &ScreenError, at_once: bool) -> bool {
        self.late += self.screen.late();
        self.lost += 1;
        self.screen = Screen::Headless(self.settings.size);
        self.graphics = None;
        if matches!(error, ScreenError::WindowClosed) {
            info!("screen: {error}; the dream goes on, to be seen on the web page");
            self.look_at = None;
            return true;
        }
        warn!("screen lost: {error}; the dream goes on, and it is looked for again");
        if self.opened.elapsed() >= STEADY {
            self.backoff.reset();
        }
        if at_once {
            self.look();
        } else {
            self.look_at = Some(Instant::now() + self.backoff.wait());
        }
        true
    }

    fn look(&mut self) -> bool {
        let lacking = match Screen::open(&self.settings) {
            Ok((screen, None)) => {
                self.take(screen);
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

    fn take(&mut self, screen: Screen) {
        info!("screen: {}", screen.name());
        // Given back before it is taken: the other way round it would be given back at last.
        self.graphics = None;
        self.graphics = if screen.has_terminal() { Graphics::take(&self.settings.vt) } else { None };
        self.look_at = screen.has_terminal().then(|| Instant::now() + LOOK);
        self.screen = screen;
        self.opened = Instant::now();
        self.told.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::Fader;

    #[test]
    fn a_screen_that_is_missing_is_looked_for_and_one_that_is_not_wanted_is_not() {
        let missing =
            Settings { kind: ScreenKind::Fbdev, device: Some("/dev/no-such-screen".into()), ..Settings::default() };
        let mut projector = Projector::new(&missing);
        assert!(projector.screen().is_headless() && projector.look_at.is_some());
        let fader = Fader::new(projector.canvas(Size { width: 64, height: 48 }), Instant::now());
        assert_eq!(projector.show(&fader.view(Instant::now(), 1.0)), Shown::Seen);
        let headless = Projector::new(&Settings { kind: ScreenKind::Headless, ..missing });
        assert!(headless.screen().is_headless() && headless.look_at.is_none());
    }
}
