//! `[console]`: where the web page is served, and who may open it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::access::{Passwords, is_hash};
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
    /// Whether other machines may open it, once there is a password.
    pub allow_remote: bool,
    /// Host names, besides the device's own, under which the page may be opened.
    pub names: Vec<String>,
    /// The directors' password, as `reverie password --print` prints it. None: the one that was set on the device.
    pub password: Option<String>,
    /// The same of those who may look and change nothing.
    pub viewer_password: Option<String>,
    /// A certificate, with those that signed it, and its private key, PEM: then the page is served by TLS alone.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            on: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            preview: true,
            allow_remote: false,
            names: Vec::new(),
            password: None,
            viewer_password: None,
            certificate: None,
            key: None,
        }
    }
}

impl Settings {
    /// Makes relative paths lie in `folder`.
    pub fn resolve_paths(&mut self, folder: &Path) {
        for path in [&mut self.certificate, &mut self.key].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    /// # Errors
    /// An address that other machines reach, without `allow_remote`; a password in plain text; half of what TLS takes.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        if !self.on {
            return Ok(());
        }
        if !self.allow_remote && !self.listen.ip().is_loopback() {
            let why = "lets other machines open the page";
            let message = format!("{} {why}: set allow_remote = true under [console] if you want that", self.listen);
            return Err(InvalidSetting::new("listen", message));
        }
        for (key, hash) in [("password", &self.password), ("viewer_password", &self.viewer_password)] {
            if hash.as_ref().is_some_and(|hash| !is_hash(hash)) {
                // Not what stands there: it is shown and logged, and may be a password.
                let message = "takes a hash, \"$argon2id$…\", as `reverie password --print` prints it";
                return Err(InvalidSetting::new(key, message));
            }
        }
        if self.viewer_password.is_some() && self.password.is_none() {
            return Err(InvalidSetting::new("password", "is needed where there is a viewer_password"));
        }
        match (&self.certificate, &self.key) {
            (Some(_), None) => Err(InvalidSetting::new("key", "is needed where there is a certificate")),
            (None, Some(_)) => Err(InvalidSetting::new("certificate", "is needed where there is a key")),
            _ => Ok(()),
        }
    }

    /// Reads the files that are named.
    ///
    /// # Errors
    /// One that cannot be read, or does not hold what it should.
    pub fn check_files(&self) -> Result<(), InvalidSetting> {
        if self.on { self.tls().map(drop) } else { Ok(()) }
    }

    /// The address that other machines may use; none where they may not.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        (self.on && self.allow_remote).then_some(self.listen)
    }

    /// `https` where the page is served by TLS.
    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }

    pub(super) fn passwords(&self) -> Passwords {
        Passwords { director: self.password.clone(), viewer: self.viewer_password.clone() }
    }

    /// What TLS is served with; none where it is not. Reads the files named.
    pub(super) fn tls(&self) -> Result<Option<Arc<ServerConfig>>, InvalidSetting> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        let wrong = |key, path: &Path, error: &dyn std::fmt::Display| {
            InvalidSetting::new(key, format!("{} is of no use: {error}", path.display()))
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong("certificate", certificate, &error))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("key", key, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(chain, private))
            .map_err(|error| wrong("certificate", certificate, &error))?;
        Ok(Some(Arc::new(config)))
    }

    /// When the files for TLS were last changed: a renewed certificate is taken at the next reload.
    pub fn files_changed(&self) -> [Option<SystemTime>; 2] {
        let changed = |path: &Option<PathBuf>| std::fs::metadata(path.as_ref()?).and_then(|file| file.modified()).ok();
        [changed(&self.certificate), changed(&self.key)]
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
