//! One picture, seen through the wandering camera.

use std::path::Path;

use super::view::{Lens, View};
use super::{SourceError, picture};
use crate::frame::Frame;

pub struct Still {
    pub name: String,
    picture: Frame,
    wander: bool,
    lens: Lens,
}

impl Still {
    pub fn read(path: &Path, width: usize, height: usize, wander: bool) -> Result<Still, SourceError> {
        let (picture, is_torn) = picture::read(path, width, height)?;
        if is_torn {
            tracing::warn!("{} is truncated: its lower part is missing", path.display());
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Ok(Still { name: format!("still {name}"), picture, wander, lens: Lens::default() })
    }

    pub fn draw(&mut self, time: f64, frame: &mut Frame) {
        let (width, height) = (frame.width, frame.height);
        let view = match self.wander {
            true => View::wandering(&self.picture, width, height, time, 0.0),
            false => View::whole(&self.picture, width, height),
        };
        self.lens.draw(&self.picture, view, frame);
    }
}
