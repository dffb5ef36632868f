//! Tone: a picture's brightness and contrast, measured and held.

use super::Picture;

/// Mean and spread (standard deviation) of red, green and blue, on the scale 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    pub mean: [f32; 3],
    pub spread: [f32; 3],
}

impl Tone {
    /// That of an evenly lit room: what a dream without a camera is held to.
    pub const NEUTRAL: Tone = Tone { mean: [0.45; 3], spread: [0.2; 3] };

    /// Smallest spread that is divided by, one level of 255: below it is noise, as of a covered lens.
    const FLAT: f32 = 1.0 / 255.0;

    /// Measures `picture`.
    pub fn of(picture: &Picture) -> Tone {
        let mut tone = Tone { mean: [0.0; 3], spread: [0.0; 3] };
        for (c, plane) in picture.planes().enumerate() {
            let (mut sum, mut squares) = (0.0f64, 0.0f64);
            // Rows are summed in f32, where that is exact enough and fast, and the rows' sums in f64.
            for row in plane.chunks(picture.width) {
                sum += f64::from(row.iter().sum::<f32>());
                squares += f64::from(row.iter().map(|v| v * v).sum::<f32>());
            }
            let mean = sum / plane.len() as f64;
            tone.mean[c] = mean as f32;
            tone.spread[c] = (squares / plane.len() as f64 - mean * mean).max(0.0).sqrt() as f32;
        }
        tone
    }

    /// Interpolates to `other`: 0 this one, 1 the other.
    pub fn toward(&self, other: &Tone, part: f32) -> Tone {
        let mix = |from: [f32; 3], to: [f32; 3]| std::array::from_fn(|c| from[c] + (to[c] - from[c]) * part);
        Tone { mean: mix(self.mean, other.mean), spread: mix(self.spread, other.spread) }
    }

    /// Moves the tone of `picture` toward this one, by `strength`: 0 not at all, 1 all the way.
    ///
    /// A spread from half of this one's on is not raised: a dream may be softer than the camera, and stretching it would amplify noise.
    pub fn hold(&self, picture: &mut Picture, strength: f32) {
        if strength <= 0.0 || picture.data.is_empty() {
            return;
        }
        let now = Tone::of(picture);
        for (c, plane) in picture.planes_mut().enumerate() {
            let wanted = now.spread[c].clamp(0.5 * self.spread[c], self.spread[c].max(Tone::FLAT));
            let gain = 1.0 + (wanted / now.spread[c].max(Tone::FLAT) - 1.0) * strength;
            let (from, to) = (now.mean[c], now.mean[c] + (self.mean[c] - now.mean[c]) * strength);
            for value in plane {
                *value = to + (*value - from) * gain;
            }
        }
    }
}

/// Values this close to black (0) or white (1) are bent away from it by [`soft_clip`].
const KNEE: f32 = 0.06;

/// Soft clipping: bends values below k = [`KNEE`] to k · exp((v − k) / k), which is smooth at the knee and never reaches 0; and those above 1 − k
/// likewise from 1. `part`, 0 to 1, blends from no change to that. Feedback with hard clipping would gather at black and white.
pub fn soft_clip(picture: &mut Picture, part: f32) {
    if part <= 0.0 {
        return;
    }
    let lift = |value: f32| part * (KNEE * ((value - KNEE) / KNEE).exp() - value);
    for value in &mut picture.data {
        if *value < KNEE {
            *value += lift(*value);
        } else if *value > 1.0 - KNEE {
            *value -= lift(1.0 - *value);
        }
    }
}
