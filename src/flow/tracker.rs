//! From one camera frame to the next: backward flow, and for each pixel how reliable that is (occluded, disoccluded, unlike), with changes of
//! light compensated.
//!
//! Forward-backward check after Sundaram, Brox and Keutzer (ECCV 2010), whose constants were 0.01 and 0.5. Most other constants are those of
//! the prototype in which they were found (see ARCHITECTURE.md, "The difference is carried").

use super::block_means::BlockMeans;
use super::{BoxBlur, FlowField, InverseSearch, Luma, Pyramid, SampleRow};

/// Flows up to this long are zeroed, pixels: the residual of noise would creep over ground that stands still.
const MIN_FLOW: f32 = 0.15;
/// Beyond [`MIN_FLOW`], over how many pixels more a flow comes to count in full.
const FLOW_RAMP: f32 = 0.25;
/// Forward-backward check: |f + b|² up to this share of |f|² + |b|², plus so many pixels², is consistent. (Half as much again as the prototype's
/// share: limbs that swing lost their dream, though their flow was right.)
const CONSISTENCY_RELATIVE: f32 = 0.015;
const CONSISTENCY_ABSOLUTE: f32 = 0.5;
/// Residual of the warped frame that costs no confidence, levels of 255, and how many more leave 1/e of it. (Twice the prototype's, for the same
/// reason.)
const FREE_RESIDUAL: f32 = 30.0;
const RESIDUAL_SCALE: f32 = 40.0;
/// Confidence up to the first counts as 0, from the second on as 1: a little doubt at each of thirty frames a second would soon leave nothing.
const CONFIDENCE_RANGE: (f32, f32) = (0.15, 0.5);
/// A smaller change of brightness of the whole frame is not compensated; a share.
const MIN_LIGHT_CHANGE: f32 = 0.02;
/// Blur radii, pixels: over which slow changes of light are taken out of the residuals, and over which noise is averaged.
const LIGHT_RADIUS: usize = 12;
const NOISE_RADIUS: usize = 2;
/// By how many levels of 255 a flow must explain the frame better than zero flow to count in full, in the mean over this radius in pixels; and
/// the share of the noise that any flow explains: on a bare wall the search fits noise.
const GAIN_RANGE: f32 = 0.4;
const GAIN_RADIUS: usize = 6;
const NOISE_GAIN: f32 = 0.45;
/// It also fits noise in the middle of a plain coat that moves, but there seams show motion: where so large a share of what lies within this
/// radius, in pixels, explains more than noise, the allowance for noise is dropped.
const MOTION_RADIUS: usize = 16;
const MOTION_SHARE: f32 = 0.1;
/// How many times the noise the residual at zero flow must be where something moves: from where on it begins to count, and fully. The least that
/// noise is taken to be, levels of 255; it is measured at one in so many pixels.
const NOISE_RATIO_RANGE: (f32, f32) = (1.35, 1.9);
const MIN_NOISE: f32 = 0.5;
const NOISE_STRIDE: usize = 13;
/// Beyond so many pixels a flow needs less evidence, beyond twice as many none.
const LARGE_FLOW: f32 = 3.0;
/// A pixel counts as moved where its flow is longer than so many pixels and its residual at zero flow larger than so many levels: noise does
/// not keep a mirror awake.
const MOVED_FLOW: f32 = 0.5;
const MOVED_RESIDUAL: f32 = 8.0;
/// And as new where the residual is larger than so many levels, wherever it may have come from.
const NEW_RESIDUAL: f32 = 35.0;

/// Tracks the camera frame by frame; keeps the last frame and its buffers.
#[derive(Debug, Default)]
pub struct Tracker {
    search: InverseSearch,
    now: Pyramid,
    before: Pyramid,
    relit: Luma,
    backward: FlowField,
    forward: FlowField,
    confidence: Vec<f32>,
    /// Residuals between the frames, levels of 255: after warping by the flow, and at zero flow.
    residual: Vec<f32>,
    still_residual: Vec<f32>,
    smoothed: Vec<f32>,
    /// Luma and forward flow of each pixel, packed so that they are sampled together; and one row of that, sampled.
    packed: Vec<[f32; 4]>,
    row: Vec<[f32; 4]>,
    samples: SampleRow,
    /// Residuals that noise is measured at.
    noise_samples: Vec<f32>,
    blur: BoxBlur,
    /// Share of the pixels around each whose motion is certain.
    certainty: Vec<f32>,
    means: BlockMeans,
    movement: f32,
}

