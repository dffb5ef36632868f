//! Chooses the largest canvas that this board composes at the camera's rate.

use std::time::Duration;

use crate::size::Size;

/// Load: the share of the time between two frames that composing one takes. Above this the canvas shrinks.
const MAX_LOAD: f64 = 0.7;
/// A larger canvas is tried where its load is estimated to be less than this.
const GROW_LOAD: f64 = 0.5;
/// Factor from one rung to the next smaller one, along each side.
const SCALE_STEP: f64 = 0.8;
/// The rung of the smallest canvas; 0 is the largest.
const LAST_RUNG: u32 = 6;
/// Frames in a window, whose median counts; or so many at least, where those took that long: a very slow board must not wait for sixty.
const WINDOW: usize = 60;
const MIN_WINDOW: usize = 5;
const MAX_WINDOW_TIME: Duration = Duration::from_secs(3);
/// Consecutive windows with room before a larger canvas is tried: at first, and at most, doubled each time that it was too large.
const MIN_CALM_WINDOWS: u32 = 10;
const MAX_CALM_WINDOWS: u32 = 900;

/// Picks the rung whose frames can be composed in time.
#[derive(Debug, Clone)]
pub struct CanvasGovernor {
    largest: Size,
    rung: u32,
    times: Vec<Duration>,
    /// Whether the last window was above [`MAX_LOAD`].
    is_overloaded: bool,
    calm_windows: u32,
    calm_needed: u32,
}

impl CanvasGovernor {
    pub fn new(largest: Size) -> CanvasGovernor {
        CanvasGovernor {
            largest,
            rung: 0,
            times: Vec::with_capacity(WINDOW),
            is_overloaded: false,
            calm_windows: 0,
            calm_needed: MIN_CALM_WINDOWS,
        }
    }

    /// Sets the largest useful canvas, of the screen's shape. Another one starts over.
    pub fn set_largest(&mut self, largest: Size) {
        if self.largest != largest {
            *self = CanvasGovernor::new(largest);
        }
    }

    /// The canvas to be used.
    pub fn size(&self) -> Size {
        let scale = SCALE_STEP.powi(self.rung as i32);
        // Even sides: the dream works at half of them.
        let side = |pixels: usize| ((pixels as f64 * scale / 2.0).round() as usize * 2).max(2);
        if self.rung == 0 { self.largest } else { Size::new(side(self.largest.width), side(self.largest.height)) }
    }

    /// One frame took `time` to compose, and they come every `period`.
    pub fn observe(&mut self, time: Duration, period: Duration) {
        self.times.push(time);
        let count = self.times.len();
        let is_long = count >= MIN_WINDOW && self.times.iter().sum::<Duration>() > MAX_WINDOW_TIME;
        if count < WINDOW && !is_long {
            return;
        }
        self.times.sort_unstable();
        let load = self.times[count / 2].as_secs_f64() / period.as_secs_f64().max(0.001);
        self.times.clear();
        // A single window may be a graph that was being opened meanwhile.
        let was_overloaded = std::mem::replace(&mut self.is_overloaded, load > MAX_LOAD);
        if load > MAX_LOAD && was_overloaded && self.rung < LAST_RUNG {
            self.rung += 1;
            self.calm_windows = 0;
            self.calm_needed = (2 * self.calm_needed).min(MAX_CALM_WINDOWS);
        } else if self.rung > 0 && load / (SCALE_STEP * SCALE_STEP) < GROW_LOAD {
            self.calm_windows += 1;
            if self.calm_windows >= self.calm_needed {
                self.rung -= 1;
                self.calm_windows = 0;
            }
        } else {
            self.calm_windows = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: Size = Size::new(1280, 720);

    /// Composes frames at so many nanoseconds a pixel, thirty a second; returns the sizes that were used, in order.
    fn live(governor: &mut CanvasGovernor, nanoseconds: f64, pictures: usize) -> Vec<Size> {
        let mut sizes = vec![governor.size()];
        for _ in 0..pictures {
            let time = Duration::from_secs_f64(governor.size().pixels() as f64 * nanoseconds * 1e-9);
            governor.observe(time, Duration::from_millis(33));
            if sizes.last() != Some(&governor.size()) {
                sizes.push(governor.size());
            }
        }
        sizes
    }

    #[test]
    fn a_slow_board_gets_a_smaller_canvas_and_stays_there() {
        let mut governor = CanvasGovernor::new(HD);
        assert_eq!(live(&mut governor, 10.0, 10_000), [HD]);
        let sizes = live(&mut governor, 60.0, 600);
        assert_eq!(sizes, [HD, Size::new(1024, 576), Size::new(820, 460)]);
        assert_eq!(live(&mut governor, 60.0, 20_000).len(), 1, "it swings");
    }

    #[test]
    fn a_board_that_is_far_too_slow_is_spared_soon() {
        let mut governor = CanvasGovernor::new(HD);
        // A second a picture; the next one comes when it is done.
        (0..40).for_each(|_| governor.observe(Duration::from_secs(1), Duration::from_secs(1)));
        assert_eq!(governor.size(), Size::new(336, 188));
    }

    #[test]
    fn one_that_is_busy_for_a_moment_keeps_its_canvas() {
        let mut governor = CanvasGovernor::new(HD);
        for _ in 0..10 {
            assert_eq!(live(&mut governor, 60.0, WINDOW), [HD]);
            assert_eq!(live(&mut governor, 10.0, WINDOW), [HD]);
        }
    }

    #[test]
    fn one_that_was_only_busy_gets_the_larger_one_back() {
        let mut governor = CanvasGovernor::new(HD);
        live(&mut governor, 40.0, 200);
        assert!(governor.size().width < 1280);
        live(&mut governor, 10.0, 10_000);
        assert_eq!(governor.size(), HD);
    }
}
