//! The screen's picture as JPEG, encoded once for all who watch and not at all when nobody does.

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

/// More at the page than so many at once would be somebody's mistake, and each costs network.
const MOST: usize = 8;
/// Wider pictures are reduced: a preview is seen in a browser's window.
const WIDEST: usize = 1280;
const QUALITY: u8 = 80;
pub const MULTIPART: &str = "multipart/x-mixed-replace; boundary=reverie-picture";

/// Clones are of the same preview.
#[derive(Clone)]
pub struct Preview {
    tap: Tap,
    jpeg: watch::Sender<Bytes>,
    places: Arc<Semaphore>,
}

/// One who watches.
pub struct Watch {
    jpeg: watch::Receiver<Bytes>,
    _watcher: Watcher,
    _place: Option<OwnedSemaphorePermit>,
}

impl Preview {
    pub fn new(tap: Tap) -> Preview {
        Preview { tap, jpeg: watch::Sender::new(Bytes::new()), places: Arc::new(Semaphore::new(MOST)) }
    }

    /// Encodes what comes through the tap while `goes_on`.
    pub fn encode(&self, goes_on: impl Fn() -> bool) {
        let mut scaler = Scaler::default();
        let mut reduced = Frame::new(0, 0);
        while goes_on() {
            let Some(frame) = self.tap.take(Duration::from_millis(500)) else { continue };
            let picture = if frame.width > WIDEST {
                reduced.resize(WIDEST, (frame.height * WIDEST / frame.width).max(1));
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

    /// Begins to watch for somebody at the page; none where too many do.
    pub fn view(&self) -> Option<Watch> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        Some(Watch { _place: Some(place), ..self.watch() })
    }

    /// Begins to watch.
    pub fn watch(&self) -> Watch {
        let watcher = self.tap.watch();
        let mut jpeg = self.jpeg.subscribe();
        // What was encoded for somebody earlier is old.
        jpeg.mark_unchanged();
        Watch { jpeg, _watcher: watcher, _place: None }
    }
}

impl Watch {
    /// The next picture.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.jpeg.changed().await.ok()?;
        Some(self.jpeg.borrow_and_update().clone())
    }

    /// All pictures from now on, as parts of [`MULTIPART`]. One who reads slowly misses some.
    pub fn parts(mut self) -> ReceiverStream<Result<Bytes, Infallible>> {
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(async move {
            // Browsers show a picture when the boundary after it has come: it is sent with the picture.
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
