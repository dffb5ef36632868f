//! Nodes over constants alone, worked out at export.

use std::sync::Arc;

use super::network::Node;
use super::tensor::{Data, Tensor};

/// The constant that `node` makes of constants. The error says that it cannot be worked out.
pub fn fold(node: &Node, constant: impl Fn(&str) -> Result<Arc<Tensor>, String>) -> Result<Arc<Tensor>, String> {
    let input = |i: usize| node.input(i).ok_or_else(|| "it lacks a constant input".to_owned()).and_then(&constant);
    match node.operator.as_str() {
        "Identity" | "Dropout" => input(0),
        "Cast" => cast(&*input(0)?, node.int("to", 1)).map(Arc::new),
        operator => Err(format!("{operator} over constants is not worked out at export; simplify the network first")),
    }
}

fn cast(tensor: &Tensor, to: i64) -> Result<Tensor, String> {
    let data = match (&tensor.data, to) {
        (Data::F32(v), 1 | 10 | 11 | 16) => Data::F32(v.clone()),
        (Data::I64(v), 1 | 10 | 11 | 16) => Data::F32(v.iter().map(|&v| v as f32).collect()),
        (Data::I64(v), 6 | 7) => Data::I64(v.clone()),
        (Data::F32(v), 6 | 7) => Data::I64(v.iter().map(|&v| v as i64).collect()),
        _ => return Err(format!("it casts a constant to data type {to} of ONNX")),
    };
    Ok(Tensor { dims: tensor.dims.clone(), data })
}
