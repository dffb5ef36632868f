//! Reading a picture file, no larger than it is needed.

use std::path::Path;

use super::SourceError;
use crate::frame::Frame;
use crate::picture_file;
use crate::pixel::Scaler;

/// Reads `path`, shrunk so far that it still covers `width`×`height` twice over. True where its end is missing.
pub fn read(path: &Path, width: usize, height: usize) -> Result<(Frame, bool), SourceError> {
    let refuse = |e: picture_file::PictureError| SourceError::Picture { path: path.to_owned(), reason: e.to_string() };
    let (mut picture, is_torn) = picture_file::read(path).map_err(refuse)?;
    let shrink = (2.0 * width as f64 / picture.width as f64).max(2.0 * height as f64 / picture.height as f64);
    if shrink < 1.0 {
        picture = resized(&picture, shrink);
    }
    Ok((picture, is_torn))
}

fn resized(picture: &Frame, by: f64) -> Frame {
    let scaled = |n: usize| ((n as f64 * by).ceil() as usize).max(1);
    let mut smaller = Frame::new(scaled(picture.width), scaled(picture.height));
    Scaler::default().fill(picture, &mut smaller);
    smaller
}
