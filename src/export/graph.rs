//! One layer's graph: forward pass, objective, backward pass, one step of ascent. And the graph that recognises.

use super::builder::{Builder, Dimension, Value};
use super::error::ExportError;
use super::everywhere::at_every_position;
use super::led::{self, Led};
use super::network::Network;
use super::onnx;
use super::rules;
use super::sizes::{ANY, Fit};
use super::tail::{self, Controls};
use super::tensor::Attribute;
use super::trace::{Gradients, Shape, Traced};
use super::walk::{Blocked, Walk};
use super::weights::Weights;
use crate::pack::{MAPS, Objective};

/// What the network expects of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Subtracted from R, G, B in 0..1.
    pub mean: [f32; 3],
    /// Divided by after that.
    pub std: [f32; 3],
    /// Whether it wants blue first.
    pub bgr: bool,
}

impl Default for Normalisation {
    /// ImageNet's usual mean and deviation, RGB.
    fn default() -> Self {
        Normalisation { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], bgr: false }
    }
}

impl Normalisation {
    fn forward(&self, b: &mut Builder, image: &Value) -> Value {
        let mut x = image.clone();
        if self.mean != [0.0; 3] {
            let mean = b.floats(&[1, 3, 1, 1], &self.mean);
            x = b.sub(&x, &mean);
        }
        x = self.scale(b, &x);
        self.reorder(b, &x)
    }

    fn back(&self, b: &mut Builder, gradient: &Value) -> Value {
        let gradient = self.reorder(b, gradient);
        self.scale(b, &gradient)
    }

    fn scale(&self, b: &mut Builder, x: &Value) -> Value {
        if self.std == [1.0; 3] {
            return x.clone();
        }
        let factor = b.floats(&[1, 3, 1, 1], &self.std.map(|s| 1.0 / s));
        b.mul(x, &factor)
    }

    fn reorder(&self, b: &mut Builder, x: &Value) -> Value {
        if !self.bgr {
            return x.clone();
        }
        let order = b.ints(&[2, 1, 0]);
        b.op("Gather", &[x, &order], &[("axis", Attribute::Int(1))])
    }
}

/// A layer's graph, and what is known of the layer.
pub struct LayerGraph {
    /// The graph.
    pub model: onnx::Model,
    /// Channels of the layer.
    pub channels: usize,
    /// Picture pixels a position covers; the larger of the two directions.
    pub stride: usize,
    /// Multiply-adds a picture pixel costs, one whole ascent.
    pub macs_per_pixel: f64,
    /// What is raised.
    pub objective: Objective,
    /// Whether its channels are classes.
    pub has_classes: bool,
}

const PICTURE: [Dimension; 4] =
    [Dimension::Fixed(1), Dimension::Fixed(3), Dimension::Symbol("height"), Dimension::Symbol("width")];

/// Mean size of the gradient at the layer. Toward the picture it grows, some ten-thousandfold at its largest
/// (tests/gradients); half precision ends at 65504.
const SEED: f32 = 1.0 / 64.0;

/// Why a layer fits no picture.
pub const NO_SIZE: &str =
    "branches that are joined before it have maps of different sizes, whatever the picture's size";

/// What a graph dreams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target<'a> {
    /// The layer.
    pub tensor: &'a str,
    /// What of it is raised; none: what suits it.
    pub objective: Option<Objective>,
}

