//! YUV4MPEG2, as any program may send it: the header, and pictures up to a size that only takes memory and time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reverie::frame::Frame;
use reverie::y4m::Reader;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    let (width, height) = (reader.header().width, reader.header().height);
    let mut frame = Frame::new(0, 0);
    while let Ok(true) = reader.read(&mut frame) {
        assert_eq!((frame.width, frame.height, frame.pixels.len()), (width, height, 3 * width * height));
    }
});
