//! Opening hours: what is shown outside them, over the look that is directed.
//!
//! Closing lays an overlay over what is shown, and opening removes it; the look beneath goes on being directed. A command that says what is to be
//! seen instead (that switches the screen on, or directs the look where a scene covers it) removes it until the next closing.
//!
//! The hours are those of the configuration, until others are commanded.

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use tracing::{info, warn};

use super::Director;
use super::change_request::ChangeRequest;
use super::moment::Now;
use super::raw_schedule::OpeningHours;
use super::schedule::{Change, Outside, Schedule};
use crate::params::{self, Params, Scope, Spec, TABLE};

/// The opening hours, and whether it is open.
#[derive(Default)]
pub struct Hours {
    pub configured: OpeningHours,
    /// Those that were commanded, in place of the configured ones.
    pub chosen: Option<OpeningHours>,
    /// None before the clock was set for the first time.
    pub open: Option<bool>,
    pub overlay: Option<Overlay>,
    ahead: Option<Ahead>,
}

/// The next opening or closing, as seen from one moment: it holds until then. Looking ahead is too much for each `state`.
struct Ahead {
    since: Timestamp,
    change: Option<Change>,
}

impl Ahead {
    fn holds_at(&self, now: Timestamp) -> bool {
        self.since <= now && self.change.as_ref().is_none_or(|change| now < change.at)
    }
}

/// What is shown instead of what is directed.
pub enum Overlay {
    Blank,
    /// A scene, and the whole look that it made at closing.
    Scene {
        name: String,
        look: Box<Params>,
    },
}

impl Overlay {
    pub fn covers(&self, spec: &Spec) -> bool {
        match self {
            Overlay::Blank => spec.name == "blank",
            Overlay::Scene { .. } => spec.scope == Scope::Look,
        }
    }

    fn lay_over(&self, params: &mut Params) {
        match self {
            Overlay::Blank => params.blank = true,
            Overlay::Scene { look, .. } => {
                let covered = TABLE.iter().filter(|spec| self.covers(spec));
                covered.for_each(|spec| (spec.set)(params, (spec.get)(look)));
            }
        }
    }

    fn is_lifted_by(&self, request: &ChangeRequest) -> bool {
        let covers = |name: &String| params::find(name).is_ok_and(|spec| self.covers(spec));
        let names_a_scene = request.scene.is_some() && matches!(self, Overlay::Scene { .. });
        names_a_scene || request.changes.keys().any(covers)
    }
}

impl Hours {
    pub fn configured(configured: OpeningHours) -> Hours {
        Hours { configured, ..Hours::default() }
    }

    /// Those in effect.
    pub fn in_effect(&self) -> &OpeningHours {
        self.chosen.as_ref().unwrap_or(&self.configured)
    }

    pub fn schedule(&self) -> Option<&Schedule> {
        self.in_effect().schedule()
    }

    /// As `state` tells it: whether it opens or closes next, and when; null where it does neither.
    pub fn next(&self) -> Json {
        let change = self.ahead.as_ref().and_then(|ahead| ahead.change.as_ref());
        json!(change.map(|change| json!({"open": change.opens, "at": change.shown})))
    }

    /// As `about` tells it; null without any.
    pub fn describe(&self) -> Option<Map<String, Json>> {
        let mut said = self.in_effect().describe()?;
        said.insert("configured".to_owned(), self.chosen.is_none().into());
        Some(said)
    }

    fn look_ahead(&mut self, now: Timestamp) {
        if !self.ahead.as_ref().is_some_and(|ahead| ahead.holds_at(now)) {
            let change = self.schedule().and_then(|schedule| schedule.next_change(now));
            self.ahead = Some(Ahead { since: now, change });
        }
    }

    /// Whether a scene is shown instead of the look that is directed: nothing plays meanwhile.
    pub fn shows_a_scene(&self) -> bool {
        matches!(self.overlay, Some(Overlay::Scene { .. }))
    }

    /// `targets` under the overlay.
    pub fn shown(&self, targets: &Params) -> Params {
        let mut shown = targets.clone();
        self.overlay.iter().for_each(|overlay| overlay.lay_over(&mut shown));
        shown
    }
}

