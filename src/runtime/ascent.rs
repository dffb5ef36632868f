//! A layer's graph opened at one size: one run is one step of gradient ascent on the picture.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{Tensor, ValueType};

use super::engines::Place;
use super::open_graph::{Input, Interface, MissingEngine, OpenGraph, Source, check_outlet, first_line};
use super::{Provider, Runtime, RuntimeError};
use crate::compose::{self, LayerGraph};
use crate::pack::{CARICATURE, GUIDE, GUIDE_POSITIONS, GUIDED, Layer, MAPS, Manifest, SEEN};
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
    /// Other pictures that lead it, where the layer can be led ([`Layer::can_be_led`]).
    pub led: Led<'a>,
}

/// What other pictures lead an ascent, and how much, each 0 to 1; together at most 1. The rest is the layer's own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Led<'a> {
    /// Features of a guide, [`GUIDE_POSITIONS`] times as many as there are channels, and how much they lead.
    pub guide: Option<(&'a [f32], f32)>,
    /// How much what was last looked at ([`Ascent::look_at`]) is exaggerated.
    pub caricature: f32,
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

/// A layer's maps, channel by channel, and their height and width.
pub type Maps<'a> = (&'a [f32], (usize, usize));

/// A layer's graph, opened on one provider at one picture size.
pub struct Ascent {
    open: OpenGraph,
    width: usize,
    height: usize,
    has_objective: bool,
    /// Height and width of the layer's maps, where it can be led.
    map_size: Option<(usize, usize)>,
}

/// In a picture with a shorter side a network may have no position at all, which only a run finds out: one is made where the
/// graph is opened. It takes a moment.
const TRIAL_RUN_BELOW: usize = 128;

/// ONNX Runtime's key for the folder with the weights of a model that is read from memory.
const WEIGHTS_FOLDER: &str = "session.model_external_initializers_file_folder_path";

impl Graph<'_> {
    fn at_size(&self, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        let builder = builder.with_dimension_override("height", self.size.1 as i64)?;
        Ok(builder.with_dimension_override("width", self.size.0 as i64)?)
    }

    /// The graph made over for `provider`, and where its weights lie. None where it is best loaded as it is: what is wrong with it ONNX Runtime
    /// explains best.
    fn made_over(&self, provider: Provider) -> Option<(&str, Vec<u8>)> {
        let folder = self.folder.to_str().filter(|_| provider == Provider::Cpu)?;
        let layer = LayerGraph::read(self.folder, self.layer).ok()?;
        Some((folder, compose::apart(&layer, self.size, compose::WORTHWHILE).ok()??))
    }
}

/// The graph's inputs and outputs, in the order in which they are exchanged.
const INPUTS: [&str; 5] = ["image", "neurons", "step", "smoothing", "colour"];
const IMAGE: usize = 0;
const NEURONS: usize = 1;
const STEP: usize = 2;
const SMOOTHING: usize = 3;
const COLOUR: usize = 4;
/// Of a layer that can be led there are these too.
const FEATURES: usize = 5;
const GUIDE_SHARE: usize = 6;
const SEEN_MAPS: usize = 7;
const CARICATURE_SHARE: usize = 8;
const DREAMED: usize = 0;
const ACTIVATION: usize = 1;
const OBJECTIVE: usize = 2;

