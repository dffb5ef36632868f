//! What is there for whoever comes later: status, about, state; and the last will.

use std::time::Duration;

use reverie::params::TABLE;
use reverie::runtime::Provider;
use serde_json::json;

use super::broker::{Broker, eventually};
use super::device::{self, BASE, Device};
use super::operator::{self, Operator};

#[tokio::test]
async fn whoever_comes_later_finds_status_about_and_state() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    // Wait until all is said, then come as someone new.
    let mut early = Operator::connect(&broker).await;
    early.receive_on("state").await;
    let mut late = Operator::subscribed(&broker, &format!("{BASE}/+")).await;
    let mut found = std::collections::BTreeMap::new();
    while found.len() < 3 {
        let publish = late.receive("a retained message", |publish| publish.retain).await;
        found.insert(String::from_utf8(publish.topic.to_vec()).unwrap(), publish);
    }
    let at = |topic: &str| &found[&format!("{BASE}/{topic}")];
    assert_eq!(at("status").payload, b"online"[..]);
    assert_eq!(operator::json(at("state")), device.state());
    let about = operator::json(at("about"));
    assert_eq!(about["device"], "mirror-1");
    for spec in TABLE {
        assert!(about["schema"]["properties"][spec.name].is_object(), "{} is not in the schema", spec.name);
    }
    assert_eq!(about["schema"]["properties"]["layer"]["enum"], json!(["shallow", "alpha/deep", "beta/deep"]));
}

#[tokio::test]
async fn the_broker_publishes_offline_for_a_device_that_dies() {
    let broker = Broker::start();
    let mut device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    device.die().await;
    operator.receive_status("offline").await;
    let mut late = Operator::connect(&broker).await;
    let status = late.receive_on("status").await;
    assert!(status.retain && status.payload == b"offline"[..]);
}

#[tokio::test]
async fn a_device_that_is_stopped_publishes_offline_itself() {
    let broker = Broker::start();
    let mut device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    device.stop().await;
    operator.receive_status("offline").await;
    // It took its leave: the broker did not have to find out.
    eventually("it took its leave", || broker.log().contains("Client reverie-mirror-1 disconnected.")).await;
}

#[tokio::test]
async fn telemetry_comes_again_and_again() {
    let broker = Broker::start();
    let mut settings = device::settings(&broker);
    settings.telemetry_every = Duration::from_millis(50);
    let device = Device::with(settings);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_on("telemetry").await;
    device.handle.report(|telemetry| telemetry.fps = 12.5);
    let topic = format!("{BASE}/telemetry");
    let publish = operator
        .receive("telemetry with the new figure", |publish| {
            publish.topic == topic.as_bytes() && operator::json(publish)["fps"] == 12.5
        })
        .await;
    assert!(!publish.retain);
}

#[tokio::test]
async fn about_is_published_again_once_the_provider_is_known() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    assert_eq!(operator::json(&operator.receive_on("about").await)["provider"], "");
    device.handle.report(|telemetry| telemetry.provider = Some(Provider::Cuda).into());
    let topic = format!("{BASE}/about");
    operator
        .receive("about with the provider", |publish| {
            publish.topic == topic.as_bytes() && operator::json(publish)["provider"] == "cuda"
        })
        .await;
}
