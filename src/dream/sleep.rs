//! Sleep: with nobody there, no light or no camera, the dream goes over to feeding on its own pictures (a trance); movement ends that.

use std::time::Duration;

use crate::params::Params;

/// From awake to asleep, and back, seconds.
const FALLS_ASLEEP: f64 = 12.0;
const WAKES: f64 = 1.5;
/// Share of the picture that must move to be somebody: less is a leaf, or noise.
const SOMEBODY: f64 = 0.01;
/// Mean light below which it is dark, of 1, and for how long it must be, seconds.
const DARK: f64 = 0.03;
const DARK_FOR: f64 = 5.0;
/// Stillness deepens over so many seconds, and movement takes that back in so many.
const DEEPENS: f64 = 20.0;
const RETURNS: f64 = 1.0;

/// What is seen of the room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surroundings {
    pub has_camera: bool,
    /// Share of the picture that moved, 0 to 1.
    pub movement: f64,
    /// Mean light, 0 to 1.
    pub light: f64,
}

/// How deep the sleep is.
#[derive(Debug, Clone, Default)]
pub struct Sleep {
    /// 0 awake, 1 asleep.
    depth: f64,
    still_for: f64,
    dark_for: f64,
    /// How far stillness has deepened the dream, 0 to 1.
    stillness: f64,
    has_begun: bool,
}

impl Sleep {
    /// Lets time pass in these surroundings.
    pub fn update(&mut self, seen: &Surroundings, params: &Params, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let is_still = seen.movement < SOMEBODY;
        self.still_for = if is_still { self.still_for + seconds } else { 0.0 };
        self.dark_for = if seen.has_camera && seen.light < DARK { self.dark_for + seconds } else { 0.0 };
        let is_left = params.sleep > 0.0 && self.still_for >= params.sleep;
        let sleeps = !seen.has_camera || self.dark_for >= DARK_FOR || is_left;
        let pace = |up: bool, rise: f64, fall: f64| if up { seconds / rise } else { -seconds / fall };
        self.depth = (self.depth + pace(sleeps, FALLS_ASLEEP, WAKES)).clamp(0.0, 1.0);
        self.stillness = (self.stillness + pace(is_still, DEEPENS, RETURNS)).clamp(0.0, 1.0);
        if !std::mem::replace(&mut self.has_begun, true) && !seen.has_camera {
            // A mirror that never saw anything has nothing to fall asleep from.
            self.depth = 1.0;
        }
    }

    /// 0 awake, 1 asleep.
    pub fn depth(&self) -> f64 {
        self.depth
    }

    /// How much of its own picture the dream feeds on, 0 to 1.
    pub fn trance(&self, params: &Params) -> f64 {
        params.trance.max(params.deepen * smooth(self.stillness)).max(smooth(self.depth)).min(1.0)
    }

    /// How much of the last dream remains in the next in a trance, where it is so much for one who is awake: all of it asleep, for what
    /// a covered lens sees would only darken it.
    pub fn persistence(&self, awake: f64) -> f64 {
        awake + (1.0 - awake) * smooth(self.depth)
    }
}

/// From 0 to 1 without a sudden beginning or end.
fn smooth(part: f64) -> f64 {
    part * part * (3.0 - 2.0 * part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Catalogue;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Surroundings = Surroundings { has_camera: true, movement: 0.2, light: 0.5 };

    fn params() -> Params {
        Params { sleep: 60.0, ..Params::new(&Catalogue::of(Vec::new())) }
    }

    fn after(sleep: &mut Sleep, surroundings: Surroundings, seconds: u32) -> f64 {
        (0..seconds).for_each(|_| sleep.update(&surroundings, &params(), SECOND));
        sleep.trance(&params())
    }

    #[test]
    fn it_falls_asleep_slowly_when_nobody_moves_and_wakes_at_once() {
        let mut sleep = Sleep::default();
        assert_eq!(after(&mut sleep, DAY, 100), 0.0);
        let still = Surroundings { movement: 0.001, ..DAY };
        assert_eq!(after(&mut sleep, still, 59), 0.0);
        let falling = after(&mut sleep, still, 6);
        assert!((0.1..0.9).contains(&falling), "{falling}");
        assert_eq!(after(&mut sleep, still, 20), 1.0);
        assert_eq!(after(&mut sleep, DAY, 2), 0.0);
    }

    #[test]
    fn it_sleeps_in_the_dark_and_without_a_camera() {
        let mut sleep = Sleep::default();
        after(&mut sleep, DAY, 1);
        assert_eq!(after(&mut sleep, Surroundings { light: 0.01, ..DAY }, 4), 0.0, "somebody walks by closely");
        assert_eq!(after(&mut sleep, Surroundings { light: 0.01, ..DAY }, 20), 1.0);
        after(&mut sleep, DAY, 2);
        assert_eq!(after(&mut sleep, Surroundings { has_camera: false, ..DAY }, 20), 1.0);
        let mut blind = Sleep::default();
        assert_eq!(after(&mut blind, Surroundings { has_camera: false, movement: 0.0, light: 0.0 }, 1), 1.0);
    }

    #[test]
    fn a_sleeper_keeps_all_of_its_dream_and_one_who_is_awake_what_was_asked_for() {
        let mut sleep = Sleep::default();
        after(&mut sleep, DAY, 1);
        assert_eq!(sleep.persistence(0.9), 0.9);
        after(&mut sleep, Surroundings { light: 0.01, ..DAY }, 30);
        assert_eq!(sleep.persistence(0.9), 1.0);
    }

    #[test]
    fn never_is_never_and_stillness_deepens_only_where_wished() {
        let mut sleep = Sleep::default();
        let (still, mut params) = (Surroundings { movement: 0.0, ..DAY }, Params { sleep: 0.0, ..params() });
        (0..1000).for_each(|_| sleep.update(&still, &params, SECOND));
        assert_eq!(sleep.trance(&params), 0.0);
        params.deepen = 0.6;
        assert_eq!(sleep.trance(&params), 0.6);
        sleep.update(&DAY, &params, SECOND);
        assert_eq!(sleep.trance(&params), 0.0);
    }
}
