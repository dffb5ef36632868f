//! Incoming messages: which are commands, when each is run, and where its reply goes.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Publish, SubAck, SubscribeReasonCode};
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::outbox::{Outbox, ReplyTo};
use super::publisher::json;
use super::rate_limiter::{Admission, RateLimiter};
use crate::director_handle::DirectorHandle;
use crate::protocol::topic::{self, Address};
use crate::protocol::{self, Command, DeviceId, Reply, SignedReply};

/// The same warning is logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Between two attempts to run commands that wait.
const QUEUE_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Replies to a command for many are spread over so long: three hundred at once are a burden to the broker.
pub const REPLY_SPREAD: Duration = Duration::from_secs(2);
const SUPERSEDED: &str = "commands come too fast: a newer one on the same topic took the place of this one";
const TOO_MANY: &str = "commands come too fast, and too many wait already";
const RETAINED: &str = "retained commands are ignored, since they would replay at every start: send it without the retain flag, and clear \
     this one with an empty retained message";
const CLEARED: &str = "retained messages are no commands; this empty one cleared what was retained here";

/// Takes messages, runs commands and queues the replies.
pub struct CommandReceiver<'a> {
    handle: &'a DirectorHandle,
    device: &'a DeviceId,
    base: &'a str,
    /// Where Home Assistant publishes that it has started.
    birth_topic: String,
    home_assistant_started: Notify,
    /// Replies to commands for this device alone, and to those for many.
    outbox: Outbox,
    spread_outbox: Outbox,
    limiter: Mutex<RateLimiter>,
    /// A command waits in the rate limiter.
    queued: Notify,
    log_limits: Mutex<LogLimits>,
}

#[derive(Default)]
struct LogLimits {
    retained: LogLimit,
    flooded: LogLimit,
    unanswered: LogLimit,
}

impl<'a> CommandReceiver<'a> {
    pub fn new(
        handle: &'a DirectorHandle,
        device: &'a DeviceId,
        base: &'a str,
        birth_topic: String,
        outbox: Outbox,
        spread_outbox: Outbox,
    ) -> CommandReceiver<'a> {
        CommandReceiver {
            handle,
            device,
            base,
            birth_topic,
            home_assistant_started: Notify::new(),
            outbox,
            spread_outbox,
            limiter: Mutex::new(RateLimiter::new(Instant::now())),
            queued: Notify::new(),
            log_limits: Mutex::default(),
        }
    }

    /// Takes one message: a command is run now, or when the rate limit allows it.
    pub fn receive(&self, publish: Publish) {
        // The broker lets no topic through that is not UTF-8.
        let topic = String::from_utf8_lossy(&publish.topic);
        if topic == self.birth_topic && publish.payload == b"online"[..] {
            self.home_assistant_started.notify_one();
        }
        let Some(Address { path, .. }) = self.address(&topic) else { return };
        if publish.retain && !publish.payload.is_empty() && self.log_limits().retained.is_due() {
            warn!("ignored a retained command on {topic:?}: send commands without the retain flag");
        }
        debug!("{path}: {} bytes", publish.payload.len());
        match self.limiter().admit(publish, Instant::now()) {
            Admission::Now(publish) => self.execute(&publish),
            Admission::Queued(older) => {
                self.queued.notify_one();
                older.iter().for_each(|older| self.drop_command(older, SUPERSEDED));
            }
            Admission::Dropped(publish) => self.drop_command(&publish, TOO_MANY),
        }
    }

    /// Runs the commands that wait, as the rate limit allows it.
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

    /// Waits until Home Assistant has started.
    pub async fn home_assistant_started(&self) {
        self.home_assistant_started.notified().await;
    }

    /// Warns where the broker refuses a subscription.
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
        self.reply(publish, |command| match (publish.retain, publish.payload.is_empty()) {
            (false, _) => protocol::execute(self.handle, command),
            (true, false) => protocol::reject(self.handle, command, RETAINED),
            (true, true) => protocol::reject(self.handle, command, CLEARED),
        });
    }

    fn drop_command(&self, publish: &Publish, why: &str) {
        self.handle.report(|telemetry| telemetry.commands_superseded += 1);
        if self.log_limits().flooded.is_due() {
            warn!("commands come faster than they can be run: only the latest of each topic is run");
        }
        self.reply(publish, |command| protocol::reject(self.handle, command, why));
    }

    fn reply(&self, publish: &Publish, run: impl FnOnce(&Command) -> Reply) {
        let topic = String::from_utf8_lossy(&publish.topic);
        let Some(Address { path, is_for_many }) = self.address(&topic) else { return };
        let properties = publish.properties.as_ref();
        let correlation = properties.and_then(|p| p.correlation_data.as_deref());
        let reply = run(&Command { path, payload: &publish.payload, correlation });
        debug!("{topic}: {}", if reply.ok { "done" } else { "refused" });
        let asked = properties.and_then(|p| p.response_topic.as_deref());
        let to = ReplyTo {
            topic: asked.and_then(|topic| topic::response(topic, self.base)),
            correlation: correlation.map(<[u8]>::to_vec),
            at_least_once: publish.qos != QoS::AtMostOnce,
        };
        let payload = json(&SignedReply { device: self.device.as_str(), reply });
        let is_queued = match is_for_many {
            false => self.outbox.push(to, payload, Instant::now()),
            true => self.spread_outbox.push(to, payload, Instant::now() + REPLY_SPREAD.mul_f64(fastrand::f64())),
        };
        if !is_queued && self.log_limits().unanswered.is_due() {
            warn!("commands come faster than replies can be sent: some replies are lost");
        }
    }

    fn address<'t>(&self, topic: &'t str) -> Option<Address<'t>> {
        let is_member = |group: &str| self.handle.ask(|director| director.groups().any(|member| member == group));
        topic::command(topic, self.base, is_member)
    }

    fn limiter(&self) -> MutexGuard<'_, RateLimiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_limits(&self) -> MutexGuard<'_, LogLimits> {
        self.log_limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a repeated warning from filling the log.
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
