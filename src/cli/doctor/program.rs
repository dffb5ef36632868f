//! What the program needs: configuration, packs, the network, the broker.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Finding;
use crate::cli::flags::ParamFlags;
use crate::cli::load;
use crate::config::{Config, ConfigError};
use crate::health;
use crate::pack::{Catalogue, PackError};
use crate::pixel::Picture;
use crate::remote::{Client, Settings};
use crate::runtime::{Ascent, Controls, Graph, Led, Provider, Runtime, RuntimeError};

/// A broker that does not answer by then counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Size of the picture the network is tried on, pixels.
const TRIAL_SIZE: (usize, usize) = (128, 72);

/// Reads the configuration; where that is wrong, the defaults stand in for it from here on.
pub fn configuration(named: Option<&Path>) -> (Config, Vec<Finding>) {
    const ABOUT: &str = "configuration";
    let file = Config::file(named);
    let outcome = load::read(named).and_then(|config| config.check(file).map(|()| config).map_err(load::bad_input));
    let finding = match &outcome {
        Ok(_) => Finding::ok(ABOUT, file.map_or("none: the defaults".to_owned(), |file| file.display().to_string())),
        Err(error) => {
            Finding::failure(ABOUT, error.to_string(), "correct that line; the checks below use the defaults")
        }
    };
    (outcome.unwrap_or_default(), vec![finding])
}

/// The packs, the library, and one ascent.
pub fn network(config: &Config, file: Option<&Path>) -> Vec<Finding> {
    let catalogue = match load::packs_of(config) {
        Ok(catalogue) => catalogue,
        Err(error) => return vec![Finding::failure("packs", error.to_string(), REINSTALL)],
    };
    let mut findings = vec![packs(&catalogue), direction(config, file, &catalogue)];
    match Runtime::load(config.runtime_settings()) {
        Err(error) => findings.push(Finding::failure("onnxruntime", error.to_string(), library_remedy(&error))),
        Ok(runtime) => {
            let seen = format!("{} from {}", runtime.version(), runtime.library().display());
            findings.push(Finding::ok("onnxruntime", seen));
            findings.push(ascent(&runtime, &catalogue));
        }
    }
    findings
}

const REINSTALL: &str = "reinstall it: apt install --reinstall reverie";

fn packs(catalogue: &Catalogue) -> Finding {
    let mut names = Vec::new();
    for (folder, manifest) in catalogue.packs() {
        if let Err(error) = manifest.verify(folder) {
            let remedy = match error {
                PackError::Damaged { .. } => REINSTALL,
                _ => "make it readable for everybody, or reinstall it",
            };
            return Finding::failure("packs", error.to_string(), remedy);
        }
        names.push(format!("{} ({} layers)", manifest.name, manifest.layers.len()));
    }
    Finding::ok("packs", format!("{}, every file is intact", names.join(", ")))
}

/// Checks the layers, scenes and hours of the configuration against the packs.
fn direction(config: &Config, file: Option<&Path>, catalogue: &Catalogue) -> Finding {
    const ABOUT: &str = "scenes";
    match load::direction(config, file, &ParamFlags::default(), catalogue) {
        Ok(setup) => Finding::ok(ABOUT, format!("{}; it begins with layer {}", setup.scenes.len(), setup.params.layer)),
        Err(error) => Finding::failure(ABOUT, error.to_string(), "correct that in the configuration"),
    }
}

fn library_remedy(error: &RuntimeError) -> &'static str {
    match error {
        RuntimeError::Missing { .. } => "apt install reverie-onnxruntime, or on a Jetson reverie-fetch-onnxruntime",
        RuntimeError::TooOld { .. } => "reverie-fetch-onnxruntime --system fetches a newer one",
        _ => "look at runtime.onnxruntime in the configuration and at ORT_DYLIB_PATH",
    }
}

/// Runs one ascent, as the dream does.
fn ascent(runtime: &Runtime, catalogue: &Catalogue) -> Finding {
    const ABOUT: &str = "network";
    let (width, height) = TRIAL_SIZE;
    let tried = catalogue.default_layer().map(|name| -> Result<_, String> {
        let (folder, manifest, layer) = catalogue.layer(&name).map_err(|error| error.to_string())?;
        let graph = Graph { folder, manifest, layer, size: TRIAL_SIZE };
        let mut ascent = Ascent::open_soon(runtime, graph).map_err(|error| error.to_string())?;
        let neurons = vec![1.0; layer.channels];
        let controls =
            Controls { neurons: &neurons, step: 0.01, smoothing: 0.5, colour: 0.3, shift: (0, 0), led: Led::default() };
        let mut picture = Picture::new(width, height);
        let begun = Instant::now();
        ascent.climb(&mut picture, &controls).map_err(|error| error.to_string())?;
        Ok((ascent.provider(), name, begun.elapsed()))
    });
    match tried {
        None => Finding::failure(ABOUT, "the packs have no layer", REINSTALL),
        Some(Err(error)) => {
            Finding::failure(ABOUT, error, "export the pack again with this version, or try providers = [\"cpu\"]")
        }
        Some(Ok((provider, layer, time))) => {
            let seen = format!("one ascent on {layer} at {width}x{height} takes {time:.1?} on {provider}");
            match (provider, has_nvidia()) {
                (Provider::Cpu, true) if runtime.providers() != [Provider::Cpu] => Finding::warning(
                    ABOUT,
                    format!("{seen}, though there is an NVIDIA GPU"),
                    "on a Jetson: deploy/jetson; else reverie-fetch-onnxruntime --gpu --system",
                ),
                _ => Finding::ok(ABOUT, seen),
            }
        }
    }
}

fn has_nvidia() -> bool {
    ["/dev/nvidiactl", "/dev/nvmap", "/dev/nvgpu"].iter().any(|path| Path::new(path).exists())
}

/// Whether the broker lets this device in.
pub fn broker(config: &Config) -> Finding {
    const ABOUT: &str = "broker";
    match config.broker() {
        Ok(None) => Finding::ok(ABOUT, "none, as configured"),
        Ok(Some(settings)) => try_broker(ABOUT, &settings),
        Err(error @ ConfigError::ServiceOnly { .. }) => Finding::ok(ABOUT, format!("not tried: {error}")),
        Err(error) => {
            Finding::failure(ABOUT, error.to_string(), "look at the files that [mqtt] names, and who may read them")
        }
    }
}

fn try_broker(about: &'static str, settings: &Settings) -> Finding {
    let address = format!("{}:{}", settings.host, settings.port);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Finding::warning(about, format!("cannot be checked: {error}"), "try again"),
    };
    let tried = runtime.block_on(async { tokio::time::timeout(CONNECT_TIMEOUT, Client::check_broker(settings)).await });
    // A probe may still be waiting for an answer.
    runtime.shutdown_background();
    let how = if settings.tls.is_some() { " by TLS" } else { "" };
    match tried {
        Ok(Ok(())) => Finding::ok(about, format!("{address} lets it in{how} as `{}`", settings.device)),
        Ok(Err(why)) if settings.optional && !why.is_answered() => {
            Finding::ok(about, format!("none at {address}: it is directed from the web page alone"))
        }
        Ok(Err(why)) => Finding::failure(about, format!("{address}: {}", why.text), why.remedy),
        Err(_) => {
            let seen = format!("{address} does not answer within {} s", CONNECT_TIMEOUT.as_secs());
            Finding::failure(about, seen, health::CHECK_BROKER)
        }
    }
}
