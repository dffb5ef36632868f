//! A V4L2 camera: its modes, the choice among them, and its stream, single- or multi-planar.
//!
//! After any error or silence a camera is good for nothing but closing. [`Camera`] is therefore opened, read until the first
//! error, and dropped; [`super::supervisor`] reopens it.

mod controls;
mod modes;
mod node;
mod ring;
mod survey;
mod sys;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{ControlValue, Heartbeat, Settings, SourceError};
use crate::frame::Frame;
use crate::pixel_format::{Converter, FORMAT_NAMES, PixelFormat};
use modes::{Constraints, Mode};
use node::{Format, Node, PollEvent};
use ring::Ring;

pub use survey::{Survey, survey};

/// A camera silent for this long is stalled; some take longer to their first picture.
const STALL_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(6);
/// How many modes are tried where the driver refuses the best.
const MAX_MODES_TRIED: usize = 8;
/// Unreadable pictures in a row after which the camera is lost: one is a hiccup of the cable.
const MAX_UNREADABLE: u32 = 60;
/// What USB 2 carries of one stream: three packets of 1024 bytes in each of 8000 microframes a second (USB 2.0
/// specification, 5.6.3), at 480 Mbit/s.
const USB2_BYTES: f64 = 3.0 * 1024.0 * 8000.0;
const USB2_MBITS: f64 = 480.0;

/// A camera that streams.
pub struct Camera {
    /// `/dev/video0 (HD Webcam), MJPG 640x360`.
    pub name: String,
    /// Controls that could not be set, and why.
    pub control_errors: Vec<String>,
    node: Rc<Node>,
    ring: Ring,
    format: Format,
    pixels: PixelFormat,
    converter: Converter,
    /// When the last picture came, or the stream began.
    last: Instant,
    has_streamed: bool,
    unreadable_in_a_row: u32,
}

/// Why a camera has to be reopened.
#[derive(Debug)]
pub struct CameraLost {
    pub reason: String,
    /// It is there and open, and sends nothing.
    pub is_stalled: bool,
}

/// Why a mode could not be started.
struct Refusal {
    reason: String,
    /// The driver's errno, where it is its refusal.
    code: Option<i32>,
}

/// All video nodes, `/dev/video0` first.
pub fn nodes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

impl Camera {
    /// Opens the camera at `path` in the mode that costs least for what `settings` want, and starts it. A driver whose camera does not answer takes
    /// some seconds for each.
    ///
    /// # Errors
    /// It is not there, not to be opened, captures nothing, or has no format that can be read.
    pub fn open(path: &Path, settings: &Settings, heartbeat: Heartbeat) -> Result<Camera, SourceError> {
        Camera::start(path, settings, heartbeat)
            .map_err(|reason| SourceError::Camera { device: path.display().to_string(), reason })
    }

    fn start(path: &Path, settings: &Settings, heartbeat: Heartbeat) -> Result<Camera, String> {
        let node = Rc::new(Node::open(path)?);
        let constraints = constraints(&node, settings);
        let modes = usable(&offered(&node, &constraints), settings, &constraints)?;
        let mut reasons = Vec::new();
        // The least bandwidth that the bus had no room for.
        let mut too_much = f64::INFINITY;
        for mode in &modes {
            let bandwidth = mode.bandwidth(&constraints).unwrap_or_default();
            if bandwidth >= too_much {
                continue;
            }
            if reasons.len() == MAX_MODES_TRIED {
                break;
            }
            heartbeat();
            match Camera::begin(&node, mode, &constraints, &settings.controls) {
                Ok(camera) => return Ok(camera),
                Err(Refusal { reason, code }) => {
                    reasons.push(format!("{mode}: {reason}"));
                    match code {
                        Some(libc::ENOSPC) => too_much = bandwidth,
                        // This mode's fault, perhaps.
                        None | Some(libc::EINVAL | libc::EIO | libc::EPIPE | libc::ERANGE) => {}
                        Some(_) => break,
                    }
                }
            }
        }
        Err(format!("cannot be started ({})", reasons.join("; ")))
    }

