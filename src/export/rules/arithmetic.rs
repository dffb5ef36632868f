//! Sums, products and joined channels. What the forward pass broadcasts the backward pass sums.

use std::sync::Arc;

use crate::export::builder::{Builder, Value};
use crate::export::network::Node;
use crate::export::tensor::{Attribute, Tensor};
use crate::export::trace::{Input, Lowered, Shape, Trace, Traced};

/// One side of an operation: a tensor of the network, or a constant that broadcasts over maps.
#[derive(Clone)]
struct Operand {
    traced: Option<Traced>,
    value: Value,
    shape: Shape,
}

fn operand(t: &mut Trace, node: &Node, index: usize) -> Result<Operand, String> {
    Ok(match t.input(node, index)? {
        Input::Picture(traced) => {
            if traced.shape == Shape::Other {
                return Err("its input has no feature maps any more".to_owned());
            }
            Operand { value: traced.value.clone(), shape: traced.shape, traced: Some(traced) }
        }
        Input::Constant(tensor) => {
            let tensor = over_maps(&tensor)?;
            let shape = Shape::Pooled { channels: tensor.dims[1] };
            Operand { value: t.builder.constant(&Arc::new(tensor)), shape, traced: None }
        }
    })
}

/// `tensor` as 1 × channels × 1 × 1, which is how it broadcasts over maps.
fn over_maps(tensor: &Tensor) -> Result<Tensor, String> {
    let dims = &tensor.dims;
    let padded = [&[1; 4][dims.len().min(4)..], dims].concat();
    match padded.as_slice() {
        [1, channels, 1, 1] if tensor.as_floats().is_some() => Ok(tensor.reshaped(&[1, *channels, 1, 1])),
        _ => Err(format!("its constant {dims:?} is not one number, or one for each channel")),
    }
}

/// What comes of broadcasting two shapes over each other.
fn broadcast(a: Shape, b: Shape) -> Result<Shape, String> {
    let (Some(ca), Some(cb)) = (a.channels(), b.channels()) else {
        return Err("its input has no feature maps any more".to_owned());
    };
    if ca != cb && ca != 1 && cb != 1 {
        return Err(format!("its inputs have {ca} and {cb} channels"));
    }
    let channels = if ca == 1 { cb } else { ca };
    Ok(match (a, b) {
        (Shape::Maps { stride: a, .. }, Shape::Maps { stride: b, .. }) if a != b => {
            return Err(format!("its inputs have maps of different sizes (strides {a:?} and {b:?})"));
        }
        (Shape::Maps { stride, .. }, _) | (_, Shape::Maps { stride, .. }) => Shape::Maps { channels, stride },
        _ => Shape::Pooled { channels },
    })
}

/// Sums `gradient`, which has the shape `from`, over whatever was broadcast to make `from` of `to`.
fn unbroadcast(b: &mut Builder, gradient: &Value, from: Shape, to: Shape) -> Value {
    let mut axes = Vec::new();
    if from.channels() != to.channels() {
        axes.push(1);
    }
    if matches!((from, to), (Shape::Maps { .. }, Shape::Pooled { .. })) {
        axes.extend([2, 3]);
    }
    if axes.is_empty() { gradient.clone() } else { b.sum_over(gradient, &axes) }
}

/// Gradients for those of `operands` that depend on the picture. `part` gives that of operand `i` before summing
/// over what was broadcast.
fn parts(
    b: &mut Builder,
    operands: &[Operand],
    shape: Shape,
    mut part: impl FnMut(&mut Builder, usize) -> Value,
) -> Vec<(String, Value)> {
    let mut gradients = Vec::new();
    for (i, operand) in operands.iter().enumerate() {
        if let Some(traced) = &operand.traced {
            let whole = part(b, i);
            gradients.push((traced.name.clone(), unbroadcast(b, &whole, shape, operand.shape)));
        }
    }
    gradients
}

