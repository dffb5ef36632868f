//! Writing a graph of standard ONNX operators, node by node.
//!
//! The builder returns the same value for the same node over the same inputs, so rules may ask for a size or a
//! mask as often as they like; and what no output depends on is never written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use prost::Message;

use super::onnx;
use super::tensor::{Attribute, Data, Tensor, data_type};

/// ONNX's operator set of the graphs: the newest whose every operator used here is taken by TensorRT 8.6 and later.
pub const OPSET: i64 = 17;
/// The file format that goes with it.
const IR_VERSION: i64 = 8;
/// Constants of at most this many values are written into the graph itself.
const INLINE: usize = 16;

/// A tensor of the graph being written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Value(Arc<str>);

impl Value {
    /// A tensor that is there by name: an input of the graph.
    pub fn named(name: &str) -> Value {
        Value(name.into())
    }

    /// An optional input that is left out.
    pub fn none() -> Value {
        Value("".into())
    }

    /// Its name in the graph.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A graph being written.
#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<onnx::Node>,
    constants: Vec<(Value, Arc<Tensor>)>,
    /// Initialisers of other graphs, by all that they are but their names.
    stored: HashMap<Vec<u8>, Value>,
    initializers: Vec<onnx::Tensor>,
    made: HashMap<Vec<u8>, Vec<Value>>,
    outputs: Vec<(Value, onnx::ValueInfo)>,
    inputs: Vec<onnx::ValueInfo>,
}

impl Builder {
    /// An input of the graph. A dimension is a number or, symbolic, a name.
    pub fn input(&mut self, name: &str, shape: &[Dimension]) -> Value {
        self.inputs.push(value_info(name, shape, data_type::FLOAT));
        Value::named(name)
    }

    /// An input of integers.
    pub fn input_ints(&mut self, name: &str, shape: &[Dimension]) -> Value {
        self.inputs.push(value_info(name, shape, data_type::INT64));
        Value::named(name)
    }

    /// Names `value` as an output of the graph.
    pub fn output(&mut self, name: &str, value: &Value, shape: &[Dimension]) {
        // A node of its own, so that one tensor can be two outputs, and an input can be one.
        let value = self.op_with("Identity", &[value], &[], &format!("output {name}"));
        self.outputs.push((value, value_info(name, shape, data_type::FLOAT)));
    }

    /// Appends a node and returns its first output.
    pub fn op(&mut self, operator: &str, inputs: &[&Value], attributes: &[(&str, Attribute)]) -> Value {
        self.op_with(operator, inputs, attributes, "")
    }

