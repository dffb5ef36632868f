//! Jittered exponential backoff, for camera, screen, broker and stages alike.

use std::time::Duration;

/// Waits that double from a first to a longest one, each shortened at random by up to a quarter, so that a
/// fleet that lost the same broker does not come back in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

/// Why a pair of waits makes no backoff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a backoff from {first:?} to {longest:?} is not possible: the first wait is above zero and not longer than the longest"
)]
pub struct BackoffError {
    first: Duration,
    longest: Duration,
}

impl Default for Backoff {
    /// From 1 s to 30 s.
    fn default() -> Backoff {
        let first = Duration::from_secs(1);
        Backoff { first, longest: Duration::from_secs(30), next: first }
    }
}

impl Backoff {
    /// Waits from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Result<Backoff, BackoffError> {
        if first.is_zero() || first > longest {
            return Err(BackoffError { first, longest });
        }
        Ok(Backoff { first, longest, next: first })
    }

    /// The wait before the next try; the one after is twice as long, up to the longest.
    pub fn wait(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.longest);
        full.mul_f64(1.0 - 0.25 * fastrand::f64())
    }

    /// It worked: the next wait is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10)).unwrap();
        let full = [1.0, 2.0, 4.0, 8.0, 10.0, 10.0];
        for full in full {
            let wait = backoff.wait().as_secs_f64();
            assert!((0.75 * full..=full).contains(&wait), "{wait} for {full}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_secs(1));
    }

    #[test]
    fn two_devices_do_not_come_back_in_step() {
        let waits: std::collections::HashSet<_> = (0..20).map(|_| Backoff::default().wait()).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }

    #[test]
    fn no_wait_and_reversed_waits_are_refused() {
        assert!(Backoff::new(Duration::ZERO, Duration::from_secs(1)).is_err());
        assert!(Backoff::new(Duration::from_secs(2), Duration::from_secs(1)).is_err());
    }
}
