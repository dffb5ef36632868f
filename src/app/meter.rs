//! Frame rate and frame times of the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Older frames do not count, but for the last two: a board may take longer than this for one.
const WINDOW: Duration = Duration::from_secs(10);
/// Frames kept at most: enough for any rate over the window.
const MAX_FRAMES: usize = 2048;

/// The frames of the last seconds: when each was finished, and how long it took.
#[derive(Debug, Default)]
pub struct Meter(VecDeque<(Instant, Duration)>);

/// What a [`Meter`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// Frames a second.
    pub fps: f64,
    /// Median and 99th percentile of the time a frame took.
    pub p50: Duration,
    pub p99: Duration,
}

impl Meter {
    /// Adds a frame that was finished at `now` and took `time`.
    pub fn count(&mut self, now: Instant, time: Duration) {
        if self.0.len() == MAX_FRAMES {
            self.0.pop_front();
        }
        self.0.push_back((now, time));
    }

    /// Forgets all frames, as in a pause: what was made before says nothing of now.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// None where there was no frame.
    pub fn read(&mut self, now: Instant) -> Option<Reading> {
        let is_old = |(done, _): &(Instant, Duration)| now.saturating_duration_since(*done) > WINDOW;
        let newest = self.0.iter().rev().map(|(done, _)| *done);
        let gap = newest.clone().zip(newest.skip(1)).next().map_or(Duration::ZERO, |(last, before)| last - before);
        if self.0.back().is_some_and(|(done, _)| now.saturating_duration_since(*done) > WINDOW.max(2 * gap)) {
            self.0.clear();
        }
        while self.0.len() > 2 && self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
        let (Some((first, _)), Some((last, _))) = (self.0.front(), self.0.back()) else { return None };
        let span = last.saturating_duration_since(*first).as_secs_f64();
        let mut times: Vec<Duration> = self.0.iter().map(|(_, time)| *time).collect();
        times.sort_unstable();
        let rank = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        let fps = if span > 0.0 { (times.len() - 1) as f64 / span } else { 0.0 };
        Some(Reading { fps, p50: rank(0.5), p99: rank(0.99) })
    }
}

/// `time` in milliseconds, to a tenth.
pub fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seconds_count() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut meter = Meter::default();
        assert_eq!(meter.read(start), None);
        for frame in 0..200u64 {
            let time = if frame == 150 { ms(400) } else { ms(50) };
            meter.count(start + ms(100 * frame), time);
        }
        let reading = meter.read(start + ms(19_900)).unwrap();
        assert!((reading.fps - 10.0).abs() < 1e-9, "{reading:?}");
        assert_eq!((reading.p50, reading.p99), (ms(50), ms(50)));
        assert_eq!(meter.0.len(), 101, "older ones are forgotten");
        assert_eq!(meter.read(start + ms(60_000)), None);
        for frame in 0..3u64 {
            meter.count(start + ms(80_000 + 20_000 * frame), ms(20_000));
        }
        for seconds in [120, 139, 160] {
            let fps = meter.read(start + ms(1000 * seconds)).unwrap().fps;
            assert!((fps - 0.05).abs() < 1e-9, "a slow one has a rate too, between two frames as well: {fps}");
        }
        assert_eq!(meter.read(start + ms(161_000)), None);
    }

    #[test]
    fn a_pause_is_no_part_of_the_rate_before_it_or_after_it() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut meter = Meter::default();
        (0..90u64).for_each(|frame| meter.count(start + ms(100 * frame / 3), ms(10)));
        assert!((meter.read(start + ms(3000)).unwrap().fps - 30.0).abs() < 0.1);
        meter.clear();
        assert_eq!(meter.read(start + ms(3000)), None);
        (0..5u64).for_each(|frame| meter.count(start + ms(8000 + 50 * frame), ms(10)));
        assert!((meter.read(start + ms(8300)).unwrap().fps - 20.0).abs() < 1e-9);
    }
}
