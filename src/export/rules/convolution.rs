//! Convolution, and what is one by another name. Its adjoint is a convolution with the kernel turned around, which the graph
//! derives from the stored one.

use super::stride::{self, SubPixel};
use crate::export::builder::{Builder, Value};
use crate::export::network::Node;
use crate::export::tensor::Attribute;
use crate::export::trace::{Lowered, Shape, Trace, Traced};
use crate::export::window::{Padding, Window};

pub struct Kernel {
    pub value: Value,
    /// Output channels, input channels of a group.
    pub outputs: usize,
    pub inputs: usize,
    pub groups: usize,
}

pub fn conv(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let (kernel, window) = read_kernel(t, node, x.shape.channels().unwrap_or(0))?;
    let bias = read_bias(t, node, kernel.outputs)?;
    slide(t, x, kernel, bias, window)
}

/// Weights of a convolution that picks channels: more than any network has.
const MAX_PICKED: usize = 1 << 24;

/// The channels of a list, one by one: a 1×1 convolution with one 1 for each, which has every provider's fastest way.
pub fn gather(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let x = t.maps(node, 0)?;
    let inputs = x.shape.channels().unwrap_or(0);
    if ![1, -3].contains(&node.int("axis", 0)) {
        return Err(format!("it picks along axis {}; channels (axis 1) are supported", node.int("axis", 0)));
    }
    let picked = t.constant(node, 1)?.ok_or("it has no indices")?;
    let (&[outputs], Some(indices)) = (picked.dims.as_slice(), picked.as_ints()) else {
        return Err(format!("its indices have the shape {:?}; a list of channels is supported", picked.dims));
    };
    let size = outputs.checked_mul(inputs).filter(|size| (1..=MAX_PICKED).contains(size));
    let mut weights = vec![0.0; size.ok_or_else(|| format!("it picks {outputs} of {inputs} channels"))?];
    for (row, &index) in indices.iter().enumerate() {
        let channel = if index < 0 { index + inputs as i64 } else { index };
        let channel = usize::try_from(channel).ok().filter(|c| *c < inputs);
        weights[row * inputs + channel.ok_or_else(|| format!("it picks channel {index} of {inputs}"))?] = 1.0;
    }
    let kernel = Kernel { value: t.builder.floats(&[outputs, inputs, 1, 1], &weights), outputs, inputs, groups: 1 };
    slide(t, x, kernel, None, Window::padding([0; 4]))
}

fn slide(t: &mut Trace, x: Traced, kernel: Kernel, bias: Option<Value>, window: Window) -> Result<Lowered, String> {
    let taps = (window.kernel[0] * window.kernel[1]) as usize;
    let (shape, macs) = match x.shape {
        Shape::Maps { stride, .. } => {
            let stride = window.stride_after(stride)?;
            (Shape::Maps { channels: kernel.outputs, stride }, kernel.outputs * kernel.inputs * taps)
        }
        // Over one number a channel, as squeeze-and-excitation has it.
        _ if taps == 1 && window.is_dense() && window.stays_inside() => (Shape::Pooled { channels: kernel.outputs }, 0),
        _ => return Err("it slides over maps that are a single position".to_owned()),
    };
    let mut inputs = vec![&x.value, &kernel.value];
    inputs.extend(&bias);
    let mut attributes = window.attributes();
    attributes.push(("group", Attribute::Int(kernel.groups as i64)));
    let value = t.builder.op("Conv", &inputs, &attributes);
    let slides = Some(window.clone());
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| vec![(x.name.clone(), back(b, g, &kernel, &window, &x))]);
    Ok(Lowered { value, shape, window: slides, macs, adjoint })
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

/// The gradient of the maps `x` over which `kernel` slides as `window` says, given that of the result.
pub fn back(b: &mut Builder, g: &Value, kernel: &Kernel, window: &Window, x: &Traced) -> Value {
    if window.is_dense() {
        return back_dense(b, g, kernel, window, x);
    }
    let size = b.size(&x.value);
    let is_depthwise = kernel.inputs == 1 && kernel.outputs == kernel.groups;
    if window.kernel == [1, 1] && window.stays_inside() {
        let dense = Window { strides: [1, 1], ..window.clone() };
        let gradient = back_dense(b, g, kernel, &dense, x);
        let apart = stride::stuffed(b, &gradient, window.strides);
        let begin = b.ints(&[0, 0]);
        b.crop(&apart, &begin, &size)
    } else if is_depthwise || window.dilations != [1, 1] {
        back_stuffed(b, g, kernel, window, &size)
    } else {
        let [groups, outputs, inputs] =
            [kernel.groups, kernel.outputs / kernel.groups, kernel.inputs].map(|n| n as i64);
        SubPixel { kernel: &kernel.value, groups, outputs, inputs, window }.back(b, g, &size)
    }
}

/// The kernel that runs backward: turned by half a turn, input and output channels exchanged.
fn reversed(b: &mut Builder, kernel: &Kernel, window: &Window) -> Value {
    let [height, width] = window.kernel;
    let mut w = kernel.value.clone();
    if window.kernel != [1, 1] {
        w = stride::turned(b, &w);
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
    let w = reversed(b, kernel, window);
    let around = Window { padding: Padding::Explicit(wanted.map(|p| p.max(0))), ..window.clone() };
    let mut attributes = around.attributes();
    attributes.push(("group", Attribute::Int(kernel.groups as i64)));
    let gradient = b.op("Conv", &[g, &w], &attributes);
    if wanted.iter().all(|p| *p >= 0) {
        return gradient;
    }
    // Padded by more than the kernel reaches: the outermost results depend on nothing of the input.
    let begin = b.ints(&[(-wanted[0]).max(0), (-wanted[1]).max(0)]);
    let size = b.size(&x.value);
    b.crop(&gradient, &begin, &size)
}

/// With a stride, as if it had none, of a gradient with zeros between its positions: for depthwise kernels, whose
/// multiplications cost less than interleaving does.
fn back_stuffed(b: &mut Builder, g: &Value, kernel: &Kernel, window: &Window, size: &Value) -> Value {
    let apart = stride::stuffed(b, g, window.strides);
    let reach = b.ints(&window.reach());
    let begin = window.begin(b, size);
    let begin = b.sub(&reach, &begin);
    // size = begin + apart + end − reach
    let end = b.add(size, &reach);
    let end = b.sub(&end, &begin);
    let spread = b.size(&apart);
    let end = b.sub(&end, &spread);
    let padded = b.pad(&apart, &begin, &end);
    let w = reversed(b, kernel, window);
    let dense = Window { strides: [1, 1], padding: Padding::Explicit([0; 4]), ..window.clone() };
    let mut attributes = dense.attributes();
    attributes.push(("group", Attribute::Int(kernel.groups as i64)));
    b.op("Conv", &[&padded, &w], &attributes)
}
