//! `[console]`: where the web page is served, and who may open it.

use std::net::SocketAddr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::checks::InvalidSetting;

/// How the page is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub on: bool,
    #[serde(deserialize_with = "listen")]
    pub listen: SocketAddr,
    /// Whether the page shows the picture.
    pub preview: bool,
    /// Whether other machines may open it: they see the picture and change parameters, without a password.
    pub allow_remote: bool,
    /// Host names, besides the device's own, under which the page may be opened.
    pub names: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            on: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            preview: true,
            allow_remote: false,
            names: Vec::new(),
        }
    }
}

impl Settings {
    /// # Errors
    /// An address that other machines reach, without `allow_remote`.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        if !self.on || self.allow_remote || self.listen.ip().is_loopback() {
            return Ok(());
        }
        let why = "lets other machines see the picture and change parameters";
        let message = format!("{} {why}: set allow_remote = true under [console] if you want that", self.listen);
        Err(InvalidSetting::new("listen", message))
    }

    /// The address that other machines may use; none where they may not.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        (self.on && self.allow_remote).then_some(self.listen)
    }
}

/// Reads where a page is served: `127.0.0.1:8080`, `localhost:8080`, or a port of this machine alone.
///
/// # Errors
/// In words, what it takes.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
    let here = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    text.parse().or(here).map_err(|_| format!("`{text}` is no address such as 127.0.0.1:8080, localhost:8080 or 8080"))
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an address such as \"127.0.0.1:8080\"")]
    enum RawAddress {
        Port(u16),
        Text(String),
    }
    let text = match RawAddress::deserialize(deserializer)? {
        RawAddress::Port(port) => port.to_string(),
        RawAddress::Text(text) => text,
    };
    parse_address(&text).map_err(D::Error::custom)
}
