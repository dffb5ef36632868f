//! Reading a picture file, no larger than it is needed.

use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader};

use super::SourceError;
use crate::frame::Frame;
use crate::pixel::Scaler;

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
        picture = resized(&picture, shrink);
    }
    Ok(picture)
}

fn resized(picture: &Frame, by: f64) -> Frame {
    let scaled = |n: usize| ((n as f64 * by).ceil() as usize).max(1);
    let mut smaller = Frame::new(scaled(picture.width), scaled(picture.height));
    Scaler::default().fill(picture, &mut smaller);
    smaller
}
