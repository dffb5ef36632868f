use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::frame::Frame;
use crate::pixel_format::Matrix;

fn header(text: &str) -> Result<Header, String> {
    Reader::new(text.as_bytes()).map(|reader| *reader.header()).map_err(|e| e.to_string())
}

/// A picture of smooth colours, all of which there are in YUV too.
fn picture(width: usize, height: usize, turn: u8) -> Frame {
    let mut frame = Frame::new(width, height);
    for (i, pixel) in frame.pixels.chunks_exact_mut(3).enumerate() {
        let wave = |by: f64| (128.0 + 110.0 * (i as f64 % width as f64 / 9.0 + by).sin()) as u8;
        pixel.copy_from_slice(&[wave(f64::from(turn)), wave(1.0), wave(2.0)]);
    }
    frame
}

fn described(width: usize, height: usize, sampling: Sampling, is_full_range: bool) -> Header {
    let rate = Some(Rate { numerator: 30000, denominator: 1001 });
    Header { width, height, rate, aspect: Some((1, 1)), sampling, is_full_range }
}

fn written(header: Header, frames: &[Frame]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    frames.iter().for_each(|frame| writer.write(frame).unwrap());
    writer.into_inner()
}

fn read_all(bytes: &[u8]) -> Result<Vec<Frame>, Y4mError> {
    let mut reader = Reader::new(bytes)?;
    let (mut frames, mut frame) = (Vec::new(), Frame::new(0, 0));
    while reader.read(&mut frame)? {
        frames.push(frame.clone());
    }
    Ok(frames)
}

/// The largest difference of a value, and the mean.
fn difference(a: &Frame, b: &Frame) -> (u8, f64) {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let differences = a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    (differences.max().unwrap_or(0), sum / a.pixels.len() as f64)
}

#[test]
fn headers_of_all_programs_are_read() {
    // ffmpeg 5.1, GStreamer 1.22's y4menc, mjpegtools, and the least that there may be.
    let ffmpeg = header("YUV4MPEG2 W320 H180 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL\n").unwrap();
    assert_eq!((ffmpeg.width, ffmpeg.height, ffmpeg.sampling), (320, 180, Sampling::Half));
    assert!(ffmpeg.is_full_range && (ffmpeg.rate.unwrap().per_second() - 29.97).abs() < 0.001);
    let gstreamer = header("YUV4MPEG2 W1280 H720 Ip F30:1 A0:0 C420\n").unwrap();
    assert_eq!((gstreamer.rate, gstreamer.aspect), (Some(Rate { numerator: 30, denominator: 1 }), None));
    let least = header("YUV4MPEG2 W16 H8192\n").unwrap();
    assert_eq!((least.rate, least.sampling, least.is_full_range), (None, Sampling::Half, false));
    for (name, sampling) in [("420mpeg2", Sampling::Half), ("420paldv", Sampling::Half), ("444", Sampling::Full)] {
        assert_eq!(header(&format!("YUV4MPEG2 W64 H64 F0:0 C{name}\n")).unwrap().sampling, sampling);
    }
    assert_eq!(header("YUV4MPEG2 Cmono H99 W77 Ib Xmark\n").unwrap().sampling, Sampling::Mono);
}

