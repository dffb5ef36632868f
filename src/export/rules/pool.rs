//! Pools. Going back, each window hands its gradient to its largest position, or evenly to all.
//!
//! Both ways back end in a transposed convolution with fixed kernels, over channels taken as a batch: that adds up
//! overlapping windows in one node, and every execution provider has it.

use std::sync::Arc;

use super::window::{Padding, Window};
use crate::export::MaxPool;
use crate::export::builder::{Builder, Value};
use crate::export::network::Node;
use crate::export::tensor::{Attribute, Data, Tensor};
use crate::export::trace::{Shape, Trace, Traced, Written};

/// The most positions a max-pool's window may have for its gradient to be exact: 32 × 32.
const LARGEST_EXACT: i64 = 1024;

pub fn max(t: &mut Trace, node: &Node) -> Result<Written, String> {
    let (x, window, shape) = read(t, node)?;
    if node.outputs.get(1).is_some_and(|o| !o.is_empty()) {
        return Err("its second output (indices) is in use".to_owned());
    }
    let [height, width] = window.kernel;
    // The exact gradient takes a kernel for each position of the window.
    if t.max_pool == MaxPool::Exact && height * width > LARGEST_EXACT {
        return Err(format!(
            "its window of {height}x{width} is too large for the exact gradient; --max-pool smooth takes it"
        ));
    }
    let value = max_pool(&mut t.builder, &x.value, &window);
    let max_pool = t.max_pool;
    let y = value.clone();
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        let gradient = match max_pool {
            MaxPool::Exact => to_the_largest(b, g, &y, &window, &x),
            MaxPool::Smooth => evenly(b, g, &window, &x, false),
        };
        vec![(x.name, gradient)]
    });
    Ok(Written { value, shape, macs: 0, adjoint })
}

pub fn average(t: &mut Trace, node: &Node) -> Result<Written, String> {
    let (x, window, shape) = read(t, node)?;
    if window.dilations != [1, 1] {
        return Err("it is dilated".to_owned());
    }
    let count_padding = node.int("count_include_pad", 0) != 0;
    let value = average_pool(&mut t.builder, &x.value, &window, count_padding);
    let adjoint =
        Box::new(move |b: &mut Builder, g: &Value| vec![(x.name.clone(), evenly(b, g, &window, &x, count_padding))]);
    Ok(Written { value, shape, macs: 0, adjoint })
}

fn read(t: &mut Trace, node: &Node) -> Result<(Traced, Window, Shape), String> {
    let x = t.maps(node, 0)?;
    let Shape::Maps { channels, stride } = x.shape else {
        return Err("it slides over maps that are a single position".to_owned());
    };
    let window = Window::read(node, None)?;
    let stride = [stride[0] * window.strides[0] as usize, stride[1] * window.strides[1] as usize];
    Ok((x, window, Shape::Maps { channels, stride }))
}

fn attributes(window: &Window) -> Vec<(&'static str, Attribute)> {
    let mut attributes = window.attributes();
    if window.ceil {
        attributes.push(("ceil_mode", Attribute::Int(1)));
    }
    attributes
}

fn max_pool(b: &mut Builder, x: &Value, window: &Window) -> Value {
    if !window.may_begin_outside() {
        return b.op("MaxPool", &[x], &attributes(window));
    }
    // Every window touches the maps, so repeating their edge changes no window's largest.
    let windows = rounded_up(b, x, window);
    let padded = around(b, x, &windows, window, Fill::Edge);
    b.op("MaxPool", &[&padded], &inner(window))
}

fn average_pool(b: &mut Builder, x: &Value, window: &Window, count_padding: bool) -> Value {
    if !window.may_begin_outside() {
        let mut attributes = attributes(window);
        attributes.push(("count_include_pad", Attribute::Int(i64::from(count_padding))));
        return b.op("AveragePool", &[x], &attributes);
    }
    let windows = rounded_up(b, x, window);
    let means = |b: &mut Builder, maps: &Value, window: &Window| {
        let padded = around(b, maps, &windows, window, Fill::Constant(0.0));
        b.op("AveragePool", &[&padded], &inner(window))
    };
    let means_with_padding = means(b, x, window);
    // How much of each window counts: the maps, and what the node pads them with where it says so.
    let size = b.size(x);
    let share = if count_padding {
        let Padding::Explicit([top, left, bottom, right]) = window.padding else { unreachable!("rounded up") };
        let pads = b.ints(&[top + bottom, left + right]);
        let padded = b.add(&size, &pads);
        let ones = ones(b, &padded);
        means(b, &ones, &Window { padding: Padding::Explicit([0; 4]), ..window.clone() })
    } else {
        let ones = ones(b, &size);
        means(b, &ones, window)
    };
    b.div(&means_with_padding, &share)
}

