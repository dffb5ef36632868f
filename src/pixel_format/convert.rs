//! What cameras send, made into frames.

use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvError, YuvGrayImage, YuvPackedImage, YuvPlanarImage, YuvRange,
    YuvStandardMatrix,
};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::huffman;
use super::v4l2::FourCc;
use crate::frame::Frame;

/// Larger pictures than any camera's are refused before memory is taken for them.
const MAX_SIDE: usize = 8192;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    Jpeg,
    /// 4:2:2, two pixels in four bytes.
    Yuyv,
    Uyvy,
    /// 4:2:0: a plane of Y, and one of U and V in turn; or one of each.
    Nv12,
    Yu12,
    /// 4:4:4: three planes of one size. Programs send it; of cameras none is known to.
    Yuv444,
    Rgb,
    Bgr,
    Grey,
}

/// How a picture lies in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    pub width: usize,
    pub height: usize,
    /// Bytes a row, by plane; 0: the driver does not tell, and rows follow each other. One for all where the planes follow each
    /// other in one memory.
    pub strides: [usize; 3],
    pub colours: Colours,
}

/// What the numbers of YUV pixels mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours {
    pub matrix: Matrix,
    /// 0 to 255 rather than 16 to 235.
    pub is_full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
    Smpte240,
}

impl Pixels {
    /// The format that a person names, in small or large letters, where it is read.
    pub fn named(name: &str) -> Option<Pixels> {
        Pixels::of(FourCc(*name.to_ascii_uppercase().as_bytes().first_chunk().filter(|_| name.len() == 4)?))
    }

    /// The format of this name, where it is read.
    pub fn of(name: FourCc) -> Option<Pixels> {
        Some(match &name.0 {
            b"MJPG" | b"JPEG" => Pixels::Jpeg,
            b"YUYV" => Pixels::Yuyv,
            b"UYVY" => Pixels::Uyvy,
            b"NV12" | b"NM12" => Pixels::Nv12,
            b"YU12" | b"YM12" => Pixels::Yu12,
            b"RGB3" => Pixels::Rgb,
            b"BGR3" => Pixels::Bgr,
            b"GREY" => Pixels::Grey,
            _ => return None,
        })
    }

    /// Bytes a pixel on the way from the camera. Of compressed pictures nobody can tell.
    pub fn bytes(self) -> f64 {
        match self {
            Pixels::Jpeg => 0.5,
            Pixels::Yuyv | Pixels::Uyvy => 2.0,
            Pixels::Nv12 | Pixels::Yu12 => 1.5,
            Pixels::Yuv444 | Pixels::Rgb | Pixels::Bgr => 3.0,
            Pixels::Grey => 1.0,
        }
    }

    /// Work a pixel, to read it and to make the picture smaller, beside that of YUYV: as measured by `cargo bench` on x86_64, rounded.
    pub fn cost(self) -> f64 {
        match self {
            Pixels::Jpeg => 3.3,
            Pixels::Yuyv | Pixels::Uyvy | Pixels::Yuv444 => 1.0,
            Pixels::Nv12 | Pixels::Yu12 => 0.8,
            Pixels::Rgb | Pixels::Bgr | Pixels::Grey => 0.7,
        }
    }
}

impl Layout {
    /// Checks that such pictures can be held.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let Layout { width, height, .. } = *self;
        match (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) {
            true => Ok(()),
            false => Err(format!("sends pictures of {width}x{height}, which cannot be")),
        }
    }
}

impl Colours {
    /// As the crate `yuv` calls it.
    pub(crate) fn range(self) -> YuvRange {
        if self.is_full { YuvRange::Full } else { YuvRange::Limited }
    }

    /// As the crate `yuv` calls it.
    pub(crate) fn matrix(self) -> YuvStandardMatrix {
        match self.matrix {
            Matrix::Bt601 => YuvStandardMatrix::Bt601,
            Matrix::Bt709 => YuvStandardMatrix::Bt709,
            Matrix::Bt2020 => YuvStandardMatrix::Bt2020,
            Matrix::Smpte240 => YuvStandardMatrix::Smpte240,
        }
    }
}

/// Makes frames of what comes; keeps its work buffers.
#[derive(Default)]
pub struct Converter {
    /// A JPEG completed with its Huffman tables.
    whole: Vec<u8>,
    /// Planes completed with what pads their last row.
    padded: [Vec<u8>; 3],
}

