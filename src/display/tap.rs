//! What the screen shows, offered to whoever watches; it costs nothing when nobody does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::frame::Frame;
use crate::slot::Slot;

/// Time between two pictures offered.
const FRAME_INTERVAL: Duration = Duration::from_millis(1000 / 12);

/// The display offers, watchers take; clones share one tap.
#[derive(Clone, Default)]
pub struct Tap {
    slot: Slot,
    watchers: Arc<AtomicUsize>,
}

/// A watcher, until dropped.
pub struct Watcher(Arc<AtomicUsize>);

impl Tap {
    /// Begins to watch.
    pub fn watch(&self) -> Watcher {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher(self.watchers.clone())
    }

    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Whether a picture is wanted at `now`, the last having been offered at `last`.
    pub fn wants(&self, last: Option<Instant>, now: Instant) -> bool {
        self.is_watched() && last.is_none_or(|last| now.saturating_duration_since(last) >= FRAME_INTERVAL)
    }

    /// A recycled picture to draw on and offer; its content is arbitrary.
    pub fn blank(&self) -> Frame {
        self.slot.blank()
    }

    /// Offers `picture`.
    pub fn offer(&self, picture: Frame) {
        self.slot.put(picture);
    }

    /// The newest picture offered, waiting up to `timeout` for one; to be given back.
    pub fn take(&self, timeout: Duration) -> Option<Frame> {
        self.slot.take(timeout)
    }

    pub fn give_back(&self, frame: Frame) {
        self.slot.give_back(frame);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wanted_when_nobody_watches() {
        let tap = Tap::default();
        let now = Instant::now();
        assert!(!tap.wants(None, now));
        let (watcher, other) = (tap.watch(), tap.watch());
        drop(other);
        assert!(tap.wants(None, now) && !tap.wants(Some(now), now) && tap.wants(Some(now), now + FRAME_INTERVAL));
        drop(watcher);
        assert!(!tap.is_watched());
    }
}
