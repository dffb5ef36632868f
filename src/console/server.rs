//! Connections to the page: limited in number and in time, and none outlasts the page's settings.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Browsers open six each; more would take the file descriptors that camera and screen need.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// For the headers of each request on a connection to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// After an error of the listener: mostly too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(500);

/// Serves `router` until cancelled. Connections that are open then are closed, previews too: a page that is switched off shows nothing.
pub async fn serve(listener: TcpListener, router: Router, cancel: &CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => drop(connections.spawn(serve_connection(stream, router.clone(), HEADER_TIMEOUT))),
                Ok(_) => debug!("web page: {MAX_CONNECTIONS} connections are open already"),
                Err(error) => {
                    debug!("web page: {error}");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = cancel.cancelled() => return,
        }
    }
}

pub(super) async fn serve_connection(stream: TcpStream, router: Router, header_timeout: Duration) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        debug!("web page: {error}");
    }
}
