//! A `set` command, parsed: what changes, how slowly, and when.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::moment::{self, Now};
use super::{is_network, scenes};
use crate::params::{self, LAYERS_WITH_NEURONS, Refusal, Spec};

/// What is to change, how slowly, and when. Its values have not been checked yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeRequest {
    /// Target values, by parameter.
    pub changes: Map<String, Json>,
    /// Seconds for single parameters.
    own_durations: Vec<(String, f64)>,
    /// Seconds for all others; none: they show over `fade`.
    pub over: Option<f64>,
    /// A scene to be shown, below the changes.
    pub scene: Option<String>,
    /// When; none: now.
    pub at: Option<Timestamp>,
}

impl ChangeRequest {
    /// Plain changes, in `over` seconds, or over `fade`.
    pub fn new(changes: Map<String, Json>, over: Option<f64>) -> ChangeRequest {
        ChangeRequest { changes, over, ..ChangeRequest::default() }
    }

    /// A scene, in `over` seconds, or over `fade`.
    pub fn of_scene(scene: String, over: Option<f64>) -> ChangeRequest {
        ChangeRequest { scene: Some(scene), over, ..ChangeRequest::default() }
    }

    /// Parses the entries of a `set`; also returns what is wrong with their form.
    pub fn read(entries: &Map<String, Json>, now: Now) -> (ChangeRequest, Vec<Refusal>) {
        let mut request = ChangeRequest::default();
        let mut refusals = Vec::new();
        for (name, json) in entries {
            let outcome = match name.as_str() {
                "over" => moment::duration("over", json).map(|seconds| request.over = Some(seconds)),
                "at" => moment::at(json, now).map(|at| request.at = Some(at)),
                "scene" => scene_name(json).map(|name| request.scene = Some(name)),
                _ => request.read_entry(name, json),
            };
            refusals.extend(outcome.err());
        }
        (request, refusals)
    }

    /// Parses a parameter's value, or its target and duration: `{"to": 0.9, "over": "20s"}`.
    fn read_entry(&mut self, name: &str, json: &Json) -> Result<(), Refusal> {
        let Json::Object(ramp) = json else {
            self.changes.insert(name.to_owned(), json.clone());
            return Ok(());
        };
        let spec = params::find(name)?;
        let (Some(to), 2, Some(over)) = (ramp.get("to"), ramp.len(), ramp.get("over")) else {
            return Err(Refusal::new(name, format!("is {}, or {{\"to\": …, \"over\": \"20s\"}}", spec.expected())));
        };
        if !takes_time(spec) {
            return Err(Refusal::new(name, "cannot be ramped: give the value alone"));
        }
        self.own_durations.push((name.to_owned(), moment::duration(name, over)?));
        self.changes.insert(name.to_owned(), to.clone());
        Ok(())
    }

    /// Seconds that the change of `spec` is to take; none where the request does not say.
    pub fn over(&self, spec: &Spec) -> Option<f64> {
        // Neurons that a change of layers resets fade with it.
        let reset_by = LAYERS_WITH_NEURONS
            .iter()
            .find(|(_, neurons)| *neurons == spec.name && !self.changes.contains_key(*neurons));
        let name = reset_by.map_or(spec.name, |(layer, _)| layer);
        let own = self.own_durations.iter().find(|(own, _)| own == name);
        own.map(|(_, seconds)| *seconds).or(self.over).filter(|_| takes_time(spec))
    }
}

fn takes_time(spec: &Spec) -> bool {
    spec.is_number() || is_network(spec)
}

fn scene_name(json: &Json) -> Result<String, Refusal> {
    let wrong = || Refusal::new("scene", "is the name of a scene");
    let name = json.as_str().ok_or_else(wrong)?;
    scenes::check_name(name).map_err(|refusal| Refusal::new("scene", refusal.message))?;
    Ok(name.to_owned())
}
