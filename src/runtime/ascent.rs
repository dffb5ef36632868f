//! A layer's graph opened at one size: one run is one step of gradient ascent on the picture.

use std::path::{Path, PathBuf};
use std::time::Instant;

use ort::memory::Allocator;
use ort::session::builder::SessionBuilder;
use ort::session::{IoBinding, Session};
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};

use super::engines::Place;
use super::library::SHARED_MEMORY;
use super::placement::{ProfileFolder, nodes_by_provider};
use super::{Provider, Runtime, RuntimeError};
use crate::pack::{Layer, Manifest};
use crate::pixel::{Picture, roll};

/// What directs one ascent (`deploy/reference/graph-pack.md`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Controls<'a> {
    /// Signed weight of each of the layer's channels.
    pub neurons: &'a [f32],
    /// Mean change of the picture's values (0..1): the `step` parameter ÷ 255.
    pub step: f32,
    /// 0 = raw gradient … 1 = full Laplacian-pyramid normalisation.
    pub smoothing: f32,
    /// 0 = free … 1 = gradient through ImageNet's colour correlation.
    pub colour: f32,
    /// Pixels that the picture is rolled to the right and down before the run, and back after it.
    pub shift: (i32, i32),
}

/// A layer's graph of a pack, and the picture size it is to be opened at.
#[derive(Debug, Clone, Copy)]
pub struct Graph<'a> {
    pub folder: &'a Path,
    pub manifest: &'a Manifest,
    pub layer: &'a Layer,
    /// Width and height.
    pub size: (usize, usize),
}

/// What one ascent gives besides the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AscentResult<'a> {
    /// Mean activation of each channel before the step.
    pub activation: &'a [f32],
    /// The objective before the step, of graphs that have it as an output.
    pub objective: Option<f32>,
}

/// A layer's graph, opened on one provider at one picture size. Tensors are allocated once and reused by every run.
pub struct Ascent {
    graph: PathBuf,
    provider: Provider,
    width: usize,
    height: usize,
    session: Session,
    binding: IoBinding,
    tensors: Tensors,
    /// Whether the session reads our tensors where they lie. If not, each run copies them to its device.
    in_place: bool,
    is_fallback: bool,
    waits_for_engine: bool,
}

/// In a picture with a shorter side a network may have no position at all, which only a run finds out: one is made where the
/// graph is opened. It takes a moment.
const TRIAL_RUN_BELOW: usize = 128;

/// What happens where TensorRT has no engine of the graph yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingEngine {
    /// It is built, which may take minutes.
    Build,
    /// The next provider is taken.
    Skip,
}

fn has_engine(runtime: &Runtime, graph: &Graph) -> bool {
    runtime.engines().place(graph, runtime.version()).is_some_and(|place| place.is_built())
}

struct Tensors {
    image: Tensor<f32>,
    neurons: Tensor<f32>,
    step: Tensor<f32>,
    smoothing: Tensor<f32>,
    colour: Tensor<f32>,
    /// Inputs of later graphs, at the defaults their pack states.
    extra: Vec<(String, Tensor<f32>)>,
    dreamed: Tensor<f32>,
    activation: Tensor<f32>,
    objective: Option<Tensor<f32>>,
}

impl Tensors {
    fn new(session: &Session, layer: &Layer, width: usize, height: usize) -> ort::Result<Tensors> {
        let tensor = |shape: &[i64]| Tensor::<f32>::new(&Allocator::default(), shape.to_vec());
        let picture = [1, 3, height as i64, width as i64];
        let channels = [layer.channels as i64];
        let has_objective = session.outputs().iter().any(|output| output.name() == "objective");
        let extra = layer.inputs.iter().map(|(name, values)| {
            let shape = input_shape(session, name, values.len());
            Ok((name.clone(), Tensor::from_array((shape, values.clone()))?))
        });
        Ok(Tensors {
            image: tensor(&picture)?,
            neurons: tensor(&channels)?,
            step: tensor(&[])?,
            smoothing: tensor(&[])?,
            colour: tensor(&[])?,
            extra: extra.collect::<ort::Result<_>>()?,
            dreamed: tensor(&picture)?,
            activation: tensor(&channels)?,
            objective: has_objective.then(|| tensor(&[])).transpose()?,
        })
    }

    /// Inputs that change from run to run; on another device they are copied by binding, so they are bound anew.
    fn bind_inputs(&self, binding: &mut IoBinding) -> ort::Result<()> {
        binding.bind_input("image", &self.image)?;
        binding.bind_input("neurons", &self.neurons)?;
        binding.bind_input("step", &self.step)?;
        binding.bind_input("smoothing", &self.smoothing)?;
        binding.bind_input("colour", &self.colour)
    }

