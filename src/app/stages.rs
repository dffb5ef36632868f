//! The work of the stages source, compositor and dream (display: [`super::display_worker`]). Each runs until cancelled or its first failure;
//! [`super::Stage`] restarts it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::watch;

use super::Stage;
use super::meter::{Meter, ms};
use super::reloadable::Reloadable;
use super::stage::lower_priority;
use crate::compositor::{CanvasGovernor, Compositor, DreamInput, Layer};
use crate::director::{Director, Signal};
use crate::director_handle::DirectorHandle;
use crate::display::Tap;
use crate::dream::{self, Dreamer};
use crate::frame::Frame;
use crate::health::Heat;
use crate::pack::Catalogue;
use crate::recognition::Glance;
use crate::runtime::Runtime;
use crate::size::Size;
use crate::slot::Slot;
use crate::source::{self, Source};

/// Between two reports to the telemetry.
const TELEMETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for another stage, far below every deadline.
pub const MAX_WAIT: Duration = Duration::from_millis(200);
/// What each of the first ascents may take beyond the stage's deadline: a GPU tries its kernels, a slow board begins before it knows how
/// slow it is. Later ones may take as long as a frame did before.
pub const WARM_UP: Duration = Duration::from_secs(300);
/// Without a picture for this long there is no camera, and the dream goes on by itself.
const STALE_AFTER: Duration = Duration::from_secs(3);
/// The longest wait for a camera picture: a crossfade goes on without one.
const FRAME_TIMEOUT: Duration = Duration::from_millis(40);

/// What the stages share.
#[derive(Clone)]
pub struct Wiring {
    pub handle: DirectorHandle,
    /// Source to compositor, compositor to display.
    pub camera: Slot,
    pub pictures: Slot,
    /// Compositor to dream, and back.
    pub dream_inputs: Slot<DreamInput>,
    pub layers: Arc<Mutex<Option<PendingLayer>>>,
    pub tap: Tap,
    /// Compositor to recogniser, when that asks for one.
    pub glances: Slot<Glance>,
    pub wants_glance: Arc<AtomicBool>,
    /// Turns true with the first picture shown.
    pub seen: Arc<AtomicBool>,
    /// None before anybody has looked whether there is one.
    pub screen: Arc<Mutex<Option<ScreenPresence>>>,
    /// Why there will be no dream, for the screen.
    pub fault: Arc<Mutex<Option<String>>>,
    /// The board's heat, which the dream gives way to.
    pub heat: watch::Sender<Heat>,
}

/// A layer on its way to the compositor.
pub struct PendingLayer {
    layer: Arc<Layer>,
    commanded: Option<Instant>,
}

/// The screen there is, as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenPresence {
    Absent,
    /// Its pixels, and whether pictures cover it: then dreams of its shape lose nothing.
    Present {
        size: Size,
        is_filled: bool,
    },
}

impl Wiring {
    pub fn new(handle: DirectorHandle) -> Wiring {
        Wiring {
            handle,
            camera: Slot::default(),
            pictures: Slot::default(),
            dream_inputs: Slot::default(),
            layers: Arc::default(),
            tap: Tap::default(),
            glances: Slot::default(),
            wants_glance: Arc::default(),
            seen: Arc::default(),
            screen: Arc::default(),
            fault: Arc::default(),
            heat: watch::Sender::default(),
        }
    }

    pub fn set_screen(&self, screen: ScreenPresence) {
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner) = Some(screen);
    }

    /// The screen there is; none before anybody has looked.
    pub fn screen(&self) -> Option<ScreenPresence> {
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a layer to the compositor, in place of one that was not taken yet, with the moment of the first command that it follows.
    fn put_layer(&self, layer: Arc<Layer>, commanded: Option<Instant>) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = layers.take().and_then(|missed| missed.commanded);
        *layers = Some(PendingLayer { layer, commanded: missed.or(commanded) });
    }

    fn take_layer(&self) -> Option<PendingLayer> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Hands the recogniser what it asked for: `shown`, and the camera's picture below it.
    fn put_glance(&self, compositor: &Compositor, shown: &Frame) {
        if self.wants_glance.swap(false, Ordering::Relaxed) {
            let mut glance = self.glances.blank();
            let (camera, has_camera) = compositor.camera();
            glance.camera.copy_from(camera);
            glance.has_camera = has_camera;
            glance.shown.copy_from(shown);
            self.glances.put(glance);
        }
    }

    pub fn set_fault(&self, fault: String) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads pictures and passes them on.
