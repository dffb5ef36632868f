//! The web page: what the screen shows, and a control for every parameter; and the same for programs.
//!
//! For the machine itself; other machines are let in only where the configuration says so and a password was set ([`access`]).
//! `set` and `do` mean what the same topics mean over MQTT ([`protocol::execute`](crate::protocol::execute)), and [`guard`] keeps
//! other sites' pages out.

mod access;
mod api;
mod guard;
mod live;
mod login;
mod metrics;
mod openapi;
mod preview;
mod server;
mod settings;
mod shell;
#[cfg(test)]
mod tests;

pub use access::{MAX_PASSWORD, MIN_PASSWORD, PasswordError, Role, hash as hash_password, store as store_password};
pub use preview::{Preview, Width};
pub use settings::{Settings, parse_address};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::director_handle::DirectorHandle;
use crate::protocol::{DeviceId, MAX_PAYLOAD};
use access::Access;
use guard::Guard;

/// The file in which passwords that were set on the device lie, in the folder of its state.
pub const PASSWORD_FILE: &str = access::FILE;
/// For a request to arrive whole and be answered.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct PageState {
    device: DeviceId,
    handle: DirectorHandle,
    access: Access,
    /// None: the preview is switched off.
    preview: Option<Preview>,
    /// When the page ends, what is still being pushed ends too.
    end: CancellationToken,
}

/// Serves the page until cancelled; what is to outlast a restart lies in `folder`. An address that cannot be used is a warning, once: the dream
/// continues, and it is tried again, for the network may come later than we do. One that is not to be on is not served.
pub async fn run(
    settings: Settings,
    folder: Option<PathBuf>,
    device: DeviceId,
    handle: DirectorHandle,
    preview: Preview,
    cancel: CancellationToken,
) {
    if !settings.on {
        return cancel.cancelled().await;
    }
    let tls = match settings.tls() {
        Ok(tls) => tls,
        // It was valid a moment ago. Never in plain text where TLS was asked for.
        Err(why) => {
            error!("web page: not served: console.{}: {}", why.key, why.message);
            return cancel.cancelled().await;
        }
    };
    let preview = settings.preview.then_some(preview);
    let listener = tokio::select! {
        listener = bind(settings.listen) => listener,
        () = cancel.cancelled() => return,
    };
    let address = listener.local_addr().unwrap_or(settings.listen);
    info!("web page: {}://{address}/", settings.scheme());
    let access = Access::new(settings.passwords(), folder, address.port(), tls.is_some());
    if settings.allow_remote && !access.is_protected() {
        warn!("web page: other machines see nothing of it until `reverie password` has set a password");
    }
    let state = PageState { device, handle, access, preview, end: cancel.clone() };
    server::serve(listener, router(Guard::new(&settings), state), tls, &cancel).await;
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

fn router(guard: Guard, state: PageState) -> Router {
    let access = state.access.clone();
    Router::new()
        .merge(shell::routes())
        .merge(api::routes())
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .fallback(async || refusal(StatusCode::NOT_FOUND, "there is no such page"))
        .method_not_allowed_fallback(async || refusal(StatusCode::METHOD_NOT_ALLOWED, "another method is needed here"))
        .with_state(state)
        .layer(DefaultBodyLimit::max(MAX_PAYLOAD))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(access, login::require))
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
}

/// Answers in time even where a request's body never comes. Only the head of an answer is timed: a preview goes on.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refusal(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"),
    }
}

const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

fn uncached(value: &impl serde::Serialize) -> Response {
    ([NO_STORE], Json(value)).into_response()
}

/// An error in the shape of a command's reply.
fn refusal(status: StatusCode, message: &str) -> Response {
    let body: Value = json!({"ok": false, "errors": [{"param": null, "message": message}]});
    (status, Json(body)).into_response()
}
