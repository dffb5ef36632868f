//! A trained network as the exporter sees it: nodes in order, constants by name, one picture going in.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path};
use std::sync::Arc;

use prost::Message;

use super::error::ExportError;
use super::functions;
use super::onnx;
use super::tensor::{Attribute, Tensor, data_type, type_name, width};

/// A network read from an ONNX file.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// The nodes, each after those whose results it takes.
    pub nodes: Vec<Node>,
    /// Weights and other constants, by tensor name.
    pub constants: HashMap<String, Arc<Tensor>>,
    /// Constants that cannot be used, by tensor name, and why: what does not need them can be exported all the same.
    pub unusable: HashMap<String, String>,
    /// The tensor the picture goes in by.
    pub input: String,
    /// Whether it takes 0 to 255, which the network scales itself.
    pub takes_bytes: bool,
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

        let outputs = graph.output.iter().map(|o| o.name.clone()).collect();
        let mut network = Network { outputs, opset: opset.unwrap_or(1), ..Network::default() };
        for proto in &graph.initializer {
            network.keep_constant(&proto.name, Tensor::from_proto(proto, &external).map(Arc::new));
        }
        for proto in &functions::inline(&graph, &model.functions)? {
            let node = read_node(proto, &external)?;
            if node.operator == "Constant" {
                network.keep_constant(node.output(), constant_value(&node));
            } else {
                network.nodes.push(node);
            }
        }
        network.find_picture(&graph)?;
        network.check()?;
        Ok(network)
    }

    fn keep_constant(&mut self, name: &str, value: Result<Arc<Tensor>, String>) {
        match value {
            Ok(tensor) => drop(self.constants.insert(name.to_owned(), tensor)),
            Err(why) => drop(self.unusable.insert(name.to_owned(), why)),
        }
    }

    /// Whether there is a tensor called `name`.
    pub fn has(&self, name: &str) -> bool {
        let is_made = || self.nodes.iter().any(|node| node.outputs.iter().any(|output| output == name));
        self.input == name || self.is_constant(name) || !name.is_empty() && is_made()
    }

    /// Whether the tensor called `name` is stored in the file.
    fn is_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name) || self.unusable.contains_key(name)
    }

    /// Every tensor is made once, and before it is used.
    fn check(&self) -> Result<(), ExportError> {
        let mut known: HashSet<&str> = self.constants.keys().chain(self.unusable.keys()).map(String::as_str).collect();
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

    /// Finds the one input that is not a constant, and what it is fixed to.
    fn find_picture(&mut self, graph: &onnx::Graph) -> Result<(), ExportError> {
        let inputs: Vec<_> = graph.input.iter().filter(|i| !self.is_constant(&i.name)).collect();
        let [input] = inputs.as_slice() else {
            let names = inputs.iter().map(|i| format!("`{}`", i.name)).collect::<Vec<_>>().join(", ");
            return Err(ExportError::NoPicture(match inputs.len() {
                0 => "it has no input".to_owned(),
                n => format!("it has {n} inputs, {names}"),
            }));
        };
        self.input.clone_from(&input.name);
        let refused = |what: String| Err(ExportError::NoPicture(format!("its input `{}` {what}", input.name)));
        let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        match tensor.map_or(0, |t| t.elem_type) {
            data_type::FLOAT | data_type::FLOAT16 => {}
            data_type::UINT8 => self.takes_bytes = true,
            0 => return refused("is not a tensor".to_owned()),
            other => {
                return refused(format!(
                    "takes {}; 32-bit floats, 16-bit floats and bytes are supported",
                    type_name(other)
                ));
            }
        }
        // A shape is optional; without one it is assumed to be a picture.
        let Some(shape) = tensor.and_then(|t| t.shape.as_ref()) else { return Ok(()) };
        use onnx::tensor_shape::dimension::Value;
        let fixed: Vec<Option<usize>> = shape
            .dim
            .iter()
            .map(|d| match d.value {
                Some(Value::DimValue(n)) => usize::try_from(n).ok().filter(|&n| n > 0),
                _ => None,
            })
            .collect();
        let has_colours_last = fixed.get(1) != Some(&Some(3)) && self.skip_transpose();
        let (height, width) = match *fixed.as_slice() {
            [_, height, width, None | Some(3)] if has_colours_last => (height, width),
            [_, Some(3), height, width] => (height, width),
            [_, _, _, Some(3)] => {
                return refused(
                    "has the colours last (NHWC); convert it to NCHW first, as `tf2onnx --inputs-as-nchw` does"
                        .to_owned(),
                );
            }
            [_, None, height, width] if !has_colours_last => (height, width),
            _ => return refused("is not batch × 3 colours × height × width".to_owned()),
        };
        (self.batch, self.size) = (fixed[0], height.zip(width).map(|(h, w)| [h, w]));
        Ok(())
    }

    /// Where all that is done with an input of NHWC is to bring it to NCHW: takes what comes of that for the input.
    fn skip_transpose(&mut self) -> bool {
        let takes_input = |node: &Node| node.inputs.contains(&self.input);
        let mut takers = self.nodes.iter().enumerate().filter(|(_, node)| takes_input(node));
        let (Some((place, first)), None) = (takers.next(), takers.next()) else { return false };
        let is_to_nchw = first.operator == "Transpose" && first.ints("perm") == Some(&[0, 3, 1, 2]);
        if is_to_nchw {
            self.input = self.nodes.remove(place).outputs.swap_remove(0);
        }
        is_to_nchw
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
        attributes.insert(attribute.name.clone(), read_attribute(attribute, external));
    }
    let operator = match proto.domain.as_str() {
        domain if is_standard(domain) => proto.op_type.clone(),
        domain => format!("{domain}.{}", proto.op_type),
    };
    Ok(Node { name, operator, inputs: proto.input.clone(), outputs: proto.output.clone(), attributes })
}

