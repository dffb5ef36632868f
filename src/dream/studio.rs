//! The open graphs, and the thread that opens them.
//!
//! Opening takes a fraction of a second on a CPU and minutes where an engine is built: it is done aside, while the
//! dream goes on with the graphs there are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DreamError;
use crate::pack::Catalogue;
use crate::runtime::{Ascent, Runtime, RuntimeError};

/// More open graphs than this are let go, the longest unused first, unless those wanted and those dreamed with meanwhile
/// are more. Each holds tens of megabytes: three layers of two octaves, so that a change and a change back are at hand.
const MOST_OPEN: usize = 6;
/// A graph that could not be opened is tried again after so long: what it lacked may have come.
const AGAIN: Duration = Duration::from_secs(60);

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
    fn contain(&self, key: &Key) -> bool {
        key.layer == self.layer && self.sizes.contains(&key.size)
    }
}

/// How far the opening of graphs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    Done,
    /// Not all are open yet.
    Coming,
    /// One of them cannot be opened, at least for now.
    Refused,
}

/// The open graphs, the most recently used last.
pub struct Studio {
    catalogue: Arc<Catalogue>,
    open: Vec<(Key, Ascent)>,
    /// Asked for and not yet come.
    coming: Vec<Key>,
    requests: Sender<Key>,
    results: Receiver<(Key, Answer)>,
    /// What is wanted at present: of what was asked for, only that is still opened.
    wanted: Arc<Mutex<Vec<Key>>>,
    /// Wait for graphs rather than go on without.
    wait: bool,
    /// Graphs that could not be opened while there were others to go on with, and when that was.
    broken: Vec<(Key, Instant)>,
    /// Those that were told in the log: each is told once.
    told: Vec<Key>,
}

/// An opened graph, or why not; none where nobody wanted it any more when its turn came.
type Answer = Option<Result<Ascent, DreamError>>;

impl Studio {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>) -> Studio {
        let (requests, asked) = channel::<Key>();
        let (answers, results) = channel();
        let shelf = Arc::clone(&catalogue);
        let wanted = Arc::<Mutex<Vec<Key>>>::default();
        let list = Arc::clone(&wanted);
        // It ends when the studio, and with it `requests`, is gone; an engine half built is not waited for.
        std::thread::Builder::new()
            .name("open-graphs".to_owned())
            .spawn(move || {
                while let Ok(key) = asked.recv() {
                    let is_wanted = list.lock().unwrap_or_else(PoisonError::into_inner).contains(&key);
                    // A panic in there must not end the opening of all others.
                    let open = || catch_unwind(AssertUnwindSafe(|| open_graph(&runtime, &shelf, &key)));
                    let answer = is_wanted
                        .then(|| open().unwrap_or_else(|_| Err(DreamError::NotOpened { layer: key.layer.clone() })));
                    if answers.send((key, answer)).is_err() {
                        break;
                    }
                }
            })
            .expect("a thread can be started");
        Studio {
            catalogue,
            open: Vec::new(),
            coming: Vec::new(),
            requests,
            results,
            wanted,
            wait: false,
            broken: Vec::new(),
            told: Vec::new(),
        }
    }

    pub fn wait_for_graphs(&mut self) {
        self.wait = true;
    }

    /// Sees to it that the `wanted` graphs are or will be open. `meanwhile` are those, open already, that the dream goes on
    /// with until then: they are not let go for the new ones, and with them a graph that cannot be opened is a warning.
    pub fn open(&mut self, wanted: Graphs, meanwhile: Option<Graphs>) -> Result<Opening, DreamError> {
        self.catalogue.layer(wanted.layer)?;
        self.broken.retain(|(_, since)| since.elapsed() < AGAIN);
        if self.has(wanted) && self.coming.is_empty() {
            return Ok(Opening::Done);
        }
        let keys: Vec<Key> = wanted.sizes.iter().map(|&size| Key { layer: wanted.layer.to_owned(), size }).collect();
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&keys);
        for key in &keys {
            let known = self.is_open(key) || self.coming.contains(key) || self.is_broken(key);
            if !known {
                let gone = |_| DreamError::NotOpened { layer: wanted.layer.to_owned() };
                self.requests.send(key.clone()).map_err(gone)?;
                self.coming.push(key.clone());
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
            () if keys.iter().any(|key| self.is_broken(key)) => Opening::Refused,
            () => Opening::Coming,
        })
    }

    /// Opens `layer` at `size` if it is not, and waits for it.
    pub fn open_now(&mut self, layer: &str, size: (usize, usize)) -> Result<(), DreamError> {
        let waited = std::mem::replace(&mut self.wait, true);
        let result = self.open(Graphs { layer, sizes: &[size] }, None);
        self.wait = waited;
        result.map(drop)
    }

    fn take_in(
        &mut self,
        (key, answer): (Key, Answer),
        wanted: Graphs,
        meanwhile: Option<Graphs>,
    ) -> Result<(), DreamError> {
        self.coming.retain(|k| *k != key);
        match answer {
            None => Ok(()),
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
            Some(Err(error)) if meanwhile.is_some() => {
                if !self.told.contains(&key) {
                    let (layer, (width, height)) = (&key.layer, key.size);
                    tracing::warn!("layer {layer} at {width}x{height}: {error}; what was dreamed before goes on");
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

fn open_graph(runtime: &Runtime, catalogue: &Catalogue, key: &Key) -> Result<Ascent, DreamError> {
    let (dir, manifest, layer) = catalogue.layer(&key.layer)?;
    Ascent::open(runtime, dir, manifest, layer, key.size.0, key.size.1).map_err(RuntimeError::into)
}
