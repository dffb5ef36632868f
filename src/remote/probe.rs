//! What answers at the broker's address, where it is not MQTT 5: found out by raw questions, none of which holds a password.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::{Settings, Tls};

/// For a connection, and for each answer. At most four questions are asked, each on a connection of its own.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// For all questions together; none is begun after it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(8);
/// Bytes of an answer that are enough to know its protocol.
const ANSWER: usize = 5;

/// Who answers instead of a broker that Reverie can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A broker of MQTT 3.1.1 alone.
    OldBroker,
    /// HTTP: most likely a broker's websocket port.
    WebServer,
    /// TLS, where plain TCP is configured.
    Tls,
    /// A broker without TLS, where TLS is configured.
    Plain,
}

impl Peer {
    /// What it is, as a clause.
    pub fn text(self) -> &'static str {
        match self {
            Peer::OldBroker => "it speaks MQTT 3.1.1 only; Reverie needs 5",
            Peer::WebServer => {
                "a web server answers there, most likely MQTT over websockets; Reverie needs MQTT over TCP"
            }
            Peer::Tls => "that port speaks TLS, which is off here",
            Peer::Plain => "that port speaks MQTT without TLS, which is on here",
        }
    }

    /// What to change in the configuration.
    pub fn remedy(self) -> &'static str {
        match self {
            Peer::OldBroker => "update the broker, or allow MQTT 5 there (Mosquitto speaks it since 1.6)",
            Peer::WebServer => "set mqtt.port to the broker's TCP port (commonly 1883, with TLS 8883)",
            Peer::Tls => "set mqtt.tls = true and mqtt.ca, or mqtt.port to one without TLS (commonly 1883)",
            Peer::Plain => "set mqtt.port to the broker's TLS port (commonly 8883), or mqtt.tls = false",
        }
    }

    /// The same for the flags of `reverie ctl`.
    pub fn remedy_by_flags(self) -> &'static str {
        match self {
            Peer::OldBroker => self.remedy(),
            Peer::WebServer => "give --port, the broker's TCP port (commonly 1883, with TLS 8883)",
            Peer::Tls => "give --ca, or the --port of one without TLS (commonly 1883)",
            Peer::Plain => "give the --port that speaks TLS (commonly 8883), or leave out --ca",
        }
    }
}

/// Asks what answers at the broker's address. None: a broker of MQTT 5 after all, or nothing known. Takes some seconds at worst, on a thread of its own.
pub async fn probe(settings: &Settings) -> Option<Peer> {
    let (host, port, tls) = (settings.host.clone(), settings.port, settings.tls.clone());
    tokio::task::spawn_blocking(move || identify(&Address::find(host, port)?, tls.as_ref())).await.ok().flatten()
}

struct Address {
    host: String,
    socket: SocketAddr,
    /// When no more is asked.
    deadline: Instant,
}

