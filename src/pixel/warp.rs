//! Zooming, turning and sliding a picture about its centre.

use super::Picture;

/// How a picture moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Factor it grows by; above 0.
    pub zoom: f32,
    /// Angle it turns by, radians, clockwise.
    pub angle: f32,
    /// How far it slides to the right and down, pixels.
    pub slide: (f32, f32),
}

impl Motion {
    /// No motion at all.
    pub const NONE: Motion = Motion { zoom: 1.0, angle: 0.0, slide: (0.0, 0.0) };
}

/// Moves `from` into `to` (of the same size): bilinear, the picture mirrored beyond its edges.
pub fn warp(from: &Picture, to: &mut Picture, motion: Motion) {
    to.resize(from.width, from.height);
    if motion == Motion::NONE || from.data.is_empty() {
        to.data.copy_from_slice(&from.data);
        return;
    }
    let (width, height) = from.size();
    let plane = width * height;
    let (cx, cy) = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
    let (sin, cos) = motion.angle.sin_cos();
    // From a place in the new picture back to where it was: one step to the right moves by (ux, uy) there.
    let (ux, uy) = (cos / motion.zoom, -sin / motion.zoom);
    for y in 0..height {
        let (dx, dy) = (-cx - motion.slide.0, y as f32 - cy - motion.slide.1);
        let (x0, y0) = (cx + dx * ux - dy * uy, cy + dx * uy + dy * ux);
        for x in 0..width {
            let (left, right, fx) = neighbours(x0 + x as f32 * ux, width);
            let (above, below, fy) = neighbours(y0 + x as f32 * uy, height);
            let corners = [above * width + left, above * width + right, below * width + left, below * width + right];
            for c in 0..3 {
                let source = &from.data[c * plane..(c + 1) * plane];
                let top = source[corners[0]] + (source[corners[1]] - source[corners[0]]) * fx;
                let bottom = source[corners[2]] + (source[corners[3]] - source[corners[2]]) * fx;
                to.data[c * plane + y * width + x] = top + (bottom - top) * fy;
            }
        }
    }
}

/// The two places of 0..size around `position`, mirrored at the edges, and how far between them it lies.
#[inline]
fn neighbours(position: f32, size: usize) -> (usize, usize, f32) {
    let floor = position.floor();
    let first = floor as i32;
    (fold(first, size as i32), fold(first + 1, size as i32), position - floor)
}

/// Mirrors a place beyond the edges back into 0..size: … 1 0 | 0 1 … last | last …
#[inline]
fn fold(place: i32, size: i32) -> usize {
    if (0..size).contains(&place) {
        return place as usize;
    }
    let place = place.rem_euclid(2 * size);
    (if place < size { place } else { 2 * size - 1 - place }) as usize
}
