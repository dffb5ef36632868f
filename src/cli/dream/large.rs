//! Pictures too large to be dreamed on whole: they are dreamed on at a smaller size, the difference is laid over the full picture, and parts of that
//! are climbed at its own size.

use std::fmt;

use crate::cli::BadInput;
use crate::size::Size;

/// The most pixels climbed as a whole unless a size is given: in more, creatures get lost and an ascent takes seconds.
const MAX_WHOLE_PIXELS: f64 = 1.3e6;
/// Memory of an ascent for each pixel climbed, bytes (1500 with MobileNetV2, measured; other networks keep more).
const ASCENT_BYTES: f64 = 3000.0;
/// Memory for each pixel of the full picture, in all the forms it is processed in, bytes.
const PICTURE_BYTES: f64 = 64.0;
/// The largest share of the free memory that is used.
const MEMORY_SHARE: f64 = 0.6;
/// The fewest pixels worth dreaming on.
const MIN_PIXELS: f64 = 64.0 * 64.0;
/// How often each place is climbed at the picture's own size.
const PASSES: f64 = 6.0;
/// A picture with fewer pixels than this multiple of those climbed gains nothing from parts: a quarter more along each side.
const MIN_RATIO_FOR_PARTS: f64 = 25.0 / 16.0;
/// Sides of what is climbed are multiples of this, pixels.
const GRID: usize = 8;

/// How a picture is dreamed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// The picture's own size.
    full: Size,
    /// What is climbed as a whole.
    pub size: Size,
    /// Parts of that size that are climbed in the full picture.
    pub windows: u32,
}

impl Work {
    /// For a picture of `full` pixels. `is_size_given`: this very size was asked for; `is_film`: each frame is dreamed on like this; `free`: bytes of
    /// memory, where that is known.
    ///
    /// # Errors
    /// There is no memory for the smallest dream.
    pub fn plan(full: Size, is_size_given: bool, is_film: bool, free: Option<u64>) -> Result<Work, BadInput> {
        let pixels = full.pixels() as f64;
        let budget =
            free.map_or(f64::INFINITY, |free| MEMORY_SHARE * free as f64 - PICTURE_BYTES * pixels) / ASCENT_BYTES;
        if budget < MIN_PIXELS.min(pixels) {
            let (needed, free) = (PICTURE_BYTES * pixels / MEMORY_SHARE / 1e9, free.unwrap_or_default() as f64 / 1e9);
            return Err(BadInput(format!(
                "{full} pixels take some {needed:.1} GB of memory, and {free:.1} GB are free: --max-side reduces the picture"
            )));
        }
        let most = if is_size_given { f64::INFINITY } else { MAX_WHOLE_PIXELS };
        if pixels <= budget.min(most * MIN_RATIO_FOR_PARTS) {
            return Ok(Work { full, size: full, windows: 0 });
        }
        let scale = (budget.min(most) / pixels).sqrt().min(1.0);
        let side = |side: usize| ((side as f64 * scale) as usize / GRID * GRID).max(GRID);
        let size = Size::new(side(full.width), side(full.height));
        let ratio = pixels / size.pixels() as f64;
        let passes = if ratio < MIN_RATIO_FOR_PARTS {
            0.0
        } else if is_film {
            1.0
        } else {
            PASSES
        };
        Ok(Work { full, size, windows: (passes * ratio).ceil() as u32 })
    }

    pub fn is_whole(&self) -> bool {
        self.size == self.full
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Work { full, size, windows } = self;
        let memory = (ASCENT_BYTES * size.pixels() as f64 + PICTURE_BYTES * full.pixels() as f64) / 1e9;
        write!(f, "{full} pixels: dreamed on at {size}")?;
        if *windows > 0 {
            write!(f, ", then in {windows} parts at its own size")?;
        }
        write!(f, " (some {memory:.1} GB of memory; --max-side reduces the picture)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_pictures_are_dreamed_on_as_they_are_and_large_ones_smaller() {
        let plan = |full, is_size_given, free| Work::plan(full, is_size_given, false, free).unwrap();
        assert_eq!(
            plan(Size::new(600, 400), false, Some(8 << 30)),
            Work { full: Size::new(600, 400), size: Size::new(600, 400), windows: 0 }
        );
        let photo = plan(Size::new(4032, 3024), false, Some(8 << 30));
        assert!((1200..1400).contains(&photo.size.width) && (850..1050).contains(&photo.size.height), "{photo:?}");
        assert!((50..80).contains(&photo.windows), "{photo:?}");
        assert!(plan(Size::new(1920, 1080), true, Some(64 << 30)).is_whole());
        assert!(!plan(Size::new(1920, 1080), false, Some(64 << 30)).is_whole());
        assert!(plan(Size::new(1600, 1200), false, Some(64 << 30)).is_whole(), "it would only be blurred");
        let film = Work::plan(Size::new(4032, 3024), false, true, Some(8 << 30)).unwrap();
        assert!((8..14).contains(&film.windows), "{film:?}");
        let error = Work::plan(Size::new(4032, 3024), false, false, Some(1 << 30)).unwrap_err().to_string();
        assert!(error.contains("--max-side"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_planned_fits(w in 32usize..16384, h in 32usize..16384, free in (1u64 << 28)..(1 << 36), is_size_given: bool) {
            if let Ok(work) = Work::plan(Size::new(w, h), is_size_given, false, Some(free)) {
                let bytes = ASCENT_BYTES * work.size.pixels() as f64 + PICTURE_BYTES * (w * h) as f64;
                prop_assert!(bytes <= MEMORY_SHARE * free as f64 + ASCENT_BYTES * (GRID * (w + h)) as f64);
                prop_assert!(work.size.width <= w && work.size.height <= h);
            }
        }
    }
}
