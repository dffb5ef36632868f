//! The working sizes there are to choose from.

/// Sizes of one set of proportions, from small to large; never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder(Vec<(usize, usize)>);

/// The longer side of the smallest size: less is not a picture any more.
const MIN_LONGER_SIDE: usize = 160;
/// The longer side from which calibration starts: cheap for any board, and a picture already.
const START_LONGER_SIDE: usize = 256;
/// Sides are multiples of this: networks halve them four times and more.
const GRID: usize = 16;

impl Ladder {
    /// One size, and no choice.
    pub fn only(size: (usize, usize)) -> Ladder {
        Ladder(vec![size])
    }

    /// Sizes with about the proportions of `largest`, and none larger.
    pub fn below(largest: (usize, usize)) -> Ladder {
        let (width, height) = (largest.0.max(1), largest.1.max(1));
        let longest = width.max(height);
        let mut sizes = Vec::new();
        let mut side = MIN_LONGER_SIDE;
        while side <= longest {
            let size = (fit(width, side, longest), fit(height, side, longest));
            if size.0 <= width && size.1 <= height && sizes.last() != Some(&size) {
                sizes.push(size);
            }
            // About a tenth from rung to rung: finer is not worth opening graphs for.
            side += ((side / 10 + GRID / 2) / GRID * GRID).max(GRID);
        }
        if sizes.is_empty() {
            sizes.push((width, height));
        }
        Ladder(sizes)
    }

    pub fn size(&self, rung: usize) -> (usize, usize) {
        self.0[rung.min(self.top())]
    }

    /// The largest rung.
    pub fn top(&self) -> usize {
        self.0.len() - 1
    }

    /// The rung to begin with where nothing is known of the board.
    pub fn start(&self) -> usize {
        self.0.iter().rposition(|(w, h)| *w.max(h) <= START_LONGER_SIDE).unwrap_or(0)
    }
}

/// `length` scaled by `side` / `longest`, on the grid.
fn fit(length: usize, side: usize, longest: usize) -> usize {
    ((length * side + longest * GRID / 2) / (longest * GRID) * GRID).max(GRID)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wide_screen() {
        let ladder = Ladder::below((1920, 1080));
        assert_eq!(ladder.0[..5], [(160, 96), (176, 96), (192, 112), (208, 112), (224, 128)]);
        assert_eq!(ladder.size(ladder.start()), (240, 128));
        assert!(ladder.0.len() < 30, "{} sizes", ladder.0.len());
    }

    #[test]
    fn a_limit_below_the_smallest_is_the_only_size() {
        assert_eq!(Ladder::below((100, 80)).0, [(100, 80)]);
    }

    proptest! {
        #[test]
        fn sizes_grow_within_the_limit_and_keep_its_proportions(w in 160usize..4000, h in 160usize..4000) {
            let ladder = Ladder::below((w, h));
            for pair in ladder.0.windows(2) {
                prop_assert!(pair[0].0 * pair[0].1 < pair[1].0 * pair[1].1, "{pair:?}");
            }
            for &(x, y) in &ladder.0 {
                prop_assert!(x <= w && y <= h);
                // The shorter side is off by half the grid at most.
                let exact = if w >= h { (y as f64, x as f64 * h as f64 / w as f64) } else { (x as f64, y as f64 * w as f64 / h as f64) };
                prop_assert!((exact.0 - exact.1).abs() <= GRID as f64 || exact.0 == GRID as f64, "{x}x{y} of {w}x{h}");
            }
        }
    }
}
