//! A virtual camera over a still picture: it pans and zooms slowly, so that the picture behaves like a live one.

use std::f64::consts::TAU;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::frame::Frame;

/// Seconds of one round across, one up and down, one in and out: no two have a common measure soon.
const ROUNDS: [f64; 3] = [53.0, 37.0, 71.0];
/// The part of the largest fitting view that is seen when nearest, and when farthest.
const NEAREST: f64 = 0.62;
const FARTHEST: f64 = 0.92;

/// What is seen of a picture: a box in its pixels, fractions included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl View {
    /// The view of `picture`, shaped like `width`×`height`, at `time` seconds; `phase` (0..1) tells pictures apart.
    pub fn wandering(picture: &Frame, width: usize, height: usize, time: f64, phase: f64) -> View {
        let turn = |round: f64, lead: f64| (TAU * (time / round + phase + lead)).sin();
        let near = 0.5 + 0.5 * turn(ROUNDS[2], 0.6);
        let part = FARTHEST + (NEAREST - FARTHEST) * near;
        View::placed(picture, width, height, part, 0.5 + 0.5 * turn(ROUNDS[0], 0.0), 0.5 + 0.5 * turn(ROUNDS[1], 0.2))
    }

    /// The largest view from the middle.
    pub fn whole(picture: &Frame, width: usize, height: usize) -> View {
        View::placed(picture, width, height, 1.0, 0.5, 0.5)
    }

    /// `part` of the largest view; `across` and `down` (0..1) place it in the room that is left.
    fn placed(picture: &Frame, width: usize, height: usize, part: f64, across: f64, down: f64) -> View {
        let (full_width, full_height) = (picture.width as f64, picture.height as f64);
        let scale = (full_width / width as f64).min(full_height / height as f64) * part;
        let (view_width, view_height) = (width as f64 * scale, height as f64 * scale);
        View {
            left: (full_width - view_width) * across,
            top: (full_height - view_height) * down,
            width: view_width,
            height: view_height,
        }
    }
}

/// Draws views; keeps its working memory.
#[derive(Default)]
pub struct Lens {
    resizer: Resizer,
}

impl Lens {
    /// Fills `frame`, whose size says how large, with the view of `picture`.
    pub fn draw(&mut self, picture: &Frame, view: View, frame: &mut Frame) {
        let (width, height) = (frame.width as u32, frame.height as u32);
        let from = ImageRef::new(picture.width as u32, picture.height as u32, &picture.pixels, PixelType::U8x3);
        let to = Image::from_slice_u8(width, height, &mut frame.pixels, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).crop(
            view.left,
            view.top,
            view.width,
            view.height,
        );
        // Nothing here can fail: the buffers fit their sizes, and a view lies within its picture.
        if let (Ok(from), Ok(mut to)) = (from, to) {
            let drawn = self.resizer.resize(&from, &mut to, &options);
            debug_assert!(drawn.is_ok(), "{drawn:?} for {view:?}");
        }
    }
}
