//! Nodes over constants alone, computed at export: what they mean is ONNX's operator reference.

use std::sync::Arc;

use super::network::Node;
use super::tensor::{Attribute, Data, Tensor, type_name};

/// Larger constants are not made of smaller ones: no network has them.
const MOST_VALUES: usize = 1 << 28;

/// The constant that `node` makes of constants. The error says why it cannot be computed.
pub fn fold(node: &Node, constant: impl Fn(&str) -> Result<Arc<Tensor>, String>) -> Result<Arc<Tensor>, String> {
    let input = |i: usize| node.input(i).ok_or_else(|| "it lacks a constant input".to_owned()).and_then(&constant);
    // A list of integers: an input, or in older versions an attribute.
    let list = |i: usize, name: &str| match node.input(i) {
        Some(name) => {
            let values = constant(name)?.as_ints().map(<[i64]>::to_vec);
            values.map(Some).ok_or_else(|| format!("its input `{name}` is not integers"))
        }
        None => Ok(node.ints(name).map(<[i64]>::to_vec)),
    };
    let tensor = match node.operator.as_str() {
        "Identity" | "Dropout" => return input(0),
        "Cast" => cast(&*input(0)?, node.int("to", 1))?,
        "Reshape" => {
            let target = list(1, "shape")?.ok_or("it has no shape")?;
            let x = input(0)?;
            x.reshaped(&reshape(&x.dims, &target, node.int("allowzero", 0) != 0)?)
        }
        "Flatten" => {
            let x = input(0)?;
            let (end, rank) = (node.int("axis", 1), x.dims.len());
            let axis = if end < 0 { axis(end, rank)? } else { axis(end, rank + 1)? };
            x.reshaped(&[x.dims[..axis].iter().product(), x.dims[axis..].iter().product()])
        }
        "Unsqueeze" => {
            let (x, axes) = (input(0)?, list(1, "axes")?.ok_or("it has no axes")?);
            let rank = x.dims.len() + axes.len();
            let axes = axes.iter().map(|a| self::axis(*a, rank)).collect::<Result<Vec<_>, _>>()?;
            let mut rest = x.dims.iter();
            let dims = (0..rank).map(|i| if axes.contains(&i) { Some(1) } else { rest.next().copied() });
            x.reshaped(&dims.collect::<Option<Vec<_>>>().ok_or("it names an axis twice")?)
        }
        "Squeeze" => {
            let x = input(0)?;
            let rank = x.dims.len();
            let axes = list(1, "axes")?.map(|axes| axes.iter().map(|a| axis(*a, rank)).collect::<Result<Vec<_>, _>>());
            let axes = axes.transpose()?;
            let goes = |i: &usize| x.dims[*i] == 1 && axes.as_ref().is_none_or(|axes| axes.contains(i));
            x.reshaped(&(0..rank).filter(|i| !goes(i)).map(|i| x.dims[i]).collect::<Vec<_>>())
        }
        "Transpose" => {
            let x = input(0)?;
            let order = match node.ints("perm") {
                Some(order) => order.iter().map(|a| axis(*a, x.dims.len())).collect::<Result<Vec<_>, _>>()?,
                None => (0..x.dims.len()).rev().collect(),
            };
            if (0..x.dims.len()).any(|i| !order.contains(&i)) || order.len() != x.dims.len() {
                return Err(format!("it orders {} axes as {order:?}", x.dims.len()));
            }
            let strides = strides(&x.dims);
            let dims: Vec<usize> = order.iter().map(|i| x.dims[*i]).collect();
            picked(&x, &dims, &order.iter().map(|i| strides[*i]).collect::<Vec<_>>())?
        }
        "Expand" => {
            let x = input(0)?;
            let target = list(1, "shape")?.ok_or("it has no shape")?;
            let target = target.iter().map(|n| usize::try_from(*n)).collect::<Result<Vec<_>, _>>();
            spread(&x, &common_shape(&x.dims, &target.map_err(|_| "its shape is negative")?)?)?
        }
        "Concat" => concat(&(0..node.inputs.len()).map(input).collect::<Result<Vec<_>, _>>()?, node.int("axis", 0))?,
        "Shape" if node.attributes.contains_key("start") || node.attributes.contains_key("end") => {
            return Err("a part of a shape is not supported".to_owned());
        }
        "Shape" => Tensor::ints(&input(0)?.dims.iter().map(|n| *n as i64).collect::<Vec<_>>()),
        "ConstantOfShape" => filled(&*input(0)?, node.attributes.get("value"))?,
        "Sqrt" | "Neg" | "Reciprocal" => {
            let x = input(0)?;
            let values = x.as_floats().ok_or("its input is not floating point")?;
            let function = match node.operator.as_str() {
                "Sqrt" => f32::sqrt,
                "Neg" => |x: f32| -x,
                _ => f32::recip,
            };
            Tensor::floats(&x.dims, values.iter().copied().map(function).collect())
        }
        // Before version 7 of the operator set an attribute said how they broadcast.
        "Add" | "Sub" | "Mul" | "Div" if !node.attributes.contains_key("axis") => {
            arithmetic(&node.operator, &*input(0)?, &*input(1)?)?
        }
        operator => {
            return Err(format!("{operator} over constants is not computed at export; simplify the network first"));
        }
    };
    Ok(Arc::new(tensor))
}

