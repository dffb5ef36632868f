//! The part of a network that is lowered so far: what a rule may ask for, and the tape for the backward pass.

use std::collections::HashMap;
use std::sync::Arc;

use super::builder::{Builder, Value};
use super::network::{Network, Node};
use super::sizes::{Fit, Positions};
use super::tensor::Tensor;
use super::window::Window;

/// How the gradient of a max-pool is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MaxPool {
    /// As it is: all of it goes to the largest position of each window (of several the first).
    #[default]
    Exact,
    /// Spread evenly over the window, as an average pool would: smoother, and cheaper.
    Smooth,
}

/// How the gradient of an activation between two bounds (ReLU6) is taken where it is at its upper one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Saturated {
    /// It passes, as if there were no upper bound: nearly the same direction, and a mask that is one operator instead of three.
    /// (Lucid's redirected gradient of ReLU6 lets it pass too.)
    #[default]
    Passes,
    /// It stops there, as it is.
    Stops,
}

/// Where the gradient may be another than the exact one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gradients {
    /// Of a max-pool.
    pub max_pool: MaxPool,
    /// Of an activation between two bounds.
    pub saturated: Saturated,
    /// How much of it passes where an activation is shut, 0 (as it is) to below 1. Gates and activations that leak by themselves are left as they are.
    pub leak: f32,
}

/// The shape of a tensor that depends on the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Feature maps, 1 × channels × height × width.
    Maps {
        /// Channels.
        channels: usize,
        /// Picture pixels a position covers, down and across.
        stride: [usize; 2],
    },
    /// One number a channel, 1 × channels × 1 × 1, whatever the picture's size.
    Pooled {
        /// Channels.
        channels: usize,
    },
    /// Something else, past the feature maps: class scores, say.
    Other,
}

impl Shape {
    /// Channels, where it has them.
    pub fn channels(self) -> Option<usize> {
        match self {
            Shape::Maps { channels, .. } | Shape::Pooled { channels } => Some(channels),
            Shape::Other => None,
        }
    }
}

/// A tensor of the network that depends on the picture, as it is in the graph.
#[derive(Debug, Clone)]
pub struct Traced {
    /// Its name in the network: what gradients are collected under.
    pub name: String,
    /// Its name in the graph.
    pub value: Value,
    /// Its shape.
    pub shape: Shape,
    /// How many positions it has, down and across, in pictures of every size.
    pub positions: [Positions; 2],
    /// Whether it is 0 or more, and its maker passes no gradient back where it is 0.
    pub rectified: bool,
}

impl Traced {
    /// The picture sizes at which it can be computed, down and across; none where there are none.
    pub fn fits(&self) -> Option<[Fit; 2]> {
        let [down, across] = &self.positions;
        Some([down.fit()?, across.fit()?])
    }
}

/// What a node takes.
#[derive(Debug, Clone)]
pub enum Input {
    /// Something that depends on the picture.
    Picture(Traced),
    /// A constant.
    Constant(Arc<Tensor>),
}

/// Given the gradient of a node's output, appends what computes the gradients of its inputs: pairs of the input's
/// name in the network and its gradient.
pub type Adjoint = Box<dyn FnOnce(&mut Builder, &Value) -> Vec<(String, Value)>>;

/// A node lowered into the graph.
pub struct Lowered {
    /// The node's result in the graph.
    pub value: Value,
    /// Its shape.
    pub shape: Shape,
    /// What slides over its inputs, where something does.
    pub window: Option<Window>,
    /// Multiply-adds for each position of the result; the backward pass takes as many again.
    pub macs: usize,
    /// The node's part of the backward pass.
    pub adjoint: Adjoint,
}

impl Lowered {
    /// Of a node over which nothing slides.
    pub fn plain(value: Value, shape: Shape, adjoint: Adjoint) -> Lowered {
        Lowered { value, shape, window: None, macs: 0, adjoint }
    }

    /// With `window` sliding over the node's inputs.
    pub fn sliding(self, window: Window) -> Lowered {
        Lowered { window: Some(window), ..self }
    }
}

/// Values that all constants computed at export may hold together: a small file could ask for any number.
const MAX_COMPUTED: usize = 1 << 29;

/// A network, or a part of it, lowered into a graph.
pub struct Trace<'a> {
    network: &'a Network,
    /// The graph.
    pub builder: Builder,
    /// How gradients are taken.
    pub gradients: Gradients,
    traced: HashMap<&'a str, Traced>,
    constants: HashMap<&'a str, Arc<Tensor>>,
    tape: Vec<(String, Adjoint)>,
    /// How many values all computed constants hold.
    computed: usize,
}

