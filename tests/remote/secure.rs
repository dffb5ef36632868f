//! TLS: a broker is believed by its certificate, and believes ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use reverie::remote::{Password, Tls};
use rumqttc::Transport;
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::ConnectProperties;

use super::broker::{Broker, eventually, set_password};
use super::device::{self, Device};
use super::operator::Operator;

/// A throw-away certificate authority, a certificate for the broker and one for a device.
fn make_certificates(dir: &Path) {
    openssl(
        dir,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca",
    );
    openssl(
        dir,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=other-ca",
    );
    for (name, subject) in [("broker", "/CN=broker"), ("device", "/CN=mirror-1")] {
        openssl(
            dir,
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj {subject}"
            ),
        );
        std::fs::write(dir.join("extensions"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        openssl(
            dir,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out {name}.pem"
            ),
        );
    }
}

fn openssl(dir: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output();
    let done = done.expect("these tests need openssl: run `deploy/install-tools test`");
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A broker that speaks TLS only and wants a certificate from everybody.
pub fn broker() -> Broker {
    Broker::configured(|dir| {
        make_certificates(dir);
        let file = |name: &str| dir.join(name).display().to_string();
        format!(
            "allow_anonymous true\nrequire_certificate true\ncafile {}\ncertfile {}\nkeyfile {}\n",
            file("ca.pem"),
            file("broker.pem"),
            file("broker.key")
        )
    })
}

fn files(broker: &Broker) -> impl Fn(&str) -> PathBuf + use<> {
    let dir = broker.dir().to_owned();
    move |name| dir.join(name)
}

/// A device with `tls`, once it has told how it fared.
async fn outcome(broker: &Broker, tls: Option<Tls>) -> (Device, Vec<String>, Vec<String>) {
    let mut settings = device::settings(broker);
    settings.tls = tls;
    let device = Device::with(settings);
    let told = || (device.logged("WARN"), device.logged("INFO"));
    eventually("it tells how it fares", || told() != (vec![], vec![])).await;
    let (warnings, infos) = told();
    (device, warnings, infos)
}

#[tokio::test]
async fn with_the_right_authority_and_certificate_it_connects() {
    let broker = broker();
    let file = files(&broker);
    let tls = Tls::read(&file("ca.pem"), Some((&file("device.pem"), &file("device.key")))).unwrap();
    let (mut device, warnings, infos) = outcome(&broker, Some(tls)).await;
    assert_eq!((warnings.len(), infos.len()), (0, 1), "{warnings:?} {infos:?}");
    device.stop().await;
    eventually("it took its leave", || broker.log().contains("Client reverie-mirror-1 disconnected.")).await;
}

#[tokio::test]
async fn a_broker_that_another_authority_signed_is_not_believed() {
    let broker = broker();
    let file = files(&broker);
    let tls = Tls::read(&file("other.pem"), Some((&file("device.pem"), &file("device.key")))).unwrap();
    let (device, warnings, infos) = outcome(&broker, Some(tls)).await;
    assert!(matches!(&warnings[..], [one] if one.contains("UnknownIssuer")), "{warnings:?}");
    assert_eq!(infos, [""; 0]);
    assert!(device.is_running());
}

#[tokio::test]
async fn without_a_certificate_or_without_tls_the_broker_lets_nobody_in() {
    let broker = broker();
    let file = files(&broker);
    for tls in [Some(Tls::read(&file("ca.pem"), None).unwrap()), None] {
        let (device, warnings, infos) = outcome(&broker, tls).await;
        assert_eq!((warnings.len(), infos.len()), (1, 0), "{warnings:?} {infos:?}");
        assert!(device.is_running());
    }
}

#[tokio::test]
async fn the_example_broker_lets_a_device_and_its_director_meet_and_nobody_else() {
    let broker = Broker::configured(|dir| {
        make_certificates(dir);
        for (user, password) in [("mirror-1", "m1"), ("mirror-2", "m2"), ("director", "d")] {
            set_password(&dir.join("passwords"), user, password);
        }
        std::fs::write(dir.join("acl"), include_str!("../../deploy/mosquitto/acl")).unwrap();
        let folder = format!("{}/", dir.display());
        include_str!("../../deploy/mosquitto/mosquitto.conf")
            .replace("listener 8883\n", "")
            .replace("/etc/mosquitto/certs/", &folder)
            .replace("/etc/mosquitto/", &folder)
    });
    let file = files(&broker);
    let mut settings = device::settings(&broker);
    settings.tls = Some(Tls::read(&file("ca.pem"), None).unwrap());
    settings.username = Some("mirror-1".into());
    settings.password = Some(Password::new("m1"));
    let device = Device::with(settings);

    let client = |user: &str, password: &str| {
        let mut options = MqttOptions::new(format!("client-{user}"), "127.0.0.1", broker.port);
        options.set_credentials(user, password);
        options.set_transport(Transport::tls(std::fs::read(file("ca.pem")).unwrap(), None, None));
        options
            .set_connect_properties(ConnectProperties { max_packet_size: Some(1 << 20), ..ConnectProperties::new() });
        options
    };
    let mut director = Operator::with(client("director", "d"), "reverie/#").await;
    director.receive_status("online").await;
    assert_eq!(director.command("set/intensity", "0.3").await["ok"], true);
    director.receive_state("intensity", 0.3).await;

    // Another device hears nothing of this one, and what it says to it does not arrive.
    let mut stranger = Operator::with(client("mirror-2", "m2"), "reverie/#").await;
    stranger.publish("reverie/mirror-1/set/intensity", "0.9").await;
    stranger.publish("reverie/mirror-2/telemetry", "me").await;
    stranger.receive("its own message", |publish| publish.topic == b"reverie/mirror-2/telemetry"[..]).await;
    assert_eq!(stranger.received_so_far(), []);
    assert_eq!(director.command("set/steps", "3").await["state"]["intensity"], 0.3);
    assert_eq!(device.state()["intensity"], 0.3);
}

#[test]
fn a_key_that_does_not_belong_to_its_certificate_is_found_before_connecting() {
    let dir = tempfile::tempdir().unwrap();
    make_certificates(dir.path());
    let file = |name: &str| dir.path().join(name);
    let error = |certificate: &str, key: &str| {
        Tls::read(&file("ca.pem"), Some((&file(certificate), &file(key)))).unwrap_err().to_string()
    };
    let mismatch = error("device.pem", "broker.key");
    assert!(mismatch.contains("broker.key") && mismatch.contains("does not fit"), "{mismatch}");
    let no_key = error("device.pem", "device.pem");
    assert!(no_key.contains("holds no private key"), "{no_key}");
    let no_certificate = error("device.key", "device.key");
    assert!(no_certificate.contains("holds no certificate"), "{no_certificate}");
    let missing = error("device.pem", "nowhere.key");
    assert!(missing.contains("nowhere.key") && missing.contains("No such file"), "{missing}");
}
