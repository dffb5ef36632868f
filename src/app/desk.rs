//! The desk at which the dream is directed: `remote/` and `console/` write here, the stages read.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value as Json};
use tokio::sync::{broadcast, watch};

use crate::health::Telemetry;
use crate::pack::Catalogue;
use crate::params::{Params, Refusal};

/// What can be done besides setting parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Forget the dream and begin again from the camera picture.
    Reset,
}

impl Action {
    /// The action as its MQTT topic names it.
    pub fn parse(name: &str) -> Option<Action> {
        match name {
            "reset" => Some(Action::Reset),
            _ => None,
        }
    }

    /// The names [`Action::parse`] takes.
    pub const NAMES: &[&str] = &["reset"];
}

/// The effective parameters, the actions and the telemetry, shared by all rooms of the running daemon.
#[derive(Clone)]
pub struct Desk {
    catalogue: Arc<Catalogue>,
    params: watch::Sender<Params>,
    actions: broadcast::Sender<Action>,
    telemetry: Arc<Mutex<Telemetry>>,
}

impl Desk {
    pub fn new(catalogue: Arc<Catalogue>, params: Params) -> Desk {
        Desk {
            catalogue,
            params: watch::Sender::new(params),
            actions: broadcast::channel(16).0,
            telemetry: Arc::default(),
        }
    }

    /// The packs installed.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Applies all of `changes`, or none and says why. Two writers at once do not lose each other's changes.
    pub fn set(&self, changes: &Map<String, Json>) -> Result<(), Vec<Refusal>> {
        let mut outcome = Ok(());
        self.params.send_if_modified(|params| match params.with(changes, &self.catalogue) {
            Ok(next) if next == *params => false,
            Ok(next) => {
                *params = next;
                true
            }
            Err(refusals) => {
                outcome = Err(refusals);
                false
            }
        });
        outcome
    }

    /// The effective parameters now, and word of every change.
    pub fn params(&self) -> watch::Receiver<Params> {
        self.params.subscribe()
    }

    pub fn act(&self, action: Action) {
        // Nobody listening means that the dream is being started: it begins fresh anyway.
        let _ = self.actions.send(action);
    }

    pub fn actions(&self) -> broadcast::Receiver<Action> {
        self.actions.subscribe()
    }

    /// Writes into the telemetry; `write` must be quick, for all stages share it.
    pub fn report(&self, write: impl FnOnce(&mut Telemetry)) {
        write(&mut self.telemetry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn telemetry(&self) -> Telemetry {
        self.telemetry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
