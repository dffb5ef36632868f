//! `pack.toml`: reading, checking and writing it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::words::MAX_FILE;
use super::{Atlas, Words};

/// The pack format this version writes. It reads those before too, back to the first.
pub const FORMAT: u32 = 3;
const OLDEST_FORMAT: u32 = 1;
/// What is longer of a class name is cut off: it is written on screens.
const MAX_CLASS_NAME: usize = 60;

/// Inputs and an output of graphs of format 3, by which a layer is led by other pictures (`deploy/reference/graph-pack.md`): features of so many
/// positions of a picture, how much these lead, the maps of the picture that is caricatured, and how much that is.
pub const GUIDE: &str = "guide";
pub const GUIDE_POSITIONS: usize = 64;
pub const GUIDED: &str = "guided";
pub const SEEN: &str = "seen";
pub const CARICATURE: &str = "caricature";
pub const LEADING: [&str; 4] = [GUIDE, GUIDED, SEEN, CARICATURE];
pub const MAPS: &str = "maps";

/// What `pack.toml` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the pack format, [`FORMAT`].
    pub format: u32,
    /// The pack's name, as in `pack/layer`: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The network in a person's words, "MobileNetV2 trunk, ImageNet-1k".
    pub network: String,
    /// Where the weights came from.
    pub source: String,
    /// Licence of the weights, as an SPDX expression where there is one.
    pub licence: String,
    /// The layer dreamed when nobody chose one.
    pub default_layer: String,
    /// File of class names, one a line, in the order of the classifier's scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Graph from `image` to class scores, where the network has a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognise: Option<String>,
    /// What the network was trained to see.
    pub input: Input,
    /// SHA-256 (hexadecimal) of every other file of the pack.
    pub files: BTreeMap<String, String>,
    /// The layers that can be dreamed, shallow to deep.
    #[serde(rename = "layer")]
    pub layers: Vec<Layer>,
    /// What its neurons dream of, where that was drawn.
    #[serde(skip)]
    pub atlas: Option<Atlas>,
}

/// The network's own idea of a picture. The graphs apply it themselves; it is stated for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `RGB` or `BGR`: the order the network was trained on. The graphs always take RGB.
    pub channels: String,
    /// Subtracted from RGB in 0..1, a value each for R, G, B.
    pub mean: [f32; 3],
    /// Divided by after that, a value each for R, G, B.
    pub std: [f32; 3],
}

/// A layer that can be dreamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its name: the alias given at export, or the tensor's own.
    pub name: String,
    /// Its graph, a file of the pack.
    pub file: String,
    /// The tensor of the original network.
    pub tensor: String,
    /// Channels of the layer: the length of the graph's `neurons` and `activation`.
    pub channels: usize,
    /// Picture pixels a position of the layer covers in each direction.
    pub stride: usize,
    /// Multiply-adds a picture pixel costs, one whole ascent (there and back).
    pub macs_per_pixel: f64,
    /// How it looks, in a phrase.
    #[serde(default)]
    pub look: String,
    /// A step that suits it, on the 0..255 scale of the picture.
    #[serde(default = "default_step")]
    pub step: f64,
    /// Named neuron groups, each in the grammar of [`super::Neurons`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
    /// What is raised when it is dreamed.
    #[serde(default, skip_serializing_if = "Objective::is_squared")]
    pub objective: Objective,
    /// File of everyday words, each for some of its neurons ([`super::Words`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// What stands in that.
    #[serde(skip)]
    pub vocabulary: Words,
    /// Inputs beyond the five of the contract (`deploy/reference/graph-pack.md`), and the values each is given; one fills it whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Vec<f32>>,
}

impl Layer {
    /// Whether it can be led by other pictures.
    pub fn can_be_led(&self) -> bool {
        LEADING.iter().all(|name| self.inputs.contains_key(*name))
    }
}

/// What is raised when a layer is dreamed, as a function of its activations *a* and its neurons' weights *w*.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// ½ · mean(w · a²): what is there already grows.
    #[default]
    Squared,
    /// mean(w · a) where w is positive, mean(w · max(a, 0)) where it is negative: what is wanted appears, and what is not wanted goes, but
    /// nothing is driven on that is gone. For class scores.
    Linear,
}

impl Objective {
    fn is_squared(&self) -> bool {
        *self == Objective::Squared
    }
}

fn default_step() -> f64 {
    1.75
}

/// Why a pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {message}")]
    Manifest { path: PathBuf, message: String },
    #[error("{path} is damaged: its SHA-256 is not the one in pack.toml; copy the pack again")]
    Damaged { path: PathBuf },
    #[error(
        "no graph packs found in {searched}; install one, or name a folder of packs with `--packs` or the config key `packs`"
    )]
    NoPacks { searched: String },
    #[error("no layer is called `{name}`{}; there are: {known}", crate::did_you_mean(.nearest.as_deref()))]
    UnknownLayer { name: String, nearest: Option<String>, known: String },
    #[error("`{name}` is a layer of several packs: say {choices}")]
    AmbiguousLayer { name: String, choices: String },
    #[error("two packs are called `{name}`: {first} and {second}; remove one or export it with another --name")]
    SameName { name: String, first: PathBuf, second: PathBuf },
}

