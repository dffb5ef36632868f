//! Notifications to systemd; none where systemd does not listen.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

use super::Telemetry;
use super::service::{ServiceRecord, runtime_dir, status_line};

/// Talks to systemd, and says each thing once.
#[derive(Debug, Default)]
pub struct SystemdNotifier {
    ready: bool,
    status: String,
    record: Option<ServiceRecord>,
}

impl SystemdNotifier {
    /// Started: the first picture is shown. Sent once.
    pub fn ready(&mut self) {
        if !self.ready {
            self.ready = true;
            send(&NotifyState::Ready);
        }
    }

    /// Says how it dreams: for `systemctl status`, and for the health check. Only what differs is sent and written.
    pub fn status(&mut self, now: &Telemetry, is_paused: bool) {
        let (status, record) = (status_line(now), ServiceRecord::of(now, is_paused));
        if self.status != status {
            send(&NotifyState::Status(&status));
            self.status = status;
        }
        if self.record != Some(record)
            && let Some(folder) = runtime_dir()
        {
            match record.write(&folder) {
                Ok(()) => self.record = Some(record),
                Err(error) => {
                    let folder = folder.display();
                    debug!("the health check has to read the status line, for {folder} cannot be written: {error}");
                }
            }
        }
    }

    /// All heartbeats are fresh.
    pub fn heartbeat(&self) {
        send(&NotifyState::Watchdog);
    }

    /// A stage is stuck: restart now, without waiting for the watchdog to expire.
    pub fn trigger_watchdog(&self) {
        send(&NotifyState::WatchdogTrigger);
    }

    /// The configuration is being read again.
    pub fn reloading(&self) {
        send(&NotifyState::Reloading);
    }

    /// It was read, whether or not it is valid.
    pub fn reloaded(&self) {
        if self.ready {
            send(&NotifyState::Ready);
        }
    }

    pub fn stopping(&self) {
        send(&NotifyState::Stopping);
    }
}

/// Whether systemd started this as a notifying service, as the shipped unit does.
pub fn is_service() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// How often to send the watchdog heartbeat: half of `WatchdogSec`; none where it is off.
pub fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: &NotifyState) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        debug!("cannot notify systemd of {state}: {error}");
    }
}
