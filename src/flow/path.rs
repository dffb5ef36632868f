//! Where things were a while ago: the flows of several pictures, joined.

use super::{Field, Places, are_none};

/// For each pixel of the newest picture, where it lay in an earlier one, and how far that is to be believed.
#[derive(Debug, Clone, Default)]
pub struct Path {
    /// Relative, in pixels of the field's size.
    pub back: Field,
    /// 0: it was hidden then, or is another thing now; 1: it was seen all the while.
    pub seen: Vec<f32>,
    /// Ways and trust together, and those that a row comes from.
    joined: Vec<[f32; 4]>,
    row: Vec<[f32; 4]>,
    places: Places,
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
        self.joined.clear();
        let ways = self.back.x.iter().zip(&self.back.y).zip(&self.seen);
        self.joined.extend(ways.map(|((x, y), seen)| [*x, *y, *seen, 0.0]));
        self.row.resize(width, [0.0; 4]);
        for y in 0..height {
            let row = y * width..(y + 1) * width;
            let (dx, dy, seen) = (&step.x[row.clone()], &step.y[row.clone()], &seen[row.clone()]);
            let before = if are_none(dx) && are_none(dy) {
                &self.joined[row.clone()]
            } else {
                self.places.find(dx, dy, y, (width, height));
                self.places.sample(&self.joined, width, &mut self.row);
                &self.row
            };
            let next = self.back.x[row.clone()].iter_mut().zip(&mut self.back.y[row.clone()]).zip(&mut self.seen[row]);
            for (((x, y), now), (((before, dx), dy), seen)) in next.zip(before.iter().zip(dx).zip(dy).zip(seen)) {
                (*x, *y, *now) = (dx + before[0], dy + before[1], seen * before[2]);
            }
        }
    }
}
