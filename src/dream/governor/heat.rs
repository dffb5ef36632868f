//! How much a hot board is spared: a share of the time that each frame may take, so that it rests between frames.

use std::time::Duration;

/// Nearer to being slowed down than this, °C, it is spared more; farther than that, less.
const NEAR: f64 = 5.0;
const FAR: f64 = 10.0;
/// From one change to the next: heat follows slowly, and what is spared is seen.
const SPARED_FOR: Duration = Duration::from_secs(15);
const TRUSTED_AFTER: Duration = Duration::from_secs(60);
/// From one step to the next, and the least that is dreamed.
const STEP: f64 = 0.75;
const LEAST: f64 = 0.2;

/// The heat, as it was felt so far.
#[derive(Debug, Clone)]
pub struct Heat {
    share: f64,
    /// Since the last change.
    since: Duration,
    /// For how long it has been far from being slowed down.
    cool_for: Duration,
}

impl Default for Heat {
    fn default() -> Heat {
        Heat { share: 1.0, since: SPARED_FOR, cool_for: Duration::ZERO }
    }
}

impl Heat {
    /// `room` °C from being slowed down, where that is known, for `elapsed`.
    pub fn feel(&mut self, room: Option<f64>, elapsed: Duration) {
        self.since = self.since.saturating_add(elapsed);
        let Some(room) = room else { return };
        self.cool_for = if room > FAR { self.cool_for.saturating_add(elapsed) } else { Duration::ZERO };
        let share = match () {
            () if room < NEAR && self.since >= SPARED_FOR => (self.share * STEP).max(LEAST),
            () if self.cool_for >= TRUSTED_AFTER => (self.share / STEP).min(1.0),
            () => return,
        };
        (self.share, self.since, self.cool_for) = (share, Duration::ZERO, Duration::ZERO);
    }

    /// Of the time that a frame may take.
    pub fn share(&self) -> f64 {
        self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_is_answered_step_by_step_and_the_cool_is_not_trusted_at_once() {
        let mut heat = Heat::default();
        let second = Duration::from_secs(1);
        let mut shares = |room, seconds: u32| {
            (0..seconds).for_each(|_| heat.feel(room, second));
            heat.share()
        };
        assert_eq!(shares(None, 100), 1.0, "a board that tells nothing");
        assert_eq!(shares(Some(30.0), 100), 1.0);
        assert_eq!(shares(Some(4.0), 1), STEP, "at once");
        assert_eq!(shares(Some(4.0), 14), STEP);
        assert_eq!(shares(Some(4.0), 1), STEP * STEP);
        assert_eq!(shares(Some(7.0), 1000), STEP * STEP, "between the two it stays");
        assert_eq!(shares(Some(-3.0), 1000), LEAST);
        assert_eq!(shares(Some(20.0), 59), LEAST);
        assert!(shares(Some(20.0), 1) > LEAST);
        assert_eq!(shares(Some(20.0), 1000), 1.0);
    }
}
