//! The pictures of a folder, one after another, each fading into the next.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::view::{Lens, View};
use super::{Settings, SourceError, picture};
use crate::frame::Frame;

/// Seconds of a cross-fade.
const FADE: f64 = 3.0;
/// Phase between the wandering of one picture and the next: by the golden ratio it never repeats.
const PHASE: f64 = 0.618_034;

pub struct Folder {
    pub name: String,
    path: PathBuf,
    size: (usize, usize),
    hold: f64,
    wander: bool,
    files: Vec<PathBuf>,
    /// Files that could not be read, each logged once.
    broken: HashSet<PathBuf>,
    /// The picture shown and the next one, by their turn.
    held: Vec<(u64, Frame)>,
    lens: Lens,
    coming: Frame,
}

impl Folder {
    pub fn open(path: &Path, width: usize, height: usize, settings: &Settings) -> Result<Folder, SourceError> {
        let mut folder = Folder {
            name: format!("folder {}", path.display()),
            path: path.to_owned(),
            size: (width, height),
            hold: settings.hold,
            wander: settings.wander,
            files: Vec::new(),
            broken: HashSet::new(),
            held: Vec::new(),
            lens: Lens::default(),
            coming: Frame::new(0, 0),
        };
        folder.load(0)?;
        Ok(folder)
    }

    pub fn draw(&mut self, time: f64, frame: &mut Frame) -> Result<(), SourceError> {
        let turn = (time / self.hold) as u64;
        self.load(turn)?;
        self.draw_one(turn, time, frame);
        let fade = (time - (turn + 1) as f64 * self.hold + FADE) / FADE;
        if fade > 0.0 {
            self.load(turn + 1)?;
            let mut coming = std::mem::replace(&mut self.coming, Frame::new(0, 0));
            coming.resize(frame.width, frame.height);
            self.draw_one(turn + 1, time, &mut coming);
            frame.fade(&coming, fade as f32);
            self.coming = coming;
        }
        Ok(())
    }

    fn draw_one(&mut self, turn: u64, time: f64, frame: &mut Frame) {
        let Some((_, picture)) = self.held.iter().find(|(held, _)| *held == turn) else { return };
        let (width, height) = (frame.width, frame.height);
        let view = match self.wander {
            true => View::wandering(picture, width, height, time, turn as f64 * PHASE),
            false => View::whole(picture, width, height),
        };
        self.lens.draw(picture, view, frame);
    }

    /// Loads the picture of `turn`, and drops those before the last turn.
    fn load(&mut self, turn: u64) -> Result<(), SourceError> {
        self.held.retain(|(held, _)| *held >= turn || *held + 1 == turn);
        if self.held.iter().any(|(held, _)| *held == turn) {
            return Ok(());
        }
        self.held.retain(|(held, _)| *held + 1 == turn);
        // At each round's start: pictures come and go in a folder.
        if self.files.is_empty() || turn.is_multiple_of(self.files.len() as u64) {
            self.files = list(&self.path);
        }
        for offset in 0..self.files.len() {
            let file = self.files[(turn as usize + offset) % self.files.len()].clone();
            let why = match picture::read(&file, self.size.0, self.size.1) {
                Ok((picture, false)) => {
                    self.held.push((turn, picture));
                    return Ok(());
                }
                // It may still be being copied.
                Ok((_, true)) => format!("{} is truncated", file.display()),
                Err(error) => error.to_string(),
            };
            if self.broken.insert(file) {
                warn!("{why}; skipped");
            }
        }
        Err(SourceError::NoPictures { path: self.path.clone() })
    }
}

/// The folder's pictures by name.
fn list(path: &Path) -> Vec<PathBuf> {
    let known = |file: &PathBuf| {
        let ending = file.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        crate::picture_file::EXTENSIONS.contains(&ending.as_str())
    };
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(known).collect();
    files.sort();
    files
}
