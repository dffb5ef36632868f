//! Moments and durations: as the director is given them, and as people write them.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::params::Refusal;

/// One moment, by the monotonic clock and by the wall clock, which may be set.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub steady: Instant,
    pub wall: Timestamp,
}

impl Now {
    /// This moment.
    pub fn read() -> Now {
        Now { steady: Instant::now(), wall: Timestamp::now() }
    }

    /// The monotonic clock's time when the wall clock shows `wall`.
    pub fn steady_at(&self, wall: Timestamp) -> Instant {
        let away = wall.duration_since(self.wall);
        match away.is_negative() {
            true => self.steady.checked_sub(away.unsigned_abs()).unwrap_or(self.steady),
            false => self.steady + away.unsigned_abs(),
        }
    }

    /// Whether the wall clock has been set: boards without a battery start in 1970, or when they were built.
    pub fn is_set(&self) -> bool {
        is_set(self.wall)
    }
}

/// Whether a wall clock that shows `wall` can be right.
pub fn is_set(wall: Timestamp) -> bool {
    wall.as_second() >= EARLIEST_VALID_TIME
}

/// 2025-01-01: no clock that is right shows an earlier time.
const EARLIEST_VALID_TIME: i64 = 1_735_689_600;
/// The longest ramp.
const MAX_DURATION: f64 = 86_400.0;
/// A moment that passed less than this ago counts as now: the message was under way.
const LATE_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);
/// The longest that a command can be deferred.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// A duration in seconds: a number, or text such as `20s` or `1m30s`.
pub fn duration(name: &str, json: &Json) -> Result<f64, Refusal> {
    let seconds = match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) if text.len() <= 64 => match text.trim().parse::<f64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => text.parse::<SignedDuration>().ok().map(|duration| duration.as_secs_f64()),
        },
        _ => None,
    };
    seconds.filter(|seconds| (0.0..=MAX_DURATION).contains(seconds)).ok_or_else(|| {
        Refusal::new(
            name,
            format!("is a time from 0 to {MAX_DURATION} seconds: a number, or text such as \"20s\" or \"1m30s\""),
        )
    })
}

/// The moment a command is for: a time as RFC 3339 has it, or seconds since 1970.
pub fn at(json: &Json, now: Now) -> Result<Timestamp, Refusal> {
    let refuse = |message: &str| Refusal::new("at", message);
    let seconds = |seconds: f64| SignedDuration::try_from_secs_f64(seconds).ok();
    let moment = match json {
        Json::Number(number) => {
            number.as_f64().and_then(seconds).and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok())
        }
        Json::String(text) if text.len() <= 64 => text.parse().ok(),
        _ => None,
    };
    let moment: Timestamp =
        moment.ok_or_else(|| refuse("is a time such as \"2026-12-24T18:00:00+01:00\", or seconds since 1970"))?;
    if !now.is_set() {
        return Err(refuse("cannot be kept: this device's clock has not been set yet"));
    }
    let away = moment.duration_since(now.wall);
    if has_passed(moment, now) {
        return Err(refuse(&format!("has passed: here it is {:.3}", now.wall)));
    }
    if away > MAX_AHEAD {
        return Err(refuse(&format!("is more than a day ahead: here it is {:.3}", now.wall)));
    }
    Ok(moment)
}

/// Whether `at` has passed by more than a message may take to arrive.
pub fn has_passed(at: Timestamp, now: Now) -> bool {
    at.duration_since(now.wall) < -LATE_TOLERANCE
}

/// Seconds as a duration; they are neither negative nor endless.
pub fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_duration_is_a_number_of_seconds_or_what_people_write() {
        for (json, seconds) in [
            (json!(0), 0.0),
            (json!(1.5), 1.5),
            (json!("20s"), 20.0),
            (json!("1m30s"), 90.0),
            (json!("2"), 2.0),
            (json!("1h"), 3600.0),
        ] {
            assert_eq!(duration("over", &json), Ok(seconds), "{json}");
        }
        for wrong in
            [json!(-1), json!(86_401), json!("soon"), json!("-3s"), json!(null), json!("nan"), json!("inf"), json!([1])]
        {
            assert!(duration("over", &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_near_and_only_by_a_clock_that_was_set() {
        let now = Now { steady: Instant::now(), wall: "2026-12-24T17:00:00Z".parse().unwrap() };
        let read = |json| at(&json, now).map(|moment| moment.as_second() - now.wall.as_second());
        assert_eq!(read(json!("2026-12-24T18:00:05+01:00")), Ok(5));
        assert_eq!(read(json!(now.wall.as_second() + 7)), Ok(7));
        assert_eq!(read(json!("2026-12-24T16:59:30Z")), Ok(-30));
        for wrong in [
            json!("2026-12-24T16:00:00Z"),
            json!("2026-12-26T00:00:00Z"),
            json!("tomorrow"),
            json!(1e300),
            json!(true),
            json!(-1e20),
        ] {
            assert!(at(&wrong, now).is_err(), "{wrong}");
        }
        let unset = Now { wall: Timestamp::UNIX_EPOCH, ..now };
        assert!(at(&json!(5), unset).unwrap_err().message.contains("clock"));
    }
}
