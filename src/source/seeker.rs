//! A camera that comes and goes: looked for until it is there, and again once it is lost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::SourceError;
use super::folder::Folder;
use super::pattern::Pattern;
use super::scene::{Drawn, Scene};
use super::v4l2::{self, Camera};
use crate::backoff::Backoff;
use crate::config;
use crate::frame::Frame;

/// Looks for a camera, and stands in for one that was never there.
pub struct Seeker {
    settings: config::Source,
    camera: Option<Camera>,
    /// Shown until the first camera is found. One that is lost later is not stood in for: the dream goes on from what
    /// it saw last.
    stand_in: Option<Drawn>,
    backoff: Backoff,
    look_at: Instant,
    /// Why there is no camera, as it was told last: the same is told once.
    told: String,
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
        if seeker.camera.is_none() {
            seeker.stand_in = Some(Drawn::new(scene, settings));
        }
        seeker
    }

    fn idle(settings: &config::Source) -> Seeker {
        Seeker {
            settings: settings.clone(),
            camera: None,
            stand_in: None,
            // A camera that is plugged in is taken up within seconds.
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(5)).unwrap_or_default(),
            look_at: Instant::now(),
            told: String::new(),
        }
    }

    /// As [`super::Source::next`].
    pub fn next(&mut self, frame: &mut Frame) -> Result<bool, SourceError> {
        if let Some(camera) = &mut self.camera {
            return match camera.next(frame) {
                Ok(came) => {
                    if came {
                        self.backoff.reset();
                    }
                    Ok(came)
                }
                Err(error) => {
                    warn!("{error}; the dream goes on without it, and it is looked for again");
                    self.camera = None;
                    self.look_at = Instant::now() + self.backoff.wait();
                    Ok(false)
                }
            };
        }
        if Instant::now() >= self.look_at {
            self.look("it is looked for again");
        }
        match &mut self.stand_in {
            Some(stand_in) => stand_in.next(frame).map(|()| true),
            None => {
                std::thread::sleep(Duration::from_millis(100));
                Ok(false)
            }
        }
    }

    pub fn status(&self) -> String {
        match (&self.camera, &self.stand_in) {
            (Some(camera), _) => format!("streaming {}", camera.name),
            (None, Some(stand_in)) => format!("absent, {} instead", stand_in.name()),
            (None, None) => "absent".to_owned(),
        }
    }

    fn look(&mut self, meanwhile: &str) {
        let devices = match &self.settings.device {
            Some(device) => vec![device.clone()],
            None => v4l2::devices(),
        };
        match first_that_opens(&devices, &self.settings) {
            Ok(camera) => {
                info!("camera: {}", camera.name);
                self.camera = Some(camera);
                self.stand_in = None;
                self.told.clear();
            }
            Err(reasons) => {
                self.look_at = Instant::now() + self.backoff.wait();
                if reasons != self.told {
                    info!("camera: {reasons}; {meanwhile}");
                    self.told = reasons;
                }
            }
        }
    }
}

/// The first device that streams; else why none does.
fn first_that_opens(devices: &[PathBuf], settings: &config::Source) -> Result<Camera, String> {
    let mut reasons = Vec::new();
    for device in devices {
        match Camera::open(device, settings.size, settings.fps) {
            Ok(camera) => return Ok(camera),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(if reasons.is_empty() { "none found".to_owned() } else { reasons.join("; ") })
}
