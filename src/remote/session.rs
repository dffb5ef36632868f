//! One connection to the broker, from its first packet to its last.
//!
//! Several things go on at once: the connection is read and commands are run; replies, state, `about`, telemetry and
//! snapshots are published. Each is a future of its own within one task. Only the reading one drives the connection, and it
//! never waits for anything else; the others may wait for it to send. So they cannot wait for each other in a circle, and
//! a broker that stops reading costs bounded memory: replies are lost when too many wait, and of state only the latest is
//! ever sent.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, LastWill, Packet};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::outbox::outbox;
use super::publish::{
    keep_subscribed, publish_about, publish_discovery, publish_replies, publish_snapshots, publish_state,
    publish_telemetry,
};
use super::publisher::Publisher;
use super::receiver::CommandReceiver;
use super::{HomeAssistant, Settings};
use crate::director_handle::DirectorHandle;
use crate::protocol::DeviceId;
use crate::protocol::topic::{OFFLINE, STATUS};

/// The largest packet taken from the broker, which drops larger ones by itself: a megabyte of nonsense is still
/// answered, by its length.
const MAX_PACKET: u32 = (1 << 20) + (64 << 10);
/// Silence after which the connection is tested; the broker publishes the last will after one and a half of it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For the connection, TLS and the broker's first answer together, seconds.
const CONNECT_TIMEOUT_SECS: u64 = 10;
/// Packets between us and the connection: as few as keep it busy, since what lies there is old already.
const REQUEST_QUEUE: usize = 16;
/// Unacknowledged packets; a broker's own limit is commonly 20.
const IN_FLIGHT: u16 = 16;
/// For `offline` and the disconnection to be sent.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(800);

/// A connection that the broker accepted.
pub struct Session {
    connection: EventLoop,
    publisher: Publisher,
    handle: DirectorHandle,
    device: DeviceId,
    telemetry_every: Duration,
    home: HomeAssistant,
}

impl Session {
    /// Connects and waits until the broker accepts.
    pub async fn connect(settings: &Settings, handle: &DirectorHandle) -> Result<Session, ConnectionError> {
        let base = settings.device.base();
        let (client, mut connection) = AsyncClient::new(device_options(settings, &base), REQUEST_QUEUE);
        let welcome = loop {
            if let Event::Incoming(Packet::ConnAck(welcome)) = connection.poll().await? {
                break welcome;
            }
        };
        Ok(Session {
            connection,
            publisher: Publisher::new(client, base, &welcome),
            handle: handle.clone(),
            device: settings.device.clone(),
            telemetry_every: settings.telemetry_every,
            home: settings.home.clone(),
        })
    }

    /// Serves until the connection is lost (then returns why), or until cancelled, once `offline` is sent (then none).
    pub async fn serve(self, cancel: &CancellationToken) -> Option<ConnectionError> {
        let Session { mut connection, publisher, handle, device, telemetry_every, home } = self;
        let ((outbox, replies), (spread_outbox, spread_replies)) = (outbox(), outbox());
        let receiver =
            CommandReceiver::new(&handle, &device, publisher.base(), home.birth_topic(), outbox, spread_outbox);
        let (online_sent, mut is_online_sent) = watch::channel(false);
        let publish = async {
            // Everything else is published after `online`.
            let _ = is_online_sent.wait_for(|is_sent| *is_sent).await;
            tokio::join!(
                publish_about(&publisher, &handle, &device),
                publish_state(&publisher, &handle),
                publish_telemetry(&publisher, &handle, telemetry_every),
                publish_replies(&publisher, replies),
                publish_replies(&publisher, spread_replies),
                publish_snapshots(&publisher, &handle),
                publish_discovery(&publisher, &handle, &device, &home, telemetry_every, &receiver),
            )
        };
        let lost = tokio::select! {
            lost = read(&mut connection, &receiver) => Some(lost),
            never = keep_subscribed(&publisher, &handle, &home, &online_sent) => match never {},
            (never, ..) = publish => match never {},
            never = receiver.run_queued() => match never {},
            () = cancel.cancelled() => None,
        };
        if lost.is_none() && timeout(DISCONNECT_TIMEOUT, disconnect(&mut connection, &publisher)).await.is_err() {
            debug!("the broker did not take the last messages");
        }
        lost
    }
}

fn device_options(settings: &Settings, base: &str) -> MqttOptions {
    let mut options = connect_options(settings, &format!("reverie-{}", settings.device));
    options.set_last_will(LastWill::new(format!("{base}/{STATUS}"), OFFLINE, QoS::AtLeastOnce, true, None));
    options
}

/// The options to reach the broker of `settings`, for a client of this id.
pub fn connect_options(settings: &Settings, client: &str) -> MqttOptions {
    let mut network = NetworkOptions::new();
    // Else a reply that follows an acknowledgement waits 40 ms for the broker's own.
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(client, &settings.host, settings.port);
    options
        .set_clean_start(true)
        .set_network_options(network)
        .set_keep_alive(KEEP_ALIVE)
        .set_connection_timeout(CONNECT_TIMEOUT_SECS)
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_connect_properties(ConnectProperties { max_packet_size: Some(MAX_PACKET), ..ConnectProperties::new() });
    if let Some(username) = &settings.username {
        let password = settings.password.as_ref().map_or("", |password| password.reveal());
        options.set_credentials(username, password);
    }
    if let Some(tls) = &settings.tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls.config())));
    }
    options
}

/// Reads the connection and hands its messages on, until it is lost.
async fn read(connection: &mut EventLoop, receiver: &CommandReceiver<'_>) -> ConnectionError {
    loop {
        match connection.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                receiver.receive(publish);
                // In a flood there is always one more to read: let the replies have their turn.
                tokio::task::yield_now().await;
            }
            Ok(Event::Incoming(Packet::SubAck(answer))) => receiver.check_subscription(&answer),
            Ok(_) => {}
            Err(lost) => return lost,
        }
    }
}

async fn disconnect(connection: &mut EventLoop, publisher: &Publisher) {
    // Until the broker has received it all and closes. Closed by us with its acknowledgements unread, the connection would be
    // reset, and the last messages lost.
    let send = async { while connection.poll().await.is_ok() {} };
    tokio::join!(publisher.go_offline(), send);
}
