//! What is dreamed on where there never was a picture: soft clouds, in which something can grow.

use crate::pixel::{Picture, Scaler, Tone, add};

/// Clouds of low contrast around the neutral tone, equal for equal states of `rng`.
pub fn clouds((width, height): (usize, usize), rng: &mut fastrand::Rng, scaler: &mut Scaler) -> Picture {
    let mut sky = Picture::new(width, height);
    for (plane, mean) in sky.planes_mut().zip(Tone::NEUTRAL.mean) {
        plane.fill(mean);
    }
    let mut layer = Picture::new(width, height);
    // Noise at every scale, the coarse the stronger, as in real skies.
    let mut cells = 3;
    while cells < width.min(height) {
        let mut noise = Picture::new(cells * width / height.max(1) + 1, cells);
        let strength = 0.35 / (cells as f32).sqrt();
        let grey = noise.width * noise.height;
        for i in 0..grey {
            let light = rng.f32() - 0.5;
            for c in 0..3 {
                // Mostly grey, a little coloured.
                noise.data[c * grey + i] = strength * (0.7 * light + 0.3 * (rng.f32() - 0.5));
            }
        }
        scaler.resize(&noise, &mut layer);
        add(&layer, &mut sky);
        cells *= 2;
    }
    sky
}
