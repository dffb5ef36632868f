//! Warp and blend, against pictures drawn by formula.

use std::f32::consts::{PI, TAU};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::flow::FlowField;

const TICK: Duration = Duration::from_millis(33);

fn layer(width: usize, height: usize, level: impl Fn(f32, f32) -> f32) -> Layer {
    let mut layer = Layer { strength: 1.0, ..Layer::default() };
    layer.resize(width, height);
    for (at, pixel) in layer.pixels.iter_mut().enumerate() {
        let value = (level((at % width) as f32, (at / width) as f32) * UNITS_PER_LEVEL) as i16;
        *pixel = [value, value / 2, -value, 0];
    }
    layer
}

/// Slow waves: nearly linear between pixels.
fn waves(x: f32, y: f32) -> f32 {
    60.0 * (TAU * x / 48.0).sin() + 40.0 * (TAU * y / 40.0).cos()
}

/// Red of `layer`, warped.
fn shown(layer: &Layer, flow: &ComposedFlow, motion: &Motion) -> Vec<f32> {
    let (mut rows, mut sum) = (RowWarp::default(), RowAccumulator::default());
    let motion = Affine::of(motion, layer.width, layer.height);
    let black = vec![0; 3 * layer.width];
    (0..layer.height)
        .flat_map(|y| {
            sum.start(&black, 1.0);
            rows.locate(&flow.field, layer.trance, &motion, (layer.width, layer.height), y);
            rows.set_opacity(&flow.confidence, flow.size(), layer.trance);
            rows.accumulate(&layer.pixels, 1.0, &mut sum);
            sum.pixels.iter().map(|sum| sum[0]).collect::<Vec<_>>()
        })
        .collect()
}

fn still(layer: &Layer) -> ComposedFlow {
    let mut flow = ComposedFlow::default();
    let (width, height) = flow::field_size(layer.width, layer.height);
    flow.reset(width, height);
    flow
}

/// A flow along which everything came from (`dx`, `dy`), in pixels of the layer.
fn moved(layer: &Layer, dx: f32, dy: f32) -> ComposedFlow {
    let (mut flow, ratio) = (still(layer), flow::downscale_factor(layer.width) as f32);
    let (width, height) = flow.size();
    let step = FlowField { width, height, x: vec![dx / ratio; width * height], y: vec![dy / ratio; width * height] };
    flow.append(&step, &vec![1.0; width * height]);
    flow
}

/// The largest difference of `shown` from `expected`, so far from the edges.
fn off(shown: &[f32], width: usize, margin: usize, expected: impl Fn(f32, f32) -> f32) -> f32 {
    let height = shown.len() / width;
    let mut most = 0.0f32;
    for y in margin..height - margin {
        for x in margin..width - margin {
            most = most.max((shown[y * width + x] - expected(x as f32, y as f32)).abs());
        }
    }
    most
}

#[test]
fn what_is_not_seen_goes_and_a_trance_stays() {
    let mut layer = layer(90, 60, |_, _| 100.0);
    let mut flow = still(&layer);
    flow.confidence.fill(0.25);
    assert!(shown(&layer, &flow, &Motion::NONE).iter().all(|value| (value - 25.0).abs() < 0.1));
    layer.trance = 1.0;
    assert!(shown(&layer, &flow, &Motion::NONE).iter().all(|value| (value - 100.0).abs() < 0.1));
}

#[test]
fn turning_is_clockwise_and_sliding_goes_right_and_down() {
    let dot = |x: f32, y: f32| if (x, y) == (46.0, 40.0) { 200.0 } else { 0.0 };
    let layer = layer(81, 81, dot);
    let spot = |motion: Motion| {
        let shown = shown(&layer, &still(&layer), &motion);
        let at = shown.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        (at % 81, at / 81)
    };
    assert_eq!(spot(Motion { angle: PI / 2.0, ..Motion::NONE }), (40, 46), "right turns to below");
    assert_eq!(spot(Motion { translation: (1.0, 2.0), ..Motion::NONE }), (47, 42));
    assert_eq!(spot(Motion { zoom: 2.0, ..Motion::NONE }), (52, 40), "twice as far from the middle");
}

