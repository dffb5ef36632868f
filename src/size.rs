//! Width and height in pixels, as people write them: `640x360`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Width and height in pixels, written `640x360`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

impl Size {
    pub const fn new(width: usize, height: usize) -> Size {
        Size { width, height }
    }

    pub const fn pixels(self) -> usize {
        self.width * self.height
    }

    /// The largest size of this shape with at most `pixels` pixels, and no larger than this one.
    pub fn within_pixels(self, pixels: usize) -> Size {
        let scale = (pixels as f64 / self.pixels() as f64).sqrt().min(1.0);
        let side = |side: usize| ((side as f64 * scale) as usize).max(1);
        Size::new(side(self.width), side(self.height))
    }
}

impl From<(usize, usize)> for Size {
    fn from((width, height): (usize, usize)) -> Size {
        Size::new(width, height)
    }
}

impl From<Size> for (usize, usize) {
    fn from(size: Size) -> (usize, usize) {
        (size.width, size.height)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let wrong = || format!("`{text}` is not a size such as \"640x360\"");
        let (width, height) = text.split_once('x').ok_or_else(wrong)?;
        Ok(Size { width: width.parse().map_err(|_| wrong())?, height: height.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_keeps_its_shape_within_any_number_of_pixels() {
        let most = 1280 * 720;
        assert_eq!(Size::new(1920, 1080).within_pixels(most), Size::new(1280, 720));
        assert_eq!(Size::new(1080, 1920).within_pixels(most), Size::new(720, 1280));
        assert_eq!(Size::new(640, 480).within_pixels(most), Size::new(640, 480), "no larger than the screen");
        let square = Size::new(1024, 1024).within_pixels(most);
        assert!(square.width == square.height && square.pixels() <= most && square.width > 950, "{square}");
    }
}
