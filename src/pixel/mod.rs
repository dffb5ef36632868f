//! Arithmetic on pictures: conversion, resizing, addition, tone. Pure: no I/O, no state but buffers.
//!
//! The dream works on a [`Picture`], planar RGB f32, as the network takes it; what passes between stages is a
//! [`crate::frame::Frame`], interleaved 8-bit RGB, as cameras give and screens take it.

mod blend;
mod convert;
mod resize;
mod tone;

pub use blend::{add, roll, subtract};
pub use convert::from_frame;
pub use resize::{Scaler, SubImage, centre_crop, resize_weights};
pub use tone::{Tone, soft_clip};

/// A picture of three planes, red, green and blue, each `width · height` values, rows from the top; 0 is black, 1 full.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// `3 · width · height` values.
    pub data: Vec<f32>,
}

impl Picture {
    /// A black picture.
    pub fn new(width: usize, height: usize) -> Picture {
        Picture { width, height, data: vec![0.0; 3 * width * height] }
    }

    /// Width and height.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Whether every value is a number.
    pub fn is_finite(&self) -> bool {
        self.data.iter().all(|value| value.is_finite())
    }

    /// Changes the size; memory is kept where it suffices. The values are unspecified afterwards.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        self.data.resize(3 * width * height, 0.0);
    }

    /// Becomes a copy of `other`; allocates only where its own memory is too small.
    pub fn copy_from(&mut self, other: &Picture) {
        self.resize(other.width, other.height);
        self.data.copy_from_slice(&other.data);
    }

    /// The three planes.
    pub fn planes(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact((self.width * self.height).max(1))
    }

    /// The three planes, mutable.
    pub fn planes_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.data.chunks_exact_mut((self.width * self.height).max(1))
    }
}

#[cfg(test)]
mod tests;
