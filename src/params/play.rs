//! How a change is made, and what goes on by itself.

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

/// How long a change takes to show, seconds. What jumps has a pace of 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pace {
    /// Of numbers, from what they are to what they are told to be.
    pub numbers: f64,
    /// Of a cross-fade to another layer or other neurons, which begins when their graphs are open.
    pub network: f64,
}

impl Pace {
    /// Everything over `seconds`.
    pub fn all(seconds: f64) -> Pace {
        Pace { numbers: seconds, network: seconds }
    }
}
