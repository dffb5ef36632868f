//! What is logged about a broker that is not there: once when it goes, once when it is back.

use std::collections::HashSet;
use std::time::Instant;

use rumqttc::v5::mqttbytes::Error as WireError;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError};
use tracing::{debug, info, warn};

use super::client::Refused;
use crate::protocol::DeviceId;

/// The present outage, if there is one.
pub struct Outage {
    broker: String,
    device: DeviceId,
    /// Nobody named it.
    optional: bool,
    been_connected: bool,
    since: Option<Instant>,
    /// Kinds of reasons already told in this outage: a broker that comes back but refuses is worth a second line.
    logged: HashSet<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Absent,
    Tls,
    Refused,
}

impl Outage {
    pub fn new(broker: String, device: DeviceId, optional: bool) -> Outage {
        Outage { broker, device, optional, been_connected: false, since: None, logged: HashSet::new() }
    }

    /// An attempt failed or a connection broke, because of `reason`.
    pub fn record(&mut self, reason: &ConnectionError) {
        let begins = self.since.is_none();
        self.since.get_or_insert_with(Instant::now);
        let (kind, why) = explain(reason, &self.device);
        let broker = &self.broker;
        if !self.logged.insert(kind) {
            debug!("broker {broker}: {why}");
        } else if self.optional && !self.been_connected && kind == Kind::Absent {
            info!("broker: none at {broker}; it is directed from the web page alone, and one that is started is used");
        } else if begins && self.been_connected {
            warn!("broker {broker} lost: {why}; the dream goes on as last told, looking for it again");
        } else {
            warn!("broker {broker} cannot be used: {why}; the dream goes on as last told, trying again");
        }
    }

    /// Connected.
    pub fn end(&mut self) {
        let base = self.device.base();
        match self.since.take() {
            Some(since) => info!("broker {} is there after {:.0?}: {base}", self.broker, since.elapsed()),
            None => info!("connected to broker {}: {base}", self.broker),
        }
        self.been_connected = true;
        self.logged.clear();
    }
}

/// What a person is told who asks whether the broker can be used.
pub fn refused(reason: &ConnectionError, device: &DeviceId) -> Refused {
    let (kind, text) = explain(reason, device);
    let remedy = match kind {
        Kind::Absent => "look at mqtt.host and mqtt.port, and whether the broker runs and listens there",
        Kind::Tls => {
            "look at mqtt.ca, mqtt.cert and mqtt.key, at the broker's certificate (its name, its end), and at the clock"
        }
        Kind::Refused => "look at mqtt.username, mqtt.password_file, and at the broker's users and ACL",
    };
    Refused { text, remedy, is_answered: kind != Kind::Absent }
}

fn explain(reason: &ConnectionError, device: &DeviceId) -> (Kind, String) {
    use ConnectReturnCode::{BadUserNamePassword, NotAuthorized};
    match reason {
        ConnectionError::ConnectionRefused(BadUserNamePassword | NotAuthorized) => {
            (Kind::Refused, "it refuses the user name or the password".to_owned())
        }
        ConnectionError::ConnectionRefused(code) => (Kind::Refused, format!("it refuses the connection: {code:?}")),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => (Kind::Refused, format!("another device has the same id `{device}`: each needs its own")),
        ConnectionError::Tls(e) => (Kind::Tls, e.to_string()),
        ConnectionError::Timeout(_) => (Kind::Absent, "it does not answer".to_owned()),
        ConnectionError::Io(e) | ConnectionError::MqttState(StateError::Deserialization(WireError::Io(e))) => {
            // With TLS 1.3 a broker says only after the handshake that it wants another certificate.
            let is_tls = e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            (if is_tls { Kind::Tls } else { Kind::Absent }, e.to_string())
        }
        // Some brokers do not say why: Mosquitto 2.0 closes without a word when a second client has the same name.
        ConnectionError::MqttState(StateError::ConnectionAborted) => (
            Kind::Absent,
            format!("it closed the connection (as it would if another device had the same id `{device}`)"),
        ),
        other => (Kind::Absent, other.to_string()),
    }
}
