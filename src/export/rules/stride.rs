//! The backward pass through a stride: what the forward pass skipped is filled in.
//!
//! A transposed convolution would say all of this in one node, but ONNX Runtime runs it on one thread, outside its blocked
//! layout, and CUDA takes none that is padded unevenly. Here it becomes a convolution at stride 1.

use crate::export::builder::{Builder, Value};
use crate::export::tensor::Attribute;
use crate::export::window::{Padding, Window};

/// `g` apart: its positions `strides` from each other, nothing between them.
pub fn stuffed(b: &mut Builder, g: &Value, strides: [i64; 2]) -> Value {
    if strides == [1, 1] {
        return g.clone();
    }
    let [down, across] = strides;
    let scales = b.floats(&[4], &[1.0, 1.0, down as f32, across as f32]);
    let repeated = b.op(
        "Resize",
        &[g, &Value::none(), &scales],
        &[
            ("mode", Attribute::Text("nearest".to_owned())),
            ("coordinate_transformation_mode", Attribute::Text("asymmetric".to_owned())),
            ("nearest_mode", Attribute::Text("floor".to_owned())),
        ],
    );
    // The first of each is kept: repeating and masking is several times faster than writing zeros between.
    let mut first = vec![0.0; (down * across) as usize];
    first[0] = 1.0;
    let first = b.floats(&[1, 1, down as usize, across as usize], &first);
    let one = b.ints(&[1, 1]);
    let windows = b.size(g);
    let repeats = b.op("Concat", &[&one, &windows], &[("axis", Attribute::Int(0))]);
    let first = b.op("Tile", &[&first, &repeats], &[]);
    b.mul(&repeated, &first)
}

/// The adjoint of a dense convolution with a stride by sub-pixel convolution (Shi et al. 2016, arXiv:1609.05158): one
/// convolution at stride 1 makes the positions of each phase of the stride as channels of their own, which are then interleaved.
///
/// `kernel` is groups · outputs × inputs × height × width; the gradient `g` has groups · outputs channels, the result
/// groups · inputs, at `size` positions.
pub struct SubPixel<'a> {
    pub kernel: &'a Value,
    pub groups: i64,
    /// Of a group, in the forward pass.
    pub outputs: i64,
    pub inputs: i64,
    pub window: &'a Window,
}

/// Taps of one axis, sorted by phase.
struct Phases {
    /// Empty taps before the first.
    before: i64,
    /// Empty taps after the last.
    after: i64,
    /// Taps of each phase.
    taps: i64,
    /// How far to the left of its own position a phase begins to read.
    left: i64,
}

impl Phases {
    /// Tap j of window o touches position stride · o + j − begin. So position stride · q + r is touched by taps of one
    /// residue only, with o running down from q as j runs up.
    fn of(kernel: i64, stride: i64, begin: i64) -> Phases {
        let before = (-begin).rem_euclid(stride);
        let taps = (before + kernel + stride - 1) / stride;
        Phases { before, after: taps * stride - before - kernel, taps, left: taps - 1 - (begin + before) / stride }
    }
}

impl SubPixel<'_> {
    pub fn back(&self, b: &mut Builder, g: &Value, size: &Value) -> Value {
        let window = self.window;
        let (begin, skipped) = origin(b, window, size);
        let [down, across] = [0, 1].map(|i| Phases::of(window.kernel[i], window.strides[i], begin[i]));
        let kernel = self.by_phase(b, &down, &across);
        let positions = positions(b, size, &skipped, window.strides);
        let padded = pad_for(b, g, &positions, [down.left, across.left], [down.taps, across.taps]);
        let phases = b.op("Conv", &[&padded, &kernel], &[("group", Attribute::Int(self.groups))]);
        let whole = interleaved(b, &phases, self.groups * self.inputs, window.strides);
        b.crop(&whole, &skipped, size)
    }

    /// The kernel whose outputs are the phases of each input, across before down: groups · inputs · phases × outputs × taps.
    fn by_phase(&self, b: &mut Builder, down: &Phases, across: &Phases) -> Value {
        let (groups, outputs, inputs) = (self.groups, self.outputs, self.inputs);
        let [sy, sx] = self.window.strides;
        let pads = b.ints(&[0, 0, down.before, across.before, 0, 0, down.after, across.after]);
        let zero = b.scalar(0.0);
        let whole = b.op("Pad", &[self.kernel, &pads, &zero], &[]);
        let apart = b.reshape(&whole, &[groups, outputs, inputs, down.taps, sy, across.taps, sx]);
        let order = Attribute::Ints(vec![0, 2, 6, 4, 1, 3, 5]);
        let apart = b.op("Transpose", &[&apart], &[("perm", order)]);
        let kernel = b.reshape(&apart, &[groups * inputs * sx * sy, outputs, down.taps, across.taps]);
        turned(b, &kernel)
    }
}

