//! Where things were a while ago: the flows of several pictures, joined.

use super::{Field, bilinear};

/// For each pixel of the newest picture, where it lay in an earlier one, and how far that is to be believed.
#[derive(Debug, Clone, Default)]
pub struct Path {
    /// Relative, in pixels of the field's size.
    pub back: Field,
    /// 0: it was hidden then, or is another thing now; 1: it was seen all the while.
    pub seen: Vec<f32>,
    next: Field,
    next_seen: Vec<f32>,
}

impl Path {
    /// Nothing has moved, and all was seen.
    pub fn begin(&mut self, width: usize, height: usize) {
        self.back.resize(width, height);
        self.back.x.fill(0.0);
        self.back.y.fill(0.0);
        self.seen.clear();
        self.seen.resize(width * height, 1.0);
    }

    /// Becomes a copy of `other` without new memory where its own suffices.
    pub fn copy_from(&mut self, other: &Path) {
        self.back.resize(other.back.width, other.back.height);
        self.back.x.copy_from_slice(&other.back.x);
        self.back.y.copy_from_slice(&other.back.y);
        self.seen.clear();
        self.seen.extend_from_slice(&other.seen);
    }

    /// Width and height of the field.
    pub fn size(&self) -> (usize, usize) {
        (self.back.width, self.back.height)
    }

    /// How far what is at a place (0..1 across, 0..1 down) has come, pixels of the field.
    pub fn movement_at(&self, x: f32, y: f32) -> f32 {
        let (width, height) = self.size();
        let at = (y * height as f32) as usize * width + (x * width as f32) as usize;
        let of = |plane: &[f32]| plane.get(at).copied().unwrap_or(0.0);
        of(&self.back.x).hypot(of(&self.back.y))
    }

    /// Goes on to the next picture, of which `step` and `seen` say where its pixels lie in the newest so far.
    pub fn extend(&mut self, step: &Field, seen: &[f32]) {
        let (width, height) = (step.width, step.height);
        if self.size() != (width, height) {
            self.begin(width, height);
        }
        self.next.resize(width, height);
        self.next_seen.resize(width * height, 0.0);
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                let (dx, dy) = (step.x[at], step.y[at]);
                let (x_before, y_before, seen_before) = if dx == 0.0 && dy == 0.0 {
                    (self.back.x[at], self.back.y[at], self.seen[at])
                } else {
                    let corners = bilinear(x as f32 + dx, y as f32 + dy, width, height);
                    (corners.of(&self.back.x), corners.of(&self.back.y), corners.of(&self.seen))
                };
                self.next.x[at] = dx + x_before;
                self.next.y[at] = dy + y_before;
                self.next_seen[at] = seen[at] * seen_before;
            }
        }
        std::mem::swap(&mut self.back, &mut self.next);
        std::mem::swap(&mut self.seen, &mut self.next_seen);
    }
}
