//! A moving test picture: colour bars, a drifting gradient and discs with edges for the dream to hold on to.

use std::f64::consts::TAU;

use crate::frame::Frame;

pub struct Pattern;

/// Shades of a disc from its middle to its edge.
const SHADES: usize = 512;

const BARS: [[u8; 3]; 8] = [
    [191, 191, 191],
    [191, 191, 20],
    [20, 191, 191],
    [20, 191, 20],
    [191, 20, 191],
    [191, 20, 20],
    [20, 20, 191],
    [40, 40, 40],
];
/// Of each disc: rounds in seconds across and down, radius in picture heights, colour.
const DISCS: [(f64, f64, f64, [u8; 3]); 3] =
    [(23.0, 17.0, 0.24, [235, 200, 120]), (31.0, 29.0, 0.17, [90, 140, 220]), (19.0, 41.0, 0.11, [200, 90, 80])];

impl Pattern {
    pub fn draw(&mut self, time: f64, frame: &mut Frame) {
        let (width, height) = (frame.width, frame.height);
        let drift = time / 40.0 * width as f64;
        let colour = |x: usize, is_bar: bool| {
            let along = x as f64 + drift;
            if is_bar {
                return BARS[(along * 8.0 / width as f64) as usize % 8];
            }
            let level = (127.5 + 127.5 * (TAU * along / width as f64).sin()) as u8;
            [level, level / 2 + 64, 255 - level]
        };
        // All rows of the upper part are alike, and all of the lower.
        let upper = (2 * height).div_ceil(3);
        let split = 3 * width * upper.min(height);
        let (bars, waves) = frame.pixels.split_at_mut(split);
        for (part, is_bar) in [(bars, true), (waves, false)] {
            let Some((first, rest)) = part.split_at_mut_checked(3 * width) else { continue };
            for (x, pixel) in first.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                *pixel = colour(x, is_bar);
            }
            rest.chunks_exact_mut(3 * width.max(1)).for_each(|row| row.copy_from_slice(first));
        }
        for disc in DISCS {
            draw_disc(frame, disc, time);
        }
    }
}

/// A disc of rings, its edge softened over a pixel and a half.
fn draw_disc(frame: &mut Frame, (across, down, radius, colour): (f64, f64, f64, [u8; 3]), time: f64) {
    let (width, height) = (frame.width as f64, frame.height as f64);
    let radius = radius * height;
    let centre_x = width / 2.0 + (width / 2.0 - radius) * (TAU * time / across).sin();
    let centre_y = height / 2.0 + (height / 2.0 - radius) * (TAU * time / down).cos();
    // Rings by the distance from the middle: a cosine for each pixel would be most of the work.
    let shades: [f64; SHADES] =
        std::array::from_fn(|place| 0.75 + 0.25 * (TAU * 4.0 * place as f64 / (SHADES - 1) as f64).cos());
    let rows = (centre_y - radius).max(0.0) as usize..((centre_y + radius).ceil().max(0.0) as usize).min(frame.height);
    let columns =
        (centre_x - radius).max(0.0) as usize..((centre_x + radius).ceil().max(0.0) as usize).min(frame.width);
    for y in rows {
        let row = &mut frame.pixels[3 * frame.width * y..][..3 * frame.width];
        for x in columns.clone() {
            let (dx, dy) = (x as f64 + 0.5 - centre_x, y as f64 + 0.5 - centre_y);
            let distance = (dx * dx + dy * dy).sqrt();
            let cover = ((radius - distance) / 1.5).clamp(0.0, 1.0);
            if cover == 0.0 {
                continue;
            }
            let shade = shades[(distance / radius * (SHADES - 1) as f64) as usize % SHADES];
            for (value, paint) in row[3 * x..3 * x + 3].iter_mut().zip(colour) {
                *value = (f64::from(*value) * (1.0 - cover) + f64::from(paint) * shade * cover) as u8;
            }
        }
    }
}
