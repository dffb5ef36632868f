//! Pools. Going back, each window hands its gradient to its largest position, or evenly to all.
//!
//! Both are depthwise convolutions with fixed kernels: those add up overlapping windows, ONNX Runtime runs them in its blocked
//! layout, and every execution provider has them.

use std::sync::Arc;

use super::activation;
use super::convolution::{self, Kernel};
use super::stride;
use crate::export::builder::{Builder, Value};
use crate::export::network::Node;
use crate::export::tensor::{Attribute, Tensor};
use crate::export::trace::{Lowered, MaxPool, Shape, Trace, Traced};
use crate::export::window::{Padding, Window};

/// The most rows and columns together that a max-pool's window may have for its gradient to be exact.
const LARGEST_EXACT: i64 = 64;

pub fn max(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let (x, window, shape) = read(t, node)?;
    if node.outputs.get(1).is_some_and(|o| !o.is_empty()) {
        return Err("its second output (indices) is in use".to_owned());
    }
    let [height, width] = window.kernel;
    // The exact gradient takes some nodes for each.
    if t.gradients.max_pool == MaxPool::Exact && height + width > LARGEST_EXACT {
        return Err(format!(
            "its window of {height}x{width} is too large for the exact gradient; --max-pool smooth takes it"
        ));
    }
    let value = max_pool(&mut t.builder, &x.value, &window);
    let (max_pool, slides) = (t.gradients.max_pool, window.clone());
    let y = value.clone();
    let adjoint = Box::new(move |b: &mut Builder, g: &Value| {
        let gradient = match max_pool {
            MaxPool::Exact => to_the_largest(b, g, &y, &window, &x),
            MaxPool::Smooth => evenly(b, g, &window, &x, false),
        };
        vec![(x.name, gradient)]
    });
    Ok(Lowered::plain(value, shape, adjoint).sliding(slides))
}

pub fn average(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
    let (x, window, shape) = read(t, node)?;
    if window.dilations != [1, 1] {
        return Err("it is dilated".to_owned());
    }
    let count_padding = node.int("count_include_pad", 0) != 0;
    let value = average_pool(&mut t.builder, &x.value, &window, count_padding);
    let slides = window.clone();
    let adjoint =
        Box::new(move |b: &mut Builder, g: &Value| vec![(x.name.clone(), evenly(b, g, &window, &x, count_padding))]);
    Ok(Lowered::plain(value, shape, adjoint).sliding(slides))
}

fn read(t: &mut Trace, node: &Node) -> Result<(Traced, Window, Shape), String> {
    let x = t.maps(node, 0)?;
    let Shape::Maps { channels, stride } = x.shape else {
        return Err("it slides over maps that are a single position".to_owned());
    };
    let window = Window::read(node, None)?;
    let stride = window.stride_after(stride)?;
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
    let inside = b.op("Conv", &[&padded, &kernel], &inner(window));
    let mean =
        if window.dilations == [1, 1] { average_pool(b, &picture, window, count_padding) } else { b.scalar(1.0) };
    let share = b.div(&mean, &inside);
    let shared = b.mul(g, &share);
    let channels = x.shape.channels().unwrap_or(0);
    let kernel = over_channels(b, &kernel, channels, window.kernel);
    let kernel = Kernel { value: kernel, outputs: channels, inputs: 1, groups: channels };
    convolution::back(b, &shared, &kernel, window, x)
}

/// The gradient `g` of each window at the first of its largest positions.
///
/// The largest of a window is the largest of its rows' largest, so this is done along one axis at a time, with as many steps
/// as a window has rows and columns, not positions.
fn to_the_largest(b: &mut Builder, g: &Value, y: &Value, window: &Window, x: &Traced) -> Value {
    let (mut maps, mut largest) = (x.value.clone(), y.clone());
    if !window.stays_inside() && !x.rectified {
        // What is outside the maps is 0, and must not win: inside, all is 1 or more.
        let least = b.op("ReduceMin", &[&x.value], &[("keepdims", Attribute::Int(0))]);
        let one = b.scalar(1.0);
        let mut raised = |v: &Value| {
            let above = b.sub(v, &least);
            b.add(&above, &one)
        };
        (maps, largest) = (raised(&maps), raised(&largest));
    }
    let channels = x.shape.channels().unwrap_or(0);
    let (across, down) = (window.along(1), window.along(0));
    let rows = max_pool(b, &maps, &across);
    let g = along(b, g, &largest, &rows, channels, &down, 0);
    along(b, &g, &rows, &maps, channels, &across, 1)
}

