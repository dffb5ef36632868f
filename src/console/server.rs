//! Connections to the page: so many, each in its own time, and none that outlasts the page's settings.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Browsers hold six each; beyond that somebody takes the descriptors that camera and screen need.
pub(super) const MOST: usize = 64;
/// For a request's head to come, the first and each later one.
const HEAD: Duration = Duration::from_secs(10);
/// After an error of the listener: too many open files, mostly.
const AFTER_AN_ERROR: Duration = Duration::from_millis(500);

/// Answers by `router` until cancelled. What is open then is cut off, previews too: a page that is no longer shown shows nothing.
pub async fn serve(listener: TcpListener, router: Router, cancel: &CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MOST => drop(connections.spawn(converse(stream, router.clone(), HEAD))),
                Ok(_) => debug!("web page: {MOST} connections are open already"),
                Err(error) => {
                    debug!("web page: {error}");
                    tokio::time::sleep(AFTER_AN_ERROR).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = cancel.cancelled() => return,
        }
    }
}

pub(super) async fn converse(stream: TcpStream, router: Router, head: Duration) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        debug!("web page: {error}");
    }
}
