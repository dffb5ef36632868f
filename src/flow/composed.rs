//! Flow over several frames: the flows from frame to frame, composed.

use super::{FlowField, SampleRow, all_zero};

/// For each pixel of the newest frame, where it lay in an earlier one, and how reliable that is.
///
/// Composition of backward flows: F(p) = f(p) + F'(p + f(p)), where f leads from the newest frame to the one before and F' from there on;
/// confidences are multiplied along the same way.
#[derive(Debug, Clone, Default)]
pub struct ComposedFlow {
    /// Displacements in pixels of the field itself (see [`super::field_size`]).
    pub field: FlowField,
    /// `width · height` values, rows from the top. 0: occluded in the earlier frame, or something else by now; 1: visible all the while.
    pub confidence: Vec<f32>,
    /// Displacement and confidence of each pixel, packed so that they are sampled together; and one row of that, sampled.
    packed: Vec<[f32; 4]>,
    row: Vec<[f32; 4]>,
    samples: SampleRow,
}

impl ComposedFlow {
    /// Becomes the identity: zero flow, full confidence.
    pub fn reset(&mut self, width: usize, height: usize) {
        self.field.resize(width, height);
        self.field.x.fill(0.0);
        self.field.y.fill(0.0);
        self.confidence.clear();
        self.confidence.resize(width * height, 1.0);
    }

    /// Becomes a copy of `other`; allocates only where its own memory is too small.
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

    /// Length of the displacement at (`x`, `y`), each 0..1 of the picture, in pixels of the field.
    pub fn movement_at(&self, x: f32, y: f32) -> f32 {
        let (width, height) = self.size();
        let at = (y * height as f32) as usize * width + (x * width as f32) as usize;
        let of = |plane: &[f32]| plane.get(at).copied().unwrap_or(0.0);
        of(&self.field.x).hypot(of(&self.field.y))
    }

    /// Appends one frame: `step` and `confidence` lead from it to what was the newest frame. A step of another size starts from the identity.
    pub fn append(&mut self, step: &FlowField, confidence: &[f32]) {
        let (width, height) = (step.width, step.height);
        if self.size() != (width, height) {
            self.reset(width, height);
        }
        self.packed.clear();
        let values = self.field.x.iter().zip(&self.field.y).zip(&self.confidence);
        self.packed.extend(values.map(|((x, y), confidence)| [*x, *y, *confidence, 0.0]));
        self.row.resize(width, [0.0; 4]);
        for y in 0..height {
            let row = y * width..(y + 1) * width;
            let (dx, dy, confidence) = (&step.x[row.clone()], &step.y[row.clone()], &confidence[row.clone()]);
            let before = if all_zero(dx) && all_zero(dy) {
                &self.packed[row.clone()]
            } else {
                self.samples.locate(dx, dy, y, (width, height));
                self.samples.sample(&self.packed, width, &mut self.row);
                &self.row
            };
            let next =
                self.field.x[row.clone()].iter_mut().zip(&mut self.field.y[row.clone()]).zip(&mut self.confidence[row]);
            for (((x, y), now), (((before, dx), dy), confidence)) in
                next.zip(before.iter().zip(dx).zip(dy).zip(confidence))
            {
                (*x, *y, *now) = (dx + before[0], dy + before[1], confidence * before[2]);
            }
        }
    }
}
