//! The climb goes on in the direction it had, carried along with what it climbs.
//!
//! Each ascent looks at the picture shifted by chance ([`Controls::shift`]), so that its gradient holds some noise, which would flicker. The
//! mean over the last moments keeps what the network wants and loses that.
//!
//! [`Controls::shift`]: crate::runtime::Controls::shift

use crate::flow::{Path, bilinear};
use crate::pixel::Picture;

/// The mean gain of the last moments.
#[derive(Debug, Default)]
pub struct Momentum {
    mean: Picture,
    next: Picture,
}

impl Momentum {
    /// Makes `gain` the mean of itself and what was gained before, carried along `path`, of which `inertia` (0 to 1) counts.
    pub fn join(&mut self, gain: &mut Picture, path: &Path, inertia: f32) {
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
                    let from_x = x as f32 + place.of(&path.back.x) / scale_x;
                    let from_y = y as f32 + place.of(&path.back.y) / scale_y;
                    let from = bilinear(from_x, from_y, width, height);
                    // What was not seen before is climbed in full at once: it has no mean yet.
                    let inertia = inertia * place.of(&path.seen);
                    let at = y * width + x;
                    for c in 0..3 {
                        let before = from.of(&self.mean.data[c * plane..(c + 1) * plane]);
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
