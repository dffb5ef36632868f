//! BlockMeans over squares.

/// BlockMeans over squares of side 2 · `radius` + 1, in place; beyond an edge nothing counts.
#[derive(Debug, Default)]
pub struct BoxBlur {
    rows: Vec<f32>,
    sums: Vec<f32>,
}

impl BoxBlur {
    pub fn blur(&mut self, plane: &mut [f32], width: usize, height: usize, radius: usize) {
        self.rows.resize(plane.len(), 0.0);
        let rows = plane.chunks_exact(ROWS * width).zip(self.rows.chunks_exact_mut(ROWS * width));
        let left = plane.len() / width % ROWS;
        rows.for_each(|(from, to)| means_along::<ROWS>(from, to, radius));
        let rest = plane.len() - left * width;
        let rows = plane[rest..].chunks_exact(width).zip(self.rows[rest..].chunks_exact_mut(width));
        rows.for_each(|(from, to)| means_along::<1>(from, to, radius));
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

/// Rows whose sums run beside one another: a single one waits for itself.
const ROWS: usize = 4;

/// BlockMeans along each of `N` rows.
fn means_along<const N: usize>(from: &[f32], to: &mut [f32], radius: usize) {
    let width = from.len() / N;
    let mut rows = from.chunks_exact(width);
    let rows: [&[f32]; N] = std::array::from_fn(|_| rows.next().unwrap_or_default());
    let mut sums = rows.map(|row| row[..radius.min(width)].iter().sum::<f32>());
    for x in 0..width {
        let count = (x + radius).min(width - 1) + 1 - x.saturating_sub(radius);
        let part = 1.0 / count as f32;
        for (k, (row, sum)) in rows.iter().zip(&mut sums).enumerate() {
            if x + radius < width {
                *sum += row[x + radius];
            }
            if x > radius {
                *sum -= row[x - radius - 1];
            }
            to[k * width + x] = *sum * part;
        }
    }
}

fn add(sums: &mut [f32], row: &[f32], sign: f32) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += sign * value;
    }
}
