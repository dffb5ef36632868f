//! Deferred commands: those that wait for their moment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tracing::warn;

use super::moment::{self, Now};
use super::{Director, MAX_IDLE, Signal};
use crate::params::Refusal;

/// Deferred commands at most.
pub const MAX_PENDING: usize = 32;
/// The `command` of a set; every other is an action's name.
pub const SET: &str = "set";

/// A deferred command, as it came but for its `at`. It is parsed again at its moment, as if it came then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub at: Timestamp,
    command: String,
    payload: Map<String, Json>,
}

impl Director {
    /// Defers `command` until `at`.
    pub(super) fn defer(
        &mut self,
        at: Timestamp,
        command: &str,
        payload: &Map<String, Json>,
    ) -> Result<(), Vec<Refusal>> {
        if self.pending.len() >= MAX_PENDING {
            return Err(vec![Refusal::new("at", format!("{MAX_PENDING} commands wait for their moment already"))]);
        }
        let mut payload = payload.clone();
        payload.shift_remove("at");
        let place = self.pending.partition_point(|other| other.at <= at);
        self.pending.insert(place, Pending { at, command: command.to_owned(), payload });
        Ok(())
    }

    /// Drops restarts that are due: this start may be what they led to.
    pub(super) fn drop_due_restarts(&mut self, now: Now) {
        self.pending.retain(|pending| pending.at > now.wall || pending.command != "restart");
    }

    /// Performs what is due; what is overdue by more than a message's delay, as after a power cut, is dropped.
    pub(super) fn run_due_commands(&mut self, now: Now) -> Vec<Signal> {
        let due = self.pending.partition_point(|pending| pending.at <= now.wall);
        let mut signals = Vec::new();
        for Pending { at, command, payload } in self.pending.drain(..due).collect::<Vec<_>>() {
            // Deferred commands are saved.
            self.changes.by_command += 1;
            if moment::has_passed(at, now) {
                warn!("the command `{command}` for {at} was dropped: it was noticed too late");
                continue;
            }
            // Ramps begin at the very moment, however late it was noticed, so that all screens agree.
            let then = Now { steady: now.steady_at(at).max(now.steady - MAX_IDLE), wall: at };
            let outcome = match command.as_str() {
                SET => self.set(&payload, then).map(|()| None),
                action => self.act(action, &payload, then),
            };
            match outcome {
                Ok(signal) => signals.extend(signal),
                Err(refusals) => {
                    refusals.iter().for_each(|refusal| warn!("the command for {at} was refused: {refusal}"))
                }
            }
        }
        signals
    }
}
