//! The backward pass through a depthwise stride, its positions apart: for the CPU, whose time goes with what is moved.
//!
//! A pack's graph writes zeros between the gradient's positions, convolves, multiplies by the mask of the activation below, and has a 1×1 convolution
//! bring the many channels of such a block back to few. All of this is done at the size before the stride, in maps that are larger than the caches.
//! But a position whose remainder by the stride is r is touched by taps of one remainder alone (its *phase*), and neither mask nor 1×1 convolution
//! cares where a position lies. So each phase is convolved, masked and brought to few channels by itself, and these are interleaved. The mask is computed
//! again from the few channels that the block began with: that costs what reading the activation again does.
//!
//! ```text
//! before                                              after, for each phase
//! g ─ repeat ─ mask zeros ─ conv ─┬─ × ─ 1×1 ─        g ─ conv, taps of the phase ─┬─ × ─ 1×1 ─┐
//!              x ─ 1×1 ─ ReLU ────┘ (mask)             x, of the phase ─ 1×1 ───────┘ (mask)    ├─ interleave
//! ```

use std::collections::HashMap;

use crate::export::{Attribute, Builder, Tensor, Value, onnx, pad_for, positions, turned};

/// Bytes of maps that are worth it: of smaller ones more stays in the caches, and more nodes cost more than they save. (Measured with one thread and two.)
pub const WORTHWHILE: f64 = 2.5e6;

/// What a file may ask for at most before ONNX Runtime has looked at it.
const LARGEST_STRIDE: i64 = 8;
const LARGEST_KERNEL: i64 = 32;
const MOST_CHANNELS: i64 = 1 << 16;
const MOST_SUBTRACTIONS: u32 = 4;

/// A hard sigmoid with such a slope is a step.
const STEEP: f32 = 1e20;

/// The rewriting of one graph.
pub struct Apart<'a> {
    graph: &'a onnx::Graph,
    /// Which node makes a value, and how many read it.
    makers: HashMap<&'a str, usize>,
    readers: HashMap<&'a str, usize>,
    /// About how many positions a value has: to within the padding.
    positions: HashMap<&'a str, f64>,
    /// Bytes of maps from which on it is done.
    least: f64,
}

/// A backward pass through a stride, found in a graph: the names of its values.
struct Strided<'a> {
    gradient: &'a str,
    /// The kernel of the forward pass: channels × 1 × height × width.
    kernel: &'a str,
    /// Padding that the convolution at stride 1 has before the maps: kernel − 1 − padding of the forward pass.
    left: &'a str,
    size: [i64; 2],
    strides: [i64; 2],
    channels: i64,
    /// The activation, for its size.
    wide: &'a str,
    mask: &'a onnx::Node,
    /// Whether some passes where it is shut.
    leaks: bool,
    /// The 1×1 convolution before the activation.
    widening: &'a onnx::Node,
    narrow_channels: i64,
    narrowing: &'a onnx::Node,
}

