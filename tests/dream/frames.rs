//! A frame that is one run beside one that is climbed step by step: the same dream.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reverie::compose::FramePlan;
use reverie::dream::{Dreamer, Settings};
use reverie::frame::Frame as Image;
use reverie::pack::{Catalogue, Layer, Manifest};
use reverie::params::Params;
use reverie::pixel::{self, Picture, Scaler, add, subtract};
use reverie::runtime::{
    Ascent, Controls, Frame, FrameAscent, FrameControls, Graph, Led, Provider, Runtime, Settings as RuntimeSettings,
    WholeFrames,
};

use crate::scene::{SIZE, Sitting, catalogue, difference, packs, photo, runtime};

/// Of what was climbed, in the mean. Rounding alone turns a mask over here and there, by a tenth of a percent of an ascent or so.
const BOUND: f64 = 0.08;
/// Small: at 1.75/255 a change of 1e-7 in the picture, as another order of adding makes it, changes what four ascents climb by 2 to 30 % (measured
/// with the steps alone), and nothing could be told by the comparison.
const STEP: f32 = 0.1 / 255.0;

fn image((width, height): (usize, usize), name: &str) -> Picture {
    let mut image = Picture::default();
    pixel::from_frame(&photo(name, (width, height)), &mut image);
    image
}

/// One to climb with, as often as it takes, each at its own size.
struct Steps<'a> {
    runtime: &'a Runtime,
    layer: (&'a Path, &'a Manifest, &'a Layer),
    open: HashMap<(usize, usize), Ascent>,
}

impl Steps<'_> {
    fn climb(&mut self, image: &mut Picture, neurons: &[f32], step: f32, shift: (i32, i32)) -> Vec<f32> {
        let (folder, manifest, layer) = self.layer;
        let size = image.size();
        let open = || Ascent::open(self.runtime, Graph { folder, manifest, layer, size }).unwrap();
        let ascent = self.open.entry(size).or_insert_with(open);
        ascent
            .climb(image, &Controls { neurons, step, smoothing: 1.0, colour: 0.3, shift, led: Led::default() })
            .unwrap()
            .activation
            .to_vec()
    }
}

/// Some climb, some descend.
fn neurons(channels: usize) -> Vec<f32> {
    (0..channels).map(|channel| if channel % 3 == 1 { -0.5 } else { 1.0 }).collect()
}

/// How the layers that are mixed share each step.
const SHARES: [&[f32]; 2] = [&[1.0], &[0.7, 0.3]];

