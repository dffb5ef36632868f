//! Which windows (parts of the canvas) are climbed at its own size next: each place in its turn, what moves and what is dreamed sooner.

/// Cells across and down whose waiting time is kept.
const COLUMNS: usize = 16;
const ROWS: usize = 9;
/// Places that are drawn, of which the one that waited most is taken.
const CANDIDATES: usize = 12;

/// How much more a window may climb at once.
const MAX_SPREAD: f64 = 3.0;
/// One of so many windows is of twice the size.
const ONE_DOUBLE_IN: usize = 4;

/// A part: its corner, and how many pixels of the picture, along each side, are one of the graph's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub corner: (usize, usize),
    pub ratio: usize,
}

/// How long each cell has waited.
#[derive(Debug, Clone)]
pub struct Windows {
    waits: [f32; COLUMNS * ROWS],
}

impl Default for Windows {
    fn default() -> Windows {
        Windows { waits: [1.0; COLUMNS * ROWS] }
    }
}

/// How many times as much a window climbs as the whole does: in proportion to how long a place waits for its turn, within bounds.
pub fn spread(canvas: (usize, usize), size: (usize, usize), windows: u32) -> f64 {
    let turns = (canvas.0 * canvas.1) as f64 / (size.0 * size.1 * windows.max(1) as usize) as f64;
    turns.clamp(1.0, MAX_SPREAD)
}

/// Whether a graph of `size` sees less than a `canvas`, and no more along either side.
pub fn are_useful(canvas: (usize, usize), size: (usize, usize)) -> bool {
    canvas.0 >= size.0 && canvas.1 >= size.1 && (canvas.0 * 4 > size.0 * 5 || canvas.1 * 4 > size.1 * 5)
}

/// How many there are room for beside one another.
pub fn at_once(canvas: (usize, usize), size: (usize, usize)) -> usize {
    (canvas.0 * canvas.1).div_ceil((size.0 * size.1).max(1)).max(1)
}

impl Windows {
    /// Another frame passes.
    pub fn wait(&mut self, interest: impl Fn(f32, f32) -> f32) {
        for (cell, wait) in self.waits.iter_mut().enumerate() {
            let (x, y) = ((cell % COLUMNS) as f32 + 0.5, (cell / COLUMNS) as f32 + 0.5);
            *wait += 0.3 + interest(x / COLUMNS as f32, y / ROWS as f32);
        }
    }

    /// The next part of a `canvas` for a graph of `size`; none where that is as large as the canvas.
    pub fn next(&mut self, canvas: (usize, usize), size: (usize, usize), rng: &mut fastrand::Rng) -> Option<Window> {
        if !are_useful(canvas, size) {
            return None;
        }
        let fits_double = canvas.0 >= 2 * size.0 && canvas.1 >= 2 * size.1;
        let mut best: Option<(f32, Window)> = None;
        for _ in 0..CANDIDATES {
            let ratio = if fits_double && rng.usize(..ONE_DOUBLE_IN) == 0 { 2 } else { 1 };
            let (width, height) = (size.0 * ratio, size.1 * ratio);
            // Beyond the edges, and held to them: else the edges would seldom be in a window's middle.
            let mut draw = |length: usize, most: usize| {
                let half = (length / 2) as i64;
                rng.i64(-half..=(most as i64 - half)).clamp(0, (most - length) as i64) as usize
            };
            let window = Window { corner: (draw(width, canvas.0), draw(height, canvas.1)), ratio };
            let waited = self.waited(&window, size, canvas) / (width * height) as f32;
            if best.is_none_or(|(most, _)| waited > most) {
                best = Some((waited, window));
            }
        }
        let (_, window) = best?;
        self.cells(&window, size, canvas).for_each(|cell| self.waits[cell] = 0.0);
        Some(window)
    }

    fn waited(&self, window: &Window, size: (usize, usize), canvas: (usize, usize)) -> f32 {
        self.cells(window, size, canvas).map(|cell| self.waits[cell]).sum()
    }

    /// The cells whose middle lies well within `window`.
    fn cells(
        &self,
        window: &Window,
        size: (usize, usize),
        canvas: (usize, usize),
    ) -> impl Iterator<Item = usize> + use<> {
        let inner = |corner: usize, length: usize, most: usize, cells: usize| {
            let at = |pixel: usize| (pixel as f32 / most as f32 * cells as f32).round() as usize;
            let margin = length / 8;
            let first = if corner == 0 { 0 } else { at(corner + margin) };
            let last = if corner + length >= most { cells } else { at(corner + length - margin) };
            first..last.max(first)
        };
        let columns = inner(window.corner.0, size.0 * window.ratio, canvas.0, COLUMNS);
        let rows = inner(window.corner.1, size.1 * window.ratio, canvas.1, ROWS);
        rows.flat_map(move |row| columns.clone().map(move |column| row * COLUMNS + column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_gets_its_turn_within_the_picture() {
        let (canvas, size, mut rng) = ((1280, 720), (240, 128), fastrand::Rng::with_seed(3));
        let mut windows = Windows::default();
        let mut visits = vec![0; canvas.0 * canvas.1];
        for _ in 0..200 {
            windows.wait(|_, _| 0.0);
            let Window { corner, ratio } = windows.next(canvas, size, &mut rng).unwrap();
            assert!(corner.0 + ratio * size.0 <= canvas.0 && corner.1 + ratio * size.1 <= canvas.1);
            for y in corner.1..corner.1 + ratio * size.1 {
                visits[y * canvas.0 + corner.0..][..ratio * size.0].iter_mut().for_each(|visit| *visit += 1);
            }
        }
        assert!(visits.iter().all(|visits| *visits > 0), "some place was never climbed");
    }

    #[test]
    fn what_is_of_interest_is_climbed_more_often() {
        let (canvas, size, mut rng) = ((1280, 720), (240, 128), fastrand::Rng::with_seed(3));
        let mut windows = Windows::default();
        let mut right = 0;
        for _ in 0..400 {
            windows.wait(|x, _| if x > 0.5 { 3.0 } else { 0.0 });
            let window = windows.next(canvas, size, &mut rng).unwrap();
            right += usize::from(window.corner.0 + window.ratio * size.0 / 2 > canvas.0 / 2);
        }
        assert!(right > 240, "{right} of 400");
    }

    #[test]
    fn a_picture_that_is_no_larger_than_the_graph_has_no_windows() {
        let mut windows = Windows::default();
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(windows.next((240, 128), (240, 128), &mut rng), None);
        assert_eq!(windows.next((280, 150), (240, 128), &mut rng), None);
        assert_eq!(windows.next((200, 720), (240, 128), &mut rng), None);
    }
}