pub fn source(stage: &Stage, settings: &mut Reloadable<source::Settings>, wiring: &Wiring) -> anyhow::Result<()> {
    let heartbeat = || {
        stage.heartbeat();
    };
    let mut source = Source::open(settings.get(), &heartbeat)?;
    let mut report = TelemetryTimer::default();
    while stage.heartbeat() {
        if settings.refresh() {
            // Closed before another is opened: it may be the same camera.
            drop(source);
            source = Source::open(settings.get(), &heartbeat)?;
        }
        let mut frame = wiring.camera.blank();
        if source.next(&mut frame, &heartbeat)? {
            wiring.camera.put(frame);
        } else {
            wiring.camera.give_back(frame);
        }
        if report.is_due() {
            wiring.handle.report(|telemetry| telemetry.camera = source.status());
        }
    }
    Ok(())
}

/// Puts camera and dream together, at the camera's rate.
pub fn compose(stage: &Stage, settings: &mut Reloadable<Size>, wiring: &Wiring) -> anyhow::Result<()> {
    let params = wiring.handle.params();
    let mut compositor = Compositor::default();
    let mut canvas = CanvasGovernor::new(canvas_size(settings.get(), wiring));
    let (mut meter, mut report) = (Meter::default(), TelemetryTimer::default());
    let (mut last, mut came) = (Instant::now(), None::<Instant>);
    let mut has_put_input = false;
    while stage.heartbeat() {
        settings.refresh();
        canvas.set_largest(canvas_size(settings.get(), wiring));
        let picture = wiring.camera.take(FRAME_TIMEOUT);
        let begun = Instant::now();
        let elapsed = begun - std::mem::replace(&mut last, begun);
        let (mirror, paused) = (params.borrow().mirror, params.borrow().paused);
        match &picture {
            Some(picture) => compositor.push_frame(picture, canvas.size().into(), mirror, elapsed),
            None => {
                compositor.advance(came.is_some_and(|came| came.elapsed() < STALE_AFTER), canvas.size().into(), elapsed)
            }
        }
        // The one input that was put, if it was taken since, is what the next layer is made for; the layer made before it is
        // there by then, since the dream puts that first.
        let input = wiring.dream_inputs.take(Duration::ZERO);
        let taken = (has_put_input && input.is_none()).then(|| compositor.frame_number() - 1);
        let layer = wiring.take_layer();
        let is_changed = picture.is_some() || layer.is_some() || compositor.is_crossfading();
        let commanded = layer.as_ref().and_then(|pending| pending.commanded);
        if let Some(pending) = layer {
            // A dream that is quicker than the camera took that input, and is there already.
            if let Some(number) = taken.filter(|number| *number == pending.layer.frame_number) {
                compositor.mark_taken(number);
            }
            compositor.push_layer(pending.layer);
        }
        if let Some(number) = taken {
            compositor.mark_taken(number);
        }
        let mut input = input.unwrap_or_else(|| wiring.dream_inputs.blank());
        compositor.read_input(&mut input);
        wiring.dream_inputs.put(input);
        has_put_input = true;
        if paused {
            meter.clear();
        } else if is_changed {
            let mut out = wiring.pictures.blank();
            compositor.compose(&mut out);
            out.commanded = commanded;
            wiring.put_glance(&compositor, &out);
            wiring.pictures.put(out);
            meter.count(Instant::now(), begun.elapsed());
        }
        if let Some(picture) = picture {
            wiring.camera.give_back(picture);
            if let Some(before) = came.replace(begun) {
                canvas.observe(begun.elapsed(), begun - before);
            }
        }
        if report.is_due() {
            let (reading, size) = (meter.read(Instant::now()).unwrap_or_default(), canvas.size());
            wiring.handle.report(|telemetry| {
                telemetry.picture_fps = (reading.fps * 10.0).round() / 10.0;
                telemetry.picture_ms_p50 = ms(reading.p50);
                (telemetry.canvas_width, telemetry.canvas_height) = size.into();
            });
        }
    }
    Ok(())
}

