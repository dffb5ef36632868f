//! Publishing, within the limits that the broker gave.

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, PublishProperties};
use serde::Serialize;
use tracing::{debug, warn};

use super::outbox::PendingReply;
use crate::protocol::topic::{OFFLINE, REPLY, STATUS};

/// Publishes below the device's base topic.
pub struct Publisher {
    client: AsyncClient,
    base: String,
    /// The largest packet the broker takes, where it has a limit.
    max_packet: Option<u32>,
    /// The best quality of service the broker gives.
    max_qos: QoS,
}

impl Publisher {
    pub fn new(client: AsyncClient, base: String, welcome: &ConnAck) -> Publisher {
        let limits = welcome.properties.as_ref();
        let max_qos = if limits.and_then(|l| l.max_qos) == Some(0) { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        Publisher { client, base, max_packet: limits.and_then(|l| l.max_packet_size), max_qos }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// Subscribes to `topics`: to what others publish there, with the retain flag as it was sent, so that a retained command is
    /// known.
    pub async fn subscribe(&self, topics: impl IntoIterator<Item = String>) {
        let filters = topics.into_iter().map(|topic| {
            // Not our own messages below our base topic.
            Filter { nolocal: true, preserve_retain: true, ..Filter::new(topic, self.max_qos) }
        });
        if self.client.subscribe_many(filters).await.is_err() {
            debug!("the connection closed before the subscription");
        }
    }

    pub async fn unsubscribe(&self, topic: String) {
        if self.client.unsubscribe(topic).await.is_err() {
            debug!("the connection closed before the end of a subscription");
        }
    }

    pub async fn publish(&self, topic: &str, qos: QoS, retained: bool, payload: Vec<u8>) {
        self.publish_to(format!("{}/{topic}", self.base), qos, retained, payload, PublishProperties::default()).await;
    }

    pub async fn reply(&self, reply: PendingReply) {
        let PendingReply { to, payload, .. } = reply;
        let qos = if to.at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let topic = to.topic.unwrap_or_else(|| format!("{}/{REPLY}", self.base));
        let properties =
            PublishProperties { correlation_data: to.correlation.map(Into::into), ..PublishProperties::default() };
        self.publish_to(topic, qos, false, payload, properties).await;
    }

    /// Publishes `offline` and disconnects.
    pub async fn go_offline(&self) {
        self.publish(STATUS, QoS::AtLeastOnce, true, OFFLINE.into()).await;
        let _ = self.client.disconnect().await;
    }

    /// Publishes `payload` to a `topic` that need not lie below the base.
    pub async fn publish_to(
        &self,
        topic: String,
        qos: QoS,
        retained: bool,
        payload: Vec<u8>,
        properties: PublishProperties,
    ) {
        // Headers take a few bytes more.
        let size = payload.len() + topic.len() + properties.correlation_data.as_ref().map_or(0, |data| data.len()) + 32;
        // Sent all the same, it would end the connection, again after every new one.
        if self.max_packet.is_some_and(|max_packet| size > max_packet as usize) {
            warn!(
                "{topic} is not published: {size} bytes are more than the broker takes; raise its maximum packet size"
            );
            return;
        }
        let qos = if self.max_qos == QoS::AtMostOnce { QoS::AtMostOnce } else { qos };
        if self.client.publish_with_properties(topic, qos, retained, payload, properties).await.is_err() {
            debug!("the connection closed before a message was sent");
        }
    }
}

pub fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain fields and text keys")
}
