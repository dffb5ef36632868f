//! Every operator's gradient against finite differences, over random sizes, windows and numbers.
//!
//! The gradient that a graph gives must be the slope of the objective that it gives: between one step along the
//! gradient and one against it, the objective must differ by the gradient's length.

use std::path::Path;

use proptest::prelude::*;
use reverie::export::{Attribute, Saturated, Tensor, pack};

use crate::network::{Graph, Small, ints, options, picture, weights};

/// Channels of the maps that operators under test are given.
pub const CHANNELS: usize = 4;

/// A layer: its tensor, and how many numbers it holds.
pub type Layer = (String, usize);

/// Grows a layer on maps of `CHANNELS` channels and compares its gradient with its objective's slope.
pub fn check(size: [usize; 2], seed: u64, grow: impl FnOnce(&mut Small, &str) -> Layer) {
    let mut small = Small::new(seed);
    let maps = small.conv("image", 3, CHANNELS);
    let (layer, numbers) = grow(&mut small, &maps);
    // Half of the cases run with the size fixed beforehand, as the program does, half with it left open.
    let mut graph = Graph::of(&small, &layer, seed.is_multiple_of(2).then_some(size));
    let image = picture(size, seed);
    let seen = graph.run(&image, size, 0.0);
    assert_eq!(seen.dreamed, image, "no step, no change");

    // Small beside the distance to most corners (of a clip, of a largest position), large beside the rounding of a sum.
    const EPSILON: f64 = 0.005;
    let length = seen.gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let mut objective = |sign: f64| {
        let moved = |(x, g): (&f32, &f32)| x + (sign * EPSILON * f64::from(*g) / length) as f32;
        let image: Vec<f32> = image.iter().zip(&seen.gradient).map(moved).collect();
        graph.run(&image, size, 0.0).objective * numbers as f64
    };
    let slope = (objective(1.0) - objective(-1.0)) / (2.0 * EPSILON);
    assert!(length > 1e-4, "the gradient is not 0");
    assert!((slope / length - 1.0).abs() < 0.02, "size {size:?}: slope {slope}, gradient {length}");
}

/// An operator that changes no size, with `inputs` after the maps.
fn pointwise(size: [usize; 2], seed: u64, operator: &str, attributes: &[(&str, Attribute)]) {
    check(size, seed, |small, x| (small.node(operator, &[x], attributes), CHANNELS * size[0] * size[1]));
}

pub fn sizes() -> impl Strategy<Value = [usize; 2]> {
    [17usize..40, 17usize..40]
}

#[derive(Debug, Clone)]
pub struct Window {
    pub kernel: [usize; 2],
    pub strides: [usize; 2],
    pub dilations: [usize; 2],
    pub pads: [usize; 4],
}

pub fn windows() -> impl Strategy<Value = Window> {
    (
        [1usize..5, 1usize..5],
        [1usize..4, 1usize..4],
        [1usize..3, 1usize..3],
        [0usize..4, 0usize..4, 0usize..4, 0usize..4],
    )
        .prop_map(|(kernel, strides, dilations, pads)| Window { kernel, strides, dilations, pads })
}

impl Window {
    /// With pads small enough for a pool, whose every window must touch the maps.
    fn of_pool(mut self) -> Window {
        self.dilations = [1, 1];
        for (i, pad) in self.pads.iter_mut().enumerate() {
            *pad = (*pad).min(self.kernel[i % 2] / 2);
        }
        self
    }

