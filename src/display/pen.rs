//! Letters into pictures.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use crate::frame::Frame;

const FONT: &[u8] = include_bytes!("../../deploy/fonts/Inter-Display-Regular.otf");

pub const TEXT: [u8; 3] = [236, 232, 224];
pub const MUTED: [u8; 3] = [128, 128, 140];

/// Writes into a picture.
pub struct Pen<'a> {
    font: FontRef<'static>,
    pub out: &'a mut Frame,
    /// Pixels that a height of 1 is.
    pub unit: f32,
    /// Where lines begin, pixels.
    pub left: f32,
    /// Top of the next line, pixels.
    pub y: f32,
}

impl<'a> Pen<'a> {
    /// One that begins `margin` pixels from the left and from the top.
    pub fn new(out: &'a mut Frame, unit: f32, margin: f32) -> Pen<'a> {
        let font = FontRef::try_from_slice(FONT).expect("the font that is built in is one");
        Pen { font, out, unit, left: margin, y: margin }
    }

    /// How wide `text` is, pixels, `height` units high.
    pub fn width(&self, text: &str, height: f32) -> f32 {
        self.glyphs(text, 0.0, height).last().map_or(0.0, |(_, end)| *end)
    }

    /// The letters of `text` from `left` on, and where each ends.
    fn glyphs(&self, text: &str, left: f32, height: f32) -> Vec<(Glyph, f32)> {
        let font = self.font.as_scaled(PxScale::from(height * self.unit));
        let mut x = left;
        let mut last = None;
        let mut glyphs = Vec::new();
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            x += last.map_or(0.0, |last| font.kern(last, id));
            let glyph = id.with_scale_and_position(font.scale(), point(x, self.y + font.ascent()));
            x += font.h_advance(id);
            last = Some(id);
            glyphs.push((glyph, x));
        }
        glyphs
    }

    /// Writes `text` from `left` on, `height` units high.
    pub fn write(&mut self, text: &str, left: f32, height: f32, colour: [u8; 3]) {
        for (glyph, _) in self.glyphs(text, left, height) {
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let (bounds, width) = (outline.px_bounds(), self.out.width);
            let pixels = self.out.pixels.as_chunks_mut::<3>().0;
            outline.draw(|x, y, cover| {
                let (x, y) = (bounds.min.x as i64 + i64::from(x), bounds.min.y as i64 + i64::from(y));
                let inside = (0..width as i64).contains(&x) && y >= 0;
                let at = if inside { pixels.get_mut(y as usize * width + x as usize) } else { None };
                for (value, paint) in at.into_iter().flatten().zip(colour) {
                    *value = (f32::from(*value) + (f32::from(paint) - f32::from(*value)) * cover.min(1.0)) as u8;
                }
            });
        }
    }
}
