//! Finds a camera, and finds one again after it was lost.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::folder::Folder;
use super::pattern::Pattern;
use super::scene::{Drawn, Scene};
use super::v4l2::{self, Camera, CameraLost};
use super::{Heartbeat, Settings, SourceError};
use crate::backoff::Backoff;
use crate::frame::Frame;
use crate::health::{CameraState, CameraStatus};
use crate::hotplug::Hotplug;

/// The longest wait for a picture or a hotplug event, so that the stage can be cancelled.
const MAX_WAIT: Duration = Duration::from_millis(200);
/// After a camera streamed for this long the waits begin from the shortest; for one that only ever sends a picture or two they
/// grow.
const STABLE_AFTER: Duration = Duration::from_millis(500);

/// What the supervisor needs of a camera.
pub(super) trait Capture {
    /// As [`Camera::name`].
    fn name(&self) -> &str;
    /// As [`Camera::control_errors`].
    fn control_errors(&self) -> &[String];
    /// As [`Camera::next`].
    fn next(&mut self, frame: &mut Frame, timeout: Duration) -> Result<bool, CameraLost>;
}

impl Capture for Camera {
    fn name(&self) -> &str {
        &self.name
    }

    fn control_errors(&self) -> &[String] {
        &self.control_errors
    }

    fn next(&mut self, frame: &mut Frame, timeout: Duration) -> Result<bool, CameraLost> {
        Camera::next(self, frame, timeout)
    }
}

/// Opens a camera: [`Camera::open`], or a fake in tests.
type Open = fn(&Path, &Settings, Heartbeat) -> Result<Box<dyn Capture>, SourceError>;

/// Looks for a camera; until the first one streams it may show something else.
pub struct CameraSupervisor {
    settings: Settings,
    open: Open,
    camera: Option<(PathBuf, Box<dyn Capture>)>,
    state: CameraState,
    /// When the first picture of this stream came.
    streams_since: Option<Instant>,
    /// Cameras that were opened and sent nothing since any did, in this order: all others are tried first.
    silent: Vec<PathBuf>,
    /// Shown until the first camera streams. After a later loss the dream goes on from what it saw last.
    stand_in: Option<Drawn>,
    hotplug: Hotplug,
    backoff: Backoff,
    next_attempt: Instant,
    /// What was logged last, so that the same is logged once.
    logged: Logged,
}

#[derive(Default)]
struct Logged {
    /// Why there is no camera.
    absence: String,
    /// Why the last camera was lost. A camera that had streamed is logged each time.
    loss: String,
    /// Controls that could not be set.
    control_errors: Vec<String>,
}

impl CameraSupervisor {
    /// Looks for a camera and shows nothing until it is found.
    pub fn new(settings: &Settings, heartbeat: Heartbeat) -> CameraSupervisor {
        let mut supervisor = CameraSupervisor::idle(settings, open);
        supervisor.open_first("waiting for one", true, heartbeat);
        supervisor
    }

    /// Looks for a camera, and meanwhile shows the photos that ship, or a test pattern where they are missing.
    pub fn with_stand_in(settings: &Settings, heartbeat: Heartbeat) -> CameraSupervisor {
        let size = settings.size();
        let photos = crate::assets::photo_folder().and_then(|photos| {
            Folder::open(&photos, size.width, size.height, settings)
                .map_err(|error| warn!("the shipped photos: {error}"))
                .ok()
        });
        let (scene, name) = match photos {
            Some(photos) => (Scene::Folder(photos), "the shipped photos"),
            None => (Scene::Pattern(Pattern), "the test pattern"),
        };
        let mut supervisor = CameraSupervisor::idle(settings, open);
        supervisor.open_first(&format!("dreaming on {name} until one is plugged in"), true, heartbeat);
        // Until the first picture comes.
        supervisor.stand_in = Some(Drawn::new(scene, settings));
        supervisor
    }

    fn idle(settings: &Settings, open: Open) -> CameraSupervisor {
        CameraSupervisor {
            settings: settings.clone(),
            open,
            camera: None,
            state: CameraState::Absent,
            streams_since: None,
            silent: Vec::new(),
            stand_in: None,
            // Before the first look, so that nothing plugged in meanwhile is missed.
            hotplug: Hotplug::listen("video4linux"),
            backoff: Backoff::default(),
            next_attempt: Instant::now(),
            logged: Logged::default(),
        }
    }