    fn bind_rest(&mut self, binding: &mut IoBinding) -> ort::Result<()> {
        for (name, value) in &self.extra {
            binding.bind_input(name.as_str(), value)?;
        }
        binding.bind_output("dreamed", &mut self.dreamed)?;
        binding.bind_output("activation", &mut self.activation)?;
        match &mut self.objective {
            Some(objective) => binding.bind_output("objective", objective),
            None => Ok(()),
        }
    }
}

impl Ascent {
    /// Opens `graph` on the first of the runtime's providers that can. Takes a fraction of a second on the CPU, and minutes where
    /// TensorRT has to build an engine.
    ///
    /// # Errors
    /// No provider can run the graph, or it does not keep the pack's contract.
    pub fn open(runtime: &Runtime, graph: Graph) -> Result<Ascent, RuntimeError> {
        Ascent::open_on_first(runtime, runtime.providers(), graph, MissingEngine::Build)
    }

    /// As [`Ascent::open`], without building an engine: where TensorRT has none of the graph, on the next provider
    /// ([`Ascent::waits_for_engine`]).
    ///
    /// # Errors
    /// As [`Ascent::open`].
    pub fn open_soon(runtime: &Runtime, graph: Graph) -> Result<Ascent, RuntimeError> {
        Ascent::open_on_first(runtime, runtime.providers(), graph, MissingEngine::Skip)
    }

    /// As [`Ascent::open`], on a provider preferred to `than`: one that failed before may have what it lacked (memory, mostly),
    /// and an engine is built.
    ///
    /// # Errors
    /// As [`Ascent::open`], of those providers.
    pub fn open_better(runtime: &Runtime, than: Provider, graph: Graph) -> Result<Ascent, RuntimeError> {
        let open = || Ascent::open_on_first(runtime, runtime.better_than(than), graph, MissingEngine::Build);
        // CUDA reports a thread's last failure once more at its next work, even where that would succeed: try twice.
        let ascent = open().or_else(|_| open())?;
        runtime.log_recovery(ascent.provider);
        Ok(ascent)
    }

