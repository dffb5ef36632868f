//! Between the pixels of planes.

/// The four pixels around a place, and how much of each is there.
#[derive(Debug, Clone, Copy)]
pub struct Corners {
    at: [usize; 4],
    part: [f32; 4],
}

impl Corners {
    /// What `plane` holds there.
    #[inline(always)]
    pub fn of(&self, plane: &[f32]) -> f32 {
        (0..4).map(|k| plane[self.at[k]] * self.part[k]).sum()
    }

    /// What a plane of bytes holds there.
    #[inline(always)]
    pub fn of_bytes(&self, plane: &[u8]) -> f32 {
        (0..4).map(|k| f32::from(plane[self.at[k]]) * self.part[k]).sum()
    }
}

/// The pixels around (`x`, `y`) in a plane of `width` × `height`; beyond an edge, those at it.
#[inline(always)]
pub fn bilinear(x: f32, y: f32, width: usize, height: usize) -> Corners {
    let (x, y) = (x.clamp(0.0, (width - 1) as f32), y.clamp(0.0, (height - 1) as f32));
    let (left, top) = (x as usize, y as usize);
    let (fx, fy) = (x - left as f32, y - top as f32);
    let (right, below) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    Corners {
        at: [top * width + left, top * width + right, below * width + left, below * width + right],
        part: [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy],
    }
}

/// Means over squares of side 2 · `radius` + 1, in place; beyond an edge nothing counts.
#[derive(Debug, Default)]
pub struct Blur {
    rows: Vec<f32>,
    sums: Vec<f32>,
}

impl Blur {
    pub fn blur(&mut self, plane: &mut [f32], width: usize, height: usize, radius: usize) {
        self.rows.resize(plane.len(), 0.0);
        for (from, to) in plane.chunks_exact(width).zip(self.rows.chunks_exact_mut(width)) {
            mean_along(from, to, radius);
        }
        self.sums.clear();
        self.sums.resize(width, 0.0);
        let row = |y: usize| y * width..(y + 1) * width;
        for y in 0..radius.min(height) {
            add(&mut self.sums, &self.rows[row(y)], 1.0);
        }
        for y in 0..height {
            if y + radius < height {
                add(&mut self.sums, &self.rows[row(y + radius)], 1.0);
            }
            if y > radius {
                add(&mut self.sums, &self.rows[row(y - radius - 1)], -1.0);
            }
            let count = (y + radius).min(height - 1) + 1 - y.saturating_sub(radius);
            let part = 1.0 / count as f32;
            for (to, sum) in plane[row(y)].iter_mut().zip(&self.sums) {
                *to = sum * part;
            }
        }
    }
}

fn mean_along(from: &[f32], to: &mut [f32], radius: usize) {
    let width = from.len();
    let mut sum: f32 = from[..radius.min(width)].iter().sum();
    for x in 0..width {
        if x + radius < width {
            sum += from[x + radius];
        }
        if x > radius {
            sum -= from[x - radius - 1];
        }
        let count = (x + radius).min(width - 1) + 1 - x.saturating_sub(radius);
        to[x] = sum / count as f32;
    }
}

fn add(sums: &mut [f32], row: &[f32], sign: f32) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += sign * value;
    }
}