fn cast(tensor: &Tensor, to: i64) -> Result<Tensor, String> {
    let data = match (&tensor.data, to) {
        (Data::F32(v), 1 | 10 | 11 | 16) => Data::F32(v.clone()),
        (Data::I64(v), 1 | 10 | 11 | 16) => Data::F32(v.iter().map(|&v| v as f32).collect()),
        (Data::I64(v), 6 | 7) => Data::I64(v.clone()),
        (Data::F32(v), 6 | 7) => Data::I64(v.iter().map(|&v| v as i64).collect()),
        _ => return Err(format!("it casts a constant to {}", type_name(to as i32))),
    };
    Ok(Tensor { dims: tensor.dims.clone(), data })
}

/// The axis meant by `axis`, which counts from the end where it is negative.
fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_start).ok().filter(|a| *a < rank.max(1)).ok_or_else(|| format!("it has no axis {axis}"))
}

/// `target` with 0 (as it was, unless `allowzero`) and -1 (what is left) filled in.
fn reshape(dims: &[usize], target: &[i64], allowzero: bool) -> Result<Vec<usize>, String> {
    let wrong = || format!("it shapes {dims:?} as {target:?}");
    let known = |(i, n): (usize, &i64)| match *n {
        0 if !allowzero => dims.get(i).copied(),
        -1 => Some(1),
        n => usize::try_from(n).ok(),
    };
    let mut shape = target.iter().enumerate().map(known).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    let (values, rest): (usize, usize) = (dims.iter().product(), checked_product(&shape)?);
    if let Some(open) = target.iter().position(|n| *n == -1) {
        shape[open] = values.checked_div(rest).unwrap_or(0);
    }
    if checked_product(&shape)? == values { Ok(shape) } else { Err(wrong()) }
}

fn checked_product(dims: &[usize]) -> Result<usize, String> {
    let product = dims.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
    product.filter(|n| *n <= MOST_VALUES).ok_or_else(|| format!("it makes {dims:?} values"))
}

/// How far apart neighbours along each axis lie.
fn strides(dims: &[usize]) -> Vec<usize> {
    (0..dims.len()).map(|i| dims[i + 1..].iter().product()).collect()
}

/// The tensor of shape `dims` whose neighbours along each axis lie `strides` apart in `x`.
fn picked(x: &Tensor, dims: &[usize], strides: &[usize]) -> Result<Tensor, String> {
    let count = checked_product(dims)?;
    // Axes before an empty one would be counted out all the same.
    let mut places = if count == 0 { Vec::new() } else { vec![0] };
    for (n, stride) in dims.iter().zip(strides).filter(|_| count > 0) {
        places = places.iter().flat_map(|place| (0..*n).map(move |i| place + i * stride)).collect();
    }
    let data = match &x.data {
        Data::F32(values) => Data::F32(places.iter().map(|place| values[*place]).collect()),
        Data::I64(values) => Data::I64(places.iter().map(|place| values[*place]).collect()),
    };
    Ok(Tensor { dims: dims.to_vec(), data })
}

/// The shape that `a` and `b` broadcast to.
fn common_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], i: usize| (i + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
    let axes = (0..rank).map(|i| match (at(a, i), at(b, i)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    });
    axes.collect::<Option<_>>().ok_or_else(|| format!("{a:?} and {b:?} do not broadcast"))
}

/// `x` repeated to the shape `dims`, which it broadcasts to.
fn spread(x: &Tensor, dims: &[usize]) -> Result<Tensor, String> {
    let own = strides(&x.dims);
    let missing = dims.len() - x.dims.len();
    let strides = (0..dims.len()).map(|i| match i.checked_sub(missing) {
        Some(i) if x.dims[i] != 1 => own[i],
        _ => 0,
    });
    picked(x, dims, &strides.collect::<Vec<_>>())
}

