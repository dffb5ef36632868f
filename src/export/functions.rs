//! Functions of a model's own, put in place of the nodes that call them (ONNX's `ModelProto.functions`).

use std::collections::HashMap;

use super::error::ExportError;
use super::onnx;

/// Functions may call functions, but not so deep.
const DEEPEST: usize = 32;
/// No picture network has so many nodes and calls; a small file could ask for any number.
const MOST_STEPS: usize = 100_000;
/// Nor do functions repeat constants of such a size.
const MOST_BYTES: usize = 1 << 28;

/// The nodes of `graph`, calls of `functions` expanded.
pub fn inline(graph: &onnx::Graph, functions: &[onnx::Function]) -> Result<Vec<onnx::Node>, ExportError> {
    let functions = functions.iter().map(|f| ((f.domain.as_str(), f.name.as_str()), f)).collect();
    let mut inliner = Inliner { functions, nodes: Vec::with_capacity(graph.node.len()), steps: 0, bytes: 0 };
    graph.node.iter().try_for_each(|node| inliner.expand(node.clone(), 0))?;
    Ok(inliner.nodes)
}

struct Inliner<'a> {
    /// By domain and name.
    functions: HashMap<(&'a str, &'a str), &'a onnx::Function>,
    nodes: Vec<onnx::Node>,
    steps: usize,
    /// What the nodes that were put in place take, bytes.
    bytes: usize,
}

impl Inliner<'_> {
    fn expand(&mut self, node: onnx::Node, depth: usize) -> Result<(), ExportError> {
        let Some(&function) = self.functions.get(&(node.domain.as_str(), node.op_type.as_str())) else {
            self.nodes.push(node);
            return Ok(());
        };
        self.steps += 1 + function.node.len();
        self.bytes += function.node.iter().map(prost::Message::encoded_len).sum::<usize>();
        if depth == DEEPEST || self.steps > MOST_STEPS || self.bytes > MOST_BYTES {
            return Err(ExportError::NotOnnx(format!(
                "calls of its function `{}` are too many, or never end",
                function.name
            )));
        }
        function.node.iter().try_for_each(|inner| self.expand(called(&node, function, inner), depth + 1))
    }
}

/// Nodes need no name: what has none is called by its tensor elsewhere.
fn called_name(node: &str, inner: &str) -> String {
    if node.is_empty() && inner.is_empty() { String::new() } else { format!("{node}/{inner}") }
}

/// The node `inner` of `function` as `node`, which calls it, means it: with that call's tensors and attributes.
fn called(node: &onnx::Node, function: &onnx::Function, inner: &onnx::Node) -> onnx::Node {
    // Tensors are made once, so the name of one that the call makes tells its tensors from those of other calls.
    let scope = node.output.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
    let actual = |names: &[String], place: usize| names.get(place).cloned();
    let inputs = function.input.iter().enumerate().map(|(i, name)| (name, actual(&node.input, i).unwrap_or_default()));
    // An output that the call leaves out is still made, as a tensor of the function's own.
    let outputs = function.output.iter().enumerate();
    let outputs =
        outputs.filter_map(|(i, name)| Some((name, actual(&node.output, i).filter(|name| !name.is_empty())?)));
    let names: HashMap<&String, String> = inputs.chain(outputs).collect();
    let renamed = |name: &String| match names.get(name) {
        Some(name) => name.clone(),
        None if name.is_empty() => String::new(),
        None => format!("{scope}/{name}"),
    };
    let given = |name: &str| {
        let mut attributes = node.attribute.iter().chain(&function.attribute_proto);
        attributes.find(|attribute| attribute.name == name).cloned()
    };
    let attribute = inner.attribute.iter().filter_map(|attribute| match attribute.ref_attr_name.as_str() {
        "" => Some(attribute.clone()),
        reference => given(reference).map(|value| onnx::Attribute { name: attribute.name.clone(), ..value }),
    });
    onnx::Node {
        input: inner.input.iter().map(renamed).collect(),
        output: inner.output.iter().map(renamed).collect(),
        name: called_name(&node.name, &inner.name),
        attribute: attribute.collect(),
        ..inner.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_calls_itself_is_refused() {
        let call = onnx::Node { op_type: "f".to_owned(), output: vec!["y".to_owned()], ..onnx::Node::default() };
        let function =
            onnx::Function { name: "f".to_owned(), node: vec![call.clone(); 9], ..onnx::Function::default() };
        let graph = onnx::Graph { node: vec![call], ..onnx::Graph::default() };
        let error = inline(&graph, &[function]).unwrap_err().to_string();
        assert!(error.contains("calls of its function `f` are too many, or never end"), "{error}");
    }
}
