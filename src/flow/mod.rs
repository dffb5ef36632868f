//! Dense optical flow: where each pixel of a picture lies in the one before, and what was hidden or is new. Pure: no I/O, no state but buffers.
//!
//! [`InverseSearch`] looks for the flow from one [`Pyramid`] to another; [`Tracker`] does so both ways from picture to picture, judges how far the
//! result is to be believed, and takes changes of light out; [`ComposedFlow`] joins the flows of many pictures.
//!
//! # The search
//!
//! Dense inverse search (Kroeger et al., ECCV 2016, arXiv 1603.03590), from a coarse level of a [`Pyramid`] to the full
//! size, with two changes: gain and offset of the light are solved for in every patch, and the patches of a level are
//! solved together, not one by one.
//!
//! 1. A level is covered by patches of 8×8 pixels, one every 4 pixels ([`patches`] measures each once for both directions).
//! 2. Each patch is sampled where it is believed to lie in the other picture, which costs most of the time ([`sample`]).
//!    A Gauss–Newton step of the inverse search gives it a quadratic cost: a place, and how sure of it the patch is in each direction.
//! 3. The sum of these costs and of a robust smoothness term between neighbours is minimised by a few Gauss–Seidel
//!    sweeps ([`solver`]). This is what variational refinement does for every pixel, at a sixteenth of its cost: patches without texture
//!    follow their neighbours, edges move across themselves only, noise averages out.
//!    Smoothness is measured against the slope of an affine fit ([`global_motion`]), so that turning and zooming cost nothing.
//! 4. After a few rounds of 2 and 3 the next finer level starts from the result. At the finest, pixels between patches
//!    that move alike are interpolated; elsewhere each pixel picks by its own likeness ([`densify`]).
//!
//! Hot loops work on eight lanes ([`plane::Row`]) or on slices of equal length, which compilers vectorise on every
//! architecture. Nothing is fused or reordered, so all machines compute the same bits.

mod bilinear;
mod block_means;
mod box_blur;
mod composed;
mod densify;
mod downscale;
mod global_motion;
mod patches;
mod plane;
mod pyramid;
mod sample;
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

/// For each pixel of one picture, where it lies in another, relative, in pixels (x right, y down). Planar.
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
