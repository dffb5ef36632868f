//! A graph open on a provider, and the tensors that it and we exchange; how the provider is chosen that can run it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ort::memory::Allocator;
use ort::session::builder::SessionBuilder;
use ort::session::{IoBinding, Session};
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};

use super::captures::Captures;
use super::device_tensors::DeviceTensors;
use super::engines::Place;
use super::library::SHARED_MEMORY;
use super::placement::{ProfileFolder, nodes_by_provider};
use super::{Provider, Runtime, RuntimeError};

/// A graph that can be opened.
pub(super) trait Source {
    /// The file that it is, or is made of: errors name it.
    fn file(&self) -> PathBuf;
    /// What it is called in the log.
    fn label(&self) -> String;
    /// Where TensorRT's engine of it is kept; none where none is.
    fn engine(&self, runtime: &Runtime) -> Option<Place>;
    /// Loads it, to run on `provider`.
    fn load(&self, runtime: &Runtime, builder: SessionBuilder, provider: Provider) -> ort::Result<Session>;
    /// What is exchanged with it. The error says how the loaded graph breaks its contract.
    fn interface(&self, session: &Session) -> Result<Interface, String>;
    /// Whether it is worth to be captured as a CUDA graph, its tensors kept on the device.
    fn is_whole_frame(&self) -> bool;
    /// Whether only a run can say that it works at this size.
    fn needs_trial(&self) -> bool;
}

/// The tensors that a graph is given and gives, by name and shape.
pub(super) struct Interface {
    pub inputs: Vec<(String, Input)>,
    /// Inputs that stay as they are.
    pub constants: Vec<(String, Tensor<f32>)>,
    /// All of floats.
    pub outputs: Vec<(String, Vec<i64>)>,
}

/// An input.
pub(super) enum Input {
    Floats(Tensor<f32>),
    Ints(Tensor<i64>),
}

impl Input {
    /// Room for floats in this shape.
    pub fn floats(shape: &[i64]) -> Result<Input, String> {
        Tensor::new(&Allocator::default(), shape.to_vec()).map(Input::Floats).map_err(|e| first_line(&e))
    }

    /// Room for a row of whole numbers.
    pub fn ints(length: usize) -> Result<Input, String> {
        Tensor::new(&Allocator::default(), [length]).map(Input::Ints).map_err(|e| first_line(&e))
    }

    fn bytes(&self) -> usize {
        match self {
            Input::Floats(tensor) => size_of_val(tensor.extract_tensor().1),
            Input::Ints(tensor) => size_of_val(tensor.extract_tensor().1),
        }
    }
}

/// An open graph. Tensors are allocated once and reused by every run.
pub(super) struct OpenGraph {
    file: PathBuf,
    provider: Provider,
    session: Session,
    binding: IoBinding,
    inputs: Vec<(String, Input)>,
    outputs: Vec<Tensor<f32>>,
    /// Not dropped before the session, which reads them in each run.
    _constants: Vec<(String, Tensor<f32>)>,
    reached: Reached,
    is_fallback: bool,
    waits_for_engine: bool,
}

/// How the session gets at our tensors.
enum Reached {
    /// It reads and writes them where they lie.
    InPlace,
    /// Each run copies them to its device and back.
    Copied,
    /// They have their places on the device, to and from which we copy.
    OnDevice { places: DeviceTensors, recorder: Arc<Captures>, is_recorded: bool },
}

/// What happens where TensorRT has no engine of the graph yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MissingEngine {
    /// It is built, which may take minutes.
    Build,
    /// The next provider is taken.
    Skip,
}

