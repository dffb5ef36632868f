//! A page's connection: what changes is pushed to it, pictures as it asks for them.
//!
//! One WebSocket a page, which does not count among the six connections that a browser opens to one host. Text messages are JSON
//! objects with one key; a binary message is a picture. A picture is sent when the page has shown the one before: one that is slow
//! gets fewer of them, and nothing waits for it.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::PageState;
use super::preview::{Viewer, Width};
use super::server::Peer;
use crate::health;
use crate::log_tail::{self, Line};

/// Between two messages of the state: a ramp moves it twenty times a second.
const STATE_INTERVAL: Duration = Duration::from_millis(100);
/// Between two messages of the telemetry; as often it is looked whether the page may still be shown.
const TELEMETRY_INTERVAL: Duration = Duration::from_secs(1);
/// A page that takes nothing for so long is let go.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// Without a word from the page, which answers pings, for so long the connection is dead.
const SILENCE: Duration = Duration::from_secs(60);
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// What a page asks for is short, bytes.
const MAX_MESSAGE: usize = 1024;
/// Why a connection is closed: whoever is there has to log in again.
const LOG_IN_AGAIN: u16 = 4401;

/// What a page asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Request {
    /// Pictures, of one width; null: none any more.
    Preview(Option<PreviewRequest>),
    /// The last picture was shown: the next one may come.
    Shown(bool),
    /// The log's lines.
    Log(bool),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PreviewRequest {
    Small,
    Large,
}

pub async fn open(
    State(page): State<PageState>,
    peer: axum::Extension<Peer>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let end = page.end.clone();
        let talk = Talk { page, peer: peer.0, headers, viewer: None, is_due: false, log: None };
        end.run_until_cancelled(talk.run(socket)).await;
    })
}

struct Talk {
    page: PageState,
    peer: Peer,
    headers: HeaderMap,
    viewer: Option<Viewer>,
    /// Whether the page waits for a picture.
    is_due: bool,
    log: Option<broadcast::Receiver<Line>>,
}

/// The page is gone, or takes nothing any more.
struct Gone;

impl Talk {
    async fn run(mut self, mut socket: WebSocket) {
        // How it ends is of no use to anybody.
        let _ = self.talk(&mut socket).await;
    }

    async fn talk(&mut self, socket: &mut WebSocket) -> Result<(), Gone> {
        let (mut state, mut edition) = (self.page.handle.state(), self.page.handle.edition());
        let (mut tick, mut ping) = (interval(TELEMETRY_INTERVAL), interval(PING_INTERVAL));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut state_due) = (Instant::now(), Instant::now());
        state.mark_changed();
        loop {
            tokio::select! {
                received = socket.recv() => {
                    heard = Instant::now();
                    self.receive(received.ok_or(Gone)?.map_err(|_| Gone)?)?;
                }
                changed = changed_after(&mut state, state_due) => {
                    changed.map_err(|_| Gone)?;
                    state_due = Instant::now() + STATE_INTERVAL;
                    let now = state.borrow_and_update().clone();
                    send(socket, json!({"state": now})).await?;
                }
                changed = edition.changed() => {
                    changed.map_err(|_| Gone)?;
                    let now = *edition.borrow_and_update();
                    send(socket, json!({"edition": now})).await?;
                }
                jpeg = next(&mut self.viewer), if self.is_due => {
                    self.is_due = false;
                    put(socket, Message::Binary(jpeg.ok_or(Gone)?)).await?;
                }
                line = follow(&mut self.log) => send(socket, json!({"log": line})).await?,
                _ = tick.tick() => {
                    if self.page.access.recheck(self.peer.0, &self.headers).is_none() {
                        let reason = CloseFrame { code: LOG_IN_AGAIN, reason: "log in again".into() };
                        return put(socket, Message::Close(Some(reason))).await;
                    }
                    let telemetry = self.page.handle.telemetry();
                    send(socket, json!({"health": health::findings(&telemetry), "telemetry": telemetry})).await?;
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Gone);
                    }
                    put(socket, Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }

    fn receive(&mut self, message: Message) -> Result<(), Gone> {
        let Message::Text(text) = message else { return Ok(()) };
        // Whoever speaks otherwise is no page of ours.
        match serde_json::from_str(&text).map_err(|_| Gone)? {
            Request::Preview(wanted) => {
                let width = wanted.map(|wanted| match wanted {
                    PreviewRequest::Small => Width::Small,
                    PreviewRequest::Large => Width::Large,
                });
                // The one before makes room first.
                self.viewer = None;
                self.viewer = width.zip(self.page.preview.as_ref()).and_then(|(width, preview)| preview.view(width));
                self.is_due = true;
            }
            Request::Shown(is_shown) => self.is_due = is_shown,
            Request::Log(is_wanted) => self.log = is_wanted.then(log_tail::follow),
        }
        Ok(())
    }
}

/// The next change, from `due` on.
async fn changed_after<T>(of: &mut watch::Receiver<T>, due: Instant) -> Result<(), watch::error::RecvError> {
    sleep_until(due).await;
    of.changed().await
}

async fn next(viewer: &mut Option<Viewer>) -> Option<Bytes> {
    match viewer {
        Some(viewer) => viewer.next().await,
        None => std::future::pending().await,
    }
}

async fn follow(log: &mut Option<broadcast::Receiver<Line>>) -> Line {
    loop {
        let Some(lines) = log else { return std::future::pending().await };
        match lines.recv().await {
            Ok(line) => return line,
            // Some were missed, for the page is slow.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => *log = None,
        }
    }
}

async fn send(socket: &mut WebSocket, value: Json) -> Result<(), Gone> {
    put(socket, Message::Text(value.to_string().into())).await
}

async fn put(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    timeout(SEND_TIMEOUT, socket.send(message)).await.map_err(|_| Gone)?.map_err(|_| Gone)
}
