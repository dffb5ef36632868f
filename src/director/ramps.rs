//! Numbers on their way: each ramp moves one parameter, linearly.

use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};

use crate::params::{Kind, Pace, Params, Spec, Value};

/// Between two values told: finer than any dream is drawn.
pub const RAMP_INTERVAL: Duration = Duration::from_millis(50);

/// One number on its way.
#[derive(Clone)]
struct Ramp {
    spec: &'static Spec,
    from: f64,
    to: f64,
    begun: Instant,
    length: Duration,
}

/// Every number on its way, one ramp a parameter at most.
#[derive(Clone, Default)]
pub struct Ramps(Vec<Ramp>);

/// Whether a parameter can be moved through the values between two.
pub fn is_number(spec: &Spec) -> bool {
    matches!(spec.kind, Kind::Real { .. } | Kind::Whole { .. })
}

fn number(spec: &Spec, params: &Params) -> f64 {
    match (spec.get)(params) {
        Value::Number(number) => number,
        _ => 0.0,
    }
}

impl Ramps {
    /// Moves a number from what it is in `params` to what it is in `targets`, in `length` from `begun` on.
    pub fn begin(&mut self, spec: &'static Spec, params: &Params, targets: &Params, begun: Instant, length: Duration) {
        self.stop(spec);
        let (mut from, to) = (number(spec, params), number(spec, targets));
        if is_direction(spec) && (to - from).abs() > 180.0 {
            // The short way round.
            from += if to > from { 360.0 } else { -360.0 };
        }
        self.0.push(Ramp { spec, from, to, begun, length });
    }

    pub fn stop(&mut self, spec: &Spec) {
        self.0.retain(|ramp| ramp.spec.name != spec.name);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes into `params` what every number is at `now`; ramps that have arrived end.
    pub fn advance(&mut self, params: &mut Params, now: Instant) {
        for ramp in &self.0 {
            (ramp.spec.set)(params, Value::Number(ramp.value(now)));
        }
        self.0.retain(|ramp| ramp.left(now) > Duration::ZERO);
        params.pace = self.pace(params.pace);
    }

    /// `pace`, and that of the numbers on their way.
    pub fn pace(&self, pace: Pace) -> Pace {
        pace.with_ramps(self.0.iter().map(|ramp| ramp.spec.name))
    }

    /// For people who watch: where each number goes, and in how many seconds it is there.
    pub fn to_json(&self, now: Instant) -> Map<String, Json> {
        let tell = |ramp: &Ramp| {
            let left = (ramp.left(now).as_secs_f64() * 10.0).round() / 10.0;
            (ramp.spec.name.to_owned(), json!({"to": Value::Number(ramp.to).to_json(), "left": left}))
        };
        self.0.iter().map(tell).collect()
    }
}

impl Ramp {
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

/// A direction's two ends are the same.
fn is_direction(spec: &Spec) -> bool {
    matches!(spec.kind, Kind::Real { min: 0.0, max: 360.0, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Catalogue;
    use crate::params::find;

    fn ramp(name: &str, from: f64, to: f64, seconds: u64, after: f64) -> f64 {
        let spec = find(name).unwrap();
        let mut params = Params::new(&Catalogue::of(Vec::new()));
        (spec.set)(&mut params, Value::Number(from));
        let mut targets = params.clone();
        (spec.set)(&mut targets, Value::Number(to));
        let begun = Instant::now();
        let mut ramps = Ramps::default();
        ramps.begin(spec, &params, &targets, begun, Duration::from_secs(seconds));
        ramps.advance(&mut params, begun + Duration::from_secs_f64(after));
        assert_eq!(ramps.is_empty(), after >= seconds as f64);
        number(spec, &params)
    }

    #[test]
    fn a_number_moves_evenly_and_arrives() {
        assert_eq!(ramp("intensity", 0.0, 1.0, 10, 2.5), 0.25);
        assert_eq!(ramp("intensity", 0.9, 0.3, 10, 5.0), 0.6);
        assert_eq!(ramp("intensity", 0.9, 0.3, 10, 11.0), 0.3);
        assert_eq!(ramp("steps", 0.0, 10.0, 10, 4.6), 5.0);
    }

    #[test]
    fn a_direction_turns_the_short_way() {
        assert_eq!(ramp("drift_angle", 350.0, 20.0, 10, 5.0), 5.0);
        assert_eq!(ramp("drift_angle", 10.0, 330.0, 10, 9.0), 334.0);
        assert_eq!(ramp("drift_angle", 10.0, 330.0, 10, 10.0), 330.0);
    }
}
