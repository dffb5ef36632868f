//! An operator who directs from outside: an MQTT client of the guest's broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};
use serde_json::Value as Json;

use super::TIMEOUT;

pub struct Operator {
    client: Client,
    messages: Receiver<Message>,
    done: Arc<AtomicBool>,
}

/// A message on a topic below `reverie/guest/`.
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
}

const BASE: &str = "reverie/guest/";

impl Operator {
    /// Connects, and receives everything that the mirror publishes from then on.
    pub fn connect(port: u16) -> Operator {
        let mut options = MqttOptions::new(format!("operator-{}", fastrand::u64(..)), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(600));
        let properties = ConnectProperties { max_packet_size: Some(8 << 20), ..ConnectProperties::new() };
        options.set_connect_properties(properties);
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(TIMEOUT.as_secs());
        options.set_network_options(network);
        let (client, connection) = Client::new(options, 64);
        let (received, messages) = channel();
        let (acknowledged, subscribed) = channel();
        let done = Arc::new(AtomicBool::new(false));
        let listener = Listener { client: client.clone(), received, acknowledged, done: done.clone() };
        std::thread::spawn(move || listener.listen(connection));
        subscribed.recv_timeout(TIMEOUT).expect("the guest's broker accepts a subscription");
        Operator { client, messages, done }
    }

    /// Publishes below the mirror's base topic: `set`, `set/intensity`, `do/reset`.
    pub fn publish(&self, topic: &str, payload: &str) {
        let sent = self.client.publish(format!("{BASE}{topic}"), QoS::AtLeastOnce, false, payload.to_owned());
        sent.unwrap_or_else(|e| panic!("publishing to {topic}: {e}"));
    }

    /// Waits for the next message on `topic` that `matches`; discards all before it.
    pub fn receive(&self, topic: &str, matches: impl Fn(&[u8]) -> bool) -> Message {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|_| panic!("the expected message on {topic} never came"));
            if message.topic == topic && matches(&message.payload) {
                return message;
            }
        }
    }

    /// As [`Operator::receive`], for JSON.
    pub fn receive_json(&self, topic: &str, matches: impl Fn(&Json) -> bool) -> Json {
        let message = self.receive(topic, |payload| serde_json::from_slice(payload).is_ok_and(|json| matches(&json)));
        serde_json::from_slice(&message.payload).unwrap_or_default()
    }

    /// Waits until the mirror's status is `online` or `offline`.
    pub fn receive_status(&self, expected: &str) {
        self.receive("status", |status| status == expected.as_bytes());
    }

    /// Sets parameters, all at once, and waits until they are in effect.
    #[track_caller]
    pub fn set(&self, values: Json) {
        let id = format!("{}", fastrand::u64(..));
        let mut command = values;
        command["id"] = id.as_str().into();
        self.publish("set", &command.to_string());
        let reply = self.receive_json("reply", |reply| reply["id"] == id.as_str());
        assert_eq!(reply["ok"], true, "{command} was refused: {reply}");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        let _ = self.client.try_disconnect();
    }
}

struct Listener {
    client: Client,
    received: Sender<Message>,
    acknowledged: Sender<()>,
    done: Arc<AtomicBool>,
}

impl Listener {
    /// Passes on messages until the operator is dropped; subscribes again after a lost connection.
    fn listen(self, mut connection: Connection) {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    let _ = self.client.try_subscribe(format!("{BASE}#"), QoS::AtLeastOnce);
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    let _ = self.acknowledged.send(());
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    let topic = topic.strip_prefix(BASE).unwrap_or(&topic).to_owned();
                    let _ = self.received.send(Message { topic, payload: publish.payload.to_vec() });
                }
                Ok(_) => {}
                Err(_) if self.done.load(Ordering::Relaxed) => return,
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}