impl Source for Graph<'_> {
    fn file(&self) -> PathBuf {
        self.folder.join(&self.layer.file)
    }

    fn label(&self) -> String {
        format!("{}/{} at {}x{}", self.manifest.name, self.layer.name, self.size.0, self.size.1)
    }

    fn engine(&self, runtime: &Runtime) -> Option<Place> {
        runtime.engines().place(self, runtime.version())
    }

    fn load(&self, runtime: &Runtime, builder: SessionBuilder, provider: Provider) -> ort::Result<Session> {
        if let Some((folder, model)) = self.made_over(provider) {
            match builder.clone().with_config_entry(WEIGHTS_FOLDER, folder)?.commit_from_memory(&model) {
                Ok(session) => return Ok(session),
                Err(error) => tracing::debug!("{} made over for the CPU does not load: {error}", self.label()),
            }
        }
        let mut builder = self.at_size(builder)?;
        if provider == Provider::TensorRt && self.layer.can_be_led() {
            // An engine is for sizes that are known: those of the maps follow from the picture's, once it is loaded.
            let plain =
                Session::builder(runtime.environment())?.with_optimization_level(GraphOptimizationLevel::Level1)?;
            let plain = self.at_size(plain)?.commit_from_file(self.file())?;
            if let Ok([_, _, height, width]) = map_shape(&plain) {
                builder = builder.with_dimension_override("map_height", height)?;
                builder = builder.with_dimension_override("map_width", width)?;
            }
        }
        builder.commit_from_file(self.file())
    }

    fn interface(&self, session: &Session) -> Result<Interface, String> {
        let picture = vec![1, 3, self.size.1 as i64, self.size.0 as i64];
        let channels = vec![self.layer.channels as i64];
        let shapes = [picture.clone(), channels.clone(), vec![], vec![], vec![]];
        let mut given: Vec<(&str, Vec<i64>)> = INPUTS.into_iter().zip(shapes).collect();
        let maps = self.layer.can_be_led().then(|| map_shape(session)).transpose()?;
        if let Some(maps) = maps {
            let features = vec![GUIDE_POSITIONS as i64, self.layer.channels as i64];
            given.extend([(GUIDE, features), (GUIDED, vec![]), (SEEN, maps.to_vec()), (CARICATURE, vec![])]);
        }
        let mut inputs = Vec::new();
        for (name, shape) in &given {
            check_outlet(session.inputs(), "input", name, shape)?;
            inputs.push(((*name).to_owned(), Input::floats(shape)?));
        }
        let is_given = |name: &str| given.iter().any(|(known, _)| *known == name);
        for input in session.inputs() {
            if !is_given(input.name()) && !self.layer.inputs.contains_key(input.name()) {
                return Err(format!("pack.toml states no default for its input `{}`", input.name()));
            }
        }
        let mut outputs = vec![("dreamed".to_owned(), picture), ("activation".to_owned(), channels)];
        for (name, shape) in &outputs {
            check_outlet(session.outputs(), "output", name, shape)?;
        }
        if session.outputs().iter().any(|output| output.name() == "objective") {
            outputs.push(("objective".to_owned(), vec![]));
        }
        outputs.extend(maps.map(|maps| (MAPS.to_owned(), maps.to_vec())));
        let constants = self.layer.inputs.iter().filter(|(name, _)| !is_given(name)).map(|(name, values)| {
            let filled = compose::filled(declared_shape(session, name), values);
            let tensor = Tensor::from_array(filled).map_err(|e| first_line(&e))?;
            Ok((name.clone(), tensor))
        });
        Ok(Interface { inputs, constants: constants.collect::<Result<_, String>>()?, outputs })
    }

    fn is_whole_frame(&self) -> bool {
        false
    }

    fn needs_trial(&self) -> bool {
        self.size.0.min(self.size.1) < TRIAL_RUN_BELOW
    }
}

impl Ascent {
    /// Opens `graph` on the first of the runtime's providers that can. Takes a fraction of a second on the CPU, and minutes where
    /// TensorRT has to build an engine.
    ///
    /// # Errors
    /// No provider can run the graph, or it does not keep the pack's contract.
    pub fn open(runtime: &Runtime, graph: Graph) -> Result<Ascent, RuntimeError> {
        Ascent::open_on(runtime, runtime.providers(), graph, MissingEngine::Build)
    }

    /// As [`Ascent::open`], without building an engine: where TensorRT has none of the graph, on the next provider
    /// ([`Ascent::waits_for_engine`]).
    ///
    /// # Errors
    /// As [`Ascent::open`].
    pub fn open_soon(runtime: &Runtime, graph: Graph) -> Result<Ascent, RuntimeError> {
        Ascent::open_on(runtime, runtime.providers(), graph, MissingEngine::Skip)
    }

    /// As [`Ascent::open`], on a provider preferred to `than`: one that failed before may have what it lacked (memory, mostly),
    /// and an engine is built.
    ///
    /// # Errors
    /// As [`Ascent::open`], of those providers.
    pub fn open_better(runtime: &Runtime, than: Provider, graph: Graph) -> Result<Ascent, RuntimeError> {
        let open = || Ascent::open_on(runtime, runtime.better_than(than), graph, MissingEngine::Build);
        // CUDA reports a thread's last failure once more at its next work, even where that would succeed: try twice.
        let ascent = open().or_else(|_| open())?;
        runtime.log_recovery(ascent.provider());
        Ok(ascent)
    }

    /// Has TensorRT build and store the engine of `graph`, where there is none yet and a folder for it. Takes minutes.
    ///
    /// # Errors
    /// TensorRT is not there, or cannot run the graph.
    pub fn build_engine(runtime: &Runtime, graph: Graph) -> Result<(), RuntimeError> {
        OpenGraph::build_engine(runtime, &graph)
    }

    fn open_on(
        runtime: &Runtime,
        providers: &[Provider],
        graph: Graph,
        missing_engine: MissingEngine,
    ) -> Result<Ascent, RuntimeError> {
        let open = OpenGraph::on_first(runtime, providers, &graph, missing_engine)?;
        let (width, height) = graph.size;
        let map_size = graph.layer.can_be_led().then(|| open.output_size(open.outputs() - 1)).flatten();
        let has_objective = open.outputs() > OBJECTIVE + usize::from(map_size.is_some());
        let mut ascent = Ascent { open, width, height, has_objective, map_size };
        if map_size.is_some() {
            // What leads by nothing has to be of an ordinary size all the same.
            ascent.open.floats(FEATURES).fill(1.0);
            ascent.open.floats(SEEN_MAPS).fill(1.0);
        }
        Ok(ascent)
    }

