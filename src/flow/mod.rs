//! Dense optical flow: where each pixel of a picture lies in the one before, and what was hidden or is new. Pure: no I/O, no state but buffers.
//!
//! [`Search`] looks for the flow from one [`Pyramid`] to another; [`Tracker`] does so both ways from picture to picture, judges how far the
//! result is to be believed, and takes changes of light out; [`Path`] joins the flows of many pictures.

mod densify;
mod means;
mod path;
mod plane;
mod pyramid;
mod sample;
mod search;
mod shrink;
mod tracker;

pub use path::Path;
pub use pyramid::{Luma, Pyramid};
use sample::Blur;
pub use sample::bilinear;
pub use search::{Field, Search};
pub use shrink::{ratio, shrink, size};
pub use tracker::Tracker;
