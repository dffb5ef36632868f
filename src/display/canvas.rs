//! Places a picture on a screen: rotated, mirrored, and cropped or letterboxed to its shape.

use super::{Fit, Rotation, Settings};
use crate::frame::Frame;
use crate::pixel::{self, Scaler, SubImage};
use crate::size::Size;

/// A screen's pixels, four bytes each: blue, green, red, unused (XRGB8888).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// As the screen counts them, however it is mounted.
    pub size: Size,
    pub rotate: Rotation,
    pub mirror: bool,
    pub fit: Fit,
}

impl Canvas {
    /// A canvas of `size`, with pictures placed as `settings` say.
    pub fn new(size: Size, settings: &Settings) -> Canvas {
        Canvas { size, rotate: settings.rotate, mirror: settings.mirror, fit: settings.fit }
    }

    /// An upright one, which pictures fill.
    pub fn plain(size: Size) -> Canvas {
        Canvas { size, rotate: Rotation::None, mirror: false, fit: Fit::Fill }
    }

    /// Its size as a viewer sees it.
    pub fn upright(&self) -> Size {
        upright(self.size, self.rotate)
    }
}

/// `size` after the rotation.
pub fn upright(size: Size, rotate: Rotation) -> Size {
    match rotate.is_sideways() {
        true => Size { width: size.height, height: size.width },
        false => size,
    }
}

/// Draws pictures on canvases; keeps its work buffers.
#[derive(Default)]
pub struct Painter {
    turned: Vec<u8>,
    scaler: Scaler,
}

impl Painter {
    /// Draws all of `canvas` into `to`, four bytes per pixel. Rotates before it scales: the picture is usually the
    /// smaller of the two.
    pub fn paint(&mut self, picture: &Frame, canvas: &Canvas, to: &mut [u8]) {
        let on = canvas.size;
        if picture.pixels.is_empty() || to.is_empty() {
            to.fill(0);
            return;
        }
        let (width, height) = turn(picture, canvas.rotate, canvas.mirror, &mut self.turned);
        match canvas.fit {
            Fit::Fill => {
                let (left, top, wide, high) = pixel::centre_crop((width, height), (on.width, on.height));
                let bytes = &self.turned[4 * (top * width + left)..];
                let from = SubImage { bytes, size: (wide, high), stride: 4 * width };
                self.scaler
                    .resize_rgba(&from, SubImage { bytes: to, size: (on.width, on.height), stride: 4 * on.width });
            }
            Fit::Fit => {
                let (left, top, wide, high) = pixel::centre_crop((on.width, on.height), (width, height));
                if (wide, high) != (on.width, on.height) {
                    to.fill(0);
                }
                let from = SubImage { bytes: &self.turned[..], size: (width, height), stride: 4 * width };
                let bytes = &mut to[4 * (top * on.width + left)..];
                self.scaler.resize_rgba(&from, SubImage { bytes, size: (wide, high), stride: 4 * on.width });
            }
        }
    }
}

