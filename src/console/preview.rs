//! The screen's picture as JPEG, encoded once for all viewers and not at all without any.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;

use crate::display::{Tap, Watcher};
use crate::frame::Frame;
use crate::pixel::Scaler;

/// More viewers of the page at once would be a mistake, and each costs network.
const MAX_VIEWERS: usize = 8;
/// Wider pictures are reduced, pixels: a preview is seen in a browser's window.
const MAX_WIDTH: usize = 1280;
const QUALITY: u8 = 80;
pub const MULTIPART: &str = "multipart/x-mixed-replace; boundary=reverie-picture";

/// Clones share one preview.
#[derive(Clone)]
pub struct Preview {
    tap: Tap,
    jpeg: watch::Sender<Bytes>,
    viewers: Arc<Semaphore>,
}

/// One viewer.
pub struct Viewer {
    jpeg: watch::Receiver<Bytes>,
    _watcher: Watcher,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Preview {
    pub fn new(tap: Tap) -> Preview {
        Preview { tap, jpeg: watch::Sender::new(Bytes::new()), viewers: Arc::new(Semaphore::new(MAX_VIEWERS)) }
    }

    /// Encodes what comes through the tap while `keep_running` returns true.
    pub fn encode(&self, keep_running: impl Fn() -> bool) {
        let mut scaler = Scaler::default();
        let mut reduced = Frame::new(0, 0);
        while keep_running() {
            let Some(frame) = self.tap.take(Duration::from_millis(500)) else { continue };
            let picture = if frame.width > MAX_WIDTH {
                reduced.resize(MAX_WIDTH, (frame.height * MAX_WIDTH / frame.width).max(1));
                scaler.fill(&frame, &mut reduced);
                &reduced
            } else {
                &frame
            };
            match encoded(picture) {
                Ok(jpeg) => drop(self.jpeg.send_replace(jpeg)),
                Err(error) => warn!("preview: {error}"),
            }
            self.tap.give_back(frame);
        }
    }

    /// A viewer of the page; none where there are too many.
    pub fn view(&self) -> Option<Viewer> {
        let permit = self.viewers.clone().try_acquire_owned().ok()?;
        Some(Viewer { _permit: Some(permit), ..self.watch() })
    }

    /// A viewer that is not counted, for a snapshot.
    pub fn watch(&self) -> Viewer {
        let watcher = self.tap.watch();
        let mut jpeg = self.jpeg.subscribe();
        // What was encoded for an earlier viewer is old.
        jpeg.mark_unchanged();
        Viewer { jpeg, _watcher: watcher, _permit: None }
    }
}

impl Viewer {
    /// The next picture.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.jpeg.changed().await.ok()?;
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
