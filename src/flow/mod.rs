//! Dense optical flow: where each pixel of a frame lies in the one before, and what is occluded or disoccluded. Pure: no I/O, no state but buffers.
//!
//! [`InverseSearch`] computes the flow from one [`Pyramid`] to another; [`Tracker`] does so in both directions from frame to frame, compensates for
//! changes of light, and rates each pixel's flow by forward-backward check and residual; [`ComposedFlow`] composes the flows of many frames.
//!
//! # The search
//!
//! Dense inverse search (Kroeger et al., ECCV 2016, arXiv 1603.03590), from the coarsest level of a [`Pyramid`] to the full
//! size, with two changes: gain and offset of brightness are solved for in every patch, and the patches of a level are
//! solved together, not one by one.
//!
//! 1. A level is covered by patches of 8×8 pixels, one every 4 pixels ([`patches`] precomputes each once for both directions).
//! 2. Inverse search: each patch is sampled at its current position in the other picture, which takes most of the time ([`matching`]).
//!    A Gauss–Newton step gives it a quadratic cost: its best displacement, and how well determined that is in each direction.
//! 3. The sum of these data terms and of a robust smoothness term between neighbours is minimised by a few Gauss–Seidel
//!    sweeps ([`solver`]). This is what variational refinement does for every pixel, at a sixteenth of its cost: patches without texture
//!    follow their neighbours, edges move across themselves only, noise averages out.
//!    Smoothness is measured against the slope of an affine fit ([`global_motion`]), so that rotation and zoom cost nothing.
//! 4. After a few rounds of 2 and 3 the next finer level starts from the result. Densification, at the finest: pixels between patches
//!    that move alike are interpolated; elsewhere each pixel weighs the patches by how well each fits it ([`densify`]).
//!
//! Hot loops work on eight lanes ([`plane::F32x8`]) or on slices of equal length, which compilers vectorise on every
//! architecture. Nothing is fused or reordered, so all machines compute the same bits.

mod bilinear;
mod block_means;
mod box_blur;
mod composed;
mod densify;
mod downscale;
mod global_motion;
mod matching;
mod patches;
mod plane;
mod pyramid;
mod search;
mod solver;
mod tracker;

pub use bilinear::{SampleRow, all_zero, bilinear, round_to_int};
pub use box_blur::BoxBlur;
pub use composed::ComposedFlow;
pub use downscale::{Downscaler, downscale_factor, field_size};
pub use pyramid::Pyramid;
pub use search::InverseSearch;
pub use tracker::Tracker;

/// A grey picture, 8 bits.
#[derive(Debug, Clone, Default)]
pub struct Luma {
    pub width: usize,
    pub height: usize,
    /// `width · height` values, rows from the top; 0 is black, 255 white.
    pub pixels: Vec<u8>,
}

impl Luma {
    /// A black picture.
    pub fn new(width: usize, height: usize) -> Luma {
        Luma { width, height, pixels: vec![0; width * height] }
    }

    /// Changes the size; memory is kept where it suffices. The pixels are unspecified afterwards.
    pub fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.pixels.resize(width * height, 0);
    }
}

/// A flow field: for each pixel of one picture, the displacement to where it lies in another, in pixels (x right, y down). Planar.
#[derive(Debug, Clone, Default)]
pub struct FlowField {
    pub width: usize,
    pub height: usize,
    /// `width · height` displacements to the right, rows from the top.
    pub x: Vec<f32>,
    /// `width · height` displacements down, rows from the top.
    pub y: Vec<f32>,
}

impl FlowField {
    /// Changes the size; memory is kept where it suffices. The values are unspecified afterwards.
    pub fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.x.resize(width * height, 0.0);
        self.y.resize(width * height, 0.0);
    }
}

#[cfg(test)]
mod tests;