/// The largest canvas there is use for: of the screen's shape, with no more pixels than it has, nor than `most`.
fn canvas_size(most: &Size, wiring: &Wiring) -> Size {
    match wiring.screen() {
        Some(ScreenPresence::Present { size, is_filled: true }) => size.within_pixels(most.pixels()),
        _ => *most,
    }
}

/// The dream stage, whose dreamer outlives its failures.
pub struct DreamStage {
    runtime: Arc<Runtime>,
    catalogue: Arc<Catalogue>,
    kept: Option<Dreamer>,
}

impl DreamStage {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>) -> DreamStage {
        DreamStage { runtime, catalogue, kept: None }
    }

    /// Dreams until cancelled.
    pub fn run(
        &mut self,
        stage: &Stage,
        settings: &mut Reloadable<dream::Settings>,
        wiring: &Wiring,
    ) -> anyhow::Result<()> {
        lower_priority();
        loop {
            // After a panic there is none, nor after a change of settings.
            let mut dreamer = self
                .kept
                .take()
                .unwrap_or_else(|| Dreamer::new(self.runtime.clone(), self.catalogue.clone(), settings.get().clone()));
            let outcome = dream(stage, &mut dreamer, settings, wiring);
            if !matches!(outcome, Ok(DreamExit::SettingsChanged)) {
                // Nothing more comes until it is restarted.
                wiring.handle.report(|telemetry| telemetry.fps = 0.0);
                // Kept after a failure, since it holds the dream.
                self.kept = Some(dreamer);
                return outcome.map(drop);
            }
        }
    }
}

enum DreamExit {
    Stopped,
    /// To be restarted with the new settings.
    SettingsChanged,
}

