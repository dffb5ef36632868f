//! The sliding window that convolutions and pools share: kernel, stride, dilation, padding.

use super::builder::{Builder, Value};
use super::network::Node;
use super::tensor::Attribute;

/// A window that slides over maps. Pairs are down, across.
#[derive(Debug, Clone)]
pub struct Window {
    pub kernel: [i64; 2],
    pub strides: [i64; 2],
    pub dilations: [i64; 2],
    pub padding: Padding,
    pub ceil: bool,
}

/// What surrounds the maps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Padding {
    /// So much at the top, left, bottom, right.
    Explicit([i64; 4]),
    /// TensorFlow's SAME, which depends on the size; the odd one goes to the end, or to the beginning.
    Same { odd_at_end: bool },
}

impl Window {
    /// How many picture pixels its positions lie apart, down and across, over maps whose own lie `stride` apart.
    pub fn stride_after(&self, stride: [usize; 2]) -> Result<[usize; 2], String> {
        let times = |axis: usize| stride[axis].checked_mul(usize::try_from(self.strides[axis]).ok()?);
        let (down, across) = (times(0), times(1));
        Ok([down.ok_or("its strides are too large")?, across.ok_or("its strides are too large")?])
    }

    /// Reads the window of a node whose kernel is `kernel`, or else as its attribute says.
    pub fn read(node: &Node, kernel: Option<[i64; 2]>) -> Result<Window, String> {
        let pair = |name: &str| match node.ints(name) {
            None => Ok(None),
            Some(&[down, across]) if down >= 1 && across >= 1 => Ok(Some([down, across])),
            Some(other) => Err(format!("its {name} are {other:?}; two numbers of at least 1 are supported")),
        };
        let kernel = match (kernel, pair("kernel_shape")?) {
            (Some(kernel), stated) if stated.is_none_or(|s| s == kernel) => kernel,
            (None, Some(kernel)) => kernel,
            (Some(kernel), stated) => return Err(format!("its kernel is {kernel:?} but kernel_shape says {stated:?}")),
            (None, None) => return Err("it has no kernel_shape".to_owned()),
        };
        let strides = pair("strides")?.unwrap_or([1, 1]);
        let dilations = pair("dilations")?.unwrap_or([1, 1]);
        let sane = [kernel, strides, dilations].as_flattened().iter().all(|n| *n <= 1 << 12);
        if !sane {
            return Err("its window is larger than any picture".to_owned());
        }
        let reach = [dilations[0] * (kernel[0] - 1), dilations[1] * (kernel[1] - 1)];
        let padding = match node.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => match node.ints("pads") {
                None => Padding::Explicit([0; 4]),
                Some(&[t, l, b, r]) if [t, l, b, r].iter().all(|p| (0..=1 << 12).contains(p)) => {
                    Padding::Explicit([t, l, b, r])
                }
                Some(pads) => return Err(format!("its pads are {pads:?}; four numbers of at least 0 are supported")),
            },
            "VALID" => Padding::Explicit([0; 4]),
            // At stride 1 the padding does not depend on the size.
            "SAME_UPPER" if strides == [1, 1] => {
                let begin = reach.map(|r| r / 2);
                Padding::Explicit([begin[0], begin[1], reach[0] - begin[0], reach[1] - begin[1]])
            }
            "SAME_LOWER" if strides == [1, 1] => {
                let end = reach.map(|r| r / 2);
                Padding::Explicit([reach[0] - end[0], reach[1] - end[1], end[0], end[1]])
            }
            "SAME_UPPER" => Padding::Same { odd_at_end: true },
            "SAME_LOWER" => Padding::Same { odd_at_end: false },
            other => return Err(format!("its auto_pad `{other}` is unknown")),
        };
        if matches!(padding, Padding::Same { .. }) && dilations != [1, 1] {
            return Err("its auto_pad goes with both a stride and a dilation, which no runtime takes".to_owned());
        }
        // At stride 1, and padded to a whole number of strides, nothing is left to round.
        let rounds = strides != [1, 1] && matches!(padding, Padding::Explicit(_));
        Ok(Window { kernel, strides, dilations, padding, ceil: rounds && node.int("ceil_mode", 0) != 0 })
    }

    /// Padding by so much at the top, left, bottom, right, and nothing else.
    pub fn padding(pads: [i64; 4]) -> Window {
        let ones = [1, 1];
        Window { kernel: ones, strides: ones, dilations: ones, padding: Padding::Explicit(pads), ceil: false }
    }

    /// The same along one axis only: 0 is down, 1 across.
    pub fn along(&self, axis: usize) -> Window {
        let mut window = self.clone();
        let other = 1 - axis;
        (window.kernel[other], window.strides[other], window.dilations[other]) = (1, 1, 1);
        if let Padding::Explicit(pads) = &mut window.padding {
            (pads[other], pads[other + 2]) = (0, 0);
        }
        window
    }

    /// How far a window reaches beyond its first position, down and across.
    pub fn reach(&self) -> [i64; 2] {
        [self.dilations[0] * (self.kernel[0] - 1), self.dilations[1] * (self.kernel[1] - 1)]
    }

    /// Whether it moves one position at a time.
    pub fn is_dense(&self) -> bool {
        self.strides == [1, 1]
    }

    /// Whether no window touches what is outside the maps.
    pub fn stays_inside(&self) -> bool {
        self.padding == Padding::Explicit([0; 4]) && !self.ceil
    }

    /// Whether rounding up can give a window that would begin beyond the maps, and is left out therefore. Then shape
    /// inference and kernels disagree on the number of windows, in ONNX Runtime too.
    pub fn may_begin_outside(&self) -> bool {
        let Padding::Explicit([.., bottom, right]) = self.padding else { return false };
        let [down, across] = self.reach();
        self.ceil && (self.strides[0] + bottom > down + 1 || self.strides[1] + right > across + 1)
    }

    /// How many windows there are along `axis` over maps of `count` positions; 0 where not one fits.
    pub fn positions(&self, count: usize, axis: usize) -> usize {
        let (count, stride) = (count as i64, self.strides[axis]);
        let positions = match self.padding {
            _ if count == 0 => 0,
            Padding::Same { .. } => (count + stride - 1) / stride,
            Padding::Explicit(pads) => {
                let room = count + pads[axis] + pads[axis + 2] - self.reach()[axis] - 1;
                let rounded = if self.ceil { room + stride - 1 } else { room };
                let windows = if room < 0 { 0 } else { rounded / stride + 1 };
                // None begins in the padding after the end.
                let begins_outside = self.ceil && (windows - 1) * stride >= count + pads[axis];
                windows - i64::from(begins_outside)
            }
        };
        usize::try_from(positions).unwrap_or(0)
    }

    /// The attributes that say all this, but for those that only some operators have.
    pub fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let mut attributes = vec![
            ("kernel_shape", Attribute::Ints(self.kernel.to_vec())),
            ("strides", Attribute::Ints(self.strides.to_vec())),
        ];
        match self.padding {
            Padding::Explicit(pads) => attributes.push(("pads", Attribute::Ints(pads.to_vec()))),
            Padding::Same { odd_at_end } => {
                let mode = if odd_at_end { "SAME_UPPER" } else { "SAME_LOWER" };
                attributes.push(("auto_pad", Attribute::Text(mode.to_owned())));
            }
        }
        if self.dilations != [1, 1] {
            attributes.push(("dilations", Attribute::Ints(self.dilations.to_vec())));
        }
        attributes
    }

    /// The padding above and left of maps of `size`, as the graph computes it: two integers.
    pub fn begin(&self, b: &mut Builder, size: &Value) -> Value {
        match self.padding {
            Padding::Explicit([top, left, ..]) => b.ints(&[top, left]),
            Padding::Same { odd_at_end } => {
                // total = max((ceil(size / stride) − 1) · stride + reach + 1 − size, 0)
                let stride = b.ints(&self.strides);
                let before = b.ints(&self.strides.map(|s| s - 1));
                let rounded = b.add(size, &before);
                let windows = b.div(&rounded, &stride);
                let span = b.mul(&windows, &stride);
                let span = b.sub(&span, size);
                let [down, across] = self.reach();
                let rest = b.ints(&[down + 1 - self.strides[0], across + 1 - self.strides[1]]);
                let total = b.add(&span, &rest);
                let zero = b.ints(&[0, 0]);
                let mut total = b.op("Max", &[&total, &zero], &[]);
                if !odd_at_end {
                    let one = b.ints(&[1, 1]);
                    total = b.add(&total, &one);
                }
                let two = b.ints(&[2, 2]);
                b.div(&total, &two)
            }
        }
    }
}
