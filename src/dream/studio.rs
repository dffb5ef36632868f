//! The open graphs, and the thread that opens them.
//!
//! Opening takes a fraction of a second on a CPU and minutes where an engine is built: it is done aside, while the
//! dream goes on with the graphs there are.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::DreamError;
use crate::pack::{Catalogue, Neurons};
use crate::runtime::{Ascent, Runtime, RuntimeError};

/// More open graphs than this are let go, the longest unused first, unless one picture needs more. Each holds tens of
/// megabytes: three layers of two octaves, so that a change and a change back are at hand.
const MOST_OPEN: usize = 6;

/// Which graph: a layer at a picture size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub layer: String,
    pub size: (usize, usize),
}

/// The open graphs, the most recently used last.
pub struct Studio {
    catalogue: Arc<Catalogue>,
    open: Vec<(Key, Ascent)>,
    /// Asked for and not yet come.
    coming: VecDeque<Key>,
    requests: Sender<Key>,
    results: Receiver<(Key, Result<Ascent, DreamError>)>,
    /// Wait for graphs rather than go on without.
    wait: bool,
    /// The choice of neurons last asked for and its weights.
    neurons: Option<(String, Neurons, Vec<f32>)>,
    /// A graph that could not be opened while others could: told once, not tried again until forgotten.
    broken: Vec<Key>,
}

impl Studio {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>) -> Studio {
        let (requests, asked) = channel::<Key>();
        let (answers, results) = channel();
        let shelf = Arc::clone(&catalogue);
        // It ends when the studio, and with it `requests`, is gone; an engine half built is not waited for.
        std::thread::Builder::new()
            .name("open-graphs".to_owned())
            .spawn(move || {
                while let Ok(key) = asked.recv() {
                    let result = open_graph(&runtime, &shelf, &key);
                    if answers.send((key, result)).is_err() {
                        break;
                    }
                }
            })
            .expect("a thread can be started");
        Studio {
            catalogue,
            open: Vec::new(),
            coming: VecDeque::new(),
            requests,
            results,
            wait: false,
            neurons: None,
            broken: Vec::new(),
        }
    }

    pub fn wait_for_graphs(&mut self) {
        self.wait = true;
    }

    /// Sees to it that `layer` is or will be open at all of `sizes`; returns whether it is. With `has_other` a graph
    /// that cannot be opened is a warning, for the dream can go on without it.
    pub fn open(&mut self, layer: &str, sizes: &[(usize, usize)], has_other: bool) -> Result<bool, DreamError> {
        self.catalogue.layer(layer)?;
        let gone = || DreamError::NotOpened { layer: layer.to_owned() };
        let keys: Vec<Key> = sizes.iter().map(|&size| Key { layer: layer.to_owned(), size }).collect();
        for key in &keys {
            let known = self.open.iter().any(|(k, _)| k == key) || self.coming.contains(key);
            if !known && !self.broken.contains(key) {
                self.requests.send(key.clone()).map_err(|_| gone())?;
                self.coming.push_back(key.clone());
            }
        }
        while self.wait && keys.iter().any(|key| self.coming.contains(key)) {
            let answer = self.results.recv().map_err(|_| gone())?;
            self.take_in(answer, &keys, has_other)?;
        }
        while let Ok(answer) = self.results.try_recv() {
            self.take_in(answer, &keys, has_other)?;
        }
        Ok(keys.iter().all(|key| self.is_open(key)))
    }

    /// Opens `layer` at `size` if it is not, and waits for it.
    pub fn open_now(&mut self, layer: &str, size: (usize, usize)) -> Result<(), DreamError> {
        let waited = std::mem::replace(&mut self.wait, true);
        let result = self.open(layer, &[size], false);
        self.wait = waited;
        result.map(drop)
    }

    fn take_in(
        &mut self,
        (key, result): (Key, Result<Ascent, DreamError>),
        wanted: &[Key],
        has_other: bool,
    ) -> Result<(), DreamError> {
        self.coming.retain(|k| *k != key);
        match result {
            Ok(ascent) => {
                while self.open.len() >= MOST_OPEN.max(wanted.len()) {
                    // The longest unused that is not wanted right now.
                    let Some(oldest) = self.open.iter().position(|(k, _)| !wanted.contains(k)) else { break };
                    self.open.remove(oldest);
                }
                self.open.push((key, ascent));
                Ok(())
            }
            Err(error) if has_other => {
                tracing::warn!("layer {} cannot be dreamed: {error}; the last one goes on", key.layer);
                self.broken.push(key);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn is_open(&self, key: &Key) -> bool {
        self.open.iter().any(|(k, _)| k == key)
    }

    /// Whether `layer` is open at all of `sizes`.
    pub fn has(&self, layer: &str, sizes: &[(usize, usize)]) -> bool {
        sizes.iter().all(|&size| self.open.iter().any(|(k, _)| k.layer == layer && k.size == size))
    }

    /// An open graph, which becomes the most recently used.
    pub fn ascent(&mut self, layer: &str, size: (usize, usize)) -> Result<&mut Ascent, DreamError> {
        let place = self.open.iter().position(|(k, _)| k.layer == layer && k.size == size);
        let place = place.ok_or_else(|| DreamError::NotOpened { layer: layer.to_owned() })?;
        let last = self.open.len() - 1;
        self.open[place..].rotate_left(1);
        Ok(&mut self.open[last].1)
    }

    /// The weights of `neurons` in `layer`, kept from frame to frame.
    pub fn neurons(&mut self, layer: &str, neurons: &Neurons) -> Result<Vec<f32>, DreamError> {
        match &self.neurons {
            Some((l, n, weights)) if l == layer && n == neurons => Ok(weights.clone()),
            _ => {
                let weights = neurons.weights(self.catalogue.layer(layer)?.2)?;
                self.neurons = Some((layer.to_owned(), neurons.clone(), weights.clone()));
                Ok(weights)
            }
        }
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
