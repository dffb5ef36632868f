//! What is done for every frame, each part alone: `cargo bench`. These machines are noisy; compare within one run.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use reverie::compositor::{Compositor, DreamInput, Layer};
use reverie::display::{Canvas, Fader};
use reverie::dream::{Dreamer, Settings};
use reverie::flow::{Downscaler, FlowField, InverseSearch, Luma, Pyramid, Tracker};
use reverie::frame::Frame;
use reverie::pack::Catalogue;
use reverie::params::Params;
use reverie::pixel::{self, Picture, Scaler, Tone};
use reverie::pixel_format::{Converter, Layout, Matrix, PixelFormat, YuvEncoding};
use reverie::runtime::{Ascent, Controls, Graph, Led, Provider, Runtime, Settings as RuntimeSettings, WholeFrames};
use reverie::size::Size;
use reverie::slot::Item;

/// The camera's size, the dream's, that of the octave below, and the screen's.
const CAMERA: (usize, usize) = (640, 360);
const DREAM: (usize, usize) = (320, 192);
const OCTAVE: (usize, usize) = (229, 137);
const SCREEN: (usize, usize) = (1920, 1080);
/// That at which camera and dream are put together.
const CANVAS: (usize, usize) = (1280, 720);

fn frame((width, height): (usize, usize)) -> Frame {
    let mut frame = Frame::new(width, height);
    let mut random = fastrand::Rng::with_seed(1);
    frame.pixels.iter_mut().for_each(|value| *value = random.u8(..));
    frame
}

fn picture(size: (usize, usize)) -> Picture {
    let mut picture = Picture::default();
    pixel::from_frame(&frame(size), &mut picture);
    picture
}

/// What cameras send, made into frames.
fn captures(c: &mut Criterion) {
    let (width, height) = CAMERA;
    let encoding = YuvEncoding { matrix: Matrix::Bt601, is_full_range: false };
    let layout = Layout { width, height, strides: [0; 3], encoding };
    let bytes: Vec<u8> = frame(CAMERA).pixels;
    // A photo, since noise is the worst that a JPEG can hold.
    let photo = image::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/photos/coffee.jpg")).expect("it ships");
    let photo = photo.resize_to_fill(width as u32, height as u32, image::imageops::FilterType::Triangle).to_rgb8();
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 85);
    encoder.encode(&photo, width as u16, height as u16, jpeg_encoder::ColorType::Rgb).expect("it is encoded");
    let (mut converter, mut out) = (Converter::default(), Frame::new(0, 0));
    for pixels in [
        PixelFormat::Jpeg,
        PixelFormat::Yuyv,
        PixelFormat::Uyvy,
        PixelFormat::Nv12,
        PixelFormat::Yu12,
        PixelFormat::Rgb,
        PixelFormat::Bgr,
        PixelFormat::Grey,
    ] {
        let sent: &[u8] = if pixels == PixelFormat::Jpeg { &jpeg } else { &bytes };
        let planes = [sent, &[], &[]];
        c.bench_function(&format!("camera, {pixels:?}"), |b| {
            b.iter(|| converter.convert(pixels, black_box(&planes), &layout, &mut out).expect("it is whole"));
        });
    }
}

/// The work on pixels, in the order of a frame.
fn pixels(c: &mut Criterion) {
    let (camera, mut scaler) = (frame(CAMERA), Scaler::default());
    let mut small = Frame::new(DREAM.0, DREAM.1);
    c.bench_function("camera to working size", |b| b.iter(|| scaler.fill(black_box(&camera), &mut small)));
    let mut looked = Picture::default();
    c.bench_function("bytes to planes", |b| b.iter(|| pixel::from_frame(black_box(&small), &mut looked)));
    let (dream, mut next) = (picture(DREAM), picture(DREAM));
    let mut octave = Picture::new(OCTAVE.0, OCTAVE.1);
    c.bench_function("down an octave", |b| b.iter(|| scaler.resize(black_box(&dream), &mut octave)));
    let mut up = Picture::new(DREAM.0, DREAM.1);
    c.bench_function("up an octave", |b| b.iter(|| scaler.resize(black_box(&octave), &mut up)));
    c.bench_function("hold the tone", |b| b.iter(|| Tone::NEUTRAL.hold(black_box(&mut next), 0.3)));
    let shown = frame(DREAM);

    let start = Instant::now();
    let screen = Size { width: SCREEN.0, height: SCREEN.1 };
    let mut fader = Fader::new(Canvas::plain(screen), start);
    fader.fade_to(&shown, Duration::from_millis(16), start);
    c.bench_function("a dream to screen size", |b| {
        b.iter(|| fader.fade_to(black_box(&shown), Duration::from_millis(16), start))
    });
    fader.fade_to(&shown, Duration::from_millis(16), start + Duration::from_secs(1));
    let between = start + Duration::from_millis(1500);
    let mut memory = vec![0; 4 * SCREEN.0 * SCREEN.1];
    let mut draw = |at, light| {
        let view = fader.view(at, light);
        memory.chunks_exact_mut(4 * SCREEN.0).enumerate().for_each(|(y, row)| view.draw_row(y, row));
        memory[0]
    };
    c.bench_function("a faded picture to the screen", |b| b.iter(|| draw(black_box(between), 1.0)));
    c.bench_function("a dimmed picture to the screen", |b| b.iter(|| draw(black_box(between), 0.5)));
    c.bench_function("a whole picture to the screen", |b| {
        b.iter(|| draw(black_box(start + Duration::from_secs(9)), 1.0));
    });
}