fn arithmetic(operator: &str, a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
    let dims = common_shape(&a.dims, &b.dims)?;
    let (a, b) = (spread(a, &dims)?, spread(b, &dims)?);
    let data = match (&a.data, &b.data) {
        (Data::F32(a), Data::F32(b)) => Data::F32(
            a.iter()
                .zip(b)
                .map(|(a, b)| match operator {
                    "Add" => a + b,
                    "Sub" => a - b,
                    "Mul" => a * b,
                    _ => a / b,
                })
                .collect(),
        ),
        (Data::I64(a), Data::I64(b)) => {
            let values = a.iter().zip(b).map(|(a, b)| match operator {
                "Add" => a.checked_add(*b),
                "Sub" => a.checked_sub(*b),
                "Mul" => a.checked_mul(*b),
                _ => a.checked_div(*b),
            });
            Data::I64(values.collect::<Option<_>>().ok_or("its integers divide by 0 or grow too large")?)
        }
        _ => return Err("its inputs are integers and floating point".to_owned()),
    };
    Ok(Tensor { dims, data })
}

fn concat(parts: &[Arc<Tensor>], along: i64) -> Result<Tensor, String> {
    let first = parts.first().ok_or("it joins nothing")?;
    let axis = axis(along, first.dims.len())?;
    let fits = |part: &Arc<Tensor>| {
        let mut dims = part.dims.clone();
        (dims.len() == first.dims.len()) && {
            dims[axis] = first.dims[axis];
            dims == first.dims
        }
    };
    if first.dims.is_empty() || !parts.iter().all(fits) {
        return Err("its inputs differ in shape".to_owned());
    }
    let mut dims = first.dims.clone();
    let length = parts.iter().try_fold(0usize, |sum, part| sum.checked_add(part.dims[axis]));
    dims[axis] = length.ok_or("it joins too much")?;
    let rows = if checked_product(&dims)? == 0 { 0 } else { dims[..axis].iter().product() };
    fn joined<T: Copy>(parts: &[&[T]], rows: usize) -> Vec<T> {
        (0..rows)
            .flat_map(|row| parts.iter().flat_map(move |v| &v[row * (v.len() / rows)..][..v.len() / rows]))
            .copied()
            .collect()
    }
    let floats: Option<Vec<_>> = parts.iter().map(|part| part.as_floats()).collect();
    let ints: Option<Vec<_>> = parts.iter().map(|part| part.as_ints()).collect();
    let data = match (floats, ints) {
        (Some(floats), _) => Data::F32(joined(&floats, rows)),
        (_, Some(ints)) => Data::I64(joined(&ints, rows)),
        _ => return Err("its inputs are integers and floating point".to_owned()),
    };
    Ok(Tensor { dims, data })
}

/// A tensor of the shape that `shape` lists, full of the one value of `value`; of 0 where that is left out.
fn filled(shape: &Tensor, value: Option<&Attribute>) -> Result<Tensor, String> {
    let dims = shape.as_ints().ok_or("its shape is not integers")?.iter().map(|n| usize::try_from(*n));
    let dims = dims.collect::<Result<Vec<_>, _>>().map_err(|_| "its shape is negative")?;
    let count = checked_product(&dims)?;
    let data = match value {
        None => Data::F32(vec![0.0; count]),
        Some(Attribute::Tensor(value)) => match &value.data {
            Data::F32(values) if values.len() == 1 => Data::F32(vec![values[0]; count]),
            Data::I64(values) if values.len() == 1 => Data::I64(vec![values[0]; count]),
            _ => return Err("its value is not one number".to_owned()),
        },
        Some(_) => return Err("its value cannot be used".to_owned()),
    };
    Ok(Tensor { dims, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(
        operator: &str,
        inputs: usize,
        attributes: &[(&str, Attribute)],
        constant: &Arc<Tensor>,
    ) -> Result<Vec<usize>, String> {
        let node = Node {
            name: "node".to_owned(),
            operator: operator.to_owned(),
            inputs: vec!["c".to_owned(); inputs],
            outputs: vec!["y".to_owned()],
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        };
        fold(&node, |_| Ok(constant.clone())).map(|tensor| tensor.dims.clone())
    }

    #[test]
    fn a_small_file_asks_for_no_large_memory() {
        let empty = Arc::new(Tensor { dims: vec![1 << 50, 0], data: Data::F32(Vec::new()) });
        assert_eq!(folded("Transpose", 1, &[], &empty).unwrap(), [0, 1 << 50]);
        assert_eq!(folded("Concat", 2, &[("axis", Attribute::Int(1))], &empty).unwrap(), [1 << 50, 0]);
        let megabytes = Arc::new(Tensor { dims: vec![1 << 20], data: Data::F32(vec![0.0; 1 << 20]) });
        assert!(
            folded("Concat", 1 << 12, &[("axis", Attribute::Int(0))], &megabytes).unwrap_err().contains("4294967296")
        );
    }

    #[test]
    fn a_part_of_a_shape_is_not_taken_for_all_of_it() {
        let pair = Arc::new(Tensor { dims: vec![2, 3], data: Data::F32(vec![0.0; 6]) });
        assert_eq!(folded("Shape", 1, &[], &pair).unwrap(), [2]);
        assert!(folded("Shape", 1, &[("start", Attribute::Int(1))], &pair).is_err());
    }
}