/// The graph that dreams `target` (`deploy/reference/graph-pack.md`). With `show_gradient` it has the output `gradient`.
pub fn dream(
    network: &Network,
    target: Target,
    normalisation: &Normalisation,
    gradients: Gradients,
    show_gradient: bool,
    weights: &mut Weights,
) -> Result<LayerGraph, ExportError> {
    let tensor = target.tensor;
    check_name(network, tensor)?;
    let with_classes = at_every_position(network, tensor);
    let has_classes = with_classes.is_some();
    let raised = target.objective.unwrap_or(if has_classes { Objective::Linear } else { Objective::Squared });
    let network = with_classes.as_ref().unwrap_or(network);
    let needed = network.ancestors(tensor);
    let forward_pass = |fits: [Fit; 2]| -> Result<_, ExportError> {
        let mut builder = Builder::default();
        let image = builder.input("image", &PICTURE);
        let picture = normalisation.forward(&mut builder, &image);
        let picture = enlarged(&mut builder, &picture, fits);
        let mut walk = Walk::new(network, builder, picture, gradients);
        walk.run(&needed);
        let layer = find_layer(network, &walk, tensor)?;
        Ok((image, walk, layer))
    };
    let (mut image, mut walk, mut layer) = forward_pass(ANY)?;
    let no_size = || ExportError::NotALayer { name: tensor.to_owned(), why: NO_SIZE.to_owned() };
    let fits = layer.fits().ok_or_else(no_size)?;
    if fits != ANY {
        (image, walk, layer) = forward_pass(fits)?;
    }
    let Shape::Maps { channels, stride } = layer.shape else {
        unreachable!("find_layer returns maps");
    };
    let macs_per_pixel = walk.macs_per_pixel(&needed);

    let mut trace = walk.trace;
    let b = &mut trace.builder;
    let neurons = b.input("neurons", &[Dimension::Fixed(channels)]);
    let step = b.input("step", &[]);
    let smoothing = b.input("smoothing", &[]);
    let colour = b.input("colour", &[]);
    let weight = b.reshape(&neurons, &[1, channels as i64, 1, 1]);
    let seed = seed(b, raised, &layer.value, &weight);
    let places = [("axes", Attribute::Ints(vec![2, 3])), ("keepdims", Attribute::Int(0))];
    let activation = b.op("ReduceMean", &[&layer.value], &places);
    let activation = b.reshape(&activation, &[channels as i64]);
    // The ascent takes the gradient's direction alone, so it may begin at a size of its own: by that no number of the backward
    // pass is too large for half precision, or too small, whatever the network and the neurons' weights.
    let size = tail::mean_size(b, &seed);
    let begin = b.scalar(SEED);
    let share = b.div(&begin, &size);
    let even = b.mul(&seed, &share);
    let product = b.mul(&layer.value, &even);
    let everywhere = [("axes", Attribute::Ints(vec![0, 1, 2, 3])), ("keepdims", Attribute::Int(0))];
    let mean = b.op("ReduceMean", &[&product], &everywhere);
    let objective = match raised {
        Objective::Squared => {
            let half = b.scalar(0.5);
            b.mul(&mean, &half)
        }
        Objective::Linear => mean,
    };
    let objective = b.div(&objective, &share);
    // Classes are called by their names instead.
    let led = (!has_classes).then(|| Led::new(b, channels));
    let even = led.as_ref().map_or_else(|| even.clone(), |led| led.mixed(b, &layer.value, &weight, &even, &begin));

    let (mut builder, gradient) = trace.back(&layer, even);
    let b = &mut builder;
    let gradient = gradient.ok_or_else(|| ExportError::NotALayer {
        name: tensor.to_owned(),
        why: "it does not depend on the picture".to_owned(),
    })?;
    let gradient = match fits {
        ANY => gradient,
        _ => {
            let (begin, size) = (b.ints(&[0, 0]), b.size(&image));
            b.crop(&gradient, &begin, &size)
        }
    };
    let gradient = normalisation.back(b, &gradient);
    let dreamed = tail::ascend(b, &image, &gradient, &Controls { step, smoothing, colour });
    b.output("dreamed", &dreamed, &PICTURE);
    b.output("activation", &activation, &[Dimension::Fixed(channels)]);
    b.output("objective", &objective, &[]);
    if !has_classes {
        b.output(MAPS, &layer.value, &led::maps(channels));
    }
    if show_gradient {
        let gradient = b.div(&gradient, &share);
        b.output("gradient", &gradient, &PICTURE);
    }
    Ok(LayerGraph {
        model: builder.finish(|name, tensor| weights.store(name, tensor)),
        channels,
        stride: stride[0].max(stride[1]),
        macs_per_pixel,
        objective: raised,
        has_classes,
    })
}