/// Add, and Sum of any number.
pub fn add(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let operands = (0..node.inputs.len()).map(|i| operand(t, node, i)).collect::<Result<Vec<_>, _>>()?;
    let (first, rest) = operands.split_first().ok_or("it adds nothing")?;
    let (mut value, mut shape) = (first.value.clone(), first.shape);
    for other in rest {
        value = t.builder.add(&value, &other.value);
        shape = broadcast(shape, other.shape)?;
    }
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| parts(b, &operands, shape, |_, _| g.clone()));
    Ok(Lowered::plain(value, shape, adjoint))
}

pub fn sub(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let operands = [operand(t, node, 0)?, operand(t, node, 1)?];
    let shape = broadcast(operands[0].shape, operands[1].shape)?;
    let value = t.builder.sub(&operands[0].value, &operands[1].value);
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        parts(b, &operands, shape, |b, i| if i == 0 { g.clone() } else { b.op("Neg", &[g], &[]) })
    });
    Ok(Lowered::plain(value, shape, adjoint))
}

pub fn mul(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let operands = [operand(t, node, 0)?, operand(t, node, 1)?];
    let shape = broadcast(operands[0].shape, operands[1].shape)?;
    let value = t.builder.mul(&operands[0].value, &operands[1].value);
    let adjoint =
        Box::new(move |b: &mut Builder, g: &Value| parts(b, &operands, shape, |b, i| b.mul(g, &operands[1 - i].value)));
    Ok(Lowered::plain(value, shape, adjoint))
}

pub fn div(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let operands = [operand(t, node, 0)?, operand(t, node, 1)?];
    let shape = broadcast(operands[0].shape, operands[1].shape)?;
    let value = t.builder.div(&operands[0].value, &operands[1].value);
    let quotient = value.clone();
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        let over = b.div(g, &operands[1].value);
        parts(b, &operands, shape, |b, i| {
            if i == 0 {
                return over.clone();
            }
            // d(a/b)/db = −(a/b)/b
            let product = b.mul(&over, &quotient);
            b.op("Neg", &[&product], &[])
        })
    });
    Ok(Lowered::plain(value, shape, adjoint))
}

/// Channels of several maps joined into one.
pub fn concat(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    if ![1, -3].contains(&node.int("axis", 1)) {
        return Err(format!("it joins along axis {}; channels (axis 1) are supported", node.int("axis", 1)));
    }
    let inputs = (0..node.inputs.len()).map(|i| t.maps(node, i)).collect::<Result<Vec<_>, _>>()?;
    let first = inputs.first().ok_or("it joins nothing")?.shape;
    let mut channels = 0;
    let mut begins = Vec::new();
    for input in &inputs {
        let same_size = match (first, input.shape) {
            (Shape::Maps { stride: a, .. }, Shape::Maps { stride: b, .. }) => a == b,
            (Shape::Pooled { .. }, Shape::Pooled { .. }) => true,
            _ => false,
        };
        if !same_size {
            return Err("its inputs have maps of different sizes".to_owned());
        }
        begins.push(channels as i64);
        channels += input.shape.channels().unwrap_or(0);
    }
    let shape = match first {
        Shape::Maps { stride, .. } => Shape::Maps { channels, stride },
        _ => Shape::Pooled { channels },
    };
    let values: Vec<_> = inputs.iter().map(|i| &i.value).collect();
    let value = t.builder.op("Concat", &values, &[("axis", Attribute::Int(1))]);
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        let mut gradients = Vec::new();
        for (input, begin) in inputs.iter().zip(begins) {
            let end = begin + input.shape.channels().unwrap_or(0) as i64;
            let (begin, end, axis) = (b.ints(&[begin]), b.ints(&[end]), b.ints(&[1]));
            gradients.push((input.name.clone(), b.op("Slice", &[g, &begin, &end, &axis], &[])));
        }
        gradients
    });
    Ok(Lowered::plain(value, shape, adjoint))
}
