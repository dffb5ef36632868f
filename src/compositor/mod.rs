//! The compositor, at the camera's rate: camera frame + layer (the difference that the dream made), warped to where things are now.
//!
//! [`Compositor::push_frame`] takes each camera frame as it comes and tracks motion; [`Compositor::compose`] blends the newest layer over it,
//! crossfaded from the one before. [`Compositor::read_input`] is what the dream works on: the camera frame, and the flow since the frame of
//! the dream before. The dream takes as long as it takes; neither waits for the other. ARCHITECTURE.md draws it.

mod canvas_governor;
mod layer;
#[cfg(test)]
mod tests;
mod warp;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use canvas_governor::CanvasGovernor;
pub use layer::{Layer, UNITS_PER_LEVEL};
pub use warp::{Affine, Motion, RowAccumulator, RowWarp};

use crate::flow::{self, ComposedFlow, Downscaler, Luma, Tracker};
use crate::frame::Frame;
use crate::pixel::Scaler;
use crate::slot::Item;

/// A layer is faded in over the time between two dreams, as far as that is known, and no longer than this.
const MAX_FADE: Duration = Duration::from_millis(600);

/// What one dream starts from.
#[derive(Debug)]
pub struct DreamInput {
    /// The camera frame, of the canvas' size. Without a camera, the last frame there was; black if there never was one.
    pub camera: Frame,
    pub has_camera: bool,
    /// Number of the camera frame.
    pub frame_number: u64,
    /// Number of the frame that the dream took before this, and the flow from this one back to it.
    pub since_frame: Option<u64>,
    pub flow: ComposedFlow,
    /// The share of the frame that moved or is new since the frame before, 0 to 1.
    pub movement: f32,
}

impl DreamInput {
    /// One picture that no dream came before.
    pub fn still(picture: &Frame) -> DreamInput {
        let (width, height) = flow::field_size(picture.width, picture.height);
        let mut flow = ComposedFlow::default();
        flow.reset(width, height);
        DreamInput {
            camera: picture.clone(),
            has_camera: true,
            frame_number: 0,
            since_frame: None,
            flow,
            movement: 1.0,
        }
    }
}

impl Item for DreamInput {
    fn blank() -> DreamInput {
        let (camera, flow) = (Frame::new(0, 0), ComposedFlow::default());
        DreamInput { camera, has_camera: false, frame_number: 0, since_frame: None, flow, movement: 0.0 }
    }
}

/// A layer, and the flow from the newest frame back to the one it was made for.
#[derive(Debug, Default)]
struct LayerOnScreen {
    layer: Option<Arc<Layer>>,
    flow: ComposedFlow,
}

/// Blends layers over camera frames.
#[derive(Debug)]
pub struct Compositor {
    size: (usize, usize),
    scaler: Scaler,
    camera: Frame,
    has_camera: bool,
    /// Whether the last tick brought a frame.
    has_new_frame: bool,
    frame_number: u64,
    luma: Luma,
    downscaler: Downscaler,
    tracker: Tracker,
    /// The layer that is shown, and one that came before the fade to it was over.
    shown: LayerOnScreen,
    next: LayerOnScreen,
    /// Progress of the fade, 0 to 1, and its rate per second.
    fade: f32,
    fade_rate: f32,
    /// Strength of what it fades from, 0 to 1.
    old_strength: f32,
    /// Number of the frame that the dream works on at present, and the flow from the newest back to it.
    taken_frame: Option<u64>,
    flow: ComposedFlow,
    since_dream: Duration,
    /// Time between the last two dreams.
    period: Duration,
    warp: RowWarp,
    row: RowAccumulator,
}

