//! Constants of a network: weights, biases, and the small integer lists that ONNX passes as tensors.

use std::sync::Arc;

use half::{bf16, f16};

use super::onnx;

/// A constant: floating point or integer, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Length of each axis; none for a scalar.
    pub dims: Vec<usize>,
    /// The values, as many as the product of `dims`.
    pub data: Data,
}

/// The values of a [`Tensor`]. Every floating type is widened to f32, every integer type to i64.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Floating point.
    F32(Vec<f32>),
    /// Integers and booleans.
    I64(Vec<i64>),
}

impl Data {
    fn count(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::I64(values) => values.len(),
        }
    }
}

/// `TensorProto.DataType`, as far as the exporter reads it.
pub(crate) mod data_type {
    pub const FLOAT: i32 = 1;
    pub const UINT8: i32 = 2;
    pub const INT8: i32 = 3;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const BOOL: i32 = 9;
    pub const FLOAT16: i32 = 10;
    pub const DOUBLE: i32 = 11;
    pub const BFLOAT16: i32 = 16;
}

impl Tensor {
    /// How many values it holds.
    pub fn count(&self) -> usize {
        self.data.count()
    }

    /// A floating-point tensor. The product of `dims` is the number of values.
    pub fn floats(dims: &[usize], values: Vec<f32>) -> Tensor {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        Tensor { dims: dims.to_vec(), data: Data::F32(values) }
    }

    /// A list of integers.
    pub fn ints(values: &[i64]) -> Tensor {
        Tensor { dims: vec![values.len()], data: Data::I64(values.to_vec()) }
    }

    /// The values, if they are floating point.
    pub fn as_floats(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(values) => Some(values),
            Data::I64(_) => None,
        }
    }

    /// The values, if they are integers.
    pub fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::I64(values) => Some(values),
            Data::F32(_) => None,
        }
    }

    /// The one value of a tensor that holds one, as a float.
    pub fn as_scalar(&self) -> Option<f32> {
        match &self.data {
            Data::F32(values) if values.len() == 1 => Some(values[0]),
            Data::I64(values) if values.len() == 1 => Some(values[0] as f32),
            _ => None,
        }
    }

    /// The same values in another shape of as many.
    pub fn reshaped(&self, dims: &[usize]) -> Tensor {
        debug_assert_eq!(dims.iter().product::<usize>(), self.dims.iter().product::<usize>());
        Tensor { dims: dims.to_vec(), data: self.data.clone() }
    }

    /// Reads `proto`; `external` fetches data that lies in another file. The error says what is wrong with it.
    pub fn from_proto(
        proto: &onnx::Tensor,
        external: &dyn Fn(&onnx::Tensor) -> Result<Vec<u8>, String>,
    ) -> Result<Tensor, String> {
        let mut dims = Vec::with_capacity(proto.dims.len());
        // Without the axes that are empty, so that no product of some of them overflows later.
        let mut filled = 1usize;
        for &dim in &proto.dims {
            let dim = usize::try_from(dim).map_err(|_| format!("its shape has the length {dim}"))?;
            filled = filled.checked_mul(dim.max(1)).ok_or("its shape is larger than any memory")?;
            dims.push(dim);
        }
        let count = if dims.contains(&0) { 0 } else { filled };
        const EXTERNAL: i32 = 1;
        let fetched;
        let raw = if proto.data_location == EXTERNAL {
            fetched = external(proto)?;
            &fetched
        } else {
            &proto.raw_data
        };
        let data = if raw.is_empty() { listed(proto)? } else { unpacked(proto.data_type, raw)? };
        let found = data.count();
        if found != count {
            return Err(format!("its shape {dims:?} needs {count} values, and it holds {found}"));
        }
        Ok(Tensor { dims, data })
    }
}

