//! How the broker is reached and who this device is, checked before anything is connected.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::HomeAssistant;
use crate::backoff::Backoff;
use crate::protocol::DeviceId;
use crate::text::excerpt;

/// How the broker is reached, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host name or address of the broker.
    pub host: String,
    /// 1883 by custom, 8883 with TLS.
    pub port: u16,
    /// Names this device in every topic: `reverie/<device>`.
    pub device: DeviceId,
    pub username: Option<String>,
    pub password: Option<Password>,
    /// None: plain TCP.
    pub tls: Option<Tls>,
    /// The configuration does not name a broker: one that is not there is no outage worth a warning.
    pub optional: bool,
    /// Waits between attempts to reach the broker.
    pub retry: Backoff,
    /// The longest random extra wait before a lost broker is looked for: a house of mirrors that all lost it at once does not come back
    /// at once.
    pub spread: Duration,
    /// Between two telemetry messages.
    pub telemetry_every: Duration,
    pub home: HomeAssistant,
}

impl Settings {
    /// Plain TCP to `host`:`port`, anonymously; 1 s to 30 s between attempts, telemetry every 10 s.
    pub fn new(host: impl Into<String>, port: u16, device: DeviceId) -> Settings {
        Settings {
            host: host.into(),
            port,
            device,
            username: None,
            password: None,
            tls: None,
            optional: false,
            retry: Backoff::default(),
            spread: Duration::from_secs(4),
            telemetry_every: Duration::from_secs(10),
            home: HomeAssistant { on: false, ..HomeAssistant::default() },
        }
    }

    /// Finds what could never work, before anything is connected. (Files were read when [`Password`] and
    /// [`Tls`] were made.)
    ///
    /// # Errors
    /// An empty or impossible host, port 0, a password without a user name, an empty telemetry interval.
    pub fn check(&self) -> Result<(), SettingsError> {
        if let Some((_, host)) = self.host.rsplit_once('@') {
            return Err(SettingsError::Secret(excerpt(host)));
        }
        if let Some((host, port)) = self.host.rsplit_once(':')
            && !host.contains(':')
            && !port.is_empty()
            && port.bytes().all(|digit| digit.is_ascii_digit())
        {
            return Err(SettingsError::HostAndPort(excerpt(host), excerpt(port)));
        }
        let unfit = |c: char| c.is_whitespace() || "/[]".contains(c);
        if self.host.is_empty() || self.host.len() > 253 || self.host.contains(unfit) {
            return Err(SettingsError::Host(excerpt(&self.host)));
        }
        if self.port == 0 {
            return Err(SettingsError::Port);
        }
        if self.username.is_none() && self.password.is_some() {
            return Err(SettingsError::PasswordAlone);
        }
        if self.telemetry_every.is_zero() {
            return Err(SettingsError::Telemetry);
        }
        Ok(())
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("`{0}` is not a broker's host: give a host name or an address, without scheme or path")]
    Host(String),
    /// Without what stands before the host, which is mostly a password.
    #[error(
        "a user and a password do not belong to the host, where they would be shown: host = \"{0}\", username and password_file are keys of their own"
    )]
    Secret(String),
    #[error("the port does not belong to the host: host = \"{0}\", port = {1}")]
    HostAndPort(String, String),
    #[error("port 0 is no broker's port: usual is 1883, with TLS 8883")]
    Port,
    #[error("there is a password but no user name for the broker: give both or neither")]
    PasswordAlone,
    #[error("the time between two telemetry messages must be above zero")]
    Telemetry,
    #[error("cannot read {what} {path}: {source}")]
    Read { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("`credential:{0}` names no credential")]
    CredentialName(String),
    /// Nothing is wrong with the settings: only the service has the secret.
    #[error("`credential:{0}` is handed over by systemd to the service alone (LoadCredential={0}:FILE)")]
    ServiceOnly(String),
    #[error("{what} {path} {message}")]
    Content { what: &'static str, path: PathBuf, message: String },
}

