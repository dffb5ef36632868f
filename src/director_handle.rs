//! The handle at which the dream is directed: `remote/` and `console/` write here, the stages read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};
use tokio::sync::{Notify, broadcast, watch};

use crate::director::{Changes, Director, Memory, Now, Setup, Signal};
use crate::health::Telemetry;
use crate::pack::Catalogue;
use crate::params::{Params, Refusal};
use crate::stop::told;

/// Signals that wait for the one who carries them out: more than commands are taken in a burst.
const SIGNALS: usize = 256;

/// The director, and what is made known of its decisions; shared by all rooms of the running daemon.
#[derive(Clone)]
pub struct DirectorHandle(Arc<Shared>);

struct Shared {
    catalogue: Arc<Catalogue>,
    director: Mutex<Director>,
    params: watch::Sender<Params>,
    state: watch::Sender<Map<String, Json>>,
    edition: watch::Sender<u64>,
    changes: watch::Sender<Changes>,
    signals: broadcast::Sender<Signal>,
    /// A command came: whoever waits for the next moment has to reckon anew.
    woken: Notify,
    /// When the first of those commands came that no picture follows yet.
    commanded: Mutex<Option<Instant>>,
    pictures: broadcast::Sender<Arc<[u8]>>,
    telemetry: Mutex<Telemetry>,
}

impl DirectorHandle {
    /// A handle at which `params` stand, and nothing else: no scenes, no groups, no hours.
    pub fn new(catalogue: Arc<Catalogue>, params: Params) -> DirectorHandle {
        DirectorHandle::directed(catalogue.clone(), Director::new(catalogue, Setup::new(params)))
    }

    /// The handle of `director`, which directs over `catalogue`.
    pub fn directed(catalogue: Arc<Catalogue>, director: Director) -> DirectorHandle {
        let now = Now::read();
        DirectorHandle(Arc::new(Shared {
            catalogue,
            params: watch::Sender::new(director.params().clone()),
            state: watch::Sender::new(director.state(now)),
            edition: watch::Sender::new(director.edition()),
            changes: watch::Sender::new(director.changes()),
            director: Mutex::new(director),
            signals: broadcast::channel(SIGNALS).0,
            woken: Notify::new(),
            commanded: Mutex::default(),
            pictures: broadcast::channel(2).0,
            telemetry: Mutex::default(),
        }))
    }

    /// The packs installed.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// Applies all of a `set`, or none and says why. Two writers at once do not lose each other's changes.
    pub fn set(&self, entries: &Map<String, Json>) -> Result<(), Vec<Refusal>> {
        self.direct(|director, now| director.set(entries, now))
    }

    /// Does the action `name` with what its payload says, or nothing and says why.
    pub fn act(&self, name: &str, entries: &Map<String, Json>) -> Result<(), Vec<Refusal>> {
        let signal = self.direct(|director, now| director.act(name, entries, now))?;
        signal.into_iter().for_each(|signal| self.signal(signal));
        Ok(())
    }

    /// Lets time pass, and says how long nothing more happens by itself.
    pub fn advance(&self) -> Duration {
        let mut director = self.director();
        let now = Now::read();
        let signals = director.advance(now);
        self.publish(&director, now);
        let rest = director.rest(now);
        drop(director);
        signals.into_iter().for_each(|signal| self.signal(signal));
        rest
    }

    /// Returns when a command came since the last call.
    pub async fn woken(&self) {
        self.0.woken.notified().await;
    }

    /// Goes on with a configuration that was read anew.
    pub fn reconfigure(&self, setup: Setup) {
        let mut director = self.director();
        let now = Now::read();
        director.reconfigure(setup, now);
        self.publish(&director, now);
        self.0.woken.notify_one();
    }

    fn direct<T>(
        &self,
        command: impl FnOnce(&mut Director, Now) -> Result<T, Vec<Refusal>>,
    ) -> Result<T, Vec<Refusal>> {
        let mut director = self.director();
        let now = Now::read();
        let came = Instant::now();
        let outcome = command(&mut director, now)?;
        if self.publish(&director, now) {
            self.commanded().get_or_insert(came);
        }
        self.0.woken.notify_one();
        Ok(outcome)
    }

    /// When the first command came since the last call that changed what is dreamed. Parameters read after this follow it.
    pub fn take_commanded(&self) -> Option<Instant> {
        self.commanded().take()
    }

    fn commanded(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.commanded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes known what `director` has decided; true where the parameters are others.
    fn publish(&self, director: &Director, now: Now) -> bool {
        let Shared { params, state, edition, changes, .. } = &*self.0;
        let changed = replace(params, director.params().clone());
        replace(state, director.state(now));
        replace(edition, director.edition());
        replace(changes, director.changes());
        changed
    }

    fn signal(&self, signal: Signal) {
        // Nobody listening means that the dream is being started: it begins fresh anyway.
        let _ = self.0.signals.send(signal);
    }

    fn director(&self) -> MutexGuard<'_, Director> {
        self.0.director.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the director.
    pub fn ask<T>(&self, question: impl FnOnce(&Director) -> T) -> T {
        question(&self.director())
    }

    /// What is to be remembered at the moment.
    pub fn memory(&self) -> Memory {
        self.director().memory()
    }

    /// The effective parameters now, and word of every change.
    pub fn params(&self) -> watch::Receiver<Params> {
        self.0.params.subscribe()
    }

    /// What `state` tells now, and word of every change.
    pub fn state(&self) -> watch::Receiver<Map<String, Json>> {
        self.0.state.subscribe()
    }

    /// Word of every change of scenes, playlist and groups.
    pub fn edition(&self) -> watch::Receiver<u64> {
        self.0.edition.subscribe()
    }

    /// Word of every change of what is remembered.
    pub fn changes(&self) -> watch::Receiver<Changes> {
        self.0.changes.subscribe()
    }

    /// What is to be carried out, from now on.
    pub fn signals(&self) -> broadcast::Receiver<Signal> {
        self.0.signals.subscribe()
    }

    /// Snapshots, as JPEG, from now on.
    pub fn pictures(&self) -> broadcast::Receiver<Arc<[u8]>> {
        self.0.pictures.subscribe()
    }

    /// Hands out a snapshot. Only asked for by [`Signal::Snapshot`], which the owner of the device has allowed.
    pub fn hand_out(&self, jpeg: Arc<[u8]>) {
        // Nobody takes it: the broker is away.
        let _ = self.0.pictures.send(jpeg);
    }

    /// Writes into the telemetry; `write` must be quick, for all stages share it.
    pub fn report(&self, write: impl FnOnce(&mut Telemetry)) {
        write(&mut self.0.telemetry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn telemetry(&self) -> Telemetry {
        self.0.telemetry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tells `value` where it is another than before; true then.
fn replace<T: PartialEq>(to: &watch::Sender<T>, value: T) -> bool {
    to.send_if_modified(|old| {
        let is_new = *old != value;
        if is_new {
            *old = value;
        }
        is_new
    })
}

/// Lets the director's time pass until the `stop`: ramps move, what is due is done.
///
/// Needs a tokio runtime with time.
pub async fn direct(handle: DirectorHandle, mut stop: watch::Receiver<bool>) {
    loop {
        let rest = handle.advance();
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = handle.woken() => {}
            () = told(&mut stop) => return,
        }
    }
}
