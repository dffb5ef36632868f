//! From the camera's pictures to as many as the screen shows: where that is more, each fades into the next over the time the next takes.

use std::time::{Duration, Instant};

use super::canvas::{Canvas, Painter};
use crate::frame::Frame;
use crate::size::Size;

/// A fade never lasts longer, however slow the dream.
const LONGEST: Duration = Duration::from_millis(1000);
/// What is all of a picture, or all of its light: weights are 256ths.
const WHOLE: u16 = 256;

/// Draws at the screen's size and pace what comes at the dream's.
pub struct Fader {
    canvas: Canvas,
    /// What was shown when the newest dream came, and the newest dream: XRGB8888, as the canvas.
    from: Vec<u8>,
    to: Vec<u8>,
    begun: Instant,
    lasts: Duration,
    painter: Painter,
    empty: bool,
}

/// What is seen at one moment, to be drawn row by row.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub size: Size,
    from: &'a [u8],
    to: &'a [u8],
    /// How much of `to` is seen, and how much light there is, 256ths.
    part: u16,
    light: u16,
}

impl Fader {
    /// Draws on `canvas`, black at first.
    pub fn new(canvas: Canvas, now: Instant) -> Fader {
        let bytes = 4 * canvas.size.width * canvas.size.height;
        Fader {
            canvas,
            from: vec![0; bytes],
            to: vec![0; bytes],
            begun: now,
            lasts: Duration::ZERO,
            painter: Painter::default(),
            empty: true,
        }
    }

    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// When the newest dream came.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Takes a new picture. The first one is there at once, later ones fade in for as long as the next is likely to take; but where the screen, which shows
    /// one in every `period`, would show nothing in between, at once: a fade would only make it late.
    pub fn take(&mut self, dream: &Frame, period: Duration, now: Instant) {
        // What is seen now is what the fade begins from.
        let part = self.part(now);
        if part == WHOLE {
            std::mem::swap(&mut self.from, &mut self.to);
        } else {
            mix(&mut self.from, &self.to, part);
        }
        self.painter.paint(dream, &self.canvas, &mut self.to);
        let lasts = now.saturating_duration_since(self.begun).min(LONGEST);
        self.lasts = if self.empty || 2 * lasts < 3 * period { Duration::ZERO } else { lasts };
        self.begun = now;
        self.empty = false;
    }

    /// Whether the picture at `now` is another than it will be a moment later.
    pub fn is_fading(&self, now: Instant) -> bool {
        self.part(now) < WHOLE
    }

    /// The picture at `now`, in so much light: 0 is dark, 1 all there is.
    pub fn view(&self, now: Instant, light: f32) -> View<'_> {
        let light = (light.clamp(0.0, 1.0) * f32::from(WHOLE)).round() as u16;
        View { size: self.canvas.size, from: &self.from, to: &self.to, part: self.part(now), light }
    }

    fn part(&self, now: Instant) -> u16 {
        let past = now.saturating_duration_since(self.begun);
        match past < self.lasts {
            true => (past.as_secs_f32() / self.lasts.as_secs_f32() * f32::from(WHOLE)) as u16,
            false => WHOLE,
        }
    }
}

impl View<'_> {
    /// Draws row `y` into `row`, which holds four bytes a pixel: blue, green, red, nothing.
    pub fn draw(&self, y: usize, row: &mut [u8]) {
        let bytes = 4 * self.size.width;
        let at = y * bytes..(y + 1) * bytes;
        let (from, to) = (&self.from[at.clone()], &self.to[at]);
        let row = &mut row[..bytes];
        match (self.part, self.light) {
            (WHOLE, WHOLE) => row.copy_from_slice(to),
            (part, light) => {
                for ((value, &from), &to) in row.iter_mut().zip(from).zip(to) {
                    let mixed = (u16::from(from) * (WHOLE - part) + u16::from(to) * part) >> 8;
                    *value = ((mixed * light) >> 8) as u8;
                }
            }
        }
    }

    /// All of it, as a picture that stages pass on.
    pub fn write(&self, out: &mut Frame, row: &mut Vec<u8>) {
        row.resize(4 * self.size.width, 0);
        out.resize(self.size.width, self.size.height);
        for (y, line) in out.pixels.chunks_exact_mut(3 * self.size.width).enumerate() {
            self.draw(y, row);
            for (rgb, &[b, g, r, _]) in line.as_chunks_mut::<3>().0.iter_mut().zip(row.as_chunks::<4>().0) {
                *rgb = [r, g, b];
            }
        }
    }
}