    pub fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let list = |v: &[usize]| Attribute::Ints(v.iter().map(|&v| v as i64).collect());
        vec![
            ("kernel_shape", list(&self.kernel)),
            ("strides", list(&self.strides)),
            ("dilations", list(&self.dilations)),
            ("pads", list(&self.pads)),
        ]
    }

    fn positions(&self, size: [usize; 2], ceil: bool) -> usize {
        let along = |i: usize| {
            let room = size[i] + self.pads[i] + self.pads[i + 2] - self.dilations[i] * (self.kernel[i] - 1) - 1;
            let mut count = if ceil { room.div_ceil(self.strides[i]) } else { room / self.strides[i] } + 1;
            // No window begins in the padding after the end.
            if ceil && (count - 1) * self.strides[i] >= size[i] + self.pads[i] {
                count -= 1;
            }
            count
        };
        along(0) * along(1)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn conv(size in sizes(), window in windows(), seed in 0u64..1000, kind in 0usize..4) {
        // Dense, two groups, depthwise, depthwise with two kernels a channel.
        let (groups, outputs) = [(1, 5), (2, 6), (CHANNELS, CHANNELS), (CHANNELS, 2 * CHANNELS)][kind];
        check(size, seed, |small, x| {
            let weights = small.constant(&[outputs, CHANNELS / groups, window.kernel[0], window.kernel[1]], -0.5, 0.5);
            let mut attributes = window.attributes();
            attributes.push(("group", Attribute::Int(groups as i64)));
            (small.node("Conv", &[x, &weights], &attributes), outputs * window.positions(size, false))
        });
    }

    #[test]
    fn conv_with_tensorflows_padding(
        size in sizes(), kernel in 1usize..6, stride in 1usize..4, upper: bool, seed in 0u64..1000,
    ) {
        let positions = size[0].div_ceil(stride) * size[1].div_ceil(stride);
        let word = if upper { "SAME_UPPER" } else { "SAME_LOWER" };
        check(size, seed, |small, x| {
            let weights = small.constant(&[5, CHANNELS, kernel, kernel], -0.5, 0.5);
            let attributes = [("auto_pad", Attribute::Text(word.to_owned())), ("strides", ints(&[stride as i64; 2]))];
            (small.node("Conv", &[x, &weights], &attributes), 5 * positions)
        });
    }

    #[test]
    fn max_pool(size in sizes(), window in windows(), ceil: bool, seed in 0u64..1000) {
        let window = window.of_pool();
        let mut attributes = window.attributes();
        attributes.push(("ceil_mode", Attribute::Int(i64::from(ceil))));
        let numbers = CHANNELS * window.positions(size, ceil);
        check(size, seed, |small, x| (small.node("MaxPool", &[x], &attributes), numbers));
    }

    #[test]
    fn average_pool(size in sizes(), window in windows(), ceil: bool, padding_counts: bool, seed in 0u64..1000) {
        let window = window.of_pool();
        let mut attributes = window.attributes();
        attributes.retain(|(name, _)| *name != "dilations");
        attributes.push(("ceil_mode", Attribute::Int(i64::from(ceil))));
        attributes.push(("count_include_pad", Attribute::Int(i64::from(padding_counts))));
        let numbers = CHANNELS * window.positions(size, ceil);
        check(size, seed, |small, x| (small.node("AveragePool", &[x], &attributes), numbers));
    }

    #[test]
    fn local_response_normalisation(size in sizes(), neighbours in 1i64..5, beta in 0usize..4, seed in 0u64..1000) {
        let beta = [0.5, 0.6, 0.75, 1.0][beta];
        let attributes = [
            ("size", Attribute::Int(neighbours)),
            ("alpha", Attribute::Float(0.9)),
            ("beta", Attribute::Float(beta)),
            ("bias", Attribute::Float(1.5)),
        ];
        pointwise(size, seed, "LRN", &attributes);
    }

    #[test]
    fn pad(size in sizes(), around in [0i64..4, 0i64..4, 0i64..4, 0i64..4], seed in 0u64..1000) {
        let [top, left, bottom, right] = around;
        let numbers = CHANNELS * (size[0] + (top + bottom) as usize) * (size[1] + (left + right) as usize);
        check(size, seed, |small, x| {
            let pads = small.keep(Tensor::ints(&[0, 0, top, left, 0, 0, bottom, right]));
            (small.node("Pad", &[x, &pads], &[]), numbers)
        });
    }

    #[test]
    fn arithmetic_that_broadcasts(size in sizes(), operator in 0usize..5, other in 0usize..4, seed in 0u64..1000) {
        let operator = ["Add", "Sub", "Mul", "Div", "Sum"][operator];
        check(size, seed, |small, x| {
            // Away from 0, which nothing can be divided by.
            let away = small.keep(Tensor::floats(&[], vec![3.0]));
            let second = match other {
                0 => small.constant(&[CHANNELS, 1, 1], 0.5, 2.0),
                1 => small.constant(&[], 0.5, 2.0),
                2 => {
                    let maps = small.conv("image", 3, CHANNELS);
                    let maps = small.node("Sigmoid", &[&maps], &[]);
                    small.node("Add", &[&maps, &away], &[])
                }
                _ => {
                    let mean = small.node("GlobalAveragePool", &[x], &[]);
                    let mean = small.node("Sigmoid", &[&mean], &[]);
                    small.node("Add", &[&away, &mean], &[])
                }
            };
            (small.node(operator, &[x, &second], &[]), CHANNELS * size[0] * size[1])
        });
    }

    #[test]
    fn activations(size in sizes(), which in 0usize..7, seed in 0u64..1000) {
        let alpha = |v: f32| [("alpha", Attribute::Float(v))];
        match which {
            0 => pointwise(size, seed, "Relu", &[]),
            1 => pointwise(size, seed, "Clip", &[("min", Attribute::Float(0.0)), ("max", Attribute::Float(0.4))]),
            2 => pointwise(size, seed, "LeakyRelu", &alpha(0.1)),
            3 => pointwise(size, seed, "Sigmoid", &[]),
            4 => pointwise(size, seed, "HardSigmoid", &alpha(0.9)),
            5 => pointwise(size, seed, "HardSwish", &[]),
            _ => pointwise(size, seed, "Tanh", &[]),
        }
    }

    #[test]
    fn clip_by_inputs(size in sizes(), low in -0.3f32..0.0, above in 0.2f32..0.9, bounds in 1usize..4, seed in 0u64..1000) {
        check(size, seed, |small, x| {
            let low = small.keep(Tensor::floats(&[], vec![low]));
            let high = small.keep(Tensor::floats(&[], vec![low_of(small, &low) + above]));
            let inputs = [[x, &low, ""], [x, "", &high], [x, &low, &high]][bounds - 1];
            (small.node("Clip", &inputs, &[]), CHANNELS * size[0] * size[1])
        });
    }

    #[test]
    fn joined_channels_and_what_changes_nothing(size in sizes(), seed in 0u64..1000) {
        check(size, seed, |small, x| {
            let other = small.conv("image", 3, 3);
            let other = small.node("Identity", &[&other], &[]);
            let joined = small.node("Concat", &[x, &other, x], &[("axis", Attribute::Int(1))]);
            (small.node("Dropout", &[&joined], &[]), (2 * CHANNELS + 3) * size[0] * size[1])
        });
    }

    /// ONNX Runtime refuses a graph whose branches do not meet.
    #[test]
    fn branches_that_round_differently_meet_at_every_size_or_are_refused(
        size in sizes(), windows in [windows(), windows()], ceil: [bool; 2], seed in 0u64..1000,
    ) {
        let mut small = Small::new(seed);
        let maps = small.conv("image", 3, CHANNELS);
        let strides = windows[0].strides;
        let branches: Vec<String> = windows.into_iter().zip(ceil).map(|(window, ceil)| {
            let mut attributes = Window { strides, ..window.of_pool() }.attributes();
            attributes.push(("ceil_mode", Attribute::Int(i64::from(ceil))));
            small.node("MaxPool", &[&maps], &attributes)
        }).collect();
        let layer = small.node("Concat", &[&branches[0], &branches[1]], &[("axis", Attribute::Int(1))]);
        let folder = tempfile::tempdir().unwrap();
        let options = options(&layer, &folder.path().join("pack"));
        match pack(&small.network, &options, |_| ()) {
            Ok(manifest) => {
                let mut graph = Graph::load(&options.out.join("layer.onnx"), manifest.layers[0].channels, Some(size));
                let image = picture(size, seed);
                assert_ne!(graph.run(&image, size, 0.01).dreamed, image);
            }
            Err(error) => assert!(error.to_string().contains("whatever the picture's size"), "{error}"),
        }
    }

    #[test]
    fn channels_picked_by_number(size in sizes(), picked in proptest::collection::vec(-4i64..4, 1..7), seed in 0u64..1000) {
        check(size, seed, |small, x| {
            let list = small.keep(Tensor::ints(&picked));
            let layer = small.node("Gather", &[x, &list], &[("axis", Attribute::Int(1))]);
            (layer, picked.len() * size[0] * size[1])
        });
    }

    #[test]
    fn batch_normalisation_folded_and_not(size in sizes(), folded: bool, seed in 0u64..1000) {
        check(size, seed, |small, x| {
            // A ReLU between leaves nothing to fold into.
            let x = if folded { x.to_owned() } else { small.node("Tanh", &[x], &[]) };
            let numbers: Vec<String> =
                [(0.5, 1.5), (-1.0, 1.0), (-0.5, 0.5), (0.2, 2.0)].map(|(a, b)| small.constant(&[CHANNELS], a, b)).into();
            let inputs = [&x, &numbers[0], &numbers[1], &numbers[2], &numbers[3]];
            let layer = small.node("BatchNormalization", &inputs.map(String::as_str), &[]);
            (layer, CHANNELS * size[0] * size[1])
        });
    }
}

