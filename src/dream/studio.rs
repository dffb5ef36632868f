//! The open graphs, and the threads that open them.
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
const MOST_OPEN: usize = 6;
/// A graph that could not be opened is tried again after so long: what it lacked may have come.
const AGAIN: Duration = Duration::from_secs(60);
/// A graph that fell back to the CPU is tried on the GPU again after so long at first and at most: memory that another
/// program took may be free again, a driver loaded.
const MEND_SOONEST: Duration = Duration::from_secs(30);
const MEND_LATEST: Duration = Duration::from_secs(1800);

/// Which graph: a layer at a picture size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub layer: String,
    pub size: (usize, usize),
}

/// The graphs of a layer at several sizes.
#[derive(Debug, Clone, Copy)]
pub struct Graphs<'a> {
    pub layer: &'a str,
    pub sizes: &'a [(usize, usize)],
}

impl Graphs<'_> {
    /// Whether `key` is one of the octaves below the finest, without which a dream is still one.
    fn can_do_without(&self, key: &Key) -> bool {
        self.contain(key) && self.sizes.last() != Some(&key.size)
    }

    fn contain(&self, key: &Key) -> bool {
        key.layer == self.layer && self.sizes.contains(&key.size)
    }
}

/// What the thread that opens graphs is asked for.
struct Request {
    key: Key,
    way: Way,
}

/// How a graph is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
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
    Done,
    /// Not all are open yet.
    Coming,
    /// An octave below the finest cannot be opened, mostly since the network sees nothing in so few pixels: ask again without ([`Studio::can_open`]).
    Fewer,
    /// The finest cannot be opened, at least for now.
    Refused,
}

/// The open graphs, the most recently used last.
pub struct Studio {
    catalogue: Arc<Catalogue>,
    open: Vec<(Key, Ascent)>,
    /// Asked for and not yet come.
    coming: Vec<Key>,
    /// To the thread that opens, and to the one that builds engines, which takes minutes.
    requests: Sender<Request>,
    builds: Sender<Request>,
    results: Receiver<(Request, Answer)>,
    /// What is wanted at present: of what was asked for, only that is still opened.
    wanted: Arc<Mutex<Vec<Key>>>,
    /// Wait for graphs rather than go on without.
    wait: bool,
    /// Graphs that could not be opened while there were others to go on with, and when that was.
    broken: Vec<(Key, Instant)>,
    /// Those that were told in the log: each is told once.
    told: Vec<Key>,
    /// When the next graph that fell back to the CPU is tried on the GPU; none while there is none.
    mend_at: Option<Instant>,
    mend_waits: Backoff,
}

/// An opened graph, or why not; none where nobody wanted it any more when its turn came.
type Answer = Option<Result<Ascent, DreamError>>;

