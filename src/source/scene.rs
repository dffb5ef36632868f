//! Pictures that are drawn, in real time.

use std::time::{Duration, Instant};

use super::folder::Folder;
use super::pattern::Pattern;
use super::still::Still;
use super::{Settings, SourceError};
use crate::frame::Frame;

/// What can be drawn. The same time gives the same picture.
pub enum Scene {
    Still(Still),
    Folder(Folder),
    Pattern(Pattern),
}

impl Scene {
    /// Draws the scene as it is `time` seconds after its start, in the size that `frame` has.
    pub fn draw(&mut self, time: f64, frame: &mut Frame) -> Result<(), SourceError> {
        match self {
            Scene::Still(still) => still.draw(time, frame),
            Scene::Folder(folder) => folder.draw(time, frame)?,
            Scene::Pattern(pattern) => pattern.draw(time, frame),
        }
        Ok(())
    }

    fn name(&self) -> &str {
        match self {
            Scene::Still(still) => &still.name,
            Scene::Folder(folder) => &folder.name,
            Scene::Pattern(_) => "the test pattern",
        }
    }
}

/// A scene at a camera's pace.
pub struct Drawn {
    scene: Scene,
    width: usize,
    height: usize,
    period: Duration,
    begun: Instant,
    /// Number of the next picture.
    next: u64,
}

impl Drawn {
    pub fn new(scene: Scene, settings: &Settings) -> Drawn {
        Drawn {
            scene,
            width: settings.size().width,
            height: settings.size().height,
            period: Duration::from_secs(1) / settings.fps(),
            begun: Instant::now(),
            next: 0,
        }
    }

    pub fn name(&self) -> &str {
        self.scene.name()
    }

    /// Waits until the next picture is due and draws it. Pictures that are already late are skipped.
    pub fn next(&mut self, frame: &mut Frame) -> Result<(), SourceError> {
        let elapsed = self.begun.elapsed();
        let present = (elapsed.as_nanos() / self.period.as_nanos()) as u64;
        self.next = self.next.max(present);
        let due = self.period.as_secs_f64() * self.next as f64;
        std::thread::sleep(Duration::from_secs_f64(due).saturating_sub(elapsed));
        frame.resize(self.width, self.height);
        self.scene.draw(due, frame)?;
        (frame.captured, frame.is_live) = (Instant::now(), false);
        self.next += 1;
        Ok(())
    }
}
