//! Two frames by the means of their blocks: whether there was a cut between them, and whether the light changed.

use super::Luma;

/// Blocks of a frame, across and down.
const BLOCKS_ACROSS: usize = 32;
const BLOCKS_DOWN: usize = 18;
/// Added to both sides of a ratio of brightness, levels of 255: near black the ratio says nothing.
const DARK_OFFSET: f32 = 5.0;
/// It is a cut where the blocks correlate less than this (Pearson), and differ by more than so many levels of 255 in the mean: noise in
/// the dark does not correlate either.
const MIN_CORRELATION: f32 = 0.7;
const MIN_DIFFERENCE: f32 = 6.0;

/// The block means of two frames, levels of 255.
#[derive(Debug, Default)]
pub struct BlockMeans {
    now: Vec<f32>,
    before: Vec<f32>,
    ratios: Vec<f32>,
}

impl BlockMeans {
    /// Computes the block means of two frames of one size.
    pub fn read(&mut self, now: &Luma, before: &Luma) {
        let (across, down) = (BLOCKS_ACROSS.min(now.width), BLOCKS_DOWN.min(now.height));
        for (luma, means) in [(now, &mut self.now), (before, &mut self.before)] {
            means.clear();
            for block in 0..across * down {
                let (column, row) = (block % across, block / across);
                let columns = column * luma.width / across..(column + 1) * luma.width / across;
                let rows = row * luma.height / down..(row + 1) * luma.height / down;
                let count = columns.len() * rows.len();
                let lines = rows.map(|y| &luma.pixels[y * luma.width..][columns.clone()]);
                let sum: u32 = lines.map(|line| line.iter().map(|&value| u32::from(value)).sum::<u32>()).sum();
                means.push(sum as f32 / count.max(1) as f32);
            }
        }
    }

    /// How many times brighter the newer frame is: the median of the blocks' ratios, so that what moves does not count.
    pub fn brightness_ratio(&mut self) -> f32 {
        self.ratios.clear();
        self.ratios.extend(
            self.now.iter().zip(&self.before).map(|(now, before)| (now + DARK_OFFSET) / (before + DARK_OFFSET)),
        );
        self.ratios.sort_unstable_by(f32::total_cmp);
        self.ratios.get(self.ratios.len() / 2).copied().unwrap_or(1.0)
    }

    /// Whether there was a cut: the frames show different things.
    pub fn is_cut(&self) -> bool {
        let count = self.now.len().max(1) as f32;
        let mean = |values: &[f32]| values.iter().sum::<f32>() / count;
        let (now, before) = (mean(&self.now), mean(&self.before));
        let (mut product, mut squares, mut other, mut off) = (0.0, 0.0, 0.0, 0.0);
        for (a, b) in self.now.iter().zip(&self.before) {
            let (a, b) = (a - now, b - before);
            product += a * b;
            squares += a * a;
            other += b * b;
            off += (a - b).abs();
        }
        let correlation = product / (squares * other).sqrt().max(f32::MIN_POSITIVE);
        correlation < MIN_CORRELATION && off / count > MIN_DIFFERENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stripes of a width in pixels, `light` times as bright as usual.
    fn stripes(width: usize, light: f32) -> Luma {
        let mut luma = Luma::new(160, 90);
        for (at, value) in luma.pixels.iter_mut().enumerate() {
            *value = (light * if (at % 160 / width).is_multiple_of(2) { 60.0 } else { 150.0 }) as u8;
        }
        luma
    }

    fn means(now: &Luma, before: &Luma) -> BlockMeans {
        let mut means = BlockMeans::default();
        means.read(now, before);
        means
    }

    #[test]
    fn a_step_of_light_is_measured_and_is_no_cut() {
        let mut means = means(&stripes(20, 1.3), &stripes(20, 1.0));
        assert!((means.brightness_ratio() - 1.3).abs() < 0.05, "{}", means.brightness_ratio());
        assert!(!means.is_cut());
    }

    #[test]
    fn another_picture_is_a_cut_and_noise_in_the_dark_is_not() {
        assert!(means(&stripes(20, 1.0), &stripes(33, 1.0)).is_cut());
        let mut rng = fastrand::Rng::with_seed(1);
        let mut noise = || {
            let mut luma = Luma::new(160, 90);
            luma.pixels.iter_mut().for_each(|value| *value = rng.u8(4..30));
            luma
        };
        assert!(!means(&noise(), &noise()).is_cut());
    }
}
