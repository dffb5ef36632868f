//! What plays by itself.

/// What plays by itself.
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
