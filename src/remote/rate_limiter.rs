//! Limits the rate of commands, so that a flood of them cannot keep a device from dreaming.
//!
//! Above a rate that no person and no show control reaches, only the latest command of each topic is kept until its turn
//! comes: a slider that is dragged by a machine ends where it was dragged to.

use std::collections::VecDeque;
use std::time::Instant;

use rumqttc::v5::mqttbytes::v5::Publish;

/// Commands run at once after a pause, and then per second.
const BURST: f64 = 500.0;
const PER_SECOND: f64 = 500.0;
/// Topics with a command that waits, and the bytes of all of those together.
const MAX_TOPICS: usize = 64;
const MAX_BYTES: usize = 1 << 20;

/// A token bucket, and the commands that wait for a token.
pub struct RateLimiter {
    tokens: f64,
    refilled: Instant,
    waiting: VecDeque<Publish>,
}

/// What becomes of a command.
pub enum Admission {
    /// It is run now.
    Now(Publish),
    /// It waits, in place of one that waited on the same topic.
    Queued(Option<Publish>),
    /// Too much waits already: it is dropped.
    Dropped(Publish),
}

impl RateLimiter {
    pub fn new(now: Instant) -> RateLimiter {
        RateLimiter { tokens: BURST, refilled: now, waiting: VecDeque::new() }
    }

    pub fn admit(&mut self, publish: Publish, now: Instant) -> Admission {
        // Never before one that waits: commands are run in the order they were sent.
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

    /// The next command that waits, where there is a token for it.
    pub fn next(&mut self, now: Instant) -> Option<Publish> {
        (!self.waiting.is_empty() && self.spend(now)).then(|| self.waiting.pop_front()).flatten()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn spend(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.refilled).as_secs_f64() * PER_SECOND;
        self.tokens = (self.tokens + gained).min(BURST);
        self.refilled = now;
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
        let mut superseded = 0;
        for n in 0..10_000 {
            match limiter.admit(command(["a", "b"][n % 2], n.to_string()), begun) {
                Admission::Now(_) => assert!(n < BURST as usize),
                Admission::Queued(older) => superseded += older.iter().count(),
                Admission::Dropped(_) => panic!("there is room for two topics"),
            }
        }
        assert_eq!(superseded, 10_000 - BURST as usize - 2);
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
