//! TensorRT's engines of layers that scenes name, built while nobody is there: one takes minutes, and the layer it is of would be dreamed with more
//! slowly until then.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::compose::FramePlan;
use crate::pack::Catalogue;
use crate::runtime::{Ascent, Frame, FrameAscent, Graph, Runtime, RuntimeError};

/// Engines that are built ahead at most, half of those that are kept, and of so many layers.
const MOST_ENGINES: usize = 12;
const MOST_LAYERS: usize = 4;

/// A graph that wants an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Of a step, at this size.
    Step { layer: String, size: (usize, usize) },
    /// Of a whole frame.
    Frame { layer: String, plan: FramePlan },
}

/// Builds the engine of a job, where there is none yet.
type Build = Arc<dyn Fn(&Job) -> Result<(), String> + Send + Sync>;

/// Builds one engine after the other.
pub struct EnginesAhead {
    build: Build,
    layers: Vec<String>,
    /// What was asked for, whatever came of it.
    done: Vec<Job>,
    running: Option<JoinHandle<()>>,
}

impl EnginesAhead {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>) -> EnginesAhead {
        EnginesAhead::with(Arc::new(move |job| build(&runtime, &catalogue, job)))
    }

    fn with(build: Build) -> EnginesAhead {
        EnginesAhead { build, layers: Vec::new(), done: Vec::new(), running: None }
    }

    /// The layers that are likely to be dreamed with, the likeliest first.
    pub fn set_layers(&mut self, layers: Vec<String>) {
        self.layers = layers;
        self.layers.truncate(MOST_LAYERS);
    }

    /// Begins with the next engine at `plan`, where none is being built. To be called while nobody is there.
    pub fn go_on(&mut self, plan: &FramePlan, are_frames_whole: bool) {
        if self.running.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let Some(job) = self.next(plan, are_frames_whole) else { return };
        self.done.retain(|done| done.plan_is_of(plan));
        self.done.push(job.clone());
        let build = Arc::clone(&self.build);
        let work = move || {
            if let Err(reason) = build(&job) {
                tracing::debug!("no engine is built ahead for {job:?}: {reason}");
            }
        };
        self.running = std::thread::Builder::new().name("engines-ahead".to_owned()).spawn(work).ok();
    }

    fn next(&self, plan: &FramePlan, are_frames_whole: bool) -> Option<Job> {
        let layers = MOST_ENGINES / (plan.octaves.len() + 1);
        let jobs = self.layers.iter().take(layers).flat_map(|layer| {
            let steps = plan.octaves.iter().map(|&size| Job::Step { layer: layer.clone(), size });
            let frame = Job::Frame { layer: layer.clone(), plan: plan.clone() };
            steps.chain(are_frames_whole.then_some(frame))
        });
        jobs.into_iter().find(|job| !self.done.contains(job))
    }
}

impl Job {
    /// Whether it is one of those at `plan`.
    fn plan_is_of(&self, plan: &FramePlan) -> bool {
        match self {
            Job::Step { size, .. } => plan.octaves.contains(size),
            Job::Frame { plan: own, .. } => own == plan,
        }
    }
}

fn build(runtime: &Runtime, catalogue: &Catalogue, job: &Job) -> Result<(), String> {
    let described = |error: RuntimeError| error.to_string();
    let (Job::Step { layer, .. } | Job::Frame { layer, .. }) = job;
    let (folder, manifest, layer) = catalogue.layer(layer).map_err(|error| error.to_string())?;
    match job {
        Job::Step { size, .. } => {
            Ascent::build_engine(runtime, Graph { folder, manifest, layer, size: *size }).map_err(described)
        }
        Job::Frame { plan, .. } => {
            FrameAscent::build_engine(runtime, &Frame { layers: vec![(folder, manifest, layer)], plan })
                .map_err(described)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn plan(width: usize) -> FramePlan {
        FramePlan { size: (width, 90), octaves: vec![(width / 2, 90), (width, 90)], steps: 2, parts: 1 }
    }

    /// One whose builds are told, and fail.
    fn ahead() -> (EnginesAhead, Receiver<Job>) {
        let (told, jobs) = channel();
        let told = std::sync::Mutex::new(told);
        let build = move |job: &Job| {
            told.lock().unwrap().send(job.clone()).unwrap();
            Err("there is no TensorRT here".to_owned())
        };
        (EnginesAhead::with(Arc::new(build)), jobs)
    }

    /// All that it builds, one after the other.
    fn built(ahead: &mut EnginesAhead, jobs: &Receiver<Job>, plan: &FramePlan) -> Vec<Job> {
        let mut built = Vec::new();
        while ahead.next(plan, true).is_some() {
            ahead.go_on(plan, true);
            built.push(jobs.recv_timeout(PATIENCE).expect("it builds"));
            ahead.running.take().unwrap().join().unwrap();
        }
        built
    }

    #[test]
    fn each_engine_of_the_likeliest_layers_is_built_once_and_anew_at_another_size() {
        let (mut ahead, jobs) = ahead();
        ahead.go_on(&plan(160), true);
        assert!(ahead.running.is_none(), "no layer is likely yet");
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        ahead.set_layers(names.to_vec());
        let first = built(&mut ahead, &jobs, &plan(160));
        let of = |layer: &str, plan: FramePlan| {
            let step = |size| Job::Step { layer: layer.to_owned(), size };
            [step(plan.octaves[0]), step(plan.octaves[1]), Job::Frame { layer: layer.to_owned(), plan }]
        };
        let wanted: Vec<Job> = names[..MOST_LAYERS].iter().flat_map(|layer| of(layer, plan(160))).collect();
        assert_eq!(first, wanted);
        assert_eq!(built(&mut ahead, &jobs, &plan(160)), []);
        assert_eq!(built(&mut ahead, &jobs, &plan(320)).len(), wanted.len() - MOST_LAYERS, "(160, 90) is of both");
        ahead.set_layers(vec!["f".to_owned()]);
        assert_eq!(built(&mut ahead, &jobs, &plan(320)), of("f", plan(320)));
    }

    #[test]
    fn one_is_built_at_a_time() {
        let (told, jobs) = channel();
        let (go, gate) = channel::<()>();
        let (told, gate) = (std::sync::Mutex::new(told), std::sync::Mutex::new(gate));
        let build = move |job: &Job| {
            told.lock().unwrap().send(job.clone()).unwrap();
            gate.lock().unwrap().recv().map_err(|e| e.to_string())
        };
        let mut ahead = EnginesAhead::with(Arc::new(build));
        ahead.set_layers(vec!["a".to_owned()]);
        ahead.go_on(&plan(160), false);
        jobs.recv_timeout(PATIENCE).unwrap();
        ahead.go_on(&plan(160), false);
        assert_eq!(ahead.done.len(), 1);
        go.send(()).unwrap();
        ahead.running.take().unwrap().join().unwrap();
        assert!(jobs.try_recv().is_err());
    }
}