impl Converter {
    /// One picture into `frame`, which takes on its size. Planes that a format has and `planes` has not follow each other in
    /// the first.
    ///
    /// # Errors
    /// Fewer bytes than the picture needs, or a JPEG that is none or is torn.
    pub fn convert(
        &mut self,
        pixels: Pixels,
        planes: &[&[u8]; 3],
        layout: &Layout,
        frame: &mut Frame,
    ) -> Result<(), String> {
        if pixels == Pixels::Jpeg {
            return from_jpeg(planes[0], layout, &mut self.whole, frame);
        }
        layout.check()?;
        frame.resize(layout.width, layout.height);
        let (width, height) = (layout.width as u32, layout.height as u32);
        let rgb = &mut frame.pixels[..];
        let (own, range, matrix) = (3 * width, layout.colours.range(), layout.colours.matrix());
        let chroma = layout.height.div_ceil(2);
        let [first, second, third] = &mut self.padded;
        let converted = match pixels {
            // Read above.
            Pixels::Jpeg => Ok(()),
            Pixels::Yuyv | Pixels::Uyvy => {
                // Pixels come in twos.
                let rows = Rows::new(planes[0], layout.strides[0], 4 * layout.width.div_ceil(2), layout.height, first)?;
                let image = YuvPackedImage { yuy: rows.bytes, yuy_stride: rows.stride, width, height };
                match pixels {
                    Pixels::Yuyv => yuv::yuyv422_to_rgb(&image, rgb, own, range, matrix),
                    _ => yuv::uyvy422_to_rgb(&image, rgb, own, range, matrix),
                }
            }
            Pixels::Nv12 => {
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
            Pixels::Yu12 | Pixels::Yuv444 => {
                let (across, down, part) = match pixels {
                    Pixels::Yu12 => (layout.width.div_ceil(2), chroma, 2),
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
                    Pixels::Yu12 => yuv::yuv420_to_rgb(&image, rgb, own, range, matrix),
                    _ => yuv::yuv444_to_rgb(&image, rgb, own, range, matrix),
                }
            }
            Pixels::Grey => {
                let y = Rows::new(planes[0], layout.strides[0], layout.width, layout.height, first)?;
                let image = YuvGrayImage { y_plane: y.bytes, y_stride: y.stride, width, height };
                yuv::yuv400_to_rgb(&image, rgb, own, range, matrix)
            }
            Pixels::Bgr => {
                let rows = Rows::new(planes[0], layout.strides[0], 3 * layout.width, layout.height, first)?;
                yuv::bgr_to_rgb(rows.bytes, rows.stride, rgb, own, width, height)
            }
            Pixels::Rgb => {
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
        // Some drivers leave out what pads the last row; what converts rows passes over one that is not whole.
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

/// Cameras round the size that a JPEG tells up to its blocks, or do not, whatever they say of their mode.
const BLOCK: usize = 16;

/// One picture of Motion JPEG; `whole` is working memory.
///
/// # Errors
/// It is none, is of another size than the mode, or is torn.
fn from_jpeg(bytes: &[u8], layout: &Layout, whole: &mut Vec<u8>, frame: &mut Frame) -> Result<(), String> {
    // Without its end the decoder would paint what is missing grey. Behind it there may be padding.
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
    use crate::source::PIXEL_FORMATS;
    use crate::source::pattern::Pattern;

    #[test]
    fn every_format_that_may_be_named_is_read() {
        for name in PIXEL_FORMATS {
            assert!(Pixels::named(name).is_some() && Pixels::named(&name.to_lowercase()).is_some(), "{name}");
        }
        assert_eq!(Pixels::named("H264"), None);
    }

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

    const PLAIN: Colours = Colours { matrix: Matrix::Bt601, is_full: false };

    fn layout(width: usize, height: usize, strides: [usize; 3]) -> Layout {
        Layout { width, height, strides, colours: PLAIN }
    }

    /// A picture of one colour in each format, with padded rows: BT.601, 16 to 235, from the standard's own formulas.
    fn red(pixels: Pixels, width: usize, height: usize) -> (Vec<Vec<u8>>, [usize; 3]) {
        let (y, u, v) = (81, 90, 240);
        let rows = |row: Vec<u8>, count: usize| [row, vec![0xEE; 2]].concat().repeat(count);
        let half = width.div_ceil(2);
        match pixels {
            Pixels::Jpeg => panic!("is tested apart"),
            Pixels::Yuyv => (vec![rows([y, u, y, v].repeat(half), height)], [4 * half + 2, 0, 0]),
            Pixels::Uyvy => (vec![rows([u, y, v, y].repeat(half), height)], [4 * half + 2, 0, 0]),
            Pixels::Nv12 => {
                let planes = vec![rows(vec![y; width], height), rows([u, v].repeat(half), height.div_ceil(2))];
                (planes, [width + 2, 2 * half + 2, 0])
            }
            Pixels::Yu12 => {
                let chroma = |value| rows(vec![value; half], height.div_ceil(2));
                (vec![rows(vec![y; width], height), chroma(u), chroma(v)], [width + 2, half + 2, half + 2])
            }
            Pixels::Yuv444 => ([y, u, v].map(|value| rows(vec![value; width], height)).into(), [width + 2; 3]),
            Pixels::Rgb => (vec![rows([255, 0, 0].repeat(width), height)], [3 * width + 2, 0, 0]),
            Pixels::Bgr => (vec![rows([0, 0, 255].repeat(width), height)], [3 * width + 2, 0, 0]),
            Pixels::Grey => (vec![rows(vec![y; width], height)], [width + 2, 0, 0]),
        }
    }

    fn planes(own: &[Vec<u8>]) -> [&[u8]; 3] {
        std::array::from_fn(|i| own.get(i).map_or(&[][..], Vec::as_slice))
    }

    const RAW: [Pixels; 8] = {
        use Pixels::*;
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
                    Pixels::Grey => pixel.iter().any(|v| v.abs_diff(76) > 1),
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
        for (pixels, stride) in [(Pixels::Nv12, 8), (Pixels::Yu12, 8)] {
            let mut own = vec![81; 8 * 4];
            match pixels {
                Pixels::Nv12 => own.extend([90, 240].repeat(4 * 2)),
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
        let white = |colours: Colours, y: u8| {
            let mut frame = Frame::new(0, 0);
            let layout = Layout { colours, ..layout(2, 2, [4, 0, 0]) };
            Converter::default().convert(Pixels::Yuyv, &planes(&[[y, 128].repeat(4)]), &layout, &mut frame).unwrap();
            frame.pixels[0]
        };
        assert_eq!((white(PLAIN, 235), white(Colours { is_full: true, ..PLAIN }, 235)), (255, 235));
        let green = |matrix| {
            let mut frame = Frame::new(0, 0);
            let layout = Layout { colours: Colours { matrix, ..PLAIN }, ..layout(2, 1, [4, 0, 0]) };
            Converter::default().convert(Pixels::Yuyv, &planes(&[vec![81, 90, 81, 240]]), &layout, &mut frame).unwrap();
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
