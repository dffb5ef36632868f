//! Step boost: a larger gain per place where there is hardly any dream yet (at the start, after a cut, on whoever just came in), on what moves, and on
//! what is stared at.

use super::fatigue;
use super::gaze::Gaze;
use crate::flow::BoxBlur;
use crate::pixel::Picture;

/// How many times more it is climbed, beyond once, where there is nothing yet.
const EMPTY_BOOST: f32 = 8.0;
/// Where the dream differs so much from the camera, of full light, it is climbed as usual.
const FULL_DREAM: f32 = 8.0 / 255.0;
/// Averaged over boxes that reach 1/`BLUR_PART` of the picture's width to each side: as wide as an arm.
const BLUR_PART: usize = 32;
/// How many times more what moves is climbed, beyond once: it loses some of its dream on the way.
const MOTION_BOOST: f32 = 1.0;
/// And what is stared at: fatigue takes as much away.
const GAZE_BOOST: f32 = 2.0;
/// `step` is climbed so many times at most, all in all: a slow board would leap.
const MAX_SCALE: f32 = 6.0;

/// What the boost depends on, besides the pictures.
pub struct BoostInputs {
    /// How many times `step` was climbed.
    pub step_scale: f64,
    /// How much it tires of what it stares at, 0 to 1.
    pub fatigue: f64,
    /// How much of the boost counts, 0 to 1.
    pub share: f64,
}

/// Computes and applies the boost.
#[derive(Debug, Default)]
pub struct StepBoost {
    /// How strong the dream is about each place, then what it is to be climbed beyond once.
    more: Vec<f32>,
    blur: BoxBlur,
}

impl StepBoost {
    /// Takes `climbed` farther from `looked`, the picture that was climbed, where it hardly differs from `camera`, and where `gaze` says that it moves or is
    /// stared at, scaled by `inputs`; all pictures are of one size.
    pub fn apply(
        &mut self,
        climbed: &mut Picture,
        looked: &Picture,
        camera: &Picture,
        gaze: &Gaze,
        inputs: &BoostInputs,
    ) {
        let (width, height) = looked.size();
        self.more.clear();
        self.more.resize(width * height, 0.0);
        for (looked, camera) in looked.planes().zip(camera.planes()) {
            for (strength, (looked, camera)) in self.more.iter_mut().zip(looked.iter().zip(camera)) {
                *strength += (looked - camera).abs() / 3.0;
            }
        }
        self.blur.blur(&mut self.more, width, height, width / BLUR_PART);
        let (share, tires) = (inputs.share as f32, fatigue::share(inputs.fatigue) as f32);
        let most = (MAX_SCALE / (inputs.step_scale as f32).max(f32::MIN_POSITIVE)).max(1.0);
        for (y, row) in self.more.chunks_exact_mut(width).enumerate() {
            for (strength, (moves, stared_at)) in row.iter_mut().zip(gaze.row(y, (width, height))) {
                let tires = tires * stared_at;
                let empty_boost = EMPTY_BOOST * (1.0 - tires) * (1.0 - *strength / FULL_DREAM).max(0.0);
                let times = (1.0 + share * empty_boost) * (1.0 + share * (MOTION_BOOST * moves + GAZE_BOOST * tires));
                *strength = times.min(most) - 1.0;
            }
        }
        for (climbed, looked) in climbed.planes_mut().zip(looked.planes()) {
            for (climbed, (looked, more)) in climbed.iter_mut().zip(looked.iter().zip(&self.more)) {
                *climbed += (*climbed - looked) * more;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::ComposedFlow;

    const SIZE: (usize, usize) = (64, 36);
    const CAMERA: f32 = 100.0;
    const GAIN: f32 = 1.0;

    /// A gaze at a picture that moved by so many pixels a second for so many seconds.
    fn gaze(moved: f32, seconds: usize) -> Gaze {
        let (mut gaze, mut path) = (Gaze::default(), ComposedFlow::default());
        path.reset(SIZE.0, SIZE.1);
        path.field.x.fill(moved);
        (0..seconds).for_each(|_| gaze.look(&path, 1.0));
        gaze
    }

    /// How many times its gain is taken at a place in the left and in the right half, where the dream differs by so many levels of 255.
    fn gains(left: f32, right: f32, gaze: &Gaze, step_scale: f64) -> (f32, f32) {
        let picture = |light: &dyn Fn(usize) -> f32| {
            let mut picture = Picture::new(SIZE.0, SIZE.1);
            picture.data.iter_mut().enumerate().for_each(|(at, value)| *value = light(at % SIZE.0) / 255.0);
            picture
        };
        let dream = |x: usize| CAMERA + if x < SIZE.0 / 2 { left } else { right };
        let (looked, mut climbed) = (picture(&dream), picture(&|x| dream(x) + GAIN));
        let inputs = BoostInputs { step_scale, fatigue: 0.5, share: 1.0 };
        StepBoost::default().apply(&mut climbed, &looked, &picture(&|_| CAMERA), gaze, &inputs);
        let gain = |x: usize| (climbed.data[10 * SIZE.0 + x] * 255.0 - dream(x)) / GAIN;
        (gain(10), gain(54))
    }

    #[test]
    fn where_there_is_nothing_it_is_climbed_most_and_a_full_dream_as_usual() {
        let new = gaze(0.0, 1);
        let (nothing, full) = gains(0.0, 30.0, &new, 0.2);
        assert!((nothing - 9.0).abs() < 0.01 && (full - 1.0).abs() < 0.01, "{nothing}, {full}");
        let (little, dark) = gains(3.0, -6.0, &new, 0.2);
        assert!(little < nothing && dark < little && dark > 1.0, "{little}, {dark}");
    }

    #[test]
    fn what_moves_is_climbed_more_and_what_is_stared_at_is_not_boosted_for_being_empty() {
        let (_, moves) = gains(0.0, 30.0, &gaze(20.0, 1), 0.2);
        assert!((moves - 2.0).abs() < 0.01, "{moves}");
        let (nothing, full) = gains(0.0, 30.0, &gaze(0.0, 60), 0.2);
        assert!((nothing - full).abs() < 0.01 && (full - 3.0).abs() < 0.01, "{nothing}, {full}");
    }

    #[test]
    fn a_board_that_takes_seconds_for_a_dream_does_not_leap() {
        let (nothing, full) = gains(0.0, 30.0, &gaze(0.0, 1), 2.0);
        assert!((nothing - 3.0).abs() < 0.01 && (full - 1.0).abs() < 0.01, "{nothing}, {full}");
    }
}
