//! Sums and differences of pictures, and cyclic shifts.

use super::Picture;

/// `to ← to + from`.
///
/// # Panics
/// The pictures are not of one size; so do all here.
pub fn add(from: &Picture, to: &mut Picture) {
    assert_eq!(from.size(), to.size(), "pictures of one size");
    for (to, from) in to.data.iter_mut().zip(&from.data) {
        *to += from;
    }
}

/// `to ← to − from`.
pub fn subtract(from: &Picture, to: &mut Picture) {
    assert_eq!(from.size(), to.size(), "pictures of one size");
    for (to, from) in to.data.iter_mut().zip(&from.data) {
        *to -= from;
    }
}

/// Copies any number of planes of `width` × `height`, shifted cyclically by `dx` pixels to the right and `dy` down.
pub fn roll(from: &[f32], to: &mut [f32], width: usize, height: usize, dx: i32, dy: i32) {
    assert_eq!(from.len(), to.len(), "pictures of one size");
    if width == 0 || height == 0 {
        return;
    }
    let dx = dx.rem_euclid(width as i32) as usize;
    let dy = dy.rem_euclid(height as i32) as usize;
    for (from, to) in from.chunks_exact(width * height).zip(to.chunks_exact_mut(width * height)) {
        for (y, row) in from.chunks_exact(width).enumerate() {
            let start = (y + dy) % height * width;
            let target = &mut to[start..start + width];
            target[dx..].copy_from_slice(&row[..width - dx]);
            target[..dx].copy_from_slice(&row[width - dx..]);
        }
    }
}
