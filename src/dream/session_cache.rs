//! The cache of open sessions (a graph at a size), and the threads that open them.
//!
//! Opening takes a fraction of a second on a CPU and minutes where an engine is built: it is done aside, while the
//! dream goes on with the graphs there are. Where an engine is to be built, a graph is first opened on what runs it soon.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DreamError;
use crate::backoff::Backoff;
use crate::pack::Catalogue;
use crate::runtime::{Ascent, Graph, Provider, Runtime, RuntimeError};

/// More open graphs than this are let go, the longest unused first, unless those wanted and those dreamed with meanwhile
/// are more. Each holds tens of megabytes: three layers of two octaves, so that a change and a change back are at hand.
const MAX_OPEN: usize = 6;
/// A graph that could not be opened is tried again after so long: what it lacked may have come.
const FAILURE_EXPIRY: Duration = Duration::from_secs(60);
/// A graph that fell back to the CPU is tried on the GPU again after so long at first and at most: memory that another
/// program took may be free again, a driver loaded.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LONGEST_RETRY: Duration = Duration::from_secs(1800);

/// Which graph: a layer at a picture size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub layer: String,
    pub size: (usize, usize),
}

/// The graphs of a layer, or of two that are mixed, at several sizes.
#[derive(Debug, Clone, Copy)]
pub struct Graphs<'a> {
    pub layer: &'a str,
    pub other: Option<&'a str>,
    pub sizes: &'a [(usize, usize)],
}

impl<'a> Graphs<'a> {
    fn layers(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.layer).chain(self.other)
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        let of = |layer: &'a str| self.sizes.iter().map(|&size| Key { layer: layer.to_owned(), size });
        self.layers().flat_map(of)
    }

    /// Whether `key` is one of the octaves below the finest, without which a dream is still one.
    fn can_do_without(&self, key: &Key) -> bool {
        self.contain(key) && self.sizes.last() != Some(&key.size)
    }

    fn contain(&self, key: &Key) -> bool {
        self.layers().any(|layer| layer == key.layer) && self.sizes.contains(&key.size)
    }
}

/// What the thread that opens graphs is asked for.
struct Request {
    key: Key,
    mode: OpenMode,
}

/// How a graph is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenMode {
    /// Where it is soon open: somebody waits for it.
    Soon,
    /// Where it runs best, though an engine has to be built: the same layer is dreamed meanwhile, at another size.
    Best,
    /// Only on a provider preferred to this one, which it runs on already.
    Better(Provider),
}

/// How far the opening of graphs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    Ready,
    /// Not all are open yet.
    Pending,
    /// An octave below the finest cannot be opened, mostly since the network sees nothing in so few pixels: open again without it ([`SessionCache::can_open`]).
    FewerOctaves,
    /// The finest cannot be opened, at least for now.
    Failed,
}

/// The open graphs, the most recently used last.
pub struct SessionCache {
    catalogue: Arc<Catalogue>,
    open: Vec<(Key, Ascent)>,
    /// Asked for and not yet come.
    requested: Vec<Key>,
    /// To the thread that opens, and to the one that builds engines, which takes minutes.
    requests: Sender<Request>,
    builds: Sender<Request>,
    results: Receiver<(Request, Answer)>,
    /// What is wanted at present: of what was asked for, only that is still opened.
    wanted: Arc<Mutex<Vec<Key>>>,
    /// Wait for graphs rather than go on without.
    wait: bool,
    /// Graphs that could not be opened while there were others to go on with, and when that was.
    failed: Vec<(Key, Instant)>,
    /// Graphs whose failure was logged: each is logged once.
    logged: Vec<Key>,
    /// When the next graph that fell back to the CPU is tried on the GPU; none while there is none.
    retry_at: Option<Instant>,
    retry_backoff: Backoff,
}

/// An opened graph, or why not; none where nobody wanted it any more when its turn came.
type Answer = Option<Result<Ascent, DreamError>>;