#[test]
fn a_dream_is_carried_through_the_time_that_it_took_and_eased_in() {
    let size = (96, 64);
    let (mut compositor, mut input, mut out) = (Compositor::default(), DreamInput::blank(), Frame::new(0, 0));
    let camera = Frame::new(size.0, size.1);
    let mut see = |compositor: &mut Compositor| {
        compositor.push_frame(&camera, size, false, TICK);
        compositor.compose(&mut out);
        out.pixels[3 * (32 * 96 + 48)]
    };
    see(&mut compositor);
    compositor.read_input(&mut input);
    compositor.mark_taken(input.frame_number);
    assert_eq!((see(&mut compositor), see(&mut compositor)), (0, 0), "nothing was dreamed yet");
    let made = Layer { frame_number: input.frame_number, ..layer(size.0, size.1, |_, _| 100.0) };
    compositor.push_layer(Arc::new(made.clone()));
    let levels: Vec<u8> = (0..8).map(|_| see(&mut compositor)).collect();
    assert!(levels.is_sorted() && levels[0] < 60 && levels[7] == 100, "{levels:?}");
    // One that was not made for the frame that was taken last.
    compositor.push_layer(Arc::new(Layer { frame_number: 99, ..layer(size.0, size.1, |_, _| 200.0) }));
    assert_eq!((0..8).map(|_| see(&mut compositor)).max(), Some(100));
}

#[test]
fn what_a_camera_saw_is_mirrored_and_photos_are_not() {
    let mut picture = Frame::new(32, 16);
    picture.pixels.chunks_mut(3 * 32).for_each(|row| row[..9].fill(200));
    let mut left = |is_live| {
        let (mut compositor, mut out) = (Compositor::default(), Frame::new(0, 0));
        picture.is_live = is_live;
        compositor.push_frame(&picture, (32, 16), true, TICK);
        compositor.compose(&mut out);
        out.pixels[0]
    };
    assert_eq!((left(true), left(false)), (0, 200));
}

#[test]
fn another_canvas_keeps_the_dream() {
    let (mut compositor, mut input, mut out) = (Compositor::default(), DreamInput::blank(), Frame::new(0, 0));
    let camera = Frame::new(96, 64);
    compositor.push_frame(&camera, (96, 64), false, TICK);
    compositor.read_input(&mut input);
    compositor.mark_taken(input.frame_number);
    compositor.push_layer(Arc::new(Layer { frame_number: input.frame_number, ..layer(96, 64, |_, _| 100.0) }));
    (0..20).for_each(|_| compositor.push_frame(&camera, (96, 64), false, TICK));
    compositor.push_frame(&camera, (64, 40), false, TICK);
    compositor.compose(&mut out);
    assert_eq!((out.width, out.height, out.pixels[3 * (20 * 64 + 32)]), (64, 40, 100));
}

proptest! {
    #[test]
    fn a_layer_goes_where_its_path_says(dx in -9.0f32..9.0, dy in -9.0f32..9.0, wide: bool) {
        // Wide enough that a pixel of the flow field is several of the layer.
        let width = if wide { 800 } else { 120 };
        let layer = layer(width, 90, waves);
        let shown = shown(&layer, &moved(&layer, dx, dy), &Motion::NONE);
        prop_assert!(off(&shown, width, 16, |x, y| waves(x + dx, y + dy)) < 0.6);
    }

    #[test]
    fn there_and_back_is_where_it_was(zoom in 1.0f32..1.2, angle in -0.3f32..0.3, x in -4.0f32..4.0, y in -4.0f32..4.0) {
        let from = layer(120, 100, waves);
        let there = |layer: &Layer, motion: Motion| {
            let shown = shown(layer, &still(layer), &motion);
            self::layer(120, 100, |x, y| shown[y as usize * 120 + x as usize])
        };
        let turned = there(&from, Motion { zoom, angle, translation: (0.0, 0.0) });
        let back = shown(&turned, &still(&from), &Motion { zoom: 1.0 / zoom, angle: -angle, translation: (0.0, 0.0) });
        prop_assert!(off(&back, 120, 34, waves) < 2.0);
        let slid = there(&from, Motion { translation: (x, y), ..Motion::NONE });
        let back = shown(&slid, &still(&from), &Motion { translation: (-x, -y), ..Motion::NONE });
        prop_assert!(off(&back, 120, 10, waves) < 2.0);
    }

    #[test]
    fn no_motion_leaves_the_range_of_a_layer(
        w in 1usize..50, h in 1usize..50, zoom in 0.01f32..100.0, angle in -7.0f32..7.0, x in -500.0f32..500.0,
    ) {
        let layer = layer(w, h, waves);
        let shown = shown(&layer, &still(&layer), &Motion { zoom, angle, translation: (x, -x) });
        prop_assert!(shown.iter().all(|value| value.abs() <= 101.0));
    }
}
