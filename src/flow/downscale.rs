//! From a camera frame to the small grey picture that flow is computed on.

use yuv::{BufferStoreMut, YuvGrayImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv400};

use super::Luma;
use crate::frame::Frame;

/// Largest width of the grey picture, about: flow in both directions takes three milliseconds at it, on one core.
const MAX_WIDTH: usize = 360;

/// How many pixels of a frame of `width` become one, along each side.
pub fn downscale_factor(width: usize) -> usize {
    width.div_ceil(MAX_WIDTH).max(1)
}

/// Size of the grey picture, and of the flow fields, for a frame of `width` × `height`; a remainder at the right and below has no pixel
/// of its own.
pub fn field_size(width: usize, height: usize) -> (usize, usize) {
    let factor = downscale_factor(width);
    ((width / factor).max(1), (height / factor).max(1))
}

/// Makes frames small and grey; keeps its buffers.
#[derive(Debug, Default)]
pub struct Downscaler {
    luma_plane: Vec<u8>,
    sums: Vec<u16>,
}

impl Downscaler {
    /// Makes `luma` the means of `frame`'s luma (BT.601, full range) over squares of side [`downscale_factor`].
    pub fn downscale(&mut self, frame: &Frame, luma: &mut Luma) {
        let factor = downscale_factor(frame.width);
        let (width, height) = field_size(frame.width, frame.height);
        luma.resize(width, height);
        self.luma_plane.resize(frame.width * frame.height, 0);
        let mut luma_plane = YuvGrayImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut self.luma_plane),
            y_stride: frame.width as u32,
            width: frame.width as u32,
            height: frame.height as u32,
        };
        let stride = 3 * frame.width as u32;
        rgb_to_yuv400(&mut luma_plane, &frame.pixels, stride, YuvRange::Full, YuvStandardMatrix::Bt601)
            .expect("planes of one size");
        // A frame may be less than that high, or wide.
        let scale = 1.0 / (factor.min(frame.width) * factor.min(frame.height)) as f32;
        for (y, line) in luma.pixels.chunks_exact_mut(width).enumerate() {
            self.sums.clear();
            self.sums.resize(frame.width, 0);
            for row in self.luma_plane.chunks_exact(frame.width).skip(y * factor).take(factor) {
                for (sum, value) in self.sums.iter_mut().zip(row) {
                    *sum += u16::from(*value);
                }
            }
            for (to, sums) in line.iter_mut().zip(self.sums.chunks(factor)) {
                *to = (sums.iter().map(|sum| u32::from(*sum)).sum::<u32>() as f32 * scale + 0.5) as u8;
            }
        }
    }
}
