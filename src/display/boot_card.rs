//! The boot card: who this is and what is missing, on the screen until the first dream comes.

use super::pen::{MUTED, Pen, TEXT};
use crate::frame::Frame;
use crate::size::Size;

const BACKGROUND: [u8; 3] = [10, 10, 16];
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
        // All sizes are in units of the screen: readable from where a person stands.
        let unit = (size.width as f32 / 30.0).min(size.height as f32 / 27.0);
        let mut pen = Pen::new(out, unit, 3.0 * unit);
        pen.line(&self.title, 2.6, TEXT);
        pen.line(&self.subtitle, 1.0, MUTED);
        pen.y += 1.6 * unit;
        for row in &self.rows {
            pen.row(row);
        }
    }
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
    fn problems_stand_out() {
        let mut frame = Frame::new(0, 0);
        card("none found").draw(Size { width: 1920, height: 1080 }, &mut frame);
        let is = |colour: [u8; 3]| frame.pixels.as_chunks::<3>().0.contains(&colour);
        assert!(is(WARNING) && is(TEXT) && is(MUTED) && is(BACKGROUND));
    }
}
