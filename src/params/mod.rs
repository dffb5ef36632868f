//! Everything that can be changed while it dreams: one table, [`TABLE`].
//!
//! Command-line flags, config keys, MQTT topics and their JSON schema, the web page's widgets and the
//! reference page are all made from the table. A value from outside goes through [`Params::with`], which
//! takes all of a set of changes or none, and never clamps in silence.

mod play;
mod print;
mod spec;
mod table;
mod transitions;
mod value;

pub use play::Play;
pub use print::{guide_names, json_schema, markdown, second_layer_names, text};
pub use spec::{Kind, Scope, Section, Spec};
pub use table::{LAYERS_WITH_NEURONS, TABLE};
pub use transitions::Transitions;
pub use value::{Refusal, Value};

use serde_json::{Map, Value as Json};

use crate::guides::NONE;
use crate::pack::{Catalogue, Layer, Manifest, Neurons, Objective};
use crate::text::excerpt;

/// The value of every parameter, and how the last changes show. Ranges and units stand in [`TABLE`].
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    pub layer: String,
    pub neurons: Neurons,
    /// Another layer dreamed beside it, or [`NONE`].
    pub second_layer: String,
    pub second_neurons: Neurons,
    pub second_share: f64,
    pub guide: String,
    pub guided: f64,
    pub caricature: f64,
    pub intensity: f64,
    pub steps: u32,
    pub step: f64,
    pub octaves: u32,
    pub octave_scale: f64,
    pub windows: u32,
    pub smoothing: f64,
    pub colour: f64,
    pub tone: f64,
    pub decay: f64,
    pub fatigue: f64,
    pub trance: f64,
    pub deepen: f64,
    pub persistence: f64,
    pub sleep: f64,
    pub zoom: f64,
    pub rotate: f64,
    pub drift: f64,
    pub drift_angle: f64,
    pub jitter: u32,
    pub brightness: f64,
    pub mirror: bool,
    pub paused: bool,
    pub blank: bool,
    pub caption: bool,
    pub fade: f64,
    pub play: Play,
    pub hold: f64,
    pub glide: f64,
    /// Seconds of a crossfade to another layer or other neurons, which begins when their graphs are open; 0: at once. Not in the table, as it belongs to a
    /// change and not to what is changed.
    pub crossfade: f64,
    /// The numbers that are still on their way to the values here.
    pub transitions: Transitions,
}

impl Params {
    /// The table's defaults, with the layer that `catalogue` dreams when nobody chose one.
    pub fn new(catalogue: &Catalogue) -> Params {
        let mut params = Params {
            layer: catalogue.default_layer().unwrap_or_default(),
            neurons: Neurons::all(),
            second_layer: NONE.to_owned(),
            second_neurons: Neurons::all(),
            second_share: 0.0,
            guide: NONE.to_owned(),
            guided: 0.0,
            caricature: 0.0,
            intensity: 0.0,
            steps: 0,
            step: 0.0,
            octaves: 0,
            octave_scale: 0.0,
            windows: 0,
            smoothing: 0.0,
            colour: 0.0,
            tone: 0.0,
            decay: 0.0,
            fatigue: 0.0,
            trance: 0.0,
            deepen: 0.0,
            persistence: 0.0,
            sleep: 0.0,
            zoom: 0.0,
            rotate: 0.0,
            drift: 0.0,
            drift_angle: 0.0,
            jitter: 0,
            brightness: 1.0,
            mirror: false,
            paused: false,
            blank: false,
            caption: false,
            fade: 0.0,
            play: Play::Off,
            hold: 0.0,
            glide: 0.0,
            crossfade: 0.0,
            transitions: Transitions::default(),
        };
        for spec in TABLE {
            if let Some(value) = spec.default_value() {
                (spec.set)(&mut params, value);
            }
        }
        params
    }

    /// The defaults for a single picture (`reverie dream`), which has all the time it wants.
    pub fn for_still(catalogue: &Catalogue) -> Params {
        let mut params = Params::new(catalogue);
        for spec in TABLE {
            if let Some(value) = spec.still {
                (spec.set)(&mut params, Value::Number(value));
            }
        }
        params
    }

