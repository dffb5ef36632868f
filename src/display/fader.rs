//! From a few dreams a second to a fluid picture: each fades into the next over the time the next takes.

use std::time::{Duration, Instant};

use crate::frame::Frame;
use crate::pixel::Scaler;

/// A fade never lasts longer, however slow the dream.
const LONGEST: Duration = Duration::from_millis(1000);

/// Draws at the screen's size and pace what comes at the dream's.
pub struct Fader {
    /// What was shown when the newest dream came, the newest dream, and what is shown between them.
    from: Frame,
    to: Frame,
    shown: Frame,
    begun: Instant,
    lasts: Duration,
    scaler: Scaler,
    empty: bool,
}

impl Fader {
    /// Draws `width`×`height` pixels, black at first.
    pub fn new(width: usize, height: usize, now: Instant) -> Fader {
        Fader {
            from: Frame::new(width, height),
            to: Frame::new(width, height),
            shown: Frame::new(width, height),
            begun: now,
            lasts: Duration::ZERO,
            scaler: Scaler::default(),
            empty: true,
        }
    }

    /// Takes a new dream, which fills the screen: what is too much on two sides is cut off. The first one is there at
    /// once, later ones fade in for as long as the next is likely to take.
    pub fn take(&mut self, dream: &Frame, now: Instant) {
        self.draw(now);
        std::mem::swap(&mut self.from, &mut self.shown);
        self.scaler.fill(dream, &mut self.to);
        self.to.captured = dream.captured;
        self.lasts = if self.empty { Duration::ZERO } else { now.saturating_duration_since(self.begun).min(LONGEST) };
        self.begun = now;
        self.empty = false;
    }

    /// The picture at `now`.
    pub fn draw(&mut self, now: Instant) -> &Frame {
        let past = now.saturating_duration_since(self.begun);
        let part = if past < self.lasts { past.as_secs_f32() / self.lasts.as_secs_f32() } else { 1.0 };
        if part >= 1.0 {
            self.shown.copy_from(&self.to);
        } else {
            self.shown.copy_from(&self.from);
            self.shown.fade(&self.to, part);
        }
        self.shown.captured = self.to.captured;
        &self.shown
    }

    /// Black, at the same size.
    pub fn black(&mut self) -> &Frame {
        self.shown.pixels.fill(0);
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, level: u8) -> Frame {
        let mut frame = Frame::new(width, height);
        frame.pixels.fill(level);
        frame
    }

    fn level(fader: &mut Fader, at: Instant) -> u8 {
        let frame = fader.draw(at);
        assert!(frame.pixels.iter().all(|value| *value == frame.pixels[0]));
        frame.pixels[0]
    }

    #[test]
    fn each_dream_fades_into_the_next_over_the_time_between_them() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut fader = Fader::new(8, 8, start);
        fader.take(&grey(4, 4, 100), at(0));
        assert_eq!(level(&mut fader, at(0)), 100, "the first is there at once");
        fader.take(&grey(4, 4, 200), at(100));
        assert_eq!(level(&mut fader, at(100)), 100);
        assert!((148..=151).contains(&level(&mut fader, at(150))));
        assert_eq!(level(&mut fader, at(200)), 200);
        assert_eq!(level(&mut fader, at(900)), 200);
    }

    #[test]
    fn a_dream_that_comes_early_begins_from_what_is_seen() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut fader = Fader::new(4, 4, start);
        fader.take(&grey(4, 4, 0), at(0));
        fader.take(&grey(4, 4, 200), at(100));
        let seen = level(&mut fader, at(140));
        fader.take(&grey(4, 4, 0), at(140));
        assert_eq!(level(&mut fader, at(140)), seen, "nothing leaps");
    }

    #[test]
    fn a_dream_of_another_shape_fills_the_screen() {
        let start = Instant::now();
        let mut dream = Frame::new(4, 2);
        // The two columns at the sides are cut off on a square screen.
        for row in dream.pixels.chunks_mut(12) {
            row.copy_from_slice(&[255, 255, 255, 9, 9, 9, 9, 9, 9, 255, 255, 255]);
        }
        let mut fader = Fader::new(2, 2, start);
        fader.take(&dream, start);
        assert!(fader.draw(start).pixels.iter().all(|value| *value == 9), "{:?}", fader.shown.pixels);
    }
}
