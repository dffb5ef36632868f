//! Crossfades between pictures where the screen is faster than they come: each fades into the next over the time the
//! next takes.

use std::time::{Duration, Instant};

use super::canvas::{Canvas, Painter};
use crate::frame::Frame;
use crate::size::Size;

/// A fade never lasts longer, however slow the dream.
const MAX_FADE: Duration = Duration::from_millis(1000);
/// Weights and brightness are 256ths.
const FULL: u16 = 256;

/// Draws pictures at the screen's size and rate.
pub struct Fader {
    canvas: Canvas,
    /// What was on the screen when the newest picture came, and that picture: XRGB8888, of the canvas' size.
    from: Vec<u8>,
    to: Vec<u8>,
    fade_began: Instant,
    duration: Duration,
    painter: Painter,
    is_empty: bool,
}

/// The picture at one moment, drawn row by row.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub size: Size,
    from: &'a [u8],
    to: &'a [u8],
    /// The weight of `to`, and the brightness, 256ths.
    progress: u16,
    brightness: u16,
}

impl Fader {
    /// Draws on `canvas`, black at first.
    pub fn new(canvas: Canvas, now: Instant) -> Fader {
        let bytes = 4 * canvas.size.width * canvas.size.height;
        Fader {
            canvas,
            from: vec![0; bytes],
            to: vec![0; bytes],
            fade_began: now,
            duration: Duration::ZERO,
            painter: Painter::default(),
            is_empty: true,
        }
    }

    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// When the newest picture came.
    pub fn fade_began(&self) -> Instant {
        self.fade_began
    }

    /// Takes a new picture. The first is shown at once; later ones fade in over the time since the last, which the
    /// next is likely to take. Where the screen, which shows one every `period`, would show nothing in between, there
    /// is no fade: it would only add delay.
    pub fn fade_to(&mut self, dream: &Frame, period: Duration, now: Instant) {
        // The fade starts from what is on the screen now.
        let progress = self.progress(now);
        if progress == FULL {
            std::mem::swap(&mut self.from, &mut self.to);
        } else {
            mix(&mut self.from, &self.to, progress);
        }
        self.painter.paint(dream, &self.canvas, &mut self.to);
        let duration = now.saturating_duration_since(self.fade_began).min(MAX_FADE);
        self.duration = if self.is_empty || 2 * duration < 3 * period { Duration::ZERO } else { duration };
        self.fade_began = now;
        self.is_empty = false;
    }

    /// Whether the picture still changes after `now`.
    pub fn is_fading(&self, now: Instant) -> bool {
        self.progress(now) < FULL
    }

    /// The picture at `now`, at a brightness from 0, black, to 1.
    pub fn view(&self, now: Instant, brightness: f32) -> View<'_> {
        let brightness = (brightness.clamp(0.0, 1.0) * f32::from(FULL)).round() as u16;
        View { size: self.canvas.size, from: &self.from, to: &self.to, progress: self.progress(now), brightness }
    }

    fn progress(&self, now: Instant) -> u16 {
        let elapsed = now.saturating_duration_since(self.fade_began);
        match elapsed < self.duration {
            true => (elapsed.as_secs_f32() / self.duration.as_secs_f32() * f32::from(FULL)) as u16,
            false => FULL,
        }
    }
}

impl View<'_> {
    /// Draws row `y` into `row`, four bytes per pixel: blue, green, red, unused.
    pub fn draw_row(&self, y: usize, row: &mut [u8]) {
        let bytes = 4 * self.size.width;
        let at = y * bytes..(y + 1) * bytes;
        let (from, to) = (&self.from[at.clone()], &self.to[at]);
        let row = &mut row[..bytes];
        match (self.progress, self.brightness) {
            (FULL, FULL) => row.copy_from_slice(to),
            (progress, brightness) => {
                for ((value, &from), &to) in row.iter_mut().zip(from).zip(to) {
                    let mixed = (u16::from(from) * (FULL - progress) + u16::from(to) * progress) >> 8;
                    *value = ((mixed * brightness) >> 8) as u8;
                }
            }
        }
    }

    /// Writes all of it into `out`; `row` is scratch memory.
    pub fn write_frame(&self, out: &mut Frame, row: &mut Vec<u8>) {
        row.resize(4 * self.size.width, 0);
        out.resize(self.size.width, self.size.height);
        for (y, line) in out.pixels.chunks_exact_mut(3 * self.size.width).enumerate() {
            self.draw_row(y, row);
            for (rgb, &[b, g, r, _]) in line.as_chunks_mut::<3>().0.iter_mut().zip(row.as_chunks::<4>().0) {
                *rgb = [r, g, b];
            }
        }
    }
}

fn mix(from: &mut [u8], to: &[u8], progress: u16) {
    for (from, &to) in from.iter_mut().zip(to) {
        *from = ((u16::from(*from) * (FULL - progress) + u16::from(to) * progress) >> 8) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(16);

    fn grey(width: usize, height: usize, level: u8) -> Frame {
        let mut frame = Frame::new(width, height);
        frame.pixels.fill(level);
        frame
    }

    fn fader(width: usize, height: usize, now: Instant) -> Fader {
        Fader::new(Canvas::plain(Size { width, height }), now)
    }

    fn level(fader: &Fader, at: Instant, brightness: f32) -> u8 {
        let mut frame = Frame::new(0, 0);
        fader.view(at, brightness).write_frame(&mut frame, &mut Vec::new());
        assert!(frame.pixels.iter().all(|value| *value == frame.pixels[0]));
        frame.pixels[0]
    }

    #[test]
    fn each_dream_fades_into_the_next_over_the_time_between_them() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut fader = fader(8, 8, start);
        fader.fade_to(&grey(4, 4, 100), TICK, at(0));
        assert_eq!(level(&fader, at(0), 1.0), 100, "the first is there at once");
        fader.fade_to(&grey(4, 4, 200), TICK, at(100));
        assert_eq!(level(&fader, at(100), 1.0), 100);
        assert!((148..=151).contains(&level(&fader, at(150), 1.0)));
        assert!(fader.is_fading(at(199)) && !fader.is_fading(at(200)));
        assert_eq!(level(&fader, at(200), 1.0), 200);
        assert_eq!(level(&fader, at(900), 1.0), 200);
    }

    #[test]
    fn where_the_screen_is_no_faster_a_picture_is_there_at_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut fader = fader(4, 4, start);
        let period = Duration::from_millis(33);
        fader.fade_to(&grey(4, 4, 0), period, at(0));
        fader.fade_to(&grey(4, 4, 200), period, at(40));
        assert_eq!(level(&fader, at(40), 1.0), 200);
    }

    #[test]
    fn a_dream_that_comes_early_fades_from_what_is_on_the_screen() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut fader = fader(4, 4, start);
        fader.fade_to(&grey(4, 4, 0), TICK, at(0));
        fader.fade_to(&grey(4, 4, 200), TICK, at(100));
        let seen = level(&fader, at(140), 1.0);
        fader.fade_to(&grey(4, 4, 0), TICK, at(140));
        assert_eq!(level(&fader, at(140), 1.0), seen, "nothing jumps");
    }

    #[test]
    fn light_dims_the_picture() {
        let start = Instant::now();
        let mut fader = fader(4, 4, start);
        fader.fade_to(&grey(4, 4, 200), TICK, start);
        assert_eq!(level(&fader, start, 0.5), 100);
        assert_eq!(level(&fader, start, 0.0), 0);
    }
}
