//! What cameras send, made into frames.

use yuv::{YuvPackedImage, YuvRange, YuvStandardMatrix};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::frame::Frame;

/// Larger pictures than any camera's are refused before memory is taken for them.
const MAX_SIDE: usize = 8192;

/// YUYV, `stride` bytes a row.
///
/// # Errors
/// Fewer bytes than rows.
pub fn from_yuyv(bytes: &[u8], width: usize, height: usize, stride: usize, frame: &mut Frame) -> Result<(), String> {
    let stride = stride.max(2 * width);
    if bytes.len() < stride * height {
        return Err(format!("{} bytes instead of {}", bytes.len(), stride * height));
    }
    frame.resize(width, height);
    let packed = YuvPackedImage {
        yuy: &bytes[..stride * height],
        yuy_stride: stride as u32,
        width: width as u32,
        height: height as u32,
    };
    yuv::yuyv422_to_rgb(&packed, &mut frame.pixels, 3 * width as u32, YuvRange::Limited, YuvStandardMatrix::Bt601)
        .map_err(|e| e.to_string())
}

/// One picture of Motion JPEG; `whole` is working memory.
///
/// # Errors
/// It is none, or is torn.
pub fn from_jpeg(bytes: &[u8], whole: &mut Vec<u8>, frame: &mut Frame) -> Result<(), String> {
    let bytes = with_huffman_tables(bytes, whole);
    let options = DecoderOptions::new_fast()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    frame.resize(width, height);
    decoder.decode_into(&mut frame.pixels).map_err(|e| e.to_string())
}

/// Many cameras leave the Huffman tables out, since Motion JPEG always uses the standard's own: here they are put in.
fn with_huffman_tables<'a>(jpeg: &'a [u8], whole: &'a mut Vec<u8>) -> &'a [u8] {
    const TABLES: u8 = 0xC4;
    const SCAN: u8 = 0xDA;
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = jpeg.get(at..at + 4) {
        match marker {
            TABLES => return jpeg,
            SCAN => {
                whole.clear();
                whole.extend_from_slice(&jpeg[..at]);
                for (class, counts, symbols) in HUFFMAN {
                    let length = 2 + 1 + counts.len() + symbols.len();
                    whole.extend_from_slice(&[0xFF, TABLES, (length >> 8) as u8, length as u8, class]);
                    whole.extend_from_slice(&counts);
                    whole.extend_from_slice(symbols);
                }
                whole.extend_from_slice(&jpeg[at..]);
                return whole;
            }
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    jpeg
}

/// ITU-T T.81, annex K.3: class and number, codes of each length, symbols.
const HUFFMAN: [(u8, [u8; 16], &[u8]); 4] = [
    (0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    (0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    (
        0x10,
        [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D],
        &[
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
            0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
            0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
            0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
            0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
            0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
            0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
            0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
            0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
        ],
    ),
    (
        0x11,
        [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
        &[
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
            0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
            0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
            0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
            0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
            0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
            0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
            0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
            0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::pattern::Pattern;

    /// A picture as the encoder writes it, and without its Huffman tables, as a camera does.
    fn camera_jpeg() -> (Vec<u8>, Vec<u8>) {
        let mut picture = Frame::new(64, 48);
        Pattern.draw(3.0, &mut picture);
        let mut jpeg = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
        encoder.encode(&picture.pixels, 64, 48, jpeg_encoder::ColorType::Rgb).unwrap();
        let (mut bare, mut at) = (jpeg[..2].to_vec(), 2);
        while jpeg[at + 1] != 0xDA {
            let next = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != 0xC4 {
                bare.extend_from_slice(&jpeg[at..next]);
            }
            at = next;
        }
        bare.extend_from_slice(&jpeg[at..]);
        (jpeg, bare)
    }

    #[test]
    fn a_camera_that_leaves_out_the_huffman_tables_is_read_like_one_that_does_not() {
        let (whole, bare) = camera_jpeg();
        assert!(bare.len() < whole.len());
        let (mut expected, mut frame) = (Frame::new(0, 0), Frame::new(0, 0));
        from_jpeg(&whole, &mut Vec::new(), &mut expected).unwrap();
        from_jpeg(&bare, &mut Vec::new(), &mut frame).unwrap();
        assert_eq!((frame.width, frame.height), (64, 48));
        assert!(frame.pixels == expected.pixels, "the pictures differ");
    }

    #[test]
    fn yuyv_keeps_its_colours_and_leaves_out_the_padding() {
        // Two pixels a line, red by BT.601, and two bytes of padding.
        let line = [81, 90, 81, 240, 0, 0];
        let mut frame = Frame::new(0, 0);
        from_yuyv(&[line, line].concat(), 2, 2, 6, &mut frame).unwrap();
        for pixel in frame.pixels.chunks(3) {
            assert!(pixel[0] > 250 && pixel[1] < 5 && pixel[2] < 5, "{pixel:?}");
        }
        assert!(from_yuyv(&line, 2, 2, 6, &mut frame).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_from_a_camera_break_the_reader(bytes: Vec<u8>, at in 0usize..2000, value: u8) {
            let mut frame = Frame::new(0, 0);
            let _ = from_jpeg(&bytes, &mut Vec::new(), &mut frame);
            let mut spoilt = camera_jpeg().1;
            let length = spoilt.len();
            spoilt[at % length] = value;
            let _ = from_jpeg(&spoilt, &mut Vec::new(), &mut frame);
        }
    }
}
