//! The sections of the configuration file: what can be said, what holds where nothing is said, what is allowed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::credentials;
use crate::checks::{check_range, check_size};
use crate::remote::DeviceId;
use crate::runtime::Provider;
use crate::size::Size;

/// `[dream]`: how large and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dream {
    /// The largest canvas: the size that camera and dream are put together at, as large as the screen and the board allow.
    pub canvas: Size,
    /// Working size; none: the governor picks what holds `target_fps`.
    pub size: Option<Size>,
    /// The largest the governor picks.
    pub max_size: Size,
    /// Dreams a second that the governor holds.
    pub target_fps: f64,
    /// Makes the jitter repeatable.
    pub seed: Option<u64>,
}

impl Default for Dream {
    fn default() -> Dream {
        let large = Size { width: 1280, height: 720 };
        Dream { canvas: large, size: None, max_size: large, target_fps: 8.0, seed: None }
    }
}

/// `[runtime]`: ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// `libonnxruntime.so`, or the folder that holds it; none: searched for.
    pub onnxruntime: Option<PathBuf>,
    /// Execution providers in the order they are tried.
    pub providers: Vec<Provider>,
    /// Threads of the CPU provider; 0: as many as there are cores.
    pub threads: usize,
    /// Whether TensorRT computes with half the digits.
    pub fp16: bool,
    /// Folder of TensorRT's engines; none: `engines` in systemd's state directory, else they are not kept.
    pub engines: Option<PathBuf>,
}

impl Default for Runtime {
    fn default() -> Runtime {
        Runtime { onnxruntime: None, providers: Provider::ALL.to_vec(), threads: 0, fp16: false, engines: None }
    }
}

/// `[mqtt]`: the broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mqtt {
    /// `auto`: one on this machine where there is one; `off`: none.
    pub host: String,
    /// None: 1883, or 8883 with TLS.
    pub port: Option<u16>,
    /// The device's name in topics; none: the host name.
    pub device: Option<String>,
    pub username: Option<String>,
    /// File that holds the password, so that it stands in no other place. Here, as for all files of this section,
    /// `credential:NAME` is one that systemd hands over.
    pub password_file: Option<PathBuf>,
    pub tls: bool,
    /// Certificate authority, PEM.
    pub ca: Option<PathBuf>,
    /// The device's own certificate and key, PEM.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// The groups whose commands are obeyed, besides those joined by command.
    pub groups: Vec<String>,
    /// Whether pictures are told, when they are asked for.
    pub snapshots: bool,
}

impl Default for Mqtt {
    fn default() -> Mqtt {
        Mqtt {
            host: "auto".to_owned(),
            port: None,
            device: None,
            username: None,
            password_file: None,
            tls: false,
            ca: None,
            cert: None,
            key: None,
            groups: Vec::new(),
            snapshots: false,
        }
    }
}

/// `[home_assistant]`: how the device appears there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HomeAssistant {
    pub on: bool,
    /// As it is set in Home Assistant's MQTT integration.
    pub prefix: String,
}

impl Default for HomeAssistant {
    fn default() -> HomeAssistant {
        HomeAssistant { on: true, prefix: "homeassistant".to_owned() }
    }
}

impl HomeAssistant {
    pub(super) fn fault(&self) -> Fault {
        let is_sound =
            |level: &str| !level.is_empty() && level.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let fine = self.prefix.len() <= 64 && self.prefix.split('/').all(is_sound);
        (!fine)
            .then(|| ("home_assistant.prefix", "is 1 to 64 letters, digits, `-`, `_`, and `/` between them".to_owned()))
    }
}

/// `[console]`: the web page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Console {
    pub on: bool,
    #[serde(deserialize_with = "listen")]
    pub listen: SocketAddr,
    /// Whether the page shows the picture.
    pub preview: bool,
    /// Lets other machines in: they see the picture and turn the knobs, without a password.
    pub allow_remote: bool,
    /// Host names besides the device's own by which the page may be called.
    pub names: Vec<String>,
}

impl Default for Console {
    fn default() -> Console {
        Console {
            on: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            preview: true,
            allow_remote: false,
            names: Vec::new(),
        }
    }
}