impl OpenGraph {
    /// Opens `source` on the first of `providers` that can.
    pub fn on_first(
        runtime: &Runtime,
        providers: &[Provider],
        source: &dyn Source,
        missing_engine: MissingEngine,
    ) -> Result<OpenGraph, RuntimeError> {
        let started = Instant::now();
        // The provider, why it failed, and whether it is not installed at all.
        let mut failures: Vec<(Provider, String, bool)> = Vec::new();
        let (mut may_recover, mut waits_for_engine) = (false, false);
        let has_engine = || source.engine(runtime).is_some_and(|place| place.is_built());
        for (place, &provider) in providers.iter().enumerate() {
            let is_last = place + 1 == providers.len();
            let opened = match missing_engine {
                MissingEngine::Skip if provider == Provider::TensorRt && !is_last && !has_engine() => {
                    if let Err(error) = probe(runtime, provider) {
                        Err(error)
                    } else {
                        waits_for_engine = true;
                        continue;
                    }
                }
                _ => OpenGraph::on(runtime, provider, source),
            };
            match opened {
                Ok(mut graph) => {
                    // Where all fail it is the graph's fault as likely as theirs, and the error says so.
                    failures.iter().for_each(|(provider, reason, _)| runtime.warn_unusable(*provider, reason));
                    graph.is_fallback = may_recover && graph.provider == Provider::Cpu;
                    graph.waits_for_engine = waits_for_engine;
                    let (label, provider) = (source.label(), graph.provider);
                    tracing::debug!("opened {label} on {provider} in {:.0?}", started.elapsed());
                    return Ok(graph);
                }
                // The same on every provider.
                Err(error @ RuntimeError::Graph { .. }) => return Err(error),
                Err(error) => {
                    let is_absent = matches!(error, RuntimeError::Absent { .. });
                    may_recover |= !is_absent;
                    let reason = match error {
                        RuntimeError::Start { reason } | RuntimeError::Absent { reason } => reason,
                        other => other.to_string(),
                    };
                    failures.push((provider, reason, is_absent));
                }
            }
        }
        // A provider that is not installed explains nothing where another failed.
        let (absent, tried): (Vec<_>, Vec<_>) = failures.into_iter().partition(|(_, _, is_absent)| *is_absent);
        let reported = if tried.is_empty() { absent } else { tried };
        let reasons: Vec<String> =
            reported.iter().map(|(provider, reason, _)| format!("{provider}: {reason}")).collect();
        Err(RuntimeError::NoProvider { graph: source.file(), reasons: reasons.join("; ") })
    }

    /// Has TensorRT build and store its engine of `source`, where there is none.
    pub fn build_engine(runtime: &Runtime, source: &dyn Source) -> Result<(), RuntimeError> {
        let is_built = source.engine(runtime).is_none_or(|place| place.is_built());
        if !is_built {
            let open = OpenGraph::on(runtime, Provider::TensorRt, source)?;
            // Closing gives memory back.
            let _opening = runtime.captures().opening();
            drop(open);
        }
        Ok(())
    }

    /// Opens on `provider`, TensorRT with the stored engine where there is one; an engine that it rejects is rebuilt.
    fn on(runtime: &Runtime, provider: Provider, source: &dyn Source) -> Result<OpenGraph, RuntimeError> {
        let place = match provider {
            Provider::TensorRt => source.engine(runtime),
            Provider::Cuda | Provider::Cpu => None,
        };
        let Some(place) = place else { return OpenGraph::captured(runtime, provider, source, None) };
        // They share what was measured, and the room there is: one is built after the other, from whichever thread. One that is there is opened beside.
        static BUILDING: Mutex<()> = Mutex::new(());
        let building = || BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut _building = (!place.is_built()).then(building);
        let cannot_store = |error: std::io::Error| {
            tracing::warn!("cannot store an engine in {}: {error}; every start rebuilds it", place.engine.display());
        };
        // Before folders are made for it.
        probe(runtime, provider)?;
        let had_engine = match place.prepare() {
            Ok(had_engine) => had_engine,
            Err(error) => {
                cannot_store(error);
                return OpenGraph::captured(runtime, provider, source, None);
            }
        };
        if !had_engine {
            tracing::info!("TensorRT builds an engine for {}, which may take minutes", place.engine.display());
        }
        let opened = OpenGraph::captured(runtime, provider, source, Some(&place)).or_else(|error| {
            if !had_engine || matches!(error, RuntimeError::Absent { .. } | RuntimeError::Graph { .. }) {
                return Err(error);
            }
            tracing::warn!("TensorRT rejects the engine in {} ({error}); it is rebuilt", place.engine.display());
            _building = _building.take().or_else(|| Some(building()));
            place.remove();
            place.prepare().map_err(|error| RuntimeError::Start { reason: error.to_string() })?;
            OpenGraph::captured(runtime, provider, source, Some(&place))
        })?;
        // One that took no node has nothing to store.
        if opened.provider == Provider::TensorRt {
            place.seal().unwrap_or_else(cannot_store);
        }
        Ok(opened)
    }

