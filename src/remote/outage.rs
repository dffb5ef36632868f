//! What is logged about a broker that cannot be used: once when that begins, once when it is over.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rumqttc::v5::ConnectionError;
use tracing::{debug, info, warn};

use super::Settings;
use super::fault::{self, BrokerFault, FaultKind};
use super::probe::{self, Peer};
use crate::protocol::DeviceId;

/// From one probe of what is at the broker's address to the next.
const PROBE_INTERVAL: Duration = Duration::from_secs(300);

/// The present outage, if there is one.
pub struct Outage {
    broker: String,
    device: DeviceId,
    /// The configuration does not name one.
    optional: bool,
    been_connected: bool,
    since: Option<Instant>,
    /// Kinds of faults already logged in this outage: a broker that comes back but refuses is worth a second line.
    logged: HashSet<FaultKind>,
    /// What was found at the address, and when that was asked.
    probed: Option<(Instant, Option<Peer>)>,
}

impl Outage {
    pub fn new(broker: String, device: DeviceId, optional: bool) -> Outage {
        Outage { broker, device, optional, been_connected: false, since: None, logged: HashSet::new(), probed: None }
    }

    /// Why the broker of `settings` could not be connected to. Where `error` leaves open what it met, that is probed: seldom, since an outage may last for
    /// weeks, but again, since what is there may change meanwhile.
    pub async fn explain(&mut self, error: &ConnectionError, settings: &Settings) -> BrokerFault {
        let peer = if fault::is_old_broker(error) {
            Some(Peer::OldBroker)
        } else if fault::is_unclear(error) {
            match self.probed.filter(|(asked, _)| asked.elapsed() < PROBE_INTERVAL) {
                Some((_, peer)) => peer,
                None => {
                    let peer = probe::probe(settings).await;
                    self.probed = Some((Instant::now(), peer));
                    peer
                }
            }
        } else {
            None
        };
        peer.map_or_else(|| BrokerFault::of(error, &self.device), BrokerFault::of_peer)
    }

    /// An attempt failed or a connection broke, because of `fault`.
    pub fn record(&mut self, fault: &BrokerFault) {
        let begins = self.since.is_none();
        self.since.get_or_insert_with(Instant::now);
        let (kind, broker) = (fault.kind, &self.broker);
        let why = match kind {
            FaultKind::Protocol => format!("{}; {}", fault.text, fault.remedy),
            _ => fault.text.clone(),
        };
        if !self.logged.insert(kind) {
            debug!("broker {broker}: {why}");
        } else if self.optional && !self.been_connected && kind == FaultKind::Absent {
            info!("broker: none at {broker}; only the web page controls the device until one starts there");
        } else if begins && self.been_connected {
            warn!("broker {broker} lost: {why}; the dream keeps its settings, looking for the broker again");
        } else {
            warn!("broker {broker} cannot be used: {why}; the dream keeps its settings, trying again");
        }
    }

    /// Connected.
    pub fn end(&mut self) {
        let base = self.device.base();
        match self.since.take() {
            Some(since) => info!("connected to broker {} after {:.0?}: {base}", self.broker, since.elapsed()),
            None => info!("connected to broker {}: {base}", self.broker),
        }
        self.been_connected = true;
        self.logged.clear();
        self.probed = None;
    }
}
