//! Between frames of bytes and pictures of planes.

use super::Picture;
use crate::frame::Frame;

/// Fills `picture` with `frame`, whose size it takes on; flipped left and right where `mirror`.
pub fn from_frame(frame: &Frame, mirror: bool, picture: &mut Picture) {
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
        if mirror {
            red.reverse();
            green.reverse();
            blue.reverse();
        }
    }
}

/// Fills `frame` with `picture`, whose size it takes on: rounded to the nearest byte, clipped to 0..=255.
pub fn to_frame(picture: &Picture, frame: &mut Frame) {
    frame.resize(picture.width, picture.height);
    let plane = picture.width * picture.height;
    let (red, rest) = picture.data.split_at(plane);
    let (green, blue) = rest.split_at(plane);
    // A float-to-integer cast saturates: below 0 is 0, above 255 is 255, not a number is 0.
    let byte = |value: f32| (value * 255.0 + 0.5) as u8;
    for (((rgb, r), g), b) in frame.pixels.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
        rgb[0] = byte(*r);
        rgb[1] = byte(*g);
        rgb[2] = byte(*b);
    }
}
