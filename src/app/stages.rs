//! What the stages do: source, dream (and display: [`super::exhibit`]). Each runs until the stop or its first failure;
//! [`super::Stage`] starts it again.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::TryRecvError;

use super::Stage;
use super::live::Live;
use super::meter::{Meter, ms};
use crate::config::{self, Size};
use crate::desk::Desk;
use crate::director::Signal;
use crate::display::Tap;
use crate::dream::{self, Dreamer};
use crate::frame::Frame;
use crate::pack::Catalogue;
use crate::runtime::Runtime;
use crate::slot::Slot;
use crate::source::Source;

/// Between two entries into the telemetry.
const REPORT: Duration = Duration::from_secs(1);
/// The longest wait for a neighbour: no heartbeat stays away because of it.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// What the first ascents may take: a GPU tries its kernels, a slow board begins before it knows how slow it is. Later ones may take as
/// long as a frame did before.
const WARM_UP: Duration = Duration::from_secs(300);
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
    /// None before anybody has looked whether there is one.
    pub screen: Arc<Mutex<Option<Screen>>>,
    /// Why there will be no dream, for the screen.
    pub fault: Arc<Mutex<Option<String>>>,
}

/// The screen there is, as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Absent,
    /// Its pixels, and whether pictures cover it: then dreams of its shape lose nothing.
    Present {
        size: Size,
        is_filled: bool,
    },
}

impl Wiring {
    pub fn new(desk: Desk) -> Wiring {
        Wiring {
            desk,
            camera: Slot::default(),
            dreams: Slot::default(),
            tap: Tap::default(),
            seen: Arc::default(),
            screen: Arc::default(),
            fault: Arc::default(),
        }
    }

    pub fn set_screen(&self, screen: Screen) {
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner) = Some(screen);
    }

    /// The screen there is; none before anybody has looked.
    pub fn screen(&self) -> Option<Screen> {
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_fault(&self, fault: String) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads pictures and passes them on.
pub fn source(stage: &Stage, settings: &mut Live<config::Source>, wiring: &Wiring) -> anyhow::Result<()> {
    let mut source = Source::open(settings.get())?;
    let mut report = Report::default();
    while stage.goes_on() {
        if settings.renew() {
            // Closed before another is opened: it may be the same camera.
            drop(source);
            source = Source::open(settings.get())?;
        }
        let mut frame = wiring.camera.blank();
        if source.next(&mut frame)? {
            wiring.camera.put(frame);
        } else {
            wiring.camera.give_back(frame);
        }
        if report.is_due() {
            wiring.desk.report(|telemetry| {
                telemetry.camera = source.status();
                telemetry.camera_state = source.state();
            });
        }
    }
    Ok(())
}

/// The dream's stage, with the dreamer that it keeps from failure to failure.
pub struct DreamStage {
    runtime: Arc<Runtime>,
    catalogue: Arc<Catalogue>,
    kept: Option<Dreamer>,
}

impl DreamStage {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>) -> DreamStage {
        DreamStage { runtime, catalogue, kept: None }
    }

    /// Dreams until the stop.
    pub fn run(&mut self, stage: &Stage, settings: &mut Live<dream::Settings>, wiring: &Wiring) -> anyhow::Result<()> {
        loop {
            // One that panicked is lost and made anew, as is one for other settings.
            let mut dreamer = self
                .kept
                .take()
                .unwrap_or_else(|| Dreamer::new(self.runtime.clone(), self.catalogue.clone(), settings.get().clone()));
            let outcome = dream(stage, &mut dreamer, settings, wiring);
            if !matches!(outcome, Ok(Ended::Renewed)) {
                // Over a failure, since the dream in it is.
                self.kept = Some(dreamer);
                return outcome.map(drop);
            }
        }
    }
}

enum Ended {
    Stopped,
    /// Its settings are others.
    Renewed,
}

/// Dreams at the rate wanted, at most.
fn dream(
    stage: &Stage,
    dreamer: &mut Dreamer,
    settings: &mut Live<dream::Settings>,
    wiring: &Wiring,
) -> anyhow::Result<Ended> {
    let period = Duration::from_secs_f64(1.0 / settings.get().target_fps);
    let mut params = wiring.desk.params();
    let mut now = params.borrow_and_update().clone();
    let mut signals = wiring.desk.signals();
    let mut view = View::default();
    let mut meter = Meter::default();
    let mut report = Report::default();
    // A frame of many steps on a slow board is slow, not stuck.
    let (beat, allowance) = (stage.clone(), Arc::new(Mutex::new(WARM_UP)));
    let allowed = |allowance: &Mutex<Duration>| *allowance.lock().unwrap_or_else(PoisonError::into_inner);
    let own = Arc::clone(&allowance);
    dreamer.on_step(move |_| beat.takes(allowed(&own)));
    // A dream begins from the camera picture where one is to be had.
    view.refresh(&wiring.camera, Duration::from_secs(1));
    let mut last = Instant::now();
    let mut has_dreamed = false;
    let mut commanded = None;
    while stage.goes_on() {
        if settings.renew() {
            return Ok(Ended::Renewed);
        }
        // Before the parameters: what is read after it follows it.
        commanded = commanded.or(wiring.desk.take_commanded());
        if params.has_changed().unwrap_or(false) {
            now = params.borrow_and_update().clone();
        }
        loop {
            match signals.try_recv() {
                Ok(Signal::Reset) => dreamer.reset(),
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
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
        if let Some(Screen::Present { size, is_filled: true }) = wiring.screen() {
            dreamer.take_shape((size.width, size.height));
        }
        let mut out = wiring.dreams.blank();
        stage.takes(allowed(&allowance));
        dreamer.dream(view.present(), &now, elapsed, &mut out)?;
        out.commanded = commanded.take_if(|_| !dreamer.vitals().awaits_layer);
        wiring.dreams.put(out);
        has_dreamed = true;
        if dreamer.vitals().provider.is_some() {
            *allowance.lock().unwrap_or_else(PoisonError::into_inner) = dreamer.vitals().frame_time;
        }
        meter.count(Instant::now(), dreamer.vitals().frame_time);
        if report.is_due() {
            tell(dreamer, &mut meter, wiring);
            dreamer.feel(wiring.desk.telemetry().heat_room);
        }
        stage.sleep(period.saturating_sub(begun.elapsed()));
    }
    Ok(Ended::Stopped)
}

fn tell(dreamer: &Dreamer, meter: &mut Meter, wiring: &Wiring) {
    let (vitals, reading) = (dreamer.vitals(), meter.read(Instant::now()).unwrap_or_default());
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

/// When to write into the telemetry.
#[derive(Default)]
pub struct Report(Option<Instant>);

impl Report {
    pub fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= REPORT);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}
