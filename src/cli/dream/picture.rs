//! Reading the picture to dream on.

use std::path::Path;

use crate::cli::BadInput;
use crate::frame::Frame;
use crate::picture_file;
use crate::pixel::Scaler;

/// The network sees nothing in a picture with a side shorter than this.
const SMALLEST_SIDE: usize = 32;
/// A side longer than this is a slip of the finger.
const LONGEST_SIDE: usize = 16384;

/// Reads the picture in `path` the right way up, cut to `size` or reduced to `max_side`. One whose end is missing is dreamed on, with a word.
pub fn read(path: &Path, size: Option<(usize, usize)>, max_side: Option<usize>) -> Result<Frame, BadInput> {
    let name = path.display();
    let (frame, is_torn) = picture_file::read(path).map_err(|e| BadInput(format!("{name}: {e}")))?;
    if is_torn {
        eprintln!("{name} breaks off: its lower part is missing");
    }
    let wanted = wanted_size((frame.width, frame.height), size, max_side, &name.to_string())?;
    if wanted == (frame.width, frame.height) {
        return Ok(frame);
    }
    let mut scaled = Frame::new(wanted.0, wanted.1);
    Scaler::default().fill(&frame, &mut scaled);
    Ok(scaled)
}

/// The size at which `name`, which is `own` large, is dreamed.
pub fn wanted_size(
    own: (usize, usize),
    size: Option<(usize, usize)>,
    max_side: Option<usize>,
    name: &str,
) -> Result<(usize, usize), BadInput> {
    let wanted = size.unwrap_or_else(|| reduced(own, max_side.unwrap_or(usize::MAX)));
    if wanted.0.min(wanted.1) < SMALLEST_SIDE {
        return Err(BadInput(format!(
            "{name} would be dreamed at {}x{}: both sides must have at least {SMALLEST_SIDE} pixels",
            wanted.0, wanted.1
        )));
    }
    Ok(wanted)
}

/// `size` in the same proportions with no side longer than `longest`.
fn reduced(size: (usize, usize), longest: usize) -> (usize, usize) {
    let side = size.0.max(size.1);
    if side <= longest {
        return size;
    }
    let scale = |n: usize| ((n as f64 * longest as f64 / side as f64).round() as usize).max(1);
    (scale(size.0), scale(size.1))
}

/// Reads `1280x720`.
pub fn parse_size(text: &str) -> Result<(usize, usize), String> {
    let sides =
        text.split_once(['x', 'X', '×']).and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
    match sides {
        Some((w, h)) if [w, h].iter().all(|side| (SMALLEST_SIDE..=LONGEST_SIDE).contains(side)) => Ok((w, h)),
        _ => Err(format!("width and height from {SMALLEST_SIDE} to {LONGEST_SIDE} are expected, such as 1280x720")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused() {
        assert_eq!(parse_size("1280x720"), Ok((1280, 720)));
        for wrong in ["", "1280", "x", "0x0", "31x64", "64x-1", "1e3x64", "99999x64", "64x64x64"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reducing_keeps_proportions_and_never_enlarges() {
        assert_eq!(reduced((4000, 3000), 1000), (1000, 750));
        assert_eq!(reduced((300, 400), 1000), (300, 400));
    }
}
