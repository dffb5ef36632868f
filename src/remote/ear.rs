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
use super::command::{self, Address, Message, Reply};
use super::intake::{Admission, Intake};
use super::outbox::Outbox;
use super::voice::json;
use crate::director_handle::DirectorHandle;

/// A stream of the same complaint is logged this often.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(60);
/// Between two looks at commands that wait.
const TURN: Duration = Duration::from_millis(10);
/// Answers to a command for many are spread over so long: three hundred at once are a burden to the broker.
pub const SPREAD: Duration = Duration::from_secs(2);
const SUPERSEDED: &str = "commands come too fast: a newer one on the same topic took the place of this one";
const TOO_MANY: &str = "commands come too fast, and too many wait already";

/// Takes messages, obeys them and posts the answers.
pub struct Ear<'a> {
    handle: &'a DirectorHandle,
    device: &'a DeviceId,
    base: &'a str,
    /// Where Home Assistant says that it has started.
    birth_topic: String,
    born: Notify,
    /// Answers to commands for this device alone, and to those for many.
    outbox: Outbox,
    late: Outbox,
    intake: Mutex<Intake>,
    waits: Notify,
    complaints: Mutex<Complaints>,
}

#[derive(Default)]
struct Complaints {
    retained: Complaint,
    flooded: Complaint,
    unanswered: Complaint,
}

/// A reply, and who replies: many answer a command for a group.
#[derive(Serialize)]
struct Signed<'a> {
    device: &'a str,
    #[serde(flatten)]
    reply: Reply,
}

impl<'a> Ear<'a> {
    pub fn new(
        handle: &'a DirectorHandle,
        device: &'a DeviceId,
        base: &'a str,
        birth_topic: String,
        outbox: Outbox,
        late: Outbox,
    ) -> Ear<'a> {
        Ear {
            handle,
            device,
            base,
            birth_topic,
            born: Notify::new(),
            outbox,
            late,
            intake: Mutex::new(Intake::new(Instant::now())),
            waits: Notify::new(),
            complaints: Mutex::default(),
        }
    }

    /// Takes one message: obeys it, now or when its turn comes.
    pub fn hear(&self, publish: Publish) {
        // The broker lets no topic through that is not UTF-8.
        let topic = String::from_utf8_lossy(&publish.topic);
        if topic == self.birth_topic && publish.payload == b"online"[..] {
            self.born.notify_one();
        }
        let Some((below, _)) = self.place(&topic).filter(|(below, _)| command::is_command(below)) else { return };
        if publish.retain && !publish.payload.is_empty() && self.complaints().retained.is_due() {
            warn!("ignored a retained command on {topic}: send commands without the retain flag");
        }
        debug!("{below}: {} bytes", publish.payload.len());
        match self.intake().admit(publish, Instant::now()) {
            Admission::Now(publish) => self.obey(&publish),
            Admission::Later(older) => {
                self.waits.notify_one();
                older.iter().for_each(|older| self.leave_out(older, SUPERSEDED));
            }
            Admission::Never(publish) => self.leave_out(&publish, TOO_MANY),
        }
    }

    /// Obeys what waits, as its turn comes.
    pub async fn obey_those_that_wait(&self) -> Infallible {
        loop {
            let next = self.intake().next(Instant::now());
            match next {
                Some(publish) => self.obey(&publish),
                None if self.intake().is_empty() => self.waits.notified().await,
                None => sleep(TURN).await,
            }
        }
    }

    /// Returns when Home Assistant has said that it has started.
    pub async fn home_is_born(&self) {
        self.born.notified().await;
    }

    /// Complains where the broker refuses a subscription.
    pub fn take_consent(&self, answer: &SubAck) {
        if !answer.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
            let base = self.base;
            warn!(
                "the broker refuses the subscription to {base}/#, to a group or to all: commands there will not arrive; look at its ACL"
            );
        }
    }

    fn obey(&self, publish: &Publish) {
        self.handle.report(|telemetry| telemetry.commands += 1);
        self.answer(publish, |message| command::obey(self.handle, message));
    }

    fn leave_out(&self, publish: &Publish, why: &str) {
        self.handle.report(|telemetry| telemetry.commands_superseded += 1);
        if self.complaints().flooded.is_due() {
            warn!("commands come faster than they are obeyed: only the latest of each topic is");
        }
        self.answer(publish, |message| Some(command::refuse(self.handle, message, why)));
    }

    fn answer(&self, publish: &Publish, reply: impl FnOnce(&Message) -> Option<Reply>) {
        let topic = String::from_utf8_lossy(&publish.topic);
        let Some((below, is_for_many)) = self.place(&topic) else { return };
        let properties = publish.properties.as_ref();
        let correlation = properties.and_then(|p| p.correlation_data.as_deref());
        let message = Message { topic: below, payload: &publish.payload, retained: publish.retain, correlation };
        let Some(reply) = reply(&message) else { return };
        debug!("{topic}: {}", if reply.ok { "done" } else { "refused" });
        let asked = properties.and_then(|p| p.response_topic.as_deref());
        let to = Address {
            topic: asked.and_then(|topic| command::response_topic(topic, self.base)),
            correlation: correlation.map(<[u8]>::to_vec),
            at_least_once: publish.qos != QoS::AtMostOnce,
        };
        let payload = json(&Signed { device: self.device.as_str(), reply });
        let is_posted = match is_for_many {
            false => self.outbox.post(to, payload, Instant::now()),
            true => self.late.post(to, payload, Instant::now() + SPREAD.mul_f64(fastrand::f64())),
        };
        if !is_posted && self.complaints().unanswered.is_due() {
            warn!("commands come faster than replies can be sent: some replies are lost");
        }
    }

    /// What follows the base topic that `topic` lies below, and whether that is one of many devices. The subscription `a/#`
    /// also brings `a` itself, below which there is nothing.
    fn place<'t>(&self, topic: &'t str) -> Option<(&'t str, bool)> {
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

    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complaints(&self) -> MutexGuard<'_, Complaints> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a stream of one complaint from filling the log.
#[derive(Default)]
struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() > BETWEEN_COMPLAINTS);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}
