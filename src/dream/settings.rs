//! A dreamer's settings.

use crate::checks::{InvalidSetting, check_range, check_size};
use crate::size::Size;

/// How a [`Dreamer`](super::Dreamer) works, for as long as it lives.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Fixed working size; then only heat governs, by the rate. None: the governor chooses.
    pub size: Option<Size>,
    /// The largest working size; the governor keeps its proportions, so it is best those of the screen.
    pub max_size: Size,
    /// Dream frames a second that the governor holds.
    pub target_fps: f64,
    /// Makes the dream repeatable: with equal pictures, parameters and times it is the same to the byte, on the
    /// CPU. A GPU's sums differ in their last digits from run to run, and the dream carries that on.
    pub seed: Option<u64>,
}

impl Settings {
    /// # Errors
    /// The first key of `[dream]` whose value cannot be used.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        self.size.map_or(Ok(()), |size| check_size("size", size, 64, 4096))?;
        check_size("max_size", self.max_size, 64, 4096)?;
        check_range("target_fps", self.target_fps, 0.1, 120.0)
    }
}

/// Where chance begins.
pub(super) fn rng(settings: &Settings) -> fastrand::Rng {
    settings.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)
}
