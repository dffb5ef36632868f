//! The shipped hardened broker: certificates, ACL, bridge. Whoever has one device has that device, and no other.

use std::path::Path;
use std::process::Command;

use reverie::remote::Tls;
use rumqttc::Transport;
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, PublishProperties};
use serde_json::json;

use super::broker::{Broker, eventually};
use super::device::{self, Device};
use super::operator::{self, Operator};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/mosquitto/make-certificates");

fn make_certificates(folder: &Path, what: &str, names: &[&str]) {
    let done = Command::new(SCRIPT).arg(folder).arg(what).args(names).output().expect("running make-certificates");
    assert!(done.status.success(), "{what} {names:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The shipped files, with this folder in place of /etc/mosquitto, and `more` lines.
fn broker_with(more: impl FnOnce(&Path) -> String) -> Broker {
    Broker::configured(|dir| {
        make_certificates(dir, "broker", &["localhost", "127.0.0.1"]);
        make_certificates(dir, "client", &["mirror-1", "mirror-2", "director", "viewer", "homeassistant", "museum-1"]);
        std::fs::write(dir.join("acl"), include_str!("../../deploy/mosquitto/acl")).unwrap();
        let shipped = include_str!("../../deploy/mosquitto/hardened.conf");
        in_folder(shipped, dir) + &more(dir)
    })
}

fn in_folder(shipped: &str, dir: &Path) -> String {
    let folder = format!("{}/", dir.display());
    shipped
        .replace("listener 8883\n", "")
        .replace("/etc/mosquitto/certs/", &folder)
        .replace("/etc/mosquitto/", &folder)
        .replace("persistence true\npersistence_location /var/lib/mosquitto/\n", "")
}

fn broker() -> Broker {
    broker_with(|_| String::new())
}

fn tls(broker: &Broker, name: &str) -> Tls {
    let file = |name: &str| broker.dir().join(name);
    Tls::read(&file("ca.pem"), Some((&file(&format!("{name}.pem")), &file(&format!("{name}.key"))))).unwrap()
}

fn device(broker: &Broker, name: &str) -> Device {
    let mut settings = device::settings(broker);
    settings.device = name.parse().unwrap();
    settings.tls = Some(tls(broker, name));
    settings.home.on = true;
    Device::directed(settings, device::handle())
}

/// A client with the certificate of `name`, as a thief or a tool would have it.
async fn client(broker: &Broker, name: &str) -> Operator {
    let read = |name: String| std::fs::read(broker.dir().join(name)).unwrap();
    let mut options = MqttOptions::new(format!("client-{name}-{}", fastrand::u64(..)), "127.0.0.1", broker.port);
    let own = (read(format!("{name}.pem")), read(format!("{name}.key")));
    options.set_transport(Transport::tls(read("ca.pem".to_owned()), Some(own), None));
    options.set_connect_properties(ConnectProperties { max_packet_size: Some(1 << 20), ..ConnectProperties::new() });
    Operator::with(options, "#").await
}

#[tokio::test]
async fn whoever_has_a_devices_certificate_is_that_device_and_no_other() {
    let broker = broker();
    let (one, two) = (device(&broker, "mirror-1"), device(&broker, "mirror-2"));
    let mut director = client(&broker, "director").await;
    for name in ["mirror-1", "mirror-2"] {
        let topic = format!("reverie/{name}/state");
        director.receive(&topic, |p| p.topic == topic.as_bytes()).await;
    }
    let before = two.state();
    let mut thief = client(&broker, "mirror-1").await;
    for topic in [
        "reverie/mirror-2/set/intensity",
        "reverie/mirror-2/set",
        "reverie/mirror-2/do/blank",
        "reverie/mirror-2/status",
        "reverie/mirror-2/state",
        "reverie/mirror-2/snapshot",
        "reverie/group/hall/set",
        "reverie/group/hall/do/blank",
        "reverie/all/set",
        "reverie/all/do/blank",
        "homeassistant/device/reverie-mirror-2/config",
        "homeassistant/status",
        "reply/mirror-2/inbox",
        "reply/director",
    ] {
        thief.send(topic, true, r#"{"intensity": 0.5, "blank": true}"#, PublishProperties::default()).await;
    }
    // The owner takes a picture of the other device: the thief does not see it.
    two.handle.publish_snapshot(std::sync::Arc::from(&b"JPEG"[..]));
    director.receive("the picture", |p| p.topic == b"reverie/mirror-2/snapshot"[..] && p.payload == b"JPEG"[..]).await;
    // What the thief may do comes after all that it may not.
    thief.publish("reverie/mirror-1/telemetry", "the end").await;
    director.receive("the end", |p| p.payload == b"the end"[..]).await;
    thief.receive("its own end", |p| p.payload == b"the end"[..]).await;
    assert_eq!(two.state(), before);
    let of_the_thief = director.received_so_far();
    let strange: Vec<_> = of_the_thief
        .iter()
        .filter(|p| {
            p.payload.starts_with(br#"{"intensity": 0.5"#)
                || p.topic.starts_with(b"reverie/mirror-2/status") && p.payload != b"online"[..]
        })
        .collect();
    assert_eq!(strange, Vec::<&rumqttc::v5::mqttbytes::v5::Publish>::new());
    // It hears its own device, what is for groups and all, and nothing of the other.
    let overheard: Vec<_> =
        thief.received_so_far().into_iter().map(|p| String::from_utf8_lossy(&p.topic).into_owned()).collect();
    assert!(overheard.iter().all(|topic| !topic.contains("mirror-2")), "{overheard:?}");
    assert_eq!(one.state()["blank"], false);
}

#[tokio::test]
async fn the_director_directs_one_and_many_and_a_viewer_only_looks() {
    let broker = broker();
    let (one, two) = (device(&broker, "mirror-1"), device(&broker, "mirror-2"));
    let mut director = client(&broker, "director").await;
    let mut viewer = client(&broker, "viewer").await;
    for name in ["mirror-1", "mirror-2"] {
        let topic = format!("reverie/{name}/state");
        viewer.receive(&topic, |p| p.topic == topic.as_bytes()).await;
    }
    viewer.publish("reverie/mirror-1/set/zoom", "1").await;
    viewer.publish("reverie/all/set/zoom", "1").await;
    director.publish("reverie/mirror-1/set/intensity", "0.5").await;
    eventually("one obeys", || one.state()["intensity"] == 0.5).await;
    assert_eq!(two.state()["intensity"], 1);
    director.publish("reverie/group/hall/set/rotate", "5").await;
    director.publish("reverie/all/set/jitter", "7").await;
    for mirror in [&one, &two] {
        eventually("both obey", || mirror.state()["rotate"] == 5 && mirror.state()["jitter"] == 7).await;
        assert_eq!(mirror.state()["zoom"], 0, "a viewer directs");
    }
    // An answer where the command asks for it.
    let properties =
        PublishProperties { response_topic: Some("reply/mirror-1/tablet".to_owned()), ..Default::default() };
    director.send("reverie/mirror-1/set/zoom", false, "0.25", properties).await;
    let answer = director.receive("the answer", |p| p.topic == b"reply/mirror-1/tablet"[..]).await;
    assert_eq!(operator::json(&answer)["ok"], true);
    one.handle.publish_snapshot(std::sync::Arc::from(&b"JPEG"[..]));
    director.receive("the picture", |p| p.payload == b"JPEG"[..]).await;
    director.publish("reverie/mirror-1/set/jitter", "9").await;
    let is_later = |p: &rumqttc::v5::mqttbytes::v5::Publish| {
        p.topic == b"reverie/mirror-1/state"[..] && operator::json(p)["jitter"] == 9
    };
    viewer.receive("a later state", is_later).await;
    assert!(viewer.received_so_far().iter().all(|p| p.payload != b"JPEG"[..]), "a viewer sees pictures");
    // Home Assistant directs single devices.
    let mut home = client(&broker, "homeassistant").await;
    home.receive("what there is", |p| p.topic == b"homeassistant/device/reverie-mirror-1/config"[..]).await;
    home.publish("reverie/mirror-2/set/zoom", "0.5").await;
    eventually("the second obeys", || two.state()["zoom"] == 0.5).await;
    assert_eq!(one.state()["zoom"], 0.25);
}

/// A device with `tls`: what it logs of its fate.
async fn fate(broker: &Broker, tls: Option<Tls>) -> String {
    let mut settings = device::settings(broker);
    settings.tls = tls;
    let device = Device::with(settings);
    let told = || [device.logged("WARN"), device.logged("INFO")].concat();
    eventually("it tells how it fares", || !told().is_empty()).await;
    told().join("\n")
}

#[tokio::test]
async fn without_a_certificate_of_this_house_nobody_gets_anything() {
    let broker = broker();
    let ca = broker.dir().join("ca.pem");
    assert!(fate(&broker, Some(tls(&broker, "mirror-1"))).await.contains("connected to broker"));
    let other_house = tempfile::tempdir().unwrap();
    make_certificates(other_house.path(), "client", &["mirror-1"]);
    let forged = |name: &str| other_house.path().join(name);
    let forged = Tls::read(&ca, Some((&forged("mirror-1.pem"), &forged("mirror-1.key")))).unwrap();
    for tls in [None, Some(Tls::read(&ca, None).unwrap()), Some(forged)] {
        let told = fate(&broker, tls).await;
        assert!(told.contains("WARN") && !told.contains("connected to"), "{told}");
    }
}

#[tokio::test]
async fn a_certificate_that_was_revoked_lets_nobody_in() {
    let mut broker = broker();
    make_certificates(broker.dir(), "revoke", &["mirror-1"]);
    broker.kill();
    broker.start_again();
    let told = fate(&broker, Some(tls(&broker, "mirror-1"))).await;
    assert!(told.contains("WARN") && !told.contains("connected to"), "{told}");
    let mut other = client(&broker, "director").await;
    other.publish("reverie/all/do/identify", "").await;
    let _two = device(&broker, "mirror-2");
    other.receive("the other", |p| p.topic == b"reverie/mirror-2/status"[..]).await;
}

#[tokio::test]
async fn over_the_bridge_states_go_out_and_commands_come_in_but_no_pictures() {
    let cloud = broker_with(|dir| {
        std::fs::write(
            dir.join("acl"),
            "user museum-1\ntopic readwrite museum-1/#\nuser director\ntopic readwrite #\n",
        )
        .unwrap();
        String::new()
    });
    let house = broker_with(|dir| {
        for file in ["museum-1.pem", "museum-1.key"] {
            std::fs::copy(cloud.dir().join(file), dir.join(file)).unwrap();
        }
        std::fs::copy(cloud.dir().join("ca.pem"), dir.join("cloud-ca.pem")).unwrap();
        in_folder(include_str!("../../deploy/mosquitto/bridge.conf"), dir)
            .replace("cloud.example.org:8883", &format!("127.0.0.1:{}", cloud.port))
            .replace("restart_timeout 5 60", "restart_timeout 1 2")
    });
    let mirror = device(&house, "mirror-1");
    let mut outside = client(&cloud, "director").await;
    let topic = "museum-1/reverie/mirror-1/state";
    outside.receive("its state", |p| p.topic == topic.as_bytes()).await;
    mirror.handle.publish_snapshot(std::sync::Arc::from(&b"JPEG"[..]));
    outside.publish("museum-1/reverie/mirror-1/set/intensity", "0.5").await;
    let is_changed = |p: &rumqttc::v5::mqttbytes::v5::Publish| {
        p.topic == topic.as_bytes() && operator::json(p)["intensity"] == json!(0.5)
    };
    outside.receive("the change", is_changed).await;
    outside.publish("museum-1/reverie/group/hall/do/blank", "").await;
    eventually("the group obeys", || mirror.state()["blank"] == true).await;
    assert!(outside.received_so_far().iter().all(|p| !p.topic.ends_with(b"snapshot")), "a picture has left the house");
}
