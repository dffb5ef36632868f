//! Where things were a while ago: the flows of several pictures, joined.

use super::{FlowField, SampleRow, all_zero};

/// For each pixel of the newest picture, where it lay in an earlier one, and how far that is to be believed.
#[derive(Debug, Clone, Default)]
pub struct ComposedFlow {
    /// Relative, in pixels of the field's size.
    pub field: FlowField,
    /// 0: it was hidden then, or is another thing now; 1: it was seen all the while.
    pub confidence: Vec<f32>,
    /// Ways and trust together, and those that a row comes from.
    joined: Vec<[f32; 4]>,
    row: Vec<[f32; 4]>,
    samples: SampleRow,
}

impl ComposedFlow {
    /// Nothing has moved, and all was seen.
    pub fn reset(&mut self, width: usize, height: usize) {
        self.field.resize(width, height);
        self.field.x.fill(0.0);
        self.field.y.fill(0.0);
        self.confidence.clear();
        self.confidence.resize(width * height, 1.0);
    }

    /// Becomes a copy of `other` without new memory where its own suffices.
    pub fn copy_from(&mut self, other: &ComposedFlow) {
        self.field.resize(other.field.width, other.field.height);
        self.field.x.copy_from_slice(&other.field.x);
        self.field.y.copy_from_slice(&other.field.y);
        self.confidence.clear();
        self.confidence.extend_from_slice(&other.confidence);
    }

    /// Width and height of the field.
    pub fn size(&self) -> (usize, usize) {
        (self.field.width, self.field.height)
    }

    /// How far what is at a place (0..1 across, 0..1 down) has come, pixels of the field.
    pub fn movement_at(&self, x: f32, y: f32) -> f32 {
        let (width, height) = self.size();
        let at = (y * height as f32) as usize * width + (x * width as f32) as usize;
        let of = |plane: &[f32]| plane.get(at).copied().unwrap_or(0.0);
        of(&self.field.x).hypot(of(&self.field.y))
    }

    /// Goes on to the next picture, of which `step` and `seen` say where its pixels lie in the newest so far.
    pub fn append(&mut self, step: &FlowField, seen: &[f32]) {
        let (width, height) = (step.width, step.height);
        if self.size() != (width, height) {
            self.reset(width, height);
        }
        self.joined.clear();
        let ways = self.field.x.iter().zip(&self.field.y).zip(&self.confidence);
        self.joined.extend(ways.map(|((x, y), seen)| [*x, *y, *seen, 0.0]));
        self.row.resize(width, [0.0; 4]);
        for y in 0..height {
            let row = y * width..(y + 1) * width;
            let (dx, dy, seen) = (&step.x[row.clone()], &step.y[row.clone()], &seen[row.clone()]);
            let before = if all_zero(dx) && all_zero(dy) {
                &self.joined[row.clone()]
            } else {
                self.samples.locate(dx, dy, y, (width, height));
                self.samples.sample(&self.joined, width, &mut self.row);
                &self.row
            };
            let next =
                self.field.x[row.clone()].iter_mut().zip(&mut self.field.y[row.clone()]).zip(&mut self.confidence[row]);
            for (((x, y), now), (((before, dx), dy), seen)) in next.zip(before.iter().zip(dx).zip(dy).zip(seen)) {
                (*x, *y, *now) = (dx + before[0], dy + before[1], seen * before[2]);
            }
        }
    }
}
