//! Activations, number by number.

use crate::export::builder::{Builder, Value};
use crate::export::network::Node;
use crate::export::tensor::Attribute;
use crate::export::trace::{Lowered, Saturated, Trace, Traced};

/// The slope of a step.
const STEEP: f32 = 1e30;

/// 1 where `x` is above 0, else 0.
///
/// A hard sigmoid this steep is the step function for every number single precision can tell from 0; unlike a
/// comparison it stays a float, and ONNX Runtime spreads it over its threads. Its offset changes nothing; were it 0, some readers would take
/// it for absent and put ONNX's default of 0.5 there.
pub fn above_zero(b: &mut Builder, x: &Value) -> Value {
    step(b, x, -1.0 / STEEP)
}

/// 1 where `x`, which is nowhere below 0, is above it, else `leak`.
fn open_or_leaking(b: &mut Builder, x: &Value, leak: f32) -> Value {
    if leak > 0.0 { step(b, x, leak) } else { above_zero(b, x) }
}

fn step(b: &mut Builder, x: &Value, beta: f32) -> Value {
    b.op("HardSigmoid", &[x], &[("alpha", Attribute::Float(STEEP)), ("beta", Attribute::Float(beta))])
}

/// A rule's result for an activation whose gradient is that of its output times `slope`.
fn pointwise(x: Traced, value: Value, slope: impl FnOnce(&mut Builder) -> Value + 'static) -> Lowered {
    let shape = x.shape;
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        let slope = slope(b);
        vec![(x.name, b.mul(g, &slope))]
    });
    Lowered::plain(value, shape, adjoint)
}

pub fn relu(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let leak = t.gradients.leak;
    let y = t.builder.op("Relu", &[&x.value], &[]);
    Ok(pointwise(x, y.clone(), move |b| open_or_leaking(b, &y, leak)))
}

pub fn clip(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let bound = |index: usize, name: &str| -> Result<Option<f32>, String> {
        let attribute = node.attributes.contains_key(name).then(|| node.float(name, 0.0));
        let input = match t.constant(node, index)? {
            Some(tensor) => Some(tensor.as_scalar().ok_or_else(|| format!("its {name} is not one number"))?),
            None => None,
        };
        // Some exporters write "no bound" as the largest number there is.
        Ok(input.or(attribute).filter(|v| v.abs() < f32::MAX))
    };
    let (low, high) = (bound(1, "min")?, bound(2, "max")?);
    let constant = |b: &mut Builder, bound: Option<f32>| bound.map_or(Value::none(), |v| b.scalar(v));
    // Of a gate it does not: x · clip(x + 3, 0, 6), as HardSwish is often written, would climb the steeper the larger x is.
    let is_gate = t.is_gate(node.output());
    let passes = t.gradients.saturated == Saturated::Passes && !is_gate;
    let leak = if is_gate { 0.0 } else { t.gradients.leak };
    let b = &mut t.builder;
    let (low_value, high_value) = (constant(b, low), constant(b, high));
    let y = match (low, high) {
        (None, None) => b.op("Identity", &[&x.value], &[]),
        (Some(_), None) => b.op("Clip", &[&x.value, &low_value], &[]),
        _ => b.op("Clip", &[&x.value, &low_value, &high_value], &[]),
    };
    Ok(pointwise(x, y.clone(), move |b| {
        let over = |b: &mut Builder| match low {
            Some(0.0) => y.clone(),
            _ => b.sub(&y, &low_value),
        };
        let inside = match (low, high) {
            (None, None) => return b.scalar(1.0),
            (Some(_), None) => over(b),
            (Some(_), Some(_)) if passes => over(b),
            (None, Some(_)) => b.sub(&high_value, &y),
            // Positive strictly between the bounds, and 0 on both.
            (Some(_), Some(_)) => {
                let over = over(b);
                let under = b.sub(&high_value, &y);
                b.mul(&over, &under)
            }
        };
        open_or_leaking(b, &inside, leak)
    }))
}

pub fn leaky_relu(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let alpha = node.float("alpha", 0.01);
    let y = t.builder.op("LeakyRelu", &[&x.value], &[("alpha", Attribute::Float(alpha))]);
    let input = x.value.clone();
    Ok(pointwise(x, y, move |b| {
        let above = above_zero(b, &input);
        let (rest, alpha) = (b.scalar(1.0 - alpha), b.scalar(alpha));
        let extra = b.mul(&above, &rest);
        b.add(&extra, &alpha)
    }))
}

pub fn sigmoid(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let y = t.builder.op("Sigmoid", &[&x.value], &[]);
    Ok(pointwise(x, y.clone(), move |b| {
        let one = b.scalar(1.0);
        let rest = b.sub(&one, &y);
        b.mul(&y, &rest)
    }))
}

pub fn tanh(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let y = t.builder.op("Tanh", &[&x.value], &[]);
    Ok(pointwise(x, y.clone(), move |b| {
        let one = b.scalar(1.0);
        let square = b.mul(&y, &y);
        b.sub(&one, &square)
    }))
}

/// `clip(alpha · x + beta, 0, 1)`.
fn ramp(b: &mut Builder, x: &Value, alpha: f32, beta: f32) -> Value {
    b.op("HardSigmoid", &[x], &[("alpha", Attribute::Float(alpha)), ("beta", Attribute::Float(beta))])
}

/// 1 where the ramp `y` climbs, 0 where it is flat.
fn on_the_ramp(b: &mut Builder, y: &Value) -> Value {
    let one = b.scalar(1.0);
    let rest = b.sub(&one, y);
    let between = b.mul(y, &rest);
    above_zero(b, &between)
}

pub fn hard_sigmoid(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let alpha = node.float("alpha", 0.2);
    let y = ramp(&mut t.builder, &x.value, alpha, node.float("beta", 0.5));
    Ok(pointwise(x, y.clone(), move |b| {
        let climbing = on_the_ramp(b, &y);
        let alpha = b.scalar(alpha);
        b.mul(&climbing, &alpha)
    }))
}

/// `x · clip(x / 6 + 1/2, 0, 1)`.
pub fn hard_swish(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let gate = ramp(&mut t.builder, &x.value, 1.0 / 6.0, 0.5);
    let y = t.builder.mul(&x.value, &gate);
    let input = x.value.clone();
    Ok(pointwise(x, y, move |b| {
        let climbing = on_the_ramp(b, &gate);
        let sixth = b.scalar(1.0 / 6.0);
        let slope = b.mul(&input, &sixth);
        let slope = b.mul(&slope, &climbing);
        b.add(&slope, &gate)
    }))
}
