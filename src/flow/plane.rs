//! A plane of numbers with a margin around it, so that a patch may lie partly outside.

/// Values beyond each edge. A patch may begin this far outside and still be read whole.
pub(super) const MARGIN: usize = 16;

/// Width of a patch.
pub(super) const PATCH: usize = 8;

/// A row of a patch.
pub(super) type Row = [f32; PATCH];

#[derive(Debug, Clone, Default)]
pub(super) struct Plane {
    pub width: usize,
    pub height: usize,
    pub stride: usize,
    pub data: Vec<f32>,
}

impl Plane {
    pub fn resize(&mut self, width: usize, height: usize) {
        if (self.width, self.height) == (width, height) && !self.data.is_empty() {
            return;
        }
        self.width = width;
        self.height = height;
        self.stride = (width + 2 * MARGIN).next_multiple_of(PATCH);
        self.data.clear();
        self.data.resize(self.stride * (height + 2 * MARGIN), 0.0);
    }

    /// Where the value at (x, y) lies in `data`.
    #[inline(always)]
    pub fn at(&self, x: usize, y: usize) -> usize {
        (y + MARGIN) * self.stride + x + MARGIN
    }

    #[inline(always)]
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let at = self.at(0, y);
        &mut self.data[at..at + self.width]
    }

    /// Fills the margin with the nearest value of the first `width`×`height`.
    pub fn extend_from(&mut self, width: usize, height: usize) {
        for y in 0..height {
            let start = (y + MARGIN) * self.stride;
            let row = &mut self.data[start..start + self.stride];
            let (first, last) = (row[MARGIN], row[MARGIN + width - 1]);
            row[..MARGIN].fill(first);
            row[MARGIN + width..].fill(last);
        }
        let top = MARGIN * self.stride;
        for y in 0..MARGIN {
            self.data.copy_within(top..top + self.stride, y * self.stride);
        }
        let bottom = (MARGIN + height - 1) * self.stride;
        for y in MARGIN + height..self.height + 2 * MARGIN {
            self.data.copy_within(bottom..bottom + self.stride, y * self.stride);
        }
    }

    /// An 8×8 patch whose first value lies at `at` in `data`.
    #[inline(always)]
    pub fn patch(&self, at: usize) -> [Row; PATCH] {
        let mut patch = [[0.0; PATCH]; PATCH];
        for (y, row) in patch.iter_mut().enumerate() {
            let start = at + y * self.stride;
            row.copy_from_slice(&self.data[start..start + PATCH]);
        }
        patch
    }
}
