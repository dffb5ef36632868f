//! Motion JPEG as a camera sends it, from its bytes to a frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reverie::frame::Frame;
use reverie::pixel_format::{Converter, Layout, Matrix, PixelFormat, YuvEncoding};

fuzz_target!(|bytes: &[u8]| {
    let encoding = YuvEncoding { matrix: Matrix::Bt601, is_full_range: false };
    // As the seeds are; other sizes are refused, and are wanted here up to where they only take memory and time.
    let Some((width, height)) = size(bytes).filter(|(width, height)| width.max(height) <= &512) else { return };
    let layout = Layout { width, height, strides: [0; 3], encoding };
    let mut frame = Frame::new(0, 0);
    if Converter::default().convert(PixelFormat::Jpeg, &[bytes, &[], &[]], &layout, &mut frame).is_ok() {
        assert_eq!(frame.pixels.len(), 3 * frame.width * frame.height);
    }
});

/// Width and height that the first frame header tells.
fn size(bytes: &[u8]) -> Option<(usize, usize)> {
    bytes.windows(9).find_map(|w| {
        let side = |at: usize| usize::from(u16::from_be_bytes([w[at], w[at + 1]]));
        let is_header = w[0] == 0xFF && (0xC0..=0xCF).contains(&w[1]) && ![0xC4, 0xC8, 0xCC].contains(&w[1]);
        is_header.then(|| (side(7), side(5)))
    })
}