/// Of a pool along one axis, the gradient `g` of its windows' largest `y` at the first position of `x` that is as large.
fn along(b: &mut Builder, g: &Value, y: &Value, x: &Value, channels: usize, window: &Window, axis: usize) -> Value {
    let (taps, stride) = (window.kernel[axis], window.strides[axis]);
    if taps == 1 && stride == 1 {
        return g.clone();
    }
    let kernel = |b: &mut Builder, weights: &[f32]| {
        let mut size = [1, 1];
        size[axis] = weights.len();
        let kernel = b.floats(&[1, 1, size[0], size[1]], weights);
        over_channels(b, &kernel, channels, size.map(|n| n as i64))
    };
    let depthwise = ("group", Attribute::Int(channels as i64));

    // rest[j]: what no tap before j has taken.
    let windows = b.size(y);
    // A convolution pads by itself where it is known by how much.
    let (padded, seeing) = match window.padding {
        Padding::Explicit(_) if !window.ceil => (x.clone(), window.attributes()),
        _ => (around(b, x, &windows, window, Fill::Constant(0.0)), inner(window)),
    };
    let mut rest = vec![g.clone()];
    for tap in 0..taps - 1 {
        let mut weights = vec![0.0; taps as usize];
        weights[tap as usize] = -1.0;
        let seen = kernel(b, &weights);
        let mut attributes = seeing.clone();
        attributes.push(depthwise.clone());
        let below = b.op("Conv", &[&padded, &seen], &attributes);
        let below = b.add(&below, y);
        let goes_on = activation::above_zero(b, &below);
        rest.push(b.mul(&rest[tap as usize], &goes_on));
    }

    // Tap j takes rest[j] − rest[j + 1], to position stride · o + dilation · j − begin, which is that of phase r at o − e:
    let size = b.size(x);
    let (begin, skipped) = stride::origin(b, window, &size);
    let places: Vec<(i64, i64)> = (0..taps)
        .map(|j| {
            let position = window.dilations[axis] * j - begin[axis];
            (position.rem_euclid(stride), -position.div_euclid(stride))
        })
        .collect();
    let (least, most) = places.iter().fold((0, 0), |(least, most), (_, e)| (least.min(*e), most.max(*e)));
    let (mut left, mut reach) = ([0, 0], [1, 1]);
    (left[axis], reach[axis]) = (-least, most - least + 1);
    let positions = stride::positions(b, &size, &skipped, window.strides);
    let mut phases = Vec::new();
    for phase in 0..stride {
        let mut sum: Option<Value> = None;
        for (j, rest) in rest.iter().enumerate() {
            let mut weights = vec![0.0; reach[axis] as usize];
            let mut takes = |j: Option<usize>, sign: f32| {
                if let Some((_, e)) = j.and_then(|j| places.get(j)).filter(|(r, _)| *r == phase) {
                    weights[(e - least) as usize] += sign;
                }
            };
            takes(Some(j), 1.0);
            takes(j.checked_sub(1), -1.0);
            if weights.iter().any(|w| *w != 0.0) {
                let given = kernel(b, &weights);
                let padded = stride::pad_for(b, rest, &positions, left, reach);
                let part = b.op("Conv", &[&padded, &given], std::slice::from_ref(&depthwise));
                sum = Some(match sum {
                    Some(sum) => b.add(&sum, &part),
                    None => part,
                });
            }
        }
        phases.push(sum);
    }
    // A stride longer than the window leaves phases that none touches.
    let nothing = b.scalar(0.0);
    let first = phases.iter().flatten().next().cloned().unwrap_or_else(|| g.clone());
    let phases: Vec<Value> = phases.into_iter().map(|phase| phase.unwrap_or_else(|| b.mul(&first, &nothing))).collect();
    let whole = stride::woven(b, &phases, axis);
    b.crop(&whole, &skipped, &size)
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

/// `kernel`, of one channel, for each of `channels`.
fn over_channels(b: &mut Builder, kernel: &Value, channels: usize, [height, width]: [i64; 2]) -> Value {
    let sizes = b.ints(&[channels as i64, 1, height, width]);
    b.op("Expand", &[kernel, &sizes], &[])
}

/// The window's attributes without padding.
fn inner(window: &Window) -> Vec<(&'static str, Attribute)> {
    Window { padding: Padding::Explicit([0; 4]), ..window.clone() }.attributes()
}

pub fn global_average(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
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
    Ok(Lowered::plain(value, Shape::Pooled { channels }, adjoint))
}

/// The mean over height and width is a global average pool by another name.
pub fn reduce_mean(t: &mut Trace, node: &Node) -> Result<Lowered, String> {
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
