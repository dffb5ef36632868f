//! Thermal throttling: near its trip point a board gets only a share of each frame's time budget, so that it idles between frames.

use std::time::Duration;

/// Nearer to being slowed down than this, °C, it is spared more; farther than that, less.
const THROTTLE_BELOW: f64 = 5.0;
const RECOVER_ABOVE: f64 = 10.0;
/// From one change to the next: heat follows slowly, and what is spared is seen.
const THROTTLE_INTERVAL: Duration = Duration::from_secs(15);
const RECOVERY_INTERVAL: Duration = Duration::from_secs(60);
/// From one step to the next, and the least that is dreamed.
const STEP_FACTOR: f64 = 0.75;
const MIN_SHARE: f64 = 0.2;

/// The heat, as it was felt so far.
#[derive(Debug, Clone)]
pub struct HeatLimit {
    share: f64,
    /// Since the last change.
    since: Duration,
    /// For how long it has been far from being slowed down.
    cool_for: Duration,
}

impl Default for HeatLimit {
    fn default() -> HeatLimit {
        HeatLimit { share: 1.0, since: THROTTLE_INTERVAL, cool_for: Duration::ZERO }
    }
}

impl HeatLimit {
    /// `headroom` °C from being slowed down, where that is known, for `elapsed`.
    pub fn update(&mut self, headroom: Option<f64>, elapsed: Duration) {
        self.since = self.since.saturating_add(elapsed);
        let Some(headroom) = headroom else { return };
        self.cool_for = if headroom > RECOVER_ABOVE { self.cool_for.saturating_add(elapsed) } else { Duration::ZERO };
        let share = match () {
            () if headroom < THROTTLE_BELOW && self.since >= THROTTLE_INTERVAL => {
                (self.share * STEP_FACTOR).max(MIN_SHARE)
            }
            () if self.cool_for >= RECOVERY_INTERVAL => (self.share / STEP_FACTOR).min(1.0),
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
        let mut heat = HeatLimit::default();
        let second = Duration::from_secs(1);
        let mut shares = |headroom, seconds: u32| {
            (0..seconds).for_each(|_| heat.update(headroom, second));
            heat.share()
        };
        assert_eq!(shares(None, 100), 1.0, "a board that tells nothing");
        assert_eq!(shares(Some(30.0), 100), 1.0);
        assert_eq!(shares(Some(4.0), 1), STEP_FACTOR, "at once");
        assert_eq!(shares(Some(4.0), 14), STEP_FACTOR);
        assert_eq!(shares(Some(4.0), 1), STEP_FACTOR * STEP_FACTOR);
        assert_eq!(shares(Some(7.0), 1000), STEP_FACTOR * STEP_FACTOR, "between the two it stays");
        assert_eq!(shares(Some(-3.0), 1000), MIN_SHARE);
        assert_eq!(shares(Some(20.0), 59), MIN_SHARE);
        assert!(shares(Some(20.0), 1) > MIN_SHARE);
        assert_eq!(shares(Some(20.0), 1000), 1.0);
    }
}
