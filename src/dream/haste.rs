//! While there is hardly any dream it is climbed more: at the start, and after a cut.

use crate::pixel::Picture;

/// How many times more it is climbed, beyond once, while there is nothing yet.
const HASTE: f32 = 4.0;
/// Once the dream differs so much from the camera on average it is climbed as usual, of full light.
const ENOUGH: f32 = 12.0 / 255.0;

/// Takes `climbed` farther from `looked`, the picture that was climbed, while that is hardly more than `camera`; all of one size. `share` (0 to 1)
/// of it counts.
pub fn hasten(climbed: &mut Picture, looked: &Picture, camera: &Picture, share: f32) {
    let more = share * haste(looked, camera);
    for (climbed, looked) in climbed.data.iter_mut().zip(&looked.data) {
        *climbed += (*climbed - looked) * more;
    }
}

/// How many times more is to be gained, beyond once.
fn haste(looked: &Picture, camera: &Picture) -> f32 {
    let sum: f32 = looked.data.iter().zip(&camera.data).map(|(looked, camera)| (looked - camera).abs()).sum();
    let strength = sum / looked.data.len().max(1) as f32;
    HASTE * (1.0 - strength / ENOUGH).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of so much light everywhere, of 255.
    fn grey(level: f32) -> Picture {
        Picture { width: 8, height: 6, data: vec![level / 255.0; 3 * 48] }
    }

    #[test]
    fn an_empty_picture_is_climbed_most_and_a_full_dream_as_usual() {
        let camera = grey(100.0);
        let at = |difference: f32| haste(&grey(100.0 + difference), &camera);
        assert_eq!(at(0.0), HASTE);
        assert!(at(3.0) < at(0.0) && at(-6.0) < at(3.0));
        assert_eq!((at(12.0), at(80.0)), (0.0, 0.0));
    }
}