impl Director {
    /// Takes over other hours, configured or commanded by `change`: it opens or closes now where that differs.
    pub(super) fn change_hours(&mut self, change: impl FnOnce(&mut Hours), now: Now) {
        let outside = |hours: &Hours| hours.schedule().map(|schedule| schedule.outside().clone());
        let (before, was_open) = (outside(&self.hours), self.hours.open);
        change(&mut self.hours);
        self.hours.ahead = None;
        if self.hours.schedule().is_none() {
            if self.hours.open.take() == Some(false) {
                self.open(now);
            }
            return;
        }
        self.update_hours(now);
        if was_open == Some(false) && self.hours.open == Some(false) && outside(&self.hours) != before {
            self.close(now);
        }
    }

    /// Opens or closes where it is time to.
    pub(super) fn update_hours(&mut self, now: Now) {
        let Some(open) = self.hours.schedule().and_then(|schedule| schedule.is_open(now.wall)) else { return };
        self.hours.look_ahead(now.wall);
        let was = self.hours.open.replace(open);
        match (was, open) {
            (Some(true) | None, false) => self.close(now),
            (Some(false), true) => self.open(now),
            _ => return,
        }
        self.changes.by_itself += 1;
    }

    fn close(&mut self, now: Now) {
        let Some(outside) = self.hours.schedule().map(|schedule| schedule.outside().clone()) else { return };
        info!("closing, as scheduled");
        let before = self.hours.shown(&self.targets);
        let Outside::Scene(name) = outside else {
            self.hours.overlay = Some(Overlay::Blank);
            return self.show(&before, |_| false, |_| None, now);
        };
        match self.check(&ChangeRequest::of_scene(name.clone(), None)) {
            Ok((look, named)) => {
                let glide = Some(self.targets.glide);
                self.hours.overlay = Some(Overlay::Scene { name, look: Box::new(look) });
                self.show(&before, |spec| named.contains_key(spec.name), |_| glide, now);
            }
            Err(refusals) => {
                refusals.iter().for_each(|refusal| warn!("cannot show the scene for closing time: {refusal}"))
            }
        }
    }

    fn open(&mut self, now: Now) {
        info!("opening, as scheduled");
        let glide = Some(self.targets.glide).filter(|_| self.hours.shows_a_scene());
        let was_blanked = self.hours.schedule().is_some_and(|schedule| *schedule.outside() == Outside::Blank);
        let before = self.hours.shown(&self.targets);
        if was_blanked {
            // By hand too, before it was closed or after.
            self.targets.blank = false;
        }
        let overlay = self.hours.overlay.take();
        self.show(&before, |spec| overlay.as_ref().is_some_and(|overlay| overlay.covers(spec)), |_| glide, now);
        self.player.hold_from(now.steady);
    }

    /// Applies what is commanded, so that it is seen.
    pub(super) fn command(&mut self, request: &ChangeRequest, now: Now) -> Result<(), Vec<params::Refusal>> {
        self.apply(request, now)?;
        if self.hours.overlay.as_ref().is_some_and(|overlay| overlay.is_lifted_by(request)) {
            self.lift_overlay(|spec| request.over(spec), now);
        }
        Ok(())
    }

    /// Shows what is directed, until the next closing; each parameter in so many seconds.
    pub(super) fn lift_overlay(&mut self, over: impl Fn(&Spec) -> Option<f64>, now: Now) {
        let before = self.hours.shown(&self.targets);
        let Some(overlay) = self.hours.overlay.take() else { return };
        self.show(&before, |spec| overlay.covers(spec), over, now);
        // What was directed is there to be seen, and not to be played on from at once.
        self.player.hold_from(now.steady);
    }

    /// Applies what the configuration asks for; nobody waits for an answer.
    pub(super) fn apply_or_warn(&mut self, request: &ChangeRequest, now: Now) {
        if let Err(refusals) = self.apply(request, now) {
            refusals.iter().for_each(|refusal| warn!("cannot apply the configuration: {refusal}"));
        }
    }
}