impl Tracker {
    /// Tracks to the next frame. The first counts as all new; one of another size cannot be compared, and counts as unchanged.
    pub fn track(&mut self, luma: &Luma) {
        let (width, height) = (luma.width, luma.height);
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.build(luma);
        let before = self.before.luma();
        if (before.width, before.height) != (width, height) {
            let is_first = before.pixels.is_empty();
            self.reset();
            if !is_first {
                self.confidence.fill(1.0);
                self.movement = 0.0;
            }
            return;
        }
        self.means.read(luma, before);
        if self.means.is_cut() {
            return self.reset();
        }
        let light = self.means.brightness_ratio();
        if (light - 1.0).abs() > MIN_LIGHT_CHANGE {
            relight(before, light, &mut self.relit);
            self.before.build(&self.relit);
        }
        self.search.flow(&self.now, &self.before, &mut self.backward);
        self.search.flow(&self.before, &self.now, &mut self.forward);
        self.check_consistency();
        self.weigh_flow();
    }

    /// Everything is new: zero flow, zero confidence.
    pub fn reset(&mut self) {
        let (width, height) = (self.now.luma().width, self.now.luma().height);
        self.backward.resize(width, height);
        self.backward.x.fill(0.0);
        self.backward.y.fill(0.0);
        self.confidence.clear();
        self.confidence.resize(width * height, 0.0);
        self.movement = 1.0;
    }

    /// Backward flow: for each pixel of the newest frame, where it lies in the one before.
    pub fn backward(&self) -> &FlowField {
        &self.backward
    }

    /// Confidence in the flow of each pixel: 0 where it was occluded in the frame before or is new, 1 where it was visible.
    pub fn confidence(&self) -> &[f32] {
        &self.confidence
    }

    /// The share of the frame that moved or is new, 0 to 1.
    pub fn movement(&self) -> f32 {
        self.movement
    }

    /// The newest frame.
    pub fn luma(&self) -> &Luma {
        self.now.luma()
    }

    /// Forward-backward check, as the first part of the confidence; and the residuals between the frames.
    fn check_consistency(&mut self) {
        let (now, before) = (self.now.luma(), self.before.luma());
        let (width, height) = (now.width, now.height);
        for list in [&mut self.confidence, &mut self.residual, &mut self.still_residual] {
            list.resize(width * height, 0.0);
        }
        self.packed.clear();
        let ways = before.pixels.iter().zip(&self.forward.x).zip(&self.forward.y);
        self.packed.extend(ways.map(|((light, x), y)| [f32::from(*light), *x, *y, 0.0]));
        self.row.resize(width, [0.0; 4]);
        let reach = (-1.0..=width as f32, -1.0..=height as f32);
        for y in 0..height {
            let row = y * width..(y + 1) * width;
            let (dx, dy) = (&self.backward.x[row.clone()], &self.backward.y[row.clone()]);
            self.samples.locate(dx, dy, y, (width, height));
            self.samples.sample(&self.packed, width, &mut self.row);
            let light = now.pixels[row.clone()].iter().zip(&before.pixels[row.clone()]);
            let residual = self.residual[row.clone()].iter_mut().zip(&mut self.still_residual[row.clone()]);
            for ((residual, still_residual), ((now, before), there)) in residual.zip(light.zip(&self.row)) {
                let now = f32::from(*now);
                (*residual, *still_residual) = (there[0] - now, f32::from(*before) - now);
            }
            for (x, (confidence, (there, (dx, dy)))) in
                self.confidence[row].iter_mut().zip(self.row.iter().zip(dx.iter().zip(dy))).enumerate()
            {
                let error = (dx + there[1]).powi(2) + (dy + there[2]).powi(2);
                let length = dx * dx + dy * dy + there[1] * there[1] + there[2] * there[2];
                let excess = (error - CONSISTENCY_RELATIVE * length - CONSISTENCY_ABSOLUTE).max(0.0);
                let is_inside = reach.0.contains(&(x as f32 + dx)) && reach.1.contains(&(y as f32 + dy));
                *confidence = if is_inside { if excess > 0.0 { (-excess).exp() } else { 1.0 } } else { 0.0 };
            }
        }
        for residual in [&mut self.residual, &mut self.still_residual] {
            self.smoothed.clear();
            self.smoothed.extend_from_slice(residual);
            // Two box blurs are nearly a Gaussian.
            self.blur.blur(&mut self.smoothed, width, height, LIGHT_RADIUS);
            self.blur.blur(&mut self.smoothed, width, height, LIGHT_RADIUS);
            for (residual, smoothed) in residual.iter_mut().zip(&self.smoothed) {
                *residual = (*residual - smoothed).abs();
            }
            self.blur.blur(residual, width, height, NOISE_RADIUS);
        }
    }

