//! The daemon's life: start the stages, watch them, drain on stop.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info};

use super::exhibit::Identity;
use super::stages::{self, Screen, Wiring};
use super::{Running, Stage, keeper, snapshots};
use crate::config::Config;
use crate::console;
use crate::desk::{self, Desk};
use crate::director;
use crate::display::vt;
use crate::dream::Dreamer;
use crate::health::{self, Notify, Telemetry};
use crate::pack::Catalogue;
use crate::remote::{self, DeviceId};
use crate::runtime::Runtime;
use crate::stop::Stop;

/// What it is started with, all of it checked.
pub struct Plan {
    pub config: Config,
    pub catalogue: Arc<Catalogue>,
    pub desk: Desk,
    pub device: DeviceId,
    /// None: no broker.
    pub broker: Option<remote::Settings>,
}

/// A stage without a heartbeat for so long is stuck. Sources and screens may have to wait for a driver.
const STUCK: Duration = Duration::from_secs(60);
/// Between two looks at the stages.
const LOOK: Duration = Duration::from_secs(1);
/// From a command to restart to the end, so that the answer is sent.
const ANSWERED: Duration = Duration::from_millis(300);
/// How long the stages and the broker are given to end. Together with everything else less than 2 s.
const DRAIN: Duration = Duration::from_millis(1500);

/// Dreams until SIGTERM, SIGINT or SIGHUP, then leaves the process with exit code 0.
///
/// # Errors
/// What keeps it from starting: no ONNX Runtime, no threads.
pub fn run(plan: Plan) -> anyhow::Result<Infallible> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    // A display that cannot be waited for does not give its terminal back.
    let console = vt::GiveBack;
    if let Err(error) = tokio.block_on(live(plan)) {
        // Not dropped: that would wait for a library that is still being loaded.
        tokio.shutdown_background();
        return Err(error);
    }
    drop(console);
    leave()
}

async fn live(plan: Plan) -> anyhow::Result<()> {
    // First of all, so that a stop is heard while things are being opened.
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let stop = Stop::default();
    let wiring = Wiring::new(plan.desk.clone());
    // The screen shows what goes on before anything else is opened: libraries and networks may take minutes.
    let (mut running, tasks) = start(&plan, &stop, &wiring)?;
    let settings = plan.config.runtime_settings();
    let loading = tokio::task::spawn_blocking(move || Runtime::load(settings));
    let loaded = tokio::select! {
        loaded = loading => loaded.context("loading ONNX Runtime").and_then(|loaded| Ok(loaded?)),
        name = signals.next() => {
            info!("{name}: stopping");
            end(&stop, &running, tasks).await;
            return Ok(());
        }
    };
    let runtime = match loaded {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            show_fault(&error, &wiring, &mut signals).await;
            end(&stop, &running, tasks).await;
            return Err(error);
        }
    };
    info!("network: ONNX Runtime {} from {}", runtime.version(), runtime.library().display());
    running.push(start_dreaming(&plan, runtime, &stop, &wiring)?);
    let name = watch(&mut signals, &running, &wiring).await;
    info!("{name}: stopping");
    Notify::default().stopping();
    end(&stop, &running, tasks).await;
    Ok(())
}

/// How long a screen says why nothing is dreamed, before systemd starts everything anew.
const FAULT_SHOWN: Duration = Duration::from_secs(15);

