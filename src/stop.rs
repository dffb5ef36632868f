//! Word that the daemon stops, for threads and for tasks.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// Returns when the stop is said, or whoever could say it is gone.
pub async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|said| *said).await;
}

/// Ends the process at once, with `code`.
///
/// `exit` would run the destructors of libraries, ONNX Runtime's among them, under threads that are still opening graphs or building engines there: one in
/// three such ends was a crash. What is to be written and closed must have been before.
pub fn leave(code: u8) -> ! {
    // SAFETY: _exit is always allowed.
    unsafe { libc::_exit(code.into()) }
}

/// Clones share the word. Once said it stays said.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    said: Mutex<bool>,
    bell: Condvar,
    tasks: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop(Arc::new(Shared { said: Mutex::new(false), bell: Condvar::new(), tasks: watch::Sender::new(false) }))
    }
}

impl Stop {
    /// Says it: every waiting thread and task wakes.
    pub fn say(&self) {
        *self.0.said.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.bell.notify_all();
        self.0.tasks.send_replace(true);
    }

    pub fn is_said(&self) -> bool {
        *self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `time`, or until it is said; true where it is.
    pub fn sleep(&self, time: Duration) -> bool {
        let said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (said, _) =
            self.0.bell.wait_timeout_while(said, time, |said| !*said).unwrap_or_else(PoisonError::into_inner);
        *said
    }

    /// The same for tasks: turns true.
    pub fn for_tasks(&self) -> watch::Receiver<bool> {
        self.0.tasks.subscribe()
    }
}