    /// Opens a whole frame so that it can be recorded as a CUDA graph, where it can.
    fn captured(
        runtime: &Runtime,
        provider: Provider,
        source: &dyn Source,
        engine: Option<&Place>,
    ) -> Result<OpenGraph, RuntimeError> {
        let _opening = (provider != Provider::Cpu).then(|| runtime.captures().opening());
        if provider != Provider::Cpu && source.is_whole_frame() && runtime.captures().are_wanted() {
            match OpenGraph::with(runtime, provider, source, engine, true) {
                Err(error @ RuntimeError::Start { .. } | error @ RuntimeError::Run { .. }) => {
                    tracing::debug!("{} is run without a CUDA graph: {error}", source.label());
                }
                opened => return opened,
            }
        }
        OpenGraph::with(runtime, provider, source, engine, false)
    }

    fn with(
        runtime: &Runtime,
        provider: Provider,
        source: &dyn Source,
        engine: Option<&Place>,
        is_captured: bool,
    ) -> Result<OpenGraph, RuntimeError> {
        let failed = |e: &dyn std::fmt::Display| RuntimeError::Start { reason: first_line(e) };
        // A graph that is to be recorded is not opened unless the provider takes all of it, and its first run is where it is recorded.
        let is_tried = provider != Provider::Cpu && !is_captured;
        // Dropped after the session, which writes its profile at the latest then.
        let profile = is_tried.then(ProfileFolder::new).flatten();
        let session = {
            let mut builder = Session::builder(runtime.environment())
                .and_then(|b| Ok(b.with_config_entry(SHARED_MEMORY.0, SHARED_MEMORY.1)?))
                .and_then(|b| if provider == Provider::Cpu { Ok(b) } else { on_gpu(b) })
                .and_then(|b| match &profile {
                    Some(folder) => Ok(b.with_profiling(folder.prefix())?),
                    None => Ok(b),
                })
                .map_err(|e| failed(&e))?;
            provider
                .register(&mut builder, runtime.engines().fp16, engine, is_captured)
                .map_err(|e| RuntimeError::Absent { reason: first_line(&e) })?;
            source.load(runtime, builder, provider).map_err(|e| failed(&e))?
        };
        let broken = |reason: String| RuntimeError::Graph { graph: source.file(), reason };
        let Interface { inputs, constants, outputs } = source.interface(&session).map_err(broken)?;
        let mut binding = session.create_binding().map_err(|e| failed(&e))?;
        let mut tensors = Vec::new();
        for (_, shape) in &outputs {
            tensors.push(Tensor::new(&Allocator::default(), shape.clone()).map_err(|e| failed(&e))?);
        }
        let reached = match provider {
            Provider::Cpu => Reached::InPlace,
            _ if is_captured => {
                let places = DeviceTensors::bind(&session, &mut binding, &inputs, &outputs);
                let recorder = Arc::clone(runtime.captures());
                Reached::OnDevice { places: places.map_err(|e| failed(&e))?, recorder, is_recorded: false }
            }
            _ => Reached::Copied,
        };
        let bound = constants.iter().try_for_each(|(name, value)| binding.bind_input(name.as_str(), value));
        let bound = bound.and_then(|()| {
            if matches!(reached, Reached::OnDevice { .. }) {
                return Ok(());
            }
            bind_inputs(&mut binding, &inputs)?;
            outputs.iter().zip(&mut tensors).try_for_each(|((name, _), to)| binding.bind_output(name.as_str(), to))
        });
        bound.map_err(|e| match provider {
            Provider::Cpu => broken(first_line(&e)),
            // Binding copies to the GPU, and that may lack the memory.
            _ => failed(&e),
        })?;
        let mut graph = OpenGraph {
            file: source.file(),
            provider,
            session,
            binding,
            inputs,
            outputs: tensors,
            _constants: constants,
            reached,
            is_fallback: false,
            waits_for_engine: false,
        };
        if profile.is_some() {
            graph.detect_provider(runtime)?;
        } else if source.needs_trial() {
            graph.run()?;
        }
        Ok(graph)
    }

