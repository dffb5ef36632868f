//! What the device publishes by itself, each kind in a future of its own that ends with the session.

use std::convert::Infallible;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use super::HomeAssistant;
use super::discovery::{DeviceDescription, discovery};
use super::outbox::PendingReply;
use super::publisher::{Publisher, json};
use super::receiver::{CommandReceiver, REPLY_SPREAD};
use crate::director_handle::DirectorHandle;
use crate::protocol::{DeviceId, about, topic};

/// At most ten states a second: a slider that is dragged sends hundreds. While ramps move them, two.
const STATE_INTERVAL: Duration = Duration::from_millis(100);
const RAMP_STATE_INTERVAL: Duration = Duration::from_millis(500);
/// How soon a change of `about` is noticed.
const ABOUT_POLL_INTERVAL: Duration = Duration::from_secs(1);

fn groups(handle: &DirectorHandle) -> Vec<String> {
    handle.ask(|director| director.groups().map(str::to_owned).collect())
}

/// Subscribes, then publishes `online`: whoever reads that may send commands at once. Then follows the groups that the device
/// joins and leaves.
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
        .subscribe(
            topic::all_commands(publisher.base(), &subscribed).into_iter().chain(home.on.then(|| home.birth_topic())),
        )
        .await;
    publisher.publish(topic::STATUS, QoS::AtLeastOnce, true, topic::ONLINE.into()).await;
    online_sent.send_replace(true);
    loop {
        changed(&mut edition).await;
        let now = groups(handle);
        for left in subscribed.iter().filter(|group| !now.contains(group)) {
            for topic in topic::commands(&topic::group(left)) {
                publisher.unsubscribe(topic).await;
            }
        }
        let joined: Vec<String> = now
            .iter()
            .filter(|group| !subscribed.contains(group))
            .flat_map(|name| topic::commands(&topic::group(name)))
            .collect();
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
        publisher.publish(topic::ABOUT, QoS::AtLeastOnce, true, json(&about(device, handle))).await;
        while handle.telemetry().provider == provider && !edition.has_changed().unwrap_or(false) {
            sleep(ABOUT_POLL_INTERVAL).await;
        }
    }
}

/// Publishes the state, and then each change of it that is still the latest when its turn comes.
pub async fn publish_state(publisher: &Publisher, handle: &DirectorHandle) -> Infallible {
    let mut states = handle.state();
    loop {
        states.mark_unchanged();
        let is_moving = publish_state_now(publisher, handle).await;
        sleep(if is_moving { RAMP_STATE_INTERVAL } else { STATE_INTERVAL }).await;
        changed(&mut states).await;
    }
}

/// Returns whether ramps are changing it.
async fn publish_state_now(publisher: &Publisher, handle: &DirectorHandle) -> bool {
    let state = handle.state().borrow().clone();
    let is_moving = state.get("ramps").and_then(|ramps| ramps.as_object()).is_some_and(|ramps| !ramps.is_empty());
    publisher.publish(topic::STATE, QoS::AtLeastOnce, true, json(&state)).await;
    is_moving
}

pub async fn publish_telemetry(publisher: &Publisher, handle: &DirectorHandle, every: Duration) -> Infallible {
    let mut turn = interval(every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        publisher.publish(topic::TELEMETRY, QoS::AtMostOnce, false, json(&handle.telemetry())).await;
    }
}

pub async fn publish_replies(publisher: &Publisher, mut replies: mpsc::Receiver<PendingReply>) -> Infallible {
    loop {
        match replies.recv().await {
            Some(reply) => {
                sleep_until(reply.due.into()).await;
                publisher.reply(reply).await;
            }
            // Cannot be: the outbox outlives this.
            None => std::future::pending().await,
        }
    }
}

/// Snapshots, where the owner of the device lets them be taken.
pub async fn publish_snapshots(publisher: &Publisher, handle: &DirectorHandle) -> Infallible {
    let mut pictures = handle.snapshots();
    loop {
        match pictures.recv().await {
            Ok(jpeg) => publisher.publish(topic::SNAPSHOT, QoS::AtMostOnce, false, jpeg.to_vec()).await,
            Err(RecvError::Lagged(_)) => {}
            // Cannot be: the handle is held here.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Publishes discovery for Home Assistant, again when it changes and when Home Assistant has started; where that is switched off, clears
/// what was published before.
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
            // The present scene may have become one of the options.
            sleep(ABOUT_POLL_INTERVAL).await;
            publish_state_now(publisher, handle).await;
        }
        tokio::select! {
            () = changed(&mut edition) => {
                sleep(ABOUT_POLL_INTERVAL).await;
                is_changed = true;
            }
            // Not all devices of a house at the same time.
            () = receiver.home_assistant_started() => sleep(REPLY_SPREAD.mul_f64(fastrand::f64())).await,
        }
    }
}

/// Waits for a change.
async fn changed<T>(watched: &mut watch::Receiver<T>) {
    if watched.changed().await.is_err() {
        // Cannot be: the sender lives in the handle, which is held here.
        std::future::pending::<()>().await;
    }
}