/// Lets the one in front of the screen read what is wrong, where there is a screen.
async fn show_fault(error: &anyhow::Error, wiring: &Wiring, signals: &mut Signals) {
    wiring.set_fault(format!("{error:#}"));
    // The display may still be looking for one.
    let looked = async {
        while wiring.screen().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = timeout(LOOK, looked).await;
    if matches!(wiring.screen(), Some(Screen::Present { .. })) {
        error!("{error:#}");
        let _ = timeout(FAULT_SHOWN, signals.next()).await;
    }
}

/// Starts everything but the dream.
fn start(plan: &Plan, stop: &Stop, wiring: &Wiring) -> anyhow::Result<(Vec<Running>, Vec<JoinHandle<()>>)> {
    let Plan { config, desk, device, broker, .. } = plan;
    let stage = |name| Stage::new(name, stop.clone());

    let (settings, own) = (config.screen.clone(), wiring.clone());
    let is_called = config.console.on && config.console.allow_remote;
    let identity = Identity {
        device: device.to_string(),
        page: is_called.then_some(config.console.listen),
        has_broker: broker.is_some(),
    };
    let display = stage("display")
        .start(desk.clone(), STUCK, move |stage| super::exhibit::exhibit(stage, &settings, &identity, &own))?;

    let (settings, own) = (config.source(), wiring.clone());
    let source = stage("source").start(desk.clone(), STUCK, move |stage| stages::source(stage, &settings, &own))?;

    let mut running = vec![display, source];
    let mut tasks = Vec::new();
    tasks.push(tokio::spawn(desk::direct(desk.clone(), stop.for_tasks())));
    if let Some(file) = config.memory_file() {
        tasks.push(tokio::spawn(keeper::keep(desk.clone(), file, stop.for_tasks())));
    }
    if config.console.on || config.mqtt.snapshots {
        let preview = console::Preview::new(wiring.tap.clone());
        let encoder = preview.clone();
        let encode = move |stage: &Stage| {
            encoder.encode(|| stage.goes_on());
            Ok(())
        };
        running.push(stage("preview").start(desk.clone(), STUCK, encode)?);
        if config.mqtt.snapshots {
            tasks.push(tokio::spawn(snapshots::take_snapshots(desk.clone(), preview.clone(), stop.for_tasks())));
        }
        if config.console.on {
            let shown = config.console.preview.then_some(preview);
            let console = console::run(config.console.clone(), device.clone(), desk.clone(), shown, stop.for_tasks());
            tasks.push(tokio::spawn(console));
        }
    }
    match broker {
        Some(broker) => tasks.push(tokio::spawn(remote::run(broker.clone(), desk.clone(), stop.for_tasks()))),
        None => info!("broker: none, as configured"),
    }
    Ok((running, tasks))
}

fn start_dreaming(plan: &Plan, runtime: Arc<Runtime>, stop: &Stop, wiring: &Wiring) -> anyhow::Result<Running> {
    let (settings, fps) = (plan.config.dream_settings(), plan.config.dream.target_fps);
    let (catalogue, own) = (plan.catalogue.clone(), wiring.clone());
    let mut kept = None;
    let dream = Stage::new("dream", stop.clone()).start(plan.desk.clone(), STUCK, move |stage| {
        // Kept over a failure, since the dream in it is; one that panicked is lost and made anew.
        let mut dreamer =
            kept.take().unwrap_or_else(|| Dreamer::new(runtime.clone(), catalogue.clone(), settings.clone()));
        let outcome = stages::dream(stage, &mut dreamer, fps, &own);
        kept = Some(dreamer);
        outcome
    })?;
    Ok(dream)
}

/// Says the stop, and lets all end that can.
async fn end(stop: &Stop, running: &[Running], tasks: Vec<JoinHandle<()>>) {
    stop.say();
    drain(running, tasks).await;
}

/// Watches the stages until a signal comes; returns its name.
async fn watch(signals: &mut Signals, running: &[Running], wiring: &Wiring) -> &'static str {
    let started = Instant::now();
    let mut notify = Notify::default();
    let watchdog = health::watchdog_period();
    let mut look = interval(watchdog.map_or(LOOK, |period| period.min(LOOK)));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stuck: Vec<&str> = Vec::new();
    let mut told = wiring.desk.signals();
    loop {
        tokio::select! {
            name = signals.next() => return name,
            signal = told.recv() => {
                if signal == Ok(director::Signal::Restart) {
                    // Its answer is on the way.
                    tokio::time::sleep(ANSWERED).await;
                    return "restart, as commanded";
                }
                continue;
            }
            _ = look.tick() => {}
        }
        let now_stuck: Vec<&str> = running.iter().filter(|r| r.is_stuck()).map(|r| r.stage.name()).collect();
        for name in now_stuck.iter().filter(|name| !stuck.contains(name)) {
            error!("{name} has not moved for {} s; systemd's watchdog starts everything anew", STUCK.as_secs());
        }
        stuck = now_stuck;
        if watchdog.is_some() && stuck.is_empty() {
            notify.alive();
        }
        wiring.desk.report(|telemetry| {
            telemetry.uptime_s = started.elapsed().as_secs();
            telemetry.memory_mib = (health::memory_mib() * 10.0).round() / 10.0;
            telemetry.temperature = health::temperature();
        });
        if wiring.seen.load(Ordering::Relaxed) {
            notify.ready();
            notify.status(status_line(&wiring.desk.telemetry()));
        }
    }
}

/// For `systemctl status`.
fn status_line(now: &Telemetry) -> String {
    let camera = &now.camera;
    if now.provider.is_empty() {
        return format!("opening the network; camera {camera}");
    }
    let (fps, width, height, provider) = (now.fps, now.width, now.height, &now.provider);
    format!("{fps:.0} dreams a second at {width}x{height} on {provider}; camera {camera}")
}

/// Gives stages and tasks a moment to end: the screen its console back, the broker its farewell.
async fn drain(running: &[Running], tasks: Vec<JoinHandle<()>>) {
    let ended = async {
        for task in tasks {
            let _ = task.await;
        }
        while running.iter().any(|r| !r.has_ended()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(DRAIN, ended).await.is_err() {
        let late: Vec<&str> = running.iter().filter(|r| !r.has_ended()).map(|r| r.stage.name()).collect();
        info!("not waited for: {}", if late.is_empty() { "the broker".to_owned() } else { late.join(", ") });
    }
}

/// Ends the process at once.
fn leave() -> ! {
    // SAFETY: _exit is always allowed. `exit` would run the network runtime's destructors, possibly under a thread that
    // is still building an engine; there is nothing of ours left to write or to close.
    unsafe { libc::_exit(0) }
}

/// The signals that mean stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}