/// Writes `picture`, mirrored and then rotated clockwise, into `to`; returns its size there.
fn turn(picture: &Frame, rotate: Rotation, mirror: bool, to: &mut Vec<u8>) -> (usize, usize) {
    let (width, height) = (picture.width, picture.height);
    to.resize(4 * width * height, 0);
    let rows = picture.pixels.chunks_exact(3 * width);
    let words = to.as_chunks_mut::<4>().0;
    for (y, row) in rows.enumerate() {
        // Where the row's first pixel goes, and how far from it the next.
        let (start, step) = match rotate {
            Rotation::None => (y * width, 1),
            Rotation::Half => ((height - 1 - y) * width + width - 1, -1),
            Rotation::Quarter => (height - 1 - y, height as isize),
            Rotation::ThreeQuarters => ((width - 1) * height + y, -(height as isize)),
        };
        // From the other end backwards.
        let (start, step) = match mirror {
            true => (start.wrapping_add_signed(step * (width as isize - 1)), -step),
            false => (start, step),
        };
        let mut at = start;
        for &[r, g, b] in row.as_chunks::<3>().0 {
            words[at] = [b, g, r, 0];
            at = at.wrapping_add_signed(step);
        }
    }
    match rotate.is_sideways() {
        true => (height, width),
        false => (width, height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(width: usize, height: usize) -> Frame {
        let mut random = fastrand::Rng::with_seed((width * 1000 + height) as u64);
        let mut frame = Frame::new(width, height);
        frame.pixels.iter_mut().for_each(|value| *value = random.u8(..));
        frame
    }

    /// What `image`, a library that knows nothing of us, makes of it.
    fn turned_by_image(picture: &Frame, rotate: Rotation, mirror: bool) -> image::RgbImage {
        let image =
            image::RgbImage::from_raw(picture.width as u32, picture.height as u32, picture.pixels.clone()).unwrap();
        let image = if mirror { image::imageops::flip_horizontal(&image) } else { image };
        match rotate {
            Rotation::None => image,
            Rotation::Quarter => image::imageops::rotate90(&image),
            Rotation::Half => image::imageops::rotate180(&image),
            Rotation::ThreeQuarters => image::imageops::rotate270(&image),
        }
    }

    fn words(image: &image::RgbImage) -> Vec<u8> {
        image.pixels().flat_map(|p| [p.0[2], p.0[1], p.0[0], 0]).collect()
    }

    const TURNS: [Rotation; 4] = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

    proptest! {
        #[test]
        fn pictures_are_rotated_as_the_image_crate_rotates_them(w in 1usize..20, h in 1usize..20, turn in 0usize..4, mirror: bool) {
            let (picture, rotate) = (picture(w, h), TURNS[turn]);
            let expected = turned_by_image(&picture, rotate, mirror);
            let size = Size { width: expected.width() as usize, height: expected.height() as usize };
            let mut drawn = vec![9; 4 * w * h];
            let canvas = Canvas { size, rotate, mirror, fit: Fit::Fill };
            Painter::default().paint(&picture, &canvas, &mut drawn);
            prop_assert_eq!(drawn, words(&expected));
        }

        #[test]
        fn any_picture_goes_on_any_canvas(
            w in 1usize..60, h in 1usize..60, width in 1usize..60, height in 1usize..60, turn in 0usize..4, fills: bool,
        ) {
            let mut white = Frame::new(w, h);
            white.pixels.fill(255);
            let fit = if fills { Fit::Fill } else { Fit::Fit };
            let canvas = Canvas { size: Size { width, height }, rotate: TURNS[turn], mirror: false, fit };
            let mut drawn = vec![9; 4 * width * height];
            Painter::default().paint(&white, &canvas, &mut drawn);
            let lit = drawn.chunks(4).filter(|word| word[..3] == [255; 3]).count();
            let dark = drawn.chunks(4).filter(|word| word[..3] == [0; 3]).count();
            prop_assert_eq!(lit + dark, width * height);
            prop_assert!(lit > 0 && (!fills || dark == 0));
        }
    }

    #[test]
    fn a_wide_picture_is_framed_or_cut_on_a_square_screen() {
        let mut picture = Frame::new(4, 2);
        for row in picture.pixels.chunks_mut(12) {
            row.copy_from_slice(&[255, 0, 0, 9, 9, 9, 9, 9, 9, 255, 0, 0]);
        }
        let mut drawn = vec![7; 4 * 4 * 4];
        let square = Size { width: 4, height: 4 };
        Painter::default().paint(&picture, &Canvas { fit: Fit::Fit, ..Canvas::plain(square) }, &mut drawn);
        let rows: Vec<&[u8]> = drawn.chunks(16).collect();
        assert_eq!((rows[0], rows[3]), ([0; 16].as_slice(), [0; 16].as_slice()));
        assert_eq!(rows[1], [0, 0, 255, 0, 9, 9, 9, 0, 9, 9, 9, 0, 0, 0, 255, 0]);
        let mut small = vec![7; 4 * 2 * 2];
        Painter::default().paint(&picture, &Canvas::plain(Size { width: 2, height: 2 }), &mut small);
        assert!(small.chunks(4).all(|word| word == [9, 9, 9, 0]), "{small:?}");
    }
}