    fn begin(
        node: &Rc<Node>,
        mode: &Mode,
        constraints: &Constraints,
        wanted: &[(String, ControlValue)],
    ) -> Result<Camera, Refusal> {
        let refused = |e: io::Error| Refusal { reason: explained(&e), code: e.raw_os_error() };
        let unfit = |reason: String| Refusal { reason, code: None };
        let format = node.set_format(mode.format, (mode.width, mode.height)).map_err(refused)?;
        let pixels = PixelFormat::from_fourcc(format.fourcc)
            .ok_or_else(|| unfit(format!("it gives {} instead, which cannot be read", format.fourcc)))?;
        format.layout.check().map_err(unfit)?;
        if !format.is_whole {
            return Err(unfit("it sends the two fields of a picture one after the other".to_owned()));
        }
        node.set_rate(mode.fps.unwrap_or(constraints.fps));
        node.subscribe();
        let control_errors = controls::set(node, wanted);
        let ring = Ring::start(node).map_err(refused)?;
        let (width, height) = (format.layout.width, format.layout.height);
        let name = format!("{} ({}), {} {width}x{height}", node.path().display(), node.card, format.fourcc);
        let (node, converter, last) = (Rc::clone(node), Converter::default(), Instant::now());
        Ok(Camera {
            name,
            control_errors,
            node,
            ring,
            format,
            pixels,
            converter,
            last,
            has_streamed: false,
            unreadable_in_a_row: 0,
        })
    }

    /// Waits for the next picture, `timeout` at most; true where `frame` holds it.
    ///
    /// # Errors
    /// The camera is lost: drop it.
    pub fn next(&mut self, frame: &mut Frame, timeout: Duration) -> Result<bool, CameraLost> {
        let lost = |reason: String| CameraLost { reason, is_stalled: false };
        match self.node.wait(timeout).map_err(|e| lost(explained(&e)))? {
            PollEvent::Timeout => return self.check_stalled(),
            PollEvent::SourceChange => return Err(lost("the format of its signal changed".to_owned())),
            // The next call returns the error itself.
            PollEvent::Frame | PollEvent::Error => {}
        }
        let Some(filled) = self.ring.take().map_err(|e| lost(explained(&e)))? else { return self.check_stalled() };
        let read = if filled.is_corrupt {
            Err("the driver marked it as corrupt".to_owned())
        } else {
            self.converter.convert(self.pixels, &self.ring.planes(&filled), &self.format.layout, frame)
        };
        self.ring.give_back(&filled).map_err(|e| lost(explained(&e)))?;
        self.last = Instant::now();
        (frame.captured, frame.is_live) = (filled.captured, true);
        let Err(reason) = read else {
            self.has_streamed = true;
            self.unreadable_in_a_row = 0;
            return Ok(true);
        };
        self.unreadable_in_a_row += 1;
        tracing::debug!("{}: skipped a picture: {reason}", self.name);
        match self.unreadable_in_a_row < MAX_UNREADABLE {
            true => Ok(false),
            false => Err(lost(format!("{MAX_UNREADABLE} pictures in a row were unreadable: {reason}"))),
        }
    }

    /// No picture yet, which may last too long.
    fn check_stalled(&self) -> Result<bool, CameraLost> {
        let timeout = if self.has_streamed { STALL_TIMEOUT } else { FIRST_FRAME_TIMEOUT };
        match self.last.elapsed() < timeout {
            true => Ok(false),
            false => Err(CameraLost { reason: format!("no picture for {} s", timeout.as_secs()), is_stalled: true }),
        }
    }
}

/// What is asked of this camera.
fn constraints(node: &Node, settings: &Settings) -> Constraints {
    let size = settings.size();
    Constraints { width: size.width, height: size.height, fps: settings.fps().into(), bandwidth: bandwidth(node) }
}

/// Bytes a second that its USB port carries of one stream; none for a camera on another bus.
fn bandwidth(node: &Node) -> Option<f64> {
    let name = node.path().canonicalize().ok()?;
    let device = Path::new("/sys/class/video4linux").join(name.file_name()?).join("device");
    // The interface lies in its device, which knows the port's speed, in Mbit/s.
    let speed = std::fs::read_to_string(device.canonicalize().ok()?.parent()?.join("speed")).ok()?;
    Some(speed.trim().parse::<f64>().ok()? / USB2_MBITS * USB2_BYTES)
}

/// The modes of a camera, of each format and size the one whose rate fits best. Of a driver that lists nothing: what it may take.
fn offered(node: &Node, constraints: &Constraints) -> Vec<Mode> {
    let mut formats = node.formats();
    formats.dedup();
    let mut modes = Vec::new();
    for format in formats {
        let sizes = node.sizes(format);
        if sizes.is_empty() {
            modes.push(Mode { format, width: constraints.width, height: constraints.height, fps: None });
        }
        for size in sizes {
            let (width, height) = size.nearest(constraints);
            let fps = modes::best_rate(&node.rates(format, (width, height)), constraints.fps);
            modes.push(Mode { format, width, height, fps });
        }
    }
    modes
}

