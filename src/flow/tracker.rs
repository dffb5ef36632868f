//! From one camera picture to the next: what moved where, what was hidden or is new, and whether the light changed.
//!
//! Most constants are those of the sketch in which they were found (see ARCHITECTURE.md, "The difference is carried").

use super::block_means::BlockMeans;
use super::{BoxBlur, FlowField, InverseSearch, Luma, Pyramid, SampleRow};

/// Flows shorter than this many pixels are none: the residual of noise would crawl over ground that stands still.
const DEAD_ZONE: f32 = 0.15;
/// From the end of the dead zone until a flow counts in full, pixels.
const RAMP: f32 = 0.25;
/// Error of the round trip there and back that is still no sign of hiding: a share of the flows' squared length, and a square
/// in pixels.
const ROUND_TRIP_SHARE: f32 = 0.015;
const ROUND_TRIP: f32 = 0.5;
/// Difference to the picture carried along that is still likeness, levels of 255, and how many more leave 1/e of the trust. (Twice the sketch's, and the round
/// trip's half as much again: limbs that swing lost their dream, though their flow was right.)
const LIKE: f32 = 30.0;
const UNLIKE: f32 = 40.0;
/// Trust below the first is none, above the second it is full: a little doubt at each of thirty pictures a second would soon leave nothing.
const DOUBT: (f32, f32) = (0.15, 0.5);
/// A change of light less than this share is none.
const SAME_LIGHT: f32 = 0.02;
/// Radii of means: what a slow change of light is taken out over, and what noise is taken out over; pixels.
const SLOW: usize = 12;
const FINE: usize = 2;
/// How much better than standing still a flow must explain the picture to count in full, levels of 255 in the mean about a pixel: on a bare wall the
/// search finds what it likes, and explains so much of the noise.
const BETTER: f32 = 0.4;
const AROUND: usize = 6;
const NOISE_GAIN: f32 = 0.45;
/// So it does in the middle of a plain coat that moves, but there seams tell: where so large a share of what lies about, so many pixels far, explains
/// more than noise, noise is not asked for.
const NEAR: usize = 16;
const ENOUGH: f32 = 0.1;
/// How many times the noise must be left where something moves, a little and for certain; the least there is taken to be, levels of 255; and one in how
/// many pixels tells.
const NOISE: (f32, f32) = (1.35, 1.9);
const LEAST_NOISE: f32 = 0.5;
const SAMPLED: usize = 13;
/// Beyond so many pixels it needs less of a reason, beyond twice as many none.
const FAR: f32 = 3.0;
/// What flows farther than this has moved, pixels.
const MOVED: f32 = 0.5;
/// What has moved differs by so many levels where it was: noise does not keep a mirror awake.
const STIRS: f32 = 8.0;
/// And what differs by so many wherever it may have come from is new.
const STRANGE: f32 = 35.0;

/// Follows the camera.
#[derive(Debug, Default)]
pub struct Tracker {
    search: InverseSearch,
    now: Pyramid,
    before: Pyramid,
    relit: Luma,
    backward: FlowField,
    forward: FlowField,
    confidence: Vec<f32>,
    /// What is left between the pictures: moved along, and as they stand.
    off: Vec<f32>,
    off_still: Vec<f32>,
    slow: Vec<f32>,
    /// Light and way forth together, and those that a row comes from.
    joined: Vec<[f32; 4]>,
    row: Vec<[f32; 4]>,
    samples: SampleRow,
    residuals: Vec<f32>,
    blur: BoxBlur,
    /// How much about a place moves for certain.
    sure: Vec<f32>,
    means: BlockMeans,
    movement: f32,
}

