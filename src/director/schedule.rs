//! Stub until the schedule lands.
pub enum Outside {
    Blank,
    Scene(String),
}
impl Clone for Outside {
    fn clone(&self) -> Outside {
        match self {
            Outside::Blank => Outside::Blank,
            Outside::Scene(s) => Outside::Scene(s.clone()),
        }
    }
}
pub struct Schedule {
    outside: Outside,
}
impl Schedule {
    pub fn is_open(&self, _at: jiff::Timestamp) -> Option<bool> {
        None
    }
    pub fn outside(&self) -> &Outside {
        &self.outside
    }
}
