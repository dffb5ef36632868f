//! All ascents of a frame opened as one graph: one run is one frame of dreaming.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::engines::Place;
use super::open_graph::{Input, Interface, MissingEngine, OpenGraph, Source, check_outlet};
use super::{Provider, Runtime, RuntimeError};
use crate::compose::{Composed, FramePlan, LayerGraph, Lowering, compose};
use crate::pack::{Layer, Manifest};
use crate::pixel::Picture;

/// What a frame's graph is made of.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// The pack and layer of each: one, or two that are mixed.
    pub layers: Vec<(&'a Path, &'a Manifest, &'a Layer)>,
    pub plan: &'a FramePlan,
}

/// What directs one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameControls<'a> {
    /// Signed weight of each channel, for each layer.
    pub neurons: &'a [&'a [f32]],
    /// How far each ascent of each layer climbs, in units of the picture, 0..1: those of the octaves, coarse to fine, then those of the parts.
    pub steps: &'a [f32],
    /// As of [`super::Controls`].
    pub smoothing: f32,
    pub colour: f32,
    /// Pixels that the picture is rolled to the right and down before each ascent of the octaves, and back after it.
    pub shifts: &'a [(i32, i32)],
}

/// What a frame gives besides its pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameResult<'a> {
    /// For each layer, mean activation of each channel before its last step.
    pub activations: [&'a [f32]; 2],
}

/// A frame's graph, opened on one provider. Tensors are allocated once and reused by every run.
pub struct FrameAscent {
    open: OpenGraph,
    plan: FramePlan,
    layers: usize,
}

/// Where the inputs lie among those exchanged; neurons and parts come last.
const PICTURE: usize = 0;
const STEPS: usize = 1;
const SMOOTHING: usize = 2;
const COLOUR: usize = 3;
const ROLLS: usize = 4;
const NEURONS: usize = 5;
/// Where the outputs lie; the parts come last.
const DREAMED: usize = 0;
const ACTIVATIONS: usize = 1;

/// A composed frame, ready to be loaded.
struct Composition<'a> {
    frame: &'a Frame<'a>,
    composed: Composed,
    weights: Vec<(String, Arc<[u8]>)>,
}

impl<'a> Composition<'a> {
    fn of(runtime: &Runtime, provider: Provider, frame: &'a Frame<'a>) -> Result<Composition<'a>, RuntimeError> {
        // TensorRT chooses by itself where it computes in half precision.
        let is_half = provider == Provider::Cuda && runtime.engines().fp16;
        let layers = frame.layers.iter().map(|(folder, _, layer)| {
            let graph = LayerGraph::read(folder, layer)?;
            if is_half { graph.halved() } else { Ok(graph) }
        });
        let lowering = if provider == Provider::Cpu { Lowering::Apart } else { Lowering::Plain };
        let composed = compose(layers.collect::<Result<_, _>>()?, frame.plan, lowering)?;
        let weights = composed.weights.iter().map(|(name, file)| {
            let bytes = std::fs::read(file);
            let unreadable =
                |error: std::io::Error| RuntimeError::Graph { graph: file.clone(), reason: error.to_string() };
            Ok((name.clone(), bytes.map_err(unreadable)?.into()))
        });
        let weights = weights.collect::<Result<_, RuntimeError>>()?;
        Ok(Composition { frame, composed, weights })
    }
}

impl Source for Composition<'_> {
    fn file(&self) -> PathBuf {
        let (folder, _, layer) = self.frame.layers[0];
        folder.join(&layer.file)
    }

    fn label(&self) -> String {
        let layers: Vec<String> =
            self.frame.layers.iter().map(|(_, pack, layer)| format!("{}/{}", pack.name, layer.name)).collect();
        let FramePlan { size: (width, height), octaves, steps, parts } = self.frame.plan;
        format!(
            "a frame of {} at {width}x{height}, {} octaves of {steps}, {parts} parts",
            layers.join(" and "),
            octaves.len()
        )
    }

    fn engine(&self, runtime: &Runtime) -> Option<Place> {
        let layers: Vec<_> = self.frame.layers.iter().map(|(_, manifest, layer)| (*manifest, *layer)).collect();
        runtime.engines().frame_place(&layers, self.frame.plan.size, &self.composed.model, runtime.version())
    }

    fn load(&self, _: &Runtime, builder: SessionBuilder, _: Provider) -> ort::Result<Session> {
        let mut builder = builder;
        for (name, bytes) in &self.weights {
            builder = builder.with_external_initializer_file_in_memory(name, Arc::clone(bytes))?;
        }
        builder.commit_from_memory(&self.composed.model)
    }

    fn interface(&self, session: &Session) -> Result<Interface, String> {
        let plan = self.frame.plan;
        let (width, height) = plan.size;
        let pictures = |count: usize| vec![count as i64, 3, height as i64, width as i64];
        let layers = self.frame.layers.len();
        let ascents = (plan.ascents() * layers) as i64;
        let rolls = plan.rolls().map(|(width, height)| width + height).sum();
        let mut inputs = vec![
            ("picture".to_owned(), Input::floats(&pictures(1))?),
            ("steps".to_owned(), Input::floats(&[ascents])?),
            ("smoothing".to_owned(), Input::floats(&[])?),
            ("colour".to_owned(), Input::floats(&[])?),
            ("rolls".to_owned(), Input::ints(rolls)?),
        ];
        let mut outputs = vec![("dreamed".to_owned(), pictures(1))];
        for (index, (_, _, layer)) in self.frame.layers.iter().enumerate() {
            let channels = vec![layer.channels as i64];
            inputs.push((format!("neurons_{index}"), Input::floats(&channels)?));
            outputs.push((format!("activation_{index}"), channels));
        }
        if plan.parts > 0 {
            inputs.push(("parts".to_owned(), Input::floats(&pictures(plan.parts))?));
            outputs.push(("parts_dreamed".to_owned(), pictures(plan.parts)));
        }
        for (name, shape) in &outputs {
            check_outlet(session.outputs(), "output", name, shape)?;
        }
        Ok(Interface { inputs, constants: Vec::new(), outputs })
    }

    fn is_whole_frame(&self) -> bool {
        true
    }

    fn needs_trial(&self) -> bool {
        // Each of its graphs runs at its size already.
        false
    }
}

