//! Pictures into the memory layouts of screens.

use super::fader::View;

/// Where a colour lies in a pixel: lowest bit, number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    pub offset: u32,
    pub length: u32,
}

/// How a screen's memory is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes a pixel, little-endian: 2, 3 or 4.
    pub bytes: usize,
    /// Bytes from one line to the next.
    pub line: usize,
    pub red: Channel,
    pub green: Channel,
    pub blue: Channel,
}

impl Layout {
    /// Checks that it can be written.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, width: usize) -> Result<(), String> {
        let bits = 8 * self.bytes as u32;
        let fits =
            |c: Channel| (1..=8).contains(&c.length) && c.offset.checked_add(c.length).is_some_and(|top| top <= bits);
        if !(2..=4).contains(&self.bytes) || ![self.red, self.green, self.blue].into_iter().all(fits) {
            return Err(format!("its pixels of {bits} bits are of a kind that is not known"));
        }
        if self.line < width * self.bytes {
            return Err(format!("its lines of {} bytes are too short for {width} pixels", self.line));
        }
        Ok(())
    }

    /// Draws `view` into `memory`, from its first line on; lines that do not fit into it are left out. `row` is working
    /// memory.
    pub fn draw(&self, view: &View, memory: &mut [u8], row: &mut Vec<u8>) {
        let (own, width) = (4 * view.size.width, view.size.width);
        let lines = memory.chunks_mut(self.line).take(view.size.height).enumerate();
        if *self == Layout::xrgb8888(self.line) {
            lines.filter(|(_, line)| line.len() >= own).for_each(|(y, line)| view.draw_row(y, line));
            return;
        }
        row.resize(own, 0);
        for (y, line) in lines.filter(|(_, line)| line.len() >= width * self.bytes) {
            view.draw_row(y, row);
            for (bgrx, to) in row.as_chunks::<4>().0.iter().zip(line.chunks_exact_mut(self.bytes)) {
                let value = self.pack(*bgrx).to_le_bytes();
                to.copy_from_slice(&value[..self.bytes]);
            }
        }
    }

    fn pack(&self, [b, g, r, _]: [u8; 4]) -> u32 {
        let put = |value: u8, channel: Channel| (u32::from(value) >> (8 - channel.length)) << channel.offset;
        put(r, self.red) | put(g, self.green) | put(b, self.blue)
    }

    /// The layout of nearly every screen, with lines of `line` bytes.
    pub fn xrgb8888(line: usize) -> Layout {
        let channel = |offset| Channel { offset, length: 8 };
        Layout { bytes: 4, line, red: channel(16), green: channel(8), blue: channel(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::canvas::Canvas;
    use crate::display::fader::Fader;
    use crate::frame::Frame;
    use crate::size::Size;
    use std::time::{Duration, Instant};

    fn layout(bytes: usize, line: usize, [r, g, b]: [(u32, u32); 3]) -> Layout {
        let channel = |(offset, length)| Channel { offset, length };
        Layout { bytes, line, red: channel(r), green: channel(g), blue: channel(b) }
    }

    /// Two lines of two pixels: red, green; blue, a grey.
    fn picture() -> Frame {
        let mut frame = Frame::new(2, 2);
        frame.pixels.copy_from_slice(&[255, 0, 0, 0, 255, 0, 0, 0, 255, 0x80, 0x81, 0x82]);
        frame
    }

    fn written(layout: Layout, length: usize) -> Vec<u8> {
        layout.check(2).unwrap();
        let mut memory = vec![0xEE; length];
        let now = Instant::now();
        let mut fader = Fader::new(Canvas::plain(Size { width: 2, height: 2 }), now);
        fader.fade_to(&picture(), Duration::from_millis(16), now);
        layout.draw(&fader.view(now, 1.0), &mut memory, &mut Vec::new());
        memory
    }

    #[test]
    fn thirty_two_bits_with_padding_that_is_left_alone() {
        let memory = written(layout(4, 12, [(16, 8), (8, 8), (0, 8)]), 24);
        assert_eq!(memory[..8], [0, 0, 255, 0, 0, 255, 0, 0]);
        assert_eq!(memory[8..12], [0xEE; 4]);
        assert_eq!(memory[12..20], [255, 0, 0, 0, 0x82, 0x81, 0x80, 0]);
    }

    #[test]
    fn thirty_two_bits_the_other_way_round() {
        let memory = written(layout(4, 8, [(0, 8), (8, 8), (16, 8)]), 16);
        assert_eq!(memory, [255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0x80, 0x81, 0x82, 0]);
    }

    #[test]
    fn twenty_four_bits() {
        let memory = written(layout(3, 7, [(16, 8), (8, 8), (0, 8)]), 14);
        assert_eq!(memory, [0, 0, 255, 0, 255, 0, 0xEE, 255, 0, 0, 0x82, 0x81, 0x80, 0xEE]);
    }

    #[test]
    fn sixteen_bits_of_565() {
        let memory = written(layout(2, 4, [(11, 5), (5, 6), (0, 5)]), 8);
        let words: Vec<u16> = memory.chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        assert_eq!(words, [0xF800, 0x07E0, 0x001F, (0x10 << 11) | (0x20 << 5) | 0x10]);
    }

    #[test]
    fn memory_that_is_too_short_is_not_overrun() {
        let memory = written(layout(4, 8, [(16, 8), (8, 8), (0, 8)]), 11);
        assert_eq!(memory[8..], [0xEE; 3]);
    }

    #[test]
    fn layouts_that_cannot_be_are_refused() {
        assert!(layout(1, 8, [(0, 8), (0, 8), (0, 8)]).check(2).is_err());
        assert!(layout(4, 8, [(30, 8), (8, 8), (0, 8)]).check(2).is_err());
        assert!(layout(4, 7, [(16, 8), (8, 8), (0, 8)]).check(2).is_err());
        assert!(layout(4, 8, [(u32::MAX, 8), (8, 8), (0, 8)]).check(2).is_err());
    }
}
