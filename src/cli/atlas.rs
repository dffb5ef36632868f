//! `reverie atlas`: what each neuron of a pack dreams of, on one sheet a layer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressStyle};

use super::{BadInput, load};
use crate::compositor::DreamInput;
use crate::display::{Caption, draw_caption};
use crate::dream::{Dreamer, Settings};
use crate::frame::Frame;
use crate::pack::{Catalogue, Layer, Manifest};
use crate::params::Params;
use crate::pixel::Scaler;
use crate::runtime::{Provider, Runtime, Settings as RuntimeSettings};
use crate::size::Size;

/// Draw what each neuron dreams of: a sheet for each layer, with numbers and names.
///
/// Every channel is dreamed by itself out of grey noise; of a layer whose neurons are classes, each of the commonest words.
#[derive(ClapArgs)]
pub struct Args {
    /// The pack: its folder, or its name where it is installed.
    #[arg(value_name = "PACK")]
    pack: PathBuf,
    /// The sheet: a .png, .jpg or .webp file. Of several layers each has a file of its own, `OUT-f12.png`.
    #[arg(long, value_name = "OUT")]
    sheet: PathBuf,
    /// Only these layers.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    layers: Vec<String>,
    /// Only the named groups.
    #[arg(long)]
    groups: bool,
    /// ONNX Runtime's library, or its folder.
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Execution providers in the order they are tried.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_values_t = Provider::ALL)]
    providers: Vec<Provider>,
}

/// Side of what is dreamed, and of its picture on the sheet.
const DREAMED: usize = 160;
const CELL: usize = 128;
/// Side of what is dreamed where neurons are classes, whose network looks at larger parts.
const DREAMED_OF_CLASSES: usize = 320;
/// The longest side of a WebP picture.
const MAX_SIDE: usize = 16_383;
/// Cells of a row.
const ACROSS: usize = 12;
/// Half the range of the noise, of 255.
const NOISE: u8 = 24;

pub fn run(args: &Args) -> anyhow::Result<()> {
    image::ImageFormat::from_path(&args.sheet)
        .map_err(|e| BadInput(format!("--sheet: {}: {e}", args.sheet.display())))?;
    if let Some(folder) = args.sheet.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(BadInput(format!("--sheet: there is no folder {}", folder.display())).into());
    }
    let is_folder = args.pack.join("pack.toml").is_file();
    let folders = if is_folder { vec![args.pack.clone()] } else { Vec::new() };
    let catalogue = Arc::new(load::packs(&folders)?);
    let name = args.pack.to_string_lossy();
    let found = catalogue.packs().find(|(_, pack)| is_folder || pack.name == name);
    let (folder, pack) =
        found.ok_or_else(|| BadInput(format!("no pack is called `{name}`, and it is no folder of one")))?;
    pack.verify(folder)?;
    let layers: Vec<&Layer> = match args.layers.as_slice() {
        [] => pack.layers.iter().collect(),
        named => named.iter().map(|name| layer(pack, name)).collect::<Result<_, _>>()?,
    };
    let several = layers.len() > 1;
    let plans: Vec<(PathBuf, &Layer, Vec<Cell>)> = layers
        .into_iter()
        .map(|layer| (sheet_of(&args.sheet, layer, several), layer, cells(layer, args.groups)))
        .filter(|(.., cells)| !cells.is_empty())
        .collect();
    let lines = plans.iter().map(|(.., cells)| cells.len().div_ceil(ACROSS) * CELL).max().unwrap_or(0);
    if lines > MAX_SIDE && args.sheet.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("webp")) {
        return Err(BadInput(format!("--sheet: a WebP picture has {MAX_SIDE} lines at most: name a .png")).into());
    }
    if plans.is_empty() {
        return Err(BadInput("--groups: none of these layers has a named group".to_owned()).into());
    }
    let settings = RuntimeSettings {
        library: args.onnxruntime.clone(),
        providers: args.providers.clone(),
        ..RuntimeSettings::default()
    };
    let runtime = Arc::new(Runtime::load(settings)?);
    let count = plans.iter().map(|(.., cells)| cells.len() as u64).sum();
    let bar = ProgressBar::new(count);
    bar.set_style(
        ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len}  {eta} left").expect("a valid template"),
    );
    for (file, layer, cells) in plans {
        bar.set_message(layer.name.clone());
        let sheet = draw(&runtime, &catalogue, &format!("{}/{}", pack.name, layer.name), &cells, &bar)?;
        let (width, height) = (sheet.width as u32, sheet.height as u32);
        image::save_buffer(&file, &sheet.pixels, width, height, image::ExtendedColorType::Rgb8)
            .with_context(|| file.display().to_string())?;
        bar.println(file.display().to_string());
    }
    bar.finish_and_clear();
    Ok(())
}

