//! Text across a picture.

use super::pen::{MUTED, Pen, TEXT};
use crate::frame::Frame;
use crate::size::Size;

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
    let mut pen = Pen::new(picture, height * band * 0.6, 0.0);
    let wide = pen.width(text, 1.0);
    pen.unit *= (MAX_WIDTH * width / wide.max(1.0)).min(1.0);
    let wide = pen.width(text, 1.0);
    pen.y = height * (top + band / 2.0) - pen.unit / 2.0;
    pen.write(text, (width - wide) / 2.0, 1.0, TEXT);
}

/// A line of a [`CornerCaption`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionRow {
    pub label: &'static str,
    pub text: String,
    /// Said beside it, less loudly.
    pub remark: String,
}

/// Some lines in the lower left corner of every picture. They are set once, and then only laid over.
#[derive(Debug, Default)]
pub struct CornerCaption {
    rows: Vec<CaptionRow>,
    /// The letters on black, set for a picture of that size.
    card: Option<(Frame, Size)>,
}

impl CornerCaption {
    /// Shows `rows` from the next picture on. None: nothing is shown.
    pub fn set(&mut self, rows: Vec<CaptionRow>) {
        if rows != self.rows {
            self.rows = rows;
            self.card = None;
        }
    }

    /// Lays it over `picture`.
    pub fn draw(&mut self, picture: &mut Frame) {
        if self.rows.is_empty() {
            return;
        }
        let size = picture.size();
        let card = self.card.take().filter(|(_, set_for)| *set_for == size);
        let (card, _) = self.card.insert(card.unwrap_or_else(|| (set_rows(&self.rows, size), size)));
        // As far from the edges as the letters are from the card's.
        let margin = (2.0 * MARGIN * unit(size)) as usize;
        let (left, top) = (margin, size.height.saturating_sub(margin + card.height));
        let wide = card.width.min(size.width.saturating_sub(left));
        let rows = picture.pixels.chunks_exact_mut(3 * size.width.max(1)).skip(top);
        for (to, from) in rows.zip(card.pixels.chunks_exact(3 * card.width.max(1))) {
            let to = to.iter_mut().skip(3 * left).take(3 * wide);
            to.zip(from).for_each(|(to, from)| *to = (*to / 3).max(*from));
        }
    }
}

/// Space around the letters, between label and text, and from row to row, in units: heights of a letter.
const MARGIN: f32 = 0.6;
const TEXT_COLUMN: f32 = 4.2;
const REMARK_GAP: f32 = 0.7;
const ROW: f32 = 1.4;

/// Height of the letters on a picture of `size`, pixels: to be read from near, and small.
fn unit(size: Size) -> f32 {
    (size.height as f32 / 30.0).min(size.width as f32 / 32.0).max(8.0)
}

fn set_rows(rows: &[CaptionRow], size: Size) -> Frame {
    let (unit, mut card) = (unit(size), Frame::new(0, 0));
    let pen = Pen::new(&mut card, unit, MARGIN * unit);
    let gap = REMARK_GAP * unit;
    let widths = rows.iter().map(|row| pen.width(&row.text, 1.0) + gap + pen.width(&row.remark, 1.0));
    let wide = widths.fold(0.0, f32::max) + (TEXT_COLUMN + 2.0 * MARGIN) * unit;
    let high = ((rows.len() as f32 - 1.0) * ROW + 1.2 + 2.0 * MARGIN) * unit;
    // What does not fit is cut off.
    card.resize((wide.ceil() as usize).min(size.width), (high.ceil() as usize).min(size.height));
    card.pixels.fill(0);
    let mut pen = Pen::new(&mut card, unit, MARGIN * unit);
    for row in rows {
        let (left, text) = (pen.left, pen.left + TEXT_COLUMN * unit);
        pen.write(row.label, left, 1.0, MUTED);
        pen.write(&row.text, text, 1.0, TEXT);
        pen.write(&row.remark, text + pen.width(&row.text, 1.0) + gap, 1.0, MUTED);
        pen.y += ROW * unit;
    }
    card
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_corner_caption_is_written_in_its_corner_of_any_picture_and_on_that_alone() {
        let row = |text: &str| CaptionRow { label: "dream", text: text.to_owned(), remark: "63 %".to_owned() };
        let mut caption = CornerCaption::default();
        for (width, height) in [(1, 1), (320, 180), (96, 160), (1280, 16), (1280, 720)] {
            let mut plain = Frame::new(width, height);
            plain.pixels.fill(90);
            let mut picture = plain.clone();
            for rows in [vec![], vec![row("Pomeranian"), row("☃ 夢")], vec![row(&"x".repeat(400))]] {
                picture.copy_from(&plain);
                let is_empty = rows.is_empty();
                caption.set(rows);
                caption.draw(&mut picture);
                let changed = |from: usize, to: usize| {
                    picture.pixels[3 * width * from..3 * width * to].iter().any(|value| *value != 90)
                };
                assert!(!changed(0, height / 3) || height < 100, "on {width}x{height}");
                assert_eq!(changed(height / 3, height), !is_empty && width > 20, "on {width}x{height}");
            }
        }
        // Letters on a darkened ground.
        caption.set(vec![row("Pomeranian")]);
        let mut picture = Frame::new(1920, 1080);
        picture.pixels.fill(200);
        caption.draw(&mut picture);
        for colour in [TEXT, MUTED, [66; 3]] {
            assert!(picture.pixels.as_chunks::<3>().0.contains(&colour), "{colour:?}");
        }
    }
}
