//! From pictures in any pixel format to frames.

use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvError, YuvGrayImage, YuvPackedImage, YuvPlanarImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Layout, MAX_SIDE, PixelFormat, huffman};
use crate::frame::Frame;

/// Converts pictures to frames; keeps its work buffers.
#[derive(Default)]
pub struct Converter {
    /// A JPEG with the Huffman tables put in.
    whole: Vec<u8>,
    /// Planes with their last row padded.
    padded: [Vec<u8>; 3],
}

impl Converter {
    /// One picture into `frame`, which takes on its size. Planes that a format has and `planes` has not follow each other in
    /// the first.
    ///
    /// # Errors
    /// Fewer bytes than the picture needs, or a JPEG that is invalid or truncated.
    pub fn convert(
        &mut self,
        pixels: PixelFormat,
        planes: &[&[u8]; 3],
        layout: &Layout,
        frame: &mut Frame,
    ) -> Result<(), String> {
        if pixels == PixelFormat::Jpeg {
            return from_jpeg(planes[0], layout, &mut self.whole, frame);
        }
        layout.check()?;
        frame.resize(layout.width, layout.height);
        let (width, height) = (layout.width as u32, layout.height as u32);
        let rgb = &mut frame.pixels[..];
        let (own, range, matrix) = (3 * width, layout.encoding.range(), layout.encoding.matrix());
        let chroma = layout.height.div_ceil(2);
        let [first, second, third] = &mut self.padded;
        let converted = match pixels {
            // Read above.
            PixelFormat::Jpeg => Ok(()),
            PixelFormat::Yuyv | PixelFormat::Uyvy => {
                // Pixels come in twos.
                let rows = Rows::new(planes[0], layout.strides[0], 4 * layout.width.div_ceil(2), layout.height, first)?;
                let image = YuvPackedImage { yuy: rows.bytes, yuy_stride: rows.stride, width, height };
                match pixels {
                    PixelFormat::Yuyv => yuv::yuyv422_to_rgb(&image, rgb, own, range, matrix),
                    _ => yuv::uyvy422_to_rgb(&image, rgb, own, range, matrix),
                }
            }
            PixelFormat::Nv12 => {
                let y = Rows::new(planes[0], layout.strides[0], layout.width, layout.height, first)?;
                let (place, stride) = y.next(planes[1], layout.strides[1], y.stride);
                let uv = Rows::new(place, stride, 2 * layout.width.div_ceil(2), chroma, second)?;
                let image = YuvBiPlanarImage {
                    y_plane: y.bytes,
                    y_stride: y.stride,
                    uv_plane: uv.bytes,
                    uv_stride: uv.stride,
                    width,
                    height,
                };
                yuv::yuv_nv12_to_rgb(&image, rgb, own, range, matrix, YuvConversionMode::Balanced)
            }
            PixelFormat::Yu12 | PixelFormat::Yuv444 => {
                let (across, down, part) = match pixels {
                    PixelFormat::Yu12 => (layout.width.div_ceil(2), chroma, 2),
                    _ => (layout.width, layout.height, 1),
                };
                let y = Rows::new(planes[0], layout.strides[0], layout.width, layout.height, first)?;
                let (place, stride) = y.next(planes[1], layout.strides[1], y.stride / part);
                let u = Rows::new(place, stride, across, down, second)?;
                let (place, stride) = u.next(planes[2], layout.strides[2], u.stride);
                let v = Rows::new(place, stride, across, down, third)?;
                let image = YuvPlanarImage {
                    y_plane: y.bytes,
                    y_stride: y.stride,
                    u_plane: u.bytes,
                    u_stride: u.stride,
                    v_plane: v.bytes,
                    v_stride: v.stride,
                    width,
                    height,
                };
                match pixels {
                    PixelFormat::Yu12 => yuv::yuv420_to_rgb(&image, rgb, own, range, matrix),
                    _ => yuv::yuv444_to_rgb(&image, rgb, own, range, matrix),
                }
            }
            PixelFormat::Grey => {
                let y = Rows::new(planes[0], layout.strides[0], layout.width, layout.height, first)?;
                let image = YuvGrayImage { y_plane: y.bytes, y_stride: y.stride, width, height };
                yuv::yuv400_to_rgb(&image, rgb, own, range, matrix)
            }
            PixelFormat::Bgr => {
                let rows = Rows::new(planes[0], layout.strides[0], 3 * layout.width, layout.height, first)?;
                yuv::bgr_to_rgb(rows.bytes, rows.stride, rgb, own, width, height)
            }
            PixelFormat::Rgb => {
                let rows = Rows::new(planes[0], layout.strides[0], 3 * layout.width, layout.height, first)?;
                let from = rows.bytes.chunks(rows.stride as usize);
                rgb.chunks_exact_mut(own as usize)
                    .zip(from)
                    .for_each(|(to, from)| to.copy_from_slice(&from[..to.len()]));
                Ok::<(), YuvError>(())
            }
        };
        converted.map_err(|e| e.to_string())
    }
}