/// The modes that may be used, best first: of the format that is configured, where one is.
fn usable(offered: &[Mode], settings: &Settings, constraints: &Constraints) -> Result<Vec<Mode>, String> {
    let mut ranked = modes::ranked(offered, constraints);
    if let Some(name) = &settings.format {
        // One format has several names: MJPG and JPEG; NV12 with its planes in one memory or in two.
        ranked.retain(|mode| PixelFormat::from_fourcc(mode.format) == PixelFormat::from_name(name));
        ranked.sort_by_key(|mode| !mode.format.to_string().eq_ignore_ascii_case(name));
    }
    if !ranked.is_empty() {
        return Ok(ranked);
    }
    let mut names: Vec<String> = offered.iter().map(|mode| mode.format.to_string()).collect();
    names.dedup();
    let offers = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    Err(match &settings.format {
        Some(wanted) => format!("has no {wanted} pictures; it offers {offers}"),
        None => format!("offers {offers}, none of which can be read (read are {})", FORMAT_NAMES.join(", ")),
    })
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.format, self.width, self.height)?;
        self.fps.map_or(Ok(()), |fps| write!(f, "@{}", (fps * 100.0).round() / 100.0))
    }
}

/// An error in words for whoever installs the device.
fn explained(error: &io::Error) -> String {
    if let Some(why) = crate::denied(error) {
        return why.to_owned();
    }
    match error.raw_os_error() {
        Some(libc::EBUSY) => "another program uses it".to_owned(),
        Some(libc::ENODEV) => "it was unplugged".to_owned(),
        Some(libc::EIO) => "its driver reports a fault (EIO)".to_owned(),
        Some(libc::ENOSPC) => "no room on its USB bus (is another camera on the same one?)".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel_format::FourCc;

    #[test]
    fn what_is_no_camera_is_refused_with_its_reason() {
        let settings = Settings::default();
        let refused = |path: &str| Camera::open(Path::new(path), &settings, &|| {}).err().unwrap().to_string();
        assert!(refused("/dev/null").contains("is no video device"), "{}", refused("/dev/null"));
        assert!(refused("/dev/no-such-camera").contains("No such file"), "{}", refused("/dev/no-such-camera"));
    }

    #[test]
    fn why_a_camera_cannot_be_opened_is_said_for_each_reason() {
        // Numbers as in <asm-generic/errno-base.h>.
        for (errno, reason) in [
            (13, "permission denied; is the user in the group `video`?"),
            (1, "forbidden, whatever the group; does the service's DeviceAllow= name it"),
            (16, "another program uses it"),
            (19, "it was unplugged"),
            (28, "no room on its USB bus"),
        ] {
            let seen = explained(&io::Error::from_raw_os_error(errno));
            assert!(seen.starts_with(reason), "{errno}: {seen}");
        }
    }

    #[test]
    fn a_camera_without_readable_pictures_is_refused_by_name() {
        let settings = Settings::default();
        let constraints = Constraints { width: 640, height: 360, fps: 30.0, bandwidth: None };
        let offered = ["H264", "RG10"].map(|name| Mode {
            format: FourCc(*name.as_bytes().first_chunk().unwrap()),
            width: 640,
            height: 480,
            fps: None,
        });
        let refusal = usable(&offered, &settings, &constraints).unwrap_err();
        assert!(refusal.starts_with("offers H264, RG10, none of which can be read (read are MJPG, "), "{refusal}");
        let named = Settings { format: Some("yuyv".to_owned()), ..settings };
        assert_eq!(usable(&offered, &named, &constraints).unwrap_err(), "has no yuyv pictures; it offers H264, RG10");
        let planes = Mode { format: FourCc(*b"NM12"), ..offered[0] };
        let named = Settings { format: Some("nv12".to_owned()), ..named };
        let plain = Mode { format: FourCc(*b"NV12"), ..planes };
        assert_eq!(usable(&[planes, offered[0]], &named, &constraints), Ok(vec![planes]), "its planes apart");
        assert_eq!(usable(&[planes, plain], &named, &constraints), Ok(vec![plain, planes]), "the very name first");
    }
}
