//! The atlas that lies in a pack: thumbnails, and what they look like.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use indicatif::ProgressBar;
use jpeg_encoder::{ColorType, Encoder};

use super::painter::{Painter, neurons, paste};
use crate::files::{Rights, write_whole};
use crate::frame::Frame;
use crate::pack::{Atlas, Catalogue, Layer, LayerAtlas, Manifest};
use crate::pixel::Scaler;
use crate::recognition::Recogniser;
use crate::runtime::Runtime;

/// Side of a thumbnail, and how many are in a row.
const SIDE: usize = 64;
const ACROSS: usize = 16;
/// Of 100: more is not seen at this size.
const JPEG_QUALITY: u8 = 70;

/// The thumbnails of `layer`: the whole of it, what has a name, and every channel.
pub fn tiles(layer: &Layer) -> Vec<String> {
    // All classes together are nothing.
    let whole = layer.vocabulary.is_empty().then(|| "all".to_owned());
    whole.into_iter().chain(neurons(layer, false)).collect()
}

/// Draws the atlas of `pack` and writes it into `folder`, where the pack lies.
pub fn draw(
    runtime: &Arc<Runtime>,
    catalogue: &Arc<Catalogue>,
    (folder, pack): (&Path, &Manifest),
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut judge = Recogniser::new(Arc::clone(runtime), catalogue)?;
    let mut atlas = Atlas { side: SIDE, across: ACROSS, layers: Vec::new() };
    for layer in &pack.layers {
        bar.set_message(layer.name.clone());
        let mut painter = Painter::new(runtime, catalogue, &format!("{}/{}", pack.name, layer.name))?;
        let tiles = tiles(layer);
        let mut sheet = Frame::new(SIDE * ACROSS, SIDE * tiles.len().div_ceil(ACROSS));
        let (mut tile, mut scaler) = (Frame::new(SIDE, SIDE), Scaler::default());
        let mut drawn =
            LayerAtlas { name: layer.name.clone(), file: file_of(layer), tiles, likeness: Default::default() };
        for (place, neurons) in drawn.tiles.iter().enumerate() {
            let dreamed = painter.paint(neurons)?;
            scaler.stretch(dreamed, &mut tile);
            paste(&tile, &mut sheet, (place % ACROSS * SIDE, place / ACROSS * SIDE));
            let is_named = neurons == "all" || layer.groups.contains_key(neurons);
            if let Some(judge) = judge.as_mut().filter(|_| is_named) {
                drawn.likeness.insert(neurons.clone(), judge.likeness(dreamed)?.to_vec());
            }
            bar.inc(1);
        }
        let mut jpeg = Vec::new();
        let (width, height) =
            (sheet.width.try_into()?, sheet.height.try_into().context("too many channels for a JPEG picture")?);
        Encoder::new(&mut jpeg, JPEG_QUALITY).encode(&sheet.pixels, width, height, ColorType::Rgb)?;
        write(&folder.join(&drawn.file), &jpeg)?;
        atlas.layers.push(drawn);
    }
    // Last: what it names is there.
    write(&Atlas::path(folder), atlas.to_toml().as_bytes())
}

/// Beside the layer's graph, and called after that.
fn file_of(layer: &Layer) -> String {
    let stem = Path::new(&layer.file).file_stem().unwrap_or_default().to_string_lossy();
    format!("{stem}.atlas.jpg")
}

fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    write_whole(file, content, Rights::UMASK, None).with_context(|| file.display().to_string())
}
