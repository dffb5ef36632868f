//! The queue of replies: bounded, so that a flood of commands cannot grow memory.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Replies that may wait, and their bytes together.
const MAX_REPLIES: usize = 4096;
const MAX_BYTES: usize = 4 << 20;

/// Where a reply goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplyTo {
    /// The response topic asked for; none: `<base>/reply`.
    pub topic: Option<String>,
    /// The correlation data to send back.
    pub correlation: Option<Vec<u8>>,
    /// As surely as the command came: at least once, or at most once.
    pub at_least_once: bool,
}

impl ReplyTo {
    /// Bytes it holds.
    fn size(&self) -> usize {
        self.topic.as_ref().map_or(0, String::len) + self.correlation.as_ref().map_or(0, Vec::len)
    }
}

/// A reply and where it goes. Its bytes count until it is dropped.
pub struct PendingReply {
    pub to: ReplyTo,
    pub payload: Vec<u8>,
    /// When it may be sent at the earliest.
    pub due: Instant,
    _bytes: OwnedSemaphorePermit,
}

/// The end that replies are put into.
pub struct Outbox {
    replies: mpsc::Sender<PendingReply>,
    bytes: Arc<Semaphore>,
}

/// An outbox, and the end that replies are taken from.
pub fn outbox() -> (Outbox, mpsc::Receiver<PendingReply>) {
    let (replies, waiting) = mpsc::channel(MAX_REPLIES);
    (Outbox { replies, bytes: Arc::new(Semaphore::new(MAX_BYTES)) }, waiting)
}

impl Outbox {
    /// Queues a reply, unless too many wait already: then it is lost, and this returns false. Never waits, for it is
    /// called where the connection is read: waiting there would stop the very sending that makes room.
    pub fn push(&self, to: ReplyTo, payload: Vec<u8>, due: Instant) -> bool {
        let Ok(size) = u32::try_from(payload.len() + to.size()) else { return false };
        let Ok(bytes) = self.bytes.clone().try_acquire_many_owned(size) else { return false };
        self.replies.try_send(PendingReply { to, payload, due, _bytes: bytes }).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes_and_room_comes_back() {
        let (outbox, mut waiting) = outbox();
        let queued =
            (0..2 * MAX_REPLIES).filter(|_| outbox.push(ReplyTo::default(), vec![0; 8], Instant::now())).count();
        assert_eq!(queued, MAX_REPLIES);
        while waiting.try_recv().is_ok() {}

        let megabyte = || vec![0; 1 << 20];
        let queued = (0..100).filter(|_| outbox.push(ReplyTo::default(), megabyte(), Instant::now())).count();
        assert_eq!(queued << 20, MAX_BYTES);
        drop(waiting.try_recv().unwrap());
        assert!(outbox.push(ReplyTo::default(), megabyte(), Instant::now()));
    }
}