impl<'a> Apart<'a> {
    /// Of `graph`, for pictures of this width and height, where maps have so many bytes at `least`.
    pub fn new(graph: &'a onnx::Graph, (width, height): (usize, usize), least: f64) -> Apart<'a> {
        let (mut makers, mut readers) = (HashMap::new(), HashMap::new());
        let mut positions = HashMap::from([("image", (width * height) as f64)]);
        for (index, node) in graph.node.iter().enumerate() {
            makers.extend(node.output.iter().map(|output| (output.as_str(), index)));
            node.input.iter().for_each(|input| *readers.entry(input.as_str()).or_default() += 1);
            let skipped: f64 = ints(node, "strides").iter().map(|stride| (*stride).max(1) as f64).product();
            if let Some(before) = node.input.first().and_then(|input| positions.get(input.as_str())).copied() {
                positions.extend(node.output.iter().map(|output| (output.as_str(), before / skipped)));
            }
        }
        Apart { graph, makers, readers, positions, least }
    }

    /// Whether there is any backward pass through a stride that is made another way.
    pub fn changes_anything(&self) -> bool {
        self.graph.node.iter().any(|node| self.strided(node).is_some())
    }

    /// What `node` makes, made phase by phase of `values`; none where it is no end of a backward pass through a stride.
    pub fn instead(&self, b: &mut Builder, node: &'a onnx::Node, values: &HashMap<&str, Value>) -> Option<Value> {
        let found = self.strided(node)?;
        let left = self.ints(found.left, MOST_SUBTRACTIONS);
        let is_padding = |left: &[i64; 2]| (0..2).all(|axis| (0..found.size[axis]).contains(&left[axis]));
        Some(found.by_phases(b, values, left.filter(is_padding)))
    }

    fn strided(&self, narrowing: &'a onnx::Node) -> Option<Strided<'a>> {
        let masked = self.only_read(self.made_by(narrowing, "Conv", 0, "Mul")?)?;
        let (product, mask) = (self.made_by(masked, "Mul", 0, "Conv")?, self.made_by(masked, "Mul", 1, "HardSigmoid")?);
        let conv = self.only_read(product)?;
        let padded = self.made_by(conv, "Conv", 0, "Pad")?;
        let stuffed = self.made_by(padded, "Pad", 0, "Mul")?;
        let repeated = self.made_by(stuffed, "Mul", 0, "Resize")?;
        self.made_by(stuffed, "Mul", 1, "Tile")?;
        let pads = self.made_by(padded, "Pad", 1, "Concat")?;
        let turned = self.made_by(conv, "Conv", 1, "Slice")?;
        let wide = mask.input.first()?;
        let activation = self.maker(wide).filter(|node| matches!(node.op_type.as_str(), "Relu" | "Clip"))?;
        let widening = self.made_by(activation, &activation.op_type, 0, "Conv")?;
        let is_pointwise = |node: &onnx::Node| {
            let is_padded = ints(node, "pads").iter().any(|pad| *pad != 0);
            ints(node, "kernel_shape") == [1, 1] && ints(node, "strides") == [1, 1] && !is_padded
        };
        // Then it is the same of what is activated as of what comes out.
        let is_step = attribute(mask, "alpha")?.f >= STEEP;
        let channels = attribute(conv, "group")?.i;
        let narrow = self.dims(widening.input.get(1)?)?;
        let scales = self.constant(repeated.input.get(2)?)?;
        let &[_, _, down, across] = scales.as_floats()? else { return None };
        let &[height, width] = ints(conv, "kernel_shape") else { return None };
        let strides = [down as i64, across as i64];
        let bytes = self.positions.get(wide.as_str())? * channels as f64 * size_of::<f32>() as f64;
        let has_taps = (1..=height.min(LARGEST_STRIDE)).contains(&strides[0])
            && (1..=width.min(LARGEST_STRIDE)).contains(&strides[1]);
        let is_small = height.max(width) <= LARGEST_KERNEL;
        let is_worthwhile = bytes >= self.least;
        let is_plain = matches!(ints(conv, "dilations"), [] | [1, 1])
            && is_pointwise(narrowing)
            && is_pointwise(widening)
            && attribute(widening, "group")?.i == 1;
        (is_worthwhile
            && is_step
            && has_taps
            && is_small
            && is_plain
            && (2..=MOST_CHANNELS).contains(&channels)
            && narrow[0] == channels
            && (1..channels).contains(&narrow[1])
            && narrowing.input.len() > 1)
            .then_some(Strided {
                gradient: repeated.input.first()?,
                kernel: turned.input.first()?,
                left: pads.input.get(1)?,
                size: [height, width],
                strides,
                channels,
                wide,
                mask,
                leaks: attribute(mask, "beta").is_some_and(|beta| beta.f > 0.0),
                widening,
                narrow_channels: narrow[1],
                narrowing,
            })
    }

    fn maker(&self, value: &str) -> Option<&'a onnx::Node> {
        self.makers.get(value).map(|&index| &self.graph.node[index])
    }

    /// What makes input number `place` of `node`, where that is an `operator` and what makes it a `maker`.
    fn made_by(&self, node: &onnx::Node, operator: &str, place: usize, maker: &str) -> Option<&'a onnx::Node> {
        let input = node.input.get(place).filter(|_| node.op_type == operator)?;
        self.maker(input).filter(|node| node.op_type == maker)
    }

