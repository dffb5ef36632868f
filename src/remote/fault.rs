//! Why the broker cannot be used, in words for people, and what to do about it.

use std::io;

use rumqttc::v5::mqttbytes::Error as WireError;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError, TlsError};

use super::probe::Peer;
use crate::protocol::DeviceId;

/// Why the broker cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerFault {
    pub(super) kind: FaultKind,
    /// What is wrong, as a clause.
    pub text: String,
    /// What to change.
    pub remedy: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FaultKind {
    Absent,
    Tls,
    Refused,
    /// Something answers, but not a broker of MQTT 5.
    Protocol,
}

impl BrokerFault {
    /// Whether there is a broker, or at least something that answers.
    pub fn is_answered(&self) -> bool {
        self.kind != FaultKind::Absent
    }

    pub(super) fn of_peer(peer: Peer) -> BrokerFault {
        BrokerFault { kind: FaultKind::Protocol, text: peer.text().to_owned(), remedy: peer.remedy() }
    }

    pub(super) fn of(error: &ConnectionError, device: &DeviceId) -> BrokerFault {
        let (kind, text) = explain(error, device);
        let remedy = match kind {
            FaultKind::Tls => {
                "look at mqtt.ca, mqtt.cert and mqtt.key, at the broker's certificate (its name, its end), and at the clock"
            }
            FaultKind::Refused => "look at mqtt.username, mqtt.password_file, and at the broker's users and ACL",
            _ => "look at mqtt.host and mqtt.port, and whether the broker runs and listens there",
        };
        BrokerFault { kind, text, remedy }
    }
}

/// Whether the broker said in MQTT 5 that it speaks only older versions.
pub(super) fn is_old_broker(error: &ConnectionError) -> bool {
    use ConnectReturnCode::{RefusedProtocolVersion, UnsupportedProtocolVersion};
    matches!(error, ConnectionError::ConnectionRefused(RefusedProtocolVersion | UnsupportedProtocolVersion))
}

/// Whether a first connection that failed so may have met something else than a broker of MQTT 5.
pub(super) fn is_unclear(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::Io(e)
        | ConnectionError::Tls(TlsError::Io(e))
        | ConnectionError::MqttState(StateError::Io(e) | StateError::Deserialization(WireError::Io(e))) => {
            is_unclear_io(e)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted | StateError::Deserialization(_))
        | ConnectionError::NotConnAck(_)
        | ConnectionError::Timeout(_) => true,
        _ => false,
    }
}

fn is_unclear_io(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, Other, UnexpectedEof};
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        // No TLS came back. Alerts and certificates are TLS.
        Some(tls) => matches!(tls, rustls::Error::InvalidMessage(_)),
        // `Other`: bytes that are no whole packet when the connection closes.
        None => matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | InvalidData | Other | UnexpectedEof
        ),
    }
}

fn explain(error: &ConnectionError, device: &DeviceId) -> (FaultKind, String) {
    use ConnectReturnCode::{BadUserNamePassword, NotAuthorized};
    match error {
        ConnectionError::ConnectionRefused(BadUserNamePassword | NotAuthorized) => {
            (FaultKind::Refused, "it refuses the user name or the password".to_owned())
        }
        ConnectionError::ConnectionRefused(code) => {
            (FaultKind::Refused, format!("it refuses the connection: {code:?}"))
        }
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => (FaultKind::Refused, format!("another device has the same id `{device}`: each needs its own")),
        ConnectionError::Tls(e) => (FaultKind::Tls, e.to_string()),
        ConnectionError::Timeout(_) => (FaultKind::Absent, "it does not answer".to_owned()),
        ConnectionError::Io(e) | ConnectionError::MqttState(StateError::Deserialization(WireError::Io(e))) => {
            // With TLS 1.3 a broker refuses a certificate only after the handshake.
            let is_tls = e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            (if is_tls { FaultKind::Tls } else { FaultKind::Absent }, e.to_string())
        }
        // Some brokers give no reason: Mosquitto 2.0 just closes when a second client has the same name.
        ConnectionError::MqttState(StateError::ConnectionAborted) => (
            FaultKind::Absent,
            format!("it closed the connection (as it would if another device had the same id `{device}`)"),
        ),
        other => (FaultKind::Absent, other.to_string()),
    }
}
