//! The one who directs, from outside: an MQTT client of the guest's broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};
use serde_json::Value as Json;

use super::PATIENCE;

pub struct Operator {
    client: Client,
    heard: Receiver<Said>,
    done: Arc<AtomicBool>,
}

/// What came on a topic below `reverie/guest/`.
pub struct Said {
    pub topic: String,
    pub payload: Vec<u8>,
}

const BASE: &str = "reverie/guest/";

impl Operator {
    /// Connects, and hears everything that the mirror says from then on.
    pub fn connect(port: u16) -> Operator {
        let mut options = MqttOptions::new(format!("operator-{}", fastrand::u64(..)), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(600));
        let properties = ConnectProperties { max_packet_size: Some(8 << 20), ..ConnectProperties::new() };
        options.set_connect_properties(properties);
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(PATIENCE.as_secs());
        options.set_network_options(network);
        let (client, connection) = Client::new(options, 64);
        let (says, heard) = channel();
        let (subscribes, subscribed) = channel();
        let done = Arc::new(AtomicBool::new(false));
        let listener = Listener { client: client.clone(), says, subscribes, done: done.clone() };
        std::thread::spawn(move || listener.listen(connection));
        subscribed.recv_timeout(PATIENCE).expect("the guest's broker takes a subscription");
        Operator { client, heard, done }
    }

    /// Publishes below the mirror's base topic: `set`, `set/intensity`, `do/reset`.
    pub fn publish(&self, topic: &str, payload: &str) {
        let sent = self.client.publish(format!("{BASE}{topic}"), QoS::AtLeastOnce, false, payload.to_owned());
        sent.unwrap_or_else(|e| panic!("publishing to {topic}: {e}"));
    }

    /// The next message on `topic` that `fits`; all that came before it is forgotten.
    pub fn hear(&self, topic: &str, fits: impl Fn(&[u8]) -> bool) -> Said {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let said =
                self.heard.recv_timeout(left).unwrap_or_else(|_| panic!("never heard on {topic} what should come"));
            if said.topic == topic && fits(&said.payload) {
                return said;
            }
        }
    }

    /// As [`Operator::hear`], for JSON.
    pub fn hear_json(&self, topic: &str, fits: impl Fn(&Json) -> bool) -> Json {
        let said = self.hear(topic, |payload| serde_json::from_slice(payload).is_ok_and(|json| fits(&json)));
        serde_json::from_slice(&said.payload).unwrap_or_default()
    }

    /// Sets parameters, all at once, and waits until they are in effect.
    #[track_caller]
    pub fn set(&self, values: Json) {
        let id = format!("{}", fastrand::u64(..));
        let mut command = values;
        command["id"] = id.as_str().into();
        self.publish("set", &command.to_string());
        let reply = self.hear_json("reply", |reply| reply["id"] == id.as_str());
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
    says: Sender<Said>,
    subscribes: Sender<()>,
    done: Arc<AtomicBool>,
}

impl Listener {
    /// Passes on what comes, until the operator goes; subscribes anew where the connection was lost.
    fn listen(self, mut connection: Connection) {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    let _ = self.client.try_subscribe(format!("{BASE}#"), QoS::AtLeastOnce);
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    let _ = self.subscribes.send(());
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    let topic = topic.strip_prefix(BASE).unwrap_or(&topic).to_owned();
                    let _ = self.says.send(Said { topic, payload: publish.payload.to_vec() });
                }
                Ok(_) => {}
                Err(_) if self.done.load(Ordering::Relaxed) => return,
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}
