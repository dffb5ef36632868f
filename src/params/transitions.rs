//! Numbers on their way to the values that were set.
//!
//! The one interpolator: a change carries its transition (from where, to where, from which moment on and for how long), and whoever needs a
//! value works it out for the moment that it is for, however seldom that is.

use std::time::{Duration, Instant};

use super::{Kind, Params, Spec, Value, find};

/// One number on its way, evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Transition {
    spec: &'static Spec,
    from: f64,
    to: f64,
    begun: Instant,
    length: Duration,
    is_ramp: bool,
}

/// Every number on its way, at most one transition a parameter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transitions(Vec<Transition>);

impl Transitions {
    /// Moves the number of `spec` from one value to another, in `length` from `begun` on; this replaces any transition that it has. A switch goes from
    /// 0 to 1 or back. A ramp's values are published in `state` as it moves, of any other transition only the target.
    pub fn begin(
        &mut self,
        spec: &'static Spec,
        (mut from, to): (f64, f64),
        begun: Instant,
        length: Duration,
        is_ramp: bool,
    ) {
        self.stop(spec);
        if is_direction(spec) && (to - from).abs() > 180.0 {
            // The short way round.
            from += if to > from { 360.0 } else { -360.0 };
        }
        if !length.is_zero() {
            self.0.push(Transition { spec, from, to, begun, length, is_ramp });
        }
    }

    pub fn stop(&mut self, spec: &Spec) {
        self.0.retain(|transition| transition.spec != spec);
    }

    /// Forgets those that have arrived by `now`.
    pub fn end(&mut self, now: Instant) {
        self.0.retain(|transition| transition.left(now) > Duration::ZERO);
    }

    /// The value of `spec` at `now`, where it is on its way.
    pub fn value(&self, spec: &Spec, now: Instant) -> Option<f64> {
        self.0.iter().find(|transition| transition.spec == spec).map(|transition| transition.value(now))
    }

    /// Writes into `params` what every number is at `now`. Allocates nothing.
    pub fn write(&self, params: &mut Params, now: Instant) {
        for transition in &self.0 {
            (transition.spec.set)(params, Value::Number(transition.value(now)));
        }
    }

    /// The ramps: each parameter, its value at `now`, where it goes, and how much longer that takes.
    pub fn ramps(&self, now: Instant) -> impl Iterator<Item = (&'static Spec, f64, f64, Duration)> {
        let ramps = self.0.iter().filter(|transition| transition.is_ramp);
        ramps.map(move |ramp| (ramp.spec, ramp.value(now), ramp.to, ramp.left(now)))
    }
}

impl Transition {
    fn left(&self, now: Instant) -> Duration {
        (self.begun + self.length).saturating_duration_since(now)
    }

    fn value(&self, now: Instant) -> f64 {
        if self.left(now).is_zero() {
            return self.to;
        }
        let part = now.saturating_duration_since(self.begun).as_secs_f64() / self.length.as_secs_f64();
        let value = self.from + (self.to - self.from) * part;
        match self.spec.kind {
            Kind::Whole { .. } => value.round(),
            // Each value needs graphs of sizes of its own.
            Kind::Real { step, .. } if self.spec.name == "octave_scale" => (value / step).round() * step,
            // As fine as anybody sees, and short to read.
            _ if is_direction(self.spec) => (value.rem_euclid(360.0) * 1e4).round() / 1e4,
            _ => (value * 1e4).round() / 1e4,
        }
    }
}

impl Params {
    /// What the number of `spec` is at `now`; of a switch how far on it is, 0 to 1.
    pub fn number_at(&self, spec: &Spec, now: Instant) -> f64 {
        self.transitions.value(spec, now).unwrap_or_else(|| match (spec.get)(self) {
            Value::Number(number) => number,
            Value::Switch(true) => 1.0,
            _ => 0.0,
        })
    }

    /// How bright the screen is at `now`, 0 to 1.
    pub fn light_at(&self, now: Instant) -> f64 {
        self.brightness_at(now) * (1.0 - self.named_at("blank", now))
    }