impl Default for Compositor {
    fn default() -> Compositor {
        Compositor {
            size: (0, 0),
            scaler: Scaler::default(),
            camera: Frame::new(0, 0),
            has_camera: false,
            has_new_frame: false,
            frame_number: 0,
            luma: Luma::default(),
            downscaler: Downscaler::default(),
            tracker: Tracker::default(),
            shown: LayerOnScreen::default(),
            next: LayerOnScreen::default(),
            fade: 1.0,
            fade_rate: 0.0,
            old_strength: 0.0,
            taken_frame: None,
            flow: ComposedFlow::default(),
            since_dream: Duration::ZERO,
            period: Duration::ZERO,
            warp: RowWarp::default(),
            row: RowAccumulator::default(),
        }
    }
}

impl Compositor {
    /// Takes the next `picture` of the source, scaled to fill a canvas of `size`; `mirror` exchanges left and right of live pictures.
    /// `elapsed` is the time since the last call of this or of [`Compositor::advance`].
    pub fn push_frame(&mut self, picture: &Frame, size: (usize, usize), mirror: bool, elapsed: Duration) {
        if picture.width == 0 || picture.height == 0 {
            return self.advance(self.has_camera, size, elapsed);
        }
        self.tick(size, elapsed);
        self.camera.resize(size.0, size.1);
        if (picture.width, picture.height) == size {
            self.camera.pixels.copy_from_slice(&picture.pixels);
        } else {
            self.scaler.fill(picture, &mut self.camera);
        }
        if mirror && picture.is_live {
            self.camera.flip();
        }
        (self.camera.captured, self.camera.is_live) = (picture.captured, picture.is_live);
        self.downscaler.downscale(&self.camera, &mut self.luma);
        self.tracker.track(&self.luma);
        if !std::mem::replace(&mut self.has_camera, true) {
            // Nobody saw what moved meanwhile.
            self.tracker.reset();
        }
        self.has_new_frame = true;
        let (backward, confidence) = (self.tracker.backward(), self.tracker.confidence());
        for shown in [&mut self.shown, &mut self.next] {
            if shown.layer.is_some() {
                shown.flow.append(backward, confidence);
            }
        }
        self.flow.append(backward, confidence);
    }

    /// Advances time by `elapsed` in which no frame came; the last one stands. `has_camera`: whether one is still expected.
    pub fn advance(&mut self, has_camera: bool, size: (usize, usize), elapsed: Duration) {
        self.tick(size, elapsed);
        self.has_new_frame = false;
        self.has_camera &= has_camera;
        if !self.has_camera {
            self.camera.captured = Instant::now();
        }
    }

    /// What every call has in common: time, canvas, fade.
    fn tick(&mut self, size: (usize, usize), elapsed: Duration) {
        self.frame_number += 1;
        self.since_dream += elapsed;
        self.fade = (self.fade + self.fade_rate * elapsed.as_secs_f32()).min(1.0);
        if self.size != size {
            self.resize_canvas(size);
        }
        self.start_next_fade();
    }

    /// Changes to a canvas of `size`: frame and layers are resized, flows start anew.
    fn resize_canvas(&mut self, size: (usize, usize)) {
        let before = self.camera.clone();
        self.size = size;
        self.camera.resize(size.0, size.1);
        match before.pixels.is_empty() {
            true => self.camera.pixels.fill(0),
            false => self.scaler.stretch(&before, &mut self.camera),
        }
        let (width, height) = flow::field_size(size.0, size.1);
        for shown in [&mut self.shown, &mut self.next] {
            shown.layer = shown.layer.as_ref().map(|layer| Arc::new(layer.resized(size)));
            shown.flow.reset(width, height);
        }
        self.flow.reset(width, height);
    }

    /// The dream took the [`DreamInput`] of frame `number`, the newest or the one before it.
    pub fn mark_taken(&mut self, number: u64) {
        self.taken_frame = Some(number);
        let (width, height) = flow::field_size(self.size.0, self.size.1);
        self.flow.reset(width, height);
        if number < self.frame_number && self.has_new_frame {
            self.flow.append(self.tracker.backward(), self.tracker.confidence());
        }
    }