    /// Zeroes flows that are short, or explain the frame no better than zero flow does; lowers the confidence of what is unlike the frame
    /// before; counts what moved.
    fn weigh_flow(&mut self) {
        let (width, height) = (self.now.luma().width, self.now.luma().height);
        self.smoothed.clear();
        self.smoothed.extend(self.still_residual.iter().zip(&self.residual).map(|(still, residual)| still - residual));
        self.blur.blur(&mut self.smoothed, width, height, GAIN_RADIUS);
        let noise = self.noise_level();
        let beyond_noise = |gain: f32| (gain - NOISE_GAIN * noise) / GAIN_RANGE;
        self.certainty.clear();
        let flows = self.smoothed.iter().zip(&self.backward.x).zip(&self.backward.y);
        let certainty = flows.map(|((gain, x), y)| length_weight(x.hypot(*y)) * beyond_noise(*gain).clamp(0.0, 1.0));
        self.certainty.extend(certainty);
        self.blur.blur(&mut self.certainty, width, height, MOTION_RADIUS);
        let mut moved = 0.0;
        for (at, confidence) in self.confidence.iter_mut().enumerate() {
            let (dx, dy) = (self.backward.x[at], self.backward.y[at]);
            let (length, gain) = ((dx * dx + dy * dy).sqrt(), self.smoothed[at]);
            let largeness = ((length - LARGE_FLOW) / LARGE_FLOW).clamp(0.0, 1.0);
            let evidence = beyond_noise(gain).max((gain / GAIN_RANGE).min(self.certainty[at] / MOTION_SHARE));
            let weight = length_weight(length) * evidence.clamp(largeness, 1.0);
            (self.backward.x[at], self.backward.y[at]) = (dx * weight, dy * weight);
            // A residual of noise alone is no sign of motion.
            let noise_excess =
                (self.still_residual[at] / noise - NOISE_RATIO_RANGE.0) / (NOISE_RATIO_RANGE.1 - NOISE_RATIO_RANGE.0);
            let weight = weight * noise_excess.clamp(largeness, 1.0);
            // The residual at the flow as it is weighted now.
            let residual = self.still_residual[at] + (self.residual[at] - self.still_residual[at]) * weight;
            *confidence = 1.0 + (*confidence - 1.0) * weight;
            if residual > FREE_RESIDUAL {
                *confidence *= (-(residual - FREE_RESIDUAL) / RESIDUAL_SCALE).exp();
            }
            *confidence =
                ((*confidence - CONFIDENCE_RANGE.0) / (CONFIDENCE_RANGE.1 - CONFIDENCE_RANGE.0)).clamp(0.0, 1.0);
            let has_moved = length * weight > MOVED_FLOW && self.still_residual[at] > MOVED_RESIDUAL;
            moved += if has_moved || residual > NEW_RESIDUAL || *confidence < 0.5 { 1.0 } else { 0.0 };
        }
        self.movement = moved / self.confidence.len().max(1) as f32;
    }

    /// Residual that noise alone leaves between two frames, levels of 255: the lowest quintile.
    fn noise_level(&mut self) -> f32 {
        self.noise_samples.clear();
        self.noise_samples.extend(self.still_residual.iter().step_by(NOISE_STRIDE));
        let fifth = self.noise_samples.len() / 5;
        self.noise_samples.select_nth_unstable_by(fifth, f32::total_cmp).1.max(MIN_NOISE)
    }
}

/// Weight of a flow of `length` pixels, 0 to 1.
fn length_weight(length: f32) -> f32 {
    ((length - MIN_FLOW) / FLOW_RAMP).clamp(0.0, 1.0)
}

/// `luma`, `light` times as bright.
fn relight(luma: &Luma, light: f32, relit: &mut Luma) {
    relit.resize(luma.width, luma.height);
    for (to, &from) in relit.pixels.iter_mut().zip(&luma.pixels) {
        *to = (f32::from(from) * light + 0.5) as u8;
    }
}
