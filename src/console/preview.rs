//! The screen's picture as JPEG, encoded once for all viewers and not at all without any.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;

use crate::display::{Tap, Watcher};
use crate::frame::Frame;
use crate::pixel::Scaler;

/// More viewers of the page at once would be a mistake, and each costs network.
const MAX_VIEWERS: usize = 64;
/// Pictures a second that all viewers together are sent: sending them takes time that the dream needs. So many that few viewers
/// get every one.
const MAX_PICTURES: usize = 100;
const QUALITY: u8 = 80;
/// For the display to draw the next picture, for a still.
pub const STILL_TIMEOUT: Duration = Duration::from_secs(3);
pub const MULTIPART: &str = "multipart/x-mixed-replace; boundary=reverie-picture";

/// How wide a preview is at most; wider pictures are reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// For a telephone, and one among many.
    Small,
    /// For a browser's window.
    Large,
}

impl Width {
    fn pixels(self) -> usize {
        match self {
            Width::Small => 640,
            Width::Large => 1280,
        }
    }
}

/// Clones share one preview.
#[derive(Clone)]
pub struct Preview {
    tap: Tap,
    small: watch::Sender<Bytes>,
    large: watch::Sender<Bytes>,
    viewers: Arc<Semaphore>,
}

/// One viewer.
pub struct Viewer {
    jpeg: watch::Receiver<Bytes>,
    viewers: Arc<Semaphore>,
    due: Instant,
    _watcher: Watcher,
    permit: Option<OwnedSemaphorePermit>,
}

impl Preview {
    pub fn new(tap: Tap) -> Preview {
        let channel = || watch::Sender::new(Bytes::new());
        Preview { tap, small: channel(), large: channel(), viewers: Arc::new(Semaphore::new(MAX_VIEWERS)) }
    }

    /// Encodes what comes through the tap while `keep_running` returns true.
    pub fn encode(&self, keep_running: impl Fn() -> bool) {
        let mut renditions = [Rendition::new(Width::Small), Rendition::new(Width::Large)];
        while keep_running() {
            let Some(frame) = self.tap.take(Duration::from_millis(500)) else { continue };
            for rendition in &mut renditions {
                let jpeg = self.channel(rendition.width);
                if jpeg.receiver_count() == 0 {
                    continue;
                }
                match rendition.encoded(&frame) {
                    Ok(picture) => drop(jpeg.send_replace(picture)),
                    Err(error) => warn!("preview: {error}"),
                }
            }
            self.tap.give_back(frame);
        }
    }

    fn channel(&self, width: Width) -> &watch::Sender<Bytes> {
        match width {
            Width::Small => &self.small,
            Width::Large => &self.large,
        }
    }

    /// A viewer of the page; none where there are too many.
    pub fn view(&self, width: Width) -> Option<Viewer> {
        let permit = self.viewers.clone().try_acquire_owned().ok()?;
        Some(Viewer { permit: Some(permit), ..self.watch(width) })
    }

    /// A viewer that is not counted, for a snapshot.
    pub fn watch(&self, width: Width) -> Viewer {
        let watcher = self.tap.watch();
        let mut jpeg = self.channel(width).subscribe();
        // What was encoded for an earlier viewer is old.
        jpeg.mark_unchanged();
        Viewer { jpeg, viewers: self.viewers.clone(), due: Instant::now(), _watcher: watcher, permit: None }
    }
}

impl Viewer {
    /// The next picture, when it is this viewer's turn. One that is broken off loses nothing.
    pub async fn next(&mut self) -> Option<Bytes> {
        sleep_until(self.due).await;
        self.jpeg.changed().await.ok()?;
        if self.permit.is_some() {
            let viewers = MAX_VIEWERS - self.viewers.available_permits();
            self.due = Instant::now() + Duration::from_secs(1) * viewers as u32 / MAX_PICTURES as u32;
        }
        Some(self.jpeg.borrow_and_update().clone())
    }

    /// All pictures from now on, as parts of [`MULTIPART`]. A slow reader misses some.
    pub fn parts(mut self) -> ReceiverStream<Result<Bytes, Infallible>> {
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(async move {
            // Browsers show a picture once the boundary after it has come: it is sent with the picture.
            let mut part = b"--reverie-picture\r\n".to_vec();
            loop {
                let jpeg = tokio::select! {
                    jpeg = self.next() => jpeg,
                    () = send.closed() => None,
                };
                let Some(jpeg) = jpeg else { return };
                part.extend_from_slice(
                    format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len()).as_bytes(),
                );
                part.extend_from_slice(&jpeg);
                part.extend_from_slice(b"\r\n--reverie-picture\r\n");
                if send.send(Ok(std::mem::take(&mut part).into())).await.is_err() {
                    return;
                }
            }
        });
        ReceiverStream::new(receive)
    }
}

/// Pictures of one width.
struct Rendition {
    width: Width,
    scaler: Scaler,
    reduced: Frame,
}

impl Rendition {
    fn new(width: Width) -> Rendition {
        Rendition { width, scaler: Scaler::default(), reduced: Frame::new(0, 0) }
    }

    fn encoded(&mut self, frame: &Frame) -> Result<Bytes, String> {
        let most = self.width.pixels();
        if frame.width <= most {
            return encoded(frame);
        }
        self.reduced.resize(most, (frame.height * most / frame.width).max(1));
        self.scaler.fill(frame, &mut self.reduced);
        encoded(&self.reduced)
    }
}

fn encoded(picture: &Frame) -> Result<Bytes, String> {
    let side = |n: usize| u16::try_from(n).map_err(|_| format!("{n} pixels are too many for a JPEG"));
    let mut jpeg = Vec::with_capacity(picture.pixels.len() / 8);
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(&picture.pixels, side(picture.width)?, side(picture.height)?, ColorType::Rgb)
        .map_err(|e| e.to_string())?;
    Ok(jpeg.into())
}
