//! Taking back what was commanded last: a look, a scene that was overwritten or deleted, a playlist, opening hours.
//!
//! What was there before each such command is kept in memory alone, so that it is gone after a restart. What plays by itself is no command, and
//! what belongs to the device (`pause`, `blank`, how bright it is) is no look. A scene that was saved under a new name is not taken back either:
//! nothing of anybody's is deleted by `undo`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};

use super::moment::Now;
use super::saved_state::still_right;
use super::{ChangeRequest, Director, OpeningHours, scenes};
use crate::guides::NONE;
use crate::params::{LAYERS_WITH_NEURONS, Params, Refusal, TABLE};

/// Changes that can be taken back; of more, the oldest are forgotten.
pub const MAX_CHANGES: usize = 20;
/// Commands that follow each other within this time and change the same are one change: a slider that is dragged.
const GESTURE_PAUSE: Duration = Duration::from_secs(2);

/// What a command changed, as it was before.
pub enum Before {
    Look(Box<Look>),
    /// A saved scene, and which one was shown.
    Scene {
        name: String,
        params: Map<String, Json>,
        shown: Option<String>,
    },
    Playlist(Option<Vec<String>>),
    Hours(Option<Box<OpeningHours>>),
}

/// A look that was directed.
pub struct Look {
    params: Params,
    scene: Option<String>,
    /// By how many places the command that ended it went on.
    places: i64,
}

/// A change that can be taken back.
struct Change {
    before: Before,
    gesture: Option<Gesture>,
}

/// Further commands that change the same parameters belong to the change.
struct Gesture {
    params: Vec<&'static str>,
    last: Instant,
}

/// The changes that can be taken back, the newest last.
#[derive(Default)]
pub struct History(VecDeque<Change>);

impl History {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets the changes of which what was before does not count any more.
    pub fn retain(&mut self, counts: impl Fn(&Before) -> bool) {
        self.0.retain(|change| counts(&change.before));
    }

    /// A change that is one by itself.
    pub fn record(&mut self, before: Before) {
        self.end_gestures();
        self.push(before, None);
    }

    /// A slider that is moved on from now on is another change.
    pub fn end_gestures(&mut self) {
        self.0.iter_mut().for_each(|change| change.gesture = None);
    }

    /// A change of the look by a command that may be one of many: of a slider that is dragged what was before it counts. Two that are dragged
    /// at once, on two pages, are two changes.
    fn record_gesture(&mut self, look: Look, params: Vec<&'static str>, now: Instant) {
        let goes_on = |gesture: &&mut Gesture| {
            gesture.params == params && now.saturating_duration_since(gesture.last) <= GESTURE_PAUSE
        };
        match self.0.iter_mut().filter_map(|change| change.gesture.as_mut()).find(goes_on) {
            Some(gesture) => gesture.last = now,
            None => self.push(Before::Look(Box::new(look)), Some(Gesture { params, last: now })),
        }
    }

    fn push(&mut self, before: Before, gesture: Option<Gesture>) {
        if self.0.len() == MAX_CHANGES {
            self.0.pop_front();
        }
        self.0.push_back(Change { before, gesture });
    }

    fn take(&mut self) -> Option<Before> {
        self.end_gestures();
        Some(self.0.pop_back()?.before)
    }
}

impl Director {
    /// What is directed at the moment, beneath the opening hours.
    pub(super) fn look(&self) -> Look {
        Look { params: self.targets.clone(), scene: self.scene.clone(), places: 0 }
    }

    /// Records that a `set` changed the look, where it did.
    pub(super) fn record_set(&mut self, before: Look, names_a_scene: bool, now: Now) {
        let params: Vec<&str> = scenes::differing(&before.params, &self.targets).map(|spec| spec.name).collect();
        match params.is_empty() {
            true => {}
            false if names_a_scene => self.history.record(Before::Look(Box::new(before))),
            false => self.history.record_gesture(before, params, now.steady),
        }
    }

