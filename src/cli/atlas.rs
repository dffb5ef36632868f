//! `reverie atlas`: what each neuron of a pack dreams of.

mod into_pack;
mod painter;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressStyle};

use super::{BadInput, load};
use crate::display::{Caption, draw_caption};
use crate::frame::Frame;
use crate::pack::{Catalogue, Layer, Manifest};
use crate::pixel::Scaler;
use crate::runtime::{Provider, Runtime, Settings as RuntimeSettings};
use painter::{Painter, neurons, paste};

/// Draw what each neuron dreams of: thumbnails for the page, or sheets to look at.
///
/// Every channel is dreamed by itself out of grey noise; of a layer whose neurons are classes, each of the commonest words. Without --sheet the
/// thumbnails are written into the pack, with an index, and what has a name is compared by how it looks, which `play=wander` goes by.
#[derive(ClapArgs)]
pub struct Args {
    /// The pack: its folder, or its name where it is installed.
    #[arg(value_name = "PACK")]
    pack: PathBuf,
    /// A sheet with numbers and names instead: a .png, .jpg or .webp file. Of several layers each has a file of its own, `OUT-f12.png`.
    #[arg(long, value_name = "OUT")]
    sheet: Option<PathBuf>,
    /// Only these layers.
    #[arg(long, value_delimiter = ',', value_name = "LIST", requires = "sheet")]
    layers: Vec<String>,
    /// Only the named groups.
    #[arg(long, requires = "sheet")]
    groups: bool,
    /// ONNX Runtime's library, or its folder.
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Execution providers in the order they are tried.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_values_t = Provider::ALL)]
    providers: Vec<Provider>,
}

/// Side of a picture on a sheet, and how many are in a row.
const CELL: usize = 128;
const ACROSS: usize = 12;
/// The longest side of a WebP picture.
const MAX_SIDE: usize = 16_383;

pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(sheet) = &args.sheet {
        check_target(sheet)?;
    }
    let is_folder = args.pack.join("pack.toml").is_file();
    let folders = if is_folder { vec![args.pack.clone()] } else { Vec::new() };
    let catalogue = Arc::new(load::packs(&folders)?);
    let name = args.pack.to_string_lossy();
    let found = catalogue.packs().find(|(_, pack)| is_folder || pack.name == name);
    let (folder, pack) =
        found.ok_or_else(|| BadInput(format!("no pack is called `{name}`, and it is no folder of one")))?;
    pack.verify(folder)?;
    let settings = RuntimeSettings {
        library: args.onnxruntime.clone(),
        providers: args.providers.clone(),
        ..RuntimeSettings::default()
    };
    let load = || Runtime::load(settings).map(Arc::new);
    match &args.sheet {
        Some(sheet) => {
            let plans = plans(args, sheet, pack)?;
            let bar = progress(plans.iter().map(|(.., cells)| cells.len()).sum());
            draw_sheets(&load()?, &catalogue, pack, &plans, &bar)?;
            bar.finish_and_clear();
        }
        None => {
            let bar = progress(pack.layers.iter().map(|layer| into_pack::tiles(layer).len()).sum());
            into_pack::draw(&load()?, &catalogue, (folder, pack), &bar)?;
            bar.finish_and_clear();
        }
    }
    Ok(())
}

fn progress(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    bar.set_style(
        ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len}  {eta} left").expect("a valid template"),
    );
    bar
}

fn check_target(sheet: &Path) -> Result<(), BadInput> {
    image::ImageFormat::from_path(sheet).map_err(|e| BadInput(format!("--sheet: {}: {e}", sheet.display())))?;
    match sheet.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        Some(folder) => Err(BadInput(format!("--sheet: there is no folder {}", folder.display()))),
        None => Ok(()),
    }
}

/// The file of a sheet, the layer, and the neurons that are on it.
type SheetPlan<'a> = (PathBuf, &'a Layer, Vec<String>);

/// The sheets that `args` ask for.
fn plans<'a>(args: &Args, sheet: &Path, pack: &'a Manifest) -> Result<Vec<SheetPlan<'a>>, BadInput> {
    let layers: Vec<&Layer> = match args.layers.as_slice() {
        [] => pack.layers.iter().collect(),
        named => named.iter().map(|name| layer(pack, name)).collect::<Result<_, _>>()?,
    };
    let several = layers.len() > 1;
    let plans: Vec<SheetPlan> = layers
        .into_iter()
        .map(|layer| (sheet_of(sheet, layer, several), layer, neurons(layer, args.groups)))
        .filter(|(.., cells)| !cells.is_empty())
        .collect();
    let lines = plans.iter().map(|(.., cells)| cells.len().div_ceil(ACROSS) * CELL).max().unwrap_or(0);
    if lines > MAX_SIDE && sheet.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("webp")) {
        return Err(BadInput(format!("--sheet: a WebP picture has {MAX_SIDE} lines at most: name a .png")));
    }
    if plans.is_empty() {
        return Err(BadInput("--groups: none of these layers has a named group".to_owned()));
    }
    Ok(plans)
}

fn layer<'a>(pack: &'a Manifest, name: &str) -> Result<&'a Layer, BadInput> {
    let names = || pack.layers.iter().map(|layer| layer.name.as_str());
    let found = pack.layers.iter().find(|layer| layer.name == name);
    found.ok_or_else(|| {
        let meant = crate::did_you_mean(crate::nearest(name, names()));
        let known = names().collect::<Vec<_>>().join(", ");
        BadInput(format!("--layers: no layer is called `{name}`{meant}; there are: {known}"))
    })
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

fn draw_sheets(
    runtime: &Arc<Runtime>,
    catalogue: &Arc<Catalogue>,
    pack: &Manifest,
    plans: &[SheetPlan],
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let (mut cell, mut scaler) = (Frame::new(CELL, CELL), Scaler::default());
    for (file, layer, cells) in plans {
        bar.set_message(layer.name.clone());
        let mut painter = Painter::new(runtime, catalogue, &format!("{}/{}", pack.name, layer.name))?;
        let mut sheet = Frame::new(CELL * cells.len().min(ACROSS), CELL * cells.len().div_ceil(ACROSS));
        for (place, neurons) in cells.iter().enumerate() {
            scaler.stretch(painter.paint(neurons)?, &mut cell);
            draw_caption(neurons, Caption::Label, &mut cell);
            paste(&cell, &mut sheet, (place % ACROSS * CELL, place / ACROSS * CELL));
            bar.inc(1);
        }
        let (width, height) = (sheet.width as u32, sheet.height as u32);
        image::save_buffer(file, &sheet.pixels, width, height, image::ExtendedColorType::Rgb8)
            .with_context(|| file.display().to_string())?;
        bar.println(file.display().to_string());
    }
    Ok(())
}
