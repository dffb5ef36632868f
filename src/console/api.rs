//! What programs ask the device, and what they command: everything below `/api`, with `/metrics` and `/healthz`.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::{NO_STORE, PageState, live, login, metrics, openapi, preview, refusal, uncached};
use crate::health::{self, ServiceRecord};
use crate::log_tail;
use crate::params;
use crate::protocol::{self, Command, MAX_PAYLOAD, MAX_PICTURE};

pub fn routes() -> Router<PageState> {
    Router::new()
        .route("/api/state", get(state))
        .route("/api/telemetry", get(telemetry))
        .route("/api/health", get(findings))
        .route("/api/history", get(history))
        .route("/api/log", get(log))
        .route("/api/schema", get(schema))
        .route("/api/about", get(about))
        .route("/api/session", get(login::session))
        .route("/api/password", post(login::set_password))
        .route("/api/set", post(set))
        .route("/api/set/guide", post(set_guide).layer(DefaultBodyLimit::max(MAX_PICTURE)))
        .route("/api/set/{param}", post(set_one))
        .route("/api/do/{action}", post(do_action))
        .route("/api/preview.jpg", get(still))
        .route("/api/preview.mjpg", get(stream))
        .route("/api/live", get(live::open))
        .route("/api/openapi.json", get(description))
        .route("/metrics", get(figures))
        .route("/healthz", get(is_well))
}

async fn state(State(page): State<PageState>) -> Response {
    let state = page.handle.state().borrow().clone();
    uncached(&state)
}

async fn telemetry(State(page): State<PageState>) -> Response {
    uncached(&page.handle.telemetry())
}

async fn findings(State(page): State<PageState>) -> Response {
    uncached(&health::findings(&page.handle.telemetry()))
}

async fn history(State(page): State<PageState>) -> Response {
    uncached(&page.handle.history())
}

async fn log() -> Response {
    uncached(&log_tail::lines())
}

async fn schema(State(page): State<PageState>) -> Response {
    uncached(&params::json_schema(page.handle.catalogue()))
}

async fn about(State(page): State<PageState>) -> Response {
    let mut about = protocol::about(&page.device, &page.handle);
    about["preview"] = page.preview.is_some().into();
    uncached(&about)
}

async fn description(State(page): State<PageState>) -> Response {
    uncached(&openapi::description(&page.device, &page.handle))
}

async fn figures(State(page): State<PageState>) -> Response {
    let text = metrics::text(&page.handle.telemetry(), page.device.as_str());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE), NO_STORE], text).into_response()
}

/// 200 where it dreams, 503 where it does not: for whoever watches many devices.
async fn is_well(State(page): State<PageState>) -> Response {
    let is_paused = page.handle.params().borrow().paused;
    let dreaming = ServiceRecord::of(&page.handle.telemetry(), is_paused).dreaming;
    let status = if dreaming { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, uncached(&json!({"dreaming": dreaming}))).into_response()
}

async fn set(State(page): State<PageState>, body: Result<Bytes, BytesRejection>) -> Response {
    execute(&page, "set", body)
}

async fn set_one(
    State(page): State<PageState>,
    Path(param): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    execute(&page, &format!("set/{param}"), body)
}

/// The name of a guide, or its picture, which takes a moment to read.
async fn set_guide(State(page): State<PageState>, body: Result<Bytes, BytesRejection>) -> Response {
    let set = tokio::task::spawn_blocking(move || execute(&page, "set/guide", body));
    set.await.unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "that picture cannot be read"))
}

async fn do_action(
    State(page): State<PageState>,
    Path(action): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    execute(&page, &format!("do/{action}"), body)
}

/// Runs the command of this path; 422 where it is refused, with the reasons.
fn execute(page: &PageState, path: &str, body: Result<Bytes, BytesRejection>) -> Response {
    let payload = match body {
        Ok(payload) => payload,
        Err(rejection) => {
            let most = if path == "set/guide" { MAX_PICTURE } else { MAX_PAYLOAD };
            return refusal(rejection.status(), &format!("{path} has at most {most} bytes"));
        }
    };
    let reply = protocol::execute(&page.handle, &Command { path, payload: &payload, correlation: None });
    let status = if reply.ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, uncached(&reply)).into_response()
}

async fn still(State(page): State<PageState>) -> Response {
    let Some(preview) = page.preview else { return preview_off() };
    let Some(mut viewer) = preview.view(preview::Width::Large) else { return too_many_viewers() };
    match tokio::time::timeout(preview::STILL_TIMEOUT, viewer.next()).await {
        Ok(Some(jpeg)) => ([(header::CONTENT_TYPE, "image/jpeg"), NO_STORE], jpeg).into_response(),
        _ => refusal(StatusCode::SERVICE_UNAVAILABLE, "nothing was shown yet"),
    }
}

async fn stream(State(page): State<PageState>) -> Response {
    let Some(preview) = page.preview else { return preview_off() };
    let Some(viewer) = preview.view(preview::Width::Large) else { return too_many_viewers() };
    let kind = HeaderValue::from_static(preview::MULTIPART);
    (
        [(header::CONTENT_TYPE, kind), (NO_STORE.0, HeaderValue::from_static(NO_STORE.1))],
        Body::from_stream(viewer.parts()),
    )
        .into_response()
}

fn preview_off() -> Response {
    refusal(StatusCode::NOT_FOUND, "the preview is switched off in the configuration (console.preview)")
}

fn too_many_viewers() -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "there are too many viewers already")
}