    /// As [`super::Source::next`].
    pub fn next(&mut self, frame: &mut Frame, heartbeat: Heartbeat) -> Result<bool, SourceError> {
        if self.camera.is_some() {
            return Ok(self.read(frame));
        }
        let plugged = match &self.stand_in {
            Some(_) => self.hotplug.happened(),
            None => self.hotplug.wait(MAX_WAIT.min(self.next_attempt.saturating_duration_since(Instant::now()))),
        };
        if plugged {
            // Look at once, and again soon: drivers and permissions take a moment, and the event may be older than the loss. Errors are logged
            // if they stay.
            self.backoff.reset();
            self.open_first("looking again", false, heartbeat);
        } else if Instant::now() >= self.next_attempt {
            self.open_first("looking again", true, heartbeat);
        }
        match &mut self.stand_in {
            Some(stand_in) => stand_in.next(frame).map(|()| true),
            None => Ok(false),
        }
    }

    /// The camera's next picture, where one came in time. A lost camera is closed.
    fn read(&mut self, frame: &mut Frame) -> bool {
        let Some((path, camera)) = &mut self.camera else { return false };
        // A stand-in keeps its own time.
        let timeout = if self.stand_in.is_some() { Duration::ZERO } else { MAX_WAIT };
        match camera.next(frame, timeout) {
            Ok(came) => {
                if came && self.streams_since.is_none() {
                    info!("camera: {}", camera.name());
                    self.state = CameraState::Streaming;
                    self.streams_since = Some(Instant::now());
                    self.silent.clear();
                    self.stand_in = None;
                    self.logged.absence.clear();
                }
                came || self.stand_in.as_mut().is_some_and(|stand_in| stand_in.next(frame).is_ok())
            }
            Err(lost) => {
                let why = format!("{}: {}", camera.name(), lost.reason);
                let path = std::mem::take(path);
                self.lose(path, why, lost.is_stalled);
                false
            }
        }
    }

    fn lose(&mut self, path: PathBuf, why: String, is_stalled: bool) {
        self.camera = None;
        let streamed = self.streams_since.take();
        if streamed.is_some_and(|since| since.elapsed() >= STABLE_AFTER) {
            self.backoff.reset();
        }
        if streamed.is_some() || why != self.logged.loss {
            warn!("camera {why}; dreaming on without it, and looking for it again");
        }
        self.logged.loss = why;
        if streamed.is_none() {
            self.silent.retain(|silent| *silent != path);
            self.silent.push(path);
        }
        self.state = if is_stalled { CameraState::Stalled } else { CameraState::Absent };
        self.next_attempt = Instant::now() + self.backoff.wait();
    }

    pub fn status(&self) -> CameraStatus {
        let after_stall = self.state == CameraState::Stalled;
        if let Some((_, camera)) = &self.camera {
            let camera = camera.name().to_owned();
            return match self.state {
                CameraState::Streaming => CameraStatus::Streaming(camera),
                _ => CameraStatus::Opening { camera, after_stall },
            };
        }
        let stand_in = self.stand_in.as_ref().map(|stand_in| stand_in.name().to_owned());
        match after_stall {
            true => CameraStatus::Stalled { reason: self.logged.loss.clone(), stand_in },
            false => CameraStatus::Absent { reason: None, stand_in },
        }
    }

    /// Opens the first camera that can be opened; else logs why there is none, where it `logs`.
    fn open_first(&mut self, meanwhile: &str, logs: bool, heartbeat: Heartbeat) {
        let mut devices = devices(&self.settings);
        // The order of the others stays.
        devices.sort_by_key(|device| self.silent.iter().position(|silent| silent == device));
        let mut reasons = Vec::new();
        for device in devices {
            heartbeat();
            match (self.open)(&device, &self.settings, heartbeat) {
                Ok(camera) => {
                    if camera.control_errors() != self.logged.control_errors {
                        camera.control_errors().iter().for_each(|error| warn!("camera {}: {error}", device.display()));
                        self.logged.control_errors = camera.control_errors().to_vec();
                    }
                    self.camera = Some((device, camera));
                    if self.state == CameraState::Absent {
                        self.state = CameraState::Opening;
                    }
                    return;
                }
                Err(error) => reasons.push(error.to_string()),
            }
        }
        self.state = CameraState::Absent;
        self.next_attempt = Instant::now() + self.backoff.wait();
        let reasons = if reasons.is_empty() { "none found".to_owned() } else { reasons.join("; ") };
        if logs && reasons != self.logged.absence {
            info!("camera: {reasons}; {meanwhile}");
            self.logged.absence = reasons;
        }
    }
}

/// The cameras to try, best first.
pub fn devices(settings: &Settings) -> Vec<PathBuf> {
    if settings.device.is_any() { v4l2::nodes() } else { settings.device.paths() }
}

