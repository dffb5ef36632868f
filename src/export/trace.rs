//! Walking a network from the picture on: every node is written into the graph by its rule, and what its rule
//! says about the way back is kept on a tape.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::MaxPool;
use super::builder::{Builder, Value};
use super::network::{Network, Node};
use super::rules;
use super::tensor::Tensor;

/// What a tensor that depends on the picture looks like.
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

/// A tensor of the network that depends on the picture, as written into the graph.
#[derive(Debug, Clone)]
pub struct Traced {
    /// Its name in the network: what gradients are collected under.
    pub name: String,
    /// Its name in the graph.
    pub value: Value,
    /// What it looks like.
    pub shape: Shape,
    /// Whether it is 0 or more, and where it is 0 what made it lets no gradient through.
    pub rectified: bool,
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

/// What a rule makes of a node.
pub struct Written {
    /// The node's result in the graph.
    pub value: Value,
    /// What it looks like.
    pub shape: Shape,
    /// Multiply-adds for each position of the result: there, and as many back.
    pub macs: usize,
    /// The way back.
    pub adjoint: Adjoint,
}

/// Why a tensor cannot be had.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocked {
    /// Index of the node that has no rule, or whose rule refuses it.
    pub node: usize,
    /// The reason.
    pub why: String,
}

/// A network, or a part of it, written into a graph.
pub struct Trace<'a> {
    network: &'a Network,
    /// The graph.
    pub builder: Builder,
    /// How the gradient of a max-pool is taken.
    pub max_pool: MaxPool,
    /// Whether nodes that no rule takes are copied as they are: for the classifier, which is only run forward.
    pub copy_head: bool,
    traced: HashMap<&'a str, Traced>,
    constants: HashMap<&'a str, Arc<Tensor>>,
    blocked: HashMap<&'a str, Arc<Blocked>>,
    tape: Vec<(String, Adjoint)>,
    macs: Vec<f64>,
}

impl<'a> Trace<'a> {
    /// Begins at the network's input, which is `picture` in the graph of `builder`.
    pub fn new(network: &'a Network, builder: Builder, picture: Value, max_pool: MaxPool) -> Trace<'a> {
        let shape = Shape::Maps { channels: 3, stride: [1, 1] };
        let input = Traced { name: network.input.clone(), value: picture, shape, rectified: false };
        Trace {
            network,
            builder,
            max_pool,
            copy_head: false,
            traced: HashMap::from([(network.input.as_str(), input)]),
            constants: network.constants.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect(),
            blocked: HashMap::new(),
            tape: Vec::new(),
            macs: vec![0.0; network.nodes.len()],
        }
    }

    /// Writes the nodes for which `wanted` is true; those that cannot be written block all that depends on them.
    pub fn run(&mut self, wanted: &[bool]) {
        for (index, node) in self.network.nodes.iter().enumerate().filter(|(i, _)| wanted[*i]) {
            if let Some(cause) = node.inputs.iter().find_map(|i| self.blocked.get(i.as_str())) {
                let cause = cause.clone();
                self.block(node, cause);
            } else if let Err(why) = self.step(index, node) {
                self.block(node, Arc::new(Blocked { node: index, why }));
            }
        }
    }

    fn block(&mut self, node: &'a Node, cause: Arc<Blocked>) {
        for output in &node.outputs {
            self.blocked.insert(output, cause.clone());
        }
    }

    fn step(&mut self, index: usize, node: &'a Node) -> Result<(), String> {
        let depends = node.inputs.iter().any(|i| self.traced.contains_key(i.as_str()));
        if !depends {
            let constant = rules::fold(node, |name| self.constants.get(name).cloned())?;
            self.constants.insert(node.output(), constant);
            return Ok(());
        }
        if rules::passes_through(node)
            && let Some(same) = self.traced.get(node.inputs[0].as_str()).cloned()
            && same.shape != Shape::Other
        {
            self.traced.insert(node.output(), same);
            return Ok(());
        }
        let written = match rules::find(&node.operator) {
            Some(rule) => rule(self, node),
            None => Err("the exporter has no rule for it".to_owned()),
        };
        let written = match written {
            Err(_) if self.copy_head => rules::copy_head(self, node, self.network.opset, self.network.batch)?,
            other => other?,
        };
        if let Shape::Maps { stride, .. } = written.shape {
            self.macs[index] = written.macs as f64 / (stride[0] * stride[1]) as f64;
        }
        let name = node.output().to_owned();
        self.tape.push((name.clone(), written.adjoint));
        let rectified = self.rectifies(node);
        self.traced.insert(node.output(), Traced { name, value: written.value, shape: written.shape, rectified });
        Ok(())
    }

    /// Whether the result of `node` is [rectified](Traced::rectified).
    fn rectifies(&self, node: &Node) -> bool {
        let is_rectified = |input: &String| self.traced.get(input.as_str()).is_some_and(|traced| traced.rectified);
        match node.operator.as_str() {
            "Relu" => true,
            // Each is 0 only where all that it saw is, or the very one it scales.
            "AveragePool" | "Concat" | "LRN" | "MaxPool" => node.inputs.iter().all(is_rectified),
            _ => false,
        }
    }

    /// Input `index` of `node`.
    pub fn input(&self, node: &Node, index: usize) -> Result<Input, String> {
        let name = node.input(index).ok_or_else(|| format!("its input {} is left out", index + 1))?;
        if let Some(traced) = self.traced.get(name) {
            return Ok(Input::Picture(traced.clone()));
        }
        // Only an optional output that no rule makes (a dropout's mask, say) is neither.
        let constant = self.constants.get(name).ok_or_else(|| format!("its input `{name}` is not available"))?;
        Ok(Input::Constant(constant.clone()))
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

    /// The tensor called `name`, if it was written.
    pub fn get(&self, name: &str) -> Option<&Traced> {
        self.traced.get(name)
    }

    /// Why the tensor called `name` was not written.
    pub fn why_blocked(&self, name: &str) -> Option<&Blocked> {
        self.blocked.get(name).map(Arc::as_ref)
    }

    /// Multiply-adds a picture pixel costs, there and back, to reach a layer that depends on the nodes `needed`.
    pub fn macs_per_pixel(&self, needed: &[bool]) -> f64 {
        2.0 * self.macs.iter().zip(needed).filter(|(_, needed)| **needed).map(|(macs, _)| macs).sum::<f64>()
    }

    /// The nearest layer to node `index` toward the picture, found by going back breadth first.
    pub fn nearest_layer(&self, index: usize) -> Option<String> {
        let makers: HashMap<&str, &Node> =
            self.network.nodes.iter().flat_map(|n| n.outputs.iter().map(move |o| (o.as_str(), n))).collect();
        let mut queue = std::collections::VecDeque::from([&self.network.nodes[index]]);
        let mut seen = HashSet::new();
        while let Some(node) = queue.pop_front() {
            for input in node.inputs.iter().filter(|i| seen.insert(i.as_str())) {
                let Some(maker) = makers.get(input.as_str()) else { continue };
                match self.traced.get(input.as_str()) {
                    Some(Traced { shape: Shape::Maps { .. }, .. }) => return Some(input.clone()),
                    _ => queue.push_back(maker),
                }
            }
        }
        None
    }

    /// Goes back along the tape from `layer`, whose gradient is `gradient`, and returns the graph with the gradient
    /// of the network's input.
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
