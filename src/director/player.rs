//! Playback: which scene, or which place of the walk, comes next, and when.
//!
//! Its position is one number that counts places: everything else follows from that and the seed, so it resumes after a power
//! cut where it was, and goes back as well as forward.

use std::time::Instant;

use super::moment::seconds;
use crate::params::{Params, Play};

/// Playback of scenes or places.
#[derive(Debug, Clone)]
pub struct Player {
    pub seed: u64,
    /// Counts places from the first; below 0 after many steps back.
    pub position: i64,
    /// The scenes that are played; none: all there are.
    pub playlist: Option<Vec<String>>,
    /// When the transition to the present place began.
    since: Option<Instant>,
}

impl Player {
    pub fn new(seed: u64) -> Player {
        Player { seed, position: 0, playlist: None, since: None }
    }

    /// The present place is held from `now` on.
    pub fn hold_from(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// When the next place's turn comes; none while nothing plays.
    pub fn due(&self, params: &Params) -> Option<Instant> {
        let stay = seconds(params.glide) + seconds(params.hold);
        self.since.filter(|_| params.play != Play::Off).map(|since| since + stay)
    }

    /// The scenes that play, of those that exist.
    pub fn scenes<'a>(&'a self, are: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
        match &self.playlist {
            None => are.map(String::as_str).collect(),
            Some(list) => {
                let are: Vec<&String> = are.collect();
                list.iter().filter(|name| are.contains(name)).map(String::as_str).collect()
            }
        }
    }

    /// The index, of `count` scenes, that the present position stands for.
    pub fn index(&self, play: Play, count: usize) -> usize {
        let position = self.position.rem_euclid(count as i64) as usize;
        match play {
            // Two scenes have but one order in which none comes twice.
            Play::Shuffle if count > 2 => round(self.seed, self.position.div_euclid(count as i64), count)[position],
            _ => position,
        }
    }
}

/// The order of round `number`: each of `count` once, and the first never the last of the round before.
fn round(seed: u64, number: i64, count: usize) -> Vec<usize> {
    let shuffled = |number: i64| {
        let mut order: Vec<usize> = (0..count).collect();
        super::seeded_rng(seed, "shuffle", number).shuffle(&mut order);
        order
    };
    let mut order = shuffled(number);
    // Exchanging the first two leaves the last as it is, by which the next round goes.
    if order.first() == shuffled(number.wrapping_sub(1)).last() {
        order.swap(0, 1);
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shuffled_scenes_come_once_a_round_and_never_twice_in_a_row(seed: u64, count in 1usize..12, start in -100i64..100) {
            let mut player = Player::new(seed);
            let mut index = |position| {
                player.position = position;
                player.index(Play::Shuffle, count)
            };
            let length = count as i64;
            let mut round: Vec<usize> = (start * length..(start + 1) * length).map(&mut index).collect();
            round.sort_unstable();
            prop_assert_eq!(round, (0..count).collect::<Vec<_>>());
            for position in start * length..(start + 3) * length {
                prop_assert!(count == 1 || index(position) != index(position + 1));
            }
        }
    }
}
