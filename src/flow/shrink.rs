//! From a camera picture to the small grey one in which flow is looked for.

use yuv::{BufferStoreMut, YuvGrayImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv400};

use super::Luma;
use crate::frame::Frame;

/// Width that a grey picture has at most, about: what two directions of flow take three milliseconds for on one core.
const WIDTH: usize = 360;

/// How many pixels of a picture of `width` become one, along each side.
pub fn ratio(width: usize) -> usize {
    width.div_ceil(WIDTH).max(1)
}

/// The size of the grey picture of one of `width` × `height`; what is left over at the right and below has no pixel of its own.
pub fn size(width: usize, height: usize) -> (usize, usize) {
    let ratio = ratio(width);
    ((width / ratio).max(1), (height / ratio).max(1))
}

/// Makes pictures small and grey; keeps the memory it works in.
#[derive(Debug, Default)]
pub struct Shrinker {
    bright: Vec<u8>,
    sums: Vec<u16>,
}

impl Shrinker {
    /// Makes `luma` the means of `frame` (BT.601, full range) over squares of [`ratio`].
    pub fn shrink(&mut self, frame: &Frame, luma: &mut Luma) {
        let ratio = ratio(frame.width);
        let (width, height) = size(frame.width, frame.height);
        luma.resize(width, height);
        self.bright.resize(frame.width * frame.height, 0);
        let mut bright = YuvGrayImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut self.bright),
            y_stride: frame.width as u32,
            width: frame.width as u32,
            height: frame.height as u32,
        };
        let stride = 3 * frame.width as u32;
        rgb_to_yuv400(&mut bright, &frame.pixels, stride, YuvRange::Full, YuvStandardMatrix::Bt601)
            .expect("planes of one size");
        // A picture may be less than that high, or wide.
        let scale = 1.0 / (ratio.min(frame.width) * ratio.min(frame.height)) as f32;
        for (y, line) in luma.pixels.chunks_exact_mut(width).enumerate() {
            self.sums.clear();
            self.sums.resize(frame.width, 0);
            for row in self.bright.chunks_exact(frame.width).skip(y * ratio).take(ratio) {
                for (sum, value) in self.sums.iter_mut().zip(row) {
                    *sum += u16::from(*value);
                }
            }
            for (to, sums) in line.iter_mut().zip(self.sums.chunks(ratio)) {
                *to = (sums.iter().map(|sum| u32::from(*sum)).sum::<u32>() as f32 * scale + 0.5) as u8;
            }
        }
    }
}
