//! The two memory layouts of the search: planes with a margin, and values of patches in groups of eight.

use std::slice::ChunksExact;

/// Width and height of a patch, in pixels.
pub(super) const PATCH: usize = 8;

/// Pixels in a patch.
pub(super) const PATCH_PIXELS: f32 = (PATCH * PATCH) as f32;

/// Pixels from one patch to the next: half a patch, so that each pixel lies in four.
pub(super) const SPACING: usize = 4;

/// Pixels beyond each edge of a plane, so that a patch may be sampled partly outside without a check for every pixel.
pub(super) const MARGIN: usize = 16;

/// Eight values that are computed together: a row of a patch, or one value of each of eight patches.
pub(super) type F32x8 = [f32; PATCH];

/// The first eight values.
#[inline(always)]
pub(super) fn first8(values: &[f32]) -> &F32x8 {
    values.first_chunk().expect("at least eight values")
}

/// The first eight values, mutable.
#[inline(always)]
pub(super) fn first8_mut(values: &mut [f32]) -> &mut F32x8 {
    values.first_chunk_mut().expect("at least eight values")
}

/// `width` × `height` values with a margin around them.
#[derive(Debug, Clone, Default)]
pub(super) struct Plane {
    pub width: usize,
    pub height: usize,
    /// Values from row to row.
    pub stride: usize,
    pub data: Vec<f32>,
}

impl Plane {
    /// Changes the size. The values are zero afterwards if it was another, and unchanged if not.
    pub fn resize(&mut self, width: usize, height: usize) {
        if (self.width, self.height) == (width, height) {
            return;
        }
        (self.width, self.height) = (width, height);
        self.stride = (width + 2 * MARGIN).next_multiple_of(8);
        self.data.clear();
        self.data.resize(self.stride * (height + 2 * MARGIN), 0.0);
    }

    /// Index of the value at (x, y).
    #[inline(always)]
    pub fn at(&self, x: usize, y: usize) -> usize {
        (y + MARGIN) * self.stride + x + MARGIN
    }

    /// One row, without its margins.
    #[inline(always)]
    pub fn row(&self, y: usize) -> &[f32] {
        let at = self.at(0, y);
        &self.data[at..at + self.width]
    }

    /// One row, without its margins, mutable.
    #[inline(always)]
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let at = self.at(0, y);
        &mut self.data[at..at + self.width]
    }

    /// The eight rows of the patch whose first value has the index `at`. Each chunk is a stride long and begins with the
    /// row: zipped chunks are the one form in which the compiler needs no bounds check for every row.
    #[inline(always)]
    pub fn rows(&self, at: usize) -> ChunksExact<'_, f32> {
        self.data[at..at + PATCH * self.stride].chunks_exact(self.stride)
    }

    /// The position (x, y), clamped so that a patch there lies within the margin.
    #[inline(always)]
    pub fn position(&self, x: f32, y: f32) -> SubpixelPosition {
        // `max` before `min`: so NaN becomes a number, too.
        const BEFORE: f32 = MARGIN as f32 - 4.0;
        let x = x.max(-BEFORE).min(self.width as f32 + 3.0) + MARGIN as f32;
        let y = y.max(-BEFORE).min(self.height as f32 + 3.0) + MARGIN as f32;
        let (column, row) = (x as i32, y as i32);
        SubpixelPosition { at: row as usize * self.stride + column as usize, x: x - column as f32, y: y - row as f32 }
    }

    /// Fills everything outside the first `width` × `height` values with the nearest of them (border replication).
    pub fn replicate_border(&mut self, width: usize, height: usize) {
        for row in self.data.chunks_exact_mut(self.stride).skip(MARGIN).take(height) {
            let (first, last) = (row[MARGIN], row[MARGIN + width - 1]);
            row[..MARGIN].fill(first);
            row[MARGIN + width..].fill(last);
        }
        let (first, last) = (MARGIN * self.stride, (MARGIN + height - 1) * self.stride);
        for y in 0..MARGIN {
            self.data.copy_within(first..first + self.stride, y * self.stride);
        }
        for y in MARGIN + height..self.height + 2 * MARGIN {
            self.data.copy_within(last..last + self.stride, y * self.stride);
        }
    }
}

/// A position between the values of a plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct SubpixelPosition {
    /// Index of the value to the upper left.
    pub at: usize,
    /// How far the position lies to the right of it and below, 0 to 1.
    pub x: f32,
    pub y: f32,
}

/// How the patches of a level are laid out in memory. Rows are padded to a multiple of eight with at least one unused value, and
/// there is an unused row above and below, so that all four neighbours of a patch have an index.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct PatchGrid {
    pub columns: usize,
    pub rows: usize,
    /// Values from row to row.
    pub stride: usize,
}

impl PatchGrid {
    /// For planes of this size: multiples of [`SPACING`], at least [`PATCH`].
    pub fn of(width: usize, height: usize) -> PatchGrid {
        let (columns, rows) = (width / SPACING - 1, height / SPACING - 1);
        PatchGrid { columns, rows, stride: (columns + 1).next_multiple_of(8) }
    }

    /// Values in all, unused ones included.
    pub fn size(&self) -> usize {
        self.stride * (self.rows + 2)
    }

    /// Index of the first patch of a row.
    #[inline(always)]
    pub fn row(&self, row: usize) -> usize {
        (row + 1) * self.stride
    }

    /// The groups of eight patches of a row.
    #[inline(always)]
    pub fn groups(&self, row: usize) -> std::ops::Range<usize> {
        (row + 1) * self.stride / 8..(row + 2) * self.stride / 8
    }
}