    /// Runs once under the profiler and reads from the profile which provider took the nodes.
    fn detect_provider(&mut self, runtime: &Runtime) -> Result<(), RuntimeError> {
        self.run()?;
        let failed = |reason: String| RuntimeError::Start { reason };
        let file = self.session.end_profiling().map_err(|e| failed(first_line(&e)))?;
        let text =
            std::fs::read_to_string(&file).map_err(|e| failed(format!("cannot read the profile {file}: {e}")))?;
        let counts = nodes_by_provider(&text).map_err(|e| failed(format!("the profile {file} is not one: {e}")))?;
        tracing::debug!("nodes of {} by provider: {counts:?}", self.file.display());
        if !counts.contains_key(self.provider.ort_name()) {
            runtime.warn_unusable(self.provider, "it started but took no node of the network");
            self.provider = if counts.contains_key(Provider::Cuda.ort_name()) { Provider::Cuda } else { Provider::Cpu };
        }
        Ok(())
    }

    /// Runs it once: what is in its inputs then is read, its outputs are written.
    pub fn run(&mut self) -> Result<(), RuntimeError> {
        let sent = match &mut self.reached {
            Reached::InPlace => Ok(()),
            Reached::Copied => bind_inputs(&mut self.binding, &self.inputs),
            Reached::OnDevice { places, .. } => places.send(&self.inputs),
        };
        let run = sent.and_then(|()| self.session.run_binding(&self.binding).map(drop));
        let fetched = run.and_then(|()| match &mut self.reached {
            Reached::OnDevice { places, .. } => places.fetch(&mut self.outputs),
            Reached::InPlace | Reached::Copied => Ok(()),
        });
        let (graph, provider) = (&self.file, self.provider);
        fetched.map_err(|e| RuntimeError::Run { graph: graph.clone(), provider, reason: first_line(&e) })
    }

    /// Records its CUDA graph, where it was opened for that and has none yet, on the thread that runs it from then on. Returns whether it
    /// can be run: not before it is recorded, for which the GPU has to be free.
    pub fn record(&mut self) -> Result<bool, RuntimeError> {
        let Reached::OnDevice { recorder, is_recorded: false, .. } = &self.reached else { return Ok(true) };
        let recorder = Arc::clone(recorder);
        if !recorder.are_wanted() {
            let reason = "another could not be".to_owned();
            return Err(RuntimeError::NotRecorded { graph: self.file.clone(), reason });
        }
        let Some(_alone) = recorder.recording() else { return Ok(false) };
        let started = Instant::now();
        // ONNX Runtime runs it as often as that takes.
        self.run().map_err(|error| {
            recorder.give_up();
            RuntimeError::NotRecorded { graph: self.file.clone(), reason: error.to_string() }
        })?;
        if let Reached::OnDevice { is_recorded, .. } = &mut self.reached {
            *is_recorded = true;
        }
        tracing::debug!("recorded a CUDA graph of {} in {:.0?}", self.file.display(), started.elapsed());
        Ok(true)
    }

    /// Whether its runs replay a CUDA graph.
    pub fn is_recorded(&self) -> bool {
        matches!(self.reached, Reached::OnDevice { is_recorded: true, .. })
    }

    /// Where input number `index` is written, of floats.
    pub fn floats(&mut self, index: usize) -> &mut [f32] {
        match &mut self.inputs[index].1 {
            Input::Floats(tensor) => tensor.extract_tensor_mut().1,
            Input::Ints(_) => &mut [],
        }
    }

