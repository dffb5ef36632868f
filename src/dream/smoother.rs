//! Parameter smoothing: numbers move to their targets, so that nothing on the screen jumps.

use std::time::Duration;

use crate::params::Params;

/// The continuous parameters of a look, as they are at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LookParams {
    pub intensity: f64,
    pub step: f64,
    pub smoothing: f64,
    pub colour: f64,
    pub tone: f64,
    pub decay: f64,
    pub fatigue: f64,
    pub persistence: f64,
    pub zoom: f64,
    pub rotate: f64,
    pub drift: f64,
    /// Degrees, not held to one turn.
    pub drift_angle: f64,
}

/// How many there are, and what the table calls them.
const COUNT: usize = 12;
const NAMES: [&str; COUNT] = [
    "intensity",
    "step",
    "smoothing",
    "colour",
    "tone",
    "decay",
    "fatigue",
    "persistence",
    "zoom",
    "rotate",
    "drift",
    "drift_angle",
];

impl LookParams {
    /// What `intensity` weakens the step by, and what shows of the dream, each: together they make what is seen grow with it
    /// evenly. (Weakened by all of it twice, a third would show a tenth: nothing.)
    pub fn share(&self) -> f64 {
        self.intensity.sqrt()
    }

    pub fn of(params: &Params) -> LookParams {
        LookParams {
            intensity: params.intensity,
            step: params.step,
            smoothing: params.smoothing,
            colour: params.colour,
            tone: params.tone,
            decay: params.decay,
            fatigue: params.fatigue,
            persistence: params.persistence,
            zoom: params.zoom,
            rotate: params.rotate,
            drift: params.drift,
            drift_angle: params.drift_angle,
        }
    }

    /// Every number; the direction last.
    fn numbers(&mut self) -> [&mut f64; COUNT] {
        [
            &mut self.intensity,
            &mut self.step,
            &mut self.smoothing,
            &mut self.colour,
            &mut self.tone,
            &mut self.decay,
            &mut self.fatigue,
            &mut self.persistence,
            &mut self.zoom,
            &mut self.rotate,
            &mut self.drift,
            &mut self.drift_angle,
        ]
    }
}

/// Moves each number of a look to its target, evenly, in the time that its change was to take.
#[derive(Debug, Clone, Default)]
pub struct ParameterSmoother(Option<Track>);

#[derive(Debug, Clone)]
struct Track {
    now: LookParams,
    target: LookParams,
    /// Of each number a second.
    speeds: [f64; COUNT],
}

impl ParameterSmoother {
    /// The look at the end of `elapsed`, on the way to that of `params`; the first is there at once.
    pub fn follow(&mut self, params: &Params, elapsed: Duration) -> LookParams {
        let mut wanted = LookParams::of(params);
        let Some(Track { now, target, speeds }) = &mut self.0 else {
            self.0 = Some(Track { now: wanted, target: wanted, speeds: [0.0; COUNT] });
            return wanted;
        };
        // A direction is gone to by the short way round.
        wanted.drift_angle = now.drift_angle + (wanted.drift_angle - now.drift_angle + 180.0).rem_euclid(360.0) - 180.0;
        let seconds = elapsed.as_secs_f64();
        let numbers = now.numbers().into_iter().zip(target.numbers()).zip(wanted.numbers()).zip(speeds).zip(NAMES);
        for ((((now, target), wanted), speed), name) in numbers {
            if *wanted != *target {
                let pace = params.pace.of(name);
                *target = *wanted;
                *speed = if pace > 0.0 { (*target - *now).abs() / pace } else { f64::MAX };
            }
            let left = *target - *now;
            *now = if left.abs() <= *speed * seconds { *target } else { *now + left.signum() * *speed * seconds };
        }
        *now
    }

    /// The next look is there at once.
    pub fn reset(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Catalogue;
    use crate::params::Pace;

    const STEP: Duration = Duration::from_millis(100);

    fn params(intensity: f64, pace: f64) -> Params {
        let mut params = Params::new(&Catalogue::of(Vec::new()));
        params.intensity = intensity;
        params.pace = Pace::all(pace);
        params
    }

    #[test]
    fn the_first_is_there_at_once_and_the_next_is_gone_to_evenly() {
        let mut smoother = ParameterSmoother::default();
        assert_eq!(smoother.follow(&params(0.2, 1.0), STEP).intensity, 0.2);
        let way: Vec<f64> = (0..12).map(|_| smoother.follow(&params(1.2, 1.0), STEP).intensity).collect();
        for pair in way[..10].windows(2) {
            assert!((pair[1] - pair[0] - 0.1).abs() < 1e-9, "{way:?}");
        }
        assert_eq!(way[10..], [1.2, 1.2]);
        assert_eq!(smoother.follow(&params(0.0, 0.0), STEP).intensity, 0.0);
        smoother.follow(&params(1.0, 9.0), STEP);
        smoother.reset();
        assert_eq!(smoother.follow(&params(1.0, 9.0), STEP).intensity, 1.0);
    }

    #[test]
    fn a_ramp_from_outside_is_followed_without_falling_behind() {
        let mut smoother = ParameterSmoother::default();
        smoother.follow(&params(0.0, 0.1), STEP);
        for n in 1..=100 {
            let target = f64::from(n) / 100.0;
            assert!((smoother.follow(&params(target, 0.1), STEP).intensity - target).abs() < 1e-9, "{n}");
        }
    }

    #[test]
    fn a_ramp_of_one_number_has_no_other_jump_on_a_board_that_takes_two_seconds_for_a_dream() {
        let slow = Duration::from_secs(2);
        let target = |zoom: f64, intensity: f64| {
            let params = Params { zoom, ..params(intensity, 4.0) };
            Params { pace: params.pace.with_ramps(["zoom"]), ..params }
        };
        let mut smoother = ParameterSmoother::default();
        smoother.follow(&target(0.0, 1.0), slow);
        let looks = [0.1, 0.2, 0.3].map(|zoom| smoother.follow(&target(zoom, 0.2), slow));
        assert_eq!(looks.map(|look| look.zoom), [0.1, 0.2, 0.3]);
        assert!((looks[0].intensity - 0.6).abs() < 1e-9 && looks[1].intensity == 0.2, "{looks:?}");
    }

    #[test]
    fn every_number_has_its_name() {
        for name in NAMES {
            let mut changed = params(0.0, 0.0);
            let spec = crate::params::find(name).unwrap();
            (spec.set)(&mut changed, crate::params::Value::Number(0.123));
            let (mut before, mut after) = (LookParams::of(&params(0.0, 0.0)), LookParams::of(&changed));
            let differ = before.numbers().into_iter().zip(after.numbers()).zip(NAMES).filter(|((a, b), _)| a != b);
            assert_eq!(differ.map(|(_, name)| name).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn a_direction_turns_the_short_way() {
        let target = |angle: f64| Params { drift_angle: angle, ..params(0.0, 1.0) };
        let mut smoother = ParameterSmoother::default();
        smoother.follow(&target(350.0), STEP);
        let way: Vec<f64> = (0..10).map(|_| smoother.follow(&target(20.0), STEP).drift_angle).collect();
        assert!(way.iter().all(|angle| (350.0..=380.0).contains(angle)), "{way:?}");
        assert_eq!(way[9], 380.0);
    }
}
