//! What every room checks its settings with. A refusal names the key and what is allowed; `config/` adds file and section.

use std::borrow::Cow;

use crate::size::Size;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSetting {
    /// Within the room's section of the configuration file, such as `size`.
    pub key: Cow<'static, str>,
    /// What is wrong and what is allowed, as it reads after the key: `is missing: …`.
    pub message: String,
}

impl InvalidSetting {
    pub fn new(key: impl Into<Cow<'static, str>>, message: impl Into<String>) -> InvalidSetting {
        InvalidSetting { key: key.into(), message: message.into() }
    }
}

/// Refuses a number that is not from `min` to `max`, NaN included.
pub fn check_range(key: &'static str, value: impl Into<f64>, min: f64, max: f64) -> Result<(), InvalidSetting> {
    let value = value.into();
    match (min..=max).contains(&value) {
        true => Ok(()),
        false => Err(InvalidSetting::new(key, format!("{value} is not a number from {min} to {max}"))),
    }
}

/// Refuses a size of which width or height is not from `min` to `max` pixels.
pub fn check_size(key: &'static str, size: Size, min: usize, max: usize) -> Result<(), InvalidSetting> {
    match [size.width, size.height].iter().all(|side| (min..=max).contains(side)) {
        true => Ok(()),
        false => Err(InvalidSetting::new(key, format!("{size} is not a size from {min}x{min} to {max}x{max}"))),
    }
}
