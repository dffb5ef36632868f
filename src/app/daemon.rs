//! The daemon's life: start the stages, watch them, drain on stop.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::reloadable::{Reloadable, restart_on_change};
use super::stage::lower_priority;
use super::stages::{self, ScreenPresence, Wiring};
use super::{RunningStage, Stage, boot_card, display_worker, recognise, snapshots, state_file};
use crate::config::{Config, ConfigError};
use crate::console;
use crate::director::{self, Setup};
use crate::director_handle::{self, DirectorHandle};
use crate::display::vt;
use crate::health::{self, BrokerStatus, Heat, SystemdNotifier};
use crate::pack::Catalogue;
use crate::protocol::DeviceId;
use crate::remote;
use crate::runtime::Runtime;

/// What the daemon is started with, all of it checked.
pub struct Plan {
    pub config: Config,
    pub catalogue: Arc<Catalogue>,
    pub handle: DirectorHandle,
    /// Reads the configuration again, with the checks of the start.
    pub reread: Box<dyn Fn() -> anyhow::Result<(Config, Setup)>>,
    /// Why the configuration file is not in use, where it is not.
    pub refused: Option<String>,
}

/// Without a heartbeat for this long the display counts as stuck while it shows pictures.
const DISPLAY_DEADLINE: Duration = Duration::from_secs(8);
/// The same for the other stages: drivers may take their time, and so may one ascent on a very slow board.
const STAGE_DEADLINE: Duration = Duration::from_secs(30);
/// Between two checks of the stages.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// From a restart command to the end, so that the reply is sent.
const RESTART_DELAY: Duration = Duration::from_millis(300);
/// How long stages and tasks may take to end; the whole shutdown stays below 2 s.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1500);

/// Dreams until SIGTERM or SIGINT. SIGHUP reloads the configuration, unless it comes from a closed terminal. Threads that do not
/// end in time may still run when this returns: the process is to end then.
///
/// # Errors
/// ONNX Runtime cannot be loaded, or no thread can be started.
pub fn run(plan: Plan) -> anyhow::Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    // A display stage that does not end in time does not restore its terminal.
    let _console = vt::RestoreOnDrop;
    let outcome = tokio.block_on(run_until_stopped(plan));
    // Not dropped: that would wait for a file that is still being written.
    tokio.shutdown_background();
    outcome
}

async fn run_until_stopped(plan: Plan) -> anyhow::Result<()> {
    // First of all, so that signals are handled while devices and libraries are being opened.
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
    let wiring = Wiring::new(plan.handle.clone());
    if let Some(why) = &plan.refused {
        error!("the configuration file is invalid, running on the last valid one: {why}");
        plan.handle.report(|telemetry| telemetry.configuration.clone_from(&plan.refused));
    }
    let configs = watch::Sender::new(Arc::new(plan.config.clone()));
    // The boot card comes before anything else is opened: libraries and networks may take minutes.
    let mut running = start(&plan, &configs, &wiring, &cancel, &tasks)?;
    let settings = plan.config.runtime_settings();
    // In a thread of its own, whose niceness ONNX Runtime's threads inherit.
    let (loader, loading) = oneshot::channel();
    std::thread::Builder::new().name("load-network".to_owned()).spawn(move || {
        lower_priority();
        let _ = loader.send(Runtime::load(settings));
    })?;
    let mut supervisor = Supervisor::new(&plan, &configs, &wiring);
    let loaded = tokio::select! {
        loaded = loading => loaded.context("loading ONNX Runtime").and_then(|loaded| Ok(loaded?)),
        reason = supervisor.run(&running, &mut signals) => {
            shut_down(reason, &cancel, &running, &tasks).await;
            return Ok(());
        }
    };
    let runtime = match loaded {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            show_fault(&error, &mut supervisor, &running, &mut signals).await;
            shut_down("no network", &cancel, &running, &tasks).await;
            return Err(error);
        }
    };
    info!("network: ONNX Runtime {} from {}", runtime.version(), runtime.library().display());
    running.extend(start_dreaming(&plan, &configs, runtime, &wiring, &cancel, &tasks)?);
    let reason = supervisor.run(&running, &mut signals).await;
    shut_down(reason, &cancel, &running, &tasks).await;
    Ok(())
}

