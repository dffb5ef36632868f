//! What a dream left, to be laid over the camera's picture.

use super::warp::RowAccumulator;
use crate::flow::bilinear;
use crate::frame::Frame;

/// Values of a [`Layer`] for one level of 255: fine enough that what is fed back for weeks does not drift by rounding.
pub const UNITS_PER_LEVEL: f32 = 64.0;

/// The difference between a dream and the camera picture it was made for: what is kept, carried along and fed back.
///
/// With t for [`Layer::trance`]: dream − (1 − t) · camera. At 0, the mirror, that is the difference alone; at 1 it is the dream itself, which
/// feeds on its own picture; in between, some of both.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    pub width: usize,
    pub height: usize,
    /// Red, green, blue and nothing for each pixel, rows from the top, in [`UNITS_PER_LEVEL`]s.
    pub pixels: Vec<[i16; 4]>,
    /// The same of what was shown until then, carried to the same camera picture: what this is faded to from.
    pub previous: Vec<[i16; 4]>,
    pub trance: f32,
    /// How much of it is seen, 0 to 1.
    pub strength: f32,
    /// Number of the camera picture it was made for.
    pub frame_number: u64,
}

impl Layer {
    /// Takes on another size; its memory is kept where it suffices. What the pixels hold afterwards is left over.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        for plane in [&mut self.pixels, &mut self.previous] {
            plane.resize(width * height, [0; 4]);
        }
    }

    /// The dream: this laid over the `camera` picture that it was made for, which has the same size.
    pub fn over(&self, camera: &Frame, out: &mut Frame) {
        assert_eq!((camera.width, camera.height), (self.width, self.height), "pictures of one size");
        out.resize(self.width, self.height);
        let mut sum = RowAccumulator::default();
        for (y, row) in out.pixels.chunks_exact_mut(3 * self.width.max(1)).enumerate() {
            sum.start(&camera.pixels[3 * self.width * y..][..3 * self.width], 1.0 - self.strength * self.trance);
            sum.add(&self.pixels[self.width * y..][..self.width], self.strength);
            sum.write_rgb(row);
        }
    }

    /// How much dream there is about a place (0..1 across, 0..1 down): 1 where it differs by a tenth of full light or more.
    pub fn strength_at(&self, x: f32, y: f32) -> f32 {
        let (column, row) = ((x * self.width as f32) as usize, (y * self.height as f32) as usize);
        let near = self.pixels.get(row * self.width + column..).unwrap_or_default().iter().take(16);
        let sum: f32 = near.flat_map(|pixel| pixel.map(|value| f32::from(value).abs())).sum();
        (sum / (16.0 * 3.0 * 25.5 * UNITS_PER_LEVEL)).min(1.0)
    }

    /// The same on another canvas.
    pub fn resized(&self, size: (usize, usize)) -> Layer {
        let (width, height) = size;
        let stretched = |plane| stretch(plane, (self.width, self.height), size);
        Layer { width, height, pixels: stretched(&self.pixels), previous: stretched(&self.previous), ..*self }
    }
}

/// A plane of `size` at another one, bilinear.
fn stretch(plane: &[[i16; 4]], size: (usize, usize), to: (usize, usize)) -> Vec<[i16; 4]> {
    let mut stretched = vec![[0; 4]; to.0 * to.1];
    if plane.is_empty() {
        return stretched;
    }
    let scale = (size.0 as f32 / to.0 as f32, size.1 as f32 / to.1 as f32);
    for (y, row) in stretched.chunks_exact_mut(to.0.max(1)).enumerate() {
        let from_y = (y as f32 + 0.5) * scale.1 - 0.5;
        for (x, pixel) in row.iter_mut().enumerate() {
            let corners = bilinear((x as f32 + 0.5) * scale.0 - 0.5, from_y, size.0, size.1);
            *pixel = corners.sample_pixel(plane).map(|value| value as i16);
        }
    }
    stretched
}