impl<'a> Trace<'a> {
    /// Begins at the network's input, which is `picture` in the graph of `builder`.
    pub fn new(network: &'a Network, builder: Builder, picture: Value, gradients: Gradients) -> Trace<'a> {
        let shape = Shape::Maps { channels: 3, stride: [1, 1] };
        let positions = [Positions::of_picture(), Positions::of_picture()];
        let input = Traced { name: network.input.clone(), value: picture, shape, positions, rectified: false };
        Trace {
            network,
            builder,
            gradients,
            traced: HashMap::from([(network.input.as_str(), input)]),
            constants: network.constants.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect(),
            tape: Vec::new(),
            computed: 0,
        }
    }

    /// Input `index` of `node`.
    pub fn input(&self, node: &Node, index: usize) -> Result<Input, String> {
        let name = node.input(index).ok_or_else(|| format!("its input {} is left out", index + 1))?;
        if let Some(traced) = self.traced.get(name) {
            return Ok(Input::Picture(traced.clone()));
        }
        self.stored(name).map(Input::Constant)
    }

    /// Input `index` of `node`, which must depend on the picture and have channels.
    pub fn maps(&self, node: &Node, index: usize) -> Result<Traced, String> {
        match self.input(node, index)? {
            Input::Picture(traced) if traced.shape.channels().is_some() => Ok(traced),
            Input::Picture(_) => Err("its input has no feature maps any more".to_owned()),
            Input::Constant(_) => Err(format!("its input {} is a constant", index + 1)),
        }
    }

    /// Input `index` of `node`, which must be a constant; `None` where it is left out.
    pub fn constant(&self, node: &Node, index: usize) -> Result<Option<Arc<Tensor>>, String> {
        if node.input(index).is_none() {
            return Ok(None);
        }
        match self.input(node, index)? {
            Input::Constant(tensor) => Ok(Some(tensor)),
            Input::Picture(_) => Err(format!("its input {} is computed from the picture, not stored", index + 1)),
        }
    }

    /// The constant called `name`.
    pub fn stored(&self, name: &str) -> Result<Arc<Tensor>, String> {
        self.constants.get(name).cloned().ok_or_else(|| match self.network.unusable.get(name) {
            Some(why) => format!("its input `{name}`: {why}"),
            // An optional output that no rule makes: a dropout's mask, say.
            None => format!("its input `{name}` is not available"),
        })
    }

    /// Whether other maps are multiplied by the tensor called `name`, or by what it is once it was scaled.
    pub fn is_gate(&self, name: &str) -> bool {
        let products = |name: &str| -> Vec<&Node> {
            let takes = |node: &&Node| {
                ["Mul", "Div"].contains(&node.operator.as_str()) && node.inputs.iter().any(|i| i == name)
            };
            self.network.nodes.iter().filter(takes).collect()
        };
        let joins = |node: &Node, name: &str| {
            node.operator == "Mul"
                && node.inputs.iter().any(|other| other != name && self.traced.contains_key(other.as_str()))
        };
        let scaled = |node: &Node| products(node.output()).iter().any(|next| joins(next, node.output()));
        products(name).iter().any(|node| joins(node, name) || scaled(node))
    }

    /// The tensor called `name`, if it depends on the picture and was lowered.
    pub fn get(&self, name: &str) -> Option<&Traced> {
        self.traced.get(name)
    }

    /// The first output of `node` is this constant.
    ///
    /// # Errors
    /// All computed constants together are larger than those of any network.
    pub fn keep_constant(&mut self, node: &'a Node, constant: Arc<Tensor>) -> Result<(), String> {
        self.computed += constant.count();
        if self.computed > MAX_COMPUTED {
            return Err("its result and those of other constants are too large together".to_owned());
        }
        self.constants.insert(node.output(), constant);
        Ok(())
    }

    /// The first output of `node` is `same`, which is there already.
    pub fn keep_alias(&mut self, node: &'a Node, same: Traced) {
        self.traced.insert(node.output(), same);
    }

    /// The first output of `node` is what it was lowered to.
    pub fn keep(&mut self, node: &'a Node, lowered: Lowered, rectified: bool) {
        let (name, positions) = (node.output().to_owned(), self.positions(node, lowered.window.as_ref()));
        let Lowered { value, shape, adjoint, .. } = lowered;
        self.tape.push((name.clone(), adjoint));
        self.traced.insert(node.output(), Traced { name, value, shape, positions, rectified });
    }

    /// How many positions the result of `node` has, which slides `window` over its inputs.
    fn positions(&self, node: &Node, window: Option<&Window>) -> [Positions; 2] {
        let is_map = |traced: &&Traced| matches!(traced.shape, Shape::Maps { .. });
        let (maps, single): (Vec<_>, Vec<_>) = node.inputs.iter().filter_map(|i| self.get(i)).partition(is_map);
        [0, 1].map(|axis| {
            let of = |traced: &&Traced| traced.positions[axis].clone();
            let joined = maps.iter().map(of).reduce(|all, next| all.joined(&next));
            let both = joined.into_iter().chain(single.iter().map(of)).reduce(|all, next| all.where_there_is(&next));
            let both = both.unwrap_or_else(Positions::of_picture);
            window.map_or_else(|| both.clone(), |window| both.through(window, axis))
        })
    }

    /// The backward pass from `layer`, whose gradient is `gradient`: the graph, with the gradient of the network's input.
    pub fn back(self, layer: &Traced, gradient: Value) -> (Builder, Option<Value>) {
        let Trace { mut builder, tape, network, .. } = self;
        let mut gradients: HashMap<String, Value> = HashMap::from([(layer.name.clone(), gradient)]);
        for (output, adjoint) in tape.into_iter().rev() {
            let Some(gradient) = gradients.remove(&output) else { continue };
            for (input, part) in adjoint(&mut builder, &gradient) {
                let sum = match gradients.get(&input) {
                    Some(other) => builder.add(other, &part),
                    None => part,
                };
                gradients.insert(input, sum);
            }
        }
        (builder, gradients.remove(&network.input))
    }
}
