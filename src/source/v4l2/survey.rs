//! The list of cameras that `reverie devices` shows.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::modes::{Mode, Rates, Sizes};
use super::node::Node;
use super::{constraints, controls, nodes, offered, usable};
use crate::pixel_format::{FourCc, PixelFormat};
use crate::source::{Settings, SourceKind, supervisor};

/// Every camera, and the one that would be used.
#[derive(Debug, Serialize)]
pub struct Survey {
    pub cameras: Vec<Listed>,
    /// Those that the configuration names and that are not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<PathBuf>,
    /// The camera and mode that `reverie run` would use, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
}

/// One video node that captures.
#[derive(Debug, Serialize)]
pub struct Listed {
    pub path: PathBuf,
    /// Its name that stays the same, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_path: Option<PathBuf>,
    pub card: String,
    pub driver: String,
    pub bus: String,
    pub formats: Vec<ListedFormat>,
    /// Name and what it takes.
    pub controls: Vec<(String, String)>,
    /// The mode that would be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Mode>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct ListedFormat {
    pub name: FourCc,
    /// Whether we can read it.
    pub readable: bool,
    /// `640x480 at 30, 15`; `16x16 to 1920x1080`.
    pub sizes: Vec<String>,
}

/// Reads what every camera offers. Nothing is set or started, so that other programs may use them meanwhile.
pub fn survey(settings: &Settings) -> Survey {
    let wanted = supervisor::devices(settings);
    let cameras: Vec<Listed> = nodes().iter().filter_map(|path| look(path, settings)).collect();
    let is = |camera: &&Listed, path: &Path| path.canonicalize().is_ok_and(|path| path == camera.path);
    let used = wanted.iter().find_map(|path| cameras.iter().find(|camera| is(camera, path) && camera.chosen.is_some()));
    let used = used.filter(|_| matches!(settings.kind, SourceKind::Auto | SourceKind::V4l2));
    let chosen = used.and_then(|camera| Some(format!("{} {}", camera.path.display(), camera.chosen?)));
    let missing = wanted.into_iter().filter(|path| !path.exists()).collect();
    Survey { cameras, missing, chosen }
}

/// None for a node that is not for capturing at all, such as those for metadata.
fn look(path: &Path, settings: &Settings) -> Option<Listed> {
    let mut listed = Listed {
        path: path.to_owned(),
        stable_path: stable(path),
        card: String::new(),
        driver: String::new(),
        bus: String::new(),
        formats: Vec::new(),
        controls: Vec::new(),
        chosen: None,
        error: None,
    };
    let node = match Node::open(path) {
        Ok(node) => node,
        Err(reason) if reason == "captures no pictures" => return None,
        Err(reason) => return Some(Listed { error: Some(reason), ..listed }),
    };
    (listed.card, listed.driver, listed.bus) = (node.card.clone(), node.driver.clone(), node.bus.clone());
    listed.formats = node.formats().into_iter().map(|format| list_format(&node, format)).collect();
    listed.controls =
        controls::controls(&node).into_iter().map(|control| (control.name.clone(), control.range())).collect();
    let constraints = constraints(&node, settings);
    match usable(&offered(&node, &constraints), settings, &constraints) {
        Ok(modes) => listed.chosen = modes.first().copied(),
        Err(reason) => listed.error = Some(reason),
    }
    Some(listed)
}

fn list_format(node: &Node, name: FourCc) -> ListedFormat {
    let rates = |size| -> String {
        let rate = |rate: &Rates| match rate {
            Rates::Only(rate) => format!("{}", (rate * 100.0).round() / 100.0),
            Rates::Between(least, most) => format!("{least:.0} to {most:.0}"),
        };
        node.rates(name, size).iter().map(rate).collect::<Vec<_>>().join(", ")
    };
    let sizes = node.sizes(name).into_iter().map(|sizes| match sizes {
        Sizes::Only(width, height) => match rates((width, height)) {
            rates if rates.is_empty() => format!("{width}x{height}"),
            rates => format!("{width}x{height} at {rates}"),
        },
        Sizes::Steps { width, height } => format!("{}x{} to {}x{}", width.0, height.0, width.1, height.1),
    });
    ListedFormat { name, readable: PixelFormat::from_fourcc(name).is_some(), sizes: sizes.collect() }
}

/// The link below `/dev/v4l` that leads to `path`.
fn stable(path: &Path) -> Option<PathBuf> {
    let links = |folder| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    ["/dev/v4l/by-id", "/dev/v4l/by-path"]
        .into_iter()
        .flat_map(links)
        .find(|link| link.canonicalize().is_ok_and(|target| target == path))
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Cameras")?;
        if self.cameras.is_empty() {
            writeln!(f, "  none")?;
        }
        self.cameras.iter().try_for_each(|camera| camera.fmt(f))?;
        self.missing.iter().try_for_each(|path| writeln!(f, "  {} is configured and not there", path.display()))?;
        match &self.chosen {
            Some(chosen) => writeln!(f, "  used: {chosen}"),
            None => writeln!(f, "  used: none"),
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.driver.is_empty() {
            true => writeln!(f, "  {}", self.path.display())?,
            false => writeln!(f, "  {} {} ({}, {})", self.path.display(), self.card, self.driver, self.bus)?,
        }
        if let Some(link) = &self.stable_path {
            writeln!(f, "    {}", link.display())?;
        }
        for format in self.formats.iter().filter(|format| format.readable) {
            writeln!(f, "    {}", format.name)?;
            format.sizes.iter().try_for_each(|size| writeln!(f, "      {size}"))?;
        }
        let unread = self.formats.iter().filter(|format| !format.readable);
        let unread: Vec<String> = unread.map(|format| format.name.to_string()).collect();
        if !unread.is_empty() {
            writeln!(f, "    cannot be read: {}", unread.join(", "))?;
        }
        if !self.controls.is_empty() {
            writeln!(f, "    controls")?;
        }
        self.controls.iter().try_for_each(|(name, takes)| writeln!(f, "      {name}: {takes}"))?;
        if let Some(error) = &self.error {
            writeln!(f, "    {error}")?;
        }
        Ok(())
    }
}
