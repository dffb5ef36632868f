//! From interleaved bytes to planar floats.

use super::Picture;
use crate::frame::Frame;

/// Fills `picture` with `frame`: values 0..255 become 0..1. It takes on the frame's size.
pub fn from_frame(frame: &Frame, picture: &mut Picture) {
    picture.resize(frame.width, frame.height);
    let width = frame.width;
    if width == 0 {
        return;
    }
    let plane = width * frame.height;
    let (red, rest) = picture.data.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    let rows = frame.pixels.chunks_exact(3 * width);
    let planes = red.chunks_exact_mut(width).zip(green.chunks_exact_mut(width)).zip(blue.chunks_exact_mut(width));
    for (row, ((red, green), blue)) in rows.zip(planes) {
        for (((rgb, r), g), b) in row.chunks_exact(3).zip(&mut *red).zip(&mut *green).zip(&mut *blue) {
            *r = f32::from(rgb[0]) * (1.0 / 255.0);
            *g = f32::from(rgb[1]) * (1.0 / 255.0);
            *b = f32::from(rgb[2]) * (1.0 / 255.0);
        }
    }
}