    /// Takes a new layer, and crossfades to it. One that was not made for the frame last [marked](Compositor::mark_taken) is ignored: there is no
    /// flow back to its frame.
    pub fn push_layer(&mut self, layer: Arc<Layer>) {
        if self.taken_frame != Some(layer.frame_number) {
            return;
        }
        // It may have been made for another canvas.
        let fits = (layer.width, layer.height) == self.size;
        self.next.layer = Some(if fits { layer } else { Arc::new(layer.resized(self.size)) });
        self.next.flow.copy_from(&self.flow);
        self.period = std::mem::take(&mut self.since_dream).min(MAX_FADE);
        // The present fade must be over before the layer after this comes, which would replace this one unseen.
        self.fade_rate = self.fade_rate.max(2.0 * (1.0 - self.fade) / self.period.as_secs_f32().max(0.001));
        self.start_next_fade();
    }

    /// Begins the fade to the next layer, when the present one is over.
    fn start_next_fade(&mut self) {
        if self.fade < 1.0 || self.next.layer.is_none() {
            return;
        }
        self.old_strength = self.visible_strength();
        std::mem::swap(&mut self.shown, &mut self.next);
        // Released, so that the dream can reuse its memory.
        self.next.layer = None;
        (self.fade, self.fade_rate) = (0.0, 1.0 / self.period.as_secs_f32().max(0.001));
    }

    /// Fills `input` for the next dream: the newest camera frame, and the flow back to that of the present dream.
    pub fn read_input(&self, input: &mut DreamInput) {
        input.camera.copy_from(&self.camera);
        input.has_camera = self.has_camera;
        input.frame_number = self.frame_number;
        input.since_frame = self.taken_frame;
        input.flow.copy_from(&self.flow);
        input.movement = if self.has_camera && self.has_new_frame { self.tracker.movement() } else { 0.0 };
    }

    /// The newest camera picture, on the canvas, and whether there is a camera.
    pub fn camera(&self) -> (&Frame, bool) {
        (&self.camera, self.has_camera)
    }

    /// Composes the picture to be shown: (1 − s · t) · camera + s · layer, warped, where s is the layer's strength and t its trance.
    pub fn compose(&mut self, out: &mut Frame) {
        let (width, height) = self.size;
        out.resize(width, height);
        (out.captured, out.commanded, out.is_live) = (self.camera.captured, None, self.camera.is_live);
        let (fade, strength) = (self.fade, self.visible_strength());
        let layer = self.shown.layer.as_deref().filter(|_| strength > 0.0);
        let trance = layer.map_or(0.0, |layer| layer.trance);
        for (y, row) in out.pixels.chunks_exact_mut(3 * width.max(1)).enumerate() {
            self.row.start(&self.camera.pixels[3 * width * y..][..3 * width], 1.0 - strength * trance);
            if let Some(layer) = layer {
                let flow = &self.shown.flow;
                self.warp.locate(&flow.field, trance, &Affine::default(), (width, height), y);
                self.warp.set_opacity(&flow.confidence, flow.size(), trance);
                if fade < 1.0 {
                    self.warp.accumulate(&layer.previous, (1.0 - fade) * strength, &mut self.row);
                }
                self.warp.accumulate(&layer.pixels, fade * strength, &mut self.row);
            }
            self.row.write_rgb(row);
        }
    }

    /// Strength of what is shown, crossfaded, 0 to 1.
    fn visible_strength(&self) -> f32 {
        let strength = self.shown.layer.as_ref().map_or(0.0, |layer| layer.strength);
        self.old_strength + (strength - self.old_strength) * self.fade
    }

    /// Number of the newest frame: of calls of [`Compositor::push_frame`] and [`Compositor::advance`].
    pub fn frame_number(&self) -> u64 {
        self.frame_number
    }

    /// Whether a crossfade is going on, so that the composed picture changes without a new frame.
    pub fn is_crossfading(&self) -> bool {
        self.fade < 1.0
    }
}
