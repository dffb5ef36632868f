//! What the device tells by itself, each kind in a future of its own that ends with the session.

use std::convert::Infallible;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use super::about::about;
use super::discovery::{Offer, discovery};
use super::ear::{Ear, SPREAD};
use super::outbox::Letter;
use super::voice::{Voice, json};
use super::{DeviceId, Home};
use crate::director_handle::DirectorHandle;

/// At most ten states a second: a slider that is dragged sends hundreds. While ramps move them, two.
const BETWEEN_STATES: Duration = Duration::from_millis(100);
const BETWEEN_MOVING_STATES: Duration = Duration::from_millis(500);
/// How soon a change of what `about` says is noticed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

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
pub async fn listen(voice: &Voice, handle: &DirectorHandle, home: &Home, greeted: &watch::Sender<bool>) -> Infallible {
    let mut edition = handle.edition();
    edition.mark_unchanged();
    let mut heard = groups(handle);
    voice.listen_to(topics(voice.base(), &heard).into_iter().chain(home.on.then(|| home.birth_topic()))).await;
    voice.say("status", QoS::AtLeastOnce, true, b"online".to_vec()).await;
    greeted.send_replace(true);
    loop {
        changed(&mut edition).await;
        let now = groups(handle);
        for left in heard.iter().filter(|group| !now.contains(group)) {
            for topic in of_group(left) {
                voice.listen_no_more(topic).await;
            }
        }
        let joined: Vec<String> =
            now.iter().filter(|group| !heard.contains(group)).flat_map(|group| of_group(group)).collect();
        if !joined.is_empty() {
            voice.listen_to(joined).await;
        }
        heard = now;
    }
}

pub async fn tell_about(voice: &Voice, handle: &DirectorHandle, device: &DeviceId) -> Infallible {
    let mut edition = handle.edition();
    loop {
        let provider = handle.telemetry().provider;
        edition.mark_unchanged();
        voice.say("about", QoS::AtLeastOnce, true, json(&about(device, handle))).await;
        while handle.telemetry().provider == provider && !edition.has_changed().unwrap_or(false) {
            sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// Tells the latest state, and then each change that is still the latest when its turn comes.
pub async fn tell_state(voice: &Voice, handle: &DirectorHandle) -> Infallible {
    let mut states = handle.state();
    loop {
        states.mark_unchanged();
        let is_moving = tell_state_now(voice, handle).await;
        sleep(if is_moving { BETWEEN_MOVING_STATES } else { BETWEEN_STATES }).await;
        changed(&mut states).await;
    }
}

/// Returns whether ramps move it.
async fn tell_state_now(voice: &Voice, handle: &DirectorHandle) -> bool {
    let state = handle.state().borrow().clone();
    let is_moving = state.get("ramps").and_then(|ramps| ramps.as_object()).is_some_and(|ramps| !ramps.is_empty());
    voice.say("state", QoS::AtLeastOnce, true, json(&state)).await;
    is_moving
}

pub async fn tell_telemetry(voice: &Voice, handle: &DirectorHandle, every: Duration) -> Infallible {
    let mut turn = interval(every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        voice.say("telemetry", QoS::AtMostOnce, false, json(&handle.telemetry())).await;
    }
}

pub async fn tell_replies(voice: &Voice, mut replies: mpsc::Receiver<Letter>) -> Infallible {
    loop {
        match replies.recv().await {
            Some(letter) => {
                sleep_until(letter.due.into()).await;
                voice.reply(letter).await;
            }
            // Cannot be: the outbox lives as long as this.
            None => std::future::pending().await,
        }
    }
}

/// Snapshots, where the owner of the device lets them be taken.
pub async fn tell_snapshots(voice: &Voice, handle: &DirectorHandle) -> Infallible {
    let mut pictures = handle.pictures();
    loop {
        match pictures.recv().await {
            Ok(jpeg) => voice.say("snapshot", QoS::AtMostOnce, false, jpeg.to_vec()).await,
            Err(RecvError::Lagged(_)) => {}
            // Cannot be: the handle is held here.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Tells Home Assistant what there is, again when that changes and when it has started; or, where it is not to know, takes back
/// what it was told.
pub async fn tell_home(
    voice: &Voice,
    handle: &DirectorHandle,
    device: &DeviceId,
    home: &Home,
    telemetry_every: Duration,
    ear: &Ear<'_>,
) -> Infallible {
    let topic = home.topic(device);
    let mut edition = handle.edition();
    let mut is_changed = false;
    loop {
        edition.mark_unchanged();
        let payload = match home.on {
            true => handle.ask(|director| {
                json(&discovery(&Offer {
                    device,
                    catalogue: handle.catalogue(),
                    scenes: director.scenes().map(|(name, ..)| name.as_str()).collect(),
                    abilities: director.abilities(),
                    has_schedule: director.has_schedule(),
                    page: home.page.as_deref(),
                    telemetry_every,
                }))
            }),
            false => Vec::new(),
        };
        voice.publish(topic.clone(), QoS::AtLeastOnce, true, payload, PublishProperties::default()).await;
        if !home.on {
            std::future::pending::<()>().await;
        }
        if std::mem::take(&mut is_changed) {
            // A scene that was not among the options is now.
            sleep(BETWEEN_LOOKS).await;
            tell_state_now(voice, handle).await;
        }
        tokio::select! {
            () = changed(&mut edition) => {
                sleep(BETWEEN_LOOKS).await;
                is_changed = true;
            }
            // Not all devices of a house at once.
            () = ear.home_is_born() => sleep(SPREAD.mul_f64(fastrand::f64())).await,
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