    /// As [`Builder::op`], told from others that are the same by what is `distinct`.
    pub fn op_with(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute)],
        distinct: &str,
    ) -> Value {
        let node = onnx::Node {
            op_type: operator.to_owned(),
            name: distinct.to_owned(),
            input: inputs.iter().map(|v| v.name().to_owned()).collect(),
            attribute: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
            ..Default::default()
        };
        self.append(node, 1).remove(0)
    }

    /// Appends `node`, whose name tells it from others that are the same, and returns its outputs.
    fn append(&mut self, mut node: onnx::Node, outputs: usize) -> Vec<Value> {
        let key = node.encode_to_vec();
        if let Some(values) = self.made.get(&key).filter(|values| values.len() >= outputs) {
            return values.clone();
        }
        let name = format!("{}_{}", node.op_type.to_lowercase(), self.nodes.len());
        let values: Vec<Value> = match outputs {
            1 => vec![Value::named(&name)],
            _ => (0..outputs).map(|index| Value::named(&format!("{name}_{index}"))).collect(),
        };
        node.output = values.iter().map(|value| value.name().to_owned()).collect();
        node.name = name;
        self.nodes.push(node);
        self.made.insert(key, values.clone());
        values
    }

    /// `x` cut along `axis` into parts of these `lengths`.
    pub fn split(&mut self, x: &Value, lengths: &[i64], axis: i64) -> Vec<Value> {
        let cuts = self.ints(lengths);
        let node = onnx::Node {
            op_type: "Split".to_owned(),
            input: vec![x.name().to_owned(), cuts.name().to_owned()],
            attribute: vec![attribute("axis", &Attribute::Int(axis))],
            ..Default::default()
        };
        self.append(node, lengths.len())
    }

    /// Parts of `x` in the order of `indices` along `axis`.
    pub fn gather(&mut self, x: &Value, indices: &Value, axis: i64) -> Value {
        self.op("Gather", &[x, indices], &[("axis", Attribute::Int(axis))])
    }

    /// `parts` one after the other along `axis`.
    pub fn join(&mut self, parts: &[Value], axis: i64) -> Value {
        match parts {
            [only] => only.clone(),
            _ => self.op("Concat", &parts.iter().collect::<Vec<_>>(), &[("axis", Attribute::Int(axis))]),
        }
    }

    /// Appends the nodes of `model`, with `inputs` in the places of its inputs; returns its outputs by name. Of models that share
    /// weights, each is there once. Where `instead` makes the output of a node another way, given the values so far, that is taken.
    ///
    /// The error names what is missing.
    pub fn inline<'a>(
        &mut self,
        graph: &'a onnx::Graph,
        inputs: &HashMap<&'a str, Value>,
        instead: impl Fn(&mut Builder, &'a onnx::Node, &HashMap<&str, Value>) -> Option<Value>,
    ) -> Result<HashMap<String, Value>, String> {
        let mut values: HashMap<&str, Value> = inputs.clone();
        for tensor in &graph.initializer {
            values.insert(&tensor.name, self.stored(tensor));
        }
        let find = |values: &HashMap<&str, Value>, name: &str| match name {
            "" => Ok(Value::none()),
            _ => values.get(name).cloned().ok_or_else(|| format!("nothing in it makes `{name}`")),
        };
        for node in &graph.node {
            let inputs: Vec<Value> = node.input.iter().map(|name| find(&values, name)).collect::<Result<_, _>>()?;
            let other = match (node.op_type.as_str(), inputs.as_slice()) {
                ("Identity", [same]) => Some(same.clone()),
                _ => instead(self, node, &values),
            };
            if let (Some(value), Some(output)) = (other, node.output.first()) {
                values.insert(output, value);
                continue;
            }
            let copies = self.copy(node, &inputs.iter().collect::<Vec<_>>(), node.output.len());
            values.extend(node.output.iter().map(String::as_str).zip(copies));
        }
        graph.output.iter().map(|output| Ok((output.name.clone(), find(&values, &output.name)?))).collect()
    }

    /// Appends a node that does what `node` does, of `inputs`; its outputs, so many of them.
    pub fn copy(&mut self, node: &onnx::Node, inputs: &[&Value], outputs: usize) -> Vec<Value> {
        let input = inputs.iter().map(|value| value.name().to_owned()).collect();
        self.append(onnx::Node { name: String::new(), input, output: Vec::new(), ..node.clone() }, outputs)
    }

    /// An initialiser as it is.
    fn stored(&mut self, tensor: &onnx::Tensor) -> Value {
        let key = onnx::Tensor { name: String::new(), ..tensor.clone() }.encode_to_vec();
        if let Some(value) = self.stored.get(&key) {
            return value.clone();
        }
        let value = Value::named(&format!("stored_{}", self.stored.len()));
        self.initializers.push(onnx::Tensor { name: value.name().to_owned(), ..tensor.clone() });
        self.stored.insert(key, value.clone());
        value
    }

    /// A constant. Large ones go to `weights.bin`, kernels among them in half precision.
    pub fn constant(&mut self, tensor: &Arc<Tensor>) -> Value {
        let found = self.constants.iter().find(|(_, known)| Arc::ptr_eq(known, tensor) || known == tensor);
        if let Some((value, _)) = found {
            return value.clone();
        }
        let value = Value::named(&format!("constant_{}", self.constants.len()));
        self.constants.push((value.clone(), tensor.clone()));
        value
    }

    /// A constant list of integers.
    pub fn ints(&mut self, values: &[i64]) -> Value {
        self.constant(&Arc::new(Tensor::ints(values)))
    }

    /// A constant number.
    pub fn scalar(&mut self, value: f32) -> Value {
        self.constant(&Arc::new(Tensor::floats(&[], vec![value])))
    }

    /// Constant floating-point values.
    pub fn floats(&mut self, dims: &[usize], values: &[f32]) -> Value {
        self.constant(&Arc::new(Tensor::floats(dims, values.to_vec())))
    }

    /// `a + b`, broadcasting; also of sizes.
    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Add", &[a, b], &[])
    }

    /// `a − b`, broadcasting; also of sizes.
    pub fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Sub", &[a, b], &[])
    }

    /// `a · b`, broadcasting; also of sizes.
    pub fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Mul", &[a, b], &[])
    }

    /// `a / b`, broadcasting; of sizes, rounded toward zero.
    pub fn div(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Div", &[a, b], &[])
    }

    /// All sizes of `x`.
    pub fn shape(&mut self, x: &Value) -> Value {
        self.op("Shape", &[x], &[])
    }

    /// Height and width of the maps `x`: two integers.
    pub fn size(&mut self, x: &Value) -> Value {
        self.op("Shape", &[x], &[("start", Attribute::Int(2)), ("end", Attribute::Int(4))])
    }

    /// `x` with the sizes `dims`; -1 stands for what is left, 0 for the size that was there.
    pub fn reshape(&mut self, x: &Value, dims: &[i64]) -> Value {
        let dims = self.ints(dims);
        self.op("Reshape", &[x, &dims], &[])
    }

    /// The window of the maps `x` that begins at `begin` and is `size` high and wide.
    pub fn crop(&mut self, x: &Value, begin: &Value, size: &Value) -> Value {
        let end = self.add(begin, size);
        // Where nothing is cut off at the end, it is said by the largest number there is: by that ONNX Runtime sees that a
        // slice changes nothing, and leaves it out.
        let whole = self.size(x);
        let rest = self.sub(&whole, &end);
        let (one, largest) = (self.ints(&[1, 1]), self.ints(&[i64::MAX, i64::MAX]));
        let is_cut = self.op("Min", &[&rest, &one], &[]);
        let is_whole = self.sub(&one, &is_cut);
        let further = self.sub(&largest, &end);
        let further = self.mul(&further, &is_whole);
        let end = self.add(&end, &further);
        let axes = self.ints(&[2, 3]);
        self.op("Slice", &[x, begin, &end, &axes], &[])
    }

    /// The maps `x` with as many zeros before them as `begin` says, down and across, and after them as `end` says; of a negative
    /// number so many positions are cut off.
    pub fn pad(&mut self, x: &Value, begin: &Value, end: &Value) -> Value {
        let none = self.ints(&[0, 0]);
        let pads = self.op("Concat", &[&none, begin, &none, end], &[("axis", Attribute::Int(0))]);
        let zero = self.scalar(0.0);
        self.op("Pad", &[x, &pads, &zero], &[])
    }

    /// `x` summed over `axes`, which stay with length 1.
    pub fn sum_over(&mut self, x: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(axes);
        self.op("ReduceSum", &[x, &axes], &[("keepdims", Attribute::Int(1))])
    }

    /// The mean of all of `x`, a scalar that broadcasts.
    pub fn mean(&mut self, x: &Value) -> Value {
        self.op("ReduceMean", &[x], &[("keepdims", Attribute::Int(0))])
    }

    /// The finished model. `store` makes an initialiser of a name and a constant that is large.
    pub fn finish(self, mut store: impl FnMut(&str, &Tensor) -> onnx::Tensor) -> onnx::Model {
        let Builder { nodes, constants, initializers, outputs, inputs, .. } = self;
        let (mut kept, wanted) = wanted(nodes, outputs.iter().map(|(value, _)| value.name()));
        let renamed: HashMap<&str, &str> = outputs.iter().map(|(v, info)| (v.name(), info.name.as_str())).collect();
        for node in &mut kept {
            if let Some(name) = renamed.get(node.output[0].as_str()) {
                node.output[0] = (*name).to_owned();
            }
        }

        let mut casts = Vec::new();
        let mut initializer: Vec<_> = initializers.into_iter().filter(|tensor| wanted.contains(&tensor.name)).collect();
        for (value, tensor) in constants.iter().filter(|(value, _)| wanted.contains(value.name())) {
            let stored = match &tensor.data {
                Data::F32(values) if values.len() > INLINE => store(value.name(), tensor),
                _ => self::initializer(value.name(), tensor),
            };
            if stored.data_type == data_type::FLOAT16 {
                let half = format!("{}_half", value.name());
                casts.push(onnx::Node {
                    op_type: "Cast".to_owned(),
                    name: value.name().to_owned(),
                    input: vec![half.clone()],
                    output: vec![value.name().to_owned()],
                    attribute: vec![attribute("to", &Attribute::Int(i64::from(data_type::FLOAT)))],
                    ..Default::default()
                });
                initializer.push(onnx::Tensor { name: half, ..stored });
            } else {
                initializer.push(stored);
            }
        }
        casts.extend(kept);
        onnx::Model {
            ir_version: IR_VERSION,
            producer_name: "reverie".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(onnx::Graph {
                node: casts,
                name: "reverie".to_owned(),
                initializer,
                input: inputs,
                output: outputs.into_iter().map(|(_, info)| info).collect(),
            }),
            opset_import: vec![onnx::OperatorSet { domain: String::new(), version: OPSET }],
            functions: Vec::new(),
        }
    }
}