#[test]
fn what_is_wrong_with_a_header_is_named() {
    let refused = |text: &str, reason: &str| {
        let error = header(text).unwrap_err();
        assert!(error.contains(reason), "{text:?}: {error}");
    };
    refused("", "empty");
    refused("RIFF\0\u{1}AVI LIST", "it is not YUV4MPEG2: it begins with \"RIFF\\x00");
    refused("YUV4MPEG2 W64 H64", "not complete");
    refused("YUV4MPEG2 H64\n", "W (the width) is missing");
    refused("YUV4MPEG2 W64\n", "H (the height) is missing");
    refused("YUV4MPEG2 W15 H64\n", "W15 is not a number of pixels from 16 to 8192");
    refused("YUV4MPEG2 W64 H8193\n", "H8193");
    refused("YUV4MPEG2 W64 H-64\n", "H-64");
    refused("YUV4MPEG2 W64 H99999999999999999999\n", "from 16 to 8192");
    refused("YUV4MPEG2 W64 H64 F30\n", "F30 is not a fraction");
    refused("YUV4MPEG2 W64 H64 F30:0\n", "F30:0 is not a fraction");
    refused("YUV4MPEG2 W64 H64 C420p10\n", "C420p10 is not read: 4:2:0, 4:4:4 and mono");
    refused("YUV4MPEG2 W64 H64 C422\n", "yuv420p");
    refused(&format!("YUV4MPEG2 W64 H64 X{}\n", "x".repeat(5000)), "longer than 1024 bytes");
}

#[test]
fn rates_are_written_as_television_does() {
    let rate = |per_second| {
        let rate = Rate::nearest(per_second);
        (rate.numerator, rate.denominator)
    };
    assert_eq!((rate(25.0), rate(29.97), rate(23.976)), ((25, 1), (30000, 1001), (24000, 1001)));
    assert_eq!((rate(12.5), rate(59.94), rate(0.5)), ((12500, 1000), (60000, 1001), (500, 1000)));
    assert_eq!((Rate::nearest(29.97).to_string(), Rate::nearest(30.0).to_string()), ("29.97".into(), "30".into()));
}

