//! `reverie export`: any ONNX classifier → a graph pack.

use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::BadInput;
use crate::export::{
    self, About, Candidate, ExportError, Gradients, LEAKS, LayerRequest, MaxPool, Network, Options, Saturated,
};

/// Make a graph pack for dreaming from a trained ONNX network
///
/// A pack holds one graph for each chosen layer: forward pass to the layer, backward pass to the picture, smoothing, one ascent step.
/// --list shows the layers of a network; early ones give strokes and patterns, late ones animals and buildings.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reverie export mobilenet.onnx --list
  reverie export mobilenet.onnx --layers f12=/features/12/Add,f15=/features/15/Conv --out models/mobilenet
  reverie export caffe.onnx --layers pool5 --bgr --mean 0.485,0.458,0.408 --std 0.00392,0.00392,0.00392 --out models/caffe")]
pub struct Args {
    /// The trained network, an ONNX file
    network: PathBuf,

    /// List the layers that can be dreamed, then exit
    #[arg(long)]
    list: bool,

    /// Layers to export, by the names --list shows; NAME=TENSOR gives one a name of your own
    #[arg(long, value_name = "[NAME=]TENSOR,…")]
    layers: Vec<String>,

    /// Folder of the pack
    #[arg(long, short, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,

    /// TOML file with the values of the flags below, and each layer's look, step and neuron groups
    #[arg(long, value_name = "FILE")]
    about: Option<PathBuf>,

    /// The pack's name [default: that of its folder]
    #[arg(long)]
    name: Option<String>,

    /// Description of the network, such as "MobileNetV2, ImageNet-1k"
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,

    /// Where the weights came from
    #[arg(long)]
    source: Option<String>,

    /// Licence of the weights, an SPDX expression
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,

    /// File with the licence's text, copied into the pack
    #[arg(long, value_name = "FILE")]
    licence_file: Option<PathBuf>,

    /// File of class names, one a line, copied into the pack
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,

    /// File of words for classes, `name, name | Name | nom = 3,7-9` a line, copied into the pack [default: the class names]
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,

    /// The layer dreamed unless another is chosen [default: the first of --layers]
    #[arg(long, value_name = "NAME")]
    default_layer: Option<String>,

    /// What the network subtracts from R, G, B in 0..1 [default: 0.485,0.456,0.406]
    #[arg(long, value_name = "R,G,B", value_parser = rgb, allow_hyphen_values = true)]
    mean: Option<[f32; 3]>,

    /// What it then divides by [default: 0.229,0.224,0.225]
    #[arg(long, value_name = "R,G,B", value_parser = rgb)]
    std: Option<[f32; 3]>,

    /// The network was trained on BGR pictures (Caffe's were); --mean and --std stay in the order R, G, B
    #[arg(long)]
    bgr: bool,

    /// Add a graph that recognises, down to this tensor of class scores; `auto` takes the network's output
    #[arg(long, value_name = "TENSOR|auto")]
    recognise: Option<String>,

    /// Gradient of max-pools: all to each window's largest position, or spread evenly
    #[arg(long, value_enum, default_value_t = MaxPoolArg::Exact)]
    max_pool: MaxPoolArg,

    /// Gradient of activations with an upper bound (ReLU6) at that bound: it passes, which is faster, or stops, which is exact
    #[arg(long, value_enum, default_value_t = SaturatedArg::Passes)]
    saturated: SaturatedArg,

    /// How much of the gradient passes where an activation (ReLU) is shut: 0 is exact; 0.1 makes classes into whole things
    #[arg(long, value_name = "0..0.5", default_value_t = 0.0, value_parser = leak)]
    leak: f32,

    /// Replace an existing pack
    #[arg(long)]
    force: bool,

