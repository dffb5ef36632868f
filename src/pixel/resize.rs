//! Resizing, with `pic-scale`: its plans hold the filter's weights, so that a pair of sizes used before allocates nothing.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use pic_scale::{BufferStore, ImageSize, ImageStore, ImageStoreMut, PicScaleError, Resampling, ResamplingFunction};

use super::Picture;
use crate::frame::Frame;

/// Pairs of sizes whose plans are kept, the oldest dropped first: those of a still of ten octaves, twice over.
const MAX_PLANS: usize = 40;

impl std::fmt::Debug for Scaler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plans = self.planes.0.len() + self.pixels.0.len() + self.rgba.0.len();
        f.debug_struct("Scaler").field("plans", &plans).finish()
    }
}

/// Resizes pictures and frames; keeps plans and work buffers between calls.
#[derive(Default)]
pub struct Scaler {
    planes: Plans<f32, 1>,
    pixels: Plans<u8, 3>,
    rgba: Plans<u8, 4>,
}

/// A rectangle within an image of four bytes a pixel.
pub struct SubImage<T> {
    /// From the rectangle's first pixel on.
    pub bytes: T,
    /// Width and height, pixels.
    pub size: (usize, usize),
    /// Bytes from row to row.
    pub stride: usize,
}

impl Scaler {
    /// Resizes `from` into `to`, which keeps its own size.
    pub fn resize(&mut self, from: &Picture, to: &mut Picture) {
        if from.size() == to.size() {
            to.data.copy_from_slice(&from.data);
            return;
        }
        let (from_size, to_size) = (from.size(), to.size());
        if from.data.is_empty() || to.data.is_empty() {
            return;
        }
        let plan = self.planes.plan(from_size, to_size, |scaler, from, to| scaler.plan_planar_resampling_f32(from, to));
        for (source, target) in from.planes().zip(to.planes_mut()) {
            plan.run(source, from_size, from_size.0, target, to_size.0);
        }
    }

    /// Fills `to`, which keeps its own size, with the [`centre_crop`] of `from`: scaled alike in both directions.
    pub fn fill(&mut self, from: &Frame, to: &mut Frame) {
        if from.pixels.is_empty() || to.pixels.is_empty() {
            return;
        }
        let (left, top, width, height) = centre_crop((from.width, from.height), (to.width, to.height));
        let to_size = (to.width, to.height);
        let plan = self.pixels.plan((width, height), to_size, |scaler, from, to| scaler.plan_rgb_resampling(from, to));
        let start = 3 * (top * from.width + left);
        plan.run(&from.pixels[start..], (width, height), 3 * from.width, &mut to.pixels, 3 * to_size.0);
    }

    /// Fills `to`, which keeps its own size, with all of `from`, whatever its aspect ratio.
    pub fn stretch(&mut self, from: &Frame, to: &mut Frame) {
        let (from_size, to_size) = ((from.width, from.height), (to.width, to.height));
        if from_size == to_size {
            to.pixels.copy_from_slice(&from.pixels);
            return;
        }
        if from.pixels.is_empty() || to.pixels.is_empty() {
            return;
        }
        let plan = self.pixels.plan(from_size, to_size, |scaler, from, to| scaler.plan_rgb_resampling(from, to));
        plan.run(&from.pixels, from_size, 3 * from_size.0, &mut to.pixels, 3 * to_size.0);
    }

    /// Resizes `from` into `to`.
    pub fn resize_rgba(&mut self, from: &SubImage<&[u8]>, to: SubImage<&mut [u8]>) {
        if from.size == to.size {
            let row = 4 * from.size.0;
            let rows = from.bytes.chunks(from.stride).zip(to.bytes.chunks_mut(to.stride));
            rows.take(from.size.1).for_each(|(from, to)| to[..row].copy_from_slice(&from[..row]));
            return;
        }
        let plan = |scaler: &pic_scale::Scaler, from, to| scaler.plan_rgba_resampling(from, to, false);
        self.rgba.plan(from.size, to.size, plan).run(from.bytes, from.size, from.stride, to.bytes, to.stride);
    }
}

