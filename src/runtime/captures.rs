//! Recording frames as CUDA graphs, for which a thread needs the GPU to itself.
//!
//! CUDA ends a recording with an error where any other thread makes room on the GPU or waits for it meanwhile
//! (`cudaStreamCaptureModeGlobal`), as opening a graph does; and ONNX Runtime keeps a recording for the thread that made it. So the
//! dream's own thread records, at a moment when nothing is being opened, and climbs step by step until then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

/// Whether CUDA graphs are recorded, and who uses the GPU at the moment.
#[derive(Debug)]
pub struct Captures {
    are_wanted: AtomicBool,
    /// Shared by those who open graphs on the GPU.
    gpu: RwLock<()>,
}

impl Captures {
    pub fn new(are_wanted: bool) -> Captures {
        Captures { are_wanted: are_wanted.into(), gpu: RwLock::default() }
    }

    pub fn are_wanted(&self) -> bool {
        self.are_wanted.load(Ordering::Relaxed)
    }

    /// From now on none is recorded: one failed, and what made it fail stays.
    pub fn give_up(&self) {
        self.are_wanted.store(false, Ordering::Relaxed);
    }

    /// Hold this while a graph is opened on the GPU.
    pub fn opening(&self) -> RwLockReadGuard<'_, ()> {
        self.gpu.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hold this while one is recorded; none while any is being opened.
    pub fn recording(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.gpu.try_write() {
            Ok(alone) => Some(alone),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_recorded_while_graphs_are_opened_and_they_are_opened_beside_each_other() {
        let captures = Captures::new(true);
        let (one, other) = (captures.opening(), captures.opening());
        assert!(captures.recording().is_none());
        drop(one);
        assert!(captures.recording().is_none());
        drop(other);
        let recording = captures.recording();
        assert!(recording.is_some() && captures.gpu.try_read().is_err());
        captures.give_up();
        assert!(!captures.are_wanted());
    }

    #[test]
    fn a_panic_of_who_opened_keeps_nobody_from_recording() {
        let captures = Captures::new(true);
        let opens = || {
            let _opening = captures.recording();
            panic!("as ONNX Runtime's bindings might");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(opens)).is_err());
        assert!(captures.recording().is_some());
        drop(captures.opening());
    }
}
