//! Box blur: means over squares.

/// Box blur in place, over squares of side 2 · `radius` + 1 pixels; at an edge, over the part of the square that lies inside.
#[derive(Debug, Default)]
pub struct BoxBlur {
    rows: Vec<f32>,
    sums: Vec<f32>,
}

impl BoxBlur {
    /// Blurs `plane`, `width · height` values.
    pub fn blur(&mut self, plane: &mut [f32], width: usize, height: usize, radius: usize) {
        self.rows.resize(plane.len(), 0.0);
        let rows = plane.chunks_exact(ROWS_AT_ONCE * width).zip(self.rows.chunks_exact_mut(ROWS_AT_ONCE * width));
        let left = plane.len() / width % ROWS_AT_ONCE;
        rows.for_each(|(from, to)| blur_rows::<ROWS_AT_ONCE>(from, to, radius));
        let rest = plane.len() - left * width;
        let rows = plane[rest..].chunks_exact(width).zip(self.rows[rest..].chunks_exact_mut(width));
        rows.for_each(|(from, to)| blur_rows::<1>(from, to, radius));
        self.sums.clear();
        self.sums.resize(width, 0.0);
        let row = |y: usize| y * width..(y + 1) * width;
        for y in 0..radius.min(height) {
            add_scaled(&mut self.sums, &self.rows[row(y)], 1.0);
        }
        for y in 0..height {
            if y + radius < height {
                add_scaled(&mut self.sums, &self.rows[row(y + radius)], 1.0);
            }
            if y > radius {
                add_scaled(&mut self.sums, &self.rows[row(y - radius - 1)], -1.0);
            }
            let count = (y + radius).min(height - 1) + 1 - y.saturating_sub(radius);
            let part = 1.0 / count as f32;
            for (to, sum) in plane[row(y)].iter_mut().zip(&self.sums) {
                *to = sum * part;
            }
        }
    }
}

/// Rows whose running sums are computed together: each addition of a single one waits for the last.
const ROWS_AT_ONCE: usize = 4;

/// Blurs each of `N` rows along itself.
fn blur_rows<const N: usize>(from: &[f32], to: &mut [f32], radius: usize) {
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

fn add_scaled(sums: &mut [f32], row: &[f32], sign: f32) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += sign * value;
    }
}
