//! The arithmetic on what a driver says of a picture: sizes, strides, planes and lengths that do not belong together.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use reverie::frame::Frame;
use reverie::pixel_format::{Converter, Layout, Matrix, PixelFormat, YuvEncoding};

#[derive(Debug, Arbitrary)]
struct DriverReply {
    which: u8,
    width: u16,
    height: u16,
    strides: [u32; 3],
    lengths: [u16; 3],
    is_full_range: bool,
    matrix: u8,
}

fuzz_target!(|reply: DriverReply| {
    const PIXELS: [PixelFormat; 8] = [
        PixelFormat::Yuyv,
        PixelFormat::Uyvy,
        PixelFormat::Nv12,
        PixelFormat::Yu12,
        PixelFormat::Yuv444,
        PixelFormat::Rgb,
        PixelFormat::Bgr,
        PixelFormat::Grey,
    ];
    const MATRICES: [Matrix; 4] = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Smpte240];
    static BYTES: [u8; 0x1_0000] = [77; 0x1_0000];
    let encoding = YuvEncoding { matrix: MATRICES[usize::from(reply.matrix) % 4], is_full_range: reply.is_full_range };
    // Mostly sizes for which the bytes could suffice.
    let side = |n: u16| usize::from(if n % 8 == 0 { n } else { n % 256 });
    let stride = |n: u32| if n % 4 == 0 { n as usize } else { n as usize % 1024 };
    let layout =
        Layout { width: side(reply.width), height: side(reply.height), strides: reply.strides.map(stride), encoding };
    let planes = reply.lengths.map(|length| &BYTES[..usize::from(length)]);
    let mut frame = Frame::new(0, 0);
    let _ = Converter::default().convert(PIXELS[usize::from(reply.which) % 8], &planes, &layout, &mut frame);
});
