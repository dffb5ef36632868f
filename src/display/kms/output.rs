//! A card's outputs, the monitors on them, and which one is used.

use std::fmt;
use std::io;
use std::path::PathBuf;

use drm::control::{Device as _, Mode, connector, crtc};
use serde::Serialize;

use super::card::{self, Card};
use super::choose::{self, Timing};
use super::edid::monitor_name;
use super::explain;
use crate::display::{self, Settings};

/// One output.
pub struct Output {
    pub connector: connector::Handle,
    /// `HDMI-A-1`.
    pub name: String,
    pub state: connector::State,
    /// The monitor's name, where it reports one.
    pub monitor: Option<String>,
    pub modes: Vec<Mode>,
    encoders: Vec<drm::control::encoder::Handle>,
}

impl Output {
    /// Whether something can be shown there. Some outputs cannot detect a monitor: their state is unknown.
    fn is_usable(&self) -> bool {
        self.state != connector::State::Disconnected && !self.modes.is_empty()
    }
}

/// The outputs of `card`, probed for monitors; those known to have one first.
pub fn outputs(card: &Card) -> io::Result<Vec<Output>> {
    // One that cannot be read was just unplugged.
    let read = card.connectors()?.into_iter().filter_map(|connector| read(card, connector, true).ok());
    let mut outputs: Vec<Output> = read.collect();
    outputs.sort_by_key(|output| output.state != connector::State::Connected);
    Ok(outputs)
}

/// One output; `probe` asks the monitor, which takes a moment, instead of trusting what was known.
pub fn read(card: &Card, connector: connector::Handle, probe: bool) -> io::Result<Output> {
    let info = card.get_connector(connector, probe)?;
    let edid = card.property(connector, "EDID").filter(|(_, blob)| *blob != 0);
    let edid = edid.and_then(|(_, blob)| card.get_property_blob(blob).ok());
    Ok(Output {
        connector,
        name: info.to_string(),
        state: info.state(),
        monitor: edid.as_deref().and_then(monitor_name),
        modes: info.modes().to_vec(),
        encoders: info.encoders().to_vec(),
    })
}

/// The output that `settings` name, or the first that has the wanted mode; and that mode.
///
/// # Errors
/// There is none; the message lists those there are.
pub fn choose<'a>(outputs: &'a [Output], settings: &Settings) -> Result<(&'a Output, Mode), String> {
    let names = || outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>().join(", ");
    let is_named = |output: &&Output| settings.connector.as_ref().is_none_or(|name| name == &output.name);
    if let Some(name) = &settings.connector
        && !outputs.iter().any(|output| is_named(&output))
    {
        return Err(format!("there is no output {name}, but {}", names()));
    }
    let usable = outputs.iter().filter(is_named).filter(|output| output.is_usable());
    let mut missing = None;
    for output in usable {
        match mode(output, settings.mode) {
            Ok(mode) => return Ok((output, mode)),
            Err(reason) => missing = missing.or(Some(format!("{}: {reason}", output.name))),
        }
    }
    Err(missing.unwrap_or_else(|| format!("no monitor on {}", settings.connector.clone().unwrap_or_else(names))))
}

/// The mode of `output` that is `wanted`.
pub fn mode(output: &Output, wanted: display::Mode) -> Result<Mode, String> {
    let timings: Vec<Timing> = output.modes.iter().map(Timing::of).collect();
    choose::choose(&timings, wanted).map(|index| output.modes[index])
}

/// The CRTC for `output`: the one that drives it already, else the first that can.
pub fn free_crtc(card: &Card, output: &Output) -> io::Result<crtc::Handle> {
    let mut able = Vec::new();
    for encoder in &output.encoders {
        let Ok(info) = card.get_encoder(*encoder) else { continue };
        if let Some(crtc) = info.crtc() {
            return Ok(crtc);
        }
        able.extend(card.crtcs_of(*encoder)?);
    }
    able.first().copied().ok_or_else(|| io::Error::other("nothing on the card can drive this output"))
}

/// A card and its outputs, for `reverie devices`.
#[derive(Debug, Serialize)]
pub struct CardInfo {
    pub path: PathBuf,
    pub driver: String,
    pub outputs: Vec<OutputInfo>,
    /// What would be shown on: `HDMI-A-1 1920x1080@60`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct OutputInfo {
    pub name: String,
    pub connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    pub modes: Vec<Timing>,
}

/// Every card and its outputs.
pub fn survey(settings: &Settings) -> Vec<CardInfo> {
    let unknown = |path, error: io::Error| CardInfo {
        path,
        driver: String::new(),
        outputs: Vec::new(),
        chosen: None,
        error: Some(explain(&error)),
    };
    let card_info = |path: PathBuf| {
        let card = match Card::open(&path) {
            Ok(card) => card,
            Err(error) => return unknown(path, error),
        };
        match outputs(&card) {
            Ok(outputs) => {
                let chosen = choose(&outputs, settings)
                    .ok()
                    .map(|(output, mode)| format!("{} {}", output.name, mode_name(&mode)));
                let outputs = outputs.into_iter().map(output_info).collect();
                CardInfo { path, driver: card.driver(), outputs, chosen, error: None }
            }
            Err(error) => CardInfo { driver: card.driver(), ..unknown(path, error) },
        }
    };
    card::paths().into_iter().map(card_info).collect()
}

fn output_info(output: Output) -> OutputInfo {
    let modes = output.modes.iter().map(Timing::of).collect();
    let connected = output.state == connector::State::Connected;
    OutputInfo { name: output.name, connected, monitor: output.monitor, modes }
}

/// `1920x1080@60`.
pub fn mode_name(mode: &Mode) -> String {
    let timing = Timing::of(mode);
    format!("{}x{}@{:.0}", timing.width, timing.height, f64::from(timing.refresh_mhz) / 1000.0)
}

impl fmt::Display for CardInfo {
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
