//! The mirror at the camera's rate: camera picture + difference, carried to where things are now.
//!
//! [`Compositor::see`] looks at each camera picture as it comes and works out how things moved; [`Compositor::compose`] lays over it the
//! newest difference that the dream made, eased in over the one before. [`Compositor::look`] is what the dream looks at: the
//! camera picture, and the path that things took since the picture it last dreamed on. The dream takes as long as it takes; nobody waits for
//! anybody. ARCHITECTURE.md draws it.

mod layer;
mod size;
#[cfg(test)]
mod tests;
mod warp;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use layer::{Layer, UNIT};
pub use size::CanvasGovernor;
pub use warp::{Affine, Motion, Rows, Sum};

use crate::flow::{self, Luma, Path, Shrinker, Tracker};
use crate::frame::Frame;
use crate::pixel::Scaler;
use crate::slot::Item;

/// A dream is eased in over the time between two, as far as that is known, and no longer than this.
const LONGEST_EASE: Duration = Duration::from_millis(600);

/// What the dream looks at.
#[derive(Debug)]
pub struct Look {
    /// Of the canvas' size. Where there is no camera, the last picture there was; black where there never was one.
    pub camera: Frame,
    pub has_camera: bool,
    /// Number of the camera picture.
    pub number: u64,
    /// The number of the picture that was looked at last, and how things moved since.
    pub since: Option<u64>,
    pub path: Path,
    /// The share of the picture that moved or is new since the picture before, 0 to 1.
    pub movement: f32,
}

impl Look {
    /// A look at one picture that nothing came before.
    pub fn at(picture: &Frame) -> Look {
        let (width, height) = flow::size(picture.width, picture.height);
        let mut path = Path::default();
        path.begin(width, height);
        Look { camera: picture.clone(), has_camera: true, number: 0, since: None, path, movement: 1.0 }
    }
}

impl Item for Look {
    fn blank() -> Look {
        let (camera, path) = (Frame::new(0, 0), Path::default());
        Look { camera, has_camera: false, number: 0, since: None, path, movement: 0.0 }
    }
}

/// A difference that is shown, and how things moved since its picture.
#[derive(Debug, Default)]
struct Shown {
    layer: Option<Arc<Layer>>,
    path: Path,
}

/// Lays differences over camera pictures.
#[derive(Debug)]
pub struct Compositor {
    size: (usize, usize),
    scaler: Scaler,
    camera: Frame,
    has_camera: bool,
    /// Whether the newest picture came since the last one was passed on.
    is_new: bool,
    number: u64,
    luma: Luma,
    shrinker: Shrinker,
    tracker: Tracker,
    /// The one that is shown, and one that came before the fade to that was over: it is next.
    shown: Shown,
    waiting: Shown,
    /// How far the fade is, 0 to 1, and what it grows by in a second.
    eased: f32,
    speed: f32,
    /// How much was seen of what it fades from, 0 to 1.
    strength: f32,
    /// The picture that the dream looks at at present, and how things moved since.
    looked_at: Option<u64>,
    path: Path,
    since_dream: Duration,
    /// From the dream before the newest to that.
    period: Duration,
    rows: Rows,
    sum: Sum,
}

impl Default for Compositor {
    fn default() -> Compositor {
        Compositor {
            size: (0, 0),
            scaler: Scaler::default(),
            camera: Frame::new(0, 0),
            has_camera: false,
            is_new: false,
            number: 0,
            luma: Luma::default(),
            shrinker: Shrinker::default(),
            tracker: Tracker::default(),
            shown: Shown::default(),
            waiting: Shown::default(),
            eased: 1.0,
            speed: 0.0,
            strength: 0.0,
            looked_at: None,
            path: Path::default(),
            since_dream: Duration::ZERO,
            period: Duration::ZERO,
            rows: Rows::default(),
            sum: Sum::default(),
        }
    }
}

impl Compositor {
    /// Takes the next `picture` of the source, on a canvas of `size`; `mirror` exchanges left and right where a camera saw it.
    /// `elapsed` is the time since the last call of this or of [`Compositor::wait`].
    pub fn see(&mut self, picture: &Frame, size: (usize, usize), mirror: bool, elapsed: Duration) {
        if picture.width == 0 || picture.height == 0 {
            return self.wait(self.has_camera, size, elapsed);
        }
        self.pass(size, elapsed);
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
        self.shrinker.shrink(&self.camera, &mut self.luma);
        self.tracker.follow(&self.luma);
        if !std::mem::replace(&mut self.has_camera, true) {
            // What moved meanwhile nobody saw.
            self.tracker.see_anew();
        }
        self.is_new = true;
        let (back, seen) = (self.tracker.back(), self.tracker.seen());
        for shown in [&mut self.shown, &mut self.waiting] {
            if shown.layer.is_some() {
                shown.path.extend(back, seen);
            }
        }
        self.path.extend(back, seen);
    }

