//! Momentum: the gradient ascent keeps a running mean of its gain, warped along the optical flow.
//!
//! Each ascent looks at the picture shifted by chance ([`Controls::shift`]), so that its gradient holds some noise, which would flicker. The
//! mean over the last moments keeps what the network wants and loses that.
//!
//! [`Controls::shift`]: crate::runtime::Controls::shift

use crate::flow::{ComposedFlow, bilinear};
use crate::pixel::Picture;

/// The mean gain of the last moments.
#[derive(Debug, Default)]
pub struct Momentum {
    mean: Picture,
    next: Picture,
}

impl Momentum {
    /// Makes `gain` the mean of itself and what was gained before, carried along `path`, of which `inertia` (0 to 1) counts.
    pub fn join(&mut self, gain: &mut Picture, path: &ComposedFlow, inertia: f32) {
        let (width, height) = gain.size();
        if inertia > 0.0 && self.mean.size() == gain.size() {
            let (across, down) = path.size();
            let (scale_x, scale_y) = (across as f32 / width as f32, down as f32 / height as f32);
            self.next.resize(width, height);
            let plane = width * height;
            for y in 0..height {
                let field_y = (y as f32 + 0.5) * scale_y - 0.5;
                for x in 0..width {
                    let place = bilinear((x as f32 + 0.5) * scale_x - 0.5, field_y, across, down);
                    let from_x = x as f32 + place.sample(&path.field.x) / scale_x;
                    let from_y = y as f32 + place.sample(&path.field.y) / scale_y;
                    let from = bilinear(from_x, from_y, width, height);
                    // What was not seen before is climbed in full at once: it has no mean yet.
                    let inertia = inertia * place.sample(&path.confidence);
                    let at = y * width + x;
                    for c in 0..3 {
                        let before = from.sample(&self.mean.data[c * plane..(c + 1) * plane]);
                        let now = gain.data[c * plane + at];
                        self.next.data[c * plane + at] = now + (before - now) * inertia;
                    }
                }
            }
            std::mem::swap(&mut self.mean, &mut self.next);
        } else {
            self.mean.copy_from(gain);
        }
        gain.copy_from(&self.mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_averaged_and_what_is_new_is_climbed_in_full_at_once() {
        let (width, height) = (16, 8);
        let gain = |value: f32| Picture { width, height, data: vec![value; 3 * width * height] };
        let mut path = ComposedFlow::default();
        path.reset(width, height);
        let mut momentum = Momentum::default();
        momentum.join(&mut gain(0.0), &path, 0.75);
        path.confidence.iter_mut().enumerate().for_each(|(at, seen)| *seen = if at % width < 8 { 1.0 } else { 0.0 });
        let mut next = gain(1.0);
        momentum.join(&mut next, &path, 0.75);
        assert_eq!((next.data[3], next.data[12]), (0.25, 1.0));
    }
}
