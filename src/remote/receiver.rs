//! What is heard from the broker: which messages are commands, whose turn it is, and where the answer goes.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Publish, SubAck, SubscribeReasonCode};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::DeviceId;
use super::command::{self, Message, Reply, ReplyTo};
use super::outbox::Outbox;
use super::publisher::json;
use super::rate_limiter::{Admission, RateLimiter};
use crate::director_handle::DirectorHandle;

/// A stream of the same complaint is logged this often.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Between two looks at commands that wait.
const QUEUE_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Answers to a command for many are spread over so long: three hundred at once are a burden to the broker.
pub const REPLY_SPREAD: Duration = Duration::from_secs(2);
const SUPERSEDED: &str = "commands come too fast: a newer one on the same topic took the place of this one";
const TOO_MANY: &str = "commands come too fast, and too many wait already";

/// Takes messages, obeys them and posts the answers.
pub struct CommandReceiver<'a> {
    handle: &'a DirectorHandle,
    device: &'a DeviceId,
    base: &'a str,
    /// Where Home Assistant says that it has started.
    birth_topic: String,
    started: Notify,
    /// Answers to commands for this device alone, and to those for many.
    outbox: Outbox,
    late: Outbox,
    limiter: Mutex<RateLimiter>,
    queued: Notify,
    log_limits: Mutex<LogLimits>,
}

#[derive(Default)]
struct LogLimits {
    retained: LogLimit,
    flooded: LogLimit,
    unanswered: LogLimit,
}

/// A reply, and who replies: many answer a command for a group.
#[derive(Serialize)]
struct Signed<'a> {
    device: &'a str,
    #[serde(flatten)]
    reply: Reply,
}

impl<'a> CommandReceiver<'a> {
    pub fn new(
        handle: &'a DirectorHandle,
        device: &'a DeviceId,
        base: &'a str,
        birth_topic: String,
        outbox: Outbox,
        late: Outbox,
    ) -> CommandReceiver<'a> {
        CommandReceiver {
            handle,
            device,
            base,
            birth_topic,
            started: Notify::new(),
            outbox,
            late,
            limiter: Mutex::new(RateLimiter::new(Instant::now())),
            queued: Notify::new(),
            log_limits: Mutex::default(),
        }
    }

    /// Takes one message: obeys it, now or when its turn comes.
    pub fn receive(&self, publish: Publish) {
        // The broker lets no topic through that is not UTF-8.
        let topic = String::from_utf8_lossy(&publish.topic);
        if topic == self.birth_topic && publish.payload == b"online"[..] {
            self.started.notify_one();
        }
        let Some((below, _)) = self.locate(&topic).filter(|(below, _)| command::is_command(below)) else { return };
        if publish.retain && !publish.payload.is_empty() && self.log_limits().retained.is_due() {
            warn!("ignored a retained command on {topic}: send commands without the retain flag");
        }
        debug!("{below}: {} bytes", publish.payload.len());
        match self.limiter().admit(publish, Instant::now()) {
            Admission::Now(publish) => self.execute(&publish),
            Admission::Queued(older) => {
                self.queued.notify_one();
                older.iter().for_each(|older| self.drop_command(older, SUPERSEDED));
            }
            Admission::Dropped(publish) => self.drop_command(&publish, TOO_MANY),
        }
    }

    /// Obeys what waits, as its turn comes.
    pub async fn run_queued(&self) -> Infallible {
        loop {
            let next = self.limiter().next(Instant::now());
            match next {
                Some(publish) => self.execute(&publish),
                None if self.limiter().is_empty() => self.queued.notified().await,
                None => sleep(QUEUE_POLL_INTERVAL).await,
            }
        }
    }

    /// Returns when Home Assistant has said that it has started.
    pub async fn home_assistant_started(&self) {
        self.started.notified().await;
    }

    /// Complains where the broker refuses a subscription.
    pub fn check_subscription(&self, answer: &SubAck) {
        if !answer.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
            let base = self.base;
            warn!(
                "the broker refuses the subscription to {base}/#, to a group or to all: commands there will not arrive; look at its ACL"
            );
        }
    }

    fn execute(&self, publish: &Publish) {
        self.handle.report(|telemetry| telemetry.commands += 1);
        self.answer(publish, |message| command::execute(self.handle, message));
    }

    fn drop_command(&self, publish: &Publish, why: &str) {
        self.handle.report(|telemetry| telemetry.commands_superseded += 1);
        if self.log_limits().flooded.is_due() {
            warn!("commands come faster than they are obeyed: only the latest of each topic is");
        }
        self.answer(publish, |message| Some(command::reject(self.handle, message, why)));
    }

    fn answer(&self, publish: &Publish, reply: impl FnOnce(&Message) -> Option<Reply>) {
        let topic = String::from_utf8_lossy(&publish.topic);
        let Some((below, is_for_many)) = self.locate(&topic) else { return };
        let properties = publish.properties.as_ref();
        let correlation = properties.and_then(|p| p.correlation_data.as_deref());
        let message = Message { topic: below, payload: &publish.payload, retained: publish.retain, correlation };
        let Some(reply) = reply(&message) else { return };
        debug!("{topic}: {}", if reply.ok { "done" } else { "refused" });
        let asked = properties.and_then(|p| p.response_topic.as_deref());
        let to = ReplyTo {
            topic: asked.and_then(|topic| command::response_topic(topic, self.base)),
            correlation: correlation.map(<[u8]>::to_vec),
            at_least_once: publish.qos != QoS::AtMostOnce,
        };
        let payload = json(&Signed { device: self.device.as_str(), reply });
        let is_posted = match is_for_many {
            false => self.outbox.post(to, payload, Instant::now()),
            true => self.late.post(to, payload, Instant::now() + REPLY_SPREAD.mul_f64(fastrand::f64())),
        };
        if !is_posted && self.log_limits().unanswered.is_due() {
            warn!("commands come faster than replies can be sent: some replies are lost");
        }
    }

    /// What follows the base topic that `topic` lies below, and whether that is one of many devices. The subscription `a/#`
    /// also brings `a` itself, below which there is nothing.
    fn locate<'t>(&self, topic: &'t str) -> Option<(&'t str, bool)> {
        if let Some(below) = command::below(topic, self.base) {
            return Some((below, false));
        }
        let rest = topic.strip_prefix("reverie/")?;
        if let Some(below) = rest.strip_prefix("all/") {
            return Some((below, true));
        }
        let (group, below) = rest.strip_prefix("group/")?.split_once('/')?;
        // One that was left may still send what was under way.
        self.handle.ask(|director| director.groups().any(|member| member == group)).then_some((below, true))
    }

    fn limiter(&self) -> MutexGuard<'_, RateLimiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_limits(&self) -> MutexGuard<'_, LogLimits> {
        self.log_limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a stream of one complaint from filling the log.
#[derive(Default)]
struct LogLimit {
    last: Option<Instant>,
}

impl LogLimit {
    fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() > LOG_INTERVAL);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}
