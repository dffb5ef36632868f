//! Batch normalisation as it is after training, and the local response normalisation of older networks.

use std::sync::Arc;

use crate::export::builder::{Builder, Value};
use crate::export::network::Node;
use crate::export::tensor::{Attribute, Tensor};
use crate::export::trace::{Lowered, Trace};

/// What a batch normalisation does to each channel: multiply, then add. Computed in double precision, since the
/// variance may be tiny.
pub fn scale_and_shift(
    scale: &Tensor,
    bias: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    epsilon: f32,
) -> Result<(Vec<f64>, Vec<f64>), String> {
    let values = |t: &Tensor| t.as_floats().map(<[f32]>::to_vec).ok_or("its numbers are not floating point");
    let (scale, bias, mean, variance) = (values(scale)?, values(bias)?, values(mean)?, values(variance)?);
    if [bias.len(), mean.len(), variance.len()].iter().any(|&n| n != scale.len()) {
        return Err("its scale, bias, mean and variance differ in length".to_owned());
    }
    let multiply: Vec<f64> =
        scale.iter().zip(&variance).map(|(&s, &v)| f64::from(s) / (f64::from(v) + f64::from(epsilon)).sqrt()).collect();
    let add = (0..bias.len()).map(|i| f64::from(bias[i]) - f64::from(mean[i]) * multiply[i]).collect();
    Ok((multiply, add))
}

/// Whether it normalises by the batch at hand: from version 14 of the operator set on an attribute says so, before that that it
/// gives the batch's statistics.
pub fn is_training(node: &Node) -> bool {
    node.int("training_mode", 0) != 0 || node.outputs.iter().skip(1).any(|output| !output.is_empty())
}

pub fn batch(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    if is_training(node) {
        return Err("it is in training mode; export the network for inference".to_owned());
    }
    let stored = |index| t.constant(node, index).and_then(|c| c.ok_or_else(|| "it lacks a parameter".to_owned()));
    let (scale, bias, mean, variance) = (stored(1)?, stored(2)?, stored(3)?, stored(4)?);
    let (multiply, add) = scale_and_shift(&scale, &bias, &mean, &variance, node.float("epsilon", 1e-5))?;
    if x.shape.channels() != Some(multiply.len()) {
        return Err(format!("it has numbers for {} channels", multiply.len()));
    }
    let mut per_channel = |values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        t.builder.constant(&Arc::new(Tensor::floats(&[1, values.len(), 1, 1], values)))
    };
    let (multiply, add) = (per_channel(&multiply), per_channel(&add));
    let scaled = t.builder.mul(&x.value, &multiply);
    let value = t.builder.add(&scaled, &add);
    let shape = x.shape;
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| vec![(x.name, b.mul(g, &multiply))]);
    Ok(Lowered::plain(value, shape, adjoint))
}

/// `x / (bias + alpha/size · Σ x²)^beta`, the sum over `size` neighbouring channels.
pub fn local_response(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let channels = x.shape.channels().unwrap_or(0) as i64;
    let size = node.int("size", 0);
    if !(1..=1 << 12).contains(&size) {
        return Err(format!("its size is {size}"));
    }
    let (alpha, beta, bias) = (node.float("alpha", 1e-4), node.float("beta", 0.75), node.float("bias", 1.0));
    let (before, after) = ((size - 1) / 2, size - 1 - (size - 1) / 2);

    let b = &mut t.builder;
    // Scaled before it is squared: half precision holds no square of more than 255.
    let root = b.scalar((alpha / size as f32).abs().sqrt());
    let scaled = b.mul(&x.value, &root);
    let squares = b.mul(&scaled, &scaled);
    let neighbours = band(b, channels, before, after, alpha.signum());
    let bias = b.floats(&[channels as usize], &vec![bias; channels as usize]);
    let base = b.op("Conv", &[&squares, &neighbours, &bias], &[]);
    let divisor = power(b, &base, beta);
    let value = b.div(&x.value, &divisor);

    let shape = x.shape;
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        // gx = g / divisor − 2·alpha·beta/size · x · Σ' (g · x / divisor / base), Σ' over the channels that x took part in
        let direct = b.div(g, &divisor);
        let product = b.mul(&direct, &x.value);
        let ratio = b.div(&product, &base);
        let neighbours = band(b, channels, after, before, 2.0 * alpha * beta / size as f32);
        let sum = b.op("Conv", &[&ratio, &neighbours], &[]);
        let indirect = b.mul(&x.value, &sum);
        vec![(x.name, b.sub(&direct, &indirect))]
    });
    Ok(Lowered::plain(value, shape, adjoint))
}

/// The 1×1 kernel that gives each channel the sum over the channels from `before` it to `after` it, times `factor`: ones beside
/// the diagonal. A convolution is the one thing that sums over channels without another layout.
fn band(b: &mut Builder, channels: i64, before: i64, after: i64, factor: f32) -> Value {
    let sizes = b.ints(&[channels, channels]);
    let empty = b.op("ConstantOfShape", &[&sizes], &[]);
    let (before, after) = (before.min(channels - 1), after.min(channels - 1));
    let diagonals: Vec<Value> =
        (-before..=after).map(|k| b.op("EyeLike", &[&empty], &[("k", Attribute::Int(k))])).collect();
    let ones = b.op("Sum", &diagonals.iter().collect::<Vec<_>>(), &[]);
    let factor = b.scalar(factor);
    let kernel = b.mul(&ones, &factor);
    b.reshape(&kernel, &[channels, channels, 1, 1])
}

/// `base` to the power `beta`, by square roots where that does it: they are many times faster than powers.
fn power(b: &mut Builder, base: &Value, beta: f32) -> Value {
    let root = |b: &mut Builder, x: &Value| b.op("Sqrt", &[x], &[]);
    if beta == 1.0 {
        base.clone()
    } else if beta == 0.5 {
        root(b, base)
    } else if beta == 0.75 {
        let half = root(b, base);
        let quarter = root(b, &half);
        b.mul(&half, &quarter)
    } else {
        let exponent = b.scalar(beta);
        b.op("Pow", &[base, &exponent], &[])
    }
}