/// The broker's password. It prints as dots, so that no log can hold it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(password: impl Into<String>) -> Password {
        Password(password.into())
    }

    /// Reads a file that holds the password and nothing else but, perhaps, a line end.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold one line.
    pub fn read(path: &Path) -> Result<Password, SettingsError> {
        const WHAT: &str = "the password file";
        let content = |message: &str| content(WHAT, path, message.to_owned());
        let text = String::from_utf8(read(WHAT, path)?).map_err(|_| content("is not UTF-8 text"))?;
        // Windows editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let password = text.strip_suffix('\n').unwrap_or(text);
        let password = password.strip_suffix('\r').unwrap_or(password);
        if password.is_empty() || password.contains('\n') {
            return Err(content("is to hold one line, the password"));
        }
        Ok(Password(password.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// Where the certificate authorities that the system trusts commonly are: for a broker with a public certificate.
pub const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// TLS to the broker: whom to trust, and optionally a certificate of our own.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads the certificate authorities in `ca` (PEM; the system's own: [`SYSTEM_AUTHORITIES`]) and, where the broker asks for one, this device's certificate
    /// and private key, `(certificate, key)`, both PEM.
    ///
    /// # Errors
    /// A file that cannot be read, holds no certificate or key, or a key that does not belong to its certificate.
    pub fn read(ca: &Path, client: Option<(&Path, &Path)>) -> Result<Tls, SettingsError> {
        const CA: &str = "the file of certificate authorities";
        let mut roots = RootCertStore::empty();
        // The system's own file may hold some that are of no use for TLS.
        let (usable, _) = roots.add_parsable_certificates(certificates(CA, ca)?);
        if usable == 0 {
            return Err(content(CA, ca, "holds no certificate that could sign others".to_owned()));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks every default version of TLS")
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("the client certificate", certificate)?;
                builder.with_client_auth_cert(chain, private_key(key)?).map_err(|e| {
                    content(KEY, key, format!("does not fit the certificate {}: {e}", certificate.display()))
                })?
            }
        };
        Ok(Tls(Arc::new(config)))
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.0.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

const KEY: &str = "the client key";

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let pem = read(what, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(content(what, path, "holds no certificate (PEM, `-----BEGIN CERTIFICATE-----`)".to_owned())),
        Err(e) => Err(content(what, path, format!("is not whole PEM: {e}"))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SettingsError> {
    let pem = read(KEY, path)?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|e| content(KEY, path, format!("holds no private key (PEM, without a passphrase): {e}")))
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|source| SettingsError::Read { what, path: path.to_owned(), source })
}

fn content(what: &'static str, path: &Path, message: String) -> SettingsError {
    SettingsError::Content { what, path: path.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_without_its_line_end_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "s3cret \n").unwrap();
        let mut settings = Settings::new("localhost", 1883, "m".parse().unwrap());
        settings.password = Some(Password::read(&path).unwrap());
        assert_eq!(settings.password.as_ref().unwrap().reveal(), "s3cret ");
        assert!(!format!("{settings:?}").contains("s3cret"));
        assert!(matches!(settings.check(), Err(SettingsError::PasswordAlone)));
        settings.username = Some("mirror".into());
        settings.check().unwrap();
        std::fs::write(&path, "\u{feff}s3cret\r\n").unwrap();
        assert_eq!(Password::read(&path).unwrap().reveal(), "s3cret");
        for bad in ["", "\n", "two\nlines\n", "\u{feff}\n"] {
            std::fs::write(&path, bad).unwrap();
            assert!(Password::read(&path).unwrap_err().to_string().contains("password"), "{bad:?}");
        }
    }

    #[test]
    fn what_can_never_connect_is_refused_before_it_is_tried() {
        for host in ["", "mqtt://broker", "two words", "[::1]"] {
            let settings = Settings::new(host, 1883, "m".parse().unwrap());
            assert!(matches!(settings.check(), Err(SettingsError::Host(_))), "{host:?}");
        }
        assert!(matches!(Settings::new("h", 0, "m".parse().unwrap()).check(), Err(SettingsError::Port)));
        let error = |host: &str| Settings::new(host, 1883, "m".parse().unwrap()).check().unwrap_err().to_string();
        assert!(error("broker:1883").contains("host = \"broker\", port = 1883"));
        for host in ["user:s3cret@broker", "mqtt://user:s3cret@broker:1883", "s3cret@@broker"] {
            let error = error(host);
            assert!(
                error.contains("password_file") && error.contains("broker") && !error.contains("s3cret"),
                "{error}"
            );
        }
        for host in ["broker", "10.0.0.7", "::1", "fe80::1", "broker.local"] {
            Settings::new(host, 1883, "m".parse().unwrap()).check().unwrap();
        }
    }

    #[test]
    fn a_wrong_certificate_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("ca.pem");
        let error = Tls::read(&missing, None).unwrap_err().to_string();
        assert!(error.contains("ca.pem") && error.contains("No such file"), "{error}");
        std::fs::write(&missing, "not a certificate").unwrap();
        let error = Tls::read(&missing, None).unwrap_err().to_string();
        assert!(error.contains("ca.pem") && error.contains("holds no certificate"), "{error}");
    }
}
