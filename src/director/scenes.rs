//! Named sets of parameters: those of the configuration, and those saved while it runs.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::undo;
use crate::pack::Catalogue;
use crate::params::{self, LAYERS_WITH_NEURONS, Params, Refusal, Scope, Spec, TABLE};

/// Scenes by name. What a scene does not name stays as it is when it is shown.
pub type Scenes = BTreeMap<String, Map<String, Json>>;

/// More than anybody finds their way in; each is published in `about`.
pub const MAX_SAVED: usize = 64;
/// More of them are kept only where `undo` brings one back after another was saved in its place.
pub const MAX_KEPT: usize = MAX_SAVED + undo::MAX_CHANGES;
/// The longest name, characters.
pub const MAX_NAME_LENGTH: usize = 40;

/// Checks a scene's name: it is shown to people, and part of lists they choose from.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let fine = (1..=MAX_NAME_LENGTH).contains(&name.chars().count())
        && name.trim() == name
        && name.chars().all(|c| c.is_alphanumeric() || " -_.'".contains(c));
    let message = || format!("is 1 to {MAX_NAME_LENGTH} letters, digits, spaces, `-`, `_`, `.` and `'`");
    if fine { Ok(()) } else { Err(Refusal::new("name", message())) }
}

/// Whether the parameter `name` belongs to a look, and so to scenes.
pub fn is_look(name: &str) -> bool {
    params::find(name).is_ok_and(|spec| spec.scope == Scope::Look)
}

/// The look of `params`, as a scene.
pub fn look(params: &Params) -> Map<String, Json> {
    let look = TABLE.iter().filter(|spec| spec.scope == Scope::Look);
    look.map(|spec| (spec.name.to_owned(), (spec.get)(params).to_json())).collect()
}

/// The parameters in which two looks differ.
pub fn differing(one: &Params, other: &Params) -> impl Iterator<Item = &'static Spec> {
    TABLE.iter().filter(|spec| spec.scope == Scope::Look && (spec.get)(one) != (spec.get)(other))
}

/// Checks a scene against the installed layers, shown from any other: everything in it is a look.
pub fn check(scene: &Map<String, Json>, catalogue: &Catalogue) -> Result<(), Vec<Refusal>> {
    let of_the_device = |name: &&String| params::find(name).is_ok_and(|spec| spec.scope == Scope::Device);
    let mut refusals: Vec<Refusal> = (scene.keys().filter(of_the_device))
        .map(|name| Refusal::new(name.as_str(), "belongs to the device, not to a scene"))
        .collect();
    let unnamed =
        LAYERS_WITH_NEURONS.iter().find(|(layer, neurons)| scene.contains_key(*neurons) && !scene.contains_key(*layer));
    if let Some((_, neurons)) = unnamed {
        refusals.push(Refusal::new(*neurons, "a scene that names neurons names their layer too"));
    } else if let Err(more) = Params::new(catalogue).with(scene, catalogue) {
        refusals.extend(more);
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}
