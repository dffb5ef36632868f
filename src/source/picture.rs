//! Reading a picture file, no larger than it is needed.

use std::path::Path;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder, ImageReader};

use super::SourceError;
use crate::frame::Frame;

/// Endings of the files that are read.
pub const ENDINGS: &[&str] = &["jpg", "jpeg", "png", "webp"];
/// More pixels than any camera makes: a file that claims them is refused before memory is taken.
const MAX_BYTES: u64 = 1 << 30;

/// Reads `path`, upright as its camera was held, shrunk so far that it still covers `width`×`height` twice over.
pub fn read(path: &Path, width: usize, height: usize) -> Result<Frame, SourceError> {
    let refuse = |reason: String| SourceError::Picture { path: path.to_owned(), reason };
    let decode = || -> image::ImageResult<DynamicImage> {
        let mut reader = ImageReader::open(path)?.with_guessed_format()?;
        let mut limits = image::Limits::default();
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder()?;
        let orientation = decoder.orientation()?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(orientation);
        Ok(image)
    };
    let image = decode().map_err(|e| refuse(e.to_string()))?.into_rgb8();
    let (full_width, full_height) = (image.width(), image.height());
    let mut picture = Frame::new(0, 0);
    picture.width = full_width as usize;
    picture.height = full_height as usize;
    picture.pixels = image.into_raw();
    let shrink = (2.0 * width as f64 / f64::from(full_width)).max(2.0 * height as f64 / f64::from(full_height));
    if shrink < 1.0 {
        picture = resized(&picture, shrink).map_err(|e| refuse(e.to_string()))?;
    }
    Ok(picture)
}

fn resized(picture: &Frame, by: f64) -> Result<Frame, Box<dyn std::error::Error>> {
    let scaled = |n: usize| ((n as f64 * by).ceil() as usize).max(1);
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    let from = ImageRef::new(picture.width as u32, picture.height as u32, &picture.pixels, PixelType::U8x3)?;
    let mut smaller = Frame::new(width, height);
    let mut to = Image::from_slice_u8(width as u32, height as u32, &mut smaller.pixels, PixelType::U8x3)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&from, &mut to, &options)?;
    Ok(smaller)
}
