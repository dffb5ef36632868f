//! The boot card: who this is and what is missing, on the screen until the first dream comes.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use crate::frame::Frame;
use crate::size::Size;

const FONT: &[u8] = include_bytes!("../../deploy/fonts/Inter-Display-Regular.otf");

const BACKGROUND: [u8; 3] = [10, 10, 16];
const TEXT: [u8; 3] = [236, 232, 224];
const MUTED: [u8; 3] = [128, 128, 140];
const WARNING: [u8; 3] = [242, 174, 73];

/// Its content.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BootCard {
    /// The device's name.
    pub title: String,
    pub subtitle: String,
    pub rows: Vec<Row>,
}

/// One line: `camera`, `none found`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub label: &'static str,
    pub text: String,
    /// Something is missing or wrong: it stands out.
    pub is_problem: bool,
}

impl BootCard {
    /// Draws it into `out`, resized to `size`: the screen's, as a viewer sees it.
    pub fn draw(&self, size: Size, out: &mut Frame) {
        out.resize(size.width, size.height);
        out.pixels.as_chunks_mut::<3>().0.fill(BACKGROUND);
        let font = FontRef::try_from_slice(FONT).expect("the font that is built in is one");
        // All sizes are in units of the screen: readable from where a person stands.
        let unit = (size.width as f32 / 30.0).min(size.height as f32 / 27.0);
        let mut pen = Pen { font, out, unit, left: 3.0 * unit, y: 3.0 * unit };
        pen.line(&self.title, 2.6, TEXT);
        pen.line(&self.subtitle, 1.0, MUTED);
        pen.y += 1.6 * unit;
        for row in &self.rows {
            pen.row(row);
        }
    }
}

/// How text is placed across a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caption {
    /// Large, in the middle.
    Name,
    /// Small, at the lower edge.
    Note,
    /// At the lower edge of a thumbnail.
    Label,
}

/// Writes `text` across `picture`, as large as fits, on a darkened band.
pub fn draw_caption(text: &str, caption: Caption, picture: &mut Frame) {
    /// Of the picture's width.
    const MAX_WIDTH: f32 = 0.9;
    // Of its height.
    let (top, band) = match caption {
        Caption::Name => (0.35, 0.3),
        Caption::Note => (0.93, 0.07),
        Caption::Label => (0.88, 0.12),
    };
    let (width, height) = (picture.width as f32, picture.height as f32);
    let rows = picture.pixels.chunks_exact_mut(3 * picture.width.max(1));
    for row in rows.skip((height * top) as usize).take((height * band).ceil() as usize) {
        row.iter_mut().for_each(|value| *value /= 4);
    }
    let font = FontRef::try_from_slice(FONT).expect("the font that is built in is one");
    let mut pen = Pen { font, out: picture, unit: height * band * 0.6, left: 0.0, y: 0.0 };
    let wide = pen.width(text, 1.0);
    pen.unit *= (MAX_WIDTH * width / wide.max(1.0)).min(1.0);
    let wide = pen.width(text, 1.0);
    pen.y = height * (top + band / 2.0) - pen.unit / 2.0;
    pen.write(text, (width - wide) / 2.0, 1.0, TEXT);
}

struct Pen<'a> {
    font: FontRef<'static>,
    out: &'a mut Frame,
    unit: f32,
    left: f32,
    /// Top of the next line.
    y: f32,
}

/// Where the texts of rows begin, in units from the labels.
const TEXT_COLUMN: f32 = 7.0;
/// Height of a row's letters, in units.
const ROW_HEIGHT: f32 = 1.15;

impl Pen<'_> {
    /// A line `height` units high; what does not fit is cut off.
    fn line(&mut self, text: &str, height: f32, colour: [u8; 3]) {
        self.write(text, self.left, height, colour);
        self.y += 1.35 * height * self.unit;
    }

    fn row(&mut self, row: &Row) {
        self.write(row.label, self.left, ROW_HEIGHT, MUTED);
        let left = self.left + TEXT_COLUMN * self.unit;
        let colour = if row.is_problem { WARNING } else { TEXT };
        for line in self.wrapped(&row.text, self.out.width as f32 - left - self.left, ROW_HEIGHT) {
            self.write(&line, left, ROW_HEIGHT, colour);
            self.y += 1.35 * ROW_HEIGHT * self.unit;
        }
        self.y += 0.25 * self.unit;
    }

    /// `text` in lines no wider than `width` pixels, broken between words; never empty.
    fn wrapped(&self, text: &str, width: f32, height: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let line = lines.last().map(String::as_str).unwrap_or_default();
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if line.is_empty() || self.width(&longer, height) <= width {
                lines.pop();
                lines.push(longer);
            } else {
                lines.push(word.to_owned());
            }
        }
        lines
    }

    fn width(&self, text: &str, height: f32) -> f32 {
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

    fn write(&mut self, text: &str, left: f32, height: f32, colour: [u8; 3]) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> BootCard {
        let row = |label, is_problem| Row { label, text: text.to_owned(), is_problem };
        let rows = vec![row("camera", true), row("broker", false)];
        BootCard { title: "hall-3".to_owned(), subtitle: "Reverie".to_owned(), rows }
    }

    #[test]
    fn any_text_fits_on_any_screen() {
        let long = "supercalifragilistic ".repeat(200);
        for text in ["", "none found", "Grüße, ☃ 夢", &long, &"x".repeat(4000)] {
            for (width, height) in [(1, 1), (3, 400), (64, 48), (1920, 1080), (720, 1280)] {
                let mut frame = Frame::new(0, 0);
                card(text).draw(Size { width, height }, &mut frame);
                assert_eq!(frame.pixels.len(), 3 * width * height);
            }
        }
    }

    #[test]
    fn a_name_is_written_in_the_middle_of_any_picture() {
        for (width, height) in [(1, 1), (320, 180), (96, 160), (1280, 16)] {
            for name in ["m", "hall-3", &"x".repeat(64), ""] {
                let mut picture = Frame::new(width, height);
                picture.pixels.fill(200);
                draw_caption(name, Caption::Name, &mut picture);
                let row = |y: usize| &picture.pixels[3 * width * y..3 * width * (y + 1)];
                if height > 100 {
                    assert!(row(0).iter().chain(row(height - 1)).all(|value| *value == 200), "{name}");
                    // Neither the picture (200) nor the darkened band (50): letters, thin as those of a long name may be.
                    let is_written = picture.pixels.iter().any(|value| (60..190).contains(value) || *value > 205);
                    assert_eq!(is_written, !name.is_empty(), "{name} on {width}x{height}");
                }
            }
        }
    }

    #[test]
    fn problems_stand_out() {
        let mut frame = Frame::new(0, 0);
        card("none found").draw(Size { width: 1920, height: 1080 }, &mut frame);
        let is = |colour: [u8; 3]| frame.pixels.as_chunks::<3>().0.contains(&colour);
        assert!(is(WARNING) && is(TEXT) && is(MUTED) && is(BACKGROUND));
    }
}
