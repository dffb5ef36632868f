//! Resizing, with `fast_image_resize`.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::Picture;
use crate::frame::Frame;

/// Resizes pictures and frames; keeps its work buffers between calls.
#[derive(Debug, Default)]
pub struct Scaler {
    resizer: Resizer,
}

// Sharp when enlarging, free of aliasing when reducing: detail is carried between octaves through it.
const FILTER: ResizeAlg = ResizeAlg::Convolution(FilterType::CatmullRom);

impl Scaler {
    /// Resizes `from` into `to`, which keeps its own size.
    pub fn resize(&mut self, from: &Picture, to: &mut Picture) {
        if from.size() == to.size() {
            to.data.copy_from_slice(&from.data);
            return;
        }
        let (from_size, to_size) = (from.size(), to.size());
        let options = ResizeOptions::new().resize_alg(FILTER);
        for (source, target) in from.planes().zip(to.planes_mut()) {
            let source = bytemuck::cast_slice(source);
            let target = bytemuck::cast_slice_mut(target);
            self.run(source, from_size, target, to_size, PixelType::F32, &options);
        }
    }

    /// Fills `to`, which keeps its own size, with the middle of `from`: scaled alike in both directions, what is
    /// too much on two sides cut off.
    pub fn fill(&mut self, from: &Frame, to: &mut Frame) {
        let options = ResizeOptions::new().resize_alg(FILTER).fit_into_destination(Some((0.5, 0.5)));
        let (from_size, to_size) = ((from.width, from.height), (to.width, to.height));
        self.run(&from.pixels, from_size, &mut to.pixels, to_size, PixelType::U8x3, &options);
    }

    fn run(
        &mut self,
        source: &[u8],
        source_size: (usize, usize),
        target: &mut [u8],
        target_size: (usize, usize),
        kind: PixelType,
        options: &ResizeOptions,
    ) {
        if source.is_empty() || target.is_empty() {
            return;
        }
        let source = ImageRef::new(source_size.0 as u32, source_size.1 as u32, source, kind)
            .expect("a picture holds as many values as its size says, and f32 is aligned as f32");
        let mut target = Image::from_slice_u8(target_size.0 as u32, target_size.1 as u32, target, kind)
            .expect("a picture holds as many values as its size says, and f32 is aligned as f32");
        self.resizer
            .resize(&source, &mut target, options)
            .expect("both are of the same kind, and the crop lies within");
    }
}
