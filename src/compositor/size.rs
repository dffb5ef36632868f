//! How large a canvas this board can put together at the camera's rate.

use std::time::Duration;

/// Share of the time between two pictures that putting one together may take.
const MOST: f64 = 0.7;
/// A larger canvas is tried where it is believed to take less than this share.
const ROOM: f64 = 0.5;
/// From one canvas to the next smaller, along each side.
const STEP: f64 = 0.8;
/// The smallest, of the largest's sides.
const LEAST: u32 = 6;
/// Pictures that are looked at together; or so many at least, where those took that long: a very slow board is not to wait for sixty.
const WINDOW: usize = 60;
const FEWEST: usize = 5;
const LONG: Duration = Duration::from_secs(3);
/// Windows with room before a larger canvas is tried: at first, and at most where that was too large again and again.
const PATIENCE: u32 = 10;
const LONGEST_PATIENCE: u32 = 900;

/// Chooses the size of the canvas.
#[derive(Debug, Clone)]
pub struct CanvasGovernor {
    largest: (usize, usize),
    rung: u32,
    times: Vec<Duration>,
    /// Whether the last ones took too long.
    is_strained: bool,
    calm: u32,
    patience: u32,
}

impl CanvasGovernor {
    pub fn new(largest: (usize, usize)) -> CanvasGovernor {
        CanvasGovernor {
            largest,
            rung: 0,
            times: Vec::with_capacity(WINDOW),
            is_strained: false,
            calm: 0,
            patience: PATIENCE,
        }
    }

    /// The largest canvas there is use for: the screen's shape.
    pub fn set_largest(&mut self, largest: (usize, usize)) {
        if self.largest != largest {
            *self = CanvasGovernor::new(largest);
        }
    }

    /// The canvas to be used.
    pub fn size(&self) -> (usize, usize) {
        let scale = STEP.powi(self.rung as i32);
        // Even sides: half of them are dreamed.
        let side = |pixels: usize| ((pixels as f64 * scale / 2.0).round() as usize * 2).max(2);
        if self.rung == 0 { self.largest } else { (side(self.largest.0), side(self.largest.1)) }
    }

    /// One picture took `time` to put together, and there is so much time between two.
    pub fn observe(&mut self, time: Duration, period: Duration) {
        self.times.push(time);
        let count = self.times.len();
        let is_long = count >= FEWEST && self.times.iter().sum::<Duration>() > LONG;
        if count < WINDOW && !is_long {
            return;
        }
        self.times.sort_unstable();
        let share = self.times[count / 2].as_secs_f64() / period.as_secs_f64().max(0.001);
        self.times.clear();
        // Once may be a graph that was being opened beside it.
        let was_strained = std::mem::replace(&mut self.is_strained, share > MOST);
        if share > MOST && was_strained && self.rung < LEAST {
            self.rung += 1;
            self.calm = 0;
            self.patience = (2 * self.patience).min(LONGEST_PATIENCE);
        } else if self.rung > 0 && share / (STEP * STEP) < ROOM {
            self.calm += 1;
            if self.calm >= self.patience {
                self.rung -= 1;
                self.calm = 0;
            }
        } else {
            self.calm = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts pictures together at so many nanoseconds a pixel, thirty a second; returns the sizes that were used, each once.
    fn live(governor: &mut CanvasGovernor, nanoseconds: f64, pictures: usize) -> Vec<(usize, usize)> {
        let mut sizes = vec![governor.size()];
        for _ in 0..pictures {
            let (width, height) = governor.size();
            let time = Duration::from_secs_f64((width * height) as f64 * nanoseconds * 1e-9);
            governor.observe(time, Duration::from_millis(33));
            if sizes.last() != Some(&governor.size()) {
                sizes.push(governor.size());
            }
        }
        sizes
    }

    #[test]
    fn a_slow_board_gets_a_smaller_canvas_and_stays_there() {
        let mut governor = CanvasGovernor::new((1280, 720));
        assert_eq!(live(&mut governor, 10.0, 10_000), [(1280, 720)]);
        let sizes = live(&mut governor, 60.0, 600);
        assert_eq!(sizes, [(1280, 720), (1024, 576), (820, 460)]);
        assert_eq!(live(&mut governor, 60.0, 20_000).len(), 1, "it swings");
    }

    #[test]
    fn a_board_that_is_far_too_slow_is_spared_soon() {
        let mut governor = CanvasGovernor::new((1280, 720));
        // A second a picture; the next one comes when it is done.
        (0..40).for_each(|_| governor.observe(Duration::from_secs(1), Duration::from_secs(1)));
        assert_eq!(governor.size(), (336, 188));
    }

    #[test]
    fn one_that_is_busy_for_a_moment_keeps_its_canvas() {
        let mut governor = CanvasGovernor::new((1280, 720));
        for _ in 0..10 {
            assert_eq!(live(&mut governor, 60.0, WINDOW), [(1280, 720)]);
            assert_eq!(live(&mut governor, 10.0, WINDOW), [(1280, 720)]);
        }
    }

    #[test]
    fn one_that_was_only_busy_gets_the_larger_one_back() {
        let mut governor = CanvasGovernor::new((1280, 720));
        live(&mut governor, 40.0, 200);
        assert!(governor.size().0 < 1280);
        live(&mut governor, 10.0, 10_000);
        assert_eq!(governor.size(), (1280, 720));
    }
}
