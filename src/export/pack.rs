//! Writing the pack: every layer's graph, the weights they share, and the manifest, whole or not at all.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use prost::Message;
use serde::Deserialize;

use super::error::ExportError;
use super::graph::{self, Normalisation, Target};
use super::network::Network;
use super::trace::Gradients;
use super::weights::{WEIGHTS_FILE, Weights};
use crate::pack::{FORMAT, GUIDE, Input, LEADING, Layer, Manifest, Objective, SEEN, Words, hex_sha256};

/// The file of words for classes.
const WORDS_FILE: &str = "words.txt";

/// A layer to export.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRequest {
    /// What it is to be called; the tensor's own name where nothing is said.
    pub name: Option<String>,
    /// The tensor of the network.
    pub tensor: String,
    /// How it looks, in a phrase.
    #[serde(default)]
    pub look: String,
    /// A step that suits it, on the 0..255 scale.
    pub step: Option<f64>,
    /// Named neuron groups.
    #[serde(default)]
    pub groups: BTreeMap<String, String>,
    /// What is raised: of class scores `linear`, of other layers `squared`, unless it is said here.
    pub objective: Option<Objective>,
    /// How much of the gradient passes where an activation is shut, where that is another than [`Options::gradients`] has.
    pub leak: Option<f32>,
}

impl LayerRequest {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.tensor)
    }

    fn target(&self) -> Target<'_> {
        Target { tensor: &self.tensor, objective: self.objective }
    }

    /// The inputs of its graph beyond the contract's, and what they are given.
    fn inputs(&self, has_classes: bool) -> BTreeMap<String, Vec<f32>> {
        // What leads by nothing has an ordinary size all the same: half precision has no room to bring zeros to one.
        let unled = |name| if [GUIDE, SEEN].contains(&name) { 1.0 } else { 0.0 };
        let led = LEADING.into_iter().filter(|_| !has_classes).map(|name| (name, unled(name)));
        led.map(|(name, value)| (name.to_owned(), vec![value])).collect()
    }
}

/// How much of the gradient may pass where an activation is shut: with more, next to nothing is left of what the network sees (benches/recipes).
pub const LEAKS: RangeInclusive<f32> = 0.0..=0.5;

/// What a pack says about its network: the contents of the file given as `--about`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The pack's name.
    pub name: Option<String>,
    /// The network in a person's words.
    pub network: Option<String>,
    /// Where the weights came from.
    pub source: Option<String>,
    /// Licence of the weights.
    pub licence: Option<String>,
    /// File with the licence's text, copied into the pack.
    pub licence_file: Option<PathBuf>,
    /// File of class names, one a line, copied into the pack.
    pub labels: Option<PathBuf>,
    /// File of words for classes, copied into the pack; none: the class names are their words.
    pub words: Option<PathBuf>,
    /// The layer dreamed when nobody chose one.
    pub default_layer: Option<String>,
    /// Subtracted from R, G, B in 0..1.
    pub mean: Option<[f32; 3]>,
    /// Divided by after that.
    pub std: Option<[f32; 3]>,
    /// `RGB` or `BGR`.
    pub channels: Option<String>,
    /// Tensor of class scores, or `auto`.
    pub recognise: Option<String>,
    /// The layers.
    #[serde(default, rename = "layer")]
    pub layers: Vec<LayerRequest>,
}

/// Whether the pack recognises, and what the class scores are.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Recognise {
    /// No classifier.
    #[default]
    No,
    /// The network's output.
    Auto,
    /// This tensor.
    Tensor(String),
}

/// How to export.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The pack's folder.
    pub out: PathBuf,
    /// What the pack says of itself, its layers included.
    pub about: About,
    /// How gradients are taken.
    pub gradients: Gradients,
    /// Whether each graph gives the raw gradient at the picture too, for verification.
    pub show_gradient: bool,
    /// Whether a pack that is there already is replaced.
    pub replace: bool,
}

