//! One connection to the broker, from its first packet to its last.
//!
//! Five things go on at once: the connection is read and commands are obeyed; replies, state, `about` and telemetry
//! are told. Each is a future of its own within one task. Only the reading one drives the connection, and it never
//! waits for anything else; the others may wait for it to send. So they cannot wait for each other in a circle, and a
//! broker that stops reading costs bounded memory: replies are lost when too many wait, and of state only the latest
//! is ever sent.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectProperties, Filter, LastWill, Packet, Publish, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, warn};

use super::about::about;
use super::command::{self, Address, Message};
use super::outbox::{Letter, Outbox, outbox};
use super::{DeviceId, Settings, told};
use crate::app::Desk;

/// The largest packet taken from the broker, which drops larger ones by itself: a megabyte of nonsense is still
/// answered, by its length.
const MAX_PACKET: u32 = (1 << 20) + (64 << 10);
/// Silence after which the connection is tested; the broker tells the last will after one and a half of it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For the connection, TLS and the broker's first answer together, seconds.
const PATIENCE: u64 = 10;
/// Packets between us and the connection: as few as keep it busy, since what lies there is old already.
const REQUESTS: usize = 16;
/// Unacknowledged packets; a broker's own limit is commonly 20.
const IN_FLIGHT: u16 = 16;
/// At most ten states a second: a slider that is dragged sends hundreds.
const BETWEEN_STATES: Duration = Duration::from_millis(100);
/// How soon a change of what `about` says is noticed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// For the last words.
const FAREWELL: Duration = Duration::from_millis(800);
/// A stream of the same complaint is logged this often.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(60);

/// The base topic of `device`.
pub fn base(device: &DeviceId) -> String {
    format!("reverie/{device}")
}

/// A connection that the broker accepted.
pub struct Session {
    connection: EventLoop,
    voice: Voice,
    desk: Desk,
    device: DeviceId,
    telemetry_every: Duration,
}

/// What is said, and how much of it the broker takes.
struct Voice {
    client: AsyncClient,
    base: String,
    /// The largest packet the broker takes, where it has a limit.
    largest: Option<u32>,
    /// The best quality of service the broker gives.
    best: QoS,
}

impl Session {
    /// Connects and waits for the broker's consent.
    pub async fn connect(settings: &Settings, desk: &Desk) -> Result<Session, ConnectionError> {
        let base = base(&settings.device);
        let (client, mut connection) = AsyncClient::new(options(settings, &base), REQUESTS);
        let welcome = loop {
            if let Event::Incoming(Packet::ConnAck(welcome)) = connection.poll().await? {
                break welcome;
            }
        };
        Ok(Session {
            connection,
            voice: Voice::new(client, base, &welcome),
            desk: desk.clone(),
            device: settings.device.clone(),
            telemetry_every: settings.telemetry_every,
        })
    }

    /// Obeys and tells until the connection is lost (then why), or the stop is said and `offline` sent (then none).
    pub async fn serve(self, stop: &mut watch::Receiver<bool>) -> Option<ConnectionError> {
        let Session { mut connection, voice, desk, device, telemetry_every } = self;
        let (outbox, replies) = outbox();
        let tell = async {
            voice.greet().await;
            tokio::join!(
                tell_about(&voice, &desk, &device),
                tell_state(&voice, &desk),
                tell_telemetry(&voice, &desk, telemetry_every),
                tell_replies(&voice, replies),
            )
        };
        let lost = tokio::select! {
            lost = listen(&mut connection, &voice.base, &desk, &outbox) => Some(lost),
            (never, ..) = tell => match never {},
            () = told(stop) => None,
        };
        if lost.is_none() && timeout(FAREWELL, say_farewell(&mut connection, &voice)).await.is_err() {
            debug!("the broker took no farewell");
        }
        lost
    }
}

fn options(settings: &Settings, base: &str) -> MqttOptions {
    let mut network = NetworkOptions::new();
    // Else a reply that follows an acknowledgement waits 40 ms for the broker's own.
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(format!("reverie-{}", settings.device), &settings.host, settings.port);
    options
        .set_clean_start(true)
        .set_network_options(network)
        .set_keep_alive(KEEP_ALIVE)
        .set_connection_timeout(PATIENCE)
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_connect_properties(ConnectProperties { max_packet_size: Some(MAX_PACKET), ..ConnectProperties::new() })
        .set_last_will(LastWill::new(format!("{base}/status"), "offline", QoS::AtLeastOnce, true, None));
    if let Some(username) = &settings.username {
        let password = settings.password.as_ref().map_or("", |password| password.reveal());
        options.set_credentials(username, password);
    }
    if let Some(tls) = &settings.tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls.config())));
    }
    options
}

/// Reads the connection and obeys, until it is lost.
async fn listen(connection: &mut EventLoop, base: &str, desk: &Desk, outbox: &Outbox) -> ConnectionError {
    let mut retained = Complaint::default();
    let mut flooded = Complaint::default();
    loop {
        match connection.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if publish.retain && !publish.payload.is_empty() && retained.is_due() {
                    let topic = String::from_utf8_lossy(&publish.topic);
                    if command::is_command(below(base, &topic)) {
                        warn!("ignored a retained command on {topic}: send commands without the retain flag");
                    }
                }
                if !take(&publish, base, desk, outbox) && flooded.is_due() {
                    warn!("commands come faster than replies can be sent: some replies are lost");
                }
                // In a flood there is always one more to read: let the replies have their turn.
                tokio::task::yield_now().await;
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                if !ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
                    warn!("the broker refuses the subscription to {base}/#: no command will arrive; look at its ACL");
                }
            }
            Ok(_) => {}
            Err(lost) => return lost,
        }
    }
}