    /// The same where the screen is not blanked.
    pub fn brightness_at(&self, now: Instant) -> f64 {
        self.named_at("brightness", now)
    }

    fn named_at(&self, name: &str, now: Instant) -> f64 {
        find(name).map_or(0.0, |spec| self.number_at(spec, now))
    }
}

/// A direction's two ends are the same.
fn is_direction(spec: &Spec) -> bool {
    matches!(spec.kind, Kind::Real { min: 0.0, max: 360.0, .. })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pack::Catalogue;
    use crate::params::TABLE;

    fn params() -> Params {
        Params::new(&Catalogue::of(Vec::new()))
    }

    fn after(name: &str, way: (f64, f64), seconds: u64, after: f64) -> f64 {
        let (mut params, begun) = (params(), Instant::now());
        params.transitions.begin(find(name).unwrap(), way, begun, Duration::from_secs(seconds), true);
        let now = begun + Duration::from_secs_f64(after);
        let value = params.number_at(find(name).unwrap(), now);
        params.transitions.end(now);
        assert_eq!(params.transitions.ramps(now).count() == 0, after >= seconds as f64);
        value
    }

    #[test]
    fn a_number_moves_evenly_and_arrives() {
        assert_eq!(after("intensity", (0.0, 1.0), 10, 2.5), 0.25);
        assert_eq!(after("intensity", (0.9, 0.3), 10, 5.0), 0.6);
        assert_eq!(after("intensity", (0.9, 0.3), 9, 9.0), 0.3);
        assert_eq!(after("steps", (0.0, 10.0), 10, 4.6), 5.0);
    }

    #[test]
    fn a_direction_turns_the_short_way() {
        assert_eq!(after("drift_angle", (350.0, 20.0), 10, 5.0), 5.0);
        assert_eq!(after("drift_angle", (10.0, 330.0), 10, 9.0), 334.0);
    }

    #[test]
    fn a_screen_that_is_switched_off_goes_dark_evenly() {
        let (mut params, begun) = (params(), Instant::now());
        (params.brightness, params.blank) = (0.8, true);
        let second = Duration::from_secs(1);
        params.transitions.begin(find("blank").unwrap(), (0.0, 1.0), begun, 2 * second, false);
        let light = |at| (params.light_at(at) * 1000.0).round() / 1000.0;
        assert_eq!([begun, begun + second, begun + 2 * second].map(light), [0.8, 0.4, 0.0]);
        let mut now = params.clone();
        params.transitions.write(&mut now, begun + second);
        assert!(now.blank, "a switch itself is on or off");
    }

    proptest! {
        /// A board that dreams once in two seconds sees each number where the clock says it is: on the line, and at its end in time.
        #[test]
        fn however_seldom_it_is_asked_a_number_is_where_it_should_be(
            row in 0..TABLE.len(), from in 0.0..1.0f64, to in 0.0..1.0f64, length in 0.1..60.0f64, between in prop_oneof![Just(2.0), 0.01..5.0f64],
        ) {
            let spec = &TABLE[row];
            let Kind::Real { min, max, .. } = spec.kind else { return Ok(()) };
            prop_assume!(!is_direction(spec) && spec.name != "octave_scale");
            let [from, to] = [from, to].map(|part| min + (max - min) * part);
            let (mut params, begun) = (params(), Instant::now());
            (spec.set)(&mut params, Value::Number(to));
            params.transitions.begin(spec, (from, to), begun, Duration::from_secs_f64(length), false);
            let mut seen = params.clone();
            for dream in 0..20 {
                let seconds = f64::from(dream) * between;
                params.transitions.write(&mut seen, begun + Duration::from_secs_f64(seconds));
                let expected = from + (to - from) * (seconds / length).min(1.0);
                let Value::Number(value) = (spec.get)(&seen) else { unreachable!() };
                prop_assert!((value - expected).abs() < 1e-4, "{}: {value} after {seconds} s of {length}, not {expected}", spec.name);
                let others = TABLE.iter().filter(|other| *other != spec);
                prop_assert!(others.into_iter().all(|other| (other.get)(&seen) == (other.get)(&params)), "another moves");
            }
        }
    }
}