    /// `node`, where what it makes is read once.
    fn only_read(&self, node: &'a onnx::Node) -> Option<&'a onnx::Node> {
        (self.readers.get(node.output.first()?.as_str()) == Some(&1)).then_some(node)
    }

    /// The tensor that is `value`, or that it is converted from.
    fn tensor(&self, value: &str) -> Option<&'a onnx::Tensor> {
        let stored = self.maker(value).filter(|node| node.op_type == "Cast").and_then(|cast| cast.input.first());
        let stored = stored.map_or(value, String::as_str);
        self.graph.initializer.iter().find(|tensor| tensor.name == stored)
    }

    fn dims(&self, value: &str) -> Option<&'a [i64]> {
        self.tensor(value).map(|tensor| tensor.dims.as_slice()).filter(|dims| dims.len() == 4)
    }

    /// What a constant holds within the graph.
    fn constant(&self, value: &str) -> Option<Tensor> {
        Tensor::from_proto(self.tensor(value)?, &|_| Err("it lies in another file".to_owned())).ok()
    }

    /// Whole numbers that do not depend on the picture's size: constants, or what so many subtractions at `most` make of them.
    fn ints(&self, value: &str, most: u32) -> Option<[i64; 2]> {
        if let Some(node) = self.maker(value).filter(|node| node.op_type == "Sub") {
            let [a, b] = [0, 1].map(|place| self.ints(node.input.get(place)?, most.checked_sub(1)?));
            let (a, b) = (a?, b?);
            return Some([a[0].checked_sub(b[0])?, a[1].checked_sub(b[1])?]);
        }
        self.constant(value)?.as_ints()?.try_into().ok()
    }
}

/// Where along an axis the positions of a phase come from.
struct Taps {
    /// The first tap that touches them; the others are a stride apart.
    first: i64,
    count: i64,
    /// Positions of the gradient before the first of the phase that are needed.
    before: i64,
}

impl Taps {
    /// Tap j of window o touches position stride · o + j − begin. Position stride · q + phase is touched by window q + (phase + begin − j) / stride.
    fn of(kernel: i64, stride: i64, begin: i64, phase: i64) -> Taps {
        let first = (phase + begin) % stride;
        let count = (kernel - first + stride - 1) / stride;
        Taps { first, count, before: count - 1 - (phase + begin) / stride }
    }
}

