//! What the stages do: source, dream, display. Each runs until the stop or its first failure; [`super::Stage`] starts
//! it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::TryRecvError;

use super::meter::Meter;
use super::{Action, Desk, Stage};
use crate::config;
use crate::display::{Fader, Projector, Tap};
use crate::dream::Dreamer;
use crate::frame::Frame;
use crate::slot::Slot;
use crate::source::Source;

/// Between two entries into the telemetry.
const REPORT: Duration = Duration::from_secs(1);
/// The longest wait for a neighbour: no heartbeat stays away because of it.
const PATIENCE: Duration = Duration::from_millis(200);
/// A camera picture older than this is no longer looked at: the dream goes on by itself.
const STALE: Duration = Duration::from_secs(3);

/// What the stages share.
#[derive(Clone)]
pub struct Wiring {
    pub desk: Desk,
    /// Source to dream, dream to display.
    pub camera: Slot,
    pub dreams: Slot,
    pub tap: Tap,
    /// Turns true with the first picture shown.
    pub seen: Arc<AtomicBool>,
}

/// Reads pictures and passes them on.
pub fn source(stage: &Stage, settings: &config::Source, wiring: &Wiring) -> anyhow::Result<()> {
    let mut source = Source::open(settings)?;
    let mut report = Report::default();
    while stage.goes_on() {
        let mut frame = wiring.camera.blank();
        if source.next(&mut frame)? {
            wiring.camera.put(frame);
        } else {
            wiring.camera.give_back(frame);
        }
        if report.is_due() {
            wiring.desk.report(|telemetry| telemetry.camera = source.status());
        }
    }
    Ok(())
}

/// Dreams, `fps` frames a second at most.
pub fn dream(stage: &Stage, dreamer: &mut Dreamer, fps: f64, wiring: &Wiring) -> anyhow::Result<()> {
    let period = Duration::from_secs_f64(1.0 / fps);
    let mut params = wiring.desk.params();
    let mut now = params.borrow_and_update().clone();
    let mut actions = wiring.desk.actions();
    let mut view = View::default();
    let mut meter = Meter::default();
    let mut report = Report::default();
    // A frame of many steps on a slow board is slow, not stuck.
    let beat = stage.clone();
    dreamer.on_step(move |_| {
        beat.goes_on();
    });
    // A dream begins from the camera picture where one is to be had.
    view.refresh(&wiring.camera, Duration::from_secs(1));
    let mut last = Instant::now();
    let mut has_dreamed = false;
    while stage.goes_on() {
        if params.has_changed().unwrap_or(false) {
            now = params.borrow_and_update().clone();
        }
        loop {
            match actions.try_recv() {
                Ok(Action::Reset) => dreamer.reset(),
                // Some were missed: there is but one kind.
                Err(TryRecvError::Lagged(_)) => dreamer.reset(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let begun = Instant::now();
        let elapsed = begun - std::mem::replace(&mut last, begun);
        if now.paused && has_dreamed {
            stage.sleep(PATIENCE.min(period));
            continue;
        }
        view.refresh(&wiring.camera, Duration::ZERO);
        let mut out = wiring.dreams.blank();
        dreamer.dream(view.present(), &now, elapsed, &mut out)?;
        wiring.dreams.put(out);
        has_dreamed = true;
        meter.count(Instant::now(), dreamer.vitals().frame_time);
        if report.is_due() {
            tell(dreamer, &mut meter, wiring);
        }
        stage.sleep(period.saturating_sub(begun.elapsed()));
    }
    Ok(())
}

fn tell(dreamer: &Dreamer, meter: &mut Meter, wiring: &Wiring) {
    let (vitals, reading) = (dreamer.vitals(), meter.read(Instant::now()));
    let ms = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    wiring.desk.report(|telemetry| {
        telemetry.fps = (reading.fps * 100.0).round() / 100.0;
        telemetry.frame_ms_p50 = ms(reading.p50);
        telemetry.frame_ms_p99 = ms(reading.p99);
        telemetry.provider = vitals.provider.map(|p| p.to_string()).unwrap_or_default();
        (telemetry.width, telemetry.height) = (vitals.width, vitals.height);
        (telemetry.octaves, telemetry.steps) = (vitals.octaves, vitals.steps);
        telemetry.activation = vitals.activation;
        telemetry.drops = wiring.dreams.dropped();
    });
}

/// The newest camera picture, held because the next may be long in coming.
#[derive(Default)]
struct View(Option<(Frame, Instant)>);

impl View {
    fn refresh(&mut self, camera: &Slot, patience: Duration) {
        if let Some(frame) = camera.take(patience)
            && let Some((old, _)) = self.0.replace((frame, Instant::now()))
        {
            camera.give_back(old);
        }
    }

    fn present(&self) -> Option<&Frame> {
        self.0.as_ref().filter(|(_, came)| came.elapsed() < STALE).map(|(frame, _)| frame)
    }
}

/// Shows dreams, fading from each to the next.
pub fn display(stage: &Stage, settings: &config::Screen, wiring: &Wiring) -> anyhow::Result<()> {
    let period = Duration::from_secs(1) / settings.fps;
    let params = wiring.desk.params();
    let mut projector = Projector::new(settings);
    let mut fader = new_fader(&projector);
    let mut newest: Option<Frame> = None;
    // Nobody looks: dreams are taken and nothing is drawn.
    let mut idle = false;
    let mut offered = None;
    let mut report = Report::default();
    let mut due = Instant::now();
    while stage.goes_on() {
        let wait = if idle { PATIENCE } else { due.saturating_duration_since(Instant::now()) };
        let came = wiring.dreams.take(wait.min(PATIENCE));
        if let Some(dream) = came {
            if !idle {
                fader.take(&dream, Instant::now());
            }
            if let Some(old) = newest.replace(dream) {
                wiring.dreams.give_back(old);
            }
            wiring.seen.store(true, Ordering::Relaxed);
        }
        if report.is_due() {
            wiring.desk.report(|telemetry| telemetry.display = projector.screen().name());
        }
        let was_idle = std::mem::replace(&mut idle, projector.screen().is_headless() && !wiring.tap.is_watched());
        let found = projector.look_again();
        if found || (was_idle && !idle) {
            fader = new_fader(&projector);
            newest.iter().for_each(|dream| fader.take(dream, Instant::now()));
        }
        let now = Instant::now();
        if idle || now < due {
            continue;
        }
        due = (due + period).max(now);
        let wanted = wiring.tap.wants(offered, now);
        if projector.screen().is_headless() && !wanted {
            continue;
        }
        let picture = if params.borrow().blank { fader.black() } else { fader.draw(now) };
        if wanted {
            wiring.tap.offer(picture);
            offered = Some(now);
        }
        if projector.show(picture) {
            fader = new_fader(&projector);
            newest.iter().for_each(|dream| fader.take(dream, Instant::now()));
        }
    }
    Ok(())
}

fn new_fader(projector: &Projector) -> Fader {
    let size = projector.screen().size();
    Fader::new(size.width, size.height, Instant::now())
}

/// When to write into the telemetry.
#[derive(Default)]
struct Report(Option<Instant>);

impl Report {
    fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= REPORT);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}
