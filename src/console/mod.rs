//! The web page: what the screen shows, and a control for every parameter.
//!
//! Plain HTTP for the machine itself; other machines are let in only where the configuration says so. `set` and `do`
//! mean what the same topics mean over MQTT ([`protocol::execute`]), and [`guard`] keeps other sites' pages out.

mod guard;
mod preview;
mod server;
mod settings;
#[cfg(test)]
mod tests;

pub use preview::Preview;
pub use settings::{Settings, parse_address};

use std::net::SocketAddr;
use std::path::PathBuf;
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
use crate::director;
use crate::director_handle::DirectorHandle;
use crate::pack::Atlas;
use crate::params;
use crate::protocol::{self, Command, DeviceId, MAX_PAYLOAD, MAX_PICTURE};
use guard::Guard;

const PAGE: &str = include_str!("page.html");
/// For a request to arrive whole and be answered.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// For the display to draw the next picture, for a still.
const STILL_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct PageState {
    device: DeviceId,
    handle: DirectorHandle,
    /// None: the preview is switched off.
    preview: Option<Preview>,
}

/// Serves the page until cancelled. An address that cannot be used is a warning, once: the dream continues, and
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
    let router = router(Guard::new(&settings), PageState { device, handle, preview });
    server::serve(listener, router, &cancel).await;
}

async fn bind(address: SocketAddr) -> TcpListener {
    let mut retry = Backoff::default();
    let mut is_warned = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if !is_warned => {
                warn!("web page: {address} cannot be used: {error}; the dream continues without it, trying again");
                is_warned = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(retry.wait()).await;
    }
}

fn router(guard: Guard, shared: PageState) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/preview.mjpg", get(stream))
        .route("/preview.jpg", get(still))
        .route("/state", get(state))
        .route("/telemetry", get(telemetry))
        .route("/schema", get(schema))
        .route("/about", get(about))
        .route("/atlas/{pack}/{file}", get(atlas))
        .route("/scenes/{file}", get(scene_picture))
        .route("/set", post(set))
        .route("/set/guide", post(set_guide).layer(DefaultBodyLimit::max(MAX_PICTURE)))
        .route("/set/{param}", post(set_one))
        .route("/do/{action}", post(do_action))
        .fallback(async || refusal(StatusCode::NOT_FOUND, "there is no such page"))
        .method_not_allowed_fallback(async || refusal(StatusCode::METHOD_NOT_ALLOWED, "another method is needed here"))
        .with_state(shared)
        .layer(DefaultBodyLimit::max(MAX_PAYLOAD))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
}

/// Answers in time even where a request's body never comes. Only the head of an answer is timed: a preview goes on.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refusal(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"),
    }
}

async fn page() -> Html<&'static str> {
    Html(PAGE)
}

async fn state(State(page): State<PageState>) -> Response {
    let state = page.handle.state().borrow().clone();
    uncached(&state)
}

async fn telemetry(State(page): State<PageState>) -> Response {
    uncached(&page.handle.telemetry())
}

async fn schema(State(page): State<PageState>) -> Response {
    uncached(&params::json_schema(page.handle.catalogue()))
}

async fn about(State(page): State<PageState>) -> Response {
    let mut about = protocol::about(&page.device, &page.handle);
    about["preview"] = page.preview.is_some().into();
    uncached(&about)
}

async fn set(State(page): State<PageState>, body: Result<Bytes, BytesRejection>) -> Response {
    execute(&page.handle, "set", body)
}

async fn set_one(
    State(page): State<PageState>,
    Path(param): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    execute(&page.handle, &format!("set/{param}"), body)
}

/// The name of a guide, or its picture, which takes a moment to read.
async fn set_guide(State(page): State<PageState>, body: Result<Bytes, BytesRejection>) -> Response {
    let handle = page.handle.clone();
    let set = tokio::task::spawn_blocking(move || execute(&handle, "set/guide", body));
    set.await.unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "that picture cannot be read"))
}