/// The gradient of `objective` at the layer whose activations are `x`, of neurons with this `weight` each.
fn seed(b: &mut Builder, objective: Objective, x: &Value, weight: &Value) -> Value {
    match objective {
        Objective::Squared => b.mul(x, weight),
        Objective::Linear => {
            let wanted = b.op("Relu", &[weight], &[]);
            let unwanted = b.sub(weight, &wanted);
            let is_there = rules::above_zero(b, x);
            let unwanted = b.mul(&unwanted, &is_there);
            b.add(&unwanted, &wanted)
        }
    }
}

/// The graph that recognises: from the picture to `scores`, which are the tensor called `tensor`.
pub fn recognise(
    network: &Network,
    tensor: &str,
    normalisation: &Normalisation,
    weights: &mut Weights,
) -> Result<onnx::Model, ExportError> {
    check_name(network, tensor)?;
    let mut builder = Builder::default();
    let image = builder.input("image", &PICTURE);
    let picture = normalisation.forward(&mut builder, &image);
    let mut walk = Walk::new(network, builder, picture, Gradients::default()).copying_head();
    walk.run(&network.ancestors(tensor));
    let Some(scores) = walk.trace.get(tensor).cloned() else { return Err(blocked_or_constant(network, &walk, tensor)) };
    let mut builder = walk.trace.builder;
    let flat = builder.reshape(&scores.value, &[-1]);
    builder.output("scores", &flat, &[Dimension::Symbol("classes")]);
    Ok(builder.finish(|name, tensor| weights.store(name, tensor)))
}

/// The picture with the network's zero below it and to its right, by so much that its size is one that `fits`.
fn enlarged(b: &mut Builder, picture: &Value, fits: [Fit; 2]) -> Value {
    if fits == ANY {
        return picture.clone();
    }
    // ⌈(size − rest) / multiple⌉ · multiple + rest
    let (multiple, rest) = (b.ints(&fits.map(|fit| fit.multiple)), b.ints(&fits.map(|fit| fit.rest)));
    let up = b.ints(&fits.map(|fit| fit.multiple - 1 - fit.rest));
    let size = b.size(picture);
    let steps = b.add(&size, &up);
    let steps = b.div(&steps, &multiple);
    let whole = b.mul(&steps, &multiple);
    let whole = b.add(&whole, &rest);
    let (begin, end) = (b.ints(&[0, 0]), b.sub(&whole, &size));
    b.pad(picture, &begin, &end)
}

fn find_layer(network: &Network, walk: &Walk, tensor: &str) -> Result<Traced, ExportError> {
    let not_a_layer = |why: &str| ExportError::NotALayer { name: tensor.to_owned(), why: why.to_owned() };
    match walk.trace.get(tensor) {
        Some(traced) => match traced.shape {
            Shape::Maps { .. } if traced.name == network.input => Err(not_a_layer("it is the picture itself")),
            Shape::Maps { .. } => Ok(traced.clone()),
            _ => Err(not_a_layer("it is one number a channel, not a map that can be dreamed")),
        },
        None => Err(blocked_or_constant(network, walk, tensor)),
    }
}

fn blocked_or_constant(network: &Network, walk: &Walk, tensor: &str) -> ExportError {
    match walk.why_blocked(tensor) {
        Some(Blocked { node, why }) => ExportError::Unsupported {
            layer: tensor.to_owned(),
            node: network.nodes[*node].name.clone(),
            operator: network.nodes[*node].operator.clone(),
            why: why.clone(),
            nearest: walk.nearest_layer(*node),
        },
        None => ExportError::NotALayer { name: tensor.to_owned(), why: "it does not depend on the picture".to_owned() },
    }
}

fn check_name(network: &Network, tensor: &str) -> Result<(), ExportError> {
    if network.has(tensor) {
        return Ok(());
    }
    let made = network.nodes.iter().flat_map(|n| &n.outputs).map(String::as_str);
    Err(ExportError::NoSuchTensor { name: tensor.to_owned(), nearest: crate::nearest(tensor, made).map(str::to_owned) })
}