fn layer<'a>(pack: &'a Manifest, name: &str) -> Result<&'a Layer, BadInput> {
    let known = || pack.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = pack.layers.iter().find(|layer| layer.name == name);
    found.ok_or_else(|| BadInput(format!("--layers: no layer is called `{name}`; there are: {}", known())))
}

/// The file of one layer's sheet.
fn sheet_of(sheet: &Path, layer: &Layer, several: bool) -> PathBuf {
    if !several {
        return sheet.to_owned();
    }
    let stem = sheet.file_stem().unwrap_or_default().to_string_lossy();
    let of = Path::new(&layer.file).file_stem().unwrap_or_default().to_string_lossy();
    let ending = sheet.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    sheet.with_file_name(format!("{stem}-{of}{ending}"))
}

/// One picture of a sheet: what stands below it, and what is amplified.
#[derive(Debug, Clone, PartialEq)]
struct Cell {
    caption: String,
    neurons: String,
}

/// Named groups first, then every channel.
fn cells(layer: &Layer, only_groups: bool) -> Vec<Cell> {
    let named = |name: &String| Cell { caption: name.clone(), neurons: name.clone() };
    let groups = layer.groups.keys().map(named);
    if only_groups {
        return groups.collect();
    }
    if !layer.vocabulary.is_empty() {
        return groups.chain(layer.vocabulary.common().iter().map(named)).collect();
    }
    let channels =
        (0..layer.channels).map(|channel| Cell { caption: channel.to_string(), neurons: channel.to_string() });
    groups.chain(channels).collect()
}

fn draw(
    runtime: &Arc<Runtime>,
    catalogue: &Arc<Catalogue>,
    layer: &str,
    cells: &[Cell],
    bar: &ProgressBar,
) -> anyhow::Result<Frame> {
    let has_words = !catalogue.layer(layer)?.2.vocabulary.is_empty();
    let side = if has_words { DREAMED_OF_CLASSES } else { DREAMED };
    let size = Size::new(side, side);
    let settings = Settings { size: Some(size), max_size: size, target_fps: 1.0, seed: Some(1) };
    let mut dreamer = Dreamer::new(Arc::clone(runtime), Arc::clone(catalogue), settings).patient();
    let mut params = Params::for_still(catalogue);
    layer.clone_into(&mut params.layer);
    let input = DreamInput::still(&noise(side));
    let rows = cells.len().div_ceil(ACROSS);
    let mut sheet = Frame::new(CELL * cells.len().min(ACROSS), CELL * rows);
    let (mut dreamed, mut cell, mut scaler) = (Frame::new(0, 0), Frame::new(CELL, CELL), Scaler::default());
    for (place, Cell { caption, neurons }) in cells.iter().enumerate() {
        params.neurons = neurons.parse().map_err(|e| BadInput(format!("{layer}: {e}")))?;
        dreamer.reset();
        let made = dreamer.dream(&input, &params, Duration::ZERO)?.context("the network was not opened")?;
        made.over(&input.camera, &mut dreamed);
        scaler.stretch(&dreamed, &mut cell);
        draw_caption(caption, Caption::Label, &mut cell);
        paste(&cell, &mut sheet, (place % ACROSS * CELL, place / ACROSS * CELL));
        bar.inc(1);
    }
    Ok(sheet)
}

/// Grey noise: nothing that any neuron would be nearer to than another.
fn noise(side: usize) -> Frame {
    let mut random = fastrand::Rng::with_seed(1);
    let mut frame = Frame::new(side, side);
    frame.pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.fill(random.u8(128 - NOISE..=128 + NOISE)));
    frame
}

/// Puts `cell` onto `sheet`, its upper left corner there.
fn paste(cell: &Frame, sheet: &mut Frame, (left, top): (usize, usize)) {
    let line = 3 * sheet.width;
    let places = sheet.pixels.chunks_exact_mut(line).skip(top);
    for (from, to) in cell.pixels.chunks_exact(3 * cell.width).zip(places) {
        to[3 * left..][..from.len()].copy_from_slice(from);
    }
}
