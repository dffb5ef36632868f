//! The page over real connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::access::Passwords;
use super::*;
use crate::display::Tap;
use crate::guides::Guides;
use crate::pack::Catalogue;
use crate::params::Params;
use crate::protocol::MAX_PICTURE;

const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// Nothing here takes as long.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A page that is served, and a screen that always shows something.
struct Page {
    preview: Preview,
    router: Router,
    listener: SocketAddr,
    end: CancellationToken,
    served: JoinHandle<()>,
    screen: CancellationToken,
}

impl Page {
    async fn open() -> Page {
        Page::of(Catalogue::of(Vec::new())).await
    }

    async fn of(catalogue: Catalogue) -> Page {
        let (tap, screen) = (Tap::default(), CancellationToken::new());
        let preview = Preview::new(tap.clone());
        let (encoder, own) = (preview.clone(), screen.clone());
        std::thread::spawn(move || encoder.encode(|| !own.is_cancelled()));
        let own = screen.clone();
        std::thread::spawn(move || {
            while !own.is_cancelled() {
                std::thread::sleep(Duration::from_millis(10));
                let mut frame = tap.blank();
                frame.resize(16, 16);
                tap.offer(frame);
            }
        });
        let catalogue = Arc::new(catalogue);
        let handle = DirectorHandle::new(catalogue.clone(), Params::new(&catalogue));
        let end = CancellationToken::new();
        let state = PageState {
            device: "mirror-1".parse().unwrap(),
            handle,
            access: Access::new(Passwords::default(), None, 8080, false),
            preview: Some(preview.clone()),
            end: end.clone(),
        };
        let router = router(Guard::new(&Settings::default()), state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (own, ends) = (router.clone(), end.clone());
        let served = tokio::spawn(async move { server::serve(listener, own, None, &ends).await });
        Page { preview, router, listener: address, end, served, screen }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.listener).await.unwrap()
    }

    /// Asks for `path`, and reads until `part` of the answer has come.
    async fn ask(&self, path: &str, part: &str) -> TcpStream {
        self.try_to_ask(path, part).await.unwrap_or_else(|| panic!("{path} broke off before {part}"))
    }

    /// Posts `body` to `path`, and returns the whole answer.
    async fn post(&self, path: &str, body: &[u8]) -> String {
        let mut stream = self.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut answer = Vec::new();
        let talk = async {
            stream.write_all(&[head.as_bytes(), body].concat()).await?;
            stream.read_to_end(&mut answer).await
        };
        timeout(TIMEOUT, talk).await.unwrap_or_else(|_| panic!("{path} does not answer")).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// As [`Page::ask`]; none where the connection is cut off before.
    async fn try_to_ask(&self, path: &str, part: &str) -> Option<TcpStream> {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut received = Vec::new();
        let reads = async {
            while !String::from_utf8_lossy(&received).contains(part) {
                stream.read_buf(&mut received).await.ok().filter(|count| *count > 0)?;
            }
            Some(())
        };
        timeout(TIMEOUT, reads).await.unwrap_or_else(|_| panic!("{path} does not answer"))?;
        Some(stream)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.screen.cancel();
        self.served.abort();
    }
}

/// Whether nothing more comes from there.
async fn is_cut_off(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    // A connection that is reset is cut off too.
    timeout(TIMEOUT, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn nothing_outlasts_a_page_that_ends() {
    let mut page = Page::open().await;
    let preview = page.ask("/api/preview.mjpg", "image/jpeg").await;
    // A browser keeps it open for its next question.
    let kept = page.ask("/api/state", "intensity").await;
    page.end.cancel();
    timeout(TIMEOUT, &mut page.served).await.expect("it ends").unwrap();
    assert!(is_cut_off(preview).await && is_cut_off(kept).await);
}

#[tokio::test]
async fn viewers_leave_room_for_snapshots() {
    let page = Page::open().await;
    let mut views = Vec::new();
    while let Some(view) = page.preview.view(Width::Small) {
        views.push(view);
    }
    page.ask("/api/preview.jpg", "503").await;
    let snapshot = timeout(TIMEOUT, page.preview.watch(Width::Large).next()).await;
    assert!(snapshot.expect("a picture is shown").is_some());
    drop(views);
    page.ask("/api/preview.jpg", "image/jpeg").await;
}

#[tokio::test]
async fn connections_are_numbered_and_who_says_nothing_is_cut_off() {
    let page = Page::open().await;
    let mut idle = Vec::new();
    for _ in 0..server::MAX_CONNECTIONS {
        idle.push(page.connect().await);
    }
    assert!(is_cut_off(page.connect().await).await, "one too many");
    idle.pop();
    // That one has gone is noticed a moment later.
    let comes_in = async { while page.try_to_ask("/api/state", "intensity").await.is_none() {} };
    timeout(TIMEOUT, comes_in).await.expect("there is room again");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let serve = server::serve_connection(stream, HERE, page.router.clone(), None, Duration::from_millis(50));
    timeout(TIMEOUT, serve).await.expect("it ends");
    assert!(is_cut_off(silent).await);
}

#[tokio::test]
async fn a_picture_that_leads_may_be_larger_than_a_command() {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let photo = std::fs::read(repository.join("deploy/photos/coffee.jpg")).unwrap();
    assert!(photo.len() > MAX_PAYLOAD && photo.len() < MAX_PICTURE);
    let packs = Catalogue::read(&[repository.join("models")]).unwrap();
    let page = Page::of(packs.with_guides(Guides::default().and_sent(true))).await;
    let answer = page.post("/api/set/guide", &photo).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"guide\":\"sent-"), "{answer}");
    let answer = page.post("/api/set/layer", &photo).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    page.ask("/api/about", "\"accepts_guides\":true").await;
}
