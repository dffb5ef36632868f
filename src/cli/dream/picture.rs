//! Reading the picture to dream on.

use std::path::Path;

use crate::cli::BadInput;
use crate::frame::Frame;
use crate::picture_file;
use crate::pixel::Scaler;
use crate::size::Size;

/// The network sees nothing in a picture with a shorter side, pixels.
const MIN_SIDE: usize = 32;
/// A longer side is a typing mistake, pixels.
const MAX_SIDE: usize = 16384;

/// Reads the picture in `path` the right way up, cropped to `size` or reduced to `max_side`. A torn one is used, with a warning.
pub fn read(path: &Path, size: Option<Size>, max_side: Option<usize>) -> Result<Frame, BadInput> {
    let name = path.display();
    let (frame, is_torn) = picture_file::read(path).map_err(|e| BadInput(format!("{name}: {e}")))?;
    if is_torn {
        eprintln!("{name} breaks off: its lower part is missing");
    }
    let wanted = wanted_size(frame.size(), size, max_side, &name.to_string())?;
    if wanted == frame.size() {
        return Ok(frame);
    }
    let mut scaled = Frame::new(wanted.width, wanted.height);
    Scaler::default().fill(&frame, &mut scaled);
    Ok(scaled)
}

/// The size at which `name`, of size `own`, is dreamed.
pub fn wanted_size(own: Size, size: Option<Size>, max_side: Option<usize>, name: &str) -> Result<Size, BadInput> {
    let wanted = size.unwrap_or_else(|| reduce(own, max_side.unwrap_or(usize::MAX)));
    if wanted.width.min(wanted.height) < MIN_SIDE {
        return Err(BadInput(format!(
            "{name} would be dreamed at {wanted}: both sides must have at least {MIN_SIDE} pixels"
        )));
    }
    Ok(wanted)
}

/// `size` in the same proportions with no side longer than `longest`.
fn reduce(size: Size, longest: usize) -> Size {
    let side = size.width.max(size.height);
    if side <= longest {
        return size;
    }
    let scale = |n: usize| ((n as f64 * longest as f64 / side as f64).round() as usize).max(1);
    Size::new(scale(size.width), scale(size.height))
}

/// Reads `1280x720`.
pub fn parse_size(text: &str) -> Result<Size, String> {
    let sides =
        text.split_once(['x', 'X', '×']).and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
    match sides {
        Some((w, h)) if [w, h].iter().all(|side| (MIN_SIDE..=MAX_SIDE).contains(side)) => Ok(Size::new(w, h)),
        _ => Err(format!("width and height from {MIN_SIDE} to {MAX_SIDE} are expected, such as 1280x720")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused() {
        assert_eq!(parse_size("1280x720"), Ok(Size::new(1280, 720)));
        for wrong in ["", "1280", "x", "0x0", "31x64", "64x-1", "1e3x64", "99999x64", "64x64x64"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reducing_keeps_proportions_and_never_enlarges() {
        assert_eq!(reduce(Size::new(4000, 3000), 1000), Size::new(1000, 750));
        assert_eq!(reduce(Size::new(300, 400), 1000), Size::new(300, 400));
    }
}
