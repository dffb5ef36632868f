//! A latest-wins channel of capacity one between two stages, over a small pool of reused buffers.
//!
//! The writer never waits, and allocates nothing in steady state: an item that was not taken in time is dropped (and counted)
//! when the next one comes, and its memory is reused.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::frame::Frame;

/// What can pass through a slot.
pub trait Item {
    /// One without memory yet.
    fn blank() -> Self;

    /// Takes over from a dropped item, which this one replaces, what must not be lost.
    fn inherit(&mut self, _dropped: &Self) {}
}

impl Item for Frame {
    fn blank() -> Frame {
        Frame::new(0, 0)
    }

    fn inherit(&mut self, dropped: &Frame) {
        // Now this is the first to follow the command.
        self.commanded = dropped.commanded.or(self.commanded);
    }
}

/// One end; clones are ends of the same slot.
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

/// Most spare buffers that are kept: one being written, one waiting, one being read.
const POOL_SIZE: usize = 3;

impl<T: Item> Slot<T> {
    /// A buffer to write into, reused if there is one. Its content is unspecified.
    pub fn blank(&self) -> T {
        self.state().spare.pop().unwrap_or_else(T::blank)
    }

    /// Makes `item` the latest; one that was not taken yet is dropped.
    pub fn put(&self, mut item: T) {
        let mut state = self.state();
        if let Some(dropped) = state.latest.take() {
            item.inherit(&dropped);
            state.dropped += 1;
            recycle(&mut state, dropped);
        }
        state.latest = Some(item);
        drop(state);
        self.0.filled.notify_one();
    }

    /// Takes the latest item, waiting up to `timeout` for one.
    pub fn take(&self, timeout: Duration) -> Option<T> {
        let state = self.state();
        let (mut state, _) = self
            .0
            .filled
            .wait_timeout_while(state, timeout, |state| state.latest.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.latest.take()
    }

    /// Returns a taken item to the pool.
    pub fn give_back(&self, item: T) {
        recycle(&mut self.state(), item);
    }

    /// How many items were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }

    // A stage that panicked left at worst an older item: the slot stays usable.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn recycle<T>(state: &mut State<T>, item: T) {
    if state.spare.len() < POOL_SIZE {
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
    fn memory_is_reused() {
        let slot = Slot::<Frame>::default();
        let mut addresses = std::collections::HashSet::new();
        for number in 0..100 {
            let frame = numbered(&slot, number);
            addresses.insert(frame.pixels.as_ptr());
            slot.put(frame);
            if number % 3 == 0 {
                slot.give_back(slot.take(Duration::ZERO).unwrap());
            }
        }
        assert!(addresses.len() <= POOL_SIZE, "{} buffers", addresses.len());
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