    /// Where input number `index` is written, of whole numbers.
    pub fn ints(&mut self, index: usize) -> &mut [i64] {
        match &mut self.inputs[index].1 {
            Input::Ints(tensor) => tensor.extract_tensor_mut().1,
            Input::Floats(_) => &mut [],
        }
    }

    /// What the last run gave as output number `index`.
    pub fn output(&self, index: usize) -> &[f32] {
        self.outputs[index].extract_tensor().1
    }

    /// Has input number `input` be what the last run gave as output number `output`.
    pub fn keep(&mut self, output: usize, input: usize) {
        if let Input::Floats(tensor) = &mut self.inputs[input].1 {
            tensor.extract_tensor_mut().1.copy_from_slice(self.outputs[output].extract_tensor().1);
        }
    }

    /// Height and width of output number `index`, where it is maps.
    pub fn output_size(&self, index: usize) -> Option<(usize, usize)> {
        match **self.outputs[index].shape() {
            [_, _, height, width] => Some((height as usize, width as usize)),
            _ => None,
        }
    }

    /// How many outputs there are.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Bytes that a run is given and gives. Where it does not run on the CPU they are copied to its device and back.
    pub fn bytes_exchanged(&self) -> usize {
        let given: usize = self.inputs.iter().map(|(_, input)| input.bytes()).sum();
        let outputs = self.outputs.iter().map(|tensor| size_of_val(tensor.extract_tensor().1));
        given + outputs.sum::<usize>()
    }

    /// What it runs on.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Whether it runs on the CPU because a GPU that is there failed, for want of memory or of its driver, which may pass.
    pub fn is_fallback(&self) -> bool {
        self.is_fallback
    }

    /// Whether TensorRT was skipped for want of an engine.
    pub fn waits_for_engine(&self) -> bool {
        self.waits_for_engine
    }
}

/// Inputs that change from run to run; on another device they are copied by binding, so they are bound anew.
fn bind_inputs(binding: &mut IoBinding, inputs: &[(String, Input)]) -> ort::Result<()> {
    inputs.iter().try_for_each(|(name, input)| match input {
        Input::Floats(tensor) => binding.bind_input(name.as_str(), tensor),
        Input::Ints(tensor) => binding.bind_input(name.as_str(), tensor),
    })
}

/// Whether `provider` and what it needs are there.
fn probe(runtime: &Runtime, provider: Provider) -> Result<(), RuntimeError> {
    let absent = |e: &dyn std::fmt::Display| RuntimeError::Absent { reason: first_line(e) };
    let mut builder = Session::builder(runtime.environment()).map_err(|e| absent(&e))?;
    provider.register(&mut builder, false, None, false).map_err(|e| absent(&e))
}

/// Has the session spare the GPU's memory, and keep to one thread of its own.
///
/// Memory: by default the first run's allocations are planned as one block for the runs after it, beside what the first
/// run took and the session keeps. Thread: the profiler, which records who took the nodes, counts in the pool of threads too and is not
/// made for several sessions in one: were it the shared one, a run on the CPU at the same time would fail.
fn on_gpu(builder: SessionBuilder) -> ort::Result<SessionBuilder> {
    Ok(builder.with_memory_pattern(false)?.with_independent_thread_pool()?.with_intra_threads(1)?)
}

/// Whether there is one called `name`, of floats in that shape as far as the graph says it.
pub(super) fn check_outlet(outlets: &[Outlet], kind: &str, name: &str, shape: &[i64]) -> Result<(), String> {
    let outlet = outlets.iter().find(|outlet| outlet.name() == name);
    let outlet = outlet.ok_or_else(|| format!("it has no {kind} `{name}`"))?;
    let fits = match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape: own, .. } => {
            own.len() == shape.len() && own.iter().zip(shape).all(|(own, wanted)| *own < 0 || own == wanted)
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("its {kind} `{name}` is {}, not f32 {shape:?}", outlet.dtype())) }
}

/// ONNX Runtime's errors go on with a stack of its own functions: the first line says what happened.
pub(super) fn first_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().trim().to_owned()
}
