//! How a change is made, and what goes on by itself.

use super::table::TABLE;

/// What goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Play {
    #[default]
    Off,
    /// Scenes, one after another.
    Order,
    /// Scenes, each once in a round, in an order of chance.
    Shuffle,
    /// A seeded walk through layers and neurons.
    Wander,
}

impl Play {
    /// The names as the parameter `play` takes them.
    pub const NAMES: &[&str] = &["off", "order", "shuffle", "wander"];

    pub fn name(self) -> &'static str {
        Play::NAMES[self as usize]
    }

    pub fn named(name: &str) -> Option<Play> {
        [Play::Off, Play::Order, Play::Shuffle, Play::Wander].into_iter().find(|play| play.name() == name)
    }
}

/// A ramp is told in steps; what follows it goes from one to the next in so many seconds.
const RAMPED: f64 = 0.1;

/// How long a change takes to show, seconds. What jumps has a pace of 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pace {
    /// Of numbers, from what they are to what they are told to be; but not of those that a ramp moves ([`Pace::of`]).
    pub numbers: f64,
    /// Of a cross-fade to another layer or other neurons, which begins when their graphs are open.
    pub network: f64,
    /// Those that a ramp moves, a bit for each row of the table.
    ramped: u64,
}

impl Pace {
    /// Everything over `seconds`.
    pub fn all(seconds: f64) -> Pace {
        Pace { numbers: seconds, network: seconds, ramped: 0 }
    }

    /// The same, where ramps move the parameters of these names and no others.
    pub fn with_ramps<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Pace {
        let bits = names.into_iter().map(bit);
        Pace { ramped: bits.fold(0, |ramped, bit| ramped | bit), ..self }
    }

    /// That of the number called `name`.
    pub fn of(&self, name: &str) -> f64 {
        if self.ramped & bit(name) == 0 { self.numbers } else { RAMPED }
    }
}

fn bit(name: &str) -> u64 {
    TABLE.iter().position(|spec| spec.name == name).map_or(0, |row| 1 << row)
}