/// The bytes that one value of `data_type` takes in raw data.
pub(super) fn width(data_type: i32) -> Option<usize> {
    Some(match data_type {
        data_type::UINT8 | data_type::INT8 | data_type::BOOL => 1,
        data_type::FLOAT16 | data_type::BFLOAT16 => 2,
        data_type::FLOAT | data_type::INT32 => 4,
        data_type::INT64 | data_type::DOUBLE => 8,
        _ => return None,
    })
}

fn unpacked(kind: i32, raw: &[u8]) -> Result<Data, String> {
    let width = width(kind).ok_or_else(|| unknown(kind))?;
    if !raw.len().is_multiple_of(width) {
        return Err(format!("its {} bytes of data are not a whole number of values", raw.len()));
    }
    fn each<const N: usize, T>(raw: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.chunks_exact(N).map(|c| f(c.try_into().expect("chunks of N bytes"))).collect()
    }
    Ok(match kind {
        data_type::FLOAT => Data::F32(each(raw, f32::from_le_bytes)),
        data_type::DOUBLE => Data::F32(each(raw, |b| f64::from_le_bytes(b) as f32)),
        data_type::FLOAT16 => Data::F32(each(raw, |b| f16::from_le_bytes(b).to_f32())),
        data_type::BFLOAT16 => Data::F32(each(raw, |b| bf16::from_le_bytes(b).to_f32())),
        data_type::INT64 => Data::I64(each(raw, i64::from_le_bytes)),
        data_type::INT32 => Data::I64(each(raw, |b| i64::from(i32::from_le_bytes(b)))),
        data_type::INT8 => Data::I64(each(raw, |[b]: [u8; 1]| i64::from(b as i8))),
        _ => Data::I64(each(raw, |[b]: [u8; 1]| i64::from(b))),
    })
}

/// The values of a tensor that keeps them in the typed lists of the message.
fn listed(proto: &onnx::Tensor) -> Result<Data, String> {
    let bits = |i: &i32| *i as u16;
    Ok(match proto.data_type {
        data_type::FLOAT => Data::F32(proto.float_data.clone()),
        data_type::DOUBLE => Data::F32(proto.double_data.iter().map(|&v| v as f32).collect()),
        data_type::FLOAT16 => Data::F32(proto.int32_data.iter().map(|i| f16::from_bits(bits(i)).to_f32()).collect()),
        data_type::BFLOAT16 => Data::F32(proto.int32_data.iter().map(|i| bf16::from_bits(bits(i)).to_f32()).collect()),
        data_type::INT64 => Data::I64(proto.int64_data.clone()),
        data_type::INT32 | data_type::INT8 | data_type::UINT8 | data_type::BOOL => {
            Data::I64(proto.int32_data.iter().map(|&v| i64::from(v)).collect())
        }
        other => return Err(unknown(other)),
    })
}

fn unknown(kind: i32) -> String {
    format!("it holds {}, which is not computed with here", type_name(kind))
}

/// The values of a data type in words.
pub(super) fn type_name(kind: i32) -> String {
    let name = match kind {
        1 => "32-bit floats",
        2 => "bytes (uint8)",
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        6 => "int32",
        7 => "int64",
        8 => "text",
        9 => "booleans",
        10 => "16-bit floats",
        11 => "64-bit floats",
        12 => "uint32",
        13 => "uint64",
        14 | 15 => "complex numbers",
        16 => "bfloat16",
        17..=20 => "8-bit floats",
        21 | 22 => "4-bit integers",
        other => return format!("data of type {other}, which this version does not know"),
    };
    name.to_owned()
}

/// What an attribute of a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A number.
    Int(i64),
    /// A number.
    Float(f32),
    /// A string.
    Text(String),
    /// Several numbers.
    Ints(Vec<i64>),
    /// Several numbers.
    Floats(Vec<f32>),
    /// A constant.
    Tensor(Arc<Tensor>),
    /// Something that no rule reads (a graph, a list of strings) or that cannot be read, and what is wrong with it.
    Unusable(String),
}
