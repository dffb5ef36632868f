//! The other side, which sends commands to devices: for `reverie ctl`.

use std::collections::VecDeque;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter, Packet, PubAckReason, Publish, PublishProperties, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop};
use tokio::time::{Instant, timeout_at};

use super::Settings;
use super::fault::{self, BrokerFault};
use super::probe::{Peer, probe};
use super::session::connect_options;

/// For the broker to acknowledge a request.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// A client that the broker accepted.
pub struct Client {
    client: AsyncClient,
    connection: EventLoop,
    received: VecDeque<ReceivedMessage>,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedMessage {
    pub topic: String,
    pub payload: Vec<u8>,
    /// The MQTT 5 correlation data.
    pub correlation: Option<Vec<u8>>,
}

/// Why no command can be sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no broker at {host}:{port}: {error}; look at --host and --port, and at user, password and certificates")]
    Connect { host: String, port: u16, error: Box<ConnectionError> },
    #[error("no usable broker at {host}:{port}: {}; {}", peer.text(), peer.remedy_by_flags())]
    Protocol { host: String, port: u16, peer: Peer },
    #[error("the connection to the broker was lost: {0}")]
    Lost(Box<ConnectionError>),
    #[error("the broker does not let this user subscribe to {0}: look at its ACL")]
    SubscribeRefused(String),
    #[error("the broker does not let this user publish to {0}: look at its ACL")]
    PublishRefused(String),
    #[error("the broker does not answer")]
    NoAnswer,
}

impl ClientError {
    async fn of_connect(error: ConnectionError, settings: &Settings) -> ClientError {
        let peer = match fault::is_old_broker(&error) {
            true => Some(Peer::OldBroker),
            false if fault::is_unclear(&error) => probe(settings).await,
            false => None,
        };
        let (host, port) = (settings.host.clone(), settings.port);
        match peer {
            Some(peer) => ClientError::Protocol { host, port, peer },
            None => ClientError::Connect { host, port, error: Box::new(error) },
        }
    }
}

impl Client {
    /// Whether the broker of `settings` lets its device in, asked under another client id than the device's own.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_broker(settings: &Settings) -> Result<(), BrokerFault> {
        match Client::connect(settings).await {
            Err(ClientError::Connect { error, .. }) => Err(BrokerFault::of(&error, &settings.device)),
            Err(ClientError::Protocol { peer, .. }) => Err(BrokerFault::of_peer(peer)),
            // Nothing else can go wrong before anything is sent.
            _ => Ok(()),
        }
    }

    /// Connects to the broker of `settings`, under a client id of its own.
    pub async fn connect(settings: &Settings) -> Result<Client, ClientError> {
        let (client, mut connection) =
            AsyncClient::new(connect_options(settings, &format!("reverie-ctl-{:016x}", fastrand::u64(..))), 16);
        loop {
            match connection.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => break,
                Ok(_) => {}
                Err(error) => return Err(ClientError::of_connect(error, settings).await),
            }
        }
        Ok(Client { client, connection, received: VecDeque::new() })
    }

    /// Receives what is published on `filter` from now on, and what is retained there.
    pub async fn subscribe(&mut self, filter: &str) -> Result<(), ClientError> {
        let subscription = Filter::new(filter, QoS::AtLeastOnce);
        // The client's own queue has room: nothing else is under way.
        let _ = self.client.try_subscribe_many([subscription]);
        let acknowledged = |packet: &Packet| match packet {
            Packet::SubAck(SubAck { return_codes, .. }) => {
                Some(return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))))
            }
            _ => None,
        };
        match self.until(Instant::now() + ACK_TIMEOUT, acknowledged).await? {
            Some(true) => Ok(()),
            Some(false) => Err(ClientError::SubscribeRefused(filter.to_owned())),
            None => Err(ClientError::NoAnswer),
        }
    }

    /// Publishes `payload` to `topic`; the reply is wanted on `reply_to`, with `correlation`.
    pub async fn publish(
        &mut self,
        topic: &str,
        payload: Vec<u8>,
        reply_to: Option<&str>,
        correlation: &[u8],
    ) -> Result<(), ClientError> {
        let properties = PublishProperties {
            response_topic: reply_to.map(str::to_owned),
            correlation_data: Some(correlation.to_vec().into()),
            ..PublishProperties::default()
        };
        let _ = self.client.try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties);
        let acknowledged = |packet: &Packet| match packet {
            Packet::PubAck(answer) => Some(!matches!(answer.reason, PubAckReason::NotAuthorized)),
            _ => None,
        };
        match self.until(Instant::now() + ACK_TIMEOUT, acknowledged).await? {
            Some(true) => Ok(()),
            Some(false) => Err(ClientError::PublishRefused(topic.to_owned())),
            None => Err(ClientError::NoAnswer),
        }
    }

    /// The next message, where it comes before `deadline`.
    pub async fn next(&mut self, deadline: Instant) -> Result<Option<ReceivedMessage>, ClientError> {
        if let Some(received) = self.received.pop_front() {
            return Ok(Some(received));
        }
        self.until(deadline, |packet| matches!(packet, Packet::Publish(_)).then_some(())).await?;
        Ok(self.received.pop_front())
    }

    /// The next message on `topic`, where it comes before `deadline`. Those on other topics wait.
    pub async fn next_on(&mut self, topic: &str, deadline: Instant) -> Result<Option<ReceivedMessage>, ClientError> {
        loop {
            if let Some(place) = self.received.iter().position(|received| received.topic == topic) {
                return Ok(self.received.remove(place));
            }
            let is_there = self.until(deadline, |packet| matches!(packet, Packet::Publish(_)).then_some(())).await?;
            if is_there.is_none() {
                return Ok(None);
            }
        }
    }

    /// Reads until a packet matches, and keeps the messages received meanwhile. None: the deadline came first.
    async fn until<T>(
        &mut self,
        deadline: Instant,
        matches: impl Fn(&Packet) -> Option<T>,
    ) -> Result<Option<T>, ClientError> {
        loop {
            let event = match timeout_at(deadline, self.connection.poll()).await {
                Err(_) => return Ok(None),
                Ok(Err(lost)) => return Err(ClientError::Lost(Box::new(lost))),
                Ok(Ok(event)) => event,
            };
            let Event::Incoming(packet) = event else { continue };
            let found = matches(&packet);
            if let Packet::Publish(publish) = packet {
                self.received.push_back(received(publish));
            }
            if found.is_some() {
                return Ok(found);
            }
        }
    }
}

fn received(publish: Publish) -> ReceivedMessage {
    ReceivedMessage {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        correlation: publish.properties.and_then(|p| p.correlation_data).map(|data| data.to_vec()),
    }
}
