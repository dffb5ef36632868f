//! What a monitor says of itself, and what people say of modes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reverie::display::Mode;
use reverie::display::{Timing, choose_mode, monitor_name};

fuzz_target!(|bytes: &[u8]| {
    let _ = monitor_name(bytes);
    // A header that is right, so that what lies behind it is read.
    let mut edid = [&[0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0][..], bytes].concat();
    edid.resize(128, 0);
    let _ = monitor_name(&edid);
    let wanted = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Mode>().ok());
    let number = |chunk: &[u8]| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    let modes: Vec<Timing> = bytes
        .chunks_exact(13)
        .map(|chunk| Timing {
            width: number(chunk) as usize,
            height: number(&chunk[4..]) as usize,
            refresh_mhz: number(&chunk[8..]),
            preferred: chunk[12] & 1 != 0,
            interlaced: chunk[12] & 2 != 0,
        })
        .collect();
    for wanted in [wanted.unwrap_or(Mode::Preferred), Mode::Preferred] {
        if let Ok(index) = choose_mode(&modes, wanted) {
            assert!(index < modes.len());
        }
    }
});
