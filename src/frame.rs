//! What passes from stage to stage: one picture with its timestamps.

use std::time::Instant;

use crate::size::Size;

/// A picture: interleaved 8-bit RGB, rows from the top, no padding between them.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// `3 · width · height` bytes.
    pub pixels: Vec<u8>,
    /// When the sensor was exposed, as near as is known: passed on through all stages to measure latency.
    pub captured: Instant,
    /// If this is the first picture to follow a command: when that was received.
    pub commanded: Option<Instant>,
    /// Whether it comes from a camera: then it may be mirrored.
    pub is_live: bool,
}

impl Frame {
    /// A black picture.
    pub fn new(width: usize, height: usize) -> Frame {
        Frame {
            width,
            height,
            pixels: vec![0; 3 * width * height],
            captured: Instant::now(),
            commanded: None,
            is_live: false,
        }
    }

    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// Changes the size; memory is kept where it suffices. The pixels are unspecified afterwards.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        self.pixels.resize(3 * width * height, 0);
    }

    /// Becomes a copy of `other`; allocates only where its own memory is too small.
    pub fn copy_from(&mut self, other: &Frame) {
        self.resize(other.width, other.height);
        self.pixels.copy_from_slice(&other.pixels);
        (self.captured, self.commanded, self.is_live) = (other.captured, other.commanded, other.is_live);
    }

    /// Exchanges left and right.
    pub fn flip(&mut self) {
        for row in self.pixels.chunks_exact_mut(3 * self.width.max(1)) {
            row.as_chunks_mut::<3>().0.reverse();
        }
    }

    /// Blends toward `other`, of the same size: 0 leaves it as it is, 1 makes it `other`.
    pub fn fade(&mut self, other: &Frame, part: f32) {
        let weight = (part.clamp(0.0, 1.0) * 256.0) as u16;
        for (value, &aim) in self.pixels.iter_mut().zip(&other.pixels) {
            *value = ((u16::from(*value) * (256 - weight) + u16::from(aim) * weight) >> 8) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: usize, pixels: &[u8]) -> Frame {
        let mut frame = Frame::new(width, pixels.len() / 3 / width);
        frame.pixels.copy_from_slice(pixels);
        frame
    }

    #[test]
    fn a_fade_begins_at_one_picture_and_ends_at_the_other() {
        let (from, to) = (frame(1, &[0, 255, 100]), frame(1, &[255, 0, 100]));
        let faded = |part| {
            let mut frame = from.clone();
            frame.fade(&to, part);
            frame.pixels
        };
        assert_eq!(faded(0.0), from.pixels);
        assert_eq!(faded(1.0), to.pixels);
        assert_eq!(faded(0.5), [127, 127, 100]);
    }

    #[test]
    fn a_flip_exchanges_left_and_right_only() {
        let mut frame = frame(2, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        frame.flip();
        assert_eq!(frame.pixels, [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]);
    }
}