fn assert_same(runtime: &Runtime, layers: &[(&Path, &Manifest, &Layer)], plan: &FramePlan) {
    let names: Vec<&str> = layers.iter().map(|(_, _, layer)| layer.name.as_str()).collect();
    let shares = SHARES[layers.len() - 1];
    let mut random = fastrand::Rng::with_seed(3);
    let count = plan.octaves.len() * plan.steps;
    let shifts: Vec<(i32, i32)> = (0..count).map(|_| (random.i32(-32..=32), random.i32(-32..=32))).collect();
    let weights: Vec<Vec<f32>> = layers.iter().map(|(_, _, layer)| neurons(layer.channels)).collect();
    let mut steps: Vec<Steps> = layers.iter().map(|&layer| Steps { runtime, layer, open: HashMap::new() }).collect();
    let mut activations = vec![Vec::new(); layers.len()];
    let mut climb = |image: &mut Picture, shift| {
        for (index, layer) in steps.iter_mut().enumerate() {
            activations[index] = layer.climb(image, &weights[index], STEP * shares[index], shift);
        }
    };

    // As the frame is defined: each octave of the picture, the detail gained in the one before added, climbed.
    let picture = image(plan.size, "coffee.jpg");
    let (mut scaler, mut detail, mut expected) = (Scaler::default(), None::<Picture>, picture.clone());
    let resized = |scaler: &mut Scaler, from: &Picture, (width, height): (usize, usize)| {
        let mut to = Picture::default();
        to.resize(width, height);
        scaler.resize(from, &mut to);
        to
    };
    for (octave, &size) in plan.octaves.iter().enumerate() {
        let base = resized(&mut scaler, &picture, size);
        expected = base.clone();
        if let Some(detail) = &detail {
            add(&resized(&mut scaler, detail, size), &mut expected);
        }
        (0..plan.steps).for_each(|step| climb(&mut expected, shifts[octave * plan.steps + step]));
        let mut gained = expected.clone();
        subtract(&base, &mut gained);
        detail = Some(gained);
    }
    if expected.size() != plan.size {
        expected = picture.clone();
        add(&resized(&mut scaler, &detail.unwrap(), plan.size), &mut expected);
    }
    let parts: Vec<Picture> =
        (0..plan.parts).map(|part| image(plan.size, ["rocket.jpg", "coffee.jpg"][part % 2])).collect();
    let mut expected_parts = parts.clone();
    let of_the_whole = activations.clone();
    let mut climb = |image: &mut Picture| {
        for (index, layer) in steps.iter_mut().enumerate() {
            layer.climb(image, &weights[index], STEP * shares[index], (0, 0));
        }
    };
    expected_parts.iter_mut().for_each(&mut climb);

    let mut frame = FrameAscent::open(runtime, Provider::Cpu, &Frame { layers: layers.to_vec(), plan }).unwrap();
    let all_steps: Vec<f32> = (0..plan.ascents()).flat_map(|_| shares.iter().map(|share| STEP * share)).collect();
    let neurons: Vec<&[f32]> = weights.iter().map(Vec::as_slice).collect();
    let controls = FrameControls { neurons: &neurons, steps: &all_steps, smoothing: 1.0, colour: 0.3, shifts: &shifts };
    let (mut dreamed, mut dreamed_parts) = (picture.clone(), parts.clone());
    let found = frame.climb(&mut dreamed, &mut dreamed_parts, &controls).unwrap().expect("nothing is recorded");
    for (index, activation) in of_the_whole.iter().enumerate() {
        let scale = activation.iter().fold(0f32, |most, a| most.max(a.abs()));
        let apart = activation.iter().zip(found.activations[index]).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(apart < 0.05 * scale, "{names:?} {plan:?}: activations differ by {apart} of {scale}");
    }
    let pairs = std::iter::once((&dreamed, &expected, &picture)).chain(
        dreamed_parts.iter().zip(&expected_parts).zip(&parts).map(|((found, expected), part)| (found, expected, part)),
    );
    for (found, expected, before) in pairs {
        let (apart, climbed) = (mean_difference(found, expected), mean_difference(expected, before));
        assert!(climbed > f64::from(STEP) / 2.0, "{names:?}: nothing was climbed");
        assert!(apart < BOUND * climbed, "{names:?} {plan:?}: {apart} apart where {climbed} was climbed");
    }
}

fn mean_difference(a: &Picture, b: &Picture) -> f64 {
    let sum: f64 = a.data.iter().zip(&b.data).map(|(a, b)| f64::from((a - b).abs())).sum();
    sum / a.data.len() as f64
}

fn plans() -> [FramePlan; 3] {
    [
        FramePlan { size: (192, 112), octaves: vec![(137, 80), (192, 112)], steps: 2, parts: 0 },
        FramePlan { size: (150, 101), octaves: vec![(77, 52), (107, 72), (150, 101)], steps: 1, parts: 2 },
        // Octaves take turns: the finest has its turn another time.
        FramePlan { size: (192, 112), octaves: vec![(137, 80)], steps: 1, parts: 1 },
    ]
}

fn every_layer_of(pack: &str) {
    let folder = packs().join(pack);
    let manifest = Manifest::read(&folder).unwrap();
    let runtime = runtime();
    for layer in &manifest.layers {
        plans().iter().for_each(|plan| assert_same(&runtime, &[(&folder, &manifest, layer)], plan));
    }
}

#[test]
fn every_layer_of_mobilenet_dreams_the_same_in_one_run_as_step_by_step() {
    every_layer_of("mobilenet-v2");
}

#[test]
fn every_layer_of_efficientnet_dreams_the_same_in_one_run_as_step_by_step() {
    every_layer_of("efficientnet-lite0");
}

