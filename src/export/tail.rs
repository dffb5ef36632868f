//! From the gradient at the picture to the next picture: smoothing, colour, one step.
//!
//! The gradient is first brought to a mean size of 1, so that everything after it (in single or half precision)
//! works on numbers of ordinary size whatever the network.

use super::builder::{Builder, Value};
use super::tensor::Attribute;

/// Octaves of the Laplacian pyramid, besides what is left below them.
const LEVELS: usize = 4;
/// Binomial kernel of six taps: a blur of σ 1.12 pixels centred between two pixels, which is where a picture of
/// half the size has its own.
const BLUR: [f32; 6] = [1.0, 5.0, 10.0, 10.0, 5.0, 1.0];
/// How ImageNet's colours vary together: axes of its colour covariance, scaled by their spread (Lucid's table).
const COLOUR_AXES: [[f32; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]];
/// What is smaller than this does not grow to 1 when it is brought to its own size: nothing is 0/0 where a network is blind to
/// the picture. Half precision holds no number much smaller.
const SMALLEST_SIZE: f32 = 1e-7;

/// The inputs that direct the step (`deploy/reference/graph-pack.md`).
pub struct Controls {
    pub step: Value,
    pub smoothing: Value,
    pub colour: Value,
}

/// The picture one step up along `gradient`.
pub fn ascend(b: &mut Builder, image: &Value, gradient: &Value, controls: &Controls) -> Value {
    let one = b.scalar(1.0);
    // First of all to a size at which its squares are within half precision.
    let raw = in_mean(b, gradient, &one);
    let smooth = laplacian_normalised(b, &raw);
    let smooth = in_mean(b, &smooth, &controls.smoothing);
    let rest = b.sub(&one, &controls.smoothing);
    let rough = b.mul(&raw, &rest);
    let mixed = b.add(&rough, &smooth);
    let coloured = correlate_colours(b, &mixed, &controls.colour);
    let step = in_mean(b, &coloured, &controls.step);
    let next = b.add(image, &step);
    let (black, white) = (b.scalar(0.0), b.scalar(1.0));
    b.op("Clip", &[&next, &black, &white], &[])
}

/// `x` brought to `size` in the mean, but for its signs.
pub fn in_mean(b: &mut Builder, x: &Value, size: &Value) -> Value {
    let own = mean_size(b, x);
    let factor = b.div(size, &own);
    b.mul(x, &factor)
}

/// How large the numbers of `x` are in the mean, but for their signs; not 0.
pub fn mean_size(b: &mut Builder, x: &Value) -> Value {
    let size = b.op("Abs", &[x], &[]);
    let mean = b.mean(&size);
    at_least(b, &mean)
}

fn at_least(b: &mut Builder, size: &Value) -> Value {
    let smallest = b.scalar(SMALLEST_SIZE);
    b.op("Max", &[size, &smallest], &[])
}

/// Laplacian-pyramid normalisation (`lapnorm` of TensorFlow's DeepDream tutorial): each octave of the picture `x`, and what is
/// left, divided by its own strength.
fn laplacian_normalised(b: &mut Builder, x: &Value) -> Value {
    let mut current = x.clone();
    let mut bands = Vec::new();
    for _ in 0..LEVELS {
        let half = halved(b, &current);
        let low = enlarged(b, &half, &current);
        let band = b.sub(&current, &low);
        bands.push(to_unit_strength(b, &band));
        current = half;
    }
    let mut sum = to_unit_strength(b, &current);
    for band in bands.iter().rev() {
        let low = enlarged(b, &sum, band);
        sum = b.add(&low, band);
    }
    sum
}

/// Blurred and half as large, rounded up.
fn halved(b: &mut Builder, x: &Value) -> Value {
    // Each colour by itself, yet as a dense kernel: a colour at a time, ONNX Runtime fills up with 15 empty channels each.
    let total: f32 = BLUR.iter().sum();
    let mut kernel = [0.0; 3 * 3 * BLUR.len()];
    for colour in 0..3 {
        kernel[4 * colour * BLUR.len()..][..BLUR.len()].copy_from_slice(&BLUR.map(|tap| tap / total));
    }
    // The edge repeats, so that a border is neither darker nor brighter; one more at the end for odd sizes.
    let pads = b.ints(&[0, 0, 2, 2, 0, 0, 3, 3]);
    let zero = b.scalar(0.0);
    let padded = b.op("Pad", &[x, &pads, &zero], &[("mode", Attribute::Text("edge".to_owned()))]);
    let mut along = |x: &Value, shape: [usize; 2], strides: [i64; 2]| {
        let kernel = b.floats(&[3, 3, shape[0], shape[1]], &kernel);
        b.op("Conv", &[x, &kernel], &[("strides", Attribute::Ints(strides.to_vec()))])
    };
    let lower = along(&padded, [BLUR.len(), 1], [2, 1]);
    along(&lower, [1, BLUR.len()], [1, 2])
}

/// `x` at the size of `like`, which is twice its own or one less.
fn enlarged(b: &mut Builder, x: &Value, like: &Value) -> Value {
    let sizes = b.shape(like);
    b.op(
        "Resize",
        &[x, &Value::none(), &Value::none(), &sizes],
        &[
            ("coordinate_transformation_mode", Attribute::Text("half_pixel".to_owned())),
            ("mode", Attribute::Text("linear".to_owned())),
        ],
    )
}

/// Divided by the root of its mean square.
fn to_unit_strength(b: &mut Builder, x: &Value) -> Value {
    let square = b.mul(x, x);
    let mean = b.mean(&square);
    let rms = b.op("Sqrt", &[&mean], &[]);
    let rms = at_least(b, &rms);
    b.div(x, &rms)
}

/// Each pixel's colour times `(1 − colour) · I + colour · P`, P the correlation of ImageNet's colours.
fn correlate_colours(b: &mut Builder, x: &Value, colour: &Value) -> Value {
    let mut change = colour_correlation();
    for (i, row) in change.iter_mut().enumerate() {
        row[i] -= 1.0;
    }
    let change = b.floats(&[3, 3], change.as_flattened());
    let free = b.floats(&[3, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let part = b.mul(&change, colour);
    let matrix = b.add(&free, &part);
    let pixels = b.reshape(x, &[3, -1]);
    let turned = b.op("MatMul", &[&matrix, &pixels], &[]);
    let shape = b.shape(x);
    b.op("Reshape", &[&turned, &shape], &[])
}

/// `C Cᵀ` at the size of the identity.
fn colour_correlation() -> [[f32; 3]; 3] {
    let mut p = [[0f32; 3]; 3];
    for (i, row) in p.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            *value = (0..3).map(|k| COLOUR_AXES[i][k] * COLOUR_AXES[j][k]).sum();
        }
    }
    let norm = p.as_flattened().iter().map(|v| v * v).sum::<f32>().sqrt();
    p.map(|row| row.map(|v| v * 3f32.sqrt() / norm))
}
