//! The one who directs: a second MQTT client, which keeps what it receives.

use std::collections::VecDeque;
use std::time::Duration;

use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::broker::{Broker, TIMEOUT};
use super::device::BASE;

pub struct Operator {
    pub client: AsyncClient,
    received: mpsc::UnboundedReceiver<Publish>,
    /// Received, but not what was waited for then.
    waiting: VecDeque<Publish>,
    task: JoinHandle<()>,
}

impl Operator {
    /// Connected and subscribed to everything of every device.
    pub async fn connect(broker: &Broker) -> Operator {
        Operator::subscribed(broker, "reverie/#").await
    }

    /// Connected and subscribed to `filter`; comes back by itself when the broker does.
    pub async fn subscribed(broker: &Broker, filter: &str) -> Operator {
        let name = format!("operator-{}", fastrand::u64(..));
        let mut options = MqttOptions::new(name, "127.0.0.1", broker.port);
        let properties = ConnectProperties { max_packet_size: Some(8 << 20), ..ConnectProperties::new() };
        options.set_connect_properties(properties);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        Operator::with(options, filter).await
    }

    pub async fn with(options: MqttOptions, filter: &str) -> Operator {
        let (client, mut connection) = AsyncClient::new(options, 64);
        let (sender, received) = mpsc::unbounded_channel();
        let (subscribes, mut subscribed) = mpsc::channel(1);
        let task = tokio::spawn({
            let (client, filter) = (client.clone(), filter.to_owned());
            async move {
                loop {
                    match connection.poll().await {
                        Ok(Event::Incoming(Packet::ConnAck(_))) => {
                            client.try_subscribe(&filter, QoS::AtLeastOnce).expect("room for a subscription");
                        }
                        Ok(Event::Incoming(Packet::SubAck(_))) => {
                            let _ = subscribes.try_send(());
                        }
                        Ok(Event::Incoming(Packet::Publish(publish))) => {
                            let _ = sender.send(publish);
                        }
                        Ok(_) => {}
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
            }
        });
        timeout(TIMEOUT, subscribed.recv()).await.expect("the operator connects");
        Operator { client, received, waiting: VecDeque::new(), task }
    }

    pub async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, false, payload, PublishProperties::default()).await;
    }

    pub async fn send(&self, topic: &str, retain: bool, payload: impl Into<Vec<u8>>, properties: PublishProperties) {
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, retain, payload.into(), properties)
            .await
            .unwrap_or_else(|e| panic!("publishing to {topic}: {e}"));
    }

    /// The next message that `matches`; those before it on its topic are forgotten, those on other topics are not.
    pub async fn receive(&mut self, what: &str, matches: impl Fn(&Publish) -> bool) -> Publish {
        let receiving = async {
            loop {
                if let Some(at) = self.waiting.iter().position(&matches) {
                    let found = self.waiting[at].clone();
                    let mut index = 0;
                    self.waiting.retain(|publish| {
                        index += 1;
                        index > at + 1 || publish.topic != found.topic
                    });
                    return found;
                }
                self.waiting.push_back(self.received.recv().await.expect("the operator lives"));
            }
        };
        timeout(TIMEOUT, receiving).await.unwrap_or_else(|_| panic!("never received {what}"))
    }

    /// The next message on `topic` below the base.
    pub async fn receive_on(&mut self, topic: &str) -> Publish {
        let whole = format!("{BASE}/{topic}");
        self.receive(&whole, |publish| publish.topic == whole.as_bytes()).await
    }

    pub async fn receive_status(&mut self, status: &str) {
        let topic = format!("{BASE}/status");
        self.receive(status, |publish| publish.topic == topic.as_bytes() && publish.payload == status.as_bytes()).await;
    }

    /// The next `state` in which `name` is `value`.
    pub async fn receive_state(&mut self, name: &str, value: impl Into<Json>) -> Json {
        let (topic, value) = (format!("{BASE}/state"), value.into());
        let publish = self
            .receive(&format!("state with {name} = {value}"), |publish| {
                publish.topic == topic.as_bytes() && json(publish)[name] == value
            })
            .await;
        json(&publish)
    }

    /// Sends a command below the base and waits for its reply.
    pub async fn command(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Json {
        self.publish(&format!("{BASE}/{topic}"), payload).await;
        json(&self.receive_on("reply").await)
    }

    /// Everything received and not waited for yet.
    pub fn received_so_far(&mut self) -> Vec<Publish> {
        let new = std::iter::from_fn(|| self.received.try_recv().ok());
        self.waiting.drain(..).chain(new).collect()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn json(publish: &Publish) -> Json {
    serde_json::from_slice(&publish.payload)
        .unwrap_or_else(|e| panic!("{}: {e}", String::from_utf8_lossy(&publish.payload)))
}
