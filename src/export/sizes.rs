//! The picture sizes at which a layer can be computed, found at export.
//!
//! Branches that round differently (one pool down, another up) have maps of equal size at some picture sizes only. Each window
//! of stride t gives one position more for t more positions, so what works repeats with the stride: it is tried out for every
//! size up to [`LARGEST`], and what holds in the last period holds for all larger pictures.

use std::sync::Arc;

use super::window::Window;

/// Sizes that are tried out; strides of real networks are 32 at most.
const LARGEST: usize = 2048;

/// How many positions maps have along one axis at every picture size.
#[derive(Debug, Clone)]
pub struct Positions {
    /// For picture sizes from 1 on; 0 where the maps cannot be computed.
    counts: Arc<[usize]>,
    /// Picture sizes after which it repeats.
    period: usize,
}

/// Every size of a picture, down and across.
pub const ANY: [Fit; 2] = [Fit { multiple: 1, rest: 0 }; 2];

/// The sizes of a picture along one axis that work: those that leave `rest` when divided by `multiple`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    pub multiple: i64,
    pub rest: i64,
}

impl Positions {
    /// Those of the picture itself.
    pub fn of_picture() -> Positions {
        Positions { counts: (1..=LARGEST).collect(), period: 1 }
    }

    /// Those of a window that slides over these maps along `axis`.
    pub fn through(&self, window: &Window, axis: usize) -> Positions {
        let counts: Arc<[usize]> = self.counts.iter().map(|&count| window.positions(count, axis)).collect();
        // Most windows are padded to the size that was there.
        let counts = if counts == self.counts { self.counts.clone() } else { counts };
        Positions { counts, period: self.period.saturating_mul(window.strides[axis] as usize) }
    }

    /// Those of maps that are computed from these and `other` together, position by position.
    pub fn joined(&self, other: &Positions) -> Positions {
        let both = |(a, b): (&usize, &usize)| if a == b { *a } else { 0 };
        self.merged(other, both)
    }

    /// These, where `other`, which they need besides, can be computed too.
    pub fn where_there_is(&self, other: &Positions) -> Positions {
        self.merged(other, |(a, b)| if *b > 0 { *a } else { 0 })
    }

    fn merged(&self, other: &Positions, both: impl Fn((&usize, &usize)) -> usize) -> Positions {
        if Arc::ptr_eq(&self.counts, &other.counts) {
            return self.clone();
        }
        let counts = self.counts.iter().zip(&*other.counts).map(both).collect();
        Positions {
            counts,
            period: (self.period / common_divisor(self.period, other.period)).saturating_mul(other.period),
        }
    }

    /// Which sizes work, however large; none where none does.
    pub fn fit(&self) -> Option<Fit> {
        if self.period > LARGEST / 2 {
            return Some(ANY[0]);
        }
        let last = LARGEST - self.period + 1..=LARGEST;
        let works = |size: usize| self.counts[size - 1] > 0;
        let every = |multiple: usize| (0..multiple).map(move |rest| (multiple, rest));
        (1..=self.period)
            .filter(|multiple| self.period.is_multiple_of(*multiple))
            .flat_map(every)
            .find(|(multiple, rest)| last.clone().filter(|size| size % multiple == *rest).all(works))
            .map(|(multiple, rest)| Fit { multiple: multiple as i64, rest: rest as i64 })
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