    /// Records that the look was changed by going on `places` scenes or places of the walk, where it was.
    pub(super) fn record_step(&mut self, before: Look, places: i64) {
        if scenes::differing(&before.params, &self.targets).next().is_some() {
            self.history.record(Before::Look(Box::new(Look { places, ..before })));
        }
    }

    /// Records that the saved scene `name` is another or none, where one was there `before`.
    pub(super) fn record_scene(&mut self, name: &str, before: Option<Map<String, Json>>) {
        if let Some(params) = before {
            let shown = self.scene.clone();
            self.history.record(Before::Scene { name: name.to_owned(), params, shown });
        }
    }

    /// Takes back the last change; a look shows over `over` seconds, or over `fade`.
    ///
    /// # Errors
    /// There is none, or the look cannot be shown.
    pub(super) fn undo(&mut self, over: Option<f64>, now: Now) -> Result<(), Vec<Refusal>> {
        let Some(before) = self.history.take() else { return Err(vec![nothing()]) };
        match before {
            Before::Look(look) => {
                let outcome = self.show_again(&look, over, now);
                if outcome.is_err() {
                    self.history.record(Before::Look(look));
                }
                return outcome;
            }
            Before::Scene { name, params, shown } => {
                // Unless something has played on since.
                if self.scene.as_ref().is_none_or(|scene| *scene == name) {
                    self.scene = shown;
                }
                self.saved.insert(name, params);
                self.scene = self.scene.take().filter(|name| self.is_look_of(name));
            }
            Before::Playlist(playlist) => self.player.playlist = playlist,
            Before::Hours(hours) => self.change_hours(|kept| kept.chosen = hours.map(|hours| *hours), now),
        }
        self.edition += 1;
        Ok(())
    }

    /// Directs `look`, as a `set` of it would. Of what has become invalid since, a guide that is gone is none, and all else stays as it is now: that
    /// the rest comes back is worth more than a refusal behind which nothing could be taken back any more.
    fn show_again(&mut self, look: &Look, over: Option<f64>, now: Now) -> Result<(), Vec<Refusal>> {
        self.command(&ChangeRequest::new(self.way_back_to(&look.params), over), now)?;
        self.scene = look.scene.clone().filter(|name| self.is_look_of(name));
        self.player.position = self.player.position.wrapping_sub(look.places);
        // What was brought back is not played on from at once.
        self.player.hold_from(now.steady);
        Ok(())
    }

    /// What of the look must be set so that it is that of `params` again.
    fn way_back_to(&self, params: &Params) -> Map<String, Json> {
        let mut names: Vec<&str> = scenes::differing(params, &self.targets).map(|spec| spec.name).collect();
        // Neurons are reset with their layer.
        for (layer, neurons) in LAYERS_WITH_NEURONS {
            if names.contains(&layer) && !names.contains(&neurons) {
                names.push(neurons);
            }
        }
        let is_named = |name: &str| names.contains(&name);
        let specs = TABLE.iter().filter(|spec| is_named(spec.name));
        let mut way: Map<_, _> = specs.map(|spec| (spec.name.to_owned(), (spec.get)(params).to_json())).collect();
        if is_named("guide") && params.guide != NONE && self.catalogue.guides().picture(&params.guide).is_err() {
            way.insert("guide".to_owned(), NONE.into());
        }
        still_right(&self.targets, way, &self.catalogue)
    }

    /// Whether what is directed is what the scene `name` shows.
    fn is_look_of(&self, name: &str) -> bool {
        let shown = self.scene(name).map(|scene| self.targets.with(scene, &self.catalogue));
        shown.is_some_and(|shown| shown.is_ok_and(|shown| scenes::differing(&shown, &self.targets).next().is_none()))
    }
}

/// What there is to say where nothing can be taken back.
pub fn nothing() -> Refusal {
    Refusal::whole("there is nothing to undo")
}