    /// What the layer sees of `image`: its maps, channel by channel, and their height and width; none where it cannot be led.
    ///
    /// # Errors
    /// As [`Ascent::climb`].
    ///
    /// # Panics
    /// As [`Ascent::climb`].
    pub fn maps(&mut self, image: &Picture, neurons: &[f32]) -> Result<Option<Maps<'_>>, RuntimeError> {
        let Some(map_size) = self.map_size else { return Ok(None) };
        self.look(image, neurons, (0, 0))?;
        Ok(Some((self.open.output(self.open.outputs() - 1), map_size)))
    }

    /// Looks at `image`, rolled by `shift`: that is what a caricature is of, until it looks at another. Takes as long as an ascent; nothing is done where
    /// the layer cannot be led.
    ///
    /// # Errors
    /// As [`Ascent::climb`].
    ///
    /// # Panics
    /// As [`Ascent::climb`].
    pub fn look_at(&mut self, image: &Picture, neurons: &[f32], shift: (i32, i32)) -> Result<(), RuntimeError> {
        if self.map_size.is_some() {
            self.look(image, neurons, shift)?;
            let last = self.open.outputs() - 1;
            self.open.keep(last, SEEN_MAPS);
        }
        Ok(())
    }

    fn look(&mut self, image: &Picture, neurons: &[f32], shift: (i32, i32)) -> Result<(), RuntimeError> {
        let controls = Controls { neurons, step: 0.0, smoothing: 0.0, colour: 0.0, shift, led: Led::default() };
        self.write(image, &controls);
        self.open.run()
    }

    /// Writes all inputs.
    fn write(&mut self, image: &Picture, controls: &Controls) {
        assert_eq!(image.size(), (self.width, self.height), "picture size");
        let (dx, dy) = controls.shift;
        let open = &mut self.open;
        roll(&image.data, open.floats(IMAGE), self.width, self.height, dx, dy);
        open.floats(NEURONS).copy_from_slice(controls.neurons);
        open.floats(STEP)[0] = controls.step;
        open.floats(SMOOTHING)[0] = controls.smoothing;
        open.floats(COLOUR)[0] = controls.colour;
        if self.map_size.is_none() {
            return;
        }
        if let Some((features, _)) = controls.led.guide {
            open.floats(FEATURES).copy_from_slice(features);
        }
        open.floats(GUIDE_SHARE)[0] = controls.led.guide.map_or(0.0, |(_, share)| share);
        open.floats(CARICATURE_SHARE)[0] = controls.led.caricature;
    }

    /// One step of gradient ascent on `image`, in place.
    ///
    /// # Errors
    /// The run failed; this ascent is best dropped and opened anew.
    ///
    /// # Panics
    /// Where `image` or `neurons` are not of the size this was opened for.
    pub fn climb(&mut self, image: &mut Picture, controls: &Controls) -> Result<AscentResult<'_>, RuntimeError> {
        self.write(image, controls);
        let (dx, dy) = controls.shift;
        let open = &mut self.open;
        open.run()?;
        roll(open.output(DREAMED), &mut image.data, self.width, self.height, -dx, -dy);
        Ok(AscentResult {
            activation: open.output(ACTIVATION),
            objective: self.has_objective.then(|| open.output(OBJECTIVE)[0]),
        })
    }

    /// What this runs on.
    pub fn provider(&self) -> Provider {
        self.open.provider()
    }

    /// Whether this runs on the CPU because a GPU that is there failed, for want of memory or of its driver, which may pass.
    /// ([`Ascent::open_better`])
    pub fn is_fallback(&self) -> bool {
        self.open.is_fallback()
    }

    /// Whether TensorRT was skipped for want of an engine, which [`Ascent::open_better`] would build.
    pub fn waits_for_engine(&self) -> bool {
        self.open.waits_for_engine()
    }

    /// Picture size this was opened for.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Bytes that a run is given and gives; where it does not run on the CPU they are copied to its device and back.
    pub fn bytes_exchanged(&self) -> usize {
        self.open.bytes_exchanged()
    }
}

/// The shape of the layer's maps, as it follows from the picture's.
fn map_shape(session: &Session) -> Result<[i64; 4], String> {
    let output = session.outputs().iter().find(|output| output.name() == MAPS);
    match output.map(|output| output.dtype()) {
        Some(ValueType::Tensor { shape, .. }) if shape.iter().all(|size| *size > 0) => {
            let shape: Result<[i64; 4], _> = shape.as_ref().try_into();
            shape.map_err(|_| format!("its output `{MAPS}` is no maps"))
        }
        Some(_) => Err(format!("the size of its output `{MAPS}` is not known before a run")),
        None => Err(format!("it has no output `{MAPS}`")),
    }
}

/// The shape that the graph says an input has, where its sizes are known.
fn declared_shape(session: &Session, name: &str) -> Option<Vec<usize>> {
    let input = session.inputs().iter().find(|input| input.name() == name)?;
    match input.dtype() {
        ValueType::Tensor { shape, .. } => shape.iter().map(|size| usize::try_from(*size).ok()).collect(),
        _ => None,
    }
}
