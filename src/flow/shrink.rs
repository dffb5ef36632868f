//! From a camera picture to the small grey one in which flow is looked for.

use super::Luma;
use crate::frame::Frame;

/// Width that a grey picture has at most, about: what two directions of flow take three milliseconds for on one core.
const WIDTH: usize = 360;

/// How many pixels of a picture of `width` become one, along each side.
pub fn ratio(width: usize) -> usize {
    width.div_ceil(WIDTH).max(1)
}

/// The size of the grey picture of one of `width` × `height`; what is left over at the right and below belongs to the last.
pub fn size(width: usize, height: usize) -> (usize, usize) {
    let ratio = ratio(width);
    ((width / ratio).max(1), (height / ratio).max(1))
}

/// Makes `luma` the means of `frame` (BT.601) over squares of [`ratio`]. `sums` is working memory.
pub fn shrink(frame: &Frame, luma: &mut Luma, sums: &mut Vec<u32>) {
    let ratio = ratio(frame.width);
    let (width, height) = size(frame.width, frame.height);
    luma.resize(width, height);
    let scale = 1.0 / (256 * ratio * ratio) as f32;
    for (y, line) in luma.pixels.chunks_exact_mut(width).enumerate() {
        sums.clear();
        sums.resize(frame.width, 0);
        for row in frame.pixels.chunks_exact(3 * frame.width).skip(y * ratio).take(ratio) {
            for (sum, rgb) in sums.iter_mut().zip(row.as_chunks::<3>().0) {
                *sum += 77 * u32::from(rgb[0]) + 150 * u32::from(rgb[1]) + 29 * u32::from(rgb[2]);
            }
        }
        for (to, sums) in line.iter_mut().zip(sums.chunks_exact(ratio)) {
            *to = (sums.iter().sum::<u32>() as f32 * scale + 0.5) as u8;
        }
    }
}
