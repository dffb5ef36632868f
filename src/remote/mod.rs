//! Remote control over MQTT 5: the adapter between a broker and [`protocol`](crate::protocol), which defines what is sent.
//!
//! [`run`] holds the connection and looks for a lost broker forever; the dream never waits for it. One connection is
//! one `session`: nothing queued in one is sent in the next, since by then it is old. [`Client`] is the other side, for `reverie ctl`.

mod client;
mod credentials;
mod discovery;
mod fault;
mod outage;
mod outbox;
mod probe;
mod publish;
mod publisher;
mod rate_limiter;
mod raw_settings;
mod receiver;
mod session;
mod settings;

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::director_handle::DirectorHandle;
use crate::health::BrokerStatus;
pub use client::{Client, ClientError, ReceivedMessage};
pub use discovery::{DeviceDescription, HomeAssistant, discovery};
pub use fault::BrokerFault;
use outage::Outage;
pub use probe::Peer;
pub use raw_settings::RawSettings;
use session::Session;
pub use settings::{Password, SYSTEM_AUTHORITIES, Settings, SettingsError, Tls};

/// A connection that held this long counts as good: the next attempt waits the first wait again. One that breaks
/// sooner does not, or two devices of one name would throw each other out every second.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// Runs commands and publishes state, telemetry and status, until cancelled; then publishes
/// `offline` and disconnects, all within about a second.
///
/// Needs a tokio runtime with time and I/O. It never blocks it, and never fails: a broker that is absent, lost or
/// refuses is looked for again, with one WARN when it goes and one INFO when it is back.
pub async fn run(settings: Settings, handle: DirectorHandle, cancel: CancellationToken) {
    let broker = format!("{}:{}", settings.host, settings.port);
    let mut outage = Outage::new(broker.clone(), settings.device.clone(), settings.optional);
    let mut retry = settings.retry.clone();
    loop {
        let connected = tokio::select! {
            connected = Session::connect(&settings, &handle) => connected,
            () = cancel.cancelled() => return,
        };
        let fault = match connected {
            Ok(session) => {
                outage.end();
                handle.report(|telemetry| telemetry.broker = BrokerStatus::Connected(broker.clone()));
                let since = Instant::now();
                let Some(lost) = session.serve(&cancel).await else { return };
                if since.elapsed() > STABLE_AFTER {
                    retry.reset();
                }
                tokio::select! {
                    () = sleep(settings.spread.mul_f64(fastrand::f64())) => {}
                    () = cancel.cancelled() => return,
                }
                BrokerFault::of(&lost, &settings.device)
            }
            Err(error) => tokio::select! {
                fault = outage.explain(&error, &settings) => fault,
                () = cancel.cancelled() => return,
            },
        };
        outage.record(&fault);
        let address = broker.clone();
        let status = match fault.is_answered() {
            true => BrokerStatus::Unusable { address, reason: fault.text },
            false => BrokerStatus::Unreachable(address),
        };
        handle.report(|telemetry| telemetry.broker = status);
        tokio::select! {
            () = sleep(retry.wait()) => {}
            () = cancel.cancelled() => return,
        }
    }
}
