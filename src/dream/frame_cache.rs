//! The open graphs of whole frames, and the thread that composes and opens them.
//!
//! Until one is open, and wherever there is none, a frame is climbed step by step: nothing waits for it but films.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::DreamError;
use crate::compose::FramePlan;
use crate::pack::Catalogue;
use crate::runtime::{Frame, FrameAscent, Provider, Runtime, RuntimeError};

/// More open graphs than this are let go, the longest unused first: the plan in use, that before it, and a fade's.
const MAX_OPEN: usize = 3;
/// A frame that could not be opened or failed is tried again after so long: what it lacked may have come.
const FAILURE_EXPIRY: Duration = Duration::from_secs(600);
/// A frame of more ascents than this is climbed step by step: its graph would have tens of thousands of nodes.
pub const MAX_ASCENTS: usize = 24;

/// Which frame: its layers, one or two that are mixed, and what is climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameKey<'a> {
    pub layer: &'a str,
    pub other: Option<&'a str>,
    /// Of the picture, and of each part.
    pub size: (usize, usize),
    /// Coarse to fine.
    pub octaves: &'a [(usize, usize)],
    pub steps: u32,
    pub parts: usize,
}

impl FrameKey<'_> {
    fn layers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.layer).chain(self.other)
    }

    fn ascents(&self) -> usize {
        (self.octaves.len() * self.steps as usize + self.parts) * self.layers().count()
    }
}

/// The same, kept.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    layers: Vec<String>,
    plan: FramePlan,
    provider: Provider,
}

impl Kept {
    fn of(key: &FrameKey, provider: Provider) -> Kept {
        let plan =
            FramePlan { size: key.size, octaves: key.octaves.to_vec(), steps: key.steps as usize, parts: key.parts };
        Kept { layers: key.layers().map(str::to_owned).collect(), plan, provider }
    }

    fn is(&self, key: &FrameKey, provider: Provider) -> bool {
        let plan = &self.plan;
        self.provider == provider
            && self.layers.iter().map(String::as_str).eq(key.layers())
            && (plan.size, plan.octaves.as_slice(), plan.parts) == (key.size, key.octaves, key.parts)
            && plan.steps == key.steps as usize
    }
}

type Answer = (Kept, Result<FrameAscent, DreamError>);

/// The open graphs of frames, the most recently used last.
pub struct FrameCache {
    runtime: Arc<Runtime>,
    catalogue: Arc<Catalogue>,
    open: Vec<(Kept, FrameAscent)>,
    /// Asked for and not yet come: one at a time.
    requested: Option<Kept>,
    /// What was asked for is not wanted any more: it was opened before everything was closed.
    is_outdated: bool,
    awaits_recording: bool,
    failed: Vec<(Kept, Instant)>,
    /// Layers whose failure was logged: each is logged once.
    logged: Vec<Vec<String>>,
    /// The thread, once there was anything to open.
    thread: Option<(Sender<Kept>, Receiver<Answer>)>,
    /// Wait for graphs rather than go on without.
    wait: bool,
}