/// Exports the layers of `options` from `network` into a new pack. `progress` is called with the name of each graph before it is made.
pub fn pack(network: &Network, options: &Options, mut progress: impl FnMut(&str)) -> Result<Manifest, ExportError> {
    let about = &options.about;
    check_layers(&about.layers)?;
    check_target(&options.out, options.replace)?;
    let normalisation = normalisation(about, network.takes_bytes)?;
    let recognise = match about.recognise.as_deref() {
        None | Some("") => Recognise::No,
        Some("auto") => Recognise::Auto,
        Some(tensor) => Recognise::Tensor(tensor.to_owned()),
    };

    let mut network = network.clone();
    network.keep_axis_of_gathers();
    let kept = about.layers.iter().map(|layer| layer.tensor.clone());
    network.fold_batch_norms(&kept.collect());
    let mut weights = Weights::default();
    let mut files = Files::begin(&options.out)?;
    let mut layers = Vec::new();
    let words = words(about)?;
    for (request, file) in about.layers.iter().zip(file_names(&about.layers)) {
        progress(request.name());
        let graph = graph::dream(
            &network,
            request.target(),
            &normalisation,
            Gradients { leak: request.leak.unwrap_or(options.gradients.leak), ..options.gradients },
            options.show_gradient,
            &mut weights,
        )?;
        files.add(&file, &graph.model.encode_to_vec())?;
        layers.push(Layer {
            name: request.name().to_owned(),
            file,
            tensor: request.tensor.clone(),
            channels: graph.channels,
            stride: graph.stride,
            macs_per_pixel: graph.macs_per_pixel,
            look: request.look.clone(),
            step: request.step.unwrap_or(1.75),
            groups: request.groups.clone(),
            objective: graph.objective,
            words: words
                .as_ref()
                .filter(|words| graph.has_classes && words.fit(graph.channels))
                .map(|_| WORDS_FILE.to_owned()),
            vocabulary: Words::default(),
            inputs: request.inputs(graph.has_classes),
        });
    }
    let default_layer = about.default_layer.clone().unwrap_or_else(|| layers[0].name.clone());
    if !layers.iter().any(|l| l.name == default_layer) {
        return Err(ExportError::Options(format!("the default layer `{default_layer}` is not one of the layers")));
    }
    let depth = |layer: &Layer| network.nodes.iter().position(|n| n.outputs.contains(&layer.tensor));
    layers.sort_by_key(depth);

    let recogniser = match recognise {
        Recognise::No => None,
        Recognise::Auto => match network.outputs.as_slice() {
            [one] => Some(one.clone()),
            several => {
                return Err(ExportError::Options(format!(
                    "the network has {} outputs; say which holds the class scores with --recognise TENSOR",
                    several.len()
                )));
            }
        },
        Recognise::Tensor(tensor) => Some(tensor),
    };
    let recognise = match recogniser {
        None => None,
        Some(tensor) => {
            progress("recognise");
            let model = graph::recognise(&network, &tensor, &normalisation, &mut weights)?;
            files.add("recognise.onnx", &model.encode_to_vec())?;
            Some("recognise.onnx".to_owned())
        }
    };
    files.add(WEIGHTS_FILE, weights.bytes())?;
    match words {
        Some(ClassWords { text, .. }) if layers.iter().any(|layer| layer.words.is_some()) => {
            files.add(WORDS_FILE, text.as_bytes())?
        }
        _ if about.words.is_some() => {
            return Err(ExportError::Options("--words: none of the layers has classes for neurons".to_owned()));
        }
        _ => {}
    }
    let labels = about.labels.as_deref().map(|path| files.copy(path, "labels.txt")).transpose()?;
    about.licence_file.as_deref().map(|path| files.copy(path, "LICENSE")).transpose()?;

    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "not stated".to_owned());
    let manifest = Manifest {
        format: FORMAT,
        name: pack_name(options)?,
        network: or_unknown(&about.network),
        source: or_unknown(&about.source),
        licence: or_unknown(&about.licence),
        default_layer,
        labels,
        recognise,
        input: Input {
            channels: if normalisation.bgr { "BGR" } else { "RGB" }.to_owned(),
            mean: normalisation.mean,
            std: normalisation.std,
        },
        files: files.hashes.clone(),
        layers,
        atlas: None,
    };
    files.finish(&manifest, &options.out)
}

/// Words of classes.
struct ClassWords {
    text: String,
    /// Of how many classes; none: of any number.
    classes: Option<usize>,
}

impl ClassWords {
    fn fit(&self, channels: usize) -> bool {
        self.classes.is_none_or(|classes| classes == channels)
    }
}

/// The words of the classes: those given, else their names.
fn words(about: &About) -> Result<Option<ClassWords>, ExportError> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|source| ExportError::Read { path: path.clone(), source })
    };
    if let Some(file) = &about.words {
        return Ok(Some(ClassWords { text: read(file)?, classes: None }));
    }
    let Some(labels) = about.labels.as_ref().map(read).transpose()? else { return Ok(None) };
    // A comma parts names here as there; the others mean something else there.
    let names = |label: &str| label.replace(['|', '='], " ");
    let is_word = |label: &str| label.contains(char::is_alphanumeric);
    let lines = labels.lines().enumerate().filter(|(_, label)| is_word(label));
    let text = lines.map(|(class, label)| format!("{} = {class}\n", names(label))).collect();
    Ok(Some(ClassWords { text, classes: Some(labels.lines().count()) }))
}

fn check_layers(layers: &[LayerRequest]) -> Result<(), ExportError> {
    if layers.is_empty() {
        return Err(ExportError::Options(
            "no layer is given: name some with --layers, and see which there are with --list".to_owned(),
        ));
    }
    if layers.iter().any(|layer| layer.name().is_empty()) {
        return Err(ExportError::Options(
            "a layer is called by an empty name: give its own, or NAME=TENSOR".to_owned(),
        ));
    }
    if let Some(layer) = layers.iter().find(|layer| layer.leak.is_some_and(|leak| !LEAKS.contains(&leak))) {
        let name = layer.name();
        return Err(ExportError::Options(format!("layer `{name}`: `leak` is a number from 0 to {}", LEAKS.end())));
    }
    let mut seen = HashSet::new();
    match layers.iter().find(|l| !seen.insert(l.name())) {
        Some(twice) => Err(ExportError::Options(format!("two layers are called `{}`", twice.name()))),
        None => Ok(()),
    }
}

