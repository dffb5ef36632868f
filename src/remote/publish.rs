//! What the device tells by itself, each kind in a future of its own that ends with the session.

use std::convert::Infallible;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use super::about::about;
use super::discovery::{DeviceDescription, discovery};
use super::outbox::PendingReply;
use super::publisher::{Publisher, json};
use super::receiver::{CommandReceiver, REPLY_SPREAD};
use super::{DeviceId, HomeAssistant};
use crate::director_handle::DirectorHandle;

/// At most ten states a second: a slider that is dragged sends hundreds. While ramps move them, two.
const STATE_INTERVAL: Duration = Duration::from_millis(100);
const RAMP_STATE_INTERVAL: Duration = Duration::from_millis(500);
/// How soon a change of what `about` says is noticed.
const ABOUT_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The topics of commands: the device's own, those of its groups, and those for all.
fn topics(base: &str, groups: &[String]) -> Vec<String> {
    // Below its own, whatever is no command is answered too.
    let own = format!("{base}/#");
    std::iter::once(own).chain(shared("reverie/all")).chain(groups.iter().flat_map(|name| of_group(name))).collect()
}

fn of_group(name: &str) -> [String; 2] {
    shared(&format!("reverie/group/{name}"))
}

fn shared(base: &str) -> [String; 2] {
    [format!("{base}/set/#"), format!("{base}/do/#")]
}

fn groups(handle: &DirectorHandle) -> Vec<String> {
    handle.ask(|director| director.groups().map(str::to_owned).collect())
}

/// First the ears, then `online`: whoever reads that may command at once. Then listens to the groups that it joins.
pub async fn keep_subscribed(
    publisher: &Publisher,
    handle: &DirectorHandle,
    home: &HomeAssistant,
    online_sent: &watch::Sender<bool>,
) -> Infallible {
    let mut edition = handle.edition();
    edition.mark_unchanged();
    let mut subscribed = groups(handle);
    publisher
        .subscribe(topics(publisher.base(), &subscribed).into_iter().chain(home.on.then(|| home.birth_topic())))
        .await;
    publisher.publish("status", QoS::AtLeastOnce, true, b"online".to_vec()).await;
    online_sent.send_replace(true);
    loop {
        changed(&mut edition).await;
        let now = groups(handle);
        for left in subscribed.iter().filter(|group| !now.contains(group)) {
            for topic in of_group(left) {
                publisher.unsubscribe(topic).await;
            }
        }
        let joined: Vec<String> =
            now.iter().filter(|group| !subscribed.contains(group)).flat_map(|group| of_group(group)).collect();
        if !joined.is_empty() {
            publisher.subscribe(joined).await;
        }
        subscribed = now;
    }
}

pub async fn publish_about(publisher: &Publisher, handle: &DirectorHandle, device: &DeviceId) -> Infallible {
    let mut edition = handle.edition();
    loop {
        let provider = handle.telemetry().provider;
        edition.mark_unchanged();
        publisher.publish("about", QoS::AtLeastOnce, true, json(&about(device, handle))).await;
        while handle.telemetry().provider == provider && !edition.has_changed().unwrap_or(false) {
            sleep(ABOUT_POLL_INTERVAL).await;
        }
    }
}

/// Tells the latest state, and then each change that is still the latest when its turn comes.
pub async fn publish_state(publisher: &Publisher, handle: &DirectorHandle) -> Infallible {
    let mut states = handle.state();
    loop {
        states.mark_unchanged();
        let is_moving = publish_state_now(publisher, handle).await;
        sleep(if is_moving { RAMP_STATE_INTERVAL } else { STATE_INTERVAL }).await;
        changed(&mut states).await;
    }
}

/// Returns whether ramps move it.
async fn publish_state_now(publisher: &Publisher, handle: &DirectorHandle) -> bool {
    let state = handle.state().borrow().clone();
    let is_moving = state.get("ramps").and_then(|ramps| ramps.as_object()).is_some_and(|ramps| !ramps.is_empty());
    publisher.publish("state", QoS::AtLeastOnce, true, json(&state)).await;
    is_moving
}

pub async fn publish_telemetry(publisher: &Publisher, handle: &DirectorHandle, every: Duration) -> Infallible {
    let mut turn = interval(every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        publisher.publish("telemetry", QoS::AtMostOnce, false, json(&handle.telemetry())).await;
    }
}

pub async fn publish_replies(publisher: &Publisher, mut replies: mpsc::Receiver<PendingReply>) -> Infallible {
    loop {
        match replies.recv().await {
            Some(reply) => {
                sleep_until(reply.due.into()).await;
                publisher.reply(reply).await;
            }
            // Cannot be: the outbox lives as long as this.
            None => std::future::pending().await,
        }
    }
}

/// Snapshots, where the owner of the device lets them be taken.
pub async fn publish_snapshots(publisher: &Publisher, handle: &DirectorHandle) -> Infallible {
    let mut pictures = handle.snapshots();
    loop {
        match pictures.recv().await {
            Ok(jpeg) => publisher.publish("snapshot", QoS::AtMostOnce, false, jpeg.to_vec()).await,
            Err(RecvError::Lagged(_)) => {}
            // Cannot be: the handle is held here.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Tells Home Assistant what there is, again when that changes and when it has started; or, where it is not to know, takes back
/// what it was told.
pub async fn publish_discovery(
    publisher: &Publisher,
    handle: &DirectorHandle,
    device: &DeviceId,
    home: &HomeAssistant,
    telemetry_every: Duration,
    receiver: &CommandReceiver<'_>,
) -> Infallible {
    let topic = home.topic(device);
    let mut edition = handle.edition();
    let mut is_changed = false;
    loop {
        edition.mark_unchanged();
        let payload = match home.on {
            true => handle.ask(|director| {
                json(&discovery(&DeviceDescription {
                    device,
                    catalogue: handle.catalogue(),
                    scenes: director.scenes().map(|(name, ..)| name.as_str()).collect(),
                    capabilities: director.capabilities(),
                    has_schedule: director.has_schedule(),
                    page: home.page.as_deref(),
                    telemetry_every,
                }))
            }),
            false => Vec::new(),
        };
        publisher.publish_to(topic.clone(), QoS::AtLeastOnce, true, payload, PublishProperties::default()).await;
        if !home.on {
            std::future::pending::<()>().await;
        }
        if std::mem::take(&mut is_changed) {
            // A scene that was not among the options is now.
            sleep(ABOUT_POLL_INTERVAL).await;
            publish_state_now(publisher, handle).await;
        }
        tokio::select! {
            () = changed(&mut edition) => {
                sleep(ABOUT_POLL_INTERVAL).await;
                is_changed = true;
            }
            // Not all devices of a house at once.
            () = receiver.home_assistant_started() => sleep(REPLY_SPREAD.mul_f64(fastrand::f64())).await,
        }
    }
}

/// Returns when there is something new.
async fn changed<T>(watched: &mut watch::Receiver<T>) {
    if watched.changed().await.is_err() {
        // Cannot be: the handle that could say it is held here. Nothing changes any more.
        std::future::pending::<()>().await;
    }
}