fn open(device: &Path, settings: &Settings, heartbeat: Heartbeat) -> Result<Box<dyn Capture>, SourceError> {
    Camera::open(device, settings, heartbeat).map(|camera| Box::new(camera) as Box<dyn Capture>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Cameras;

    /// `works` sends pictures, `falters` some and then none, `silent…` none; there are no others.
    struct FakeCamera {
        name: String,
        left: u32,
    }

    impl Capture for FakeCamera {
        fn name(&self) -> &str {
            &self.name
        }

        fn control_errors(&self) -> &[String] {
            &[]
        }

        fn next(&mut self, _: &mut Frame, _: Duration) -> Result<bool, CameraLost> {
            match self.left.checked_sub(1) {
                Some(left) => self.left = left,
                None => return Err(CameraLost { reason: "no picture".to_owned(), is_stalled: true }),
            }
            Ok(true)
        }
    }

    fn supervisor(devices: &[&str]) -> CameraSupervisor {
        let device = Cameras(devices.iter().map(|name| format!("/{name}")).collect());
        CameraSupervisor::idle(&Settings { device, ..Settings::default() }, |device, _, _| {
            let name = device.display().to_string();
            let left = match name.as_str() {
                "/works" => u32::MAX,
                "/falters" => 2,
                name if name.starts_with("/silent") => 0,
                _ => return Err(SourceError::Camera { device: name, reason: "is not there".to_owned() }),
            };
            Ok(Box::new(FakeCamera { name, left }))
        })
    }

    /// Looks at once, whatever wait there is, and reads; the camera that was used and whether a picture came.
    fn step(supervisor: &mut CameraSupervisor) -> (String, bool) {
        let mut frame = Frame::new(0, 0);
        if supervisor.camera.is_none() {
            supervisor.open_first("", true, &|| {});
        }
        let name = supervisor.camera.as_ref().map(|(_, camera)| camera.name().to_owned()).unwrap_or_default();
        (name, supervisor.read(&mut frame))
    }

    fn used(supervisor: &mut CameraSupervisor, steps: usize) -> Vec<String> {
        (0..steps).map(|_| step(supervisor).0).collect()
    }

    #[test]
    fn the_first_that_works_is_used() {
        let mut supervisor = supervisor(&["absent", "works", "falters"]);
        assert_eq!(step(&mut supervisor), ("/works".to_owned(), true));
        assert_eq!(supervisor.status(), CameraStatus::Streaming("/works".to_owned()));
        assert_eq!(used(&mut supervisor, 3), ["/works"; 3]);
    }

    #[test]
    fn each_camera_that_is_tried_leaves_a_heartbeat() {
        let tried = std::cell::Cell::new(0);
        supervisor(&["absent", "gone", "works", "falters"]).open_first("", true, &|| tried.set(tried.get() + 1));
        assert_eq!(tried.get(), 3);
    }

    #[test]
    fn cameras_that_send_nothing_keep_no_other_away() {
        let mut supervisor = supervisor(&["silent1", "silent2", "absent", "works"]);
        assert_eq!(used(&mut supervisor, 3), ["/silent1", "/silent2", "/works"]);
        let mut supervisor = self::supervisor(&["silent1", "silent2"]);
        assert_eq!(used(&mut supervisor, 4), ["/silent1", "/silent2", "/silent1", "/silent2"], "none is given up");
        let reason = "/silent2: no picture".to_owned();
        assert_eq!(supervisor.status(), CameraStatus::Stalled { reason, stand_in: None });
    }

    #[test]
    fn a_camera_that_sent_something_stays_the_first() {
        let mut supervisor = supervisor(&["falters", "works"]);
        assert_eq!(used(&mut supervisor, 6), ["/falters"; 6]);
    }

    #[test]
    fn a_picture_now_and_then_shortens_no_wait() {
        let mut supervisor = supervisor(&["falters"]);
        let mut waits = Vec::new();
        for number in 0..24 {
            step(&mut supervisor);
            if number % 3 == 2 {
                assert!(supervisor.camera.is_none());
                waits.push(supervisor.next_attempt.saturating_duration_since(Instant::now()));
            }
        }
        assert!(waits[0] < Duration::from_secs(2) && waits[7] > Duration::from_secs(20), "{waits:?}");
        // Had it run for long:
        step(&mut supervisor);
        supervisor.streams_since = Instant::now().checked_sub(STABLE_AFTER);
        used(&mut supervisor, 2);
        assert!(supervisor.next_attempt.saturating_duration_since(Instant::now()) < Duration::from_secs(2));
    }

    #[test]
    fn a_missing_camera_is_absent_and_looked_for_later_and_later() {
        let mut supervisor = supervisor(&["absent"]);
        for longest in [1, 2, 4, 8] {
            supervisor.open_first("", true, &|| {});
            let wait = supervisor.next_attempt.saturating_duration_since(Instant::now());
            assert!(wait <= Duration::from_secs(longest) && wait > Duration::from_millis(700 * longest), "{wait:?}");
        }
        assert_eq!(supervisor.status(), CameraStatus::Absent { reason: None, stand_in: None });
        assert_eq!(supervisor.logged.absence, "camera /absent: is not there");
    }
}
