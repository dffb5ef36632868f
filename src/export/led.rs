//! What a layer can be led by, besides what it raises by itself: the features of another picture (its guide), and what it sees in the picture
//! that was there before (the caricature).
//!
//! Each is an objective of its own, whose gradient at the layer is written here, of activations *x*, neurons' weights *w* and, of the other picture:
//!
//! ```text
//! guide       features y of 64 positions     sum over positions of max over j of x · (w y_j)
//! caricature  activations s, r = w s         sum over positions of x · r  (max(cos(x, r), 0.1))^k
//! ```

use super::builder::{Builder, Dimension, Value};
use super::rules::above_zero;
use super::tail;
use super::tensor::Attribute;
use crate::pack::{CARICATURE, GUIDE, GUIDE_POSITIONS, GUIDED, SEEN};

/// Sizes of the layer's maps, which follow from the picture's.
pub const MAP_SIZES: [Dimension; 2] = [Dimension::Symbol("map_height"), Dimension::Symbol("map_width")];
/// Less alike than this is nothing: where the dream sees what the picture does not hold there is still a way back (Lucid's bound).
const LEAST_ALIKE: f32 = 0.1;
/// What is at a position is taken to be as long as this at least, where a number is 1 in the mean: nothing is divided by less.
const SHORTEST: f32 = 1e-2;
/// The power of the cosine: with 1 and 2 hardly anything is exaggerated, without it proportions get lost (as looked at).
const POWER: f32 = 0.5;

/// The layer's maps, in pictures of every size.
pub fn maps(channels: usize) -> [Dimension; 4] {
    let [height, width] = MAP_SIZES;
    [Dimension::Fixed(1), Dimension::Fixed(channels), height, width]
}

/// The inputs that lead a layer.
pub struct Led {
    guide: Value,
    guided: Value,
    seen: Value,
    caricature: Value,
    channels: usize,
}

impl Led {
    pub fn new(b: &mut Builder, channels: usize) -> Led {
        Led {
            guide: b.input(GUIDE, &[Dimension::Fixed(GUIDE_POSITIONS), Dimension::Fixed(channels)]),
            guided: b.input(GUIDED, &[]),
            seen: b.input(SEEN, &maps(channels)),
            caricature: b.input(CARICATURE, &[]),
            channels,
        }
    }

    /// `gradient` at a layer whose activations are `x`, and in its place as much of the others as is asked for; all of the mean size `begin`. Written so that
    /// nothing but `gradient` is left where both shares are known to be 0.
    pub fn mixed(&self, b: &mut Builder, x: &Value, weight: &Value, gradient: &Value, begin: &Value) -> Value {
        let guide = self.toward_guide(b, x, weight);
        let caricature = self.toward_caricature(b, x, weight);
        let mut mixed = gradient.clone();
        for (other, share) in [(guide, &self.guided), (caricature, &self.caricature)] {
            let other = tail::in_mean(b, &other, begin);
            let other = b.sub(&other, gradient);
            let other = b.mul(&other, share);
            mixed = b.add(&mixed, &other);
        }
        mixed
    }

    /// At each position the weighted features that are most like what is seen there. Largest numbers are found by a mask, which GPUs take;
    /// where several are as large, their mean.
    fn toward_guide(&self, b: &mut Builder, x: &Value, weight: &Value) -> Value {
        let one = b.scalar(1.0);
        let row = b.reshape(weight, &[1, self.channels as i64]);
        let features = b.mul(&self.guide, &row);
        // At a size of their own: products of both are within half precision.
        let features = tail::in_mean(b, &features, &one);
        let positions = b.reshape(x, &[self.channels as i64, -1]);
        let positions = tail::in_mean(b, &positions, &one);
        let alike = b.op("MatMul", &[&features, &positions], &[]);
        let over_features = [("axes", Attribute::Ints(vec![0])), ("keepdims", Attribute::Int(1))];
        let most = b.op("ReduceMax", &[&alike], &over_features);
        let less = b.sub(&most, &alike);
        let is_less = above_zero(b, &less);
        let is_most = b.sub(&one, &is_less);
        let count = b.sum_over(&is_most, &[0]);
        let chosen = b.div(&is_most, &count);
        let columns = b.op("Transpose", &[&features], &[("perm", Attribute::Ints(vec![1, 0]))]);
        let best = b.op("MatMul", &[&columns, &chosen], &[]);
        let shape = b.shape(x);
        b.op("Reshape", &[&best, &shape], &[])
    }

    /// More of what was seen, in its own proportions.
    fn toward_caricature(&self, b: &mut Builder, x: &Value, weight: &Value) -> Value {
        let one = b.scalar(1.0);
        let seen = b.mul(&self.seen, weight);
        let seen = tail::in_mean(b, &seen, &one);
        let x = tail::in_mean(b, x, &one);
        let product = b.mul(&x, &seen);
        let product = b.sum_over(&product, &[1]);
        let (x_length, seen_length) = (length(b, &x), length(b, &seen));
        let both = b.mul(&x_length, &seen_length);
        let cosine = b.div(&product, &both);
        let least = b.scalar(LEAST_ALIKE);
        let alike = b.op("Max", &[&cosine, &least], &[]);
        let excess = b.sub(&cosine, &least);
        let is_alike = above_zero(b, &excess);
        // x · r cos^k: cos^k (r + k (r − cos |r| x / |x|)), the second part where the cosine is above its bound.
        let ratio = b.div(&seen_length, &x_length);
        let ratio = b.mul(&alike, &ratio);
        let along = b.mul(&x, &ratio);
        let across = b.sub(&seen, &along);
        let power = b.scalar(POWER);
        let weight = b.mul(&is_alike, &power);
        let across = b.mul(&across, &weight);
        let gradient = b.add(&seen, &across);
        let factor = b.op("Pow", &[&alike, &power], &[]);
        b.mul(&gradient, &factor)
    }
}

/// The length of what is at each position; not 0.
fn length(b: &mut Builder, x: &Value) -> Value {
    let square = b.mul(x, x);
    let sum = b.sum_over(&square, &[1]);
    let root = b.op("Sqrt", &[&sum], &[]);
    let shortest = b.scalar(SHORTEST);
    b.op("Max", &[&root, &shortest], &[])
}
