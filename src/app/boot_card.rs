//! What the boot card says: who this mirror is, and what it lacks.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::display::{BootCard, Row};
use crate::health::{BrokerStatus, CameraStatus, Telemetry};

/// Who this mirror is, for the boot card.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceIdentity {
    pub device: String,
    /// Where the web page listens, if other machines may reach it.
    pub page: Option<SocketAddr>,
    /// Whether a broker is configured.
    pub has_broker: bool,
}

/// What is known at this moment, and what is missing.
pub fn boot_card(identity: &DeviceIdentity, now: &Telemetry, fault: Option<String>) -> BootCard {
    let row = |label, text: String, is_problem| Row { label, text, is_problem };
    let addresses = addresses();
    let mut rows = vec![match addresses.is_empty() {
        true => row("address", "none: is a network cable plugged in?".to_owned(), true),
        false => row("address", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join("  "), false),
    }];
    let page = identity.page.and_then(|page| match page.ip().is_unspecified() {
        true => Some(SocketAddr::new(*addresses.first()?, page.port())),
        false => Some(page).filter(|page| !page.ip().is_loopback()),
    });
    if let Some(page) = page {
        rows.push(row("web page", format!("http://{page}/"), false));
    }
    rows.push(match &now.camera {
        CameraStatus::Unknown => row("camera", "looking for it".to_owned(), false),
        camera @ (CameraStatus::Absent { .. } | CameraStatus::Stalled { .. }) => {
            row("camera", camera.to_string(), true)
        }
        camera => row("camera", camera.to_string(), false),
    });
    if identity.has_broker {
        rows.push(match &now.broker {
            BrokerStatus::Unknown => row("broker", "looking for it".to_owned(), false),
            broker @ BrokerStatus::Connected(_) => row("broker", broker.to_string(), false),
            broker => row("broker", broker.to_string(), true),
        });
    }
    if let Some(why) = &now.configuration {
        rows.push(row("configuration", why.clone(), true));
    }
    rows.push(match fault {
        Some(fault) => row("network", fault, true),
        None => row("network", "being opened; the first time on a new board this takes minutes".to_owned(), false),
    });
    BootCard { title: identity.device.clone(), subtitle: format!("Reverie {}", env!("CARGO_PKG_VERSION")), rows }
}

/// Addresses by which other machines reach this one: the default route's first, then IPv4 before IPv6.
fn addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .map(|interface| interface.ip())
        .collect();
    let outbound_address = outbound_address();
    found.sort_by_key(|address| (Some(*address) != outbound_address, *address));
    found.dedup();
    if found.iter().any(IpAddr::is_ipv4) {
        found.retain(IpAddr::is_ipv4);
    }
    found
}

/// The source address of the default route. Connecting a datagram socket sends nothing.
fn outbound_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // From the block reserved for documentation.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_card_says_what_is_missing() {
        let identity = DeviceIdentity {
            device: "hall-3".to_owned(),
            page: Some(SocketAddr::from(([10, 0, 0, 7], 8080))),
            has_broker: true,
        };
        let now = Telemetry {
            camera: CameraStatus::Absent { reason: None, stand_in: None },
            broker: BrokerStatus::Unusable {
                address: "localhost:1883".to_owned(),
                reason: "it refuses the user name or the password".to_owned(),
            },
            ..Telemetry::default()
        };
        let problems =
            |card: &BootCard| -> Vec<&str> { card.rows.iter().filter(|r| r.is_problem).map(|r| r.label).collect() };
        let card = boot_card(&identity, &now, Some("ONNX Runtime is missing".to_owned()));
        assert_eq!(card.title, "hall-3");
        assert!(card.rows.iter().any(|row| row.text == "http://10.0.0.7:8080/"), "{card:?}");
        assert!(problems(&card).ends_with(&["camera", "broker", "network"]), "{card:?}");
        let well = Telemetry {
            camera: CameraStatus::Streaming("/dev/video0".to_owned()),
            broker: BrokerStatus::Connected("localhost:1883".to_owned()),
            ..Telemetry::default()
        };
        assert!(boot_card(&identity, &well, None).rows.iter().all(|r| r.label == "address" || !r.is_problem));
        let spoilt = Telemetry { configuration: Some("reverie.toml: there is no key `fsp`".to_owned()), ..well };
        assert!(problems(&boot_card(&identity, &spoilt, None)).contains(&"configuration"));
    }
}
