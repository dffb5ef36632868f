//! `[mqtt]` as the configuration file has it: names of files, from which [`Settings`] are read.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::credentials;
use super::{HomeAssistant, Password, Settings, SettingsError, Tls};
use crate::checks::{InvalidSetting, check_range};
use crate::director::{self, MAX_GROUPS};
use crate::protocol::DeviceId;

/// How the broker is reached, before any file is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawSettings {
    /// `auto`: one on this machine where there is one; `off`: none.
    pub host: String,
    /// None: 1883, or 8883 with TLS.
    pub port: Option<u16>,
    /// The device's name in topics; none: the host name.
    pub device: Option<String>,
    pub username: Option<String>,
    /// File that holds the password. Here, as for all files of this section, `credential:NAME` is one that systemd hands over.
    pub password_file: Option<PathBuf>,
    pub tls: bool,
    /// Certificate authority, PEM.
    pub ca: Option<PathBuf>,
    /// The device's own certificate and key, PEM.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// The groups whose commands are run, besides those joined by command.
    pub groups: Vec<String>,
    /// Whether pictures are published when they are asked for.
    pub snapshots: bool,
}

impl Default for RawSettings {
    fn default() -> RawSettings {
        RawSettings {
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

impl RawSettings {
    /// The device's name: as configured, else the host's.
    pub fn device(&self) -> DeviceId {
        self.device.as_deref().and_then(|name| name.parse().ok()).unwrap_or_else(DeviceId::of_this_host)
    }

    /// # Errors
    /// The first key whose value cannot be used. No file is read: [`RawSettings::read`].
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let invalid = |key: &'static str, message: &str| Err(InvalidSetting::new(key, message));
        if let Some(Err(e)) = self.device.as_deref().map(str::parse::<DeviceId>) {
            return invalid("device", &e.to_string());
        }
        if self.host.is_empty() {
            return invalid("host", "is empty: it takes a host name, \"auto\" or \"off\"");
        }
        self.port.map_or(Ok(()), |port| check_range("port", port, 1.0, 65_535.0))?;
        for (key, file) in self.files() {
            credentials::check_name(file).or_else(|e| invalid(key, &e.to_string()))?;
        }
        if self.cert.is_some() != self.key.is_some() {
            return invalid("cert", "and mqtt.key go together: one of them is missing");
        }
        if self.tls && self.ca.is_none() {
            return invalid(
                "ca",
                "is missing: tls = true needs it (the system's is /etc/ssl/certs/ca-certificates.crt)",
            );
        }
        if !self.tls && (self.ca.is_some() || self.cert.is_some()) {
            return invalid("tls", "is false, yet there are certificates: set tls = true");
        }
        self.check_groups()
    }

    fn check_groups(&self) -> Result<(), InvalidSetting> {
        let groups = &self.groups;
        if groups.len() > MAX_GROUPS {
            let message = format!("has {} groups; a device is in {MAX_GROUPS} at most", groups.len());
            return Err(InvalidSetting::new("groups", message));
        }
        groups.iter().try_for_each(|group| {
            director::check_group(group).map_err(|refusal| {
                InvalidSetting::new("groups", format!("`{group}`: a group's name {}", refusal.message))
            })
        })
    }

    /// Reads the files named; none where there is to be no broker.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold what it should, or settings that could never work. Where all is well but for files that only
    /// the service is handed: [`SettingsError::ServiceOnly`].
    pub fn read(&self, home: HomeAssistant) -> Result<Option<Settings>, SettingsError> {
        let host = match self.host.as_str() {
            "off" => return Ok(None),
            "auto" => "localhost",
            named => named,
        };
        let port = self.port.unwrap_or(if self.tls { 8883 } else { 1883 });
        let mut settings = Settings::new(host, port, self.device());
        settings.optional = self.host == "auto";
        settings.home = home;
        // Returned last, after all that can be checked from here.
        let mut service_only = None;
        let mut find = |file: &Option<PathBuf>| match file.as_deref().map(credentials::find).transpose() {
            Err(e @ SettingsError::ServiceOnly(_)) => {
                service_only = Some(e);
                Ok(None)
            }
            found => found,
        };
        let password = find(&self.password_file)?;
        let (ca, cert, key) = (find(&self.ca)?, find(&self.cert)?, find(&self.key)?);
        settings.password = password.as_deref().map(Password::read).transpose()?;
        // A broker knows a device by its id, unless another user name is set.
        let device_as_user = settings.password.is_some().then(|| settings.device.to_string());
        settings.username = self.username.clone().or(device_as_user);
        if let (true, Some(ca)) = (self.tls, ca) {
            settings.tls = Some(Tls::read(&ca, cert.as_deref().zip(key.as_deref()))?);
        }
        settings.check()?;
        service_only.map_or(Ok(Some(settings)), Err)
    }

    /// When each of the files named was last changed; none where there is none.
    pub fn files_changed(&self) -> Vec<Option<SystemTime>> {
        let changed = |path: &Path| credentials::find(path).ok()?.metadata().ok()?.modified().ok();
        self.files().map(|(_, path)| changed(path)).collect()
    }

    /// The files named, by their keys.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files =
            [("password_file", &self.password_file), ("ca", &self.ca), ("cert", &self.cert), ("key", &self.key)];
        files.into_iter().filter_map(|(key, file)| Some((key, file.as_deref()?)))
    }

    /// The files that hold secrets and certificates.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.password_file, &mut self.ca, &mut self.cert, &mut self.key].into_iter().flatten()
    }

    /// Has relative paths lie below `folder`.
    pub fn resolve_paths(&mut self, folder: &Path) {
        for file in self.files_mut().filter(|file| !credentials::is_credential(file)) {
            *file = folder.join(&*file);
        }
    }
}