impl FrameAscent {
    /// Composes `frame` and opens it on `provider` alone. Takes a second or so, and minutes where TensorRT has to build an engine.
    ///
    /// # Errors
    /// The graphs cannot be put together, or the provider cannot run what they make.
    pub fn open(runtime: &Runtime, provider: Provider, frame: &Frame) -> Result<FrameAscent, RuntimeError> {
        let composition = Composition::of(runtime, provider, frame)?;
        let open = OpenGraph::on_first(runtime, &[provider], &composition, MissingEngine::Build)?;
        if open.provider() != provider {
            let reason = format!("{provider} takes none of it");
            return Err(RuntimeError::Start { reason });
        }
        Ok(FrameAscent { open, plan: frame.plan.clone(), layers: frame.layers.len() })
    }

    /// Has TensorRT build and store the engine of `frame`, where there is none yet and a folder for it. Takes minutes.
    ///
    /// # Errors
    /// As [`FrameAscent::open`].
    pub fn build_engine(runtime: &Runtime, frame: &Frame) -> Result<(), RuntimeError> {
        OpenGraph::build_engine(runtime, &Composition::of(runtime, Provider::TensorRt, frame)?)
    }

    /// Climbs `picture` and, beside it, `parts`, in place. None, and nothing is climbed, while its CUDA graph has to be recorded first and others use
    /// the GPU.
    ///
    /// # Errors
    /// The run failed, or its CUDA graph cannot be recorded; this is best dropped and opened anew.
    ///
    /// # Panics
    /// Where a size is not the plan's.
    pub fn climb(
        &mut self,
        picture: &mut Picture,
        parts: &mut [Picture],
        controls: &FrameControls,
    ) -> Result<Option<FrameResult<'_>>, RuntimeError> {
        assert_eq!((picture.size(), parts.len()), (self.plan.size, self.plan.parts), "the plan's pictures");
        let (open, plan) = (&mut self.open, &self.plan);
        open.floats(PICTURE).copy_from_slice(&picture.data);
        open.floats(STEPS).copy_from_slice(controls.steps);
        open.floats(SMOOTHING)[0] = controls.smoothing;
        open.floats(COLOUR)[0] = controls.colour;
        write_rolls(plan, controls.shifts, open.ints(ROLLS));
        for (index, neurons) in controls.neurons.iter().enumerate() {
            open.floats(NEURONS + index).copy_from_slice(neurons);
        }
        let length = picture.data.len();
        if !parts.is_empty() {
            let places = open.floats(NEURONS + self.layers).chunks_exact_mut(length);
            places.zip(&*parts).for_each(|(place, part)| place.copy_from_slice(&part.data));
        }
        if !open.record()? {
            return Ok(None);
        }
        open.run()?;
        picture.data.copy_from_slice(open.output(DREAMED));
        if !parts.is_empty() {
            let climbed = open.output(ACTIVATIONS + self.layers).chunks_exact(length);
            parts.iter_mut().zip(climbed).for_each(|(part, climbed)| part.data.copy_from_slice(climbed));
        }
        let open = &self.open;
        let last = ACTIVATIONS + self.layers - 1;
        Ok(Some(FrameResult { activations: [open.output(ACTIVATIONS), open.output(last)] }))
    }

    /// Whether a run replays a CUDA graph.
    pub fn is_recorded(&self) -> bool {
        self.open.is_recorded()
    }

    /// What this runs on.
    pub fn provider(&self) -> Provider {
        self.open.provider()
    }

    /// Bytes that a run is given and gives; where it does not run on the CPU they are copied to its device and back.
    pub fn bytes_exchanged(&self) -> usize {
        self.open.bytes_exchanged()
    }
}

/// For each roll of `plan` in turn, from which row each row comes, then each column: from shift to shift, and back after the last of each octave.
fn write_rolls(plan: &FramePlan, shifts: &[(i32, i32)], mut rolls: &mut [i64]) {
    let mut shifts = shifts.iter();
    for &(width, height) in &plan.octaves {
        let mut before = (0, 0);
        for step in 0..=plan.steps {
            let shift = if step < plan.steps { *shifts.next().expect("a shift for each ascent") } else { (0, 0) };
            for (count, by) in [(height, shift.1 - before.1), (width, shift.0 - before.0)] {
                let (these, rest) = std::mem::take(&mut rolls).split_at_mut(count);
                let sources = (0..count as i64).map(|at| (at - i64::from(by)).rem_euclid(count as i64));
                these.iter_mut().zip(sources).for_each(|(place, source)| *place = source);
                rolls = rest;
            }
            before = shift;
        }
    }
}
