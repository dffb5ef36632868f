//! A latest-wins slot over a small pool of reused items: the arrow between two stages.
//!
//! The writer never waits and never allocates: an item that nobody took in time is dropped (and counted)
//! when the next one comes, and its memory is used again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::frame::Frame;

/// What can flow through a slot.
pub trait Item {
    /// One with no memory yet.
    fn blank() -> Self;

    /// Takes over what must not be lost of an earlier one that nobody took.
    fn replace(&mut self, _missed: &Self) {}
}

impl Item for Frame {
    fn blank() -> Frame {
        Frame::new(0, 0)
    }

    fn replace(&mut self, missed: &Frame) {
        // Now this is the first that is seen to follow the command.
        self.commanded = missed.commanded.or(self.commanded);
    }
}

/// One end of the arrow; clones are ends of the same arrow.
#[derive(Debug)]
pub struct Slot<T = Frame>(Arc<Shared<T>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Slot<T> {
        Slot(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct State<T> {
    latest: Option<T>,
    spare: Vec<T>,
    dropped: u64,
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        let state = Mutex::new(State { latest: None, spare: Vec::new(), dropped: 0 });
        Slot(Arc::new(Shared { state, filled: Condvar::new() }))
    }
}

/// One being written, one waiting, one being read: more spare ones than that are let go.
const POOL: usize = 3;

impl<T: Item> Slot<T> {
    /// One to write into: a used one where there is one. What it holds is left over from before.
    pub fn blank(&self) -> T {
        self.state().spare.pop().unwrap_or_else(T::blank)
    }

    /// Puts `item` where the reader will find it, instead of one that still waited there.
    pub fn put(&self, mut item: T) {
        let mut state = self.state();
        if let Some(missed) = state.latest.take() {
            item.replace(&missed);
            state.dropped += 1;
            recycle(&mut state, missed);
        }
        state.latest = Some(item);
        drop(state);
        self.0.filled.notify_one();
    }

    /// The newest not yet taken, waiting up to `patience` for one.
    pub fn take(&self, patience: Duration) -> Option<T> {
        let state = self.state();
        let (mut state, _) = self
            .0
            .filled
            .wait_timeout_while(state, patience, |state| state.latest.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.latest.take()
    }

    /// Gives one back to be written again.
    pub fn give_back(&self, item: T) {
        recycle(&mut self.state(), item);
    }

    /// Those that were replaced before anybody took them.
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }

    // A stage that panicked left at worst an older item behind: the slot goes on.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn recycle<T>(state: &mut State<T>, item: T) {
    if state.spare.len() < POOL {
        state.spare.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(slot: &Slot<Frame>, number: u8) -> Frame {
        let mut frame = slot.blank();
        frame.resize(1, 1);
        frame.pixels.fill(number);
        frame
    }

    #[test]
    fn the_reader_gets_the_newest_and_the_missed_are_counted() {
        let slot = Slot::<Frame>::default();
        slot.put(numbered(&slot, 1));
        slot.put(numbered(&slot, 2));
        assert_eq!(slot.take(Duration::ZERO).unwrap().pixels, [2, 2, 2]);
        assert!(slot.take(Duration::ZERO).is_none());
        assert_eq!(slot.dropped(), 1);
    }

    #[test]
    fn the_next_is_the_first_to_follow_a_command_whose_frame_was_missed() {
        let (slot, now) = (Slot::<Frame>::default(), std::time::Instant::now());
        let mut first = numbered(&slot, 1);
        first.commanded = Some(now);
        slot.put(first);
        slot.put(numbered(&slot, 2));
        assert_eq!(slot.take(Duration::ZERO).unwrap().commanded, Some(now));
    }

    #[test]
    fn memory_goes_round() {
        let slot = Slot::<Frame>::default();
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
        let slot = Slot::<Frame>::default();
        let reader = slot.clone();
        let waiting = std::thread::spawn(move || reader.take(Duration::from_secs(60)));
        slot.put(numbered(&slot, 7));
        assert!(waiting.join().unwrap().is_some());
    }
}
