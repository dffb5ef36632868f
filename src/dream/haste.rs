//! Where there is hardly any dream it is climbed more: at the start, after a cut, and on whoever just came in.

use crate::flow::Blur;
use crate::pixel::Picture;

/// How many times more it is climbed, beyond once, where there is nothing yet.
const HASTE: f32 = 5.0;
/// Where the dream differs so much from the camera, of full light, it is climbed as usual.
const ENOUGH: f32 = 8.0 / 255.0;
/// That is looked at in squares of so large a part of the picture's width to each side: as wide as somebody's shoulders.
const ABOUT: usize = 16;

/// Tells how much dream there is about each place.
#[derive(Debug, Default)]
pub struct Haste {
    strength: Vec<f32>,
    blur: Blur,
}

impl Haste {
    /// Takes `climbed` farther from `looked`, the picture that was climbed, where that is hardly more than `camera`; all of one size. `share` (0 to
    /// 1) of it counts.
    pub fn hasten(&mut self, climbed: &mut Picture, looked: &Picture, camera: &Picture, share: f32) {
        let (width, height) = looked.size();
        self.strength.clear();
        self.strength.resize(width * height, 0.0);
        for (looked, camera) in looked.planes().zip(camera.planes()) {
            for (strength, (looked, camera)) in self.strength.iter_mut().zip(looked.iter().zip(camera)) {
                *strength += (looked - camera).abs() / 3.0;
            }
        }
        self.blur.blur(&mut self.strength, width, height, width / ABOUT);
        for (climbed, looked) in climbed.planes_mut().zip(looked.planes()) {
            for (climbed, (looked, strength)) in climbed.iter_mut().zip(looked.iter().zip(&self.strength)) {
                *climbed += (*climbed - looked) * share * HASTE * (1.0 - strength / ENOUGH).max(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (64, 36);
    const CAMERA: f32 = 100.0;
    const GAIN: f32 = 1.0;

    /// How many times its gain is taken at a place in the left and in the right half, where the dream differs by so many levels of 255.
    fn gains(left: f32, right: f32) -> (f32, f32) {
        let picture = |light: &dyn Fn(usize) -> f32| {
            let mut picture = Picture::new(SIZE.0, SIZE.1);
            picture.data.iter_mut().enumerate().for_each(|(at, value)| *value = light(at % SIZE.0) / 255.0);
            picture
        };
        let dream = |x: usize| CAMERA + if x < SIZE.0 / 2 { left } else { right };
        let (looked, mut climbed) = (picture(&dream), picture(&|x| dream(x) + GAIN));
        Haste::default().hasten(&mut climbed, &looked, &picture(&|_| CAMERA), 1.0);
        let gain = |x: usize| (climbed.data[10 * SIZE.0 + x] * 255.0 - dream(x)) / GAIN;
        (gain(10), gain(54))
    }

    #[test]
    fn where_there_is_nothing_it_is_climbed_most_and_a_full_dream_as_usual() {
        let (nothing, full) = gains(0.0, 30.0);
        assert!((nothing - 6.0).abs() < 0.01 && (full - 1.0).abs() < 0.01, "{nothing}, {full}");
        let (little, dark) = gains(3.0, -6.0);
        assert!(little < 6.0 && dark < little && dark > 1.0, "{little}, {dark}");
    }
}
