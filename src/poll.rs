//! Waiting for a file descriptor.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Waits until `fd` has one of `events`, an error or a hang-up, `timeout` at most. Returns those that it has, none where
/// the time is over. A signal does not end the wait.
///
/// # Errors
/// As `poll(2)` has them; a timeout of more than 2^63 seconds.
pub fn wait(fd: impl AsFd, events: PollFlags, timeout: Duration) -> io::Result<PollFlags> {
    let begun = Instant::now();
    let mut fds = [PollFd::new(&fd, events)];
    loop {
        let left = Timespec::try_from(timeout.saturating_sub(begun.elapsed())).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&left)) {
            Ok(_) => return Ok(fds[0].revents()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::thread::JoinHandleExt;
    use std::sync::mpsc;

    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    #[test]
    fn what_has_come_is_known_at_once_and_what_does_not_come_is_not_waited_for_longer() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert_eq!(wait(&reader, PollFlags::IN, Duration::from_millis(1)).unwrap(), PollFlags::empty());
        writer.write_all(b"x").unwrap();
        assert_eq!(wait(&reader, PollFlags::IN, Duration::from_secs(60)).unwrap(), PollFlags::IN);
        drop(writer);
        assert_eq!(wait(&reader, PollFlags::PRI, Duration::from_secs(60)).unwrap(), PollFlags::HUP);
    }

    #[tokio::test]
    async fn a_signal_does_not_end_the_wait() {
        let mut signals = signal(SignalKind::user_defined2()).unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        let (started, path) = mpsc::channel();
        let waiting = std::thread::spawn(move || {
            started.send(std::fs::canonicalize("/proc/thread-self").unwrap()).unwrap();
            wait(&reader, PollFlags::IN, Duration::from_secs(600)).unwrap()
        });
        let stat = path.recv().unwrap().join("stat");
        let sleeps = || std::fs::read_to_string(&stat).unwrap().contains(") S ");
        for _ in 0..3 {
            while !sleeps() {
                std::thread::yield_now();
            }
            // SAFETY: the thread was not joined yet.
            assert_eq!(unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGUSR2) }, 0);
            signals.recv().await;
        }
        assert!(!waiting.is_finished());
        writer.write_all(b"x").unwrap();
        assert_eq!(waiting.join().unwrap(), PollFlags::IN);
    }
}