/// From where on the positions are counted by which a window's phases are numbered: the padding before the maps where it is
/// known, else its beginning; and how many of them lie before the maps.
pub fn origin(b: &mut Builder, window: &Window, size: &Value) -> ([i64; 2], Value) {
    match window.padding {
        Padding::Explicit([top, left, ..]) => ([top, left], b.ints(&[0, 0])),
        Padding::Same { .. } => ([0, 0], window.begin(b, size)),
    }
}

/// How many positions each phase has: ⌈(size + skipped) / stride⌉.
pub fn positions(b: &mut Builder, size: &Value, skipped: &Value, strides: [i64; 2]) -> Value {
    let before = b.ints(&strides.map(|s| s - 1));
    let whole = b.add(size, skipped);
    let whole = b.add(&whole, &before);
    let strides = b.ints(&strides);
    b.div(&whole, &strides)
}

/// `g` with as much around it that a convolution of so many `taps`, which begins `left` before it, has `positions`.
pub fn pad_for(b: &mut Builder, g: &Value, positions: &Value, left: [i64; 2], taps: [i64; 2]) -> Value {
    // positions = left + windows + right − (taps − 1)
    let windows = b.size(g);
    let reach = b.ints(&[taps[0] - 1 - left[0], taps[1] - 1 - left[1]]);
    let right = b.add(positions, &reach);
    let right = b.sub(&right, &windows);
    let left = b.ints(&left);
    b.pad(g, &left, &right)
}

/// `kernel` turned by half a turn.
pub fn turned(b: &mut Builder, kernel: &Value) -> Value {
    let (last, end) = (b.ints(&[-1, -1]), b.ints(&[i64::MIN, i64::MIN]));
    let (axes, back) = (b.ints(&[2, 3]), b.ints(&[-1, -1]));
    b.op("Slice", &[kernel, &last, &end, &axes, &back], &[])
}

/// Maps of `channels` · strides channels as maps of `channels` that are `strides` times as large.
///
/// Each transposition moves one axis: for that ONNX Runtime has a way that is several times as fast as its DepthToSpace.
fn interleaved(b: &mut Builder, phases: &Value, channels: i64, [sy, sx]: [i64; 2]) -> Value {
    let transpose = |b: &mut Builder, x: &Value, order: [i64; 4]| {
        b.op("Transpose", &[x], &[("perm", Attribute::Ints(order.to_vec()))])
    };
    let rows = b.reshape(phases, &[channels * sx, sy, 0, 0]);
    let rows = transpose(b, &rows, [0, 2, 1, 3]);
    let columns = b.reshape(&rows, &[channels, sx, -1, 0]);
    let columns = transpose(b, &columns, [0, 2, 3, 1]);
    let whole = b.reshape(&columns, &[channels, 0, -1]);
    let first = b.ints(&[0]);
    b.op("Unsqueeze", &[&whole, &first], &[])
}

/// Maps whose position stride · q + r along `axis` is position q of phase r.
pub fn woven(b: &mut Builder, phases: &[Value], axis: usize) -> Value {
    let [only] = phases else {
        let phases: Vec<Value> = phases
            .iter()
            .map(|phase| {
                // One after the other along a row, rows are woven; along an axis of their own behind, columns are.
                if axis == 0 {
                    return phase.clone();
                }
                let last = b.ints(&[4]);
                b.op("Unsqueeze", &[phase, &last], &[])
            })
            .collect();
        let together = b.op("Concat", &phases.iter().collect::<Vec<_>>(), &[("axis", Attribute::Int(3 + axis as i64))]);
        if axis == 1 {
            return b.reshape(&together, &[0, 0, 0, -1]);
        }
        let width = b.op("Shape", &[&phases[0]], &[("start", Attribute::Int(3)), ("end", Attribute::Int(4))]);
        let start = b.ints(&[0, 0, -1]);
        let sizes = b.op("Concat", &[&start, &width], &[("axis", Attribute::Int(0))]);
        return b.op("Reshape", &[&together, &sizes], &[]);
    };
    only.clone()
}
