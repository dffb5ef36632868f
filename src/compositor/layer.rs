//! What a dream made, to be blended over the camera.

use super::warp::RowAccumulator;
use crate::flow::bilinear;
use crate::frame::Frame;

/// Fixed-point scale of a [`Layer`]: its values for one level of 255. Fine enough that what is fed back for weeks does not drift by rounding.
pub const UNITS_PER_LEVEL: f32 = 64.0;

/// The difference between a dream and the camera frame it was made for: what is kept, warped along the flow and fed back.
///
/// With t for [`Layer::trance`]: dream − (1 − t) · camera. At 0, the mirror, that is the difference alone; at 1 it is the dream itself, which
/// feeds on its own picture; in between, a mix.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    pub width: usize,
    pub height: usize,
    /// `width · height` pixels, rows from the top: red, green, blue and 0, [`UNITS_PER_LEVEL`] for one level of 255.
    pub pixels: Vec<[i16; 4]>,
    /// The same of what was shown until then, warped to the same camera frame: what is crossfaded from.
    pub previous: Vec<[i16; 4]>,
    /// 0, a difference, to 1, a picture.
    pub trance: f32,
    /// Opacity, 0 to 1.
    pub strength: f32,
    /// Number of the camera frame it was made for.
    pub frame_number: u64,
}

impl Layer {
    /// Changes the size; memory is kept where it suffices. The pixels are unspecified afterwards.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        for plane in [&mut self.pixels, &mut self.previous] {
            plane.resize(width * height, [0; 4]);
        }
    }

    /// Blends this over the `camera` frame that it was made for: the dream.
    ///
    /// # Panics
    /// The two are not of one size.
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

    /// How much dream there is at (`x`, `y`), each 0..1 of the picture: mean difference of 16 pixels, 1 from a tenth of full light on.
    pub fn strength_at(&self, x: f32, y: f32) -> f32 {
        let (column, row) = ((x * self.width as f32) as usize, (y * self.height as f32) as usize);
        let near = self.pixels.get(row * self.width + column..).unwrap_or_default().iter().take(16);
        let sum: f32 = near.flat_map(|pixel| pixel.map(|value| f32::from(value).abs())).sum();
        (sum / (16.0 * 3.0 * 25.5 * UNITS_PER_LEVEL)).min(1.0)
    }

    /// A copy, resampled to a canvas of `size`.
    pub fn resized(&self, size: (usize, usize)) -> Layer {
        let (width, height) = size;
        let stretched = |plane| stretch(plane, (self.width, self.height), size);
        Layer { width, height, pixels: stretched(&self.pixels), previous: stretched(&self.previous), ..*self }
    }
}

/// A plane of `size`, resampled bilinearly to the size `to`.
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