impl Tracker {
    /// Looks at the next picture. Of the first all is new; one of another size cannot be compared, and is taken for what was there before.
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
        if (light - 1.0).abs() > SAME_LIGHT {
            relight(before, light, &mut self.relit);
            self.before.build(&self.relit);
        }
        self.search.flow(&self.now, &self.before, &mut self.backward);
        self.search.flow(&self.before, &self.now, &mut self.forward);
        self.compare();
        self.judge();
    }

    /// Nothing of what was seen before is there any more.
    pub fn reset(&mut self) {
        let (width, height) = (self.now.luma().width, self.now.luma().height);
        self.backward.resize(width, height);
        self.backward.x.fill(0.0);
        self.backward.y.fill(0.0);
        self.confidence.clear();
        self.confidence.resize(width * height, 0.0);
        self.movement = 1.0;
    }

    /// For each pixel of the newest picture, where it lies in the one before.
    pub fn backward(&self) -> &FlowField {
        &self.backward
    }

    /// Of each pixel, how far that is to be believed: 0 where it was hidden, or is new, 1 where it was seen.
    pub fn confidence(&self) -> &[f32] {
        &self.confidence
    }

    /// The share of the picture that moved or is new, 0 to 1.
    pub fn movement(&self) -> f32 {
        self.movement
    }

    /// The newest picture.
    pub fn luma(&self) -> &Luma {
        self.now.luma()
    }

    /// Works out the trust in the round trip there and back, and what is left between the pictures.
    fn compare(&mut self) {
        let (now, before) = (self.now.luma(), self.before.luma());
        let (width, height) = (now.width, now.height);
        for list in [&mut self.confidence, &mut self.off, &mut self.off_still] {
            list.resize(width * height, 0.0);
        }
        self.joined.clear();
        let ways = before.pixels.iter().zip(&self.forward.x).zip(&self.forward.y);
        self.joined.extend(ways.map(|((light, x), y)| [f32::from(*light), *x, *y, 0.0]));
        self.row.resize(width, [0.0; 4]);
        let reach = (-1.0..=width as f32, -1.0..=height as f32);
        for y in 0..height {
            let row = y * width..(y + 1) * width;
            let (dx, dy) = (&self.backward.x[row.clone()], &self.backward.y[row.clone()]);
            self.samples.locate(dx, dy, y, (width, height));
            self.samples.sample(&self.joined, width, &mut self.row);
            let light = now.pixels[row.clone()].iter().zip(&before.pixels[row.clone()]);
            let off = self.off[row.clone()].iter_mut().zip(&mut self.off_still[row.clone()]);
            for ((off, off_still), ((now, before), there)) in off.zip(light.zip(&self.row)) {
                let now = f32::from(*now);
                (*off, *off_still) = (there[0] - now, f32::from(*before) - now);
            }
            for (x, (seen, (there, (dx, dy)))) in
                self.confidence[row].iter_mut().zip(self.row.iter().zip(dx.iter().zip(dy))).enumerate()
            {
                let error = (dx + there[1]).powi(2) + (dy + there[2]).powi(2);
                let length = dx * dx + dy * dy + there[1] * there[1] + there[2] * there[2];
                let off_trip = (error - ROUND_TRIP_SHARE * length - ROUND_TRIP).max(0.0);
                let is_inside = reach.0.contains(&(x as f32 + dx)) && reach.1.contains(&(y as f32 + dy));
                *seen = if is_inside { if off_trip > 0.0 { (-off_trip).exp() } else { 1.0 } } else { 0.0 };
            }
        }
        for off in [&mut self.off, &mut self.off_still] {
            self.slow.clear();
            self.slow.extend_from_slice(off);
            // Twice is nearly a Gaussian.
            self.blur.blur(&mut self.slow, width, height, SLOW);
            self.blur.blur(&mut self.slow, width, height, SLOW);
            for (off, slow) in off.iter_mut().zip(&self.slow) {
                *off = (*off - slow).abs();
            }
            self.blur.blur(off, width, height, FINE);
        }
    }

    /// Sets flows to nothing that are small, or explain the picture no better than standing still does; trusts little what is unlike
    /// the picture before.
    fn judge(&mut self) {
        let (width, height) = (self.now.luma().width, self.now.luma().height);
        self.slow.clear();
        self.slow.extend(self.off_still.iter().zip(&self.off).map(|(still, off)| still - off));
        self.blur.blur(&mut self.slow, width, height, AROUND);
        let noise = self.noise();
        let beyond_noise = |gain: f32| (gain - NOISE_GAIN * noise) / BETTER;
        self.sure.clear();
        let flows = self.slow.iter().zip(&self.backward.x).zip(&self.backward.y);
        let sure = flows.map(|((gain, x), y)| counts_of(x.hypot(*y)) * beyond_noise(*gain).clamp(0.0, 1.0));
        self.sure.extend(sure);
        self.blur.blur(&mut self.sure, width, height, NEAR);
        let mut moved = 0.0;
        for (at, seen) in self.confidence.iter_mut().enumerate() {
            let (dx, dy) = (self.backward.x[at], self.backward.y[at]);
            let (length, gain) = ((dx * dx + dy * dy).sqrt(), self.slow[at]);
            let is_far = ((length - FAR) / FAR).clamp(0.0, 1.0);
            let explains = beyond_noise(gain).max((gain / BETTER).min(self.sure[at] / ENOUGH));
            let counts = counts_of(length) * explains.clamp(is_far, 1.0);
            (self.backward.x[at], self.backward.y[at]) = (dx * counts, dy * counts);
            // Where there is no more than noise nothing is seen to move.
            let stands_out = (self.off_still[at] / noise - NOISE.0) / (NOISE.1 - NOISE.0);
            let counts = counts * stands_out.clamp(is_far, 1.0);
            // What stands still is judged as it stands.
            let off = self.off_still[at] + (self.off[at] - self.off_still[at]) * counts;
            *seen = 1.0 + (*seen - 1.0) * counts;
            if off > LIKE {
                *seen *= (-(off - LIKE) / UNLIKE).exp();
            }
            *seen = ((*seen - DOUBT.0) / (DOUBT.1 - DOUBT.0)).clamp(0.0, 1.0);
            let stirs = length * counts > MOVED && self.off_still[at] > STIRS;
            moved += if stirs || off > STRANGE || *seen < 0.5 { 1.0 } else { 0.0 };
        }
        self.movement = moved / self.confidence.len().max(1) as f32;
    }
}

/// How much a flow of so many pixels counts by its length, 0 to 1.
fn counts_of(length: f32) -> f32 {
    ((length - DEAD_ZONE) / RAMP).clamp(0.0, 1.0)
}

impl Tracker {
    /// What noise alone leaves between two pictures, levels of 255: what is left in the quietest fifth.
    fn noise(&mut self) -> f32 {
        self.residuals.clear();
        self.residuals.extend(self.off_still.iter().step_by(SAMPLED));
        let fifth = self.residuals.len() / 5;
        self.residuals.select_nth_unstable_by(fifth, f32::total_cmp).1.max(LEAST_NOISE)
    }
}

fn relight(luma: &Luma, light: f32, relit: &mut Luma) {
    relit.resize(luma.width, luma.height);
    for (to, &from) in relit.pixels.iter_mut().zip(&luma.pixels) {
        *to = (f32::from(from) * light + 0.5) as u8;
    }
}
