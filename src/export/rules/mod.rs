//! The table of operators: for each, the rule that lowers it forward and knows its adjoint.
//!
//! A rule gets a node and appends to the graph what computes the node's result. It returns that with a closure
//! that, given the gradient of the result, appends what computes the gradients of the node's inputs. Whatever
//! both passes share (a mask, a square root) is simply a variable of both. A rule refuses a node that it cannot lower
//! with a phrase that says why. Rules know [`Trace`], not this table, nor the walk that calls them by it.

mod activation;
mod arithmetic;
mod convolution;
mod head;
mod normalisation;
mod pad;
mod pool;
pub(super) mod stride;

pub use activation::above_zero;
pub use head::copy as copy_head;
pub use normalisation::{is_training, scale_and_shift};

use super::network::Node;
use super::trace::{Lowered, Trace};

/// Lowers a node forward, with its adjoint. The error says what about the node is unsupported.
pub type Rule = fn(&mut Trace, &Node) -> Result<Lowered, String>;

/// From ONNX's operators to their rules.
const RULES: &[(&str, Rule)] = &[
    ("Add", arithmetic::add),
    ("AveragePool", pool::average),
    ("BatchNormalization", normalisation::batch),
    ("Clip", activation::clip),
    ("Concat", arithmetic::concat),
    ("Conv", convolution::conv),
    ("Div", arithmetic::div),
    ("Gather", convolution::gather),
    ("GlobalAveragePool", pool::global_average),
    ("HardSigmoid", activation::hard_sigmoid),
    ("HardSwish", activation::hard_swish),
    ("LRN", normalisation::local_response),
    ("LeakyRelu", activation::leaky_relu),
    ("MaxPool", pool::max),
    ("Mul", arithmetic::mul),
    ("Pad", pad::pad),
    ("ReduceMean", pool::reduce_mean),
    ("Relu", activation::relu),
    ("Sigmoid", activation::sigmoid),
    ("Sub", arithmetic::sub),
    ("Sum", arithmetic::add),
    ("Tanh", activation::tanh),
];

/// The rule for `operator`.
pub fn find(operator: &str) -> Option<Rule> {
    RULES.iter().find(|(name, _)| *name == operator).map(|(_, rule)| *rule)
}

/// The operators that have a rule, and those that change nothing at inference.
pub fn supported() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name).chain(PASSING)
}

const PASSING: [&str; 4] = ["Cast", "Constant", "Dropout", "Identity"];

/// Whether `node` changes nothing: its result is its first input.
pub fn passes_through(node: &Node) -> bool {
    match node.operator.as_str() {
        "Identity" | "Dropout" => true,
        // Between floating-point types: the graphs are single precision throughout.
        "Cast" => matches!(node.int("to", 1), 1 | 10 | 11 | 16),
        _ => false,
    }
}
