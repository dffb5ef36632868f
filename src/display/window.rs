//! A window on a desktop, for developing without a second screen.

use minifb::{Key, Scale, ScaleMode, WindowOptions};

use super::ScreenError;
use crate::config::Size;
use crate::frame::Frame;

pub struct Window {
    window: minifb::Window,
    size: Size,
    /// What the window takes: 0RGB, a word a pixel.
    words: Vec<u32>,
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
        Ok(Window { window, size, words: vec![0; size.width * size.height] })
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// Shows `picture`. A window that was closed, with its button or Escape, is a screen that is lost.
    pub fn show(&mut self, picture: &Frame) -> Result<(), ScreenError> {
        if !self.window.is_open() || self.window.is_key_down(Key::Escape) {
            return Err(ScreenError::WindowClosed);
        }
        for (word, [r, g, b]) in self.words.iter_mut().zip(picture.pixels.as_chunks::<3>().0) {
            *word = u32::from_be_bytes([0, *r, *g, *b]);
        }
        self.window
            .update_with_buffer(&self.words, self.size.width, self.size.height)
            .map_err(|e| ScreenError::Window(e.to_string()))
    }
}
