//! The shared handle on the director: commands go in here, the stages read what was decided.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::director::{ChangeCounters, Director, Now, SavedState, Setup, Signal};
use crate::health::{History, Telemetry};
use crate::pack::Catalogue;
use crate::params::{Params, Refusal};

/// Signals that wait for whoever carries them out: more than the commands of one burst.
const SIGNAL_CAPACITY: usize = 256;

/// The director behind a lock, with its decisions published to every stage and task of the running daemon.
#[derive(Clone)]
pub struct DirectorHandle(Arc<Shared>);

struct Shared {
    catalogue: Arc<Catalogue>,
    director: Mutex<Director>,
    params: watch::Sender<Params>,
    state: watch::Sender<Map<String, Json>>,
    edition: watch::Sender<u64>,
    changes: watch::Sender<ChangeCounters>,
    signals: broadcast::Sender<Signal>,
    /// A command came: how long nothing happens by itself must be computed again.
    command_came: Notify,
    /// When the first command came that no picture reflects yet.
    commanded: Mutex<Option<Instant>>,
    snapshots: broadcast::Sender<Arc<[u8]>>,
    telemetry: Mutex<Telemetry>,
    history: Mutex<History>,
}

impl DirectorHandle {
    /// A handle on a director that begins with `params`: no scenes, no groups, no opening hours.
    pub fn new(catalogue: Arc<Catalogue>, params: Params) -> DirectorHandle {
        DirectorHandle::with_director(catalogue.clone(), Director::new(catalogue, Setup::new(params)))
    }

    /// A handle on `director`, which was made for the same `catalogue`.
    pub fn with_director(catalogue: Arc<Catalogue>, director: Director) -> DirectorHandle {
        let now = Now::read();
        DirectorHandle(Arc::new(Shared {
            catalogue,
            params: watch::Sender::new(director.params().clone()),
            state: watch::Sender::new(director.state(now)),
            edition: watch::Sender::new(director.edition()),
            changes: watch::Sender::new(director.changes()),
            director: Mutex::new(director),
            signals: broadcast::channel(SIGNAL_CAPACITY).0,
            command_came: Notify::new(),
            commanded: Mutex::default(),
            snapshots: broadcast::channel(2).0,
            telemetry: Mutex::default(),
            history: Mutex::default(),
        }))
    }

    /// The packs installed.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// Applies a `set` whole, or nothing and returns why. Concurrent writers do not lose each other's changes.
    pub fn set(&self, entries: &Map<String, Json>) -> Result<(), Vec<Refusal>> {
        self.apply(|director, now| director.set(entries, now))
    }

    /// Runs the action `name` with the entries of its payload, or does nothing and returns why.
    pub fn run_action(&self, name: &str, entries: &Map<String, Json>) -> Result<(), Vec<Refusal>> {
        let signal = self.apply(|director, now| director.act(name, entries, now))?;
        signal.into_iter().for_each(|signal| self.signal(signal));
        Ok(())
    }

    /// Brings the director up to now, and returns how long nothing more happens by itself.
    pub fn advance(&self) -> Duration {
        let mut director = self.director();
        let now = Now::read();
        let signals = director.advance(now);
        self.publish(&director, now);
        let idle = director.idle_time(now);
        drop(director);
        signals.into_iter().for_each(|signal| self.signal(signal));
        idle
    }

    /// Waits for a command; returns at once where one came since the last call.
    pub async fn wait_for_command(&self) {
        self.0.command_came.notified().await;
    }

    /// Takes over a configuration that was read again.
    pub fn reconfigure(&self, setup: Setup) {
        let mut director = self.director();
        let now = Now::read();
        director.reconfigure(setup, now);
        self.publish(&director, now);
        self.0.command_came.notify_one();
    }

