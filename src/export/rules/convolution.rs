//! Convolution. Its adjoint is a convolution with the kernel turned around, which the graph derives from the
//! stored one; with a stride, it is a transposed convolution.

use super::window::{Padding, Window};
use crate::export::builder::{Builder, Value};
use crate::export::network::Node;
use crate::export::tensor::Attribute;
use crate::export::trace::{Shape, Trace, Traced, Written};

struct Kernel {
    value: Value,
    /// Output channels, input channels of a group.
    outputs: usize,
    inputs: usize,
    groups: usize,
}

pub fn conv(t: &mut Trace, node: &Node) -> Result<Written, String> {
    let x = t.maps(node, 0)?;
    let Shape::Maps { channels, stride } = x.shape else {
        return conv_of_pooled(t, node, x);
    };
    let (kernel, window) = read_kernel(t, node, channels)?;
    let mut inputs = vec![&x.value, &kernel.value];
    let bias = read_bias(t, node, kernel.outputs)?;
    inputs.extend(&bias);
    let mut attributes = window.attributes();
    attributes.push(("group", Attribute::Int(kernel.groups as i64)));
    let value = t.builder.op("Conv", &inputs, &attributes);

    let shape = Shape::Maps {
        channels: kernel.outputs,
        stride: [stride[0] * window.strides[0] as usize, stride[1] * window.strides[1] as usize],
    };
    let macs = kernel.outputs * kernel.inputs * (window.kernel[0] * window.kernel[1]) as usize;
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        let gradient = if window.is_dense() {
            back_dense(b, g, &kernel, &window, &x)
        } else {
            back_strided(b, g, &kernel, &window, &x)
        };
        vec![(x.name, gradient)]
    });
    Ok(Written { value, shape, macs, adjoint })
}

/// A 1×1 convolution over one number a channel, as squeeze-and-excitation has it.
fn conv_of_pooled(t: &mut Trace, node: &Node, x: Traced) -> Result<Written, String> {
    let channels = x.shape.channels().unwrap_or(0);
    let (kernel, window) = read_kernel(t, node, channels)?;
    if window.kernel != [1, 1] || !window.is_dense() || !window.stays_inside() {
        return Err("it slides over maps that are a single position".to_owned());
    }
    let mut inputs = vec![&x.value, &kernel.value];
    let bias = read_bias(t, node, kernel.outputs)?;
    inputs.extend(&bias);
    let mut attributes = window.attributes();
    attributes.push(("group", Attribute::Int(kernel.groups as i64)));
    let value = t.builder.op("Conv", &inputs, &attributes);
    let shape = Shape::Pooled { channels: kernel.outputs };
    let adjoint =
        Box::new(move |b: &mut Builder, g: &Value| vec![(x.name.clone(), back_dense(b, g, &kernel, &window, &x))]);
    Ok(Written { value, shape, macs: 0, adjoint })
}

fn read_kernel(t: &mut Trace, node: &Node, channels: usize) -> Result<(Kernel, Window), String> {
    let weights = t.constant(node, 1)?.ok_or("it has no weights")?;
    let &[outputs, inputs, height, width] = weights.dims.as_slice() else {
        return Err(format!("its weights have {} axes; those of pictures have 4", weights.dims.len()));
    };
    if weights.as_floats().is_none() || weights.dims.contains(&0) {
        return Err("its weights are not floating-point numbers".to_owned());
    }
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
    if groups == 0 || inputs.checked_mul(groups) != Some(channels) || !outputs.is_multiple_of(groups) {
        return Err(format!(
            "its weights {:?} in {groups} groups do not fit its input of {channels} channels",
            weights.dims
        ));
    }
    let window = Window::read(node, Some([height as i64, width as i64]))?;
    Ok((Kernel { value: t.builder.constant(&weights), outputs, inputs, groups }, window))
}

fn read_bias(t: &mut Trace, node: &Node, outputs: usize) -> Result<Option<Value>, String> {
    let Some(bias) = t.constant(node, 2)? else { return Ok(None) };
    if bias.dims != [outputs] || bias.as_floats().is_none() {
        return Err(format!("its bias {:?} is not one number for each of {outputs} channels", bias.dims));
    }
    Ok(Some(t.builder.constant(&bias)))
}

/// The kernel that runs backward: turned by half a turn, input and output channels exchanged.
fn turned(b: &mut Builder, kernel: &Kernel, window: &Window) -> Value {
    let [height, width] = window.kernel;
    let mut w = kernel.value.clone();
    if window.kernel != [1, 1] {
        let (last, end) = (b.ints(&[-1, -1]), b.ints(&[i64::MIN, i64::MIN]));
        let (axes, back) = (b.ints(&[2, 3]), b.ints(&[-1, -1]));
        w = b.op("Slice", &[&w, &last, &end, &axes, &back], &[]);
    }
    let (groups, outputs, inputs) = (kernel.groups as i64, kernel.outputs as i64, kernel.inputs as i64);
    let exchange = |b: &mut Builder, w: &Value, order: &[i64]| {
        b.op("Transpose", &[w], &[("perm", Attribute::Ints(order.to_vec()))])
    };
    if groups == 1 {
        exchange(b, &w, &[1, 0, 2, 3])
    } else if inputs == 1 && outputs == groups {
        w
    } else {
        let apart = b.reshape(&w, &[groups, outputs / groups, inputs, height, width]);
        let exchanged = exchange(b, &apart, &[0, 2, 1, 3, 4]);
        b.reshape(&exchanged, &[groups * inputs, outputs / groups, height, width])
    }
}

fn back_dense(b: &mut Builder, g: &Value, kernel: &Kernel, window: &Window, x: &Traced) -> Value {
    let Padding::Explicit(pads) = window.padding else {
        unreachable!("SAME padding is explicit at stride 1");
    };
    let [down, across] = window.reach();
    let wanted = [down - pads[0], across - pads[1], down - pads[2], across - pads[3]];
    let w = turned(b, kernel, window);
    let around = Window { padding: Padding::Explicit(wanted.map(|p| p.max(0))), ..window.clone() };
    let mut attributes = around.attributes();
    attributes.push(("group", Attribute::Int(kernel.groups as i64)));
    let gradient = b.op("Conv", &[g, &w], &attributes);
    if wanted.iter().all(|p| *p >= 0) {
        return gradient;
    }
    // Padded by more than the kernel reaches: the outermost results saw nothing of the input.
    let begin = b.ints(&[(-wanted[0]).max(0), (-wanted[1]).max(0)]);
    let size = b.size(&x.value);
    b.crop(&gradient, &begin, &size)
}

fn back_strided(b: &mut Builder, g: &Value, kernel: &Kernel, window: &Window, x: &Traced) -> Value {
    // Unpadded, with the positions that the stride left over added at the end; then the padding is cut off.
    // (CUDA takes no transposed convolution whose padding differs at beginning and end.)
    let spread = Window { padding: Padding::Explicit([0; 4]), ..window.clone() };
    let mut attributes = spread.attributes();
    attributes.push(("group", Attribute::Int(kernel.groups as i64)));
    attributes.push(("output_padding", Attribute::Ints(window.strides.map(|s| s - 1).to_vec())));
    let padded = b.op("ConvTranspose", &[g, &kernel.value], &attributes);
    let size = b.size(&x.value);
    let begin = window.begin(b, &size);
    b.crop(&padded, &begin, &size)
}
