//! What the display stage does: shows dreams, fading from each to the next, and before the first one the boot card.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Stage;
use super::boot_card::{DeviceIdentity, boot_card};
use super::meter::{Meter, ms};
use super::reloadable::Reloadable;
use super::stages::{MAX_WAIT, ScreenPresence, TelemetryTimer, Wiring};
use crate::director::Signal;
use crate::display::{
    self, BootCard, Canvas, Caption, CaptionRow, CornerCaption, Fader, Fit, ScreenManager, ShowOutcome, Tap,
};
use crate::frame::Frame;
use crate::recognition::{Guess, Sight};
use crate::size::Size;

/// A picture that stands still is drawn again after so long, in case something else drew over it.
const REDRAW_INTERVAL: Duration = Duration::from_secs(1);
/// Opening a screen may take that much longer than showing a picture: slow monitors, and cards that do not answer.
const OPEN_LIMIT: Duration = Duration::from_secs(30);
/// How long a name or a fault is shown, and the least brightness for a name.
const OVERLAY_TIME: Duration = Duration::from_secs(10);
const MIN_NAME_BRIGHTNESS: f64 = 0.5;
/// The longest note, in characters: a longer one would be too small to read.
const MAX_NOTE_CHARS: usize = 100;
/// The widest picture offered to the web page.
const MAX_PREVIEW_WIDTH: usize = 1280;

/// Shows what comes through `wiring` until the stop.
pub fn run(
    stage: &Stage,
    settings: &mut Reloadable<display::Settings>,
    identity: &mut Reloadable<DeviceIdentity>,
    wiring: &Wiring,
) -> anyhow::Result<()> {
    let params = wiring.handle.params();
    let mut signals = wiring.handle.signals();
    let mut worker = stage.during(OPEN_LIMIT, || DisplayWorker::new(stage, settings.get(), wiring));
    let mut report = TelemetryTimer::default();
    let mut card = Some(BootCard::default());
    // The notes shown last: faults with their numbers (one of this stage's own too, after its restart), and what is
    // wrong with the configuration.
    let mut shown_notes = [None, None];
    let mut due = Instant::now();
    while stage.heartbeat() {
        identity.refresh();
        if settings.refresh() {
            stage.during(OPEN_LIMIT, || worker.reconfigure(settings.get()));
        }
        // While nobody watches, pictures are taken and nothing is drawn.
        let idle = worker.screens.screen().is_headless() && !wiring.tap.is_watched();
        let wait = if idle { MAX_WAIT } else { due.saturating_duration_since(Instant::now()) };
        let picture = wiring.pictures.take(wait.min(MAX_WAIT));
        let is_new = picture.is_some();
        if let Some(picture) = picture {
            card = None;
            worker.show_picture(picture);
        }
        while let Ok(signal) = signals.try_recv() {
            if signal == Signal::Identify {
                worker.show_overlay(Caption::Name, identity.get().device.clone());
            }
        }
        worker.remove_expired_overlay();
        if report.is_due() {
            worker.report();
            let now = wiring.handle.telemetry();
            let faults = [
                now.fault.as_ref().map(|fault| (fault.number, fault.text.clone())),
                // The boot card has a row for it.
                now.configuration.as_ref().filter(|_| card.is_none()).map(|why| (0, format!("configuration: {why}"))),
            ];
            for (shown, fault) in shown_notes.iter_mut().zip(faults) {
                worker.show_note(shown, fault);
            }
            let is_captioned = params.borrow().caption;
            worker
                .recognised
                .set(now.recognition.as_ref().filter(|_| is_captioned).map(caption_rows).unwrap_or_default());
            if let Some(shown) = &mut card {
                worker.show_card(shown, boot_card(identity.get(), &now, wiring.fault()));
            }
        }
        if worker.poll_screens() {
            worker.reset_canvas();
        }
        let now = Instant::now();
        if idle {
            worker.mark_shown();
            continue;
        }
        // A picture that does not fade in is shown as soon as it comes.
        if now < due && !(is_new && worker.shows_at_once(now)) {
            continue;
        }
        due = (due + worker.screens.frame_period()).max(now);
        let light = match &*params.borrow() {
            // A dark mirror shows its name, too.
            params if worker.shows_name() => params.brightness_at(now).max(MIN_NAME_BRIGHTNESS),
            params => params.light_at(now),
        };
        worker.draw(light as f32, now);
        worker.offer_preview(now);
    }
    Ok(())
}