    /// Goes on for a moment in which no picture came; `has_camera`: one is still to be expected. The last one stands.
    pub fn wait(&mut self, has_camera: bool, size: (usize, usize), elapsed: Duration) {
        self.pass(size, elapsed);
        self.is_new = false;
        self.has_camera &= has_camera;
        if !self.has_camera {
            self.camera.captured = Instant::now();
        }
    }

    fn pass(&mut self, size: (usize, usize), elapsed: Duration) {
        self.number += 1;
        self.since_dream += elapsed;
        self.eased = (self.eased + self.speed * elapsed.as_secs_f32()).min(1.0);
        if self.size != size {
            self.begin_anew(size);
        }
        self.ease_next();
    }

    /// Goes on, on another canvas.
    fn begin_anew(&mut self, size: (usize, usize)) {
        let before = self.camera.clone();
        self.size = size;
        self.camera.resize(size.0, size.1);
        match before.pixels.is_empty() {
            true => self.camera.pixels.fill(0),
            false => self.scaler.stretch(&before, &mut self.camera),
        }
        let (width, height) = flow::size(size.0, size.1);
        for shown in [&mut self.shown, &mut self.waiting] {
            shown.layer = shown.layer.as_ref().map(|layer| Arc::new(layer.resized(size)));
            shown.path.begin(width, height);
        }
        self.path.begin(width, height);
    }

    /// The dream took the look of this `number`, the newest or the one before it.
    pub fn was_taken(&mut self, number: u64) {
        self.looked_at = Some(number);
        let (width, height) = flow::size(self.size.0, self.size.1);
        self.path.begin(width, height);
        if number < self.number && self.is_new {
            self.path.extend(self.tracker.back(), self.tracker.seen());
        }
    }

    /// Takes a new difference; it is eased in. [`Compositor::was_taken`] must have been called for its look, and for no later
    /// one.
    pub fn take(&mut self, layer: Arc<Layer>) {
        if self.looked_at != Some(layer.made_for) {
            return;
        }
        // It may have been made for a canvas that is gone.
        let fits = (layer.width, layer.height) == self.size;
        self.waiting.layer = Some(if fits { layer } else { Arc::new(layer.resized(self.size)) });
        self.waiting.path.copy_from(&self.path);
        self.period = std::mem::take(&mut self.since_dream).min(LONGEST_EASE);
        // The fade before is to be over when the next one comes: one that waits would be lost to it.
        self.speed = self.speed.max(2.0 * (1.0 - self.eased) / self.period.as_secs_f32().max(0.001));
        self.ease_next();
    }

    /// Begins to fade to the difference that waits for it, when the fade before is over.
    fn ease_next(&mut self) {
        if self.eased < 1.0 || self.waiting.layer.is_none() {
            return;
        }
        self.strength = self.seen_strength();
        std::mem::swap(&mut self.shown, &mut self.waiting);
        // The dream makes its next one in it.
        self.waiting.layer = None;
        (self.eased, self.speed) = (0.0, 1.0 / self.period.as_secs_f32().max(0.001));
    }

    /// What the dream is to look at: the newest camera picture, and how things moved since it looked last.
    pub fn look(&self, look: &mut Look) {
        look.camera.copy_from(&self.camera);
        look.has_camera = self.has_camera;
        look.number = self.number;
        look.since = self.looked_at;
        look.path.copy_from(&self.path);
        look.movement = if self.has_camera && self.is_new { self.tracker.movement() } else { 0.0 };
    }

    /// The picture to be shown.
    pub fn compose(&mut self, out: &mut Frame) {
        let (width, height) = self.size;
        out.resize(width, height);
        (out.captured, out.commanded, out.is_live) = (self.camera.captured, None, self.camera.is_live);
        let (eased, strength) = (self.eased, self.seen_strength());
        let layer = self.shown.layer.as_deref().filter(|_| strength > 0.0);
        let trance = layer.map_or(0.0, |layer| layer.trance);
        for (y, row) in out.pixels.chunks_exact_mut(3 * width.max(1)).enumerate() {
            self.sum.begin(&self.camera.pixels[3 * width * y..][..3 * width], 1.0 - strength * trance);
            if let Some(layer) = layer {
                let path = &self.shown.path;
                self.rows.find(&path.back, trance, &Affine::default(), (width, height), y);
                self.rows.weigh(&path.seen, path.size(), trance);
                if eased < 1.0 {
                    self.rows.add(&layer.before, (1.0 - eased) * strength, &mut self.sum);
                }
                self.rows.add(&layer.pixels, eased * strength, &mut self.sum);
            }
            self.sum.write(row);
        }
    }

    /// How much is seen of the layer that is shown, 0 to 1.
    fn seen_strength(&self) -> f32 {
        let strength = self.shown.layer.as_ref().map_or(0.0, |layer| layer.strength);
        self.strength + (strength - self.strength) * self.eased
    }

    /// Number of the newest picture.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the picture would be another a moment later, though the camera's were the same.
    pub fn is_easing(&self) -> bool {
        self.eased < 1.0
    }
}
