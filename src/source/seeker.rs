//! A camera that comes and goes: looked for until it is there, and again once it is lost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use tracing::{info, warn};

use super::SourceError;
use super::folder::Folder;
use super::pattern::Pattern;
use super::scene::{Drawn, Scene};
use super::v4l2::{self, Camera};
use crate::backoff::Backoff;
use crate::config;
use crate::frame::Frame;
use crate::hotplug::Hotplug;

/// What the camera does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// None is there that could be used.
    Absent,
    /// It was opened, and its first picture is waited for.
    Opening,
    Streaming,
    /// It is there and sent nothing any more; it is opened anew.
    Stalled,
}

/// How long one wait for a camera lasts, so that a stop is heard.
const PATIENCE: Duration = Duration::from_millis(100);

/// Looks for a camera, and stands in for one that was never there.
pub struct Seeker {
    settings: config::Source,
    camera: Option<Camera>,
    state: CameraState,
    /// Shown until the first camera is found. One that is lost later is not stood in for: the dream goes on from what
    /// it saw last.
    stand_in: Option<Drawn>,
    hotplug: Hotplug,
    backoff: Backoff,
    look_at: Instant,
    /// Why there is no camera, as it was told last: the same is told once.
    told: String,
    /// Why it was lost, likewise.
    told_loss: String,
}

impl Seeker {
    /// Looks for a camera and shows nothing until it is found.
    pub fn new(settings: &config::Source) -> Seeker {
        let mut seeker = Seeker::idle(settings);
        seeker.look("it is waited for");
        seeker
    }

    /// Looks for a camera, and meanwhile shows the photos that ship, or a test pattern where they are missing.
    pub fn with_stand_in(settings: &config::Source) -> Seeker {
        let (width, height) = (settings.size.width, settings.size.height);
        let photos = config::photo_folder().and_then(|photos| {
            Folder::open(&photos, width, height, settings).map_err(|error| warn!("the shipped photos: {error}")).ok()
        });
        let (scene, name) = match photos {
            Some(photos) => (Scene::Folder(photos), "the shipped photos"),
            None => (Scene::Pattern(Pattern), "the test pattern"),
        };
        let mut seeker = Seeker::idle(settings);
        seeker.look(&format!("dreaming on {name}; plug one in and it is used"));
        // Until the first picture comes.
        seeker.stand_in = Some(Drawn::new(scene, settings));
        seeker
    }

    fn idle(settings: &config::Source) -> Seeker {
        Seeker {
            settings: settings.clone(),
            camera: None,
            state: CameraState::Absent,
            stand_in: None,
            // Before the first look: what is plugged in meanwhile is heard of.
            hotplug: Hotplug::listen("video4linux"),
            backoff: Backoff::default(),
            look_at: Instant::now(),
            told: String::new(),
            told_loss: String::new(),
        }
    }

    /// As [`super::Source::next`].
    pub fn next(&mut self, frame: &mut Frame) -> Result<bool, SourceError> {
        if self.camera.is_some() {
            return Ok(self.read(frame));
        }
        if self.hotplug.happened() {
            // What was plugged in is worth a look at once, and again soon: drivers take a moment.
            self.backoff.reset();
            self.look("it is looked for again");
        } else if Instant::now() >= self.look_at {
            self.look("it is looked for again");
        }
        match &mut self.stand_in {
            Some(stand_in) => stand_in.next(frame).map(|()| true),
            None => {
                if self.camera.is_none() && self.hotplug.wait(PATIENCE) {
                    self.backoff.reset();
                    self.look_at = Instant::now();
                }
                Ok(false)
            }
        }
    }

    /// The camera's next picture, where one came in time. A camera that is lost is let go of.
    fn read(&mut self, frame: &mut Frame) -> bool {
        let Some(camera) = &mut self.camera else { return false };
        let lost = match camera.next(frame) {
            Ok(came) => {
                if came && self.state != CameraState::Streaming {
                    info!("camera: {}", camera.name);
                    self.state = CameraState::Streaming;
                    self.backoff.reset();
                    self.stand_in = None;
                    self.told.clear();
                    self.told_loss.clear();
                }
                return came || self.stand_in.as_mut().is_some_and(|stand_in| stand_in.next(frame).is_ok());
            }
            Err(lost) => lost,
        };
        let why = format!("{}: {}", camera.name, lost.reason);
        if why != self.told_loss {
            warn!("camera {why}; the dream goes on without it, and it is looked for again");
            self.told_loss = why;
        }
        self.state = if lost.is_stalled { CameraState::Stalled } else { CameraState::Absent };
        self.camera = None;
        self.look_at = Instant::now() + self.backoff.wait();
        false
    }

    pub fn state(&self) -> CameraState {
        self.state
    }

    pub fn status(&self) -> String {
        match (&self.camera, self.state, &self.stand_in) {
            (Some(camera), CameraState::Streaming, _) => format!("streaming {}", camera.name),
            (Some(camera), ..) => format!("opening {}", camera.name),
            (None, _, Some(stand_in)) => format!("absent, {} instead", stand_in.name()),
            (None, CameraState::Stalled, None) => format!("stalled: {}", self.told_loss),
            (None, ..) => "absent".to_owned(),
        }
    }

    fn look(&mut self, meanwhile: &str) {
        match first_that_opens(&devices(&self.settings), &self.settings) {
            Ok(camera) => {
                self.camera = Some(camera);
                if self.state == CameraState::Absent {
                    self.state = CameraState::Opening;
                }
            }
            Err(reasons) => {
                self.state = CameraState::Absent;
                self.look_at = Instant::now() + self.backoff.wait();
                if reasons != self.told {
                    info!("camera: {reasons}; {meanwhile}");
                    self.told = reasons;
                }
            }
        }
    }
}

/// The cameras to try, best first.
pub fn devices(settings: &config::Source) -> Vec<PathBuf> {
    if settings.device.is_any() { v4l2::nodes() } else { settings.device.paths() }
}

/// The first device that streams; else why none does.
fn first_that_opens(devices: &[PathBuf], settings: &config::Source) -> Result<Camera, String> {
    let mut reasons = Vec::new();
    for device in devices {
        match Camera::open(device, settings) {
            Ok(camera) => return Ok(camera),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(if reasons.is_empty() { "none found".to_owned() } else { reasons.join("; ") })
}
