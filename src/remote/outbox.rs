//! Replies on their way out: bounded, so that a flood of commands cannot grow memory.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::command::Address;

/// Replies that may wait, and their bytes together.
const REPLIES: usize = 4096;
const BYTES: usize = 4 << 20;

/// A reply and where it goes. Its bytes count until it is dropped.
pub struct Letter {
    pub to: Address,
    pub payload: Vec<u8>,
    /// Not before.
    pub due: Instant,
    _bytes: OwnedSemaphorePermit,
}

/// The end that is written to.
pub struct Outbox {
    letters: mpsc::Sender<Letter>,
    bytes: Arc<Semaphore>,
}

/// An outbox and the end it is emptied from.
pub fn outbox() -> (Outbox, mpsc::Receiver<Letter>) {
    let (letters, waiting) = mpsc::channel(REPLIES);
    (Outbox { letters, bytes: Arc::new(Semaphore::new(BYTES)) }, waiting)
}

impl Outbox {
    /// Takes a reply, unless too many wait already: then it is lost, and false comes back. Never waits, for it is
    /// called where the connection is read: waiting there would stop the very sending that makes room.
    pub fn post(&self, to: Address, payload: Vec<u8>, due: Instant) -> bool {
        let Ok(size) = u32::try_from(payload.len() + to.size()) else { return false };
        let Ok(bytes) = self.bytes.clone().try_acquire_many_owned(size) else { return false };
        self.letters.try_send(Letter { to, payload, due, _bytes: bytes }).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes_and_room_comes_back() {
        let (outbox, mut waiting) = outbox();
        let posted = (0..2 * REPLIES).filter(|_| outbox.post(Address::default(), vec![0; 8], Instant::now())).count();
        assert_eq!(posted, REPLIES);
        while waiting.try_recv().is_ok() {}

        let megabyte = || vec![0; 1 << 20];
        let posted = (0..100).filter(|_| outbox.post(Address::default(), megabyte(), Instant::now())).count();
        assert_eq!(posted << 20, BYTES);
        drop(waiting.try_recv().unwrap());
        assert!(outbox.post(Address::default(), megabyte(), Instant::now()));
    }
}