/// How long the screen shows why there is no dream, before systemd restarts the service.
const FAULT_DISPLAY_TIME: Duration = Duration::from_secs(15);

/// Shows on the screen, where there is one, why there is no dream.
async fn show_fault(
    error: &anyhow::Error,
    supervisor: &mut Supervisor<'_>,
    running: &[RunningStage],
    signals: &mut Signals,
) {
    let wiring = supervisor.wiring;
    wiring.set_fault(format!("{error:#}"));
    // The display stage may still be looking for a screen.
    let looked = async {
        while wiring.screen().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = timeout(CHECK_INTERVAL, looked).await;
    if matches!(wiring.screen(), Some(ScreenPresence::Present { .. })) {
        error!("{error:#}");
        let _ = timeout(FAULT_DISPLAY_TIME, supervisor.run(running, signals)).await;
    }
}

type Configs = watch::Sender<Arc<Config>>;

/// Starts everything but the dream.
fn start(
    plan: &Plan,
    configs: &Configs,
    wiring: &Wiring,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<Vec<RunningStage>> {
    let handle = &plan.handle;
    let stage = |name| Stage::new(name, cancel.clone());

    let (mut screen, mut identity) =
        (Reloadable::new(configs, |config| config.screen.clone()), Reloadable::new(configs, identity));
    let own = wiring.clone();
    let work = move |stage: &Stage| display_worker::run(stage, &mut screen, &mut identity, &own);
    let display = stage("display").start(tasks, handle.clone(), DISPLAY_DEADLINE, work)?;

    let (mut settings, own) = (Reloadable::new(configs, Config::source), wiring.clone());
    let source = stage("source")
        .start(tasks, handle.clone(), STAGE_DEADLINE, move |stage| stages::source(stage, &mut settings, &own))?;

    let preview = console::Preview::new(wiring.tap.clone());
    let encoder = preview.clone();
    let encode = move |stage: &Stage| {
        encoder.encode(|| stage.heartbeat());
        Ok(())
    };
    let encoder = stage("preview").start(tasks, handle.clone(), STAGE_DEADLINE, encode)?;

    let state_writer = {
        let handle = handle.clone();
        restart_on_change(
            "state file",
            Reloadable::new(configs, Config::memory_file),
            cancel.clone(),
            move |file, end| state_file::save_changes(handle.clone(), file.clone(), end),
        )
    };
    let page = {
        let (handle, preview) = (handle.clone(), preview.clone());
        restart_on_change("web page", Reloadable::new(configs, PageSettings::of), cancel.clone(), move |part, end| {
            let PageSettings { settings, folder, device, .. } = part.clone();
            console::run(settings, folder, device, handle.clone(), preview.clone(), end)
        })
    };
    let broker = {
        let handle = handle.clone();
        restart_on_change("broker", Reloadable::new(configs, BrokerSettings::of), cancel.clone(), move |part, end| {
            run_broker(part.config.broker(), handle.clone(), end)
        })
    };
    let director = {
        let handle = handle.clone();
        restart_on_change("director", Reloadable::new(configs, |_| ()), cancel.clone(), move |(), end| {
            director_handle::run(handle.clone(), end)
        })
    };
    let snapshots = {
        let handle = handle.clone();
        restart_on_change("snapshots", Reloadable::new(configs, |_| ()), cancel.clone(), move |(), end| {
            snapshots::take_snapshots(handle.clone(), preview.clone(), end)
        })
    };
    tasks.spawn(director);
    tasks.spawn(snapshots);
    tasks.spawn(state_writer);
    tasks.spawn(page);
    tasks.spawn(broker);
    Ok(vec![display, source, encoder])
}

fn identity(config: &Config) -> boot_card::DeviceIdentity {
    boot_card::DeviceIdentity {
        device: config.mqtt.device().to_string(),
        page: config.console.remote_address(),
        has_broker: config.mqtt.host != "off",
    }
}

/// What the page depends on: keys of the configuration, and the files that they name.
#[derive(Clone, PartialEq)]
struct PageSettings {
    settings: console::Settings,
    folder: Option<PathBuf>,
    device: DeviceId,
    files: [Option<SystemTime>; 2],
}

impl PageSettings {
    fn of(config: &Config) -> PageSettings {
        let settings = config.console.clone();
        let (folder, device, files) = (config.memory_folder(), config.mqtt.device(), settings.files_changed());
        PageSettings { settings, folder, device, files }
    }
}

/// What the broker session depends on: keys of the configuration, and the files that they name.
struct BrokerSettings {
    config: Config,
    files: Vec<Option<SystemTime>>,
}

impl BrokerSettings {
    fn of(config: &Config) -> BrokerSettings {
        let (config, files) = (config.clone(), config.mqtt.files_changed());
        BrokerSettings { config, files }
    }
}

impl PartialEq for BrokerSettings {
    fn eq(&self, other: &BrokerSettings) -> bool {
        let keys = |part: &BrokerSettings| {
            let config = &part.config;
            (config.mqtt.clone(), config.home_assistant.clone(), config.console.clone())
        };
        keys(self) == keys(other) && self.files == other.files
    }
}

async fn run_broker(
    broker: Result<Option<remote::Settings>, ConfigError>,
    handle: DirectorHandle,
    cancel: CancellationToken,
) {
    match broker {
        Ok(Some(settings)) => return remote::run(settings, handle, cancel).await,
        Ok(None) => {
            info!("broker: none, as configured");
            handle.report(|telemetry| telemetry.broker = BrokerStatus::Unknown);
        }
        // It was valid a moment ago, when the configuration was checked.
        Err(error) => error!("broker: {error}; only the web page can direct the mirror"),
    }
    cancel.cancelled().await;
}

fn start_dreaming(
    plan: &Plan,
    configs: &Configs,
    runtime: Arc<Runtime>,
    wiring: &Wiring,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<[RunningStage; 3]> {
    // Not earlier: until there is a network to dream with, the boot card is shown.
    let (mut canvas, own) = (Reloadable::new(configs, Config::canvas), wiring.clone());
    let composition = Stage::new("compositor", cancel.clone());
    let composition = composition
        .start(tasks, plan.handle.clone(), STAGE_DEADLINE, move |stage| stages::compose(stage, &mut canvas, &own))?;
    let (mut settings, own) = (Reloadable::new(configs, Config::dream_settings), wiring.clone());
    let mut dream_stage = stages::DreamStage::new(Arc::clone(&runtime), plan.catalogue.clone());
    let dream = Stage::new("dream", cancel.clone());
    let dream = dream
        .start(tasks, plan.handle.clone(), STAGE_DEADLINE, move |stage| dream_stage.run(stage, &mut settings, &own))?;
    let (mut settings, own) = (Reloadable::new(configs, |config| config.recognition.clone()), wiring.clone());
    let catalogue = plan.catalogue.clone();
    let work = move |stage: &Stage| recognise::run(stage, &mut settings, &runtime, &catalogue, &own);
    let recognition = Stage::new("recognition", cancel.clone());
    let recognition = recognition.start(tasks, plan.handle.clone(), STAGE_DEADLINE, work)?;
    Ok([composition, dream, recognition])
}

/// Cancels stages and tasks and waits a moment for them: the terminal is to be restored, `offline` to be sent.
async fn shut_down(reason: &str, cancel: &CancellationToken, running: &[RunningStage], tasks: &TaskTracker) {
    info!("{reason}: stopping");
    SystemdNotifier::default().stopping();
    cancel.cancel();
    tasks.close();
    if timeout(DRAIN_TIMEOUT, tasks.wait()).await.is_err() {
        let late: Vec<&str> = running.iter().filter(|r| !r.has_ended()).map(|r| r.stage.name()).collect();
        info!("did not end in time: {}", if late.is_empty() { "a task".to_owned() } else { late.join(", ") });
    }
}

/// Checks the running stages and reports to systemd.
struct Supervisor<'a> {
    plan: &'a Plan,
    configs: &'a Configs,
    wiring: &'a Wiring,
    started: Instant,
    notify: SystemdNotifier,
    signals: broadcast::Receiver<director::Signal>,
    stuck: Vec<&'static str>,
    /// A restart was commanded; it outlasts a `run` that is dropped while the reply is on its way.
    restarts: bool,
}

impl<'a> Supervisor<'a> {
    fn new(plan: &'a Plan, configs: &'a Configs, wiring: &'a Wiring) -> Supervisor<'a> {
        let (notify, signals) = (SystemdNotifier::default(), plan.handle.signals());
        Supervisor {
            plan,
            configs,
            wiring,
            started: Instant::now(),
            notify,
            signals,
            stuck: Vec::new(),
            restarts: false,
        }
    }

    /// Checks the stages until there is a reason to stop; returns it.
    async fn run(&mut self, running: &[RunningStage], signals: &mut Signals) -> &'static str {
        let watchdog = health::watchdog_period();
        let mut ticker = interval(watchdog.map_or(CHECK_INTERVAL, |period| period.min(CHECK_INTERVAL)));
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.restarts {
                // The reply is on its way.
                tokio::time::sleep(RESTART_DELAY).await;
                return "restart, as commanded";
            }
            tokio::select! {
                signal = signals.next() => match signal {
                    ProcessSignal::Terminate(name) => return name,
                    ProcessSignal::Reload => self.reload(),
                },
                signal = self.signals.recv() => self.restarts = signal == Ok(director::Signal::Restart),
                _ = ticker.tick() => self.check(running, watchdog.is_some()),
            }
        }
    }

    fn check(&mut self, running: &[RunningStage], is_watched: bool) {
        let stuck: Vec<&str> = running.iter().filter(|r| r.is_stuck()).map(|r| r.stage.name()).collect();
        for running in running.iter().filter(|r| r.is_stuck() && !self.stuck.contains(&r.stage.name())) {
            let (stage, seconds) = (running.stage.name(), running.deadline.as_secs());
            error!(stage, "{stage} had no heartbeat for {seconds} s; systemd restarts the service");
        }
        match (is_watched, stuck.is_empty()) {
            (true, true) => self.notify.heartbeat(),
            // Rather than wait for WatchdogSec.
            (true, false) => self.notify.trigger_watchdog(),
            (false, _) => {}
        }
        self.stuck = stuck;
        let heat = Heat::of(&health::thermal_zones(Path::new(health::THERMAL_DIR)));
        self.wiring.heat.send_replace(heat);
        let power = health::power(Path::new("/"));
        self.wiring.handle.report(|telemetry| {
            telemetry.power = power;
            telemetry.heat = heat;
            telemetry.uptime_s = self.started.elapsed().as_secs();
            telemetry.memory_mib = (health::memory_mib() * 10.0).round() / 10.0;
        });
        self.wiring.handle.enter_history();
        if self.wiring.seen.load(Ordering::Relaxed) {
            self.notify.ready();
            let handle = &self.wiring.handle;
            self.notify.status(&handle.telemetry(), handle.params().borrow().paused);
        }
    }

    /// Reloads the configuration; an invalid one changes nothing.
    fn reload(&mut self) {
        self.notify.reloading();
        match (self.plan.reread)() {
            Ok((config, setup)) => {
                let old = self.configs.borrow().clone();
                let before = (&old.runtime, &old.packs, &old.guides, old.accept_guides);
                if before != (&config.runtime, &config.packs, &config.guides, config.accept_guides) {
                    warn!("[runtime], packs and guides take effect at the next start: `systemctl restart reverie`");
                }
                self.wiring.handle.reconfigure(setup);
                self.configs.send_replace(Arc::new(config));
                self.plan.handle.report(|telemetry| telemetry.configuration = None);
                info!("configuration reloaded");
            }
            Err(error) => {
                error!("the new configuration is invalid, the old one stays in effect: {error:#}");
                self.plan.handle.report(|telemetry| telemetry.configuration = Some(format!("{error:#}")));
            }
        }
        self.notify.reloaded();
    }
}

/// What a signal asks for.
enum ProcessSignal {
    /// With the signal's name.
    Terminate(&'static str),
    Reload,
}

/// The signals that are handled.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Started by hand from a terminal, which sends SIGHUP when it is closed.
    has_terminal: bool,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            has_terminal: std::io::stdin().is_terminal() && !health::is_service(),
        })
    }

    async fn next(&mut self) -> ProcessSignal {
        tokio::select! {
            _ = self.terminate.recv() => ProcessSignal::Terminate("SIGTERM"),
            _ = self.interrupt.recv() => ProcessSignal::Terminate("SIGINT"),
            _ = self.hang_up.recv() => if self.has_terminal { ProcessSignal::Terminate("SIGHUP") } else { ProcessSignal::Reload },
        }
    }
}