impl FrameCache {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>) -> FrameCache {
        FrameCache {
            runtime,
            catalogue,
            open: Vec::new(),
            requested: None,
            is_outdated: false,
            awaits_recording: false,
            failed: Vec::new(),
            logged: Vec::new(),
            thread: None,
            wait: false,
        }
    }

    pub fn wait_for_graphs(&mut self) {
        self.wait = true;
    }

    /// The graph of the frame `key` on `provider`, where frames are one run there; none before it is open, and it is asked for then.
    pub fn get(&mut self, key: &FrameKey, provider: Provider) -> Option<&mut FrameAscent> {
        if !self.runs_whole_frames(provider) || key.ascents() > MAX_ASCENTS {
            return None;
        }
        // Those of a provider that serves no more keep its memory.
        self.open.retain(|(kept, _)| kept.provider == provider);
        self.take_answer(false);
        if !self.open.iter().any(|(kept, _)| kept.is(key, provider)) {
            self.request(key, provider);
            if self.wait {
                self.take_answer(true);
            }
        }
        let place = self.open.iter().position(|(kept, _)| kept.is(key, provider))?;
        self.open[place..].rotate_left(1);
        self.open.last_mut().map(|(_, ascent)| ascent)
    }

    /// Whether frames are one run on `provider`.
    pub fn runs_whole_frames(&self, provider: Provider) -> bool {
        self.runtime.runs_whole_frames(provider, self.wait)
    }

    /// Whether none is being opened.
    pub fn is_idle(&self) -> bool {
        self.requested.is_none()
    }

    /// The one in use has to be recorded first, or has been.
    pub fn set_awaits_recording(&mut self, awaits: bool) {
        self.awaits_recording = awaits;
    }

    /// Whether one is being opened, or recorded, that will be there in a moment.
    pub fn is_soon_open(&self) -> bool {
        self.awaits_recording || self.requested.as_ref().is_some_and(|kept| kept.provider != Provider::TensorRt)
    }

    /// Closes the graph of the frame `key`, which failed: for a while such frames are climbed step by step. One that cannot be recorded is opened
    /// anew, to be run without that.
    pub fn refuse(&mut self, key: &FrameKey, provider: Provider, error: &DreamError) {
        self.open.retain(|(kept, _)| !kept.is(key, provider));
        if let DreamError::Runtime(error @ RuntimeError::NotRecorded { .. }) = error {
            tracing::warn!("{error}; frames are run without");
            return;
        }
        self.fail(Kept::of(key, provider), error);
    }

    /// Closes all: they are opened anew when next wanted.
    pub fn forget(&mut self) {
        self.open.clear();
        self.is_outdated = self.requested.is_some();
    }

    fn fail(&mut self, kept: Kept, error: &DreamError) {
        if !self.logged.contains(&kept.layers) {
            tracing::warn!("layer {} is dreamed step by step: {error}", kept.layers.join(" and "));
            self.logged.push(kept.layers.clone());
        }
        self.failed.push((kept, Instant::now()));
    }

    fn request(&mut self, key: &FrameKey, provider: Provider) {
        self.failed.retain(|(_, since)| since.elapsed() < FAILURE_EXPIRY);
        if self.requested.is_some() || self.failed.iter().any(|(kept, _)| kept.is(key, provider)) {
            return;
        }
        let (requests, _) = self.thread.get_or_insert_with(|| start(&self.runtime, &self.catalogue));
        let kept = Kept::of(key, provider);
        if requests.send(kept.clone()).is_ok() {
            self.requested = Some(kept);
        }
    }

    fn take_answer(&mut self, waits: bool) {
        let (Some((_, results)), Some(_)) = (&self.thread, &self.requested) else { return };
        let answer = if waits { results.recv().ok() } else { results.try_recv().ok() };
        let Some((kept, opened)) = answer else { return };
        self.requested = None;
        if std::mem::take(&mut self.is_outdated) {
            return;
        }
        match opened {
            Ok(ascent) => {
                self.open.push((kept, ascent));
                if self.open.len() > MAX_OPEN {
                    self.open.remove(0);
                }
            }
            Err(error) => self.fail(kept, &error),
        }
    }
}

/// The thread that opens frames: it ends when the cache is gone.
fn start(runtime: &Arc<Runtime>, catalogue: &Arc<Catalogue>) -> (Sender<Kept>, Receiver<Answer>) {
    let (requests, asked) = channel::<Kept>();
    let (answers, results) = channel();
    let (runtime, catalogue) = (Arc::clone(runtime), Arc::clone(catalogue));
    let work = move || {
        while let Ok(kept) = asked.recv() {
            // A panic in there must not end the opening of all others.
            let opened = catch_unwind(AssertUnwindSafe(|| open(&runtime, &catalogue, &kept)));
            let opened = opened.unwrap_or_else(|_| Err(DreamError::NotOpened { layer: kept.layers.join(" and ") }));
            if answers.send((kept, opened)).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new().name("open-frames".to_owned()).spawn(work).expect("a thread can be started");
    (requests, results)
}

fn open(runtime: &Runtime, catalogue: &Catalogue, kept: &Kept) -> Result<FrameAscent, DreamError> {
    let layers = kept.layers.iter().map(|layer| catalogue.layer(layer)).collect::<Result<_, _>>()?;
    let opened = FrameAscent::open(runtime, kept.provider, &Frame { layers, plan: &kept.plan });
    opened.map_err(RuntimeError::into)
}