    fn apply<T>(&self, command: impl FnOnce(&mut Director, Now) -> Result<T, Vec<Refusal>>) -> Result<T, Vec<Refusal>> {
        let mut director = self.director();
        let now = Now::read();
        let came = Instant::now();
        let outcome = command(&mut director, now)?;
        if self.publish(&director, now) {
            self.commanded().get_or_insert(came);
        }
        self.0.command_came.notify_one();
        Ok(outcome)
    }

    /// When the first command since the last call came that changed a parameter. Parameters read after this include it.
    pub fn take_commanded(&self) -> Option<Instant> {
        self.commanded().take()
    }

    fn commanded(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.commanded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what `director` has decided; true where the parameters changed.
    fn publish(&self, director: &Director, now: Now) -> bool {
        let Shared { params, state, edition, changes, .. } = &*self.0;
        let changed = replace(params, director.params().clone());
        replace(state, director.state(now));
        replace(edition, director.edition());
        replace(changes, director.changes());
        changed
    }

    fn signal(&self, signal: Signal) {
        // Without a receiver the dream is being started, and begins afresh anyway.
        let _ = self.0.signals.send(signal);
    }

    fn director(&self) -> MutexGuard<'_, Director> {
        self.0.director.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads something from the director; `question` must be quick, for it holds the lock.
    pub fn ask<T>(&self, question: impl FnOnce(&Director) -> T) -> T {
        question(&self.director())
    }

    /// What is to be saved, as of now.
    pub fn saved_state(&self) -> SavedState {
        self.director().saved_state()
    }

    /// The effective parameters, and every change of them.
    pub fn params(&self) -> watch::Receiver<Params> {
        self.0.params.subscribe()
    }

    /// The payload of `state`, and every change of it.
    pub fn state(&self) -> watch::Receiver<Map<String, Json>> {
        self.0.state.subscribe()
    }

    /// A counter of the changes of scenes, playlist and groups.
    pub fn edition(&self) -> watch::Receiver<u64> {
        self.0.edition.subscribe()
    }

    /// Counts the changes of what is to be saved.
    pub fn changes(&self) -> watch::Receiver<ChangeCounters> {
        self.0.changes.subscribe()
    }

    /// Signals to be carried out, from now on.
    pub fn signals(&self) -> broadcast::Receiver<Signal> {
        self.0.signals.subscribe()
    }

    /// Snapshots, as JPEG, from now on.
    pub fn snapshots(&self) -> broadcast::Receiver<Arc<[u8]>> {
        self.0.snapshots.subscribe()
    }

    /// Publishes a snapshot (JPEG). Only to be called on [`Signal::Snapshot`], which the owner of the device has allowed.
    pub fn publish_snapshot(&self, jpeg: Arc<[u8]>) {
        // No receiver: the broker is away.
        let _ = self.0.snapshots.send(jpeg);
    }

    /// Writes into the telemetry; `write` must be quick, for all stages share the lock.
    pub fn report(&self, write: impl FnOnce(&mut Telemetry)) {
        write(&mut self.0.telemetry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn telemetry(&self) -> Telemetry {
        self.0.telemetry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Enters the telemetry of this moment into the figures of the last hour, where that is due.
    pub fn enter_history(&self) {
        let now = self.telemetry();
        self.0.history.lock().unwrap_or_else(PoisonError::into_inner).enter(&now);
    }

    /// The figures of the last hour.
    pub fn history(&self) -> History {
        self.0.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends `value` where it differs from the last one; true then.
fn replace<T: PartialEq>(to: &watch::Sender<T>, value: T) -> bool {
    to.send_if_modified(|old| {
        let is_new = *old != value;
        if is_new {
            *old = value;
        }
        is_new
    })
}

/// Keeps the director up to date until cancelled: ramps move, and what is due is done.
///
/// Needs a tokio runtime with its timer enabled.
pub async fn run(handle: DirectorHandle, cancel: CancellationToken) {
    loop {
        let rest = handle.advance();
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = handle.wait_for_command() => {}
            () = cancel.cancelled() => return,
        }
    }
}