/// Text across the picture, for some time.
struct Overlay {
    caption: Caption,
    text: String,
    until: Instant,
    /// The picture without it.
    plain: Frame,
}

/// The screen, what is on it, and what the web page sees of it.
struct DisplayWorker<'a> {
    stage: &'a Stage,
    wiring: &'a Wiring,
    fallback_size: Size,
    fit: Fit,
    screens: ScreenManager,
    fader: Fader,
    /// How bright the screen was last, 0 to 1.
    light: f32,
    /// The newest dream, or the boot card before it.
    newest: Option<Frame>,
    /// When the screen was last drawn; none where it has to be redrawn.
    drawn_at: Option<Instant>,
    /// Written across the picture.
    overlay: Option<Overlay>,
    /// What is recognised, in the corner.
    recognised: CornerCaption,
    is_blanked: bool,
    preview: Option<Fader>,
    offered_at: Option<Instant>,
    row: Vec<u8>,
    /// Whether the newest dream has been shown; how long the last ones took until then, and the last command.
    is_newest_shown: bool,
    latency: Meter,
    command_latency: Option<Duration>,
}

impl<'a> DisplayWorker<'a> {
    fn new(stage: &'a Stage, settings: &display::Settings, wiring: &'a Wiring) -> DisplayWorker<'a> {
        let (now, screens) = (Instant::now(), ScreenManager::new(settings));
        let fader = Fader::new(screens.canvas(screens.screen().size()), now);
        let mut worker = DisplayWorker {
            stage,
            wiring,
            fallback_size: settings.size,
            fit: settings.fit,
            screens,
            fader,
            light: 1.0,
            newest: None,
            drawn_at: None,
            overlay: None,
            recognised: CornerCaption::default(),
            is_blanked: false,
            preview: None,
            offered_at: None,
            row: Vec::new(),
            is_newest_shown: true,
            latency: Meter::default(),
            command_latency: None,
        };
        worker.reset_canvas();
        worker
    }

    /// Applies changed settings.
    fn reconfigure(&mut self, settings: &display::Settings) {
        self.screens.reconfigure(settings);
        (self.fallback_size, self.fit) = (settings.size, settings.fit);
        self.reset_canvas();
    }

    /// Starts afresh on the present screen, with the picture of the last.
    fn reset_canvas(&mut self) {
        let dream = self.newest.as_ref().map_or(self.screens.screen().size(), Frame::size);
        self.fader = Fader::new(self.screens.canvas(dream), Instant::now());
        self.newest.iter().for_each(|dream| self.fader.fade_to(dream, Duration::ZERO, Instant::now()));
        self.drawn_at = None;
        self.is_blanked = false;
        self.preview = None;
        let is_filled = self.fit == Fit::Fill;
        let seen = self.screens.visible_size();
        self.wiring.set_screen(seen.map_or(ScreenPresence::Absent, |size| ScreenPresence::Present { size, is_filled }));
    }

    fn show_picture(&mut self, mut dream: Frame) {
        self.is_newest_shown = false;
        self.recognised.draw(&mut dream);
        if let Some(overlay) = &mut self.overlay {
            overlay.plain.copy_from(&dream);
            display::draw_caption(&overlay.text, overlay.caption, &mut dream);
        }
        self.push(dream);
    }

    /// Shows `text` across the dream for some seconds, instead of any before. False where there is no picture yet.
    fn show_overlay(&mut self, caption: Caption, text: String) -> bool {
        let before = self.overlay.take().map(|overlay| overlay.plain);
        let Some(plain) = before.or_else(|| self.newest.clone()) else { return false };
        let mut written = plain.clone();
        display::draw_caption(&text, caption, &mut written);
        self.overlay = Some(Overlay { caption, text, until: Instant::now() + OVERLAY_TIME, plain });
        self.push(written);
        true
    }

    /// Writes `fault` across the picture, unless it is the one `shown` last.
    fn show_note(&mut self, shown: &mut Option<(u64, String)>, fault: Option<(u64, String)>) {
        if *shown == fault {
            return;
        }
        let line = fault
            .as_ref()
            .map(|(_, text)| text.lines().next().unwrap_or_default().chars().take(MAX_NOTE_CHARS).collect());
        if line.is_none_or(|line| self.show_overlay(Caption::Note, line)) {
            *shown = fault;
        }
    }

    /// Removes the overlay when its time is over.
    fn remove_expired_overlay(&mut self) {
        if let Some(overlay) = self.overlay.take_if(|overlay| overlay.until <= Instant::now()) {
            self.push(overlay.plain);
        }
    }

    fn shows_name(&self) -> bool {
        self.overlay.as_ref().is_some_and(|overlay| overlay.caption == Caption::Name)
    }

    fn push(&mut self, dream: Frame) {
        let now = Instant::now();
        let canvas = self.screens.canvas(dream.size());
        if self.fader.canvas() != &canvas {
            // The card scales, and the dream's size changed: what is shown is redrawn at the new size, then faded
            // from as usual.
            let mut fader = Fader::new(canvas, now);
            self.newest.iter().for_each(|seen| fader.fade_to(seen, Duration::ZERO, self.fader.fade_began()));
            self.fader = fader;
        }
        let period = self.screens.frame_period();
        for fader in [Some(&mut self.fader), self.preview.as_mut()].into_iter().flatten() {
            fader.fade_to(&dream, period, now);
        }
        if let Some(old) = self.newest.replace(dream) {
            self.wiring.pictures.give_back(old);
        }
        self.wiring.seen.store(true, Ordering::Relaxed);
    }

    /// Shows `card` instead of `shown`, where they differ.
    fn show_card(&mut self, shown: &mut BootCard, card: BootCard) {
        if *shown == card {
            return;
        }
        let mut picture = Frame::new(0, 0);
        card.draw(self.screens.visible_size().unwrap_or(self.fallback_size), &mut picture);
        *shown = card;
        // At once: letters that fade into others cannot be read.
        self.newest = Some(picture);
        self.reset_canvas();
        self.wiring.seen.store(true, Ordering::Relaxed);
    }

    /// Checks the screen and opens another where one is due; true where the screen changed.
    fn poll_screens(&mut self) -> bool {
        let stage = self.stage;
        stage.during(OPEN_LIMIT, || self.screens.poll())
    }

    /// Continues on another screen, or on none, after one was lost.
    fn replace_screen(&mut self) {
        self.poll_screens();
        self.reset_canvas();
    }

    /// Whether the newest picture does not fade in.
    fn shows_at_once(&self, now: Instant) -> bool {
        !self.fader.is_fading(now)
    }

    /// Draws the picture at `now`, where it differs from the last one drawn.
    fn draw(&mut self, light: f32, now: Instant) {
        let is_light_moving = std::mem::replace(&mut self.light, light) != light;
        if self.screens.screen().is_headless() {
            return self.mark_shown();
        }
        let is_moving = is_light_moving || self.fader.is_fading(now);
        let is_stale = self.drawn_at.is_none_or(|drawn| now.saturating_duration_since(drawn) >= REDRAW_INTERVAL)
            || !self.is_newest_shown;
        let stage = self.stage;
        if light == 0.0 {
            if !self.is_blanked {
                match self.screens.show(&self.fader.view(now, light)) {
                    ShowOutcome::Shown => {
                        self.is_blanked = true;
                        if stage.during(OPEN_LIMIT, || self.screens.blank()) {
                            self.replace_screen();
                        }
                    }
                    ShowOutcome::Skipped => (),
                    ShowOutcome::ScreenChanged => self.replace_screen(),
                }
            }
            return;
        }
        if !is_moving && !is_stale && !self.is_blanked {
            return;
        }
        let view = self.fader.view(now, light);
        // A monitor that wakes up may take seconds.
        let outcome = match std::mem::take(&mut self.is_blanked) {
            true => stage.during(OPEN_LIMIT, || self.screens.show(&view)),
            false => self.screens.show(&view),
        };
        match outcome {
            ShowOutcome::Shown => {
                // A fade is drawn once more after its end, with all of the new picture.
                self.drawn_at = (!is_moving).then_some(now);
                self.mark_shown();
            }
            ShowOutcome::Skipped => self.drawn_at = None,
            ShowOutcome::ScreenChanged => self.replace_screen(),
        }
    }

    /// Records that the newest dream is on the screen, and how long that took.
    fn mark_shown(&mut self) {
        if let Some(dream) = self.newest.as_ref().filter(|_| !std::mem::replace(&mut self.is_newest_shown, true)) {
            let now = Instant::now();
            self.latency.count(now, now.saturating_duration_since(dream.captured));
            self.command_latency =
                dream.commanded.map(|came| now.saturating_duration_since(came)).or(self.command_latency);
        }
    }

    /// Offers the picture, upright, to the web page, where somebody watches.
    fn offer_preview(&mut self, now: Instant) {
        let tap: &Tap = &self.wiring.tap;
        if !tap.is_watched() {
            self.preview = None;
            return;
        }
        if !tap.wants(self.offered_at, now) {
            return;
        }
        let newest = &self.newest;
        let seen = self.screens.visible_size().unwrap_or(self.fallback_size);
        let preview = self.preview.get_or_insert_with(|| {
            let mut fader = Fader::new(Canvas::plain(at_most(seen, MAX_PREVIEW_WIDTH)), now);
            newest.iter().for_each(|dream| fader.fade_to(dream, Duration::ZERO, now));
            fader
        });
        let mut picture = tap.blank();
        preview.view(now, self.light).write_frame(&mut picture, &mut self.row);
        tap.offer(picture);
        self.offered_at = Some(now);
    }

    fn report(&mut self) {
        let (late, lost) = self.screens.late_and_lost();
        let latency = self.latency.read(Instant::now());
        self.wiring.handle.report(|telemetry| {
            telemetry.latency_ms = latency.map(|latency| ms(latency.p50));
            telemetry.command_ms = self.command_latency.map(ms);
            telemetry.display = self.screens.screen().status();
            (telemetry.display_late, telemetry.display_lost) = (late, lost);
        });
    }
}

/// What `sight` says, in two lines: what the camera's picture is taken for, and what the dream, there and before it.
fn caption_rows(sight: &Sight) -> Vec<CaptionRow> {
    let percent = |share: f32| format!("{:.0}", 100.0 * share.max(0.0));
    let row = |label, guess: &Guess| {
        let before = guess.growth.map(|growth| percent(guess.confidence - growth) + " → ").unwrap_or_default();
        CaptionRow { label, text: guess.name.clone(), remark: format!("{before}{} %", percent(guess.confidence)) }
    };
    let seen = sight.seen.iter().flat_map(|seen| seen.first()).map(|guess| row("camera", guess));
    seen.chain(sight.dreamed.first().map(|guess| row("dream", guess))).collect()
}

/// `size`, reduced to at most `width` pixels across.
fn at_most(size: Size, width: usize) -> Size {
    match size.width > width {
        true => Size { width, height: (size.height * width / size.width).max(1) },
        false => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_keeps_the_screens_shape() {
        let size = |width, height| Size { width, height };
        assert_eq!(at_most(size(3840, 2160), 1280), size(1280, 720));
        assert_eq!(at_most(size(720, 1280), 1280), size(720, 1280));
    }
}
