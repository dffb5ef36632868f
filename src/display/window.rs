//! A window on a desktop, for developing without a second screen.

use minifb::{Key, Scale, ScaleMode, WindowOptions};

use super::ScreenError;
use super::fader::View;
use crate::size::Size;

pub struct Window {
    window: minifb::Window,
    size: Size,
    /// What the window takes: 0RGB, a word a pixel.
    words: Vec<u32>,
    row: Vec<u8>,
}

impl Window {
    pub fn open(size: Size) -> Result<Window, ScreenError> {
        let options = WindowOptions {
            resize: true,
            scale: Scale::X1,
            scale_mode: ScaleMode::AspectRatioStretch,
            ..WindowOptions::default()
        };
        let window = minifb::Window::new("Reverie", size.width, size.height, options)
            .map_err(|e| ScreenError::Window(e.to_string()))?;
        Ok(Window { window, size, words: vec![0; size.width * size.height], row: Vec::new() })
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// Shows a picture of [`Window::size`]. A window that was closed, with its button or Escape, is a screen that is lost.
    pub fn show(&mut self, view: &View) -> Result<(), ScreenError> {
        if !self.window.is_open() || self.window.is_key_down(Key::Escape) {
            return Err(ScreenError::WindowClosed);
        }
        self.row.resize(4 * self.size.width, 0);
        for (y, line) in self.words.chunks_exact_mut(self.size.width).enumerate() {
            view.draw_row(y, &mut self.row);
            for (word, bgrx) in line.iter_mut().zip(self.row.as_chunks::<4>().0) {
                *word = u32::from_le_bytes(*bgrx);
            }
        }
        self.window
            .update_with_buffer(&self.words, self.size.width, self.size.height)
            .map_err(|e| ScreenError::Window(e.to_string()))
    }
}