/// Where a page is served, as people write it: `127.0.0.1:8080`, `localhost:8080`, or a port of this machine alone.
///
/// # Errors
/// In words, what it takes.
pub fn read_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
    let here = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    text.parse().or(here).map_err(|_| format!("`{text}` is no address such as 127.0.0.1:8080, localhost:8080 or 8080"))
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an address such as \"127.0.0.1:8080\"")]
    enum Said {
        Port(u16),
        Text(String),
    }
    let text = match Said::deserialize(deserializer)? {
        Said::Port(port) => port.to_string(),
        Said::Text(text) => text,
    };
    read_address(&text).map_err(D::Error::custom)
}

/// The first thing wrong with a section: the key, and what it takes. `None`: all is well.
pub(super) type Fault = Option<(&'static str, String)>;

impl Dream {
    pub(super) fn fault(&self) -> Fault {
        self.size
            .and_then(|fixed| size("dream.size", fixed, 64, 4096))
            .or_else(|| size("dream.canvas", self.canvas, 64, 4096))
            .or_else(|| size("dream.max_size", self.max_size, 64, 4096))
            .or_else(|| range("dream.target_fps", self.target_fps, 0.1, 120.0))
    }
}

impl Runtime {
    pub(super) fn fault(&self) -> Fault {
        let none = || ("runtime.providers", "is empty: name at least one of tensorrt, cuda, cpu".to_owned());
        self.providers.is_empty().then(none).or_else(|| range("runtime.threads", self.threads as f64, 0.0, 256.0))
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.onnxruntime, &mut self.engines].into_iter().flatten()
    }
}

impl Mqtt {
    /// When each of the files that it names was last changed; none where there is none.
    pub fn files_changed(&self) -> Vec<Option<SystemTime>> {
        let files = [&self.password_file, &self.ca, &self.cert, &self.key];
        let changed = |path: &PathBuf| credentials::find(path).ok()?.metadata().ok()?.modified().ok();
        files.map(|file| file.as_ref().and_then(changed)).into()
    }

    pub(super) fn fault(&self) -> Fault {
        let wrong = |key, message: &str| Some((key, message.to_owned()));
        if let Some(Err(e)) = self.device.as_deref().map(str::parse::<DeviceId>) {
            return wrong("mqtt.device", &e.to_string());
        }
        if self.host.is_empty() {
            return wrong("mqtt.host", "is empty: it takes a host name, \"auto\" or \"off\"");
        }
        if self.port == Some(0) {
            return range("mqtt.port", 0.0, 1.0, 65_535.0);
        }
        let files = [&self.password_file, &self.ca, &self.cert, &self.key];
        if let Some(e) = files.into_iter().flatten().find_map(|file| credentials::fault(file)) {
            return wrong("mqtt", &e);
        }
        if self.cert.is_some() != self.key.is_some() {
            return wrong("mqtt.cert", "and mqtt.key go together: one of them is missing");
        }
        if self.tls && self.ca.is_none() {
            return wrong(
                "mqtt.ca",
                "is missing: tls = true needs it (the system's is /etc/ssl/certs/ca-certificates.crt)",
            );
        }
        if !self.tls && (self.ca.is_some() || self.cert.is_some()) {
            return wrong("mqtt.tls", "is false, yet there are certificates: say tls = true");
        }
        None
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.password_file.iter_mut().chain(&mut self.ca).chain(&mut self.cert).chain(&mut self.key)
    }
}

impl Console {
    pub(super) fn fault(&self) -> Fault {
        let far = self.on && !self.allow_remote && !self.listen.ip().is_loopback();
        far.then(|| {
            let why = "lets other machines see the picture and turn the knobs";
            (
                "console.listen",
                format!("{} {why}: say allow_remote = true under [console] if you want that", self.listen),
            )
        })
    }
}

pub(super) fn range(key: &'static str, value: f64, min: f64, max: f64) -> Fault {
    check_range(key, value, min, max).err().map(|e| (key, e.message))
}

pub(super) fn size(key: &'static str, size: Size, min: usize, max: usize) -> Fault {
    check_size(key, size, min, max).err().map(|e| (key, e.message))
}
