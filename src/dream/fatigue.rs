//! Fatigue: local adaptation. The dream decays and changes place by place where the picture has long been still, so that it never freezes.
//!
//! Two slow waves of noise decide where it tires at a moment, each place at a time of its own, about the same share of the picture always; what is new or moves
//! ([`super::gaze`]) does not tire. Where it is tired the dream fades and is not climbed; when it wakes something else grows there, for the weights of the channels swing meanwhile.

use super::gaze::{places, smooth};
use crate::pixel::Picture;

/// Cells of the noise across the longer side of a picture: a cell is about as large as a creature.
const CELLS: f32 = 7.0;
/// Seconds from one draw of the noise to the next, at full fatigue.
const PERIOD: f64 = 4.4;
/// How far the weight of each channel swings about its own, and in how many seconds once, at full fatigue; channels differ by chance.
const SWING: f64 = 0.9;
const SWINGS_IN: (f64, f64) = (11.0, 33.0);
/// The share of the picture that is not tired at all: constant, so that the dream's strength is constant too; and how much more noise than there
/// is all tired. One of so many pixels is sampled for the quantile of that share.
const AWAKE: f32 = 0.5;
const DROWSY: f32 = 0.15;
const SAMPLED: usize = 17;

/// Factor of the effects that reach their full strength at the default `fatigue`, 0 to 1.
pub fn share(fatigue: f64) -> f64 {
    (2.0 * fatigue).min(1.0)
}

/// Begins nothing new where it is `tired`, a field of `size`: takes so much of `gain` away, the more the more it tires (0 to 1).
pub fn spare(gain: &mut Picture, tired: &[f32], size: (usize, usize), fatigue: f64) {
    let share = share(fatigue) as f32;
    if share == 0.0 {
        return;
    }
    let (wide, high) = gain.size();
    for plane in gain.planes_mut() {
        for (y, row) in plane.chunks_exact_mut(wide).enumerate() {
            for (gain, at) in row.iter_mut().zip(places(size, y, (wide, high))) {
                *gain *= 1.0 - share * tired[at];
            }
        }
    }
}

/// Where the dream is tired.
#[derive(Debug)]
pub struct Fatigue {
    seed: u64,
    /// Seconds passed.
    time: f64,
    sample: Vec<f32>,
}

impl Fatigue {
    pub fn new(seed: u64) -> Fatigue {
        Fatigue { seed, time: 0.0, sample: Vec::new() }
    }

    /// Lets time pass, the faster the more it tires (0 to 1).
    pub fn advance(&mut self, seconds: f64, fatigue: f64) {
        self.time += seconds * fatigue;
    }

    /// How tired it is in each pixel of a field of `width` × `height`, 0 to 1.
    pub fn map(&mut self, width: usize, height: usize, tired: &mut Vec<f32>) {
        tired.clear();
        tired.reserve(width * height);
        let scale = CELLS / width.max(height) as f32;
        let time = self.time / PERIOD;
        let (now, part) = (time.floor() as i64, time.fract() as f32);
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32 * scale, y as f32 * scale);
                let value = |t: i64| self.noise(u, v, t);
                tired.push(value(now) + (value(now + 1) - value(now)) * smooth(part));
            }
        }
        self.sample.clear();
        self.sample.extend(tired.iter().step_by(SAMPLED));
        let awake = (self.sample.len() as f32 * AWAKE) as usize;
        if self.sample.is_empty() {
            return;
        }
        let least = *self.sample.select_nth_unstable_by(awake, f32::total_cmp).1;
        tired.iter_mut().for_each(|noise| *noise = smooth((*noise - least) / DROWSY));
    }

    /// Lets the `weights` of channels swing, `part` (0 to 1) of all they can: what grows anew is then something else.
    pub fn swing(&self, weights: &mut [f32], part: f64) {
        let swing = SWING * part;
        let mean = 1.0 + swing * swing / 2.0;
        for (channel, weight) in weights.iter_mut().enumerate() {
            let draw = |kind| f64::from(self.draw(channel as i64, kind, -1));
            let period = SWINGS_IN.0 + (SWINGS_IN.1 - SWINGS_IN.0) * draw(0);
            let turn = (std::f64::consts::TAU * (self.time / period + draw(1))).sin();
            // Squared, so that few channels lead at a time; divided by its mean.
            *weight *= ((1.0 + swing * turn).powi(2) / mean) as f32;
        }
    }

    /// Smooth noise at a place, 0 to 1.
    fn noise(&self, u: f32, v: f32, time: i64) -> f32 {
        let (left, top) = (u.floor(), v.floor());
        let (fu, fv) = (smooth(u - left), smooth(v - top));
        let at = |dx: i64, dy: i64| self.draw(left as i64 + dx, top as i64 + dy, time);
        let above = at(0, 0) + (at(1, 0) - at(0, 0)) * fu;
        let below = at(0, 1) + (at(1, 1) - at(0, 1)) * fu;
        above + (below - above) * fv
    }

    /// A pseudo-random number for a cell at a time, 0 to 1: always the same one. (SplitMix64's finaliser.)
    fn draw(&self, x: i64, y: i64, time: i64) -> f32 {
        let mut bits = self.seed ^ (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (y as u64).rotate_left(24)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 31) ^ (time as u64).rotate_left(47)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 29)) >> 40) as f32 / (1u64 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fatigue: &mut Fatigue) -> Vec<f32> {
        let mut tired = Vec::new();
        fatigue.map(80, 45, &mut tired);
        tired
    }

    #[test]
    fn about_the_same_share_is_tired_always_and_every_place_in_its_time() {
        let mut fatigue = Fatigue::new(7);
        let (mut ever, mut before) = (vec![0.0f32; 80 * 45], map(&mut fatigue));
        for _ in 0..2400 {
            fatigue.advance(0.125, 1.0);
            let now = map(&mut fatigue);
            let share = now.iter().sum::<f32>() / now.len() as f32;
            assert!((0.15..0.5).contains(&share), "{share}");
            let leap = now.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(leap < 0.5, "it leaps by {leap}");
            ever.iter_mut().zip(&now).for_each(|(ever, now)| *ever = ever.max(*now));
            before = now;
        }
        assert!(ever.iter().all(|tired| *tired > 0.5), "a place never tires");
    }

    #[test]
    fn weights_swing_about_their_own_and_seeds_differ() {
        let (mut one, mut other) = ([1.0; 96], [1.0; 96]);
        Fatigue::new(1).swing(&mut one, 1.0);
        Fatigue::new(2).swing(&mut other, 1.0);
        assert_ne!(one, other);
        assert!(one.iter().all(|weight| (0.0..2.6).contains(weight)));
        let mean = one.iter().sum::<f32>() / 96.0;
        assert!((0.8..1.2).contains(&mean), "{mean}");
        let mut still = [0.5; 4];
        Fatigue::new(1).swing(&mut still, 0.0);
        assert_eq!(still, [0.5; 4]);
    }
}