/// One ascent, and a whole frame as the daemon dreams it, of the pack that dreams where nobody chose.
fn network(c: &mut Criterion) {
    let providers = vec![Provider::Cpu];
    let runtime = Runtime::load(RuntimeSettings { providers, ..RuntimeSettings::default() });
    let runtime = Arc::new(runtime.expect("deploy/fetch-onnxruntime fetches ONNX Runtime"));
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let catalogue = Arc::new(Catalogue::read(&[packs]).expect("the packs that ship"));
    let params = Params::new(&catalogue);
    let (dir, manifest, layer) = catalogue.layer(&params.layer).expect("the default layer");
    let mut ascent = Ascent::open(&runtime, Graph { folder: dir, manifest, layer, size: DREAM }).expect("it opens");
    let (neurons, mut image) = (vec![1.0; layer.channels], picture(DREAM));
    let controls =
        Controls { neurons: &neurons, step: 0.005, smoothing: 1.0, colour: 0.3, shift: (7, -5), led: Led::default() };
    let mut group = c.benchmark_group("network");
    group.sample_size(30);
    group
        .bench_function("one ascent", |b| b.iter(|| ascent.climb(&mut image, &controls).expect("it climbs").objective));
    let settings = Settings { size: Some(DREAM.into()), max_size: DREAM.into(), target_fps: 10.0, seed: Some(1) };
    for (name, whole_frames) in [("one dream", WholeFrames::Never), ("one dream in one run", WholeFrames::Always)] {
        let providers = vec![Provider::Cpu];
        let runtime = Runtime::load(RuntimeSettings { providers, whole_frames, ..RuntimeSettings::default() });
        let mut dreamer =
            Dreamer::new(Arc::new(runtime.expect("as before")), Arc::clone(&catalogue), settings.clone()).patient();
        let mut input = DreamInput::still(&frame(CANVAS));
        group.bench_function(name, |b| {
            b.iter(|| {
                (input.since_frame, input.frame_number) = (Some(input.frame_number), input.frame_number + 1);
                dreamer.dream(&input, &params, Duration::from_millis(50)).expect("it dreams").is_some()
            })
        });
    }
}

/// A photo of this size, moved to the right by so many pixels.
fn photo((width, height): (usize, usize), moved: u32) -> Frame {
    let photo = image::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/photos/coffee.jpg")).expect("it ships");
    let photo = photo.resize_to_fill(width as u32 + 32, height as u32, image::imageops::FilterType::Triangle).to_rgb8();
    let part = image::imageops::crop_imm(&photo, 32 - moved, 0, width as u32, height as u32).to_image();
    let mut frame = Frame::new(width, height);
    frame.pixels.copy_from_slice(part.as_raw());
    frame
}

/// What is done for every camera picture, whatever the dream does.
fn mirror(c: &mut Criterion) {
    let pictures = [photo(CANVAS, 0), photo(CANVAS, 4)];
    let (mut luma, mut downscaler, mut tracker) = (Luma::default(), Downscaler::default(), Tracker::default());
    c.bench_function("shrink", |b| b.iter(|| downscaler.downscale(black_box(&pictures[0]), &mut luma)));
    let lumas = [0, 1].map(|which: usize| {
        downscaler.downscale(&pictures[which], &mut luma);
        luma.clone()
    });
    let (mut pyramids, mut search, mut field) =
        ([Pyramid::default(), Pyramid::default()], InverseSearch::default(), FlowField::default());
    pyramids.iter_mut().zip(&lumas).for_each(|(pyramid, luma)| pyramid.build(luma));
    c.bench_function("flow, 320x180, one direction", |b| {
        b.iter(|| search.flow(&pyramids[0], &pyramids[1], &mut field));
    });
    c.bench_function("pyramid, 320x180", |b| b.iter(|| pyramids[0].build(black_box(&lumas[0]))));
    let mut number = 0;
    c.bench_function("track", |b| {
        b.iter(|| {
            number += 1;
            tracker.track(&lumas[number % 2]);
        });
    });
    for (name, moves) in [("compose, standing still", 0), ("compose, all moving", 1)] {
        let (mut compositor, mut input, mut out) = (Compositor::default(), DreamInput::blank(), Frame::new(0, 0));
        let tick = Duration::from_millis(33);
        let mut number = 0;
        compositor.push_frame(&pictures[0], CANVAS, false, tick);
        compositor.read_input(&mut input);
        compositor.mark_taken(input.frame_number);
        let mut layer = Layer { strength: 1.0, frame_number: input.frame_number, ..Layer::default() };
        layer.resize(CANVAS.0, CANVAS.1);
        compositor.push_layer(Arc::new(layer));
        // In the middle of a fade, where both are seen, and one picture later.
        compositor.push_frame(&pictures[moves], CANVAS, false, Duration::from_millis(5));
        c.bench_function(name, |b| b.iter(|| compositor.compose(&mut out)));
        c.bench_function(&format!("{name}, with tracking"), |b| {
            b.iter(|| {
                number += moves;
                compositor.push_frame(&pictures[number % 2], CANVAS, false, Duration::ZERO);
                compositor.compose(&mut out);
            });
        });
    }
}

criterion_group!(benches, captures, pixels, mirror, network);
criterion_main!(benches);