fn low_of(small: &Small, name: &str) -> f32 {
    small.network.constants[name].as_scalar().unwrap()
}

/// Every neuron is far above its upper bound, so that what passes is known: w·a times the kernel, divided by the pixels' spread.
#[test]
fn a_gradient_passes_at_an_upper_bound_or_stops_there_as_was_asked() {
    const HIGH: f32 = 0.5;
    const KERNEL: [[f32; 3]; 2] = [[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]];
    let size = [8, 9];
    let gradient = |saturated| {
        let mut small = Small::new(1);
        let kernel = small.keep(Tensor::floats(&[2, 3, 1, 1], KERNEL.as_flattened().to_vec()));
        let bias = small.keep(Tensor::floats(&[2], vec![100.0; 2]));
        let maps = small.node("Conv", &["image", &kernel, &bias], &[]);
        let (low, high) = (small.keep(Tensor::floats(&[], vec![0.0])), small.keep(Tensor::floats(&[], vec![HIGH])));
        let layer = small.node("Clip", &[&maps, &low, &high], &[]);
        let mut options = options(&layer, Path::new(""));
        options.gradients.saturated = saturated;
        Graph::with(&small, &options, Some(size)).run(&picture(size, 1), size, 0.0).gradient
    };
    let pixels = size[0] * size[1];
    assert_eq!(gradient(Saturated::Stops), vec![0.0; 3 * pixels]);
    let (weights, std) = (weights(2), options("", Path::new("")).about.std.unwrap());
    for (at, &found) in gradient(Saturated::Passes).iter().enumerate() {
        let colour = at / pixels;
        let expected = (0..2).map(|c| weights[c] * HIGH * KERNEL[c][colour]).sum::<f32>() / std[colour];
        assert!((found - expected).abs() < 1e-3 * expected.abs(), "colour {colour}: {found} instead of {expected}");
    }
}

