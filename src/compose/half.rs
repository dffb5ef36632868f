//! A layer's graph in half precision: the network's forward and backward pass; means, objective and what makes the step stay in single precision.
//!
//! Weights are stored so already. Where halves and singles meet, numbers are converted. What may leave half precision's range, or counts on more
//! digits than it has, is computed in single precision: sums over a whole map, and what is divided by these.

use std::collections::{HashMap, HashSet};

use crate::export::data_type::{FLOAT, FLOAT16};
use crate::export::onnx;

/// The slope of a mask: half precision ends at 65504.
const STEEPEST: f32 = 6e4;

/// Multiply and add: half is what they are computed in for speed.
const HEAVY: [&str; 3] = ["Conv", "MatMul", "Gemm"];
/// Half where what they are given is.
const FOLLOWING: [&str; 24] = [
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Expand",
    "Gather",
    "HardSigmoid",
    "Identity",
    "LeakyRelu",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "Relu",
    "Reshape",
    "Resize",
    "Slice",
    "Squeeze",
    "Sub",
    "Tile",
    "Transpose",
    "Unsqueeze",
];
/// Their results are no numbers that are rounded.
const UNROUNDED: [&str; 6] = ["And", "Equal", "Greater", "Less", "Not", "Shape"];

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whole numbers, or truths.
    Whole,
    /// Known before the run, in single precision.
    Constant,
    Single,
    Half,
}

/// The graph of `model` with its network in half precision. The error says what is not as `reverie export` writes it.
pub fn halved(model: &onnx::Model) -> Result<onnx::Model, String> {
    let graph = model.graph.as_ref().ok_or("it holds no graph")?;
    let single = tail(graph).ok_or("what makes the step is not found in it")?;
    let mut half = Half { nodes: Vec::new(), kinds: HashMap::new(), converted: HashMap::new() };
    for tensor in &graph.initializer {
        let kind = if matches!(tensor.data_type, FLOAT | FLOAT16) { Kind::Constant } else { Kind::Whole };
        half.kinds.insert(tensor.name.clone(), kind);
    }
    for input in &graph.input {
        half.kinds.insert(input.name.clone(), Kind::Single);
    }
    let outputs: HashSet<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    for (index, node) in graph.node.iter().enumerate() {
        let stays = single.contains(&index) || node.output.iter().any(|output| outputs.contains(output.as_str()));
        half.append(node, stays)?;
    }
    let graph = onnx::Graph { node: half.nodes, ..graph.clone() };
    Ok(onnx::Model { graph: Some(graph), ..model.clone() })
}

/// The nodes that make the step of the gradient: all that depends on it once it is brought to a size of its own, of which the rest is mixed in that
/// `smoothing` leaves.
fn tail(graph: &onnx::Graph) -> Option<HashSet<usize>> {
    let maker = |name: &str| graph.node.iter().position(|node| node.output.iter().any(|output| output == name));
    let reader = |operator: &str, place: usize, of: &str| {
        let mut readers = graph.node.iter().filter(|node| node.op_type == operator);
        readers.find(|node| node.input.get(place).is_some_and(|input| input == of))
    };
    let rest = reader("Sub", 1, "smoothing")?.output.first()?;
    let first = maker(reader("Mul", 1, rest)?.input.first()?)?;
    let mut known: HashSet<&str> = graph.node[first].output.iter().map(String::as_str).collect();
    let mut tail = HashSet::from([first]);
    for (index, node) in graph.node.iter().enumerate().skip(first + 1) {
        if node.input.iter().any(|input| known.contains(input.as_str())) {
            tail.insert(index);
            known.extend(node.output.iter().map(String::as_str));
        }
    }
    Some(tail)
}

/// Whether `node` makes numbers in single precision, though it is given whole ones.
fn makes_singles(node: &onnx::Node) -> bool {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    match node.op_type.as_str() {
        "Cast" => attribute("to").is_some_and(|to| to.i == i64::from(FLOAT)),
        // As the operator has it: 0 in single precision where no value is stated.
        "ConstantOfShape" => {
            attribute("value").and_then(|value| value.t.as_ref()).is_none_or(|value| value.data_type == FLOAT)
        }
        _ => false,
    }
}

/// The graph as it grows.
struct Half {
    nodes: Vec<onnx::Node>,
    kinds: HashMap<String, Kind>,
    /// Values in the other precision, by name and whether that is half.
    converted: HashMap<(String, bool), String>,
}

impl Half {
    /// Appends `node`; in single precision where it `stays` so.
    fn append(&mut self, node: &onnx::Node, stays: bool) -> Result<(), String> {
        let kinds = node
            .input
            .iter()
            .filter(|input| !input.is_empty())
            .map(|input| self.kinds.get(input).copied().ok_or_else(|| format!("nothing in it makes `{input}`")));
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        let operator = node.op_type.as_str();
        let is_whole = UNROUNDED.contains(&operator) || kinds.first() == Some(&Kind::Whole) && !makes_singles(node);
        let is_constant = kinds.iter().all(|kind| matches!(kind, Kind::Constant | Kind::Whole));
        let follows = FOLLOWING.contains(&operator) && !kinds.contains(&Kind::Single);
        let kind = match () {
            () if is_whole => Kind::Whole,
            () if is_constant => Kind::Constant,
            () if !stays && (HEAVY.contains(&operator) || follows) => Kind::Half,
            () => Kind::Single,
        };
        let mut node = node.clone();
        if matches!(kind, Kind::Single | Kind::Half) {
            for (place, input) in node.input.iter_mut().enumerate() {
                // How much larger is always said in single precision.
                let is_scale = operator == "Resize" && place > 0;
                if !input.is_empty() && !is_scale {
                    *input = self.in_precision(input, kind == Kind::Half);
                }
            }
        }
        if kind == Kind::Half {
            let steep = node.attribute.iter_mut().filter(|attribute| attribute.name == "alpha");
            steep.for_each(|alpha| alpha.f = alpha.f.min(STEEPEST));
        }
        if let ("Cast", [of], [made], [Kind::Constant]) =
            (operator, node.input.as_slice(), node.output.as_slice(), kinds.as_slice())
        {
            // Weights are stored in half precision: they need not be converted back. (A count of positions is none.)
            self.converted.insert((made.clone(), true), of.clone());
        }
        self.kinds.extend(node.output.iter().map(|output| (output.clone(), kind)));
        self.nodes.push(node);
        Ok(())
    }

    /// The value `name` in half or in single precision.
    fn in_precision(&mut self, name: &str, is_half: bool) -> String {
        let kind = self.kinds[name];
        if kind == Kind::Whole || is_half == (kind == Kind::Half) {
            return name.to_owned();
        }
        let key = (name.to_owned(), is_half);
        if let Some(known) = self.converted.get(&key) {
            return known.clone();
        }
        let (to, suffix) = if is_half { (FLOAT16, "as_half") } else { (FLOAT, "as_single") };
        let made = format!("{name}_{suffix}");
        self.nodes.push(onnx::Node {
            op_type: "Cast".to_owned(),
            name: made.clone(),
            input: vec![name.to_owned()],
            output: vec![made.clone()],
            attribute: vec![onnx::Attribute {
                name: "to".to_owned(),
                r#type: 2,
                i: i64::from(to),
                ..Default::default()
            }],
            ..Default::default()
        });
        self.converted.insert(key, made.clone());
        made
    }
}