/// A map of ones of `size`.
fn ones(b: &mut Builder, size: &Value) -> Value {
    let one = b.ints(&[1, 1]);
    let shape = b.op("Concat", &[&one, size], &[("axis", Attribute::Int(0))]);
    let fill = Attribute::Tensor(Arc::new(Tensor::floats(&[1], vec![1.0])));
    b.op("ConstantOfShape", &[&shape], &[("value", fill)])
}

/// How many windows there are over the maps `x` when the last may reach beyond what they are padded with, but not
/// begin there: two integers.
fn rounded_up(b: &mut Builder, x: &Value, window: &Window) -> Value {
    let Padding::Explicit([top, left, bottom, right]) = window.padding else { unreachable!("rounded up") };
    let size = b.size(x);
    let strides = b.ints(&window.strides);
    // ⌈n / stride⌉ = ⌊(n + stride − 1) / stride⌋, of n = size + padding − kernel; and one more.
    let [down, across] = window.reach();
    let reaching =
        b.ints(&[top + bottom - down - 2 + 2 * window.strides[0], left + right - across - 2 + 2 * window.strides[1]]);
    let reaching = b.add(&size, &reaching);
    let reaching = b.div(&reaching, &strides);
    let beginning = b.ints(&[top + window.strides[0] - 1, left + window.strides[1] - 1]);
    let beginning = b.add(&size, &beginning);
    let beginning = b.div(&beginning, &strides);
    b.op("Min", &[&reaching, &beginning], &[])
}

/// The gradient `g` of each window divided among the positions it covers.
fn evenly(b: &mut Builder, g: &Value, window: &Window, x: &Traced, count_padding: bool) -> Value {
    let [height, width] = window.kernel;
    let taps = (height * width) as usize;
    let kernel = b.floats(&[1, 1, height as usize, width as usize], &vec![1.0; taps]);
    // What each window divides by is asked of the pool itself, over a picture of ones: whatever it counts at the
    // border, this counts too. All of it is constant once the size is known.
    let size = b.size(&x.value);
    let picture = ones(b, &size);
    let windows = b.size(g);
    let padded = around(b, &picture, &windows, window, Fill::Constant(0.0));
    let inside = convolve(b, &padded, &kernel, window);
    let mean =
        if window.dilations == [1, 1] { average_pool(b, &picture, window, count_padding) } else { b.scalar(1.0) };
    let share = b.div(&mean, &inside);
    let shared = b.mul(g, &share);
    let channels = x.shape.channels().unwrap_or(0) as i64;
    let batch = b.reshape(&shared, &[channels, 1, 0, 0]);
    spread(b, &batch, &kernel, window, x)
}