/// A layer above a ReLU that is shut everywhere: nothing comes through to the picture, or the leak's part of what comes to the ReLU.
#[test]
fn a_gradient_leaks_through_what_is_shut_as_was_asked() {
    const KERNEL: [[f32; 3]; 2] = [[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]];
    const ABOVE: [[f32; 2]; 2] = [[1.5, -2.0], [0.25, 3.0]];
    const BIAS: [f32; 2] = [2.0, 5.0];
    let size = [8, 9];
    let gradient = |operator: &str, leak| {
        let mut small = Small::new(1);
        let kernel = small.keep(Tensor::floats(&[2, 3, 1, 1], KERNEL.as_flattened().to_vec()));
        let shut = small.keep(Tensor::floats(&[2], vec![-100.0; 2]));
        let maps = small.node("Conv", &["image", &kernel, &shut], &[]);
        let [zero, six] = [0.0, 6.0].map(|bound| small.keep(Tensor::floats(&[], vec![bound])));
        let activated = match operator {
            "Clip" => small.node("Clip", &[&maps, &zero, &six], &[]),
            plain => small.node(plain, &[&maps], &[]),
        };
        let above = small.keep(Tensor::floats(&[2, 2, 1, 1], ABOVE.as_flattened().to_vec()));
        let bias = small.keep(Tensor::floats(&[2], BIAS.to_vec()));
        let layer = small.node("Conv", &[&activated, &above, &bias], &[]);
        let mut options = options(&layer, Path::new(""));
        options.gradients.leak = leak;
        Graph::with(&small, &options, Some(size)).run(&picture(size, 1), size, 0.0).gradient
    };
    let pixels = size[0] * size[1];
    let (weights, std) = (weights(2), options("", Path::new("")).about.std.unwrap());
    for operator in ["Relu", "Clip"] {
        assert_eq!(gradient(operator, 0.0), vec![0.0; 3 * pixels]);
        for (at, &found) in gradient(operator, 0.1).iter().enumerate() {
            let colour = at / pixels;
            let to_shut = |c: usize| (0..2).map(|of| weights[of] * BIAS[of] * ABOVE[of][c]).sum::<f32>();
            let expected = (0..2).map(|c| 0.1 * to_shut(c) * KERNEL[c][colour]).sum::<f32>() / std[colour];
            assert!(
                (found - expected).abs() < 1e-3 * expected.abs(),
                "{operator}, {colour}: {found} is not {expected}"
            );
        }
    }
}

