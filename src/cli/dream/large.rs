//! Pictures too large to be dreamed on whole: they are dreamed on smaller, what that adds is laid over the full picture, and parts of that are
//! climbed at its own size.

use std::fmt;

use crate::cli::BadInput;

/// In more pixels creatures get lost and an ascent takes seconds, where nobody asked for them.
const MOST_PIXELS: f64 = 1.3e6;
/// Bytes of memory that an ascent takes for each of its pixels (1500 with MobileNetV2, measured; other networks keep more), and the full picture in
/// all the forms it is worked on in.
const BYTES_CLIMBED: f64 = 3000.0;
const BYTES_LAID: f64 = 64.0;
/// Of the free memory so much is taken at most.
const SHARE: f64 = 0.6;
/// A dream with fewer pixels is none.
const FEWEST_PIXELS: f64 = 64.0 * 64.0;
/// So often each place is climbed at the picture's own size.
const TURNS: f64 = 6.0;
/// A picture with fewer times as many pixels as are climbed gains nothing by parts: a quarter more along each side.
const WORTH_WINDOWS: f64 = 25.0 / 16.0;
/// Sides of what is climbed are multiples of this.
const GRID: usize = 8;

/// How a picture is dreamed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// The picture's own size.
    full: (usize, usize),
    /// What is climbed as a whole.
    pub size: (usize, usize),
    /// Parts of that size that are climbed in the full picture.
    pub windows: u32,
}

impl Work {
    /// For a picture of `full` pixels; `is_asked`: somebody wants it at just that size; `is_film`: each frame is dreamed on so. `free`: bytes of memory,
    /// where that is known.
    ///
    /// # Errors
    /// There is no memory for the smallest dream.
    pub fn plan(full: (usize, usize), is_asked: bool, is_film: bool, free: Option<u64>) -> Result<Work, BadInput> {
        let pixels = (full.0 * full.1) as f64;
        let room = free.map_or(f64::INFINITY, |free| SHARE * free as f64 - BYTES_LAID * pixels) / BYTES_CLIMBED;
        if room < FEWEST_PIXELS.min(pixels) {
            let (needed, free) = (BYTES_LAID * pixels / SHARE / 1e9, free.unwrap_or_default() as f64 / 1e9);
            return Err(BadInput(format!(
                "{}x{} pixels take some {needed:.1} GB of memory, and {free:.1} GB are free: --max-side reduces the picture",
                full.0, full.1
            )));
        }
        let most = if is_asked { f64::INFINITY } else { MOST_PIXELS };
        if pixels <= room.min(most * WORTH_WINDOWS) {
            return Ok(Work { full, size: full, windows: 0 });
        }
        let scale = (room.min(most) / pixels).sqrt().min(1.0);
        let side = |side: usize| ((side as f64 * scale) as usize / GRID * GRID).max(GRID);
        let size = (side(full.0), side(full.1));
        let times = pixels / (size.0 * size.1) as f64;
        let turns = if times < WORTH_WINDOWS {
            0.0
        } else if is_film {
            1.0
        } else {
            TURNS
        };
        Ok(Work { full, size, windows: (turns * times).ceil() as u32 })
    }

    pub fn is_whole(&self) -> bool {
        self.size == self.full
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Work { full, size, windows } = self;
        let memory = (BYTES_CLIMBED * (size.0 * size.1) as f64 + BYTES_LAID * (full.0 * full.1) as f64) / 1e9;
        write!(f, "{}x{} pixels: dreamed on at {}x{}", full.0, full.1, size.0, size.1)?;
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
        let plan = |full, is_asked, free| Work::plan(full, is_asked, false, free).unwrap();
        assert_eq!(plan((600, 400), false, Some(8 << 30)), Work { full: (600, 400), size: (600, 400), windows: 0 });
        let photo = plan((4032, 3024), false, Some(8 << 30));
        assert!((1200..1400).contains(&photo.size.0) && (850..1050).contains(&photo.size.1), "{photo:?}");
        assert!((50..80).contains(&photo.windows), "{photo:?}");
        assert!(plan((1920, 1080), true, Some(64 << 30)).is_whole());
        assert!(!plan((1920, 1080), false, Some(64 << 30)).is_whole());
        assert!(plan((1600, 1200), false, Some(64 << 30)).is_whole(), "it would only be blurred");
        let film = Work::plan((4032, 3024), false, true, Some(8 << 30)).unwrap();
        assert!((8..14).contains(&film.windows), "{film:?}");
        let error = Work::plan((4032, 3024), false, false, Some(1 << 30)).unwrap_err().to_string();
        assert!(error.contains("--max-side"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_planned_fits(w in 32usize..16384, h in 32usize..16384, free in (1u64 << 28)..(1 << 36), is_asked: bool) {
            if let Ok(work) = Work::plan((w, h), is_asked, false, Some(free)) {
                let takes = BYTES_CLIMBED * (work.size.0 * work.size.1) as f64 + BYTES_LAID * (w * h) as f64;
                prop_assert!(takes <= SHARE * free as f64 + BYTES_CLIMBED * (GRID * (w + h)) as f64);
                prop_assert!(work.size.0 <= w && work.size.1 <= h);
            }
        }
    }
}
