//! Commands on their way in: bounded, so that a flood of them cannot keep a device from dreaming.
//!
//! Above a rate that no person and no show control reaches, only the latest command of each topic is kept until its turn
//! comes: a slider that is dragged by a machine ends where it was dragged to.

use std::collections::VecDeque;
use std::time::Instant;

use rumqttc::v5::mqttbytes::v5::Publish;

/// Commands taken at once after a pause, and then a second.
const BURST: f64 = 500.0;
const PER_SECOND: f64 = 500.0;
/// Topics of which a command may wait, and the bytes of all together.
const MAX_TOPICS: usize = 64;
const MAX_BYTES: usize = 1 << 20;

/// What waits, and how much may be taken.
pub struct RateLimiter {
    tokens: f64,
    counted: Instant,
    waiting: VecDeque<Publish>,
}

/// What becomes of a command that came.
pub enum Admission {
    /// It is taken now.
    Now(Publish),
    /// It waits; one that waited on the same topic is left out for it.
    Queued(Option<Publish>),
    /// Too much waits already: it is left out.
    Dropped(Publish),
}

impl RateLimiter {
    pub fn new(now: Instant) -> RateLimiter {
        RateLimiter { tokens: BURST, counted: now, waiting: VecDeque::new() }
    }

    pub fn admit(&mut self, publish: Publish, now: Instant) -> Admission {
        // Never before one that waits: the order of what is obeyed stays that of what was sent.
        if self.waiting.is_empty() && self.spend(now) {
            return Admission::Now(publish);
        }
        let others = self.waiting.iter().filter(|other| other.topic != publish.topic);
        let bytes: usize = others.clone().map(|other| other.payload.len()).sum();
        if others.count() >= MAX_TOPICS || bytes + publish.payload.len() > MAX_BYTES {
            return Admission::Dropped(publish);
        }
        // A newer one of the same topic takes the last place, since it came last.
        let place = self.waiting.iter().position(|other| other.topic == publish.topic);
        let older = place.and_then(|place| self.waiting.remove(place));
        self.waiting.push_back(publish);
        Admission::Queued(older)
    }

    /// One that waited and whose turn has come.
    pub fn next(&mut self, now: Instant) -> Option<Publish> {
        (!self.waiting.is_empty() && self.spend(now)).then(|| self.waiting.pop_front()).flatten()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn spend(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.counted).as_secs_f64() * PER_SECOND;
        self.tokens = (self.tokens + gained).min(BURST);
        self.counted = now;
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rumqttc::v5::mqttbytes::QoS;

    use super::*;

    fn command(topic: &str, payload: impl Into<Vec<u8>>) -> Publish {
        Publish::new(topic, QoS::AtMostOnce, payload.into(), None)
    }

    #[test]
    fn of_a_flood_the_latest_of_each_topic_is_taken_in_the_order_they_came() {
        let begun = Instant::now();
        let mut limiter = RateLimiter::new(begun);
        let mut left_out = 0;
        for n in 0..10_000 {
            match limiter.admit(command(["a", "b"][n % 2], n.to_string()), begun) {
                Admission::Now(_) => assert!(n < BURST as usize),
                Admission::Queued(older) => left_out += older.iter().count(),
                Admission::Dropped(_) => panic!("there is room for two topics"),
            }
        }
        assert_eq!(left_out, 10_000 - BURST as usize - 2);
        assert!(limiter.next(begun).is_none());
        let later = begun + Duration::from_secs(1);
        let taken: Vec<Publish> = std::iter::from_fn(|| limiter.next(later)).collect();
        let payloads: Vec<&[u8]> = taken.iter().map(|publish| &publish.payload[..]).collect();
        assert_eq!(payloads, [b"9998", b"9999"]);
    }

    #[test]
    fn one_that_finds_no_room_drives_out_no_other() {
        let begun = Instant::now();
        let mut limiter = RateLimiter::new(begun);
        while matches!(limiter.admit(command("a", "1"), begun), Admission::Now(_)) {}
        assert!(matches!(limiter.admit(command("a", vec![0; MAX_BYTES + 1]), begun), Admission::Dropped(_)));
        assert!(matches!(limiter.admit(command("a", vec![0; MAX_BYTES]), begun), Admission::Queued(Some(_))));
        assert_eq!(limiter.waiting.len(), 1);
    }

    #[test]
    fn what_waits_is_bounded() {
        let begun = Instant::now();
        let mut limiter = RateLimiter::new(begun);
        let outcomes: Vec<Admission> =
            (0..1000).map(|n| limiter.admit(command(&format!("topic/{n}"), vec![0; 60 << 10]), begun)).collect();
        let waiting = outcomes.iter().filter(|o| matches!(o, Admission::Queued(_))).count();
        assert_eq!(waiting, MAX_BYTES / (60 << 10));
        assert_eq!(limiter.waiting.len(), waiting);
    }
}