fn mix(from: &mut [u8], to: &[u8], part: u16) {
    for (from, &to) in from.iter_mut().zip(to) {
        *from = ((u16::from(*from) * (WHOLE - part) + u16::from(to) * part) >> 8) as u8;
    }
}

/// How bright the screen is: what is asked for is approached, so that nothing leaps.
#[derive(Debug, Clone, Copy)]
pub struct Lamp {
    light: f32,
    aim: f32,
    /// Of the light a second.
    speed: f32,
    seen: Instant,
}

impl Lamp {
    pub fn new(light: f64, now: Instant) -> Lamp {
        Lamp { light: light as f32, aim: light as f32, speed: 0.0, seen: now }
    }

    /// Moves toward `aim`, 0 to 1, a new one to be reached in `pace` seconds; returns the light at `now`.
    pub fn light(&mut self, aim: f64, pace: f64, now: Instant) -> f32 {
        let aim = aim as f32;
        if aim != self.aim {
            self.speed = if pace > 0.0 { (aim - self.light).abs() / pace as f32 } else { f32::MAX };
            self.aim = aim;
        }
        let way = self.speed * now.saturating_duration_since(self.seen).as_secs_f32();
        self.seen = now;
        let left = self.aim - self.light;
        self.light = if left.abs() <= way { self.aim } else { self.light + way.copysign(left) };
        self.light
    }

    /// The light as it was last.
    pub fn last(&self) -> f32 {
        self.light
    }

    /// Whether the light is still another than it will be.
    pub fn is_moving(&self) -> bool {
        self.light != self.aim
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

    fn level(fader: &Fader, at: Instant, light: f32) -> u8 {
        let mut frame = Frame::new(0, 0);
        fader.view(at, light).write(&mut frame, &mut Vec::new());
        assert!(frame.pixels.iter().all(|value| *value == frame.pixels[0]));
        frame.pixels[0]
    }

    #[test]
    fn each_dream_fades_into_the_next_over_the_time_between_them() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut fader = fader(8, 8, start);
        fader.take(&grey(4, 4, 100), TICK, at(0));
        assert_eq!(level(&fader, at(0), 1.0), 100, "the first is there at once");
        fader.take(&grey(4, 4, 200), TICK, at(100));
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
        fader.take(&grey(4, 4, 0), period, at(0));
        fader.take(&grey(4, 4, 200), period, at(40));
        assert_eq!(level(&fader, at(40), 1.0), 200);
    }

    #[test]
    fn a_dream_that_comes_early_begins_from_what_is_seen() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut fader = fader(4, 4, start);
        fader.take(&grey(4, 4, 0), TICK, at(0));
        fader.take(&grey(4, 4, 200), TICK, at(100));
        let seen = level(&fader, at(140), 1.0);
        fader.take(&grey(4, 4, 0), TICK, at(140));
        assert_eq!(level(&fader, at(140), 1.0), seen, "nothing leaps");
    }

    #[test]
    fn light_dims_the_picture_and_is_approached() {
        let start = Instant::now();
        let mut fader = fader(4, 4, start);
        fader.take(&grey(4, 4, 200), TICK, start);
        assert_eq!(level(&fader, start, 0.5), 100);
        assert_eq!(level(&fader, start, 0.0), 0);
        let mut lamp = Lamp::new(1.0, start);
        assert!(!lamp.is_moving());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(lamp.light(0.0, 2.0, start), 1.0);
        let half = lamp.light(0.0, 2.0, at(1000));
        assert!((0.49..0.51).contains(&half) && lamp.is_moving(), "{half}");
        assert_eq!(lamp.light(0.0, 2.0, at(2500)), 0.0);
        assert!(!lamp.is_moving());
        // In no time is in the next frame; two in the same instant are no harm.
        assert_eq!(lamp.light(0.7, 0.0, at(2500)), 0.0);
        assert_eq!(lamp.light(0.7, 0.0, at(2516)), 0.7);
    }
}
