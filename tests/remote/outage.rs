//! The broker is not there, goes, comes back, or refuses.

use reverie::remote::Password;
use rumqttc::v5::MqttOptions;
use serde_json::json;

use super::broker::{Broker, eventually, set_password};
use super::device::{self, BASE, Device};
use super::operator::Operator;

#[tokio::test]
async fn a_broker_that_was_killed_and_started_again_finds_the_device_back() {
    let mut broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    assert_eq!(operator.command("set/intensity", "0.3").await["ok"], true);

    broker.kill();
    eventually("the loss is noticed", || device.logged("WARN").len() == 1).await;
    // Meanwhile somebody else changes something.
    device.handle.set(json!({"steps": 9}).as_object().unwrap()).unwrap();
    broker.start_again();

    operator.receive_status("online").await;
    let state = operator.receive_state("steps", 9).await;
    assert_eq!(state["intensity"], 0.3);
    // It hears again, and its retained messages are there again: the broker had forgotten everything.
    assert_eq!(operator.command("set/intensity", "0.6").await["ok"], true);
    operator.receive_state("intensity", 0.6).await;
    let mut late = Operator::connect(&broker).await;
    assert!(late.receive_on("about").await.retain);
    // One line when it went, one for each time it was there.
    let (lost, there) = (device.logged("WARN"), device.logged("INFO"));
    assert!(matches!(&lost[..], [one] if one.contains("lost")), "{lost:?}");
    assert_eq!(there.len(), 2, "{there:?}");
}

#[tokio::test]
async fn a_device_started_before_its_broker_waits_for_it_with_one_warning() {
    let mut broker = Broker::start();
    broker.kill();
    let device = Device::start(&broker);
    eventually("a warning", || !device.logged("WARN").is_empty()).await;
    // Several more attempts.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(device.logged("WARN").len(), 1);
    broker.start_again();
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    assert_eq!(device.logged("WARN").len(), 1);
}

#[tokio::test]
async fn a_device_without_its_broker_stops_when_asked() {
    let mut broker = Broker::start();
    broker.kill();
    let mut device = Device::start(&broker);
    eventually("a warning", || !device.logged("WARN").is_empty()).await;
    device.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_logged_once_and_tried_again_until_it_is_right() {
    let broker = Broker::configured(|dir| {
        let file = dir.join("passwords");
        set_password(&file, "mirror", "another");
        set_password(&file, "boss", "boss");
        format!("allow_anonymous false\npassword_file {}\n", file.display())
    });
    let mut settings = device::settings(&broker);
    settings.username = Some("mirror".into());
    settings.password = Some(Password::new("s3cret"));
    let device = Device::with(settings);
    let refusals = || broker.log().matches("disconnected, not authorised").count();
    eventually("three attempts", || refusals() >= 3).await;
    let warnings = device.logged("WARN");
    assert!(matches!(&warnings[..], [one] if one.contains("refuses the user name or the password")), "{warnings:?}");
    assert!(!warnings[0].contains("s3cret"));

    set_password(&broker.dir().join("passwords"), "mirror", "s3cret");
    broker.reload();
    let mut options = MqttOptions::new("boss", "127.0.0.1", broker.port);
    options.set_credentials("boss", "boss");
    let mut operator = Operator::with(options, &format!("{BASE}/status")).await;
    operator.receive_status("online").await;
}

#[tokio::test]
async fn two_devices_of_one_name_log_that() {
    let broker = Broker::start();
    let first = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    let _second = Device::start(&broker);
    // They throw each other out again and again; of one that was speaking just then only the end of the connection is heard.
    let told = || first.logged("WARN").iter().any(|line| line.contains("another device had the same id `mirror-1`"));
    eventually("a warning that says why", told).await;
}

#[tokio::test]
async fn a_broker_with_a_small_packet_limit_gets_what_fits() {
    let broker = Broker::configured(|_| "allow_anonymous true\nmax_packet_size 4000\n".to_owned());
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_on("state").await;
    assert_eq!(operator.command("set/intensity", "0.3").await["ok"], true);
    let warnings = device.logged("WARN");
    assert!(matches!(&warnings[..], [one] if one.contains("about is not published")), "{warnings:?}");
    let about = format!("{BASE}/about");
    assert!(operator.received_so_far().iter().all(|publish| publish.topic != about.as_bytes()));
}