/// The weights by which [`Scaler::resize`] makes a row of `to` pixels out of one of `from`: for each of the new pixels, the weight of each of
/// the old ones.
pub fn resize_weights(from: usize, to: usize) -> Vec<f32> {
    // A picture whose row i holds 1 at pixel i alone; what becomes of it are the columns wanted.
    let mut unit = Picture::new(from, from);
    (0..from).for_each(|i| unit.data[i * from + i] = 1.0);
    let mut columns = Picture::new(to, from);
    Scaler::default().resize(&unit, &mut columns);
    (0..to)
        .flat_map(|new| (0..from).map(move |old| (new, old)))
        .map(|(new, old)| columns.data[old * to + new])
        .collect()
}

/// Left, top, width and height of the largest centred crop of a picture of size `from` that has the aspect ratio of `to`.
pub fn centre_crop(from: (usize, usize), to: (usize, usize)) -> (usize, usize, usize, usize) {
    // One of the two is all of `from`, the other less or all.
    let width = (from.1 * to.0).div_ceil(to.1).clamp(1, from.0);
    let height = (from.0 * to.1).div_ceil(to.0).clamp(1, from.1);
    ((from.0 - width) / 2, (from.1 - height) / 2, width, height)
}

/// The plans for values of one kind, `N` a pixel, the oldest first.
struct Plans<T, const N: usize>(VecDeque<Plan<T, N>>);

/// How one size becomes another, and the work buffer for it.
struct Plan<T, const N: usize> {
    from: (usize, usize),
    to: (usize, usize),
    plan: Arc<Resampling<T, N>>,
    scratch: Vec<T>,
}

impl<T, const N: usize> Default for Plans<T, N> {
    fn default() -> Self {
        Plans(VecDeque::new())
    }
}

impl<T: Copy + Default, const N: usize> Plans<T, N> {
    fn plan(
        &mut self,
        from: (usize, usize),
        to: (usize, usize),
        make: impl Fn(&pic_scale::Scaler, ImageSize, ImageSize) -> Result<Arc<Resampling<T, N>>, PicScaleError>,
    ) -> &mut Plan<T, N> {
        let known = self.0.iter().position(|plan| (plan.from, plan.to) == (from, to));
        let index = known.unwrap_or_else(|| {
            if self.0.len() == MAX_PLANS {
                self.0.pop_front();
            }
            // Sharp when enlarging, free of aliasing when reducing: detail passes between octaves through it.
            let scaler = pic_scale::Scaler::new(ResamplingFunction::CatmullRom);
            let plan = make(&scaler, ImageSize::new(from.0, from.1), ImageSize::new(to.0, to.1))
                .expect("neither size is zero, nor larger than a picture in memory");
            let scratch = vec![T::default(); plan.scratch_size()];
            self.0.push_back(Plan { from, to, plan, scratch });
            self.0.len() - 1
        });
        &mut self.0[index]
    }
}

impl<T: Copy + std::fmt::Debug, const N: usize> Plan<T, N> {
    /// Resamples `source` into `target`; the strides are values from row to row.
    fn run(
        &mut self,
        source: &[T],
        (width, height): (usize, usize),
        stride: usize,
        target: &mut [T],
        target_stride: usize,
    ) {
        let to = self.plan.target_size();
        let source = ImageStore { buffer: Cow::Borrowed(source), channels: N, width, height, stride, bit_depth: 0 };
        let mut target = ImageStoreMut {
            buffer: BufferStore::Borrowed(target),
            channels: N,
            width: to.width,
            height: to.height,
            stride: target_stride,
            bit_depth: 0,
        };
        self.plan
            .resample_with_scratch(&source, &mut target, &mut self.scratch)
            .expect("both hold as many values as their sizes say, and those are the plan's");
    }
}