/// The rows of a plane, each whole.
struct Rows<'a> {
    bytes: &'a [u8],
    stride: u32,
    /// What lies behind them.
    rest: &'a [u8],
}

impl<'a> Rows<'a> {
    /// The first `height` rows of `plane`, `stride` bytes each, `width` of them pixels; in `padded` where the last one is not whole.
    fn new(
        plane: &'a [u8],
        stride: usize,
        width: usize,
        height: usize,
        padded: &'a mut Vec<u8>,
    ) -> Result<Rows<'a>, String> {
        let stride = stride.max(width);
        let all = stride.checked_mul(height).filter(|_| stride <= 64 * MAX_SIDE);
        let all = all.ok_or_else(|| format!("rows of {stride} bytes cannot be"))?;
        let rows = |bytes, rest| Ok(Rows { bytes, stride: stride as u32, rest });
        if let Some((bytes, rest)) = plane.split_at_checked(all) {
            return rows(bytes, rest);
        }
        // Some drivers leave out the padding of the last row; `yuv` skips a row that is not whole.
        if plane.len() < all - (stride - width) {
            return Err(format!("{} bytes instead of {all}", plane.len()));
        }
        padded.clear();
        padded.extend_from_slice(plane);
        padded.resize(all, 0);
        rows(padded, &[])
    }

    /// The next plane and its rows' bytes: one of its own, else what lies behind this one.
    fn next(&self, own: &'a [u8], stride: usize, like_this: u32) -> (&'a [u8], usize) {
        match own.is_empty() {
            true => (self.rest, like_this as usize),
            false => (own, stride),
        }
    }
}

/// Cameras may round the size in the JPEG up to its blocks, whatever their mode is.
const BLOCK: usize = 16;

