//! Reading picture files: one decoder with one set of limits, for pictures to dream on and for photos in place of a camera.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::frame::Frame;

/// Extensions of the files that are read, in lower case.
pub const EXTENSIONS: &[&str] = &["jpg", "jpeg", "png", "webp"];
/// Limit on the bytes of a file, and of the picture in it: more than any camera makes. One that claims more is refused before memory is
/// allocated.
const MAX_BYTES: u64 = 1 << 30;
/// What transparent pictures are flattened onto: white, as paper.
const BACKGROUND: u8 = 255;

/// Why a picture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it has more than {most} bytes")]
    TooLarge { most: u64 },
    /// What it is, and what to do.
    #[error("it is {0}")]
    Unsupported(&'static str),
    #[error("{0}")]
    Decode(#[from] ImageError),
}

/// Reads the picture in `path`, rotated as its EXIF orientation says; and whether it is a truncated JPEG, whose lower part is grey.
///
/// # Errors
/// The file cannot be read, is too large, or is no JPEG, PNG or WebP that can be decoded.
pub fn read(path: &Path) -> Result<(Frame, bool), PictureError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(PictureError::TooLarge { most: MAX_BYTES });
    }
    decode(&bytes, MAX_BYTES)
}

/// Whether `bytes` begin as a picture does that [`decode`] takes. By content: extensions are often wrong.
pub fn is_picture(bytes: &[u8]) -> bool {
    format_of(bytes).is_some()
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(bytes).ok()?;
    matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP).then_some(format)
}

/// As [`read`], of a file's `bytes` and a picture of `most` bytes at most.
pub fn decode(bytes: &[u8], most: u64) -> Result<(Frame, bool), PictureError> {
    let format = format_of(bytes).ok_or_else(|| PictureError::Unsupported(describe(bytes)))?;
    let is_truncated = format == ImageFormat::Jpeg && !has_end(bytes);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(most);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    // With transparency, as it may be until it is flattened.
    if decoder.total_bytes().max(u64::from(width) * u64::from(height) * 4) > most {
        return Err(PictureError::TooLarge { most });
    }
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok((flatten(image), is_truncated))
}

/// The colours, transparent ones blended with [`BACKGROUND`]: what a program left in invisible pixels is not shown.
fn flatten(image: DynamicImage) -> Frame {
    let mut frame = Frame::new(0, 0);
    (frame.width, frame.height) = (image.width() as usize, image.height() as usize);
    if !image.color().has_alpha() {
        frame.pixels = image.into_rgb8().into_raw();
        return frame;
    }
    let blend = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + u32::from(BACKGROUND) * (255 - alpha) + 127) / 255) as u8
    };
    let pixels = image.into_rgba8().into_raw();
    let pixels = pixels.as_chunks::<4>().0.iter();
    frame.pixels = pixels.flat_map(|[r, g, b, a]| [blend(*r, *a), blend(*g, *a), blend(*b, *a)]).collect();
    frame
}

/// Whether a JPEG has its end-of-image marker, after the first start of scan. (A thumbnail before that has an end of its own.)
fn has_end(jpeg: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let next = rest.get(2 + length..).unwrap_or_default();
        if marker == START_OF_SCAN {
            return next.windows(2).any(|pair| pair == END_OF_IMAGE);
        }
        rest = next;
    }
    // Segments that are not understood here: the decoder decides.
    true
}

/// What a file of an unsupported format is, and what to do with it.
fn describe(bytes: &[u8]) -> &'static str {
    let begins = |with: &[u8]| bytes.starts_with(with);
    let brand = bytes.get(4..12).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).trim_start().to_ascii_lowercase();
    match brand {
        b"ftypheic" | b"ftypheix" | b"ftypmif1" | b"ftyphevc" => {
            "an HEIC picture, as iPhones make: turn it into a JPEG first (heif-convert, or an export as JPEG)"
        }
        b"ftypavif" => "an AVIF picture: turn it into a JPEG or PNG first",
        _ if bytes.is_empty() => "empty",
        _ if text.starts_with('<') => {
            "a web page or other markup: was it the page that was downloaded, instead of the picture?"
        }
        _ if text.starts_with("version https://git-lfs") => {
            "a pointer of git-lfs: `git lfs pull` brings the picture itself"
        }
        _ if begins(b"GIF8") => "a GIF: turn it into a PNG first; an animated one is a clip, for ffmpeg",
        _ if begins(b"II*\0") || begins(b"MM\0*") => {
            "a TIFF, or a camera's raw picture: turn it into a JPEG or PNG first"
        }
        _ if begins(b"BM") => "a BMP: turn it into a PNG first",
        _ if begins(b"%PDF") => "a PDF: turn its page into a PNG first",
        _ => "no JPEG, PNG or WebP",
    }
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    fn error_of(content: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        read(file.path()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_picture_is_named() {
        for (content, expected) in [
            (b"\0\0\0\x18ftypheic\0\0\0\0".as_slice(), "HEIC"),
            (b"\n<!DOCTYPE html><html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
            (b"", "empty"),
            (b"GIF89a", "GIF"),
            (b"hello", "no JPEG, PNG or WebP"),
        ] {
            assert!(error_of(content).contains(expected), "{expected}: {}", error_of(content));
        }
        assert!(read(Path::new("/nowhere.jpg")).unwrap_err().to_string().contains("No such file"));
    }

    #[test]
    fn transparent_pictures_are_flattened_onto_white() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        // Green that nobody was to see, and red seen by half.
        let picture =
            RgbaImage::from_fn(2, 1, |x, _| if x == 0 { Rgba([0, 255, 0, 0]) } else { Rgba([200, 0, 0, 128]) });
        picture.save(&file).unwrap();
        assert_eq!(read(&file).unwrap().0.pixels, [255, 255, 255, 227, 127, 127]);
    }

    #[test]
    fn a_jpeg_without_its_end_is_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jpg");
        let noise: Vec<u8> = (0..3 * 64 * 64u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        image::save_buffer(&file, &noise, 64, 64, ExtendedColorType::Rgb8).unwrap();
        assert!(!read(&file).unwrap().1);
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, [&whole[..], b"what a phone writes behind"].concat()).unwrap();
        assert!(!read(&file).unwrap().1);
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert!(read(&file).unwrap().1);
    }

    proptest! {
        #[test]
        fn no_bytes_break_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            has_end(&bytes);
            has_end(&[&[0xff, 0xd8, 0xff, 0xe0][..], &bytes].concat());
            describe(&bytes);
        }
    }
}
