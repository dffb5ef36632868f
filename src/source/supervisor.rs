//! A camera that comes and goes: looked for until it is there, and again once it is lost.

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

/// How long one wait for a camera lasts, so that a stop is heard.
const MAX_WAIT: Duration = Duration::from_millis(200);
/// A camera that ran for so long is looked for soon again when it is lost; for one that only ever sends a picture or two the waits
/// grow.
const STABLE_AFTER: Duration = Duration::from_millis(500);

/// What a camera does for the supervisor.
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

/// Opens the camera of this name: [`Camera::open`], and in tests one that is made up.
type Open = fn(&Path, &Settings, Heartbeat) -> Result<Box<dyn Capture>, SourceError>;

/// Looks for a camera, and stands in for one that was never there.
pub struct CameraSupervisor {
    settings: Settings,
    open: Open,
    camera: Option<(PathBuf, Box<dyn Capture>)>,
    state: CameraState,
    /// Since when pictures come.
    streams_since: Option<Instant>,
    /// Those that were opened and sent nothing, in this order, since any did: all others are tried before them.
    silent: Vec<PathBuf>,
    /// Shown until the first camera is found. One that is lost later is not stood in for: the dream goes on from what
    /// it saw last.
    stand_in: Option<Drawn>,
    hotplug: Hotplug,
    backoff: Backoff,
    next_attempt: Instant,
    /// What was told last.
    logged: Logged,
}

#[derive(Default)]
struct Logged {
    /// Why there is none; the same is told once.
    absence: String,
    /// Why it was lost. Of one that had sent nothing, the same is told once.
    loss: String,
    /// Controls that could not be set; likewise.
    control_errors: Vec<String>,
}

impl CameraSupervisor {
    /// Looks for a camera and shows nothing until it is found.
    pub fn new(settings: &Settings, heartbeat: Heartbeat) -> CameraSupervisor {
        let mut supervisor = CameraSupervisor::idle(settings, open);
        supervisor.look("it is waited for", true, heartbeat);
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
        supervisor.look(&format!("dreaming on {name}; plug one in and it is used"), true, heartbeat);
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
            // Before the first look: what is plugged in meanwhile is heard of.
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
            // What was plugged in, perhaps before the loss was noticed, is worth a look at once, and again soon: drivers take a
            // moment, and so do its rights. What is wrong then is told if it stays.
            self.backoff.reset();
            self.look("it is looked for again", false, heartbeat);
        } else if Instant::now() >= self.next_attempt {
            self.look("it is looked for again", true, heartbeat);
        }
        match &mut self.stand_in {
            Some(stand_in) => stand_in.next(frame).map(|()| true),
            None => Ok(false),
        }
    }

    /// The camera's next picture, where one came in time. A camera that is lost is let go of.
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
            warn!("camera {why}; the dream goes on without it, and it is looked for again");
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

    /// Opens the first camera that can be opened; else says why there is none, where it `logs`.
    fn look(&mut self, meanwhile: &str, logs: bool, heartbeat: Heartbeat) {
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
            supervisor.look("", true, &|| {});
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
    fn each_camera_that_is_tried_is_told_to_whoever_watches() {
        let tried = std::cell::Cell::new(0);
        supervisor(&["absent", "gone", "works", "falters"]).look("", true, &|| tried.set(tried.get() + 1));
        assert_eq!(tried.get(), 3);
    }

    #[test]
    fn those_that_send_nothing_keep_no_other_away() {
        let mut supervisor = supervisor(&["silent1", "silent2", "absent", "works"]);
        assert_eq!(used(&mut supervisor, 3), ["/silent1", "/silent2", "/works"]);
        let mut supervisor = self::supervisor(&["silent1", "silent2"]);
        assert_eq!(used(&mut supervisor, 4), ["/silent1", "/silent2", "/silent1", "/silent2"], "none is given up");
        let reason = "/silent2: no picture".to_owned();
        assert_eq!(supervisor.status(), CameraStatus::Stalled { reason, stand_in: None });
    }

    #[test]
    fn one_that_sent_something_stays_the_first() {
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
    fn one_that_is_not_there_is_absent_and_looked_for_later_and_later() {
        let mut supervisor = supervisor(&["absent"]);
        for longest in [1, 2, 4, 8] {
            supervisor.look("", true, &|| {});
            let wait = supervisor.next_attempt.saturating_duration_since(Instant::now());
            assert!(wait <= Duration::from_secs(longest) && wait > Duration::from_millis(700 * longest), "{wait:?}");
        }
        assert_eq!(supervisor.status(), CameraStatus::Absent { reason: None, stand_in: None });
        assert_eq!(supervisor.logged.absence, "camera /absent: is not there");
    }
}
