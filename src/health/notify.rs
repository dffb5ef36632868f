//! What systemd is told. Without systemd nothing is.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

use super::Telemetry;
use super::service::{ServiceRecord, runtime_dir, status_line};

/// The line to systemd.
#[derive(Debug, Default)]
pub struct SystemdNotifier {
    ready: bool,
    status: String,
    record: Option<ServiceRecord>,
}

impl SystemdNotifier {
    /// It dreams and is seen: started. Said once.
    pub fn ready(&mut self) {
        if !self.ready {
            self.ready = true;
            send(&NotifyState::Ready);
        }
    }

    /// Says how it dreams: for `systemctl status`, and for the health check. Only what differs is sent and written.
    pub fn status(&mut self, now: &Telemetry) {
        let (status, record) = (status_line(now), ServiceRecord::of(now));
        if self.status != status {
            send(&NotifyState::Status(&status));
            self.status = status;
        }
        if self.record.replace(record) != Some(record)
            && let Some(folder) = runtime_dir()
            && let Err(error) = record.write(&folder)
        {
            debug!("the health check has to read the status line, for {} cannot be written: {error}", folder.display());
        }
    }

    /// All heartbeats are fresh.
    pub fn heartbeat(&self) {
        send(&NotifyState::Watchdog);
    }

    /// A stage moves no more: what is to be done then, now.
    pub fn trigger_watchdog(&self) {
        send(&NotifyState::WatchdogTrigger);
    }

    /// The configuration is being read again.
    pub fn reloading(&self) {
        send(&NotifyState::Reloading);
    }

    /// And it was.
    pub fn reloaded(&self) {
        if self.ready {
            send(&NotifyState::Ready);
        }
    }

    pub fn stopping(&self) {
        send(&NotifyState::Stopping);
    }
}

/// Whether systemd started this, and hears what is said here: as the shipped unit has it.
pub fn is_service() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// How often systemd wants to hear that all is alive: half of its patience; none where it does not watch.
pub fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 2)
}

fn send(state: &NotifyState) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        debug!("systemd is not told {state}: {error}");
    }
}
