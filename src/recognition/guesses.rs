//! How likely each class is, over the last seconds.

use std::time::Duration;

use crate::pack::LIKENESS;

/// A guess is a mean over about so many seconds, so that what is read of it does not flicker.
const MEMORY: f32 = 2.0;

/// The confidence in each class.
#[derive(Debug, Default)]
pub struct Guesses(Vec<f32>);

impl Guesses {
    /// Takes the `scores` of a picture, `elapsed` after the last one.
    pub fn take(&mut self, scores: &[f32], elapsed: Duration) {
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = scores.iter().map(|score| (score - highest).exp()).sum();
        let are_shares = are_shares(scores);
        let now = scores.iter().map(|score| if are_shares { *score } else { (score - highest).exp() / sum });
        if self.0.len() != scores.len() {
            self.0 = now.collect();
            return;
        }
        let weight = 1.0 - (-elapsed.as_secs_f32() / MEMORY).exp();
        for (held, now) in self.0.iter_mut().zip(now) {
            *held += weight * (now - *held);
        }
    }

    /// Begins anew with the next picture.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// The `count` likeliest classes, the likeliest first.
    pub fn likeliest(&self, count: usize) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.0.len()).collect();
        classes.sort_by(|a, b| self.0[*b].total_cmp(&self.0[*a]));
        classes.truncate(count);
        classes
    }

    /// In `class`, 0 to 1; 0 where nothing was looked at.
    pub fn confidence(&self, class: usize) -> f32 {
        self.0.get(class).copied().unwrap_or_default()
    }
}

/// Whether `scores` are shares of 1 already: some networks end in a softmax, others before it.
fn are_shares(scores: &[f32]) -> bool {
    let sum: f32 = scores.iter().sum();
    scores.iter().all(|score| *score >= 0.0) && (0.99..1.01).contains(&sum)
}

/// The direction of `scores` among [`LIKENESS`] axes, each a mix of all classes drawn by chance, which keeps angles nearly as they are (Johnson and
/// Lindenstrauss, 1984); the largest number is 127.
pub fn direction(scores: &[f32]) -> [i8; LIKENESS] {
    /// Of a share: so small a one says nothing.
    const LEAST: f32 = 1e-7;
    let are_shares = are_shares(scores);
    let logit = |score: &f32| if are_shares { score.max(LEAST).ln() } else { *score };
    let mean = scores.iter().map(logit).sum::<f32>() / scores.len().max(1) as f32;
    let mut random = fastrand::Rng::with_seed(1);
    let axes: [f32; LIKENESS] = std::array::from_fn(|_| {
        scores.iter().map(|score| if random.bool() { logit(score) - mean } else { mean - logit(score) }).sum()
    });
    let largest = axes.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    axes.map(|value| (127.0 * value / largest) as i8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn scores_become_shares_of_one() {
        let mut guesses = Guesses::default();
        // ln 2 apart: twice as likely, each than the one before. Large ones, whose powers are no numbers.
        let scores = [200.0, 200.0 + 2f32.ln(), 200.0 + 4f32.ln()];
        guesses.take(&scores, LONG);
        let shares = [0, 1, 2].map(|class| (guesses.confidence(class) * 7.0).round());
        assert_eq!((shares, guesses.likeliest(2)), ([1.0, 2.0, 4.0], vec![2, 1]));
        guesses.take(&[0.1, 0.7, 0.2], LONG);
        assert!((guesses.confidence(1) - 0.7).abs() < 1e-3, "shares stay shares: {guesses:?}");
    }

    #[test]
    fn pictures_alike_have_directions_alike() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut scores = || -> Vec<f32> { (0..1000).map(|_| random.f32()).collect() };
        let (one, other, noise) = (scores(), scores(), scores());
        let near: Vec<f32> = one.iter().zip(&noise).map(|(one, noise)| 3.0 + 5.0 * (one + 0.2 * noise)).collect();
        let cosine = |a: &[f32], b: &[f32]| {
            let (a, b) = (direction(a).map(f32::from), direction(b).map(f32::from));
            let dot = |a: &[f32; LIKENESS], b: &[f32; LIKENESS]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
        };
        assert!(cosine(&one, &near) > 0.9 && cosine(&one, &other).abs() < 0.6);
        assert_eq!(direction(&[0.0; 1000]), [0; LIKENESS]);
    }

    #[test]
    fn a_moment_changes_little_and_a_minute_everything() {
        let (mut guesses, one, other) = (Guesses::default(), [10.0, 0.0], [0.0, 10.0]);
        guesses.take(&one, Duration::ZERO);
        guesses.take(&other, Duration::from_millis(500));
        assert!((0.7..0.9).contains(&guesses.confidence(0)), "{guesses:?}");
        guesses.take(&other, LONG);
        assert!(guesses.confidence(1) > 0.99, "{guesses:?}");
        guesses.take(&one, LONG);
        guesses.forget();
        assert_eq!((guesses.confidence(0), guesses.likeliest(5)), (0.0, vec![]));
        guesses.take(&other, Duration::ZERO);
        assert!(guesses.confidence(1) > 0.99, "{guesses:?}");
    }
}