fn normalisation(about: &About, takes_bytes: bool) -> Result<Normalisation, ExportError> {
    let usual = match takes_bytes {
        true => Normalisation { mean: [0.0; 3], std: [1.0 / 255.0; 3], bgr: false },
        false => Normalisation::default(),
    };
    let normalisation = Normalisation {
        mean: about.mean.unwrap_or(usual.mean),
        std: about.std.unwrap_or(usual.std),
        bgr: match about.channels.as_deref() {
            None | Some("RGB") => false,
            Some("BGR") => true,
            Some(other) => return Err(ExportError::Options(format!("channels `{other}`: RGB or BGR"))),
        },
    };
    let fine =
        normalisation.mean.iter().all(|m| m.is_finite()) && normalisation.std.iter().all(|s| s.is_finite() && *s > 0.0);
    if fine {
        Ok(normalisation)
    } else {
        Err(ExportError::Options("mean and std are finite numbers, std above 0".to_owned()))
    }
}

fn pack_name(options: &Options) -> Result<String, ExportError> {
    if let Some(name) = &options.about.name {
        return Ok(name.clone());
    }
    let folder = options.out.file_name().map(|n| n.to_string_lossy().into_owned());
    let name: String =
        folder.unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    if name.is_empty() {
        return Err(ExportError::Options("the pack has no name: give one with --name".to_owned()));
    }
    Ok(name)
}

/// A file name for each layer, from its name, different from each other.
fn file_names(layers: &[LayerRequest]) -> Vec<String> {
    let mut taken = HashSet::from(["recognise.onnx".to_owned()]);
    let mut names = Vec::new();
    for layer in layers {
        let plain: String =
            layer.name().chars().map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' }).collect();
        let stem: String = plain.trim_start_matches(['_', '.']).chars().take(80).collect();
        let stem = if stem.is_empty() { "layer".to_owned() } else { stem };
        let mut name = format!("{stem}.onnx");
        for n in 2.. {
            if taken.insert(name.to_lowercase()) {
                break;
            }
            name = format!("{stem}-{n}.onnx");
        }
        names.push(name);
    }
    names
}

/// Only a pack is ever replaced, and only when that was asked for.
fn check_target(out: &Path, replace: bool) -> Result<(), ExportError> {
    let is_pack = out.join("pack.toml").is_file();
    let is_empty = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if is_pack && !replace {
        return Err(ExportError::Options(format!("{} holds a pack already; --force replaces it", out.display())));
    }
    if out.exists() && !is_pack && !is_empty {
        return Err(ExportError::Options(format!(
            "{} is there and is not a pack, so it is left alone; name another folder",
            out.display()
        )));
    }
    Ok(())
}

/// The files of a pack being written into a folder beside its place; the folder goes unless it is finished.
struct Files {
    folder: PathBuf,
    hashes: BTreeMap<String, String>,
}

impl Files {
    fn begin(out: &Path) -> Result<Files, ExportError> {
        let folder = beside(out, "partial");
        std::fs::create_dir_all(&folder).map_err(|source| ExportError::Write { path: folder.clone(), source })?;
        Ok(Files { folder, hashes: BTreeMap::new() })
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        self.write(name, bytes)?;
        self.hashes.insert(name.to_owned(), hex_sha256(bytes));
        Ok(())
    }

    fn copy(&mut self, path: &Path, name: &str) -> Result<String, ExportError> {
        let bytes = std::fs::read(path).map_err(|source| ExportError::Read { path: path.to_owned(), source })?;
        self.add(name, &bytes)?;
        Ok(name.to_owned())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        use std::io::Write;
        let path = self.folder.join(name);
        let write = || {
            let mut file = std::fs::File::create(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|source| ExportError::Write { path: path.clone(), source })
    }

    /// Writes the manifest and puts the folder in its place. Returns what a reader reads of it.
    fn finish(self, manifest: &Manifest, out: &Path) -> Result<Manifest, ExportError> {
        self.write("pack.toml", manifest.to_toml().as_bytes())?;
        // What was written is read as any reader would, before it replaces anything.
        let read = Manifest::read(&self.folder).map_err(|e| ExportError::Options(e.to_string()))?;
        let put = || {
            if !out.exists() {
                return std::fs::rename(&self.folder, out);
            }
            let old = beside(out, "old");
            std::fs::rename(out, &old)?;
            std::fs::rename(&self.folder, out)?;
            std::fs::remove_dir_all(&old)
        };
        put().map_err(|source| ExportError::Write { path: out.to_owned(), source })?;
        Ok(read)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Gone already where it was finished.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A hidden folder in the same place, so that renaming it is one step.
fn beside(out: &Path, what: &str) -> PathBuf {
    let name = out.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    out.with_file_name(format!(".{name}.{what}-{}", std::process::id()))
}