    /// These parameters with `changes` applied: all of them, or none and a refusal for each that is wrong.
    ///
    /// A change of layer without a choice of neurons takes what the new layer begins with, since a channel's number
    /// means nothing in another layer. The changes show over `fade`, the new one where that is among them.
    pub fn with(&self, changes: &Map<String, Json>, catalogue: &Catalogue) -> Result<Params, Vec<Refusal>> {
        let mut next = self.clone();
        let mut refusals = Vec::new();
        for (name, json) in changes {
            match find(name).and_then(|spec| spec.read(json).map(|value| (spec, value))) {
                Ok((spec, value)) => (spec.set)(&mut next, value),
                Err(refusal) => refusals.push(refusal),
            }
        }
        let begins_anew = changes.contains_key("layer") && !changes.contains_key("neurons") && next.layer != self.layer;
        next.crossfade = next.fade;
        let refused = |name: &str, refusals: &[Refusal]| refusals.iter().any(|r| r.param == name);
        match catalogue.layer(&next.layer) {
            Err(e) if !refused("layer", &refusals) => refusals.push(Refusal::new("layer", e)),
            Ok((_, pack, layer)) => {
                // By the name that it is listed under.
                next.layer = catalogue.short_name(pack, layer);
                if begins_anew {
                    next.neurons = Neurons::to_begin_with(layer);
                }
                if !layer.can_be_led() {
                    next.lead_no_more(changes, &mut refusals, &unled(pack, layer));
                }
                if let Err(e) = next.neurons.weights(layer)
                    && !refused("neurons", &refusals)
                {
                    refusals.push(Refusal::new("neurons", e));
                }
            }
            _ => {}
        }
        next.check_second(self, changes, catalogue, &mut refusals);
        if next.guide != self.guide
            && next.guide != NONE
            && !refused("guide", &refusals)
            && let Err(e) = catalogue.guides().picture(&next.guide)
        {
            refusals.push(Refusal::new("guide", e));
        }
        if refusals.is_empty() { Ok(next) } else { Err(refusals) }
    }

    /// What is dreamed beside the layer: another one, with neurons that it has.
    fn check_second(
        &mut self,
        before: &Params,
        changes: &Map<String, Json>,
        catalogue: &Catalogue,
        refusals: &mut Vec<Refusal>,
    ) {
        let is_refused = |name: &str| refusals.iter().any(|refusal| refusal.param == name);
        if self.second_layer == NONE || is_refused("second_layer") {
            return;
        }
        let (_, pack, layer) = match catalogue.layer(&self.second_layer) {
            Ok(found) => found,
            Err(e) => return refusals.push(Refusal::new("second_layer", e)),
        };
        self.second_layer = catalogue.short_name(pack, layer);
        if self.second_layer == self.layer {
            if changes.contains_key("second_layer") {
                let why = "is the layer itself: give its neurons weights instead";
                return refusals.push(Refusal::new("second_layer", why));
            }
            // What was beside is in the middle now.
            NONE.clone_into(&mut self.second_layer);
            return;
        }
        if self.second_layer != before.second_layer && !changes.contains_key("second_neurons") {
            self.second_neurons = Neurons::to_begin_with(layer);
        }
        if self.second_neurons.is_live(layer) {
            let why = "neurons that are chosen by how active they are can be those of the first layer only";
            return refusals.push(Refusal::new("second_neurons", why));
        }
        if let Err(e) = self.second_neurons.weights(layer)
            && !is_refused("second_neurons")
        {
            refusals.push(Refusal::new("second_neurons", e));
        }
    }

    /// The layer can be led by no picture: where one of `changes` asks for that it is refused, and what led another layer leads no more.
    fn lead_no_more(&mut self, changes: &Map<String, Json>, refusals: &mut Vec<Refusal>, why: &str) {
        let mut refuse = |name: &str| {
            let is_asked_for = changes.contains_key(name);
            if is_asked_for && !refusals.iter().any(|refusal| refusal.param == name) {
                refusals.push(Refusal::new(name, why));
            }
            !is_asked_for
        };
        if self.guide != NONE && refuse("guide") {
            NONE.clone_into(&mut self.guide);
        }
        if self.caricature != 0.0 && refuse("caricature") {
            self.caricature = 0.0;
        }
    }

    /// Every parameter by name, in the table's order.
    pub fn to_json(&self) -> Map<String, Json> {
        TABLE.iter().map(|spec| (spec.name.to_owned(), (spec.get)(self).to_json())).collect()
    }
}

/// The row called `name`; else a refusal that names the nearest one.
pub fn find(name: &str) -> Result<&'static Spec, Refusal> {
    TABLE.iter().find(|spec| spec.name == name).ok_or_else(|| {
        let hint = crate::nearest(name, TABLE.iter().map(|spec| spec.name));
        let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        Refusal::new(excerpt(name), format!("there is no such parameter{hint}"))
    })
}

/// Why `layer` is led by no picture.
fn unled(pack: &Manifest, layer: &Layer) -> String {
    match layer.objective {
        Objective::Linear => {
            format!("the neurons of layer {} are classes, which no picture leads: choose words", layer.name)
        }
        Objective::Squared => {
            format!("layer {} of pack {} was exported without a guide; export it again", layer.name, pack.name)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