async fn do_action(
    State(page): State<PageState>,
    Path(action): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    execute(&page.handle, &format!("do/{action}"), body)
}

/// Runs the command of this path; 422 where it is refused, with the reasons.
fn execute(handle: &DirectorHandle, path: &str, body: Result<Bytes, BytesRejection>) -> Response {
    let payload = match body {
        Ok(payload) => payload,
        Err(rejection) => {
            let most = if path == "set/guide" { MAX_PICTURE } else { MAX_PAYLOAD };
            return refusal(rejection.status(), &format!("{path} has at most {most} bytes"));
        }
    };
    let reply = protocol::execute(handle, &Command { path, payload: &payload, correlation: None });
    let status = if reply.ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, uncached(&reply)).into_response()
}

/// A picture of a pack's atlas: what the neurons of a layer dream of.
async fn atlas(State(page): State<PageState>, Path((pack, file)): Path<(String, String)>) -> Response {
    let found = page.handle.catalogue().packs().find(|(_, manifest)| manifest.name == pack);
    let is_drawn = |atlas: &Atlas| atlas.layers.iter().any(|layer| layer.file == file);
    let Some((dir, _)) = found.filter(|(_, pack)| pack.atlas.as_ref().is_some_and(is_drawn)) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such picture in an atlas");
    };
    picture(dir.join(&file)).await
}

/// A picture of a scene that ships.
async fn scene_picture(State(page): State<PageState>, Path(file): Path<String>) -> Response {
    let is_one =
        page.handle.ask(|director| director.scenes().any(|(name, ..)| director::shipped_picture(name) == file));
    match crate::assets::scene_pictures().filter(|_| is_one) {
        Some(folder) => picture(folder.join(&file)).await,
        None => refusal(StatusCode::NOT_FOUND, "there is no picture of such a scene"),
    }
}

/// A JPEG picture that is part of what is installed.
async fn picture(path: PathBuf) -> Response {
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
        Ok(Ok(jpeg)) => ([(header::CONTENT_TYPE, "image/jpeg"), FOR_A_DAY], jpeg).into_response(),
        _ => refusal(StatusCode::NOT_FOUND, "that picture cannot be read"),
    }
}

async fn still(State(page): State<PageState>) -> Response {
    let Some(preview) = page.preview else { return preview_off() };
    let Some(mut viewer) = preview.view() else { return too_many_viewers() };
    match tokio::time::timeout(STILL_TIMEOUT, viewer.next()).await {
        Ok(Some(jpeg)) => ([(header::CONTENT_TYPE, "image/jpeg"), NO_STORE], jpeg).into_response(),
        _ => refusal(StatusCode::SERVICE_UNAVAILABLE, "nothing was shown yet"),
    }
}

async fn stream(State(page): State<PageState>) -> Response {
    let Some(preview) = page.preview else { return preview_off() };
    let Some(viewer) = preview.view() else { return too_many_viewers() };
    let kind = HeaderValue::from_static(preview::MULTIPART);
    (
        [(header::CONTENT_TYPE, kind), (NO_STORE.0, HeaderValue::from_static(NO_STORE.1))],
        Body::from_stream(viewer.parts()),
    )
        .into_response()
}

const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

const FOR_A_DAY: (header::HeaderName, &str) = (header::CACHE_CONTROL, "max-age=86400");

fn preview_off() -> Response {
    refusal(StatusCode::NOT_FOUND, "the preview is switched off in the configuration (console.preview)")
}

fn too_many_viewers() -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "there are too many viewers already")
}

fn uncached(value: &impl serde::Serialize) -> Response {
    ([NO_STORE], Json(value)).into_response()
}

/// An error in the shape of a command's reply.
fn refusal(status: StatusCode, message: &str) -> Response {
    let body: Value = json!({"ok": false, "errors": [{"param": null, "message": message}]});
    (status, Json(body)).into_response()
}
