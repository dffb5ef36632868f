//! The web page: what the screen shows, and every parameter as a knob.
//!
//! Plain HTTP for the machine itself; other machines are let in only where the configuration says so. `set` and `do`
//! mean what the same topics mean over MQTT ([`remote::execute`]), and [`guard`] keeps other sites' pages out.

mod guard;
mod preview;
mod server;
mod settings;
#[cfg(test)]
mod tests;

pub use preview::Preview;
pub use settings::{Settings, parse_address};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::director_handle::DirectorHandle;
use crate::params;
use crate::remote::{self, DeviceId, Message};
use guard::Guard;

const PAGE: &str = include_str!("page.html");
/// The longest command that means anything is a choice of neurons.
const MAX_BODY: usize = 64 << 10;
/// For a request to come whole and be answered.
const REQUEST: Duration = Duration::from_secs(10);
/// A still waits so long for the display to draw one.
const STILL: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Room {
    device: DeviceId,
    handle: DirectorHandle,
    /// None: the picture is not shown.
    preview: Option<Preview>,
}

/// Serves the page until cancelled. An address that cannot be used is a warning, once: the dream goes on, and
/// it is tried again, for the network may come later than we do. One that is not to be on is not served.
pub async fn run(
    settings: Settings,
    device: DeviceId,
    handle: DirectorHandle,
    preview: Preview,
    cancel: CancellationToken,
) {
    if !settings.on {
        return cancel.cancelled().await;
    }
    let preview = settings.preview.then_some(preview);
    let listener = tokio::select! {
        listener = bind(settings.listen) => listener,
        () = cancel.cancelled() => return,
    };
    let address = listener.local_addr().unwrap_or(settings.listen);
    info!("web page: http://{address}/");
    let router = router(Guard::new(&settings), Room { device, handle, preview });
    server::serve(listener, router, &cancel).await;
}

async fn bind(address: SocketAddr) -> TcpListener {
    let mut retry = Backoff::default();
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if !told => {
                warn!("web page: {address} cannot be used: {error}; the dream goes on without it, trying again");
                told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(retry.wait()).await;
    }
}

fn router(guard: Guard, room: Room) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/preview.mjpg", get(stream))
        .route("/preview.jpg", get(still))
        .route("/state", get(state))
        .route("/telemetry", get(telemetry))
        .route("/schema", get(schema))
        .route("/about", get(about))
        .route("/set", post(set))
        .route("/set/{param}", post(set_one))
        .route("/do/{action}", post(act))
        .fallback(async || refusal(StatusCode::NOT_FOUND, "there is no such page"))
        .method_not_allowed_fallback(async || refusal(StatusCode::METHOD_NOT_ALLOWED, "another method is needed here"))
        .with_state(room)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
}

/// Answers in time also where a request's body never comes. A preview is an answer that goes on.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refusal(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"),
    }
}

async fn page() -> Html<&'static str> {
    Html(PAGE)
}

async fn state(State(room): State<Room>) -> Response {
    let state = room.handle.state().borrow().clone();
    json_now(&state)
}

async fn telemetry(State(room): State<Room>) -> Response {
    json_now(&room.handle.telemetry())
}

async fn schema(State(room): State<Room>) -> Response {
    json_now(&params::json_schema(room.handle.catalogue()))
}

async fn about(State(room): State<Room>) -> Response {
    let mut about = remote::about(&room.device, &room.handle);
    about["preview"] = room.preview.is_some().into();
    json_now(&about)
}

async fn set(State(room): State<Room>, body: Result<Bytes, BytesRejection>) -> Response {
    execute(&room.handle, "set", body)
}

async fn set_one(State(room): State<Room>, Path(param): Path<String>, body: Result<Bytes, BytesRejection>) -> Response {
    execute(&room.handle, &format!("set/{param}"), body)
}

async fn act(State(room): State<Room>, Path(action): Path<String>, body: Result<Bytes, BytesRejection>) -> Response {
    execute(&room.handle, &format!("do/{action}"), body)
}

/// Does what an MQTT message of the same topic would; 422 where it is refused, with the reasons.
fn execute(handle: &DirectorHandle, topic: &str, body: Result<Bytes, BytesRejection>) -> Response {
    let payload = match body {
        Ok(payload) => payload,
        Err(rejection) => return refusal(rejection.status(), &format!("a command has at most {MAX_BODY} bytes")),
    };
    let message = Message { topic, payload: &payload, retained: false, correlation: None };
    match remote::execute(handle, &message) {
        Some(reply) => {
            let status = if reply.ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
            (status, json_now(&reply)).into_response()
        }
        None => refusal(StatusCode::NOT_FOUND, "there is no such command"),
    }
}

async fn still(State(room): State<Room>) -> Response {
    let Some(preview) = room.preview else { return not_shown() };
    let Some(mut watch) = preview.view() else { return too_many() };
    match tokio::time::timeout(STILL, watch.next()).await {
        Ok(Some(jpeg)) => ([(header::CONTENT_TYPE, "image/jpeg"), NO_STORE], jpeg).into_response(),
        _ => refusal(StatusCode::SERVICE_UNAVAILABLE, "nothing was shown yet"),
    }
}

async fn stream(State(room): State<Room>) -> Response {
    let Some(preview) = room.preview else { return not_shown() };
    let Some(watch) = preview.view() else { return too_many() };
    let kind = HeaderValue::from_static(preview::MULTIPART);
    (
        [(header::CONTENT_TYPE, kind), (NO_STORE.0, HeaderValue::from_static(NO_STORE.1))],
        Body::from_stream(watch.parts()),
    )
        .into_response()
}

const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

fn not_shown() -> Response {
    refusal(StatusCode::NOT_FOUND, "the preview is switched off in the configuration (console.preview)")
}

fn too_many() -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "too many watch already")
}

fn json_now(value: &impl serde::Serialize) -> Response {
    ([NO_STORE], Json(value)).into_response()
}

/// An answer in the shape of a command's reply.
fn refusal(status: StatusCode, message: &str) -> Response {
    let body: Value = json!({"ok": false, "errors": [{"param": null, "message": message}]});
    (status, Json(body)).into_response()
}
