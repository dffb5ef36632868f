//! A V4L2 camera: MJPG and YUYV, memory-mapped buffers.
//!
//! After any error or silence the camera is good for nothing but closing: its stream would queue buffers that the
//! kernel still holds. [`Camera`] is therefore opened, read until the first error, and dropped.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use v4l::buffer::{Flags, Type};
use v4l::capability::Flags as Caps;
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC};

use super::SourceError;
use super::convert;
use crate::config::Size;
use crate::frame::Frame;

const MJPG: FourCC = FourCC { repr: *b"MJPG" };
const YUYV: FourCC = FourCC { repr: *b"YUYV" };
/// A camera silent for this long is lost. Some take seconds to their first picture.
const SILENCE: Duration = Duration::from_secs(5);
/// How long one wait lasts, so that a stop is heard.
const PATIENCE: Duration = Duration::from_millis(200);
const BUFFERS: u32 = 4;
/// Unreadable pictures in a row after which the camera is lost: one is a hiccup of the cable.
const SPOILT: u32 = 60;

/// A camera that streams.
pub struct Camera {
    /// `/dev/video0 (HD Webcam), MJPG 640x360`.
    pub name: String,
    format: Format,
    /// Closed by hand: see `drop`.
    stream: Option<Stream<'static>>,
    last: Instant,
    spoilt: u32,
    /// An MJPG picture completed with its Huffman tables.
    whole: Vec<u8>,
}

/// The video devices there are, `/dev/video0` first.
pub fn devices() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

impl Camera {
    /// Opens the camera at `path` in the mode nearest to `size` and `fps` and starts it.
    ///
    /// # Errors
    /// It is not there, not to be opened, captures nothing, or speaks neither MJPG nor YUYV.
    pub fn open(path: &Path, size: Size, fps: u32) -> Result<Camera, SourceError> {
        let refuse = |reason: String| SourceError::Camera { device: path.display().to_string(), reason };
        let failed = |what: &'static str| move |e: std::io::Error| refuse(format!("{what}: {}", explained(&e)));
        let device = Device::with_path(path).map_err(failed("cannot be opened"))?;
        let about = device.query_caps().map_err(failed("is no video device"))?;
        if !about.capabilities.contains(Caps::VIDEO_CAPTURE | Caps::STREAMING) {
            return Err(refuse("captures no pictures".to_owned()));
        }
        let format = choose_format(&device, size).map_err(refuse)?;
        // Some drivers know no rates: then theirs holds.
        let _ = device.set_params(&Parameters::with_fps(fps));
        let stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS).map_err(failed("gives no buffers"))?;
        let name = format!("{} ({}), {} {}x{}", path.display(), about.card, format.fourcc, format.width, format.height);
        let (last, whole) = (Instant::now(), Vec::new());
        let mut camera = Camera { name, format, stream: Some(stream), last, spoilt: 0, whole };
        camera.start().map_err(failed("does not start"))?;
        Ok(camera)
    }

    fn start(&mut self) -> std::io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        stream.set_timeout(PATIENCE);
        // The first buffer stays ours: reading the first picture queues it. A driver may give fewer than were asked.
        for index in 1..BUFFERS as usize {
            let _ = CaptureStream::queue(stream, index);
        }
        stream.start()
    }

    /// Waits a moment for the next picture; true where `frame` holds it.
    ///
    /// # Errors
    /// The camera is lost: drop it.
    pub fn next(&mut self, frame: &mut Frame) -> Result<bool, SourceError> {
        let name = &self.name;
        let lost = |reason: String| SourceError::Camera { device: name.clone(), reason };
        let Some(stream) = &mut self.stream else { return Err(lost("is closed".to_owned())) };
        match stream.handle().poll(libc::POLLIN, PATIENCE.as_millis() as i32) {
            Ok(0) if self.last.elapsed() > SILENCE => {
                return Err(lost(format!("no picture for {} s", SILENCE.as_secs())));
            }
            Ok(0) => return Ok(false),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => return Ok(false),
            Err(e) => return Err(lost(explained(&e))),
            Ok(_) => {}
        }
        let (bytes, meta) = stream.next().map_err(|e| lost(explained(&e)))?;
        self.last = Instant::now();
        let bytes = &bytes[..bytes.len().min(meta.bytesused as usize)];
        let (width, height, stride) = (self.format.width, self.format.height, self.format.stride);
        let read = if meta.flags.contains(Flags::ERROR) {
            Err("the driver calls it spoilt".to_owned())
        } else if self.format.fourcc == YUYV {
            convert::from_yuyv(bytes, width as usize, height as usize, stride as usize, frame)
        } else {
            convert::from_jpeg(bytes, &mut self.whole, frame)
        };
        frame.captured = self.last;
        let Err(reason) = read else {
            self.spoilt = 0;
            return Ok(true);
        };
        self.spoilt += 1;
        tracing::debug!("{name}: a picture is left out: {reason}");
        if self.spoilt < SPOILT {
            return Ok(false);
        }
        Err(lost(format!("{SPOILT} pictures in a row were unreadable: {reason}")))
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        match stream.stop() {
            Err(e) if e.raw_os_error() != Some(libc::ENODEV) => {
                // Dropping such a stream panics twice over, which ends the process. Its buffers are lost instead.
                tracing::warn!("{} cannot be closed properly: {}", self.name, explained(&e));
                std::mem::forget(stream);
            }
            _ => drop(stream),
        }
    }
}

/// Sets the nearest mode the camera has: raw pictures where they are small, compressed ones where not.
fn choose_format(device: &Device, size: Size) -> Result<Format, String> {
    let order = if size.width * size.height <= 640 * 480 { [YUYV, MJPG] } else { [MJPG, YUYV] };
    let mut reasons = Vec::new();
    for fourcc in order {
        match device.set_format(&Format::new(size.width as u32, size.height as u32, fourcc)) {
            Ok(got) if got.fourcc == fourcc && got.width > 0 && got.height > 0 => return Ok(got),
            // The driver offers another instead: this one it has not.
            Ok(got) => reasons.push(format!("no {fourcc}, but {}", got.fourcc)),
            Err(e) => reasons.push(format!("{fourcc}: {}", explained(&e))),
        }
    }
    Err(format!("has neither MJPG nor YUYV pictures ({})", reasons.join("; ")))
}

/// An error in words for the person in front of the device.
fn explained(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => "permission denied; is the user in the group `video`?".to_owned(),
        Some(libc::EBUSY) => "another program uses it".to_owned(),
        Some(libc::ENODEV) => "it was unplugged".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_camera_is_refused_with_its_reason() {
        let size = Size { width: 640, height: 480 };
        let refused = |path: &str| Camera::open(Path::new(path), size, 30).err().unwrap().to_string();
        assert!(refused("/dev/null").contains("is no video device"), "{}", refused("/dev/null"));
        assert!(refused("/dev/no-such-camera").contains("No such file"), "{}", refused("/dev/no-such-camera"));
    }
}
