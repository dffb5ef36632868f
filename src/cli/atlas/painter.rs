//! Dreams what neurons dream of, out of nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::super::BadInput;
use crate::compositor::DreamInput;
use crate::dream::{Dreamer, Settings};
use crate::frame::Frame;
use crate::pack::{Catalogue, Layer};
use crate::params::Params;
use crate::runtime::Runtime;
use crate::size::Size;

/// Side of what is dreamed.
const SIDE: usize = 160;
/// The same where neurons are classes, whose network looks at larger parts.
const SIDE_OF_CLASSES: usize = 320;
/// Half the range of the noise, of 255.
const NOISE: u8 = 24;

/// Dreams of one layer's neurons.
pub struct Painter {
    layer: String,
    dreamer: Dreamer,
    params: Params,
    input: DreamInput,
    dreamed: Frame,
}

impl Painter {
    /// One for the layer of that full name, `pack/layer`.
    pub fn new(runtime: &Arc<Runtime>, catalogue: &Arc<Catalogue>, name: &str) -> anyhow::Result<Painter> {
        let has_classes = !catalogue.layer(name)?.2.vocabulary.is_empty();
        let side = if has_classes { SIDE_OF_CLASSES } else { SIDE };
        let size = Size::new(side, side);
        let settings = Settings { size: Some(size), max_size: size, target_fps: 1.0, seed: Some(1) };
        let dreamer = Dreamer::new(Arc::clone(runtime), Arc::clone(catalogue), settings).patient();
        let params = Params { layer: name.to_owned(), ..Params::for_still(catalogue) };
        let input = DreamInput::still(&noise(side));
        Ok(Painter { layer: name.to_owned(), dreamer, params, input, dreamed: Frame::new(0, 0) })
    }

    /// What `neurons` dream of.
    pub fn paint(&mut self, neurons: &str) -> anyhow::Result<&Frame> {
        self.params.neurons = neurons.parse().map_err(|e| BadInput(format!("{}: {e}", self.layer)))?;
        self.dreamer.reset();
        let made =
            self.dreamer.dream(&self.input, &self.params, Duration::ZERO)?.context("the network was not opened")?;
        made.over(&self.input.camera, &mut self.dreamed);
        Ok(&self.dreamed)
    }
}

/// What there is to paint of `layer`: what has a name first, then, unless `only_named`, every channel.
pub fn neurons(layer: &Layer, only_named: bool) -> Vec<String> {
    let groups = layer.groups.keys().cloned();
    if only_named {
        return groups.collect();
    }
    if !layer.vocabulary.is_empty() {
        return groups.chain(layer.vocabulary.common().iter().cloned()).collect();
    }
    groups.chain((0..layer.channels).map(|channel| channel.to_string())).collect()
}

/// Grey noise: nothing that any neuron would be nearer to than another.
fn noise(side: usize) -> Frame {
    let mut random = fastrand::Rng::with_seed(1);
    let mut frame = Frame::new(side, side);
    frame.pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.fill(random.u8(128 - NOISE..=128 + NOISE)));
    frame
}

/// Puts `cell` onto `sheet`, its upper left corner there.
pub fn paste(cell: &Frame, sheet: &mut Frame, (left, top): (usize, usize)) {
    let line = 3 * sheet.width;
    let places = sheet.pixels.chunks_exact_mut(line).skip(top);
    for (from, to) in cell.pixels.chunks_exact(3 * cell.width).zip(places) {
        to[3 * left..][..from.len()].copy_from_slice(from);
    }
}
