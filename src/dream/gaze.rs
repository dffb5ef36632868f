//! Gaze: per place, how fast it moves, and for how long it has been the same ("stared at").

use crate::flow::ComposedFlow;

/// Speed that counts as full motion, widths of the picture a second.
const FAST: f32 = 0.05;
/// Seconds after which a place that stands still begins to be stared at, and is so in full. (An eye that is held still loses sight of things after ten to
/// twenty: Troxler's fading.)
const STARE_BEGINS: f32 = 12.0;
const STARE_FULL: f32 = 24.0;
/// Seconds after which a place in full motion counts as new.
const NEW_AFTER: f32 = 0.25;

/// Each place of the picture, in pixels of the path's field.
#[derive(Debug, Default)]
pub struct Gaze {
    width: usize,
    height: usize,
    /// How fast it moves, 0 to 1.
    moves: Vec<f32>,
    /// For how many seconds it has been the same, [`STARE_FULL`] at most, and how much it is stared at, 0 to 1.
    stood: Vec<f32>,
    stared_at: Vec<f32>,
    stares: f64,
}

impl Gaze {
    /// Looks at the picture, `seconds` later: `path` is what moved and is new since.
    pub fn look(&mut self, path: &ComposedFlow, seconds: f64) {
        self.resize(path.size());
        let seconds = seconds as f32;
        let pace = 1.0 / (FAST * self.width as f32 * seconds.max(0.001));
        let ways = path.field.x.iter().zip(&path.field.y).zip(&path.confidence);
        for ((moves, stood), ((x, y), seen)) in self.moves.iter_mut().zip(&mut self.stood).zip(ways) {
            *moves = (x.hypot(*y) * pace).min(1.0);
            // Cubed: a camera that trembles makes nothing new.
            *stood = ((*stood + seconds) * seen).min(STARE_FULL) * (-moves.powi(3) * seconds / NEW_AFTER).exp();
        }
        self.stared_at.clear();
        self.stared_at
            .extend(self.stood.iter().map(|stood| smooth((stood - STARE_BEGINS) / (STARE_FULL - STARE_BEGINS))));
        self.stares = f64::from(self.stared_at.iter().sum::<f32>() / self.stared_at.len().max(1) as f32);
    }

    /// Takes on another size; what stood still still does.
    fn resize(&mut self, size: (usize, usize)) {
        let before = (self.width, self.height);
        if before == size {
            return;
        }
        let places = (0..size.1).flat_map(|y| places(before, y, size));
        self.stood = places.map(|at| self.stood.get(at).copied().unwrap_or(0.0)).collect();
        (self.width, self.height) = size;
        self.moves.resize(self.stood.len(), 0.0);
    }

    /// How much each place is stared at: 0 while it moves or is new, 1 where it has stood still for long.
    pub fn stared_at(&self) -> &[f32] {
        &self.stared_at
    }

    /// The same of the whole picture, in the mean.
    pub fn stares(&self) -> f64 {
        self.stares
    }

    /// How fast the places of row `y` of a picture of `size` move, and how much they are stared at, from left to right.
    pub fn row(&self, y: usize, size: (usize, usize)) -> impl Iterator<Item = (f32, f32)> {
        places((self.width, self.height), y, size).map(|at| (self.moves[at], self.stared_at[at]))
    }
}

/// Where the pixels of row `y` of a picture of `size` lie in a field of `width` × `height`: the nearest places, from left to right.
pub fn places((width, height): (usize, usize), y: usize, size: (usize, usize)) -> impl Iterator<Item = usize> {
    let line = y * height / size.1 * width;
    (0..size.0).map(move |x| line + x * width / size.0)
}

/// From 0 to 1 without a sudden beginning or end.
pub fn smooth(part: f32) -> f32 {
    let part = part.clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (64, 36);

    /// A path along which the left half stands still and the right one moves by so many pixels.
    fn path(moved: f32) -> ComposedFlow {
        let mut path = ComposedFlow::default();
        path.reset(SIZE.0, SIZE.1);
        path.field.x.iter_mut().enumerate().for_each(|(at, x)| *x = if at % SIZE.0 < SIZE.0 / 2 { 0.0 } else { moved });
        path
    }

    /// What the gaze tells of the left and of the right half.
    fn halves(gaze: &Gaze) -> [(f32, f32); 2] {
        let row: Vec<_> = gaze.row(5, (128, 72)).collect();
        [row[20], row[100]]
    }

    #[test]
    fn what_stands_still_for_long_is_stared_at_and_what_moves_or_is_new_is_not() {
        let mut gaze = Gaze::default();
        (0..80).for_each(|_| gaze.look(&path(1.0), 0.125));
        assert_eq!(halves(&gaze)[0], (0.0, 0.0), "ten seconds are not long");
        (0..160).for_each(|_| gaze.look(&path(1.0), 0.125));
        let [left, right] = halves(&gaze);
        assert_eq!(left, (0.0, 1.0));
        assert_eq!(right, (1.0, 0.0));
        assert!((gaze.stares() - 0.5).abs() < 0.01, "{}", gaze.stares());
        let mut cut = path(0.0);
        cut.confidence.fill(0.0);
        gaze.look(&cut, 0.125);
        assert_eq!(halves(&gaze), [(0.0, 0.0); 2]);
    }

    #[test]
    fn a_camera_that_trembles_makes_nothing_new() {
        let mut gaze = Gaze::default();
        (0..240).for_each(|_| gaze.look(&path(0.06), 0.125));
        let [_, right] = halves(&gaze);
        assert!(right.0 < 0.2 && right.1 > 0.8, "{right:?}");
    }

    #[test]
    fn on_another_canvas_it_stares_on() {
        let mut gaze = Gaze::default();
        (0..240).for_each(|_| gaze.look(&path(1.0), 0.125));
        let mut other = ComposedFlow::default();
        other.reset(80, 45);
        gaze.look(&other, 0.125);
        assert_eq!(halves(&gaze), [(0.0, 1.0), (0.0, 0.0)]);
    }
}