/// Dreams at the rate wanted, at most.
fn dream(
    stage: &Stage,
    dreamer: &mut Dreamer,
    settings: &mut Reloadable<dream::Settings>,
    wiring: &Wiring,
) -> anyhow::Result<DreamExit> {
    let period = Duration::from_secs_f64(1.0 / settings.get().target_fps);
    let mut params = wiring.handle.params();
    let mut set = params.borrow_and_update().clone();
    let mut now = set.clone();
    let mut signals = wiring.handle.signals();
    let mut scenes = wiring.handle.edition();
    scenes.mark_changed();
    let mut meter = Meter::default();
    let mut report = TelemetryTimer::default();
    // A frame of many steps on a slow board is slow, not stuck: each step leaves a heartbeat.
    let (own, mut allowance) = (stage.clone(), WARM_UP);
    dreamer.on_step(move |_| {
        own.heartbeat();
    });
    let mut last = Instant::now();
    let mut has_dreamed = false;
    let mut commanded = None;
    while stage.heartbeat() {
        if settings.refresh() {
            return Ok(DreamExit::SettingsChanged);
        }
        // Before the parameters, so that those read next include the command.
        commanded = commanded.or(wiring.handle.take_commanded());
        if params.has_changed().unwrap_or(false) {
            set = params.borrow_and_update().clone();
            now = set.clone();
        }
        if scenes.has_changed().unwrap_or(false) {
            scenes.mark_unchanged();
            dreamer.set_likely_layers(wiring.handle.ask(Director::layers_of_scenes));
        }
        loop {
            match signals.try_recv() {
                Ok(Signal::Reset) => dreamer.reset(),
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        // In a pause too.
        if report.is_due() {
            report_telemetry(dreamer, &mut meter, wiring);
            dreamer.set_thermal_headroom(wiring.heat.borrow().headroom);
        }
        if now.paused && has_dreamed {
            meter.clear();
            last = Instant::now();
            stage.sleep(MAX_WAIT.min(period));
            continue;
        }
        if let Some(ScreenPresence::Present { size, is_filled: true }) = wiring.screen() {
            dreamer.set_screen_size(size);
        }
        let Some(input) = wiring.dream_inputs.take(MAX_WAIT) else { continue };
        let begun = Instant::now();
        let elapsed = begun - std::mem::replace(&mut last, begun);
        set.transitions.write(&mut now, begun);
        let dreamed = stage.during(allowance, || dreamer.dream(&input, &now, elapsed));
        wiring.dream_inputs.give_back(input);
        if let Some(layer) = dreamed? {
            wiring.put_layer(layer, commanded.take_if(|_| !dreamer.status().awaits_layer));
            has_dreamed = true;
        }
        if dreamer.status().provider.is_some() {
            allowance = dreamer.status().frame_time;
        }
        meter.count(Instant::now(), dreamer.status().frame_time);
        let busy = begun.elapsed();
        stage.sleep(period.max(busy).div_f64(dreamer.rate_share()).saturating_sub(busy));
    }
    Ok(DreamExit::Stopped)
}

fn report_telemetry(dreamer: &Dreamer, meter: &mut Meter, wiring: &Wiring) {
    let (status, reading) = (dreamer.status(), meter.read(Instant::now()).unwrap_or_default());
    wiring.handle.report(|telemetry| {
        telemetry.fps = (reading.fps * 100.0).round() / 100.0;
        telemetry.frame_ms_p50 = ms(reading.p50);
        telemetry.frame_ms_p99 = ms(reading.p99);
        telemetry.provider = status.provider.into();
        (telemetry.width, telemetry.height) = (status.width, status.height);
        (telemetry.octaves, telemetry.steps) = (status.octaves, status.steps);
        telemetry.activation = status.activation;
        telemetry.graph_runs = status.traffic.runs;
        telemetry.copied_bytes = status.copied_bytes();
        telemetry.drops = wiring.pictures.dropped();
    });
}

/// When the next report to the telemetry is due.
#[derive(Default)]
pub struct TelemetryTimer(Option<Instant>);

impl TelemetryTimer {
    pub fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= TELEMETRY_INTERVAL);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::config::Config;
    use crate::params::Params;
    use crate::params::tests::catalogue;

    const GENEROUS: Duration = Duration::from_secs(60);

    #[test]
    fn the_rate_falls_to_nothing_in_a_pause_and_comes_back() {
        let catalogue = Arc::new(catalogue());
        let params = Params::new(&catalogue);
        let handle = DirectorHandle::new(catalogue, params);
        let (wiring, cancel) = (Wiring::new(handle.clone()), CancellationToken::new());
        let configs = watch::Sender::new(Arc::new(Config::default()));
        let (mut canvas, own) = (Reloadable::new(&configs, |_| Size { width: 32, height: 32 }), wiring.clone());
        let work = move |stage: &Stage| compose(stage, &mut canvas, &own);
        let stage = Stage::new("compositor", cancel.clone());
        let _running = stage.start(&TaskTracker::new(), handle.clone(), GENEROUS, work).unwrap();
        let eventually = |what: &str, is_so: fn(f64) -> bool| {
            let begun = Instant::now();
            while !is_so(handle.telemetry().picture_fps) {
                assert!(begun.elapsed() < GENEROUS, "never: {what}");
                let mut frame = wiring.camera.blank();
                frame.resize(32, 32);
                wiring.camera.put(frame);
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let pause = |on: bool| handle.set(&Map::from_iter([("paused".to_owned(), json!(on))])).unwrap();
        eventually("pictures", |fps| fps > 0.0);
        pause(true);
        eventually("a rate of 0, though the camera goes on", |fps| fps == 0.0);
        pause(false);
        eventually("pictures again", |fps| fps > 0.0);
        cancel.cancel();
    }
}
