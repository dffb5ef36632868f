//! Keeps the best available screen open. One that is lost is searched for again while the dream continues.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::canvas::{self, Canvas};
use super::fader::View;
use super::vt::GraphicsMode;
use super::{Screen, ScreenError, ScreenKind, Settings, ShowOutcome};
use crate::backoff::Backoff;
use crate::hotplug::Hotplug;
use crate::size::Size;

/// Between two checks of a screen without a hotplug event.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A screen lost sooner than this is not reopened at once: it may be lost each time.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Shows pictures on the best screen there is at the moment.
pub struct ScreenManager {
    settings: Settings,
    /// Headless while there is no other.
    screen: Screen,
    opened_at: Instant,
    /// Keeps the terminal behind the screen quiet.
    terminal: Option<GraphicsMode>,
    hotplug: Hotplug,
    /// When to check this screen, or search for a better one; none where neither is needed.
    check_at: Option<Instant>,
    backoff: Backoff,
    /// Why there is none, as logged last: the same reason is logged once.
    logged_reason: String,
    /// Late pictures of screens that are gone.
    late: u64,
    lost: u64,
}

impl ScreenManager {
    /// Opens the screen that `settings` name; a missing one is searched for from then on.
    pub fn new(settings: &Settings) -> ScreenManager {
        let mut manager = ScreenManager {
            settings: settings.clone(),
            screen: Screen::Headless(settings.size),
            opened_at: Instant::now(),
            terminal: None,
            // Before the first search, so that nothing plugged in meanwhile is missed.
            hotplug: Hotplug::listen("drm"),
            check_at: None,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(10)).unwrap_or_default(),
            logged_reason: String::new(),
            late: 0,
            lost: 0,
        };
        manager.find();
        manager
    }

    /// Applies `settings`. The screen is reopened only where they name another screen or mode.
    pub fn reconfigure(&mut self, settings: &Settings) {
        let opens = |settings: &Settings| {
            let Settings { kind, device, connector, mode, plane_scaling, size, vt, .. } = settings.clone();
            (kind, device, connector, mode, plane_scaling, size, vt)
        };
        if opens(&self.settings) == opens(settings) {
            self.settings = settings.clone();
            return;
        }
        let (late, lost) = self.late_and_lost();
        // Closed first: it may be the same card.
        self.screen = Screen::Headless(settings.size);
        self.terminal = None;
        *self = ScreenManager { late, lost, ..ScreenManager::new(settings) };
    }

    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// The canvas for dreams of `dream` pixels.
    pub fn canvas(&self, dream: Size) -> Canvas {
        if self.screen.is_headless() {
            return Canvas::plain(self.screen.size());
        }
        Canvas::new(self.screen.canvas(dream), &self.settings)
    }

    /// The screen's size as a viewer sees it; none where there is no screen.
    pub fn visible_size(&self) -> Option<Size> {
        (!self.screen.is_headless()).then(|| canvas::upright(self.screen.size(), self.settings.rotate))
    }

    /// Time from one picture to the next.
    pub fn frame_period(&self) -> Duration {
        let most = self.settings.fps.map_or(f64::INFINITY, f64::from);
        Duration::from_secs_f64(1.0 / self.screen.rate().min(most))
    }

    /// Pictures shown late, and screens lost, since the start.
    pub fn late_and_lost(&self) -> (u64, u64) {
        (self.late + self.screen.late(), self.lost)
    }

    /// Shows a picture of [`ScreenManager::canvas`]. Where that changes the screen, the old one was lost, and the next
    /// [`ScreenManager::poll`] may open another.
    pub fn show(&mut self, view: &View) -> ShowOutcome {
        match self.screen.show(view) {
            Ok(shown) => shown,
            Err(error) => {
                self.drop_lost(&error, self.opened_at.elapsed() >= STABLE_AFTER);
                ShowOutcome::ScreenChanged
            }
        }
    }

    /// Blanks the screen until the next picture; true where the screen was lost, as in [`ScreenManager::show`].
    pub fn blank(&mut self) -> bool {
        let outcome = self.screen.blank();
        outcome.is_err_and(|error| self.drop_lost(&error, self.opened_at.elapsed() >= STABLE_AFTER))
    }

    /// Checks the screen, and searches for a missing or better one, when due or after a hotplug event; true where the
    /// screen changed.
    pub fn poll(&mut self) -> bool {
        let plugged = self.hotplug.happened();
        let Some(at) = self.check_at else { return false };
        if !plugged && Instant::now() < at {
            return false;
        }
        if self.screen.is_headless() {
            return self.find();
        }
        self.check_at = Some(Instant::now() + CHECK_INTERVAL);
        // A card's driver may have been loaded since this framebuffer was opened.
        let is_fallback = self.settings.kind == ScreenKind::Auto && matches!(self.screen, Screen::Fbdev(_));
        if is_fallback
            && plugged
            && let Ok(screen) = Screen::kms(&self.settings)
        {
            self.adopt(screen);
            return true;
        }
        let is_lost = self.screen.check(plugged).is_err_and(|error| self.drop_lost(&error, true));
        if is_lost && self.check_at.is_some() {
            self.find();
        }
        is_lost
    }

    /// Continues without the screen; another is due `at_once` or after a wait. Opens none, which may take long. Always true: the
    /// screen changed.
    fn drop_lost(&mut self, error: &ScreenError, at_once: bool) -> bool {
        self.late += self.screen.late();
        self.lost += 1;
        self.screen = Screen::Headless(self.settings.size);
        self.terminal = None;
        if matches!(error, ScreenError::WindowClosed) {
            info!("screen: {error}; the dream continues on the web page");
            self.check_at = None;
            return true;
        }
        warn!("screen lost: {error}; the dream continues, and a screen is searched for");
        if self.opened_at.elapsed() >= STABLE_AFTER {
            self.backoff.reset();
        }
        let wait = if at_once { Duration::ZERO } else { self.backoff.wait() };
        self.check_at = Some(Instant::now() + wait);
        true
    }

    fn find(&mut self) -> bool {
        let reason = match Screen::open(&self.settings) {
            Ok((screen, None)) => {
                self.adopt(screen);
                return true;
            }
            Ok((_, Some(reason))) => reason,
            Err(error) => error.to_string(),
        };
        self.check_at = Some(Instant::now() + self.backoff.wait());
        if reason != self.logged_reason {
            let seen = "the picture is on the web page until one is found";
            if self.settings.kind == ScreenKind::Auto {
                info!("screen: none ({reason}); {seen}");
            } else {
                warn!("screen: {reason}; {seen}");
            }
            self.logged_reason = reason;
        }
        false
    }

    fn adopt(&mut self, screen: Screen) {
        info!("screen: {}", screen.name());
        // Released before it is acquired: dropped later, the old guard would undo the new one.
        self.terminal = None;
        self.terminal = if screen.has_terminal() { GraphicsMode::acquire(&self.settings.vt) } else { None };
        self.check_at = screen.has_terminal().then(|| Instant::now() + CHECK_INTERVAL);
        self.screen = screen;
        self.opened_at = Instant::now();
        self.logged_reason.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::Fader;

    #[test]
    fn a_missing_screen_is_searched_for_and_an_unwanted_one_is_not() {
        let missing =
            Settings { kind: ScreenKind::Fbdev, device: Some("/dev/no-such-screen".into()), ..Settings::default() };
        let mut manager = ScreenManager::new(&missing);
        assert!(manager.screen().is_headless() && manager.check_at.is_some());
        let fader = Fader::new(manager.canvas(Size { width: 64, height: 48 }), Instant::now());
        assert_eq!(manager.show(&fader.view(Instant::now(), 1.0)), ShowOutcome::Shown);
        let error = ScreenError::Framebuffer { device: "/dev/no-such-screen".into(), reason: "it is gone".to_owned() };
        manager.drop_lost(&error, true);
        let due = manager.check_at;
        assert!(due.is_some_and(|at| at <= Instant::now()), "a loss while a picture is shown opens nothing by itself");
        assert!(!manager.poll() && manager.check_at > due, "the next poll does, and waits where there is none");
        let headless = ScreenManager::new(&Settings { kind: ScreenKind::Headless, ..missing });
        assert!(headless.screen().is_headless() && headless.check_at.is_none());
    }
}