    /// Add the raw gradient at the picture to each graph as an output `gradient`, for verification
    #[arg(long, hide_short_help = true)]
    gradient: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum MaxPoolArg {
    Exact,
    Smooth,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum SaturatedArg {
    Passes,
    Stops,
}

fn leak(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number| LEAKS.contains(number));
    number.ok_or_else(|| "a number from 0 to 0.5".to_owned())
}

fn rgb(text: &str) -> Result<[f32; 3], String> {
    let values: Result<Vec<f32>, _> = text.split(',').map(|v| v.trim().parse()).collect();
    values.ok().and_then(|v| v.try_into().ok()).ok_or_else(|| "three numbers, as in 0.485,0.456,0.406".to_owned())
}

/// Lists the layers or writes the pack.
pub fn run(args: Args) -> anyhow::Result<()> {
    let network = Network::read(&args.network).map_err(classify)?;
    if args.list {
        print!("{}", table(&export::candidates(&network)));
        return Ok(());
    }
    let options = options(args, &network)?;
    let bar = ProgressBar::new(options.about.layers.len() as u64 + u64::from(options.about.recognise.is_some()));
    bar.set_style(ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}").expect("a template that parses"));
    let manifest = export::pack(&network, &options, |file| {
        bar.set_message(file.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    let manifest = manifest.map_err(classify)?;
    for layer in &manifest.layers {
        let (channels, stride, macs) = (layer.channels, layer.stride, layer.macs_per_pixel);
        println!("{:<24} {channels:>5} channels, stride {stride}, {macs:.0} multiply-adds a pixel", layer.name);
    }
    println!("{}: pack `{}`", options.out.display(), manifest.name);
    Ok(())
}

/// Errors of the network or the flags are the caller's, those of writing are not.
fn classify(error: ExportError) -> anyhow::Error {
    match error {
        ExportError::Write { .. } => error.into(),
        caller => BadInput(caller.to_string()).into(),
    }
}

/// The flags over the file given as `--about`.
fn options(args: Args, network: &Network) -> anyhow::Result<Options> {
    let file = match &args.about {
        Some(path) => read_about(path)?,
        None => About::default(),
    };
    let about = About {
        name: args.name.or(file.name),
        network: args.title.or(file.network),
        source: args.source.or(file.source),
        licence: args.licence.or(file.licence),
        licence_file: args.licence_file.or(file.licence_file),
        labels: args.labels.or(file.labels),
        words: args.words.or(file.words),
        default_layer: args.default_layer.or(file.default_layer),
        mean: args.mean.or(file.mean),
        std: args.std.or(file.std),
        channels: if args.bgr { Some("BGR".to_owned()) } else { file.channels },
        recognise: args.recognise.or(file.recognise),
        layers: chosen(&args.layers, file.layers, network),
    };
    if let Some(mean) = about.mean.filter(|mean| mean.iter().any(|value| value.abs() > 1.0)) {
        let [red, green, blue] = mean.map(|value| value / 255.0);
        let why = "is for pixel values from 0 to 1: divide it and the standard deviation by 255";
        return Err(BadInput(format!("--mean {why}: --mean {red:.4},{green:.4},{blue:.4}")).into());
    }
    Ok(Options {
        out: args.out.ok_or_else(|| BadInput("--out names the pack's folder".to_owned()))?,
        about,
        gradients: Gradients {
            max_pool: match args.max_pool {
                MaxPoolArg::Exact => MaxPool::Exact,
                MaxPoolArg::Smooth => MaxPool::Smooth,
            },
            saturated: match args.saturated {
                SaturatedArg::Passes => Saturated::Passes,
                SaturatedArg::Stops => Saturated::Stops,
            },
            leak: args.leak,
        },
        show_gradient: args.gradient,
        replace: args.force,
    })
}

/// Reads the file; paths in it are relative to it.
fn read_about(path: &Path) -> anyhow::Result<About> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut about: About =
        toml::from_str(&text).map_err(|e| BadInput(format!("{}: {}", path.display(), e.to_string().trim_end())))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for file in [&mut about.labels, &mut about.words, &mut about.licence_file].into_iter().flatten() {
        *file = folder.join(&*file);
    }
    Ok(about)
}

/// The layers of the command line, with their values from the file; without any, all layers of the file.
fn chosen(layers: &[String], file: Vec<LayerRequest>, network: &Network) -> Vec<LayerRequest> {
    if layers.is_empty() {
        return file;
    }
    let in_file = |name: &str| file.iter().find(|l| l.name.as_deref() == Some(name) || l.tensor == name);
    let asked =
        layers.iter().flat_map(|text| export::split_layers(text, |name| network.has(name) || in_file(name).is_some()));
    let request = |(name, tensor): (Option<&str>, &str)| {
        let name = name.map(str::to_owned);
        match in_file(tensor) {
            Some(known) => LayerRequest { name: name.or(known.name.clone()), ..known.clone() },
            None => LayerRequest { name, tensor: tensor.to_owned(), ..LayerRequest::default() },
        }
    };
    asked.map(request).collect()
}

/// The candidates as a table for people.
fn table(candidates: &[Candidate]) -> String {
    let width = candidates.iter().map(|c| c.tensor.chars().count()).max().unwrap_or(0).clamp(5, 60);
    let mut text = format!("{:<width$}  {:<20} {:>8} {:>6}  MACS/PIXEL\n", "LAYER", "MADE BY", "CHANNELS", "STRIDE");
    for Candidate { tensor, operator, layer } in candidates {
        text += &match layer {
            Ok(layer) => format!(
                "{tensor:<width$}  {operator:<20} {:>8} {:>6}  {:>10.0}\n",
                layer.channels, layer.stride, layer.macs_per_pixel
            ),
            Err(why) => format!("{tensor:<width$}  {operator:<20} stops here: {why}\n"),
        };
    }
    text += "\nMACS/PIXEL: multiply-adds of one ascent for each pixel of the picture, forward and backward pass.\n";
    text
}