/// Colours at full size come back within 3 of 255 in limited range, 2 in full; at half size within 4 on average, where they
/// change slowly.
#[test]
fn what_is_written_is_read_again() {
    for (width, height) in [(64, 48), (33, 17), (320, 720)] {
        for is_full_range in [false, true] {
            let frames = [picture(width, height, 0), picture(width, height, 1), picture(width, height, 2)];
            let read = |sampling| {
                let header = described(width, height, sampling, is_full_range);
                let bytes = written(header, &frames);
                assert_eq!(*Reader::new(&bytes[..]).unwrap().header(), header);
                read_all(&bytes).unwrap()
            };
            let full = read(Sampling::Full);
            assert_eq!(full.len(), 3);
            for (read, frame) in full.iter().zip(&frames) {
                let (most, mean) = difference(read, frame);
                assert!(most <= if is_full_range { 2 } else { 3 }, "{width}x{height} {is_full_range}: {most}, {mean}");
            }
            for (read, frame) in read(Sampling::Half).iter().zip(&frames) {
                let (most, mean) = difference(read, frame);
                assert!(mean < 4.0, "{width}x{height} {is_full_range}: {most}, {mean}");
            }
            let mono = read(Sampling::Mono);
            assert!(mono[2].pixels.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
        }
    }
}

#[test]
fn ranges_and_matrices_are_told_apart() {
    // White and a green, limited range, BT.601 (the standard's own formulas), as C420.
    let stream = |more: &str, y: u8, u: u8, v: u8, height: usize| {
        let mut bytes = format!("YUV4MPEG2 W16 H{height}{more}\nFRAME Ixyz\n").into_bytes();
        bytes.extend(vec![y; 16 * height]);
        bytes.extend(vec![u; 8 * height / 2]);
        bytes.extend(vec![v; 8 * height / 2]);
        bytes
    };
    let first = |bytes: &[u8]| read_all(bytes).unwrap()[0].pixels[..3].to_vec();
    assert_eq!(first(&stream("", 235, 128, 128, 16)), [255; 3]);
    assert_eq!(first(&stream(" XCOLORRANGE=LIMITED", 235, 128, 128, 16)), [255; 3]);
    assert_eq!(first(&stream(" XCOLORRANGE=FULL", 235, 128, 128, 16)), [235; 3]);
    let (small, large) = (first(&stream("", 81, 90, 240, 16)), first(&stream("", 81, 90, 240, 720)));
    assert!(small[0] > 250 && small[1] < 5 && large[1] > 15, "{small:?} {large:?}");
    let mut reader = Reader::new(Cursor::new(stream("", 81, 90, 240, 720))).unwrap().with_matrix(Matrix::Bt601);
    let mut frame = Frame::new(0, 0);
    assert!(reader.read(&mut frame).unwrap());
    assert_eq!(frame.pixels[..3], small);
}

#[test]
fn a_torn_stream_says_where() {
    let frames = [picture(32, 16, 0), picture(32, 16, 1)];
    let bytes = written(described(32, 16, Sampling::Half, false), &frames);
    for cut in [1, 100, 700] {
        assert!(matches!(read_all(&bytes[..bytes.len() - cut]), Err(Y4mError::Torn(2))), "{cut}");
    }
    let mut broken = bytes.clone();
    let second = broken.len() - Sampling::Half.bytes(32, 16) - 6;
    broken[second] = b'G';
    let error = read_all(&broken).unwrap_err().to_string();
    assert!(error.contains("before picture 2: \"GRAME\" instead of FRAME"), "{error}");
    let error = read_all(&[&bytes[..], b"FRAMES\n"].concat()).unwrap_err().to_string();
    assert!(error.contains("picture 3"), "{error}");
}

#[test]
fn a_picture_of_another_size_is_not_written() {
    let mut writer = Writer::new(Vec::new(), described(32, 16, Sampling::Full, false)).unwrap();
    assert!(writer.write(&Frame::new(16, 32)).unwrap_err().to_string().contains("16x32 in a stream of 32x16"));
}

#[test]
fn a_header_alone_takes_no_memory() {
    let mut reader = Reader::new(&b"YUV4MPEG2 W8192 H8192 C444\nFRAME\nsome bytes"[..]).unwrap();
    assert!(matches!(reader.read(&mut Frame::new(0, 0)), Err(Y4mError::Torn(1))));
    assert!(reader.capacity() < 1 << 16);
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(bytes: Vec<u8>, is_header: bool) {
        let bytes = if is_header { [MAGIC, &bytes].concat() } else { bytes };
        let _ = read_all(&bytes);
    }

    #[test]
    fn no_header_breaks_the_reader(parameters in "( [WHFIACX]([0-9:]{0,6}|420|444|mono|COLORRANGE=FULL)){0,8}", rest: Vec<u8>) {
        let _ = read_all(&[format!("YUV4MPEG2{parameters}\nFRAME\n").as_bytes(), &rest].concat());
    }

    #[test]
    fn no_spoilt_or_torn_stream_breaks_the_reader(at in 0usize..2000, value: u8, cut in 0usize..2000, sampling in 0usize..3) {
        let sampling = [Sampling::Mono, Sampling::Half, Sampling::Full][sampling];
        let frames = [picture(18, 16, 0), picture(18, 16, 1)];
        let mut bytes = written(described(18, 16, sampling, false), &frames);
        let length = bytes.len();
        bytes[at % length] = value;
        bytes.truncate(length - cut % length);
        let _ = read_all(&bytes);
    }

    /// Any colour, at full size: within 3 of 255.
    #[test]
    fn every_colour_comes_back(colour: [u8; 3], is_full_range: bool, height in prop::sample::select(vec![16usize, 720])) {
        let mut frame = Frame::new(16, height);
        frame.pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colour));
        let read = read_all(&written(described(16, height, Sampling::Full, is_full_range), &[frame.clone()])).unwrap();
        let (most, _) = difference(&read[0], &frame);
        prop_assert!(most <= 3, "{colour:?} came back as {:?}", &read[0].pixels[..3]);
    }

    #[test]
    fn a_rate_is_near_what_was_asked_for(per_second in 0.01f64..1000.0) {
        let rate = Rate::nearest(per_second).per_second();
        prop_assert!((rate - per_second).abs() <= 0.0006 * per_second + 0.0005, "{rate} for {per_second}");
    }
}