fn identify(address: &Address, tls: Option<&Tls>) -> Option<Peer> {
    let Some(tls) = tls else {
        let spoken =
            ask_all(|question| address.ask(question)).or_else(|| address.speaks_tls().then_some(Protocol::Tls));
        return match spoken? {
            Protocol::Mqtt5 => None,
            Protocol::Mqtt311 => Some(Peer::OldBroker),
            Protocol::Http => Some(Peer::WebServer),
            Protocol::Tls => Some(Peer::Tls),
        };
    };
    if address.speaks_tls() {
        return match ask_all(|question| address.ask_by_tls(question, tls))? {
            Protocol::Mqtt5 | Protocol::Tls => None,
            Protocol::Mqtt311 => Some(Peer::OldBroker),
            Protocol::Http => Some(Peer::WebServer),
        };
    }
    match ask_all(|question| address.ask(question))? {
        Protocol::Mqtt5 => Some(Peer::Plain),
        Protocol::Mqtt311 => Some(Peer::OldBroker),
        Protocol::Http => Some(Peer::WebServer),
        Protocol::Tls => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Protocol {
    Mqtt5,
    Mqtt311,
    Http,
    Tls,
}

impl Protocol {
    /// The protocol of an answer that begins so.
    fn of(answer: &[u8]) -> Option<Protocol> {
        match answer {
            // CONNACK: always 2 bytes long in MQTT 3.1.1 (its section 3.2), at least 3 in MQTT 5, which adds properties.
            [0x20, 2, ..] => Some(Protocol::Mqtt311),
            [0x20, _, ..] => Some(Protocol::Mqtt5),
            // An alert or a handshake record of any version (RFC 8446, section 5.1).
            [0x15 | 0x16, 3, ..] => Some(Protocol::Tls),
            _ => answer.starts_with(b"HTTP/").then_some(Protocol::Http),
        }
    }
}

/// The first protocol in which one of the questions is answered.
fn ask_all(ask: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Protocol> {
    let web = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec();
    [connect_packet(5), connect_packet(4), web].iter().find_map(|question| Protocol::of(&ask(question)?))
}

/// MQTT's CONNECT of a client without a name that anyone knows (section 3.1 of both standards).
fn connect_packet(level: u8) -> Vec<u8> {
    const CLEAN_SESSION: u8 = 2;
    const KEEP_ALIVE: [u8; 2] = [0, 10];
    // 23 letters and digits are what every broker has to take.
    let client = format!("reverie{:016x}", fastrand::u64(..));
    let mut body = b"\x00\x04MQTT".to_vec();
    body.extend([level, CLEAN_SESSION]);
    body.extend(KEEP_ALIVE);
    if level == 5 {
        // No properties.
        body.push(0);
    }
    body.extend([0, client.len() as u8]);
    body.extend(client.as_bytes());
    let mut packet = vec![0x10, body.len() as u8];
    packet.extend(body);
    packet
}

impl Address {
    /// The first of the host's addresses where the port is open.
    fn find(host: String, port: u16) -> Option<Address> {
        let is_open = |socket: &SocketAddr| TcpStream::connect_timeout(socket, QUESTION_TIMEOUT).is_ok();
        let socket = (host.as_str(), port).to_socket_addrs().ok()?.take(2).find(is_open)?;
        Some(Address { host, socket, deadline: Instant::now() + PROBE_TIMEOUT })
    }

    fn connect(&self) -> Option<TcpStream> {
        if Instant::now() >= self.deadline {
            return None;
        }
        let stream = TcpStream::connect_timeout(&self.socket, QUESTION_TIMEOUT).ok()?;
        stream.set_read_timeout(Some(QUESTION_TIMEOUT)).ok()?;
        stream.set_write_timeout(Some(QUESTION_TIMEOUT)).ok()?;
        Some(stream)
    }

    fn ask(&self, question: &[u8]) -> Option<Vec<u8>> {
        answer(&mut self.connect()?, question)
    }

    fn ask_by_tls(&self, question: &[u8], tls: &Tls) -> Option<Vec<u8>> {
        let mut connection = ClientConnection::new(tls.config(), self.name()?).ok()?;
        answer(&mut rustls::Stream::new(&mut connection, &mut self.connect()?), question)
    }

    /// Whether a TLS handshake is answered as one. Whose certificate it is does not matter.
    fn speaks_tls(&self) -> bool {
        self.client_hello().and_then(|hello| Protocol::of(&self.ask(&hello)?)) == Some(Protocol::Tls)
    }

    fn client_hello(&self) -> Option<Vec<u8>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().ok()?;
        let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let mut hello = Vec::new();
        ClientConnection::new(Arc::new(config), self.name()?).ok()?.write_tls(&mut hello).ok()?;
        Some(hello)
    }

    fn name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).ok()
    }
}

/// The first bytes that come back. A peer that closes at once, or says nothing in time, has given those that came before.
fn answer(stream: &mut (impl Read + Write), question: &[u8]) -> Option<Vec<u8>> {
    stream.write_all(question).and_then(|()| stream.flush()).ok()?;
    let mut answer = [0; ANSWER];
    let mut length = 0;
    while length < ANSWER {
        match stream.read(&mut answer[length..]) {
            Ok(read @ 1..) => length += read,
            _ => break,
        }
    }
    Some(answer[..length].to_vec())
}