impl Strided<'_> {
    /// `left` is the padding of the convolution at stride 1, where it is known before the run.
    fn by_phases(&self, b: &mut Builder, values: &HashMap<&str, Value>, left: Option<[i64; 2]>) -> Value {
        let value = |name: &str| values.get(name).cloned().unwrap_or_else(Value::none);
        let (gradient, kernel, x) = (value(self.gradient), value(self.kernel), value(&self.widening.input[0]));
        let size = b.size(&value(self.wide));
        let whole = b.ints(&self.size.map(|taps| taps - 1));
        let none = b.ints(&[0, 0]);
        // Where the padding is known, the phases are counted from the maps' beginning; else from that of the padding, which is cut off at the end.
        let (begin, skipped) = match left {
            Some(left) => ([0, 1].map(|axis| self.size[axis] - 1 - left[axis]), none.clone()),
            None => ([0, 0], b.sub(&whole, &value(self.left))),
        };
        let positions = positions(b, &size, &skipped, self.strides);
        let zeros = b.join(&[none.clone(), skipped.clone(), none.clone(), none], 0);
        let mut phases = Vec::new();
        for row in 0..self.strides[0] {
            for column in 0..self.strides[1] {
                let taps = [(0, row), (1, column)]
                    .map(|(axis, phase)| Taps::of(self.size[axis], self.strides[axis], begin[axis], phase));
                let gradient = self.convolved(b, &gradient, &kernel, &positions, &taps);
                // A pad of its own for each, which ONNX Runtime joins with the convolution behind it.
                let x = match left {
                    Some(_) => x.clone(),
                    None => b.op_with("Pad", &[&x, &zeros], &[], &format!("phase {row} {column}")),
                };
                let masked = self.masked(b, &x, [row, column], &gradient, &value);
                phases.push(copied(b, self.narrowing, &[&masked, &value(&self.narrowing.input[1])]));
            }
        }
        let whole = self.interleaved(b, &phases);
        b.crop(&whole, &skipped, &size)
    }

    /// The gradient at the positions of a phase.
    fn convolved(
        &self,
        b: &mut Builder,
        gradient: &Value,
        kernel: &Value,
        positions: &Value,
        taps: &[Taps; 2],
    ) -> Value {
        let (first, all) = (b.ints(&taps.each_ref().map(|taps| taps.first)), b.ints(&[i64::MAX; 2]));
        let (axes, strides) = (b.ints(&[2, 3]), b.ints(&self.strides));
        let kernel = b.op("Slice", &[kernel, &first, &all, &axes, &strides], &[]);
        let kernel = turned(b, &kernel);
        let [before, count] = [taps.each_ref().map(|taps| taps.before), taps.each_ref().map(|taps| taps.count)];
        let padded = pad_for(b, gradient, positions, before, count);
        b.op("Conv", &[&padded, &kernel], &[("group", Attribute::Int(self.channels))])
    }

    /// `gradient` where the activation lets it pass, at the positions of a phase: these are picked out of `x`, which the block began with, by a
    /// convolution, which stays in ONNX Runtime's blocked layout as a slice does not.
    fn masked(
        &self,
        b: &mut Builder,
        x: &Value,
        [row, column]: [i64; 2],
        gradient: &Value,
        value: &impl Fn(&str) -> Value,
    ) -> Value {
        let [down, across] = self.strides;
        let mut one = vec![0.0; (down * across) as usize];
        one[(row * across + column) as usize] = 1.0;
        let one = one.repeat(self.narrow_channels as usize);
        let one = b.floats(&[self.narrow_channels as usize, 1, down as usize, across as usize], &one);
        let attributes = [
            ("strides", Attribute::Ints(self.strides.to_vec())),
            ("pads", Attribute::Ints(vec![0, 0, down - 1, across - 1])),
            ("group", Attribute::Int(self.narrow_channels)),
        ];
        let picked = b.op("Conv", &[x, &one], &attributes);
        let mut inputs = vec![picked];
        inputs.extend(self.widening.input[1..].iter().map(|name| value(name)));
        let widened = copied(b, self.widening, &inputs.iter().collect::<Vec<_>>());
        let mask = match self.leaks {
            // What leaks where it is 0 says nothing of what is below.
            true => {
                let activated = b.op("Relu", &[&widened], &[]);
                copied(b, self.mask, &[&activated])
            }
            false => copied(b, self.mask, &[&widened]),
        };
        b.mul(gradient, &mask)
    }

    /// The phases, those of the first row across, then those of the next, as maps: position stride · q + r is position q of phase r.
    ///
    /// Each transposition moves one axis: for that ONNX Runtime has a way that is several times as fast as its `DepthToSpace`.
    fn interleaved(&self, b: &mut Builder, phases: &[Value]) -> Value {
        let ([down, across], channels) = (self.strides, self.narrow_channels);
        let transposed = |b: &mut Builder, x: &Value, order: [i64; 4]| {
            b.op("Transpose", &[x], &[("perm", Attribute::Ints(order.to_vec()))])
        };
        let together = b.join(phases, 1);
        let rows = b.reshape(&together, &[down, -1, 0, 0]);
        let rows = transposed(b, &rows, [1, 2, 0, 3]);
        let columns = b.reshape(&rows, &[across, channels, -1, 0]);
        let columns = transposed(b, &columns, [1, 2, 3, 0]);
        let whole = b.reshape(&columns, &[channels, 0, -1]);
        let first = b.ints(&[0]);
        b.op("Unsqueeze", &[&whole, &first], &[])
    }
}

/// What `node` does, done to `inputs`.
fn copied(b: &mut Builder, node: &onnx::Node, inputs: &[&Value]) -> Value {
    b.copy(node, inputs, 1).remove(0)
}

fn attribute<'a>(node: &'a onnx::Node, name: &str) -> Option<&'a onnx::Attribute> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn ints<'a>(node: &'a onnx::Node, name: &str) -> &'a [i64] {
    attribute(node, name).map_or(&[], |attribute| &attribute.ints)
}