fn read_attribute(proto: &onnx::Attribute, external: &dyn Fn(&onnx::Tensor) -> Result<Vec<u8>, String>) -> Attribute {
    match (proto.r#type, &proto.t) {
        (1, _) => Attribute::Float(proto.f),
        (2, _) => Attribute::Int(proto.i),
        (3, _) => Attribute::Text(String::from_utf8_lossy(&proto.s).into_owned()),
        (4, Some(tensor)) => match Tensor::from_proto(tensor, external) {
            Ok(tensor) => Attribute::Tensor(Arc::new(tensor)),
            Err(why) => Attribute::Unusable(why),
        },
        (6, _) => Attribute::Floats(proto.floats.clone()),
        (7, _) => Attribute::Ints(proto.ints.clone()),
        (8, _) => Attribute::Unusable("it holds text, which is not computed with here".to_owned()),
        (11, _) => Attribute::Unusable("it is sparse, which is not supported".to_owned()),
        _ => Attribute::Unusable("it is of a kind that is not supported".to_owned()),
    }
}

/// The value of a `Constant`, or why it has none that can be used.
fn constant_value(node: &Node) -> Result<Arc<Tensor>, String> {
    let value = node.attributes.iter().find(|(name, _)| name.contains("value"));
    let (name, value) = value.ok_or("it is a Constant without a value")?;
    Ok(match (name.as_str(), value) {
        ("value", Attribute::Tensor(tensor)) => tensor.clone(),
        ("value_float", Attribute::Float(v)) => Arc::new(Tensor::floats(&[], vec![*v])),
        ("value_int", Attribute::Int(v)) => Arc::new(Tensor::ints(&[*v]).reshaped(&[])),
        ("value_floats", Attribute::Floats(v)) => Arc::new(Tensor::floats(&[v.len()], v.clone())),
        ("value_ints", Attribute::Ints(v)) => Arc::new(Tensor::ints(v)),
        ("value_string", _) => return Err("it holds text, which is not computed with here".to_owned()),
        (_, Attribute::Unusable(why)) => return Err(why.clone()),
        _ => return Err(format!("its `{name}` is of another kind than its name says")),
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