/// The gradient `g` of each window at the first of its largest positions.
fn to_the_largest(b: &mut Builder, g: &Value, y: &Value, window: &Window, x: &Traced) -> Value {
    let [height, width] = window.kernel;
    let taps = (height * width) as usize;
    let channels = x.shape.channels().unwrap_or(0) as i64;
    // Kernel i is 1 at position i of the window and 0 elsewhere.
    let mut eye = vec![0.0; taps * taps];
    eye.iter_mut().step_by(taps + 1).for_each(|v| *v = 1.0);
    let eye = b.floats(&[taps, 1, height as usize, width as usize], &eye);

    let padded = if window.stays_inside() {
        x.value.clone()
    } else {
        // Nothing outside the maps may win: inside all is 0 or more, outside it is −1.
        let least = b.op("ReduceMin", &[&x.value], &[("keepdims", Attribute::Int(0))]);
        let raised = b.sub(&x.value, &least);
        let windows = b.size(y);
        around(b, &raised, &windows, window, Fill::Constant(-1.0))
    };
    let batch = b.reshape(&padded, &[channels, 1, 0, 0]);
    let positions = convolve(b, &batch, &eye, window);
    let winner = b.op("ArgMax", &[&positions], &[("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(1))]);
    let order = Tensor { dims: vec![1, taps, 1, 1], data: Data::I64((0..taps as i64).collect()) };
    let order = b.constant(&Arc::new(order));
    let won = b.op("Equal", &[&winner, &order], &[]);
    let won = b.op("Cast", &[&won], &[("to", Attribute::Int(1))]);
    let g = b.reshape(g, &[channels, 1, 0, 0]);
    let handed = b.mul(&won, &g);
    spread(b, &handed, &eye, window, x)
}

/// What is put around maps.
enum Fill {
    Constant(f32),
    /// Their outermost positions, repeated.
    Edge,
}

/// `x` with `fill` around it, as far as so many `windows` reach.
fn around(b: &mut Builder, x: &Value, windows: &Value, window: &Window, fill: Fill) -> Value {
    let size = b.size(x);
    let begin = window.begin(b, &size);
    // end = max(windows · stride + (reach + 1 − stride) − begin − size, 0)
    let strides = b.ints(&window.strides);
    let [down, across] = window.reach();
    let rest = b.ints(&[down + 1 - window.strides[0], across + 1 - window.strides[1]]);
    let span = b.mul(windows, &strides);
    let span = b.add(&span, &rest);
    let span = b.sub(&span, &begin);
    let span = b.sub(&span, &size);
    let none = b.ints(&[0, 0]);
    let end = b.op("Max", &[&span, &none], &[]);
    let pads = b.op("Concat", &[&none, &begin, &none, &end], &[("axis", Attribute::Int(0))]);
    let (value, mode) = match fill {
        Fill::Constant(value) => (value, "constant"),
        Fill::Edge => (0.0, "edge"),
    };
    let value = b.scalar(value);
    b.op("Pad", &[x, &pads, &value], &[("mode", Attribute::Text(mode.to_owned()))])
}

/// `x`, padded already, seen through `kernels`.
fn convolve(b: &mut Builder, x: &Value, kernels: &Value, window: &Window) -> Value {
    b.op("Conv", &[x, kernels], &inner(window))
}

/// Adds up what the windows hand back, channels as a batch, and cuts off what lies outside the maps `x`.
fn spread(b: &mut Builder, handed: &Value, kernels: &Value, window: &Window, x: &Traced) -> Value {
    let mut attributes = inner(window);
    attributes.push(("output_padding", Attribute::Ints(window.strides.map(|s| s - 1).to_vec())));
    let padded = b.op("ConvTranspose", &[handed, kernels], &attributes);
    let size = b.size(&x.value);
    let begin = window.begin(b, &size);
    let gradient = b.crop(&padded, &begin, &size);
    b.reshape(&gradient, &[1, x.shape.channels().unwrap_or(0) as i64, 0, 0])
}

/// The window's attributes without padding.
fn inner(window: &Window) -> Vec<(&'static str, Attribute)> {
    Window { padding: Padding::Explicit([0; 4]), ..window.clone() }.attributes()
}

pub fn global_average(t: &mut Trace, node: &Node) -> Result<Written, String> {
    let x = t.maps(node, 0)?;
    let channels = x.shape.channels().unwrap_or(0);
    let value = t.builder.op("GlobalAveragePool", &[&x.value], &[]);
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        let size = b.size(&x.value);
        let count = b.op("ReduceProd", &[&size], &[("keepdims", Attribute::Int(0))]);
        let count = b.op("Cast", &[&count], &[("to", Attribute::Int(1))]);
        let share = b.div(g, &count);
        let shape = b.shape(&x.value);
        vec![(x.name, b.op("Expand", &[&share, &shape], &[]))]
    });
    Ok(Written { value, shape: Shape::Pooled { channels }, macs: 0, adjoint })
}

/// The mean over height and width is a global average pool by another name.
pub fn reduce_mean(t: &mut Trace, node: &Node) -> Result<Written, String> {
    let axes = match t.constant(node, 1)? {
        Some(axes) => axes.as_ints().map(<[i64]>::to_vec),
        None => node.ints("axes").map(<[i64]>::to_vec),
    };
    let mut axes = axes.unwrap_or_default();
    axes.iter_mut().filter(|a| **a < 0).for_each(|a| *a += 4);
    axes.sort_unstable();
    if axes != [2, 3] || node.int("keepdims", 1) == 0 {
        return Err("it is a mean over something else than height and width, kept as axes".to_owned());
    }
    global_average(t, node)
}