/// A dimension of an input or output: known, or known by name.
#[derive(Debug, Clone, Copy)]
pub enum Dimension {
    /// Always this.
    Fixed(usize),
    /// Whatever the graph is loaded for.
    Symbol(&'static str),
}

fn value_info(name: &str, shape: &[Dimension], elem_type: i32) -> onnx::ValueInfo {
    use onnx::tensor_shape::{Dimension as Dim, dimension::Value};
    let dim = shape
        .iter()
        .map(|d| match d {
            Dimension::Fixed(n) => Value::DimValue(*n as i64),
            Dimension::Symbol(symbol) => Value::DimParam((*symbol).to_owned()),
        })
        .map(|value| Dim { value: Some(value) })
        .collect();
    onnx::ValueInfo {
        name: name.to_owned(),
        r#type: Some(onnx::Type {
            tensor_type: Some(onnx::r#type::TensorType { elem_type, shape: Some(onnx::TensorShape { dim }) }),
        }),
    }
}

/// `tensor` within the graph, called `name`.
pub fn initializer(name: &str, tensor: &Tensor) -> onnx::Tensor {
    let dims = tensor.dims.iter().map(|&d| d as i64).collect();
    let (data_type, raw_data) = match &tensor.data {
        Data::F32(values) => (data_type::FLOAT, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Data::I64(values) => (data_type::INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
    };
    onnx::Tensor { name: name.to_owned(), dims, data_type, raw_data, ..Default::default() }
}

fn attribute(name: &str, value: &Attribute) -> onnx::Attribute {
    let mut proto = onnx::Attribute { name: name.to_owned(), ..Default::default() };
    match value {
        Attribute::Float(v) => (proto.r#type, proto.f) = (1, *v),
        Attribute::Int(v) => (proto.r#type, proto.i) = (2, *v),
        Attribute::Text(v) => (proto.r#type, proto.s) = (3, v.clone().into_bytes()),
        Attribute::Tensor(v) => (proto.r#type, proto.t) = (4, Some(initializer("", v))),
        Attribute::Floats(v) => (proto.r#type, proto.floats) = (6, v.clone()),
        Attribute::Ints(v) => (proto.r#type, proto.ints) = (7, v.clone()),
        // No rule writes one.
        Attribute::Unusable(_) => {}
    }
    proto
}

/// Those of `nodes`, which are in order, that any of `outputs` depends on, and the names of all values that these read or give.
pub fn wanted<'a>(
    nodes: Vec<onnx::Node>,
    outputs: impl Iterator<Item = &'a str>,
) -> (Vec<onnx::Node>, HashSet<String>) {
    let mut wanted: HashSet<String> = outputs.map(str::to_owned).collect();
    let mut kept = Vec::new();
    for node in nodes.into_iter().rev() {
        if node.output.iter().any(|output| wanted.contains(output)) {
            wanted.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    (kept, wanted)
}