/// HardSwish as it is often written, x · clip(x + 3, 0, 6) ÷ 6, of what is far above the clip's upper bound: the gradient is that of x itself.
#[test]
fn a_gates_gradient_stops_at_its_upper_bound_whatever_was_asked() {
    const KERNEL: [[f32; 3]; 2] = [[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]];
    let size = [8, 9];
    let gradient = |is_scaled_first: bool| {
        let mut small = Small::new(1);
        let kernel = small.keep(Tensor::floats(&[2, 3, 1, 1], KERNEL.as_flattened().to_vec()));
        let bias = small.keep(Tensor::floats(&[2], vec![100.0; 2]));
        let maps = small.node("Conv", &["image", &kernel, &bias], &[]);
        let [zero, three, six] = [0.0, 3.0, 6.0].map(|v| small.keep(Tensor::floats(&[], vec![v])));
        let shifted = small.node("Add", &[&maps, &three], &[]);
        let gate = small.node("Clip", &[&shifted, &zero, &six], &[]);
        let layer = if is_scaled_first {
            let gate = small.node("Div", &[&gate, &six], &[]);
            small.node("Mul", &[&maps, &gate], &[])
        } else {
            let product = small.node("Mul", &[&maps, &gate], &[]);
            small.node("Div", &[&product, &six], &[])
        };
        [&layer, &maps].map(|layer| {
            let mut options = options(layer, Path::new(""));
            options.gradients.saturated = Saturated::Passes;
            Graph::with(&small, &options, Some(size)).run(&picture(size, 1), size, 0.0).gradient
        })
    };
    for is_scaled_first in [true, false] {
        let [gated, plain] = gradient(is_scaled_first);
        for (found, expected) in gated.iter().zip(&plain) {
            assert!((found - expected).abs() < 1e-3 * expected.abs(), "{found} instead of {expected}");
        }
    }
}
