//! Nothing the size of a picture is allocated once the dream is running.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reverie::compositor::{Compositor, DreamInput, Layer};
use reverie::display::{self, Canvas, Fader, Rotation};
use reverie::dream::{Dreamer, Settings};
use reverie::frame::Frame;
use reverie::mirror::Mirror;
use reverie::params::Params;
use reverie::pixel_format::{self, Converter, Matrix, PixelFormat, YuvEncoding};
use reverie::size::Size;
use reverie::slot::Item;
use reverie::y4m::{Header, Reader, Sampling, Writer};

use crate::scene::{SIZE, catalogue, picture, runtime};

/// Counts what the calling thread allocates from Rust. ONNX Runtime's own memory is not seen by it.
struct Counting;

thread_local! {
    static COUNT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

// SAFETY: every call goes on to the system's allocator; the counter is a plain thread-local without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set((count.get().0 + 1, count.get().1 + layout.size())));
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_running_mirror_allocates_no_pictures() {
    let catalogue = catalogue();
    let settings = Settings { size: Some(SIZE.into()), max_size: SIZE.into(), target_fps: 10.0, seed: Some(1) };
    let dreamer = Dreamer::new(runtime(), Arc::clone(&catalogue), settings).patient();
    let mut mirror = Mirror::new(dreamer, Some(2));
    let mut params = Params::new(&catalogue);
    (params.zoom, params.trance) = (0.1, 0.2);
    // Larger than the dream, so that there are windows, and of another shape than the camera's.
    let (canvas, mut out) = ((2 * SIZE.0, 2 * SIZE.1), Frame::new(0, 0));
    let cameras = [picture((200, 150)), picture((200, 150))];
    let mut number = 0;
    let mut frame = || {
        number += 1;
        mirror.frame(Some(&cameras[number % 2]), canvas, &params, Duration::from_millis(50), &mut out).unwrap();
    };
    (0..12).for_each(|_| frame());
    let before = COUNT.get();
    (0..20).for_each(|_| frame());
    let (count, bytes) = (COUNT.get().0 - before.0, COUNT.get().1 - before.1);
    println!("{} allocations of {} bytes a dream", count / 10, bytes / 10);
    // What is left: names of layers, weights of neurons, and `ort`'s list of outputs, a run.
    let row = 3 * SIZE.0 * size_of::<f32>();
    assert!(bytes / 10 < 5 * row, "{} bytes a dream, in {} pieces", bytes / 10, count / 10);
    assert!(count / 10 < 150, "{} allocations a dream", count / 10);
}

#[test]
fn a_running_compositor_allocates_nothing() {
    let (mut compositor, size) = (Compositor::default(), (640, 360));
    let cameras = [picture((320, 240)), picture((320, 240))];
    let mut out = Frame::new(0, 0);
    // A dream begins at every fourth picture, and is there when the next begins.
    let made = |number: usize| {
        let mut layer = Layer { strength: 1.0, frame_number: number as u64, ..Layer::default() };
        layer.resize(size.0, size.1);
        Arc::new(layer)
    };
    let layers: Vec<_> = (1..40).step_by(4).map(made).collect();
    let (mut input, tick) = (DreamInput::blank(), Duration::from_millis(33));
    let mut frame = |number: usize| {
        compositor.push_frame(&cameras[number % 2], size, true, tick);
        if number % 4 == 1 {
            if let Some(frame_number) = number.checked_sub(4) {
                compositor.push_layer(Arc::clone(&layers[frame_number / 4]));
            }
            compositor.read_input(&mut input);
            compositor.mark_taken(input.frame_number);
        }
        compositor.compose(&mut out);
    };
    (1..20).for_each(&mut frame);
    let before = COUNT.get();
    (20..40).for_each(&mut frame);
    assert_eq!(COUNT.get().0 - before.0, 0, "allocations in twenty pictures, {} bytes", COUNT.get().1 - before.1);
}

#[test]
fn a_running_display_allocates_nothing() {
    let start = Instant::now();
    let settings = display::Settings { rotate: Rotation::Quarter, mirror: true, ..display::Settings::default() };
    let mut fader = Fader::new(Canvas::new(Size { width: 300, height: 400 }, &settings), start);
    let mut screen = vec![0; 4 * 300 * 400];
    let dreams = [picture((160, 96)), picture((160, 96))];
    let mut number = 0;
    let mut dream = || {
        let now = start + Duration::from_millis(100 * number);
        fader.fade_to(&dreams[number as usize % 2], Duration::from_millis(16), now);
        let view = fader.view(now + Duration::from_millis(50), 0.5);
        screen.chunks_exact_mut(4 * 300).enumerate().for_each(|(y, row)| view.draw_row(y, row));
        number += 1;
    };
    (0..3).for_each(|_| dream());
    let before = COUNT.get();
    (0..10).for_each(|_| dream());
    assert_eq!(COUNT.get().0 - before.0, 0, "allocations in ten dreams, {} bytes", COUNT.get().1 - before.1);
}

#[test]
fn a_running_camera_allocates_no_pictures() {
    let (width, height) = (1280, 720);
    let encoding = YuvEncoding { matrix: Matrix::Bt601, is_full_range: false };
    let layout = pixel_format::Layout { width, height, strides: [0; 3], encoding };
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 80);
    let (wide, high) = (width as u16, height as u16);
    encoder.encode(&picture((width, height)).pixels, wide, high, jpeg_encoder::ColorType::Rgb).unwrap();
    let raw = vec![128; 3 * width * height];
    let (mut converter, mut frame) = (Converter::default(), Frame::new(0, 0));
    let formats = [
        PixelFormat::Yuyv,
        PixelFormat::Uyvy,
        PixelFormat::Nv12,
        PixelFormat::Yu12,
        PixelFormat::Yuv444,
        PixelFormat::Rgb,
        PixelFormat::Bgr,
        PixelFormat::Grey,
    ];
    for pixels in formats.into_iter().chain([PixelFormat::Jpeg]) {
        let planes = [if pixels == PixelFormat::Jpeg { &jpeg[..] } else { &raw }, &[], &[]];
        let mut convert = || converter.convert(pixels, &planes, &layout, &mut frame).unwrap();
        (0..3).for_each(|_| convert());
        let before = COUNT.get();
        (0..10).for_each(|_| convert());
        let (count, bytes) = ((COUNT.get().0 - before.0) / 10, (COUNT.get().1 - before.1) / 10);
        println!("{pixels:?}: {count} allocations of {bytes} bytes a picture");
        match pixels {
            // The decoder's own tables and rows, new for each picture; of the whole picture there is one, in ours.
            PixelFormat::Jpeg => assert!(count < 100 && bytes < 500_000, "{count} allocations of {bytes} bytes"),
            _ => assert_eq!(count, 0, "{pixels:?}: {bytes} bytes"),
        }
    }
}

#[test]
fn a_running_program_and_a_running_clip_allocate_nothing() {
    let (width, height) = (320, 192);
    for sampling in [Sampling::Half, Sampling::Full, Sampling::Mono] {
        let header = Header { width, height, rate: None, aspect: None, sampling, is_full_range: false };
        let mut writer = Writer::new(Vec::with_capacity(1 << 24), header).unwrap();
        let frame = picture((width, height));
        (0..3).for_each(|_| writer.write(&frame).unwrap());
        let before = COUNT.get();
        (0..10).for_each(|_| writer.write(&frame).unwrap());
        assert_eq!(COUNT.get(), before, "writing {sampling:?}");
        let bytes = writer.into_inner();
        let (mut reader, mut frame) = (Reader::new(&bytes[..]).unwrap(), Frame::new(0, 0));
        (0..3).for_each(|_| assert!(reader.read(&mut frame).unwrap()));
        let before = COUNT.get();
        (0..10).for_each(|_| assert!(reader.read(&mut frame).unwrap()));
        assert_eq!(COUNT.get(), before, "reading {sampling:?}");
    }
}
