//! The device under test: the real `remote::run` over a handle with two small made-up packs.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reverie::backoff::Backoff;
use reverie::director::{Capabilities, Director, Scenes, Setup};
use reverie::director_handle::{self, DirectorHandle};
use reverie::pack::{Catalogue, Manifest};
use reverie::params::Params;
use reverie::remote::{self, Settings};
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

use super::broker::{Broker, TIMEOUT};

pub const BASE: &str = "reverie/mirror-1";

pub struct Device {
    pub handle: DirectorHandle,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    log: Log,
}

/// Settings for `broker` that try again quickly.
pub fn settings(broker: &Broker) -> Settings {
    settings_at(broker.port)
}

/// The same for whatever is at this port.
pub fn settings_at(port: u16) -> Settings {
    let mut settings = Settings::new("127.0.0.1", port, "mirror-1".parse().unwrap());
    settings.spread = Duration::ZERO;
    settings.retry = Backoff::new(Duration::from_millis(20), Duration::from_millis(200)).unwrap();
    settings
}

impl Device {
    pub fn start(broker: &Broker) -> Device {
        Device::with(settings(broker))
    }

    pub fn with(settings: Settings) -> Device {
        settings.check().expect("sound settings");
        let catalogue = Arc::new(catalogue());
        Device::directed(settings, DirectorHandle::new(catalogue.clone(), Params::new(&catalogue)))
    }

    /// With scenes, groups and all that a director knows.
    pub fn directed(settings: Settings, handle: DirectorHandle) -> Device {
        let stop = CancellationToken::new();
        let log = Log::default();
        let into = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(move || into.clone())
            .finish();
        tokio::spawn(director_handle::run(handle.clone(), stop.clone()));
        let task = tokio::spawn(remote::run(settings, handle.clone(), stop.clone()).with_subscriber(subscriber));
        Device { handle, stop, task: Some(task), log }
    }

    /// Stops it the orderly way.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let task = self.task.take().expect("a running device");
        tokio::time::timeout(TIMEOUT, task).await.expect("remote::run ends when told").expect("and does not panic");
    }

    /// Ends it as a power cut would: the connection closes without a word.
    pub async fn die(&mut self) {
        let task = self.task.take().expect("a running device");
        task.abort();
        let _ = task.await;
    }

    pub fn is_running(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.is_finished())
    }

    pub fn state(&self) -> serde_json::Value {
        self.handle.state().borrow().clone().into()
    }

    /// Lines logged at `level` (`WARN`, `INFO`) so far.
    pub fn logged(&self, level: &str) -> Vec<String> {
        let log = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(&format!(" {level} "))).map(str::to_owned).collect()
    }
}

/// A handle with two scenes, of a device in the group `hall` which lets pictures out.
pub fn handle() -> DirectorHandle {
    let catalogue = Arc::new(catalogue());
    let scene = |json: Json| json.as_object().unwrap().clone();
    let mut setup = Setup::new(Params::new(&catalogue));
    setup.scenes = Scenes::from([
        ("calm".to_owned(), scene(json!({"intensity": 0.25, "layer": "shallow"}))),
        ("wild".to_owned(), scene(json!({"intensity": 1, "zoom": 1}))),
    ]);
    setup.groups = vec!["hall".to_owned()];
    setup.capabilities = Capabilities { snapshots: true, restart: false };
    DirectorHandle::with_director(catalogue.clone(), Director::new(catalogue, setup))
}

/// A device with that handle.
pub fn directed(broker: &Broker, name: &str) -> Device {
    let mut settings = settings(broker);
    settings.device = name.parse().unwrap();
    Device::directed(settings, handle())
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn catalogue() -> Catalogue {
    let pack = |text: &str| -> Manifest { toml::from_str(text).expect("a manifest") };
    Catalogue::of(vec![
        pack(
            r#"format = 1
               name = "alpha"
               network = "Alpha, made up"
               source = "this test"
               licence = "MIT"
               default_layer = "deep"
               input = { channels = "RGB", mean = [0, 0, 0], std = [1, 1, 1] }
               files = {}

               [[layer]]
               name = "shallow"
               file = "shallow.onnx"
               tensor = "relu1"
               channels = 16
               stride = 2
               macs_per_pixel = 10.0
               look = "lines"

               [[layer]]
               name = "deep"
               file = "deep.onnx"
               tensor = "relu9"
               channels = 64
               stride = 16
               macs_per_pixel = 1000.0
               look = "puppies"
               step = 1.5
               groups = { eyes = "7,15:0.5", fur = "30-36" }"#,
        ),
        pack(
            r#"format = 1
               name = "beta"
               network = "Beta, made up"
               source = "this test"
               licence = "Apache-2.0"
               default_layer = "deep"
               input = { channels = "BGR", mean = [0, 0, 0], std = [1, 1, 1] }
               files = {}

               [[layer]]
               name = "deep"
               file = "deep.onnx"
               tensor = "add"
               channels = 8
               stride = 8
               macs_per_pixel = 100.0"#,
        ),
    ])
}
