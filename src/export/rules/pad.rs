//! Padding as an operator of its own, as networks from TensorFlow have it.

use crate::export::builder::{Builder, Value};
use crate::export::network::Node;
use crate::export::tensor::Attribute;
use crate::export::trace::{Lowered, Shape, Trace};
use crate::export::window::Window;

pub fn pad(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    if !matches!(x.shape, Shape::Maps { .. }) {
        return Err("it pads maps that are a single position".to_owned());
    }
    let mode = node.text("mode").unwrap_or("constant");
    if mode != "constant" {
        return Err(format!("it pads in mode `{mode}`; `constant` is supported"));
    }
    let pads = match (t.constant(node, 1)?, node.ints("pads")) {
        (Some(tensor), _) => tensor.as_ints().ok_or("its pads are not integers")?.to_vec(),
        (None, Some(pads)) => pads.to_vec(),
        (None, None) => return Err("it has no pads".to_owned()),
    };
    let fill = match t.constant(node, 2)? {
        Some(tensor) => tensor.as_scalar().ok_or("its fill is not one number")?,
        None => node.float("value", 0.0),
    };
    let around = on_all_axes(t.constant(node, 3)?.as_deref().and_then(|a| a.as_ints()), &pads)?;
    let &[0, 0, top, left, 0, 0, bottom, right] = around.as_slice() else {
        return Err(format!("it pads by {around:?}; height and width are supported"));
    };
    if [top, left, bottom, right].iter().any(|p| !(0..=1 << 12).contains(p)) {
        return Err(format!("it pads by {around:?}; 0 and more is supported"));
    }
    let b = &mut t.builder;
    let (pads, fill) = (b.ints(&around), b.scalar(fill));
    let mode = [("mode", Attribute::Text("constant".to_owned()))];
    let value = b.op("Pad", &[&x.value, &pads, &fill], &mode);
    let shape = x.shape;
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        let size = b.size(&x.value);
        let begin = b.ints(&[top, left]);
        vec![(x.name, b.crop(g, &begin, &size))]
    });
    Ok(Lowered::plain(value, shape, adjoint).sliding(Window::padding([top, left, bottom, right])))
}

/// Pads given for some axes (all beginnings, then all ends), as pads for all four.
fn on_all_axes(axes: Option<&[i64]>, pads: &[i64]) -> Result<Vec<i64>, String> {
    let all = [0, 1, 2, 3];
    let axes = axes.unwrap_or(&all);
    if pads.len() != 2 * axes.len() {
        return Err(format!("its {} pads do not fit {} axes", pads.len(), axes.len()));
    }
    let mut around = vec![0; 8];
    for (i, &axis) in axes.iter().enumerate() {
        let axis = if axis < 0 { axis + 4 } else { axis };
        if !(0..4).contains(&axis) {
            return Err(format!("it pads axis {axis}"));
        }
        around[axis as usize] = pads[i];
        around[axis as usize + 4] = pads[i + axes.len()];
    }
    Ok(around)
}
