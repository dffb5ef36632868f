//! A latest-wins slot over a small pool of reused frames: the arrow between two stages.
//!
//! The writer never waits and never allocates: a frame that nobody took in time is dropped (and counted)
//! when the next one comes, and its memory is used again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::frame::Frame;

/// One end of the arrow; clones are ends of the same arrow.
#[derive(Debug, Clone, Default)]
pub struct Slot(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    latest: Option<Frame>,
    spare: Vec<Frame>,
    dropped: u64,
}

/// One frame being written, one waiting, one being read: more spare ones than that are let go.
const POOL: usize = 3;

impl Slot {
    /// A frame to write into: a used one where there is one. Its size and pixels are left over from before.
    pub fn blank(&self) -> Frame {
        self.state().spare.pop().unwrap_or_else(|| Frame::new(0, 0))
    }

    /// Puts `frame` where the reader will find it, instead of one that still waited there.
    pub fn put(&self, mut frame: Frame) {
        let mut state = self.state();
        if let Some(missed) = state.latest.take() {
            // Now this is the first that is seen to follow it.
            frame.commanded = missed.commanded.or(frame.commanded);
            state.dropped += 1;
            recycle(&mut state, missed);
        }
        state.latest = Some(frame);
        drop(state);
        self.0.filled.notify_one();
    }

    /// The newest frame not yet taken, waiting up to `patience` for one.
    pub fn take(&self, patience: Duration) -> Option<Frame> {
        let state = self.state();
        let (mut state, _) = self
            .0
            .filled
            .wait_timeout_while(state, patience, |state| state.latest.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.latest.take()
    }

    /// Gives a frame back to be written again.
    pub fn give_back(&self, frame: Frame) {
        recycle(&mut self.state(), frame);
    }

    /// Frames that were replaced before anybody took them.
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }

    // A stage that panicked left at worst an older frame behind: the slot goes on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn recycle(state: &mut State, frame: Frame) {
    if state.spare.len() < POOL {
        state.spare.push(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(slot: &Slot, number: u8) -> Frame {
        let mut frame = slot.blank();
        frame.resize(1, 1);
        frame.pixels.fill(number);
        frame
    }

    #[test]
    fn the_reader_gets_the_newest_and_the_missed_are_counted() {
        let slot = Slot::default();
        slot.put(numbered(&slot, 1));
        slot.put(numbered(&slot, 2));
        assert_eq!(slot.take(Duration::ZERO).unwrap().pixels, [2, 2, 2]);
        assert!(slot.take(Duration::ZERO).is_none());
        assert_eq!(slot.dropped(), 1);
    }

    #[test]
    fn the_next_is_the_first_to_follow_a_command_whose_frame_was_missed() {
        let (slot, now) = (Slot::default(), std::time::Instant::now());
        let mut first = numbered(&slot, 1);
        first.commanded = Some(now);
        slot.put(first);
        slot.put(numbered(&slot, 2));
        assert_eq!(slot.take(Duration::ZERO).unwrap().commanded, Some(now));
    }

    #[test]
    fn memory_goes_round() {
        let slot = Slot::default();
        let mut homes = std::collections::HashSet::new();
        for number in 0..100 {
            let frame = numbered(&slot, number);
            homes.insert(frame.pixels.as_ptr());
            slot.put(frame);
            if number % 3 == 0 {
                slot.give_back(slot.take(Duration::ZERO).unwrap());
            }
        }
        assert!(homes.len() <= POOL, "{} buffers", homes.len());
    }

    #[test]
    fn a_waiting_reader_is_woken() {
        let slot = Slot::default();
        let reader = slot.clone();
        let waiting = std::thread::spawn(move || reader.take(Duration::from_secs(60)));
        slot.put(numbered(&slot, 7));
        assert!(waiting.join().unwrap().is_some());
    }
}