    fn open_on_first(
        runtime: &Runtime,
        providers: &[Provider],
        graph: Graph,
        missing_engine: MissingEngine,
    ) -> Result<Ascent, RuntimeError> {
        let started = Instant::now();
        // The provider, why it failed, and whether it is not installed at all.
        let mut failures: Vec<(Provider, String, bool)> = Vec::new();
        let (mut may_recover, mut waits_for_engine) = (false, false);
        for (place, &provider) in providers.iter().enumerate() {
            let is_last = place + 1 == providers.len();
            let opened = match missing_engine {
                MissingEngine::Skip if provider == Provider::TensorRt && !is_last && !has_engine(runtime, &graph) => {
                    if let Err(error) = Ascent::probe(runtime, provider) {
                        Err(error)
                    } else {
                        waits_for_engine = true;
                        continue;
                    }
                }
                _ => Ascent::open_on(runtime, provider, graph),
            };
            match opened {
                Ok(mut ascent) => {
                    // Where all fail it is the graph's fault as likely as theirs, and the error says so.
                    failures.iter().for_each(|(provider, reason, _)| runtime.warn_unusable(*provider, reason));
                    ascent.is_fallback = may_recover && ascent.provider == Provider::Cpu;
                    ascent.waits_for_engine = waits_for_engine;
                    let (width, height) = graph.size;
                    tracing::debug!(
                        "opened {}/{} at {width}x{height} on {} in {:.0?}",
                        graph.manifest.name,
                        graph.layer.name,
                        ascent.provider,
                        started.elapsed()
                    );
                    return Ok(ascent);
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
        Err(RuntimeError::NoProvider { graph: graph.folder.join(&graph.layer.file), reasons: reasons.join("; ") })
    }

    /// Whether `provider` and what it needs are there.
    fn probe(runtime: &Runtime, provider: Provider) -> Result<(), RuntimeError> {
        let absent = |e: &dyn std::fmt::Display| RuntimeError::Absent { reason: first_line(&e.to_string()) };
        let mut builder = Session::builder(runtime.environment()).map_err(|e| absent(&e))?;
        provider.register(&mut builder, false, None).map_err(|e| absent(&e))
    }

    /// Opens on `provider`, TensorRT with the stored engine where there is one; an engine that it rejects is rebuilt.
    fn open_on(runtime: &Runtime, provider: Provider, graph: Graph) -> Result<Ascent, RuntimeError> {
        let place = match provider {
            Provider::TensorRt => runtime.engines().place(&graph, runtime.version()),
            Provider::Cuda | Provider::Cpu => None,
        };
        let Some(place) = place else { return Ascent::open_with(runtime, provider, graph, None) };
        let cannot_store = |error: std::io::Error| {
            tracing::warn!("cannot store an engine in {}: {error}; every start rebuilds it", place.engine.display());
        };
        // Before folders are made for it.
        Ascent::probe(runtime, provider)?;
        let had_engine = match place.prepare() {
            Ok(had_engine) => had_engine,
            Err(error) => {
                cannot_store(error);
                return Ascent::open_with(runtime, provider, graph, None);
            }
        };
        if !had_engine {
            tracing::info!("TensorRT builds an engine for {}, which may take minutes", place.engine.display());
        }
        let opened = Ascent::open_with(runtime, provider, graph, Some(&place)).or_else(|error| {
            if !had_engine || matches!(error, RuntimeError::Absent { .. } | RuntimeError::Graph { .. }) {
                return Err(error);
            }
            tracing::warn!("TensorRT rejects the engine in {} ({error}); it is rebuilt", place.engine.display());
            place.remove();
            place.prepare().map_err(|error| RuntimeError::Start { reason: error.to_string() })?;
            Ascent::open_with(runtime, provider, graph, Some(&place))
        })?;
        // One that took no node has nothing to store.
        if opened.provider == Provider::TensorRt {
            place.seal().unwrap_or_else(cannot_store);
        }
        Ok(opened)
    }

    fn open_with(
        runtime: &Runtime,
        provider: Provider,
        Graph { folder, layer, size: (width, height), .. }: Graph,
        engine: Option<&Place>,
    ) -> Result<Ascent, RuntimeError> {
        let graph = &folder.join(&layer.file);
        let failed = |e: &dyn std::fmt::Display| RuntimeError::Start { reason: first_line(&e.to_string()) };
        // Dropped after the session, which writes its profile at the latest then.
        let profile = (provider != Provider::Cpu).then(ProfileFolder::new).flatten();
        let session = {
            let mut builder = Session::builder(runtime.environment())
                .and_then(|b| Ok(b.with_dimension_override("height", height as i64)?))
                .and_then(|b| Ok(b.with_dimension_override("width", width as i64)?))
                .and_then(|b| Ok(b.with_config_entry(SHARED_MEMORY.0, SHARED_MEMORY.1)?))
                .and_then(|b| if provider == Provider::Cpu { Ok(b) } else { on_gpu(b) })
                .and_then(|b| match &profile {
                    Some(folder) => Ok(b.with_profiling(folder.prefix())?),
                    None => Ok(b),
                })
                .map_err(|e| failed(&e))?;
            provider
                .register(&mut builder, runtime.engines().fp16, engine)
                .map_err(|e| RuntimeError::Absent { reason: first_line(&e.to_string()) })?;
            builder.commit_from_file(graph).map_err(|e| failed(&e))?
        };
        let broken = |reason: String| RuntimeError::Graph { graph: graph.to_owned(), reason };
        check_contract(&session, layer, (width, height)).map_err(broken)?;

        let mut tensors = Tensors::new(&session, layer, width, height).map_err(|e| failed(&e))?;
        let mut binding = session.create_binding().map_err(|e| failed(&e))?;
        tensors.bind_inputs(&mut binding).and_then(|()| tensors.bind_rest(&mut binding)).map_err(
            |e| match provider {
                Provider::Cpu => broken(first_line(&e.to_string())),
                // Binding copies to the GPU, and that may lack the memory.
                _ => failed(&e),
            },
        )?;
        let in_place = provider == Provider::Cpu;
        let mut ascent = Ascent {
            graph: graph.to_owned(),
            provider,
            width,
            height,
            session,
            binding,
            tensors,
            in_place,
            is_fallback: false,
            waits_for_engine: false,
        };
        if profile.is_some() {
            ascent.detect_provider(runtime)?;
        } else if width.min(height) < TRIAL_RUN_BELOW {
            ascent.run()?;
        }
        Ok(ascent)
    }

    /// Runs once under the profiler and reads from the profile which provider took the nodes.
    fn detect_provider(&mut self, runtime: &Runtime) -> Result<(), RuntimeError> {
        self.run()?;
        let failed = |reason: String| RuntimeError::Start { reason };
        let file = self.session.end_profiling().map_err(|e| failed(first_line(&e.to_string())))?;
        let text =
            std::fs::read_to_string(&file).map_err(|e| failed(format!("cannot read the profile {file}: {e}")))?;
        let counts = nodes_by_provider(&text).map_err(|e| failed(format!("the profile {file} is not one: {e}")))?;
        tracing::debug!("nodes of {} by provider: {counts:?}", self.graph.display());
        if !counts.contains_key(self.provider.ort_name()) {
            runtime.warn_unusable(self.provider, "it started but took no node of the network");
            self.provider = if counts.contains_key(Provider::Cuda.ort_name()) { Provider::Cuda } else { Provider::Cpu };
        }
        Ok(())
    }

    /// One step of gradient ascent on `image`, in place.
    ///
    /// # Errors
    /// The run failed; this ascent is best dropped and opened anew.
    ///
    /// # Panics
    /// Where `image` or `neurons` are not of the size this was opened for.
    pub fn climb(&mut self, image: &mut Picture, controls: &Controls) -> Result<AscentResult<'_>, RuntimeError> {
        assert_eq!(image.size(), (self.width, self.height), "picture size");
        let (dx, dy) = controls.shift;
        let tensors = &mut self.tensors;
        roll(&image.data, tensors.image.extract_tensor_mut().1, self.width, self.height, dx, dy);
        tensors.neurons.extract_tensor_mut().1.copy_from_slice(controls.neurons);
        tensors.step.extract_tensor_mut().1[0] = controls.step;
        tensors.smoothing.extract_tensor_mut().1[0] = controls.smoothing;
        tensors.colour.extract_tensor_mut().1[0] = controls.colour;
        if !self.in_place {
            let sent = tensors.bind_inputs(&mut self.binding);
            sent.map_err(|e| self.run_error(&e))?;
        }
        self.run()?;
        let tensors = &self.tensors;
        roll(tensors.dreamed.extract_tensor().1, &mut image.data, self.width, self.height, -dx, -dy);
        Ok(AscentResult {
            activation: tensors.activation.extract_tensor().1,
            objective: tensors.objective.as_ref().map(|objective| objective.extract_tensor().1[0]),
        })
    }

    /// What this runs on.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Whether this runs on the CPU because a GPU that is there failed, for want of memory or of its driver, which may pass.
    /// ([`Ascent::open_better`])
    pub fn is_fallback(&self) -> bool {
        self.is_fallback
    }

    /// Whether TensorRT was skipped for want of an engine, which [`Ascent::open_better`] would build.
    pub fn waits_for_engine(&self) -> bool {
        self.waits_for_engine
    }

    /// Picture size this was opened for.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn run(&mut self) -> Result<(), RuntimeError> {
        let result = self.session.run_binding(&self.binding).map(drop);
        result.map_err(|e| self.run_error(&e))
    }

    fn run_error(&self, error: &ort::Error) -> RuntimeError {
        RuntimeError::Run { graph: self.graph.clone(), provider: self.provider, reason: first_line(&error.to_string()) }
    }
}

/// Has the session spare the GPU's memory, and keep to one thread of its own.
///
/// Memory: by default the first run's allocations are planned as one block for the runs after it, beside what the first
/// run took and the session keeps. Thread: the profiler, which records who took the nodes, counts in the pool of threads too and is not
/// made for several sessions in one: were it the shared one, a run on the CPU at the same time would fail.
fn on_gpu(builder: SessionBuilder) -> ort::Result<SessionBuilder> {
    Ok(builder.with_memory_pattern(false)?.with_independent_thread_pool()?.with_intra_threads(1)?)
}

/// Compares the graph's inputs and outputs with the contract (`deploy/reference/graph-pack.md`), shapes at this size included.
fn check_contract(session: &Session, layer: &Layer, (width, height): (usize, usize)) -> Result<(), String> {
    let picture: &[i64] = &[1, 3, height as i64, width as i64];
    let channels: &[i64] = &[layer.channels as i64];
    let inputs = [("image", picture), ("neurons", channels), ("step", &[]), ("smoothing", &[]), ("colour", &[])];
    for (name, shape) in inputs {
        check_outlet(session.inputs(), "input", name, shape)?;
    }
    for input in session.inputs() {
        let is_known = inputs.iter().any(|(name, _)| *name == input.name());
        if !is_known && !layer.inputs.contains_key(input.name()) {
            return Err(format!("pack.toml states no default for its input `{}`", input.name()));
        }
    }
    for (name, shape) in [("dreamed", picture), ("activation", channels)] {
        check_outlet(session.outputs(), "output", name, shape)?;
    }
    Ok(())
}

/// Whether there is one called `name`, of floats in that shape as far as the graph says it.
fn check_outlet(outlets: &[Outlet], kind: &str, name: &str, shape: &[i64]) -> Result<(), String> {
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

/// The shape of an extra input: the graph's own where its sizes are known, else a row of `values`.
fn input_shape(session: &Session, name: &str, values: usize) -> Vec<i64> {
    let input = session.inputs().iter().find(|input| input.name() == name);
    match input.map(|input| input.dtype()) {
        Some(ValueType::Tensor { shape, .. }) if shape.iter().all(|n| *n >= 0) => shape.to_vec(),
        _ => vec![values as i64],
    }
}

/// ONNX Runtime's errors go on with a stack of its own functions: the first line says what happened.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}
