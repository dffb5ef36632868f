//! Functions of a model's own, put in place of the nodes that call them (ONNX's `ModelProto.functions`).

use std::collections::HashMap;

use super::error::ExportError;
use super::onnx;

/// Functions may call functions, but not so deep.
const DEEPEST: usize = 32;
/// No picture network has more nodes; a file of a few calls could ask for any number.
const MOST_NODES: usize = 100_000;

type Functions<'a> = HashMap<(&'a str, &'a str), &'a onnx::Function>;

/// The nodes of `graph`, calls of `functions` expanded.
pub fn inline(graph: &onnx::Graph, functions: &[onnx::Function]) -> Result<Vec<onnx::Node>, ExportError> {
    let functions: Functions = functions.iter().map(|f| ((f.domain.as_str(), f.name.as_str()), f)).collect();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for node in &graph.node {
        expand(node.clone(), &functions, 0, &mut nodes)?;
    }
    Ok(nodes)
}

fn expand(
    node: onnx::Node,
    functions: &Functions,
    depth: usize,
    nodes: &mut Vec<onnx::Node>,
) -> Result<(), ExportError> {
    let Some(function) = functions.get(&(node.domain.as_str(), node.op_type.as_str())) else {
        nodes.push(node);
        return Ok(());
    };
    if depth == DEEPEST || nodes.len() > MOST_NODES {
        return Err(ExportError::NotOnnx(format!("its function `{}` goes too deep", function.name)));
    }
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
        let attributes = node.attribute.iter().chain(&function.attribute_proto);
        attributes.filter(|attribute| attribute.name == name).next().cloned()
    };
    for inner in &function.node {
        let attribute = inner.attribute.iter().filter_map(|attribute| match attribute.ref_attr_name.as_str() {
            "" => Some(attribute.clone()),
            reference => given(reference).map(|value| onnx::Attribute { name: attribute.name.clone(), ..value }),
        });
        let inner = onnx::Node {
            input: inner.input.iter().map(renamed).collect(),
            output: inner.output.iter().map(renamed).collect(),
            name: format!("{}/{}", node.name, inner.name),
            attribute: attribute.collect(),
            ..inner.clone()
        };
        expand(inner, functions, depth + 1, nodes)?;
    }
    Ok(())
}