/// One picture of Motion JPEG; `whole` is working memory.
///
/// # Errors
/// It is invalid, truncated, or of another size than the mode.
fn from_jpeg(bytes: &[u8], layout: &Layout, whole: &mut Vec<u8>, frame: &mut Frame) -> Result<(), String> {
    // The decoder would paint a missing end grey. Padding may follow the end.
    if bytes.windows(2).rposition(|pair| pair == [0xFF, 0xD9]).is_none() {
        return Err("it is torn: its end is missing".to_owned());
    }
    let bytes = huffman::with_tables(bytes, whole);
    let options = DecoderOptions::new_fast()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    if width.abs_diff(layout.width) >= BLOCK || height.abs_diff(layout.height) >= BLOCK {
        return Err(format!("it is {width}x{height} in a stream of {}x{}", layout.width, layout.height));
    }
    frame.resize(width, height);
    decoder.decode_into(&mut frame.pixels).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel_format::{FORMAT_NAMES, Matrix, YuvEncoding};

    #[test]
    fn every_format_that_may_be_named_is_read() {
        for name in FORMAT_NAMES {
            assert!(
                PixelFormat::from_name(name).is_some() && PixelFormat::from_name(&name.to_lowercase()).is_some(),
                "{name}"
            );
        }
        assert_eq!(PixelFormat::from_name("H264"), None);
    }

    /// A picture as the encoder writes it, and without its Huffman tables, as a camera does.
    fn camera_jpeg() -> (Vec<u8>, Vec<u8>) {
        let mut picture = Frame::new(64, 48);
        picture.pixels.iter_mut().enumerate().for_each(|(i, value)| *value = (i * i / 400) as u8);
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
        from_jpeg(&whole, &layout(64, 48, [0; 3]), &mut Vec::new(), &mut expected).unwrap();
        // Before a marker fill bytes, which are allowed; behind the end, padding.
        let strange = [&bare[..2], &[0xFF, 0xFF][..], &bare[2..], &[0; 99]].concat();
        for sent in [bare, strange] {
            from_jpeg(&sent, &layout(64, 48, [0; 3]), &mut Vec::new(), &mut frame).unwrap();
            assert_eq!((frame.width, frame.height), (64, 48));
            assert!(frame.pixels == expected.pixels, "the pictures differ");
        }
    }

    #[test]
    fn a_torn_jpeg_and_one_of_another_size_are_refused() {
        let (whole, bare) = camera_jpeg();
        let read = |sent: &[u8], width, height| {
            from_jpeg(sent, &layout(width, height, [0; 3]), &mut Vec::new(), &mut Frame::new(0, 0))
        };
        for sent in [&whole, &bare] {
            for length in [sent.len() / 2, sent.len() - 3] {
                assert!(read(&sent[..length], 64, 48).unwrap_err().contains("torn"), "{length} bytes");
            }
            assert_eq!(read(sent, 60, 45), Ok(()), "rounded up to blocks");
            assert_eq!(read(sent, 320, 240).unwrap_err(), "it is 64x48 in a stream of 320x240");
        }
    }

    const PLAIN: YuvEncoding = YuvEncoding { matrix: Matrix::Bt601, is_full_range: false };

    fn layout(width: usize, height: usize, strides: [usize; 3]) -> Layout {
        Layout { width, height, strides, encoding: PLAIN }
    }

    /// A picture of one colour in each format, with padded rows: BT.601, 16 to 235, from the standard's own formulas.
    fn red(pixels: PixelFormat, width: usize, height: usize) -> (Vec<Vec<u8>>, [usize; 3]) {
        let (y, u, v) = (81, 90, 240);
        let rows = |row: Vec<u8>, count: usize| [row, vec![0xEE; 2]].concat().repeat(count);
        let half = width.div_ceil(2);
        match pixels {
            PixelFormat::Jpeg => panic!("is tested apart"),
            PixelFormat::Yuyv => (vec![rows([y, u, y, v].repeat(half), height)], [4 * half + 2, 0, 0]),
            PixelFormat::Uyvy => (vec![rows([u, y, v, y].repeat(half), height)], [4 * half + 2, 0, 0]),
            PixelFormat::Nv12 => {
                let planes = vec![rows(vec![y; width], height), rows([u, v].repeat(half), height.div_ceil(2))];
                (planes, [width + 2, 2 * half + 2, 0])
            }
            PixelFormat::Yu12 => {
                let chroma = |value| rows(vec![value; half], height.div_ceil(2));
                (vec![rows(vec![y; width], height), chroma(u), chroma(v)], [width + 2, half + 2, half + 2])
            }
            PixelFormat::Yuv444 => ([y, u, v].map(|value| rows(vec![value; width], height)).into(), [width + 2; 3]),
            PixelFormat::Rgb => (vec![rows([255, 0, 0].repeat(width), height)], [3 * width + 2, 0, 0]),
            PixelFormat::Bgr => (vec![rows([0, 0, 255].repeat(width), height)], [3 * width + 2, 0, 0]),
            PixelFormat::Grey => (vec![rows(vec![y; width], height)], [width + 2, 0, 0]),
        }
    }

    fn planes(own: &[Vec<u8>]) -> [&[u8]; 3] {
        std::array::from_fn(|i| own.get(i).map_or(&[][..], Vec::as_slice))
    }

    const RAW: [PixelFormat; 8] = {
        use PixelFormat::*;
        [Yuyv, Uyvy, Nv12, Yu12, Yuv444, Rgb, Bgr, Grey]
    };

    #[test]
    fn every_format_keeps_its_colours_and_leaves_out_the_padding() {
        for (pixels, (width, height)) in RAW.into_iter().flat_map(|p| [(p, (6, 4)), (p, (34, 3)), (p, (7, 5))]) {
            let (own, strides) = red(pixels, width, height);
            let layout = layout(width, height, strides);
            // Some drivers leave out what pads the last row.
            let last_bare: Vec<Vec<u8>> = own.iter().map(|plane| plane[..plane.len() - 2].to_vec()).collect();
            for sent in [&own, &last_bare] {
                let mut frame = Frame::new(0, 0);
                let converted = Converter::default().convert(pixels, &planes(sent), &layout, &mut frame);
                converted.unwrap_or_else(|e| panic!("{pixels:?} {width}x{height}: {e}"));
                assert_eq!((frame.width, frame.height), (width, height));
                let wrong = |pixel: &&[u8]| match pixels {
                    PixelFormat::Grey => pixel.iter().any(|v| v.abs_diff(76) > 1),
                    _ => pixel[0] <= 250 || pixel[1] >= 5 || pixel[2] >= 5,
                };
                assert_eq!(frame.pixels.chunks(3).find(wrong), None, "{pixels:?} {width}x{height}");
            }
            let short: Vec<Vec<u8>> = own.iter().map(|plane| plane[..plane.len() / 2].to_vec()).collect();
            let refused = Converter::default().convert(pixels, &planes(&short), &layout, &mut Frame::new(0, 0));
            assert!(refused.unwrap_err().contains("bytes instead of"), "{pixels:?}");
        }
    }

    #[test]
    fn planes_may_follow_each_other_in_one_memory() {
        for (pixels, stride) in [(PixelFormat::Nv12, 8), (PixelFormat::Yu12, 8)] {
            let mut own = vec![81; 8 * 4];
            match pixels {
                PixelFormat::Nv12 => own.extend([90, 240].repeat(4 * 2)),
                _ => own.extend([vec![90; 4 * 2], vec![240; 4 * 2]].concat()),
            }
            let mut frame = Frame::new(0, 0);
            let layout = layout(8, 4, [stride, 0, 0]);
            Converter::default().convert(pixels, &planes(&[own]), &layout, &mut frame).unwrap();
            for pixel in frame.pixels.chunks(3) {
                assert!(pixel[0] > 250 && pixel[1] < 5 && pixel[2] < 5, "{pixels:?}: {pixel:?}");
            }
        }
    }

    #[test]
    fn full_and_limited_range_and_the_matrix_are_told_apart() {
        let white = |encoding: YuvEncoding, y: u8| {
            let mut frame = Frame::new(0, 0);
            let layout = Layout { encoding, ..layout(2, 2, [4, 0, 0]) };
            Converter::default()
                .convert(PixelFormat::Yuyv, &planes(&[[y, 128].repeat(4)]), &layout, &mut frame)
                .unwrap();
            frame.pixels[0]
        };
        assert_eq!((white(PLAIN, 235), white(YuvEncoding { is_full_range: true, ..PLAIN }, 235)), (255, 235));
        let green = |matrix| {
            let mut frame = Frame::new(0, 0);
            let layout = Layout { encoding: YuvEncoding { matrix, ..PLAIN }, ..layout(2, 1, [4, 0, 0]) };
            Converter::default()
                .convert(PixelFormat::Yuyv, &planes(&[vec![81, 90, 81, 240]]), &layout, &mut frame)
                .unwrap();
            frame.pixels[1]
        };
        assert!(green(Matrix::Bt709) > green(Matrix::Bt601) + 15);
    }

    proptest::proptest! {
        #[test]
        fn no_sizes_and_strides_of_a_driver_break_the_reader(
            which in 0usize..8, width in 0usize..40, height in 0usize..40,
            strides: [u32; 3], small in proptest::array::uniform3(0usize..200), lengths in proptest::array::uniform3(0usize..6000),
            is_small: bool,
        ) {
            let bytes = vec![77; 6000];
            let planes = lengths.map(|length| &bytes[..length]);
            let strides = if is_small { small } else { strides.map(|s| s as usize) };
            let mut frame = Frame::new(0, 0);
            let _ = Converter::default().convert(RAW[which], &planes, &layout(width, height, strides), &mut frame);
        }

        #[test]
        fn no_bytes_from_a_camera_break_the_reader(bytes: Vec<u8>, at in 0usize..2000, value: u8) {
            let mut frame = Frame::new(0, 0);
            let layout = layout(64, 48, [0; 3]);
            let _ = from_jpeg(&bytes, &layout, &mut Vec::new(), &mut frame);
            let mut spoilt = camera_jpeg().1;
            let length = spoilt.len();
            spoilt[at % length] = value;
            let _ = from_jpeg(&spoilt, &layout, &mut Vec::new(), &mut frame);
        }
    }
}
