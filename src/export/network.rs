//! A trained network as the exporter sees it: nodes in order, constants by name, one picture going in.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path};
use std::sync::Arc;

use prost::Message;

use super::error::ExportError;
use super::onnx;
use super::tensor::{Attribute, Tensor, data_type, width};

/// A network read from an ONNX file.
#[derive(Debug, Clone)]
pub struct Network {
    /// The nodes, each after those whose results it takes.
    pub nodes: Vec<Node>,
    /// Weights and other constants, by tensor name.
    pub constants: HashMap<String, Arc<Tensor>>,
    /// The tensor the picture goes in by.
    pub input: String,
    /// The number of pictures the network was fixed to, where it was.
    pub batch: Option<usize>,
    /// Height and width the network was fixed to, where it was.
    pub size: Option<[usize; 2]>,
    /// The tensors that come out.
    pub outputs: Vec<String>,
    /// Version of ONNX's operator set the nodes are written in.
    pub opset: i64,
}

/// One operator at work.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its own name, or that of the tensor it makes.
    pub name: String,
    /// The operator; one from outside ONNX's standard set has its domain in front.
    pub operator: String,
    /// Names of the tensors it takes; an input left out is empty.
    pub inputs: Vec<String>,
    /// Names of the tensors it makes.
    pub outputs: Vec<String>,
    /// Its settings.
    pub attributes: HashMap<String, Attribute>,
}

impl Node {
    /// Input `index`, if it is there.
    pub fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The first tensor it makes.
    pub fn output(&self) -> &str {
        &self.outputs[0]
    }

    /// An integer setting.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => *value,
            _ => default,
        }
    }

    /// A number setting.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => *value,
            _ => default,
        }
    }

    /// A list of integers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// A string.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name) {
            Some(Attribute::Text(value)) => Some(value),
            _ => None,
        }
    }
}

impl Network {
    /// Reads an ONNX file, and the files beside it that hold its weights where it keeps them apart.
    pub fn read(path: &Path) -> Result<Network, ExportError> {
        let bytes = std::fs::read(path).map_err(|source| ExportError::Read { path: path.to_owned(), source })?;
        let folder = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
        Network::parse(&bytes, folder)
    }

    /// Reads the bytes of an ONNX file. Weights kept apart are looked for in `folder`.
    pub fn parse(bytes: &[u8], folder: Option<&Path>) -> Result<Network, ExportError> {
        let model = onnx::Model::decode(bytes).map_err(|e| ExportError::NotOnnx(e.to_string()))?;
        let graph = model.graph.ok_or_else(|| ExportError::NotOnnx("it holds no graph".to_owned()))?;
        let opset = model.opset_import.iter().find(|o| is_standard(&o.domain)).map(|o| o.version);
        let external = |tensor: &onnx::Tensor| read_external(tensor, folder);

        let mut constants = HashMap::new();
        for proto in &graph.initializer {
            let tensor = Tensor::from_proto(proto, &external)
                .map_err(|why| ExportError::NotOnnx(format!("constant `{}`: {why}", proto.name)))?;
            constants.insert(proto.name.clone(), Arc::new(tensor));
        }
        let (input, batch, size) = picture(&graph, &constants)?;

        let mut nodes = Vec::with_capacity(graph.node.len());
        for proto in &graph.node {
            let node = read_node(proto, &external)?;
            if node.operator == "Constant" {
                let value = constant_value(&node).ok_or_else(|| {
                    ExportError::NotOnnx(format!("node `{}` is a Constant without a value that can be used", node.name))
                })?;
                constants.insert(node.output().to_owned(), value);
            } else {
                nodes.push(node);
            }
        }
        let outputs = graph.output.iter().map(|o| o.name.clone()).collect();
        let network = Network { nodes, constants, input, batch, size, outputs, opset: opset.unwrap_or(1) };
        network.check()?;
        Ok(network)
    }

    /// Every tensor is made once, and before it is used.
    fn check(&self) -> Result<(), ExportError> {
        let mut known: HashSet<&str> = self.constants.keys().map(String::as_str).collect();
        known.insert(&self.input);
        for node in &self.nodes {
            if let Some(missing) = node.inputs.iter().find(|i| !i.is_empty() && !known.contains(i.as_str())) {
                return Err(ExportError::NotOnnx(format!(
                    "node `{}` takes `{missing}`, which nothing before it makes",
                    node.name
                )));
            }
            for output in node.outputs.iter().filter(|o| !o.is_empty()) {
                if !known.insert(output) {
                    return Err(ExportError::NotOnnx(format!("two nodes make `{output}`")));
                }
            }
        }
        Ok(())
    }

    /// For each node, whether `tensor` depends on it.
    pub fn ancestors(&self, tensor: &str) -> Vec<bool> {
        let mut wanted: HashSet<&str> = HashSet::from([tensor]);
        let mut needed = vec![false; self.nodes.len()];
        for (node, needed) in self.nodes.iter().zip(&mut needed).rev() {
            if node.outputs.iter().any(|o| wanted.contains(o.as_str())) {
                *needed = true;
                wanted.extend(node.inputs.iter().map(String::as_str).filter(|i| !i.is_empty()));
            }
        }
        needed
    }
}

fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The one input that is not a constant, with the batch and size it is fixed to.
#[allow(clippy::type_complexity)] // three values that are taken apart at once
fn picture(
    graph: &onnx::Graph,
    constants: &HashMap<String, Arc<Tensor>>,
) -> Result<(String, Option<usize>, Option<[usize; 2]>), ExportError> {
    let inputs: Vec<_> = graph.input.iter().filter(|i| !constants.contains_key(&i.name)).collect();
    let [input] = inputs.as_slice() else {
        let names = inputs.iter().map(|i| format!("`{}`", i.name)).collect::<Vec<_>>().join(", ");
        return Err(ExportError::NoPicture(match inputs.len() {
            0 => "it has no input".to_owned(),
            n => format!("it has {n} inputs, {names}"),
        }));
    };
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let kind = tensor.map_or(0, |t| t.elem_type);
    if ![data_type::FLOAT, data_type::FLOAT16].contains(&kind) {
        return Err(ExportError::NoPicture(format!(
            "its input `{}` is not floating point (data type {kind} of ONNX)",
            input.name
        )));
    }
    let Some(shape) = tensor.and_then(|t| t.shape.as_ref()) else {
        return Ok((input.name.clone(), None, None)); // a shape is optional; then it is taken for a picture
    };
    use onnx::tensor_shape::dimension::Value;
    let fixed: Vec<Option<usize>> = shape
        .dim
        .iter()
        .map(|d| match d.value {
            Some(Value::DimValue(n)) => usize::try_from(n).ok().filter(|&n| n > 0),
            _ => None,
        })
        .collect();
    match fixed.as_slice() {
        [batch, None | Some(3), height, width] => {
            Ok((input.name.clone(), *batch, height.zip(*width).map(|(h, w)| [h, w])))
        }
        [_, _, _, Some(3)] => Err(ExportError::NoPicture(format!(
            "its input `{}` has the colours last (NHWC); convert it to NCHW first, as `tf2onnx --inputs-as-nchw` does",
            input.name
        ))),
        _ => {
            Err(ExportError::NoPicture(format!("its input `{}` is not batch × 3 colours × height × width", input.name)))
        }
    }
}

fn read_node(
    proto: &onnx::Node,
    external: &dyn Fn(&onnx::Tensor) -> Result<Vec<u8>, String>,
) -> Result<Node, ExportError> {
    let first_output = proto.output.iter().find(|o| !o.is_empty());
    let name = if proto.name.is_empty() { first_output.cloned().unwrap_or_default() } else { proto.name.clone() };
    if proto.output.first().is_none_or(String::is_empty) {
        return Err(ExportError::NotOnnx(format!("node `{name}` ({}) makes nothing", proto.op_type)));
    }
    let mut attributes = HashMap::new();
    for attribute in &proto.attribute {
        let value = read_attribute(attribute, external)
            .map_err(|why| ExportError::NotOnnx(format!("node `{name}`, `{}`: {why}", attribute.name)))?;
        attributes.insert(attribute.name.clone(), value);
    }
    let operator = match proto.domain.as_str() {
        domain if is_standard(domain) => proto.op_type.clone(),
        domain => format!("{domain}.{}", proto.op_type),
    };
    Ok(Node { name, operator, inputs: proto.input.clone(), outputs: proto.output.clone(), attributes })
}

fn read_attribute(
    proto: &onnx::Attribute,
    external: &dyn Fn(&onnx::Tensor) -> Result<Vec<u8>, String>,
) -> Result<Attribute, String> {
    Ok(match (proto.r#type, &proto.t) {
        (1, _) => Attribute::Float(proto.f),
        (2, _) => Attribute::Int(proto.i),
        (3, _) => Attribute::Text(String::from_utf8_lossy(&proto.s).into_owned()),
        (4, Some(tensor)) => Attribute::Tensor(Arc::new(Tensor::from_proto(tensor, external)?)),
        (6, _) => Attribute::Floats(proto.floats.clone()),
        (7, _) => Attribute::Ints(proto.ints.clone()),
        _ => Attribute::Other,
    })
}

fn constant_value(node: &Node) -> Option<Arc<Tensor>> {
    let (name, value) = node.attributes.iter().find(|(name, _)| name.starts_with("value"))?;
    Some(match (name.as_str(), value) {
        ("value", Attribute::Tensor(tensor)) => tensor.clone(),
        ("value_float", Attribute::Float(v)) => Arc::new(Tensor::floats(&[], vec![*v])),
        ("value_int", Attribute::Int(v)) => Arc::new(Tensor::ints(&[*v]).reshaped(&[])),
        ("value_floats", Attribute::Floats(v)) => Arc::new(Tensor::floats(&[v.len()], v.clone())),
        ("value_ints", Attribute::Ints(v)) => Arc::new(Tensor::ints(v)),
        _ => return None,
    })
}

/// The bytes of a tensor kept in a file beside the network.
fn read_external(tensor: &onnx::Tensor, folder: Option<&Path>) -> Result<Vec<u8>, String> {
    use std::io::{Read, Seek, SeekFrom};
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let number = |key: &str| {
        entry(key).map(|v| v.parse::<u64>().map_err(|_| format!("its {key} `{v}` is not a number"))).transpose()
    };
    let location = entry("location").ok_or("it lies in another file, which is not named")?;
    // The file may come from a stranger: it names files of its own folder only.
    if !Path::new(location).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("it lies in `{location}`, outside the network's folder"));
    }
    let path = folder.ok_or("it lies in another file")?.join(location);
    let failed = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    let mut file = std::fs::File::open(&path).map_err(failed)?;
    let offset = number("offset")?.unwrap_or(0);
    let rest = file.metadata().map_err(failed)?.len().saturating_sub(offset);
    let length = match number("length")? {
        Some(length) => length,
        None => {
            let values = tensor.dims.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::try_from(d).ok()?));
            let bytes = values.zip(width(tensor.data_type)).and_then(|(n, w)| n.checked_mul(w as u64));
            bytes.ok_or("its shape is larger than any memory")?
        }
    };
    if length > rest {
        return Err(format!("{} is too short: {length} bytes wanted at {offset}", path.display()));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|e| e.to_string())?];
    file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}
