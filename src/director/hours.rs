//! Opening hours: what is done when they begin and end.
//!
//! Only the moment of opening or closing acts. Whoever switches the screen on at night has it on until the next one.

use serde_json::{Map, Value as Json};

use super::change_request::ChangeRequest;
use super::moment::Now;
use super::schedule::Outside;
use super::{Director, Schedule, scenes};
use tracing::{info, warn};

/// The opening hours, and which side of them it is.
#[derive(Default)]
pub struct Hours {
    pub schedule: Option<Schedule>,
    /// None before the clock was set for the first time.
    pub open: Option<bool>,
    /// The look and the scene that are shown again at opening, where there is another in the meantime.
    pub before: Option<LookBefore>,
}

/// What was shown before the closing, and is shown again at opening.
pub struct LookBefore {
    pub look: Map<String, Json>,
    pub scene: Option<String>,
}

impl LookBefore {
    /// Takes those of `changes` that belong to a look: they are for the opening, not for the scene that is shown meanwhile.
    pub fn take_look_of(&mut self, changes: &mut Map<String, Json>) {
        let (looks, rest): (Map<_, _>, Map<_, _>) =
            std::mem::take(changes).into_iter().partition(|(name, _)| scenes::is_look(name));
        *changes = rest;
        if looks.is_empty() {
            return;
        }
        if looks.contains_key("layer") && !looks.contains_key("neurons") {
            // A channel's number means nothing in another layer.
            self.look.shift_remove("neurons");
        }
        self.look.extend(looks);
        self.scene = None;
    }
}

impl Hours {
    /// Closed, with a scene for that: nothing else is played.
    pub fn shows_a_scene(&self) -> bool {
        let has_scene = self.schedule.as_ref().is_some_and(|s| matches!(s.outside(), Outside::Scene(_)));
        self.open == Some(false) && has_scene
    }
}

impl Director {
    /// Opens or closes where it is time to.
    pub(super) fn update_hours(&mut self, now: Now) {
        let Some(open) = self.hours.schedule.as_ref().and_then(|schedule| schedule.is_open(now.wall)) else { return };
        let was = self.hours.open.replace(open);
        match (was, open) {
            (Some(true) | None, false) => self.close(now),
            (Some(false), true) => self.open(now),
            _ => return,
        }
        self.changes.by_itself += 1;
    }

    fn close(&mut self, now: Now) {
        let Some(schedule) = &self.hours.schedule else { return };
        let request = match schedule.outside().clone() {
            Outside::Blank => ChangeRequest::new(switch("blank", true), None),
            Outside::Scene(name) => {
                self.hours.before = Some(LookBefore { look: scenes::look(&self.targets), scene: self.scene.clone() });
                ChangeRequest::of_scene(name, Some(self.targets.glide))
            }
        };
        info!("closing, as scheduled");
        self.apply_or_warn(request, now);
    }

    pub(super) fn open(&mut self, now: Now) {
        info!("opening, as scheduled");
        match self.hours.before.take() {
            None => self.apply_or_warn(ChangeRequest::new(switch("blank", false), None), now),
            Some(LookBefore { look, scene }) => {
                self.apply_or_warn(ChangeRequest::new(look, Some(self.targets.glide)), now);
                self.scene = scene;
            }
        }
        self.player.hold_from(now.steady);
    }

    /// Does what nobody waits for an answer to.
    pub(super) fn apply_or_warn(&mut self, request: ChangeRequest, now: Now) {
        if let Err(refusals) = self.apply(request, now) {
            for refusal in refusals {
                warn!("not done: {refusal}");
            }
        }
    }
}

fn switch(name: &str, on: bool) -> Map<String, Json> {
    Map::from_iter([(name.to_owned(), on.into())])
}
