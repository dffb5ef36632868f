//! Connections to the page: limited in number and in time, and none outlasts the page's settings.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, rt};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{Id, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Browsers open six each; more would take the file descriptors that camera and screen need.
pub(super) const MAX_CONNECTIONS: usize = 160;
/// Those of one other machine: it cannot keep all others out.
pub(super) const MAX_OF_ONE: usize = 64;
/// For the headers of each request on a connection to arrive, and for TLS to be agreed on.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// For what was sent to be taken: who reads no more is let go.
const SEND_TIMEOUT_MS: u32 = 30_000;
/// After an error of the listener: mostly too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(500);

/// Who sends a request: the other end of its connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Serves `router` until cancelled, by TLS where `tls` is given. Connections that are open then are closed, previews too: a page that is switched
/// off shows nothing.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Arc<ServerConfig>>, cancel: &CancellationToken) {
    let (mut connections, mut peers) = (JoinSet::new(), HashMap::<Id, IpAddr>::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let peer = address.ip().to_canonical();
                    let of_peer = peers.values().filter(|other| **other == peer).count();
                    if connections.len() >= MAX_CONNECTIONS || (!peer.is_loopback() && of_peer >= MAX_OF_ONE) {
                        debug!("web page: {} connections are open already, {of_peer} of {peer}", connections.len());
                        continue;
                    }
                    let serving = serve_connection(stream, peer, router.clone(), tls.clone(), HEADER_TIMEOUT);
                    peers.insert(connections.spawn(serving).id(), peer);
                }
                Err(error) => {
                    debug!("web page: {error}");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
            Some(ended) = connections.join_next_with_id() => {
                peers.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            () = cancel.cancelled() => return,
        }
    }
}

pub(super) async fn serve_connection(
    stream: TcpStream,
    peer: IpAddr,
    router: Router,
    tls: Option<Arc<ServerConfig>>,
    header_timeout: Duration,
) {
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, SEND_TIMEOUT_MS);
    let Some(tls) = tls else { return serve_requests(TokioIo::new(stream), peer, router, header_timeout).await };
    match tokio::time::timeout(header_timeout, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => serve_requests(TokioIo::new(stream), peer, router, header_timeout).await,
        Ok(Err(error)) => debug!("web page: {error}"),
        Err(_) => debug!("web page: {peer} does not agree on TLS in time"),
    }
}

async fn serve_requests<T>(connection: T, peer: IpAddr, router: Router, header_timeout: Duration)
where
    T: rt::Read + rt::Write + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(connection, service)
        .with_upgrades();
    if let Err(error) = connection.await {
        debug!("web page: {error}");
    }
}