impl SessionCache {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>) -> SessionCache {
        let (answers, results) = channel();
        let wanted = Arc::<Mutex<Vec<Key>>>::default();
        let start = |name: &str| {
            let (requests, asked) = channel::<Request>();
            let (runtime, graphs, wanted_now) = (Arc::clone(&runtime), Arc::clone(&catalogue), Arc::clone(&wanted));
            let answers: Sender<(Request, Answer)> = answers.clone();
            // It ends when the cache, and with it `requests`, is gone; an engine half built is not waited for.
            let work = move || {
                while let Ok(request) = asked.recv() {
                    let key = &request.key;
                    let is_wanted = wanted_now.lock().unwrap_or_else(PoisonError::into_inner).contains(key);
                    // A panic in there must not end the opening of all others.
                    let open = || catch_unwind(AssertUnwindSafe(|| open_graph(&runtime, &graphs, &request)));
                    let answer = is_wanted
                        .then(|| open().unwrap_or_else(|_| Err(DreamError::NotOpened { layer: key.layer.clone() })));
                    if answers.send((request, answer)).is_err() {
                        break;
                    }
                }
            };
            std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("a thread can be started");
            requests
        };
        let (requests, builds) = (start("open-graphs"), start("build-engines"));
        SessionCache {
            catalogue,
            open: Vec::new(),
            requested: Vec::new(),
            requests,
            builds,
            results,
            wanted,
            wait: false,
            failed: Vec::new(),
            logged: Vec::new(),
            retry_at: None,
            retry_backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY).expect("the first wait is the shorter"),
        }
    }

    pub fn wait_for_graphs(&mut self) {
        self.wait = true;
    }

    /// Whether graphs are waited for.
    pub fn waits(&self) -> bool {
        self.wait
    }

    /// Sees to it that the `wanted` graphs are or will be open. `meanwhile` are those, open already, that the dream goes on
    /// with until then: they are not let go for the new ones, and with them a graph that cannot be opened is a warning.
    pub fn open(&mut self, wanted: Graphs, meanwhile: Option<Graphs>) -> Result<Opening, DreamError> {
        for layer in wanted.layers() {
            self.catalogue.layer(layer)?;
        }
        // A film's frames are not kept waiting for it again and again.
        if !self.wait {
            self.failed.retain(|(_, since)| since.elapsed() < FAILURE_EXPIRY);
        }
        self.retry_fallback(wanted)?;
        if self.has(wanted) && self.requested.is_empty() {
            return Ok(Opening::Ready);
        }
        let keys: Vec<Key> = wanted.keys().collect();
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&keys);
        let mode = self.mode(wanted, meanwhile);
        for key in &keys {
            let known = self.is_open(key) || self.requested.contains(key) || self.has_failed(key);
            if !known {
                self.request(Request { key: key.clone(), mode })?;
            }
        }
        while self.wait && keys.iter().any(|key| self.requested.contains(key)) {
            let gone = |_| DreamError::NotOpened { layer: wanted.layer.to_owned() };
            let answer = self.results.recv().map_err(gone)?;
            self.accept(answer, wanted, meanwhile)?;
        }
        while let Ok(answer) = self.results.try_recv() {
            self.accept(answer, wanted, meanwhile)?;
        }
        Ok(match () {
            () if self.has(wanted) => Opening::Ready,
            () if keys.iter().any(|key| self.has_failed(key) && wanted.can_do_without(key)) => Opening::FewerOctaves,
            () if keys.iter().any(|key| self.has_failed(key)) => Opening::Failed,
            () => Opening::Pending,
        })
    }

    /// Another size of a layer that runs on an engine is worth an engine of its own: until it is built the old one is the faster. The beginning of a fade is
    /// not kept waiting for one.
    fn mode(&self, wanted: Graphs, meanwhile: Option<Graphs>) -> OpenMode {
        let is_same = |held: &Graphs| (held.layer, held.other) == (wanted.layer, wanted.other);
        let Some(held) = meanwhile.filter(|held| is_same(held) && !self.wait) else { return OpenMode::Soon };
        let runs_on_engine =
            |(key, ascent): &(Key, Ascent)| ascent.provider() == Provider::TensorRt && held.contain(key);
        if self.open.iter().any(runs_on_engine) { OpenMode::Best } else { OpenMode::Soon }
    }

    /// Whether none is being opened.
    pub fn is_idle(&self) -> bool {
        self.requested.is_empty()
    }

    /// Opens `layer` at `size` if it is not, and waits for it.
    pub fn open_now(&mut self, layer: &str, size: (usize, usize)) -> Result<(), DreamError> {
        let waited = std::mem::replace(&mut self.wait, true);
        let result = self.open(Graphs { layer, other: None, sizes: &[size] }, None);
        self.wait = waited;
        result.map(drop)
    }

    /// When it is time, asks for one of the `wanted` anew that fell back to the CPU, and at once for one that waits for its engine.
    /// It serves until the better one comes.
    fn retry_fallback(&mut self, wanted: Graphs) -> Result<(), DreamError> {
        // Films are not changed from frame to frame: another provider's pictures are a little different.
        if self.wait || !self.requested.is_empty() {
            return Ok(());
        }
        let is_provisional = |ascent: &Ascent| ascent.is_fallback() || ascent.waits_for_engine();
        let provisional = self.open.iter().find(|(key, ascent)| is_provisional(ascent) && wanted.contain(key));
        let Some((key, ascent)) = provisional else {
            self.retry_at = None;
            self.retry_backoff.reset();
            return Ok(());
        };
        let request = Request { key: key.clone(), mode: OpenMode::Better(ascent.provider()) };
        let (now, waits_for_engine) = (Instant::now(), ascent.waits_for_engine());
        let first = || if waits_for_engine { now } else { now + self.retry_backoff.wait() };
        let due = *self.retry_at.get_or_insert_with(first);
        if now < due {
            return Ok(());
        }
        self.retry_at = Some(now + self.retry_backoff.wait());
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = vec![key.clone()];
        self.request(request)
    }

    fn request(&mut self, request: Request) -> Result<(), DreamError> {
        let key = request.key.clone();
        let thread = if request.mode == OpenMode::Soon { &self.requests } else { &self.builds };
        thread.send(request).map_err(|_| DreamError::NotOpened { layer: key.layer.clone() })?;
        self.requested.push(key);
        Ok(())
    }

    fn accept(
        &mut self,
        (Request { key, mode }, answer): (Request, Answer),
        wanted: Graphs,
        meanwhile: Option<Graphs>,
    ) -> Result<(), DreamError> {
        self.requested.retain(|k| *k != key);
        match answer {
            None => Ok(()),
            Some(Ok(ascent)) if self.is_open(&key) => {
                // The others will probably open there too: the next at once.
                self.retry_at = Some(Instant::now());
                self.open.retain(|(k, _)| *k != key);
                self.open.push((key, ascent));
                Ok(())
            }
            Some(Ok(ascent)) => {
                let in_use = |key: &Key| wanted.contain(key) || meanwhile.is_some_and(|graphs| graphs.contain(key));
                while self.open.len() >= MAX_OPEN {
                    // The longest unused that is not in use right now.
                    let Some(oldest) = self.open.iter().position(|(k, _)| !in_use(k)) else { break };
                    self.open.remove(oldest);
                }
                self.open.push((key, ascent));
                Ok(())
            }
            Some(Err(error)) if matches!(mode, OpenMode::Better(_)) => {
                if !self.logged.contains(&key) {
                    tracing::warn!("layer {} keeps running on its present provider: {error}", key.layer);
                    self.logged.push(key);
                }
                Ok(())
            }
            Some(Err(error)) if meanwhile.is_some() || wanted.can_do_without(&key) => {
                if !self.logged.contains(&key) {
                    let (layer, (width, height)) = (&key.layer, key.size);
                    let instead = match wanted.can_do_without(&key) {
                        true => "this octave is left out",
                        false => "continuing as before",
                    };
                    tracing::warn!("layer {layer} at {width}x{height}: {error}; {instead}");
                    self.logged.push(key.clone());
                }
                self.failed.push((key, Instant::now()));
                Ok(())
            }
            Some(Err(error)) => Err(error),
        }
    }

    fn is_open(&self, key: &Key) -> bool {
        self.open.iter().any(|(k, _)| k == key)
    }

    fn has_failed(&self, key: &Key) -> bool {
        self.failed.iter().any(|(k, _)| k == key)
    }

    /// Whether `layer` may be asked for at `size`: it was not found a moment ago that it cannot be opened.
    pub fn can_open(&self, layer: &str, size: (usize, usize)) -> bool {
        !self.failed.iter().any(|(key, _)| key.layer == layer && key.size == size)
    }

    /// Whether all of `graphs` are open.
    pub fn has(&self, graphs: Graphs) -> bool {
        let is_open = |layer, size| self.open.iter().any(|(k, _)| k.layer == layer && k.size == size);
        graphs.layers().all(|layer| graphs.sizes.iter().all(|&size| is_open(layer, size)))
    }

    /// What `layer` runs on at `size`, where it is open.
    pub fn provider(&self, layer: &str, size: (usize, usize)) -> Option<Provider> {
        let open = self.open.iter().find(|(key, _)| key.layer == layer && key.size == size);
        open.map(|(_, ascent)| ascent.provider())
    }

    /// An open graph, which becomes the most recently used.
    pub fn ascent(&mut self, layer: &str, size: (usize, usize)) -> Result<&mut Ascent, DreamError> {
        let place = self.open.iter().position(|(k, _)| k.layer == layer && k.size == size);
        let place = place.ok_or_else(|| DreamError::NotOpened { layer: layer.to_owned() })?;
        let last = self.open.len() - 1;
        self.open[place..].rotate_left(1);
        Ok(&mut self.open[last].1)
    }

    /// Closes all graphs: they are opened anew when next wanted.
    pub fn forget(&mut self) {
        self.open.clear();
        self.failed.clear();
    }
}

fn open_graph(runtime: &Runtime, catalogue: &Catalogue, request: &Request) -> Result<Ascent, DreamError> {
    let (folder, manifest, layer) = catalogue.layer(&request.key.layer)?;
    let graph = Graph { folder, manifest, layer, size: request.key.size };
    let opened = match request.mode {
        OpenMode::Soon => Ascent::open_soon(runtime, graph),
        OpenMode::Best => Ascent::open(runtime, graph),
        OpenMode::Better(provider) => Ascent::open_better(runtime, provider, graph),
    };
    opened.map_err(RuntimeError::into)
}
