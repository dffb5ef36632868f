//! `weights.bin`: every large constant once, however many graphs use it.

use std::collections::HashMap;

use half::f16;
use sha2::{Digest, Sha256};

use super::onnx;
use super::tensor::{Data, Tensor, data_type};

/// The file's name within a pack.
pub const WEIGHTS_FILE: &str = "weights.bin";
/// Each tensor begins at a multiple of this, so that the file can be mapped and read in place.
const ALIGNMENT: usize = 64;
/// A tensor that half precision would change by more than this part of its norm stays in single precision.
const HALF_TOLERANCE: f64 = 1e-3;

/// The growing contents of `weights.bin`.
#[derive(Debug, Default)]
pub struct Weights {
    bytes: Vec<u8>,
    known: HashMap<[u8; 32], usize>,
}

impl Weights {
    /// What goes into the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Stores `tensor` unless it is there already, and returns an initialiser called `name` that points to it.
    pub fn store(&mut self, name: &str, tensor: &Tensor) -> onnx::Tensor {
        let (data_type, bytes) = encode(tensor);
        let key: [u8; 32] = Sha256::digest(&bytes).into();
        let offset = *self.known.entry(key).or_insert_with(|| {
            self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
            let offset = self.bytes.len();
            self.bytes.extend_from_slice(&bytes);
            offset
        });
        let entry = |key: &str, value: String| onnx::StringStringEntry { key: key.to_owned(), value };
        onnx::Tensor {
            name: name.to_owned(),
            dims: tensor.dims.iter().map(|&d| d as i64).collect(),
            data_type,
            data_location: 1, // EXTERNAL
            external_data: vec![
                entry("location", WEIGHTS_FILE.to_owned()),
                entry("offset", offset.to_string()),
                entry("length", bytes.len().to_string()),
            ],
            ..Default::default()
        }
    }
}

/// Kernels and matrices in half precision where it can hold them. Vectors (biases) stay as they are: they are
/// a hundredth of the size, and an error in one shifts a whole channel.
fn encode(tensor: &Tensor) -> (i32, Vec<u8>) {
    match &tensor.data {
        Data::I64(values) => (data_type::INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Data::F32(values) => {
            let is_vector = tensor.dims.iter().filter(|&&d| d > 1).count() < 2;
            if !is_vector && fits_half(values) {
                (data_type::FLOAT16, values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect())
            } else {
                (data_type::FLOAT, values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
        }
    }
}

fn fits_half(values: &[f32]) -> bool {
    let (mut error, mut norm) = (0f64, 0f64);
    for &value in values {
        error += f64::from(f16::from_f32(value).to_f32() - value).powi(2);
        norm += f64::from(value).powi(2);
    }
    // Not `!(error > …)`: an infinity on either side must not pass for half precision.
    error.is_finite() && error <= HALF_TOLERANCE * HALF_TOLERANCE * norm
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(tensor: &onnx::Tensor) -> usize {
        tensor.external_data[1].value.parse().unwrap()
    }

    #[test]
    fn the_same_weights_are_stored_once_and_aligned() {
        let mut weights = Weights::default();
        let kernel = Tensor::floats(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let other = Tensor::floats(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]);
        let a = weights.store("a", &kernel);
        let b = weights.store("b", &other);
        let again = weights.store("again", &kernel);
        assert_eq!((offset(&a), offset(&b), offset(&again)), (0, 64, 0));
        assert_eq!(weights.bytes().len(), 64 + 8);
        assert_eq!(again.name, "again");
    }

    #[test]
    fn what_half_precision_cannot_hold_stays_single() {
        let kind = |values: Vec<f32>| encode(&Tensor::floats(&[2, 2], values)).0;
        assert_eq!(kind(vec![0.1, -0.2, 3.0, 0.0]), data_type::FLOAT16);
        assert_eq!(kind(vec![1e6, 1.0, 1.0, 1.0]), data_type::FLOAT, "above half's largest number");
        assert_eq!(kind(vec![1e-8, 2e-8, 3e-8, 1e-8]), data_type::FLOAT, "below half's smallest number");
        assert_eq!(encode(&Tensor::floats(&[1, 4, 1, 1], vec![0.1; 4])).0, data_type::FLOAT, "a vector");
    }
}
