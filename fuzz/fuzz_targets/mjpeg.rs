//! Motion JPEG as a camera sends it, from its bytes to a frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reverie::frame::Frame;
use reverie::source::{Colours, Converter, Layout, Matrix, Pixels};

fuzz_target!(|bytes: &[u8]| {
    let colours = Colours { matrix: Matrix::Bt601, is_full: false };
    let layout = Layout { width: 64, height: 48, strides: [0; 3], colours };
    // Large sizes in a header take memory and time, and no other path.
    if huge(bytes) {
        return;
    }
    let mut frame = Frame::new(0, 0);
    if Converter::default().convert(Pixels::Jpeg, &[bytes, &[], &[]], &layout, &mut frame).is_ok() {
        assert_eq!(frame.pixels.len(), 3 * frame.width * frame.height);
    }
});

/// Whether a frame header says more than 512 pixels a side.
fn huge(bytes: &[u8]) -> bool {
    bytes.windows(9).any(|w| {
        let side = |at: usize| u16::from_be_bytes([w[at], w[at + 1]]);
        w[0] == 0xFF && (0xC0..=0xCF).contains(&w[1]) && (side(5) > 512 || side(7) > 512)
    })
}
