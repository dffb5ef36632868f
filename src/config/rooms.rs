//! The configuration in the words of the rooms it is for.

use std::path::PathBuf;

use super::credentials::{self, Missing};
use super::direction::state_folder;
use super::{Config, ConfigError};
use crate::remote::{self, DeviceId, Password, Tls};
use crate::{dream, runtime};

impl Config {
    pub fn runtime_settings(&self) -> runtime::Settings {
        let own = &self.runtime;
        runtime::Settings {
            library: own.onnxruntime.clone(),
            providers: own.providers.clone(),
            threads: own.threads,
            engines: runtime::Engines { folder: self.engines_folder(), fp16: own.fp16 },
        }
    }

    /// Where engines are kept: as configured, else where systemd keeps the service's state.
    pub fn engines_folder(&self) -> Option<PathBuf> {
        self.runtime.engines.clone().or_else(|| state_folder().map(|folder| folder.join("engines")))
    }

    pub fn dream_settings(&self) -> dream::Settings {
        let own = &self.dream;
        dream::Settings {
            size: own.size.map(|size| (size.width, size.height)),
            max_size: (own.max_size.width, own.max_size.height),
            target_fps: own.target_fps,
            seed: own.seed,
        }
    }

    /// The device's name: as configured, else the host's.
    pub fn device(&self) -> DeviceId {
        self.mqtt.device.as_deref().and_then(|name| name.parse().ok()).unwrap_or_else(DeviceId::of_this_host)
    }

    fn home_assistant(&self) -> remote::HomeAssistant {
        let console = &self.console;
        let is_called = console.on && console.allow_remote;
        // Of one that listens everywhere nobody here knows by which address it is found.
        let page = is_called.then_some(console.listen).filter(|listen| !listen.ip().is_unspecified());
        remote::HomeAssistant {
            on: self.home_assistant.on,
            prefix: self.home_assistant.prefix.clone(),
            page: page.map(|page| format!("http://{page}/")),
        }
    }

    /// How the broker is reached; none where there is to be none. Reads the files named.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold what it should, one that only the service is handed ([`ConfigError::HandedOver`]), or settings that
    /// could never work.
    pub fn broker(&self) -> Result<Option<remote::Settings>, ConfigError> {
        let own = &self.mqtt;
        let optional = own.host == "auto";
        let host = match own.host.as_str() {
            "off" => return Ok(None),
            "auto" => "localhost",
            named => named,
        };
        let fault = |e: remote::SettingsError| ConfigError::Value {
            place: String::new(),
            key: "mqtt".to_owned(),
            message: e.to_string(),
        };
        let port = own.port.unwrap_or(if own.tls { 8883 } else { 1883 });
        let mut settings = remote::Settings::new(host, port, self.device());
        settings.optional = optional;
        // Said last: all that can be seen from here is looked at before.
        let mut handed_over = None;
        let mut find = |file: &Option<PathBuf>| match file.as_deref().map(credentials::find).transpose() {
            Err(Missing::HandedOver(message)) => {
                handed_over = Some(message);
                Ok(None)
            }
            Err(Missing::Misnamed(message)) => {
                Err(ConfigError::Value { place: String::new(), key: "mqtt".to_owned(), message })
            }
            Ok(file) => Ok(file),
        };
        let password = find(&own.password_file)?;
        let (ca, cert, key) = (find(&own.ca)?, find(&own.cert)?, find(&own.key)?);
        settings.password = password.as_deref().map(Password::read).transpose().map_err(fault)?;
        // A broker knows a device by its id, unless somebody says otherwise.
        let named_as_device = settings.password.is_some().then(|| settings.device.to_string());
        settings.username = own.username.clone().or(named_as_device);
        if let (true, Some(ca)) = (own.tls, ca) {
            settings.tls = Some(Tls::read(&ca, cert.as_deref().zip(key.as_deref())).map_err(fault)?);
        }
        settings.home = self.home_assistant();
        settings.check().map_err(fault)?;
        match handed_over {
            Some(message) => Err(ConfigError::HandedOver { message }),
            None => Ok(Some(settings)),
        }
    }
}
