//! Where pictures come from.
//!
//! [`Source`] hides whether it is a camera that comes and goes ([`supervisor`]), a program that stands for one ([`program`]) or a
//! picture that is drawn ([`scene`]): still, folder and pattern behave like a live camera, in real time.

mod folder;
mod pattern;
mod picture;
mod program;
mod scene;
mod settings;
mod still;
mod supervisor;
mod v4l2;
mod view;

use std::path::PathBuf;

use crate::frame::Frame;
use crate::health::CameraStatus;
use program::Program;
pub use program::try_out as try_program;
use scene::Drawn;
pub use settings::{Cameras, ControlValue, Settings, SourceKind};
use supervisor::CameraSupervisor;
pub use v4l2::{Survey, survey};

/// A source that was opened.
pub enum Source {
    Drawn(Box<Drawn>),
    Camera(Box<CameraSupervisor>),
    Program(Box<Program>),
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot read the picture {path}: {reason}")]
    Picture { path: PathBuf, reason: String },
    #[error("{path} holds no picture that can be read (JPEG, PNG or WebP)")]
    NoPictures { path: PathBuf },
    #[error("camera {device}: {reason}")]
    Camera { device: String, reason: String },
}

/// Called before each step that may take a driver some seconds, so that the stage's deadline holds for each step alone.
pub type Heartbeat<'a> = &'a dyn Fn();

impl Source {
    /// Opens what `settings` name. A camera that is not there is no error: it is looked for from then on, and a program that
    /// fails is started again.
    ///
    /// # Errors
    /// Where a picture or a folder cannot be read.
    pub fn open(settings: &Settings, heartbeat: Heartbeat) -> Result<Source, SourceError> {
        let path = settings.path.clone().unwrap_or_default();
        let (width, height) = (settings.size().width, settings.size().height);
        let scene = match settings.kind {
            SourceKind::Auto => {
                return Ok(Source::Camera(Box::new(CameraSupervisor::with_stand_in(settings, heartbeat))));
            }
            SourceKind::V4l2 => return Ok(Source::Camera(Box::new(CameraSupervisor::new(settings, heartbeat)))),
            SourceKind::Program => return Ok(Source::Program(Box::new(Program::new(settings)))),
            SourceKind::Still => scene::Scene::Still(still::Still::read(&path, width, height, settings.wander)?),
            SourceKind::Folder => scene::Scene::Folder(folder::Folder::open(&path, width, height, settings)?),
            SourceKind::Pattern => scene::Scene::Pattern(pattern::Pattern),
        };
        let drawn = Drawn::new(scene, settings);
        tracing::info!("camera: not used; dreaming on {}", drawn.name());
        Ok(Source::Drawn(Box::new(drawn)))
    }

    /// Waits for the next picture, a second at most, or as long as cameras take to be opened; true where `frame` holds one now.
    ///
    /// # Errors
    /// Where nothing more can come from it; a lost camera is none, for it may come back.
    pub fn next(&mut self, frame: &mut Frame, heartbeat: Heartbeat) -> Result<bool, SourceError> {
        match self {
            Source::Drawn(drawn) => drawn.next(frame).map(|()| true),
            Source::Camera(supervisor) => supervisor.next(frame, heartbeat),
            Source::Program(program) => program.next(frame),
        }
    }

    /// What it does now.
    pub fn status(&self) -> CameraStatus {
        match self {
            Source::Drawn(drawn) => CameraStatus::NotUsed(drawn.name().to_owned()),
            Source::Camera(supervisor) => supervisor.status(),
            Source::Program(program) => program.status(),
        }
    }
}

#[cfg(test)]
mod tests;
