//! A card's outputs, the monitors on them, and which one is used.

use std::fmt;
use std::io;
use std::path::PathBuf;

use drm::control::{Device as _, Mode, connector, crtc};
use serde::Serialize;

use super::card::{self, Card};
use super::choose::{self, Timing};
use super::edid::monitor_name;
use super::explained;
use crate::config;

/// One output.
pub struct Output {
    pub connector: connector::Handle,
    /// `HDMI-A-1`.
    pub name: String,
    pub is_connected: bool,
    /// What the monitor calls itself, where it does.
    pub monitor: Option<String>,
    pub modes: Vec<Mode>,
    encoders: Vec<drm::control::encoder::Handle>,
}

/// The outputs of `card`, asked anew for what hangs on them.
pub fn outputs(card: &Card) -> io::Result<Vec<Output>> {
    let handles = card.resource_handles()?;
    handles.connectors().iter().map(|connector| read(card, *connector, true)).collect()
}

/// One output; `probe` asks the monitor, which takes a moment, instead of believing what was known.
pub fn read(card: &Card, connector: connector::Handle, probe: bool) -> io::Result<Output> {
    let info = card.get_connector(connector, probe)?;
    let edid = card.property(connector, "EDID").filter(|(_, blob)| *blob != 0);
    let edid = edid.and_then(|(_, blob)| card.get_property_blob(blob).ok());
    Ok(Output {
        connector,
        name: info.to_string(),
        is_connected: info.state() == connector::State::Connected,
        monitor: edid.as_deref().and_then(monitor_name),
        modes: info.modes().to_vec(),
        encoders: info.encoders().to_vec(),
    })
}

/// The output that `settings` name, or the first that a monitor hangs on.
///
/// # Errors
/// There is none; says which there are.
pub fn choose<'a>(outputs: &'a [Output], settings: &config::Screen) -> Result<&'a Output, String> {
    let names = || outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>().join(", ");
    match &settings.connector {
        Some(name) => match outputs.iter().find(|output| &output.name == name) {
            Some(output) if output.is_connected => Ok(output),
            Some(_) => Err(format!("no monitor on {name}")),
            None => Err(format!("there is no output {name}, but {}", names())),
        },
        None => {
            // One without modes cannot be lit.
            let usable = outputs.iter().find(|output| output.is_connected && !output.modes.is_empty());
            usable.ok_or_else(|| format!("no monitor on {}", names()))
        }
    }
}

/// Place of the mode `wanted` among those of `output`.
pub fn mode(output: &Output, wanted: config::Mode) -> Result<usize, String> {
    let timings: Vec<Timing> = output.modes.iter().map(Timing::of).collect();
    choose::choose(&timings, wanted)
}

/// What drives `output`: the one that does already, else the first that can.
pub fn free_crtc(card: &Card, output: &Output) -> io::Result<crtc::Handle> {
    let handles = card.resource_handles()?;
    let encoders = output.encoders.iter().filter_map(|encoder| card.get_encoder(*encoder).ok());
    let mut able = Vec::new();
    for encoder in encoders {
        if let Some(crtc) = encoder.crtc() {
            return Ok(crtc);
        }
        able.extend(handles.filter_crtcs(encoder.possible_crtcs()));
    }
    able.first().copied().ok_or_else(|| io::Error::other("nothing on the card can drive this output"))
}

/// A card and its outputs, for `reverie devices`.
#[derive(Debug, Serialize)]
pub struct Listed {
    pub path: PathBuf,
    pub driver: String,
    pub outputs: Vec<ListedOutput>,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct ListedOutput {
    pub name: String,
    pub connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    pub modes: Vec<Timing>,
    /// The mode that would be set if this output were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Timing>,
}

/// Every card, and what hangs on it.
pub fn survey(settings: &config::Screen) -> Vec<Listed> {
    let unknown = |path, error: io::Error| Listed {
        path,
        driver: String::new(),
        outputs: Vec::new(),
        error: Some(explained(&error)),
    };
    let listed = |path: PathBuf| {
        let card = match Card::open(&path) {
            Ok(card) => card,
            Err(error) => return unknown(path, error),
        };
        match outputs(&card) {
            Ok(outputs) => {
                let outputs = outputs.into_iter().map(|output| listed_output(output, settings)).collect();
                Listed { path, driver: card.driver(), outputs, error: None }
            }
            Err(error) => Listed { driver: card.driver(), ..unknown(path, error) },
        }
    };
    card::paths().into_iter().map(listed).collect()
}

fn listed_output(output: Output, settings: &config::Screen) -> ListedOutput {
    let modes: Vec<Timing> = output.modes.iter().map(Timing::of).collect();
    let chosen = choose::choose(&modes, settings.mode).ok().map(|index| modes[index]);
    ListedOutput { name: output.name, connected: output.is_connected, monitor: output.monitor, modes, chosen }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} ({})", self.path.display(), self.driver)?;
        if let Some(error) = &self.error {
            writeln!(f, "    {error}")?;
        }
        for output in &self.outputs {
            let monitor = output.monitor.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
            let state = if output.connected { "monitor" } else { "nothing" };
            writeln!(f, "    {}: {state}{monitor}", output.name)?;
            for mode in &output.modes {
                let rate = f64::from(mode.refresh_mhz) / 1000.0;
                let scan = if mode.interlaced { " interlaced" } else { "" };
                let liked = if mode.preferred { " preferred" } else { "" };
                writeln!(f, "      {}x{}@{rate:.2}{scan}{liked}", mode.width, mode.height)?;
            }
        }
        Ok(())
    }
}