async fn tell_about(voice: &Voice, desk: &Desk, device: &DeviceId) -> Infallible {
    loop {
        let provider = desk.telemetry().provider;
        voice.say("about", QoS::AtLeastOnce, true, json(&about(device, desk))).await;
        while desk.telemetry().provider == provider {
            sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// Tells the latest state, and then each change that is still the latest when its turn comes.
async fn tell_state(voice: &Voice, desk: &Desk) -> Infallible {
    let mut params = desk.params();
    loop {
        let state = params.borrow_and_update().to_json();
        voice.say("state", QoS::AtLeastOnce, true, json(&state)).await;
        sleep(BETWEEN_STATES).await;
        if params.changed().await.is_err() {
            // Cannot be: the desk that could say it is held here. Nothing changes any more.
            std::future::pending::<()>().await;
        }
    }
}

async fn tell_telemetry(voice: &Voice, desk: &Desk, every: Duration) -> Infallible {
    let mut turn = interval(every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        voice.say("telemetry", QoS::AtMostOnce, false, json(&desk.telemetry())).await;
    }
}

async fn tell_replies(voice: &Voice, mut replies: mpsc::Receiver<Letter>) -> Infallible {
    loop {
        match replies.recv().await {
            Some(letter) => voice.reply(letter).await,
            // Cannot be: the outbox lives as long as this.
            None => std::future::pending().await,
        }
    }
}

async fn say_farewell(connection: &mut EventLoop, voice: &Voice) {
    let say = async {
        voice.say("status", QoS::AtLeastOnce, true, b"offline".to_vec()).await;
        let _ = voice.client.disconnect().await;
    };
    // Until the broker has heard it all and closes. Closed by us with its acknowledgements unread, the connection would be
    // reset, and the last words with it.
    let send = async { while connection.poll().await.is_ok() {} };
    tokio::join!(say, send);
}

/// Obeys one message and posts the reply; false where the reply found no room.
fn take(publish: &Publish, base: &str, desk: &Desk, outbox: &Outbox) -> bool {
    // The broker lets no topic through that is not UTF-8.
    let topic = String::from_utf8_lossy(&publish.topic);
    let properties = publish.properties.as_ref();
    let correlation = properties.and_then(|p| p.correlation_data.as_deref());
    let message =
        Message { topic: below(base, &topic), payload: &publish.payload, retained: publish.retain, correlation };
    let Some(reply) = command::obey(desk, &message) else { return true };
    debug!("{topic}: {}", if reply.ok { "done" } else { "refused" });
    let asked = properties.and_then(|p| p.response_topic.as_deref());
    let to = Address {
        topic: asked.and_then(|topic| command::response_topic(topic, base)),
        correlation: correlation.map(<[u8]>::to_vec),
        at_least_once: publish.qos != QoS::AtMostOnce,
    };
    outbox.post(to, json(&reply))
}

/// What follows base and slash. The subscription `a/#` also brings `a` itself, below which there is nothing.
fn below<'a>(base: &str, topic: &'a str) -> &'a str {
    topic.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default()
}

impl Voice {
    fn new(client: AsyncClient, base: String, welcome: &ConnAck) -> Voice {
        let limits = welcome.properties.as_ref();
        let best = if limits.and_then(|l| l.max_qos) == Some(0) { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        Voice { client, base, largest: limits.and_then(|l| l.max_packet_size), best }
    }

    /// First the ears, then `online`: whoever reads that may command at once.
    async fn greet(&self) {
        let mut everything = Filter::new(format!("{}/#", self.base), self.best);
        // Not what we say ourselves; and with the retain flag as it was sent, so that a retained command is known.
        everything.nolocal = true;
        everything.preserve_retain = true;
        if self.client.subscribe_many([everything]).await.is_err() {
            debug!("the connection closed before the subscription");
        }
        self.say("status", QoS::AtLeastOnce, true, b"online".to_vec()).await;
    }

    async fn say(&self, topic: &str, qos: QoS, retained: bool, payload: Vec<u8>) {
        self.publish(format!("{}/{topic}", self.base), qos, retained, payload, PublishProperties::default()).await;
    }

    async fn reply(&self, letter: Letter) {
        let Letter { to, payload, .. } = letter;
        let qos = if to.at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let topic = to.topic.unwrap_or_else(|| format!("{}/reply", self.base));
        let properties =
            PublishProperties { correlation_data: to.correlation.map(Into::into), ..PublishProperties::default() };
        self.publish(topic, qos, false, payload, properties).await;
    }

    async fn publish(&self, topic: String, qos: QoS, retained: bool, payload: Vec<u8>, properties: PublishProperties) {
        // Headers take a few bytes more.
        let size = payload.len() + topic.len() + properties.correlation_data.as_ref().map_or(0, |data| data.len()) + 32;
        // Sent all the same, it would end the connection, again after every new one.
        if self.largest.is_some_and(|largest| size > largest as usize) {
            warn!("{topic} is not told: {size} bytes are more than the broker takes; raise its maximum packet size");
            return;
        }
        let qos = if self.best == QoS::AtMostOnce { QoS::AtMostOnce } else { qos };
        if self.client.publish_with_properties(topic, qos, retained, payload, properties).await.is_err() {
            debug!("the connection closed before a message was sent");
        }
    }
}

/// Keeps a stream of one complaint from filling the log.
#[derive(Default)]
struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() > BETWEEN_COMPLAINTS);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain fields and text keys")
}