impl Studio {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>) -> Studio {
        let (answers, results) = channel();
        let wanted = Arc::<Mutex<Vec<Key>>>::default();
        let start = |name: &str| {
            let (requests, asked) = channel::<Request>();
            let (runtime, shelf, list) = (Arc::clone(&runtime), Arc::clone(&catalogue), Arc::clone(&wanted));
            let answers: Sender<(Request, Answer)> = answers.clone();
            // It ends when the studio, and with it `requests`, is gone; an engine half built is not waited for.
            let work = move || {
                while let Ok(request) = asked.recv() {
                    let key = &request.key;
                    let is_wanted = list.lock().unwrap_or_else(PoisonError::into_inner).contains(key);
                    // A panic in there must not end the opening of all others.
                    let open = || catch_unwind(AssertUnwindSafe(|| open_graph(&runtime, &shelf, &request)));
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
        Studio {
            catalogue,
            open: Vec::new(),
            coming: Vec::new(),
            requests,
            builds,
            results,
            wanted,
            wait: false,
            broken: Vec::new(),
            told: Vec::new(),
            mend_at: None,
            mend_waits: Backoff::new(MEND_SOONEST, MEND_LATEST).expect("the first wait is the shorter"),
        }
    }

    pub fn wait_for_graphs(&mut self) {
        self.wait = true;
    }

    /// Sees to it that the `wanted` graphs are or will be open. `meanwhile` are those, open already, that the dream goes on
    /// with until then: they are not let go for the new ones, and with them a graph that cannot be opened is a warning.
    pub fn open(&mut self, wanted: Graphs, meanwhile: Option<Graphs>) -> Result<Opening, DreamError> {
        self.catalogue.layer(wanted.layer)?;
        // A film's frames are not kept waiting for it again and again.
        if !self.wait {
            self.broken.retain(|(_, since)| since.elapsed() < AGAIN);
        }
        self.mend(wanted)?;
        if self.has(wanted) && self.coming.is_empty() {
            return Ok(Opening::Done);
        }
        let keys: Vec<Key> = wanted.sizes.iter().map(|&size| Key { layer: wanted.layer.to_owned(), size }).collect();
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&keys);
        let way = self.way(wanted, meanwhile);
        for key in &keys {
            let known = self.is_open(key) || self.coming.contains(key) || self.is_broken(key);
            if !known {
                self.ask(Request { key: key.clone(), way })?;
            }
        }
        while self.wait && keys.iter().any(|key| self.coming.contains(key)) {
            let gone = |_| DreamError::NotOpened { layer: wanted.layer.to_owned() };
            let answer = self.results.recv().map_err(gone)?;
            self.take_in(answer, wanted, meanwhile)?;
        }
        while let Ok(answer) = self.results.try_recv() {
            self.take_in(answer, wanted, meanwhile)?;
        }
        Ok(match () {
            () if self.has(wanted) => Opening::Done,
            () if keys.iter().any(|key| self.is_broken(key) && wanted.can_do_without(key)) => Opening::Fewer,
            () if keys.iter().any(|key| self.is_broken(key)) => Opening::Refused,
            () => Opening::Coming,
        })
    }

    /// Another size of a layer that runs on an engine is worth an engine of its own: until it is built the old one is the faster.
    fn way(&self, wanted: Graphs, meanwhile: Option<Graphs>) -> Way {
        let Some(held) = meanwhile.filter(|held| held.layer == wanted.layer && !self.wait) else { return Way::Soon };
        let runs_on_engine =
            |(key, ascent): &(Key, Ascent)| ascent.provider() == Provider::TensorRt && held.contain(key);
        if self.open.iter().any(runs_on_engine) { Way::Best } else { Way::Soon }
    }

    /// Opens `layer` at `size` if it is not, and waits for it.
    pub fn open_now(&mut self, layer: &str, size: (usize, usize)) -> Result<(), DreamError> {
        let waited = std::mem::replace(&mut self.wait, true);
        let result = self.open(Graphs { layer, sizes: &[size] }, None);
        self.wait = waited;
        result.map(drop)
    }

    /// When it is time, asks for one of the `wanted` anew that fell back to the CPU, and at once for one that waits for its engine.
    /// It serves until the better one comes.
    fn mend(&mut self, wanted: Graphs) -> Result<(), DreamError> {
        // Films are not changed from frame to frame: another provider's pictures are a little different.
        if self.wait || !self.coming.is_empty() {
            return Ok(());
        }
        let is_makeshift = |ascent: &Ascent| ascent.is_makeshift() || ascent.waits_for_engine();
        let makeshift = self.open.iter().find(|(key, ascent)| is_makeshift(ascent) && wanted.contain(key));
        let Some((key, ascent)) = makeshift else {
            self.mend_at = None;
            self.mend_waits.reset();
            return Ok(());
        };
        let request = Request { key: key.clone(), way: Way::Better(ascent.provider()) };
        let (now, waits_for_engine) = (Instant::now(), ascent.waits_for_engine());
        let first = || if waits_for_engine { now } else { now + self.mend_waits.wait() };
        let due = *self.mend_at.get_or_insert_with(first);
        if now < due {
            return Ok(());
        }
        self.mend_at = Some(now + self.mend_waits.wait());
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = vec![key.clone()];
        self.ask(request)
    }

    fn ask(&mut self, request: Request) -> Result<(), DreamError> {
        let key = request.key.clone();
        let thread = if request.way == Way::Soon { &self.requests } else { &self.builds };
        thread.send(request).map_err(|_| DreamError::NotOpened { layer: key.layer.clone() })?;
        self.coming.push(key);
        Ok(())
    }

    fn take_in(
        &mut self,
        (Request { key, way }, answer): (Request, Answer),
        wanted: Graphs,
        meanwhile: Option<Graphs>,
    ) -> Result<(), DreamError> {
        self.coming.retain(|k| *k != key);
        match answer {
            None => Ok(()),
            Some(Ok(ascent)) if self.is_open(&key) => {
                // The others are probably mended too: the next at once.
                self.mend_at = Some(Instant::now());
                self.open.retain(|(k, _)| *k != key);
                self.open.push((key, ascent));
                Ok(())
            }
            Some(Ok(ascent)) => {
                let in_use = |key: &Key| wanted.contain(key) || meanwhile.is_some_and(|graphs| graphs.contain(key));
                while self.open.len() >= MOST_OPEN {
                    // The longest unused that is not in use right now.
                    let Some(oldest) = self.open.iter().position(|(k, _)| !in_use(k)) else { break };
                    self.open.remove(oldest);
                }
                self.open.push((key, ascent));
                Ok(())
            }
            Some(Err(error)) if matches!(way, Way::Better(_)) => {
                if !self.told.contains(&key) {
                    tracing::warn!("layer {} stays where it runs: {error}", key.layer);
                    self.told.push(key);
                }
                Ok(())
            }
            Some(Err(error)) if meanwhile.is_some() || wanted.can_do_without(&key) => {
                if !self.told.contains(&key) {
                    let (layer, (width, height)) = (&key.layer, key.size);
                    let instead = match wanted.can_do_without(&key) {
                        true => "this octave is left out",
                        false => "what was dreamed before goes on",
                    };
                    tracing::warn!("layer {layer} at {width}x{height}: {error}; {instead}");
                    self.told.push(key.clone());
                }
                self.broken.push((key, Instant::now()));
                Ok(())
            }
            Some(Err(error)) => Err(error),
        }
    }

    fn is_open(&self, key: &Key) -> bool {
        self.open.iter().any(|(k, _)| k == key)
    }

    fn is_broken(&self, key: &Key) -> bool {
        self.broken.iter().any(|(k, _)| k == key)
    }

    /// Whether `layer` may be asked for at `size`: it was not found a moment ago that it cannot be opened.
    pub fn can_open(&self, layer: &str, size: (usize, usize)) -> bool {
        !self.broken.iter().any(|(key, _)| key.layer == layer && key.size == size)
    }

    /// Whether all of `graphs` are open.
    pub fn has(&self, graphs: Graphs) -> bool {
        let is_open = |size| self.open.iter().any(|(k, _)| k.layer == graphs.layer && k.size == size);
        graphs.sizes.iter().all(|&size| is_open(size))
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
        self.broken.clear();
    }
}

fn open_graph(runtime: &Runtime, catalogue: &Catalogue, request: &Request) -> Result<Ascent, DreamError> {
    let (folder, manifest, layer) = catalogue.layer(&request.key.layer)?;
    let graph = Graph { folder, manifest, layer, size: request.key.size };
    let opened = match request.way {
        Way::Soon => Ascent::open_soon(runtime, graph),
        Way::Best => Ascent::open(runtime, graph),
        Way::Better(provider) => Ascent::open_better(runtime, provider, graph),
    };
    opened.map_err(RuntimeError::into)
}
