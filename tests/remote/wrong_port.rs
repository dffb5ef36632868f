//! Something answers at the broker's address, but not a broker of MQTT 5. What it is, and what to change, stands in the log, in `reverie doctor`
//! and in `reverie ctl`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use reverie::remote::{Password, Tls};

use super::broker::{Broker, eventually};
use super::ctl::{ctl, said};
use super::device::{Device, settings_at};
use super::doctor::{assert_finding, examine};
use super::secure;

/// A server that reads once, answers, and closes.
struct Server {
    port: u16,
    /// What each connection asked.
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    fn start(answer: impl Fn(&[u8]) -> &'static [u8] + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut question = [0; 4096];
                let length = stream.read(&mut question).unwrap_or(0);
                log.lock().unwrap().push(question[..length].to_vec());
                let _ = stream.write_all(answer(&question[..length]));
            }
        });
        Server { port, asked }
    }

    /// A broker of MQTT 3.1.1 that says so to others, by its standard's section 3.1.2.2: CONNACK with return code 1.
    fn of_mqtt_311() -> Server {
        Server::start(|question| match level(question) {
            Some(4) => &[0x20, 2, 0, 0],
            Some(_) => &[0x20, 2, 0, 1],
            None => &[],
        })
    }

    fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().unwrap().clone()
    }

    /// How often the device itself came.
    fn attempts(&self) -> usize {
        self.asked().iter().filter(|question| contains(question, b"reverie-mirror-1")).count()
    }
}

/// The protocol level of a CONNECT: 4 is MQTT 3.1.1, 5 is MQTT 5.
fn level(question: &[u8]) -> Option<u8> {
    let name = question.windows(6).position(|bytes| bytes == b"\x00\x04MQTT")?;
    question.get(name + 6).copied().filter(|_| question[0] == 0x10)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The one warning of a device that is sent to this port.
async fn warning(port: u16, tls: Option<Tls>) -> String {
    let mut settings = settings_at(port);
    settings.tls = tls;
    let device = Device::with(settings);
    eventually("a warning", || !device.logged("WARN").is_empty()).await;
    device.logged("WARN").remove(0)
}

fn assert_says(line: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| line.contains(part)), "{line}");
}

#[tokio::test]
async fn a_broker_of_mqtt_311_is_called_that_once_an_outage_and_hears_the_password_from_the_device_alone() {
    let server = Server::of_mqtt_311();
    let mut settings = settings_at(server.port);
    settings.username = Some("mirror".into());
    settings.password = Some(Password::new("s3cret"));
    let device = Device::with(settings);
    eventually("four attempts", || server.attempts() >= 4).await;
    let warnings = device.logged("WARN");
    assert!(matches!(&warnings[..], [one] if one.contains("speaks MQTT 3.1.1 only; Reverie needs 5")), "{warnings:?}");
    assert!(!warnings[0].contains("s3cret"));
    let strangers = server.asked().into_iter().filter(|question| !contains(question, b"reverie-mirror-1"));
    let strangers: Vec<Vec<u8>> = strangers.filter(|question| !question.is_empty()).collect();
    assert_eq!(strangers.len(), 1, "one question was enough: {strangers:?}");
    assert!(!contains(&strangers[0], b"s3cret"));
}

#[tokio::test]
async fn an_old_broker_that_closes_without_a_word_is_recognised_too() {
    // It refuses the probe as well, for it knows no such user: return code 5.
    let server = Server::start(|question| if level(question) == Some(4) { &[0x20, 2, 0, 5] } else { &[] });
    assert_says(&warning(server.port, None).await, &["speaks MQTT 3.1.1 only; Reverie needs 5"]);
}

#[tokio::test]
async fn a_broker_of_mqtt_5_that_closes_without_a_word_is_not_called_old() {
    // To others than the device it answers with a CONNACK of MQTT 5: flags, reason, no properties.
    let server = Server::start(|question| match contains(question, b"reverie-mirror-1") {
        true => &[],
        false => &[0x20, 3, 0, 0, 0],
    });
    let line = warning(server.port, None).await;
    assert_says(&line, &["another device had the same id `mirror-1`"]);
    assert!(!line.contains("3.1.1"), "{line}");
}

#[tokio::test]
async fn a_web_server_is_called_that() {
    const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    for server in
        [Server::start(|_| ANSWER), Server::start(|question| if question.starts_with(b"GET ") { ANSWER } else { &[] })]
    {
        assert_says(&warning(server.port, None).await, &["web server", "websockets", "mqtt.port"]);
    }
}

#[tokio::test]
async fn the_websocket_port_of_a_real_broker_is_called_that() {
    // Mosquitto 2.0 does not start with websockets alone.
    let broker = Broker::configured(|dir| {
        format!("protocol websockets\nallow_anonymous true\nlistener 0 {}\n", dir.join("socket").display())
    });
    assert_says(&warning(broker.port, None).await, &["websockets", "mqtt.port"]);
}

#[tokio::test]
async fn tls_at_one_end_alone_is_named_with_the_key_to_change() {
    let secure = secure::broker();
    assert_says(&warning(secure.port, None).await, &["that port speaks TLS", "mqtt.tls = true"]);
    let plain = Broker::start();
    let tls = Tls::read(&secure.dir().join("ca.pem"), None).unwrap();
    assert_says(&warning(plain.port, Some(tls)).await, &["MQTT without TLS", "mqtt.port"]);
}

#[tokio::test]
async fn doctor_and_ctl_say_it_too() {
    let server = Server::of_mqtt_311();
    let (code, _, error) = said(&ctl(server.port, "state").await);
    assert_eq!(code, Some(1), "{error}");
    assert_says(&error, &["speaks MQTT 3.1.1 only; Reverie needs 5"]);
    let folder = tempfile::tempdir().unwrap();
    let lines = format!("port = {}\n", server.port);
    let finding = tokio::task::spawn_blocking(move || examine(folder.path(), &lines)).await.unwrap();
    assert_finding(&finding, "failure", "speaks MQTT 3.1.1 only; Reverie needs 5", "update the broker");
}