#[test]
fn two_layers_of_two_packs_are_mixed_in_one_run() {
    let catalogue = catalogue();
    let layers = ["mobilenet-v2/f11", "efficientnet-lite0/b8"].map(|name| catalogue.layer(name).unwrap());
    assert_same(&runtime(), &layers, &plans()[1]);
}

/// A patient mirror that dreams in whole frames, or never does, on a canvas larger than its network.
fn mirror(catalogue: &Arc<Catalogue>, whole_frames: WholeFrames) -> Sitting {
    let settings = RuntimeSettings { providers: vec![Provider::Cpu], whole_frames, ..RuntimeSettings::default() };
    let runtime = Arc::new(Runtime::load(settings).unwrap());
    let settings = Settings { size: Some(SIZE.into()), max_size: SIZE.into(), target_fps: 10.0, seed: Some(1) };
    Sitting::new(Dreamer::new(runtime, Arc::clone(catalogue), settings).patient())
}

#[test]
fn a_mirror_dreams_the_same_in_whole_frames_and_is_given_less_to_copy() {
    let catalogue = catalogue();
    let mut mirrors = [WholeFrames::Always, WholeFrames::Never].map(|frames| mirror(&catalogue, frames));
    // As the daemon does, which beats its heart by it.
    mirrors.iter_mut().for_each(|mirror| mirror.dreamer.on_step(|_| ()));
    let camera = photo("coffee.jpg", (480, 288));
    let mut params = Params::new(&catalogue);
    params.layer = "mobilenet-v2/f11".into();
    (params.octaves, params.steps, params.windows, params.crossfade) = (2, 2, 1, 0.5);
    let mut shown = [Image::new(480, 288), Image::new(480, 288)];
    for number in 0..8 {
        if number == 4 {
            params.layer = "efficientnet-lite0/b8".into();
        }
        for (mirror, shown) in mirrors.iter_mut().zip(&mut shown) {
            mirror.dream(Some(&camera), &params, Duration::from_millis(200), shown).unwrap();
        }
        let [whole, steps] = [0, 1].map(|which: usize| mirrors[which].dreamer.status().clone());
        // The first frame is one alone: its window comes after the whole, which is not a dream yet.
        assert_eq!(whole.traffic.runs, if number == 0 { 5 } else { 1 }, "frame {number}");
        assert!(steps.traffic.runs >= 5, "frame {number}: {:?}", steps.traffic);
        assert!(number == 0 || whole.traffic.bytes < steps.traffic.bytes, "frame {number}: {whole:?}, {steps:?}");
        // Rounding grows from frame to frame, as it does from ascent to ascent.
        let (apart, dreamed) = (difference(&shown[0], &shown[1]), difference(&shown[1], &camera));
        assert!(
            apart < 0.3 * dreamed,
            "frame {number}: the pictures are {apart}/255 apart, the dream is {dreamed}/255"
        );
    }
}

/// Of another program's graph the exporter's messages do not hold all, so nothing is put together of it.
#[test]
fn a_graph_that_cannot_be_put_together_is_climbed_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(packs().join("mobilenet-v2")).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    // A model's doc_string: field 6, one byte long.
    let graph = folder.path().join("f3.onnx");
    let bytes = [std::fs::read(&graph).unwrap(), vec![(6 << 3) | 2, 1, b'x']].concat();
    std::fs::write(&graph, bytes).unwrap();
    let catalogue = Arc::new(Catalogue::read(&[folder.path().to_owned()]).unwrap());
    let mut mirror = mirror(&catalogue, WholeFrames::Always);
    let camera = photo("coffee.jpg", SIZE);
    let mut params = Params::new(&catalogue);
    params.layer = "f3".into();
    (params.octaves, params.steps) = (2, 2);
    let mut shown = Image::new(SIZE.0, SIZE.1);
    for number in 0..3 {
        mirror.dream(Some(&camera), &params, Duration::from_millis(200), &mut shown).unwrap();
        assert_eq!(mirror.dreamer.status().traffic.runs, 4, "frame {number}");
    }
    assert!(difference(&shown, &camera) > 1.0, "it dreams");
}