impl Manifest {
    /// Reads and checks `dir/pack.toml`, and the words of its layers. The hashes are checked by [`Manifest::verify`], which reads every file.
    pub fn read(dir: &Path) -> Result<Manifest, PackError> {
        let path = dir.join("pack.toml");
        let text = std::fs::read_to_string(&path).map_err(|source| PackError::Read { path: path.clone(), source })?;
        let mut manifest: Manifest = toml::from_str(&text)
            .map_err(|e| PackError::Manifest { path: path.clone(), message: e.to_string().trim_end().to_owned() })?;
        manifest.check().map_err(|message| PackError::Manifest { path, message })?;
        for layer in &mut manifest.layers {
            let Some(file) = &layer.words else { continue };
            let path = dir.join(file);
            let text = read_text(&path)?;
            let words = Words::read(&text, layer.channels);
            layer.vocabulary = words.map_err(|message| PackError::Manifest { path, message })?;
        }
        manifest.atlas = Atlas::read(dir).unwrap_or_else(|error| {
            // It is for looking things up: a mirror dreams without.
            tracing::warn!("{error}; there are no thumbnails of {}", manifest.name);
            None
        });
        Ok(manifest)
    }

    /// The names of the classes, in the order of the classifier's scores; none where the pack of `dir` has none.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn class_names(&self, dir: &Path) -> Result<Option<Vec<String>>, PackError> {
        let Some(file) = &self.labels else { return Ok(None) };
        let text = read_text(&dir.join(file))?;
        let name = |line: &str| line.chars().take(MAX_CLASS_NAME).collect();
        Ok(Some(text.lines().map(name).collect()))
    }

    fn check(&self) -> Result<(), String> {
        if !(OLDEST_FORMAT..=FORMAT).contains(&self.format) {
            return Err(format!(
                "pack format {} is not one that this version reads ({OLDEST_FORMAT} to {FORMAT}); export the network again",
                self.format
            ));
        }
        check_name("name", &self.name)?;
        if self.layers.is_empty() {
            return Err("there is no [[layer]]".to_owned());
        }
        if !self.layers.iter().any(|l| l.name == self.default_layer) {
            return Err(format!("default_layer `{}` is not one of its layers", self.default_layer));
        }
        for (i, layer) in self.layers.iter().enumerate() {
            if self.layers[..i].iter().any(|other| other.name == layer.name) {
                return Err(format!("two layers are called `{}`", layer.name));
            }
            if layer.channels == 0 || layer.stride == 0 {
                return Err(format!("layer `{}`: channels and stride are at least 1", layer.name));
            }
            if let Some(file) = self.unlisted([Some(&layer.file), layer.words.as_ref()]) {
                return Err(format!("layer `{}`: its file `{file}` is not under [files]", layer.name));
            }
        }
        if let Some(file) = self.unlisted([self.labels.as_ref(), self.recognise.as_ref()]) {
            return Err(format!("its file `{file}` is not under [files]"));
        }
        // A pack may come from a stranger: it names files of its own folder only.
        for name in self.files.keys() {
            if !is_plain_name(name) {
                return Err(format!("[files] names `{name}`, which is not a plain file name"));
            }
        }
        Ok(())
    }

    /// The first of `files` that is not under `[files]`.
    fn unlisted<'a>(&self, files: [Option<&'a String>; 2]) -> Option<&'a String> {
        files.into_iter().flatten().find(|file| !self.files.contains_key(*file))
    }

    /// Compares every file of the pack in `dir` with its hash.
    pub fn verify(&self, dir: &Path) -> Result<(), PackError> {
        for (name, expected) in &self.files {
            let path = dir.join(name);
            let bytes = std::fs::read(&path).map_err(|source| PackError::Read { path: path.clone(), source })?;
            if !hex_sha256(&bytes).eq_ignore_ascii_case(expected) {
                return Err(PackError::Damaged { path });
            }
        }
        Ok(())
    }

    /// The text of `pack.toml`.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a manifest is plain tables, strings and numbers")
    }
}

/// Whether `name` is that of a file in the same folder.
pub(super) fn is_plain_name(name: &str) -> bool {
    Path::new(name).components().count() == 1 && !name.starts_with('.') && !Path::new(name).is_absolute()
}

/// The text at `path`, of a size that may be read: a pack may come from a stranger.
pub(super) fn read_text(path: &Path) -> Result<String, PackError> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
    read.map(|_| text).map_err(|source| PackError::Read { path: path.to_owned(), source })
}

/// SHA-256 in lower-case hexadecimal, as `pack.toml` writes it.
pub fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_name(key: &str, name: &str) -> Result<(), String> {
    let fine = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if fine { Ok(()) } else { Err(format!("{key} `{name}`: letters, digits, `-`, `_` and `.` only")) }
}
