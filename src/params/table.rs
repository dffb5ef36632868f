//! The table itself.

use super::{Kind, Play, Refusal, Scope, Spec, Value};
use crate::text::excerpt;

/// The parameters that name a layer, each with that of its neurons, which mean nothing in another layer.
pub const LAYERS_WITH_NEURONS: [(&str, &str); 2] = [("layer", "neurons"), ("second_layer", "second_neurons")];

/// Every parameter, in the order people meet them.
pub static TABLE: &[Spec] = &[
    Spec {
        name: "layer",
        about: "Which layer of which network dreams: shallow ones draw lines and patterns, deep ones animals and buildings.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Layer,
        still: None,
        get: |p| Value::Text(p.layer.clone()),
        set: |p, v| {
            if let Value::Text(name) = v {
                p.layer = name;
            }
        },
    },
    Spec {
        name: "neurons",
        about: "Which neurons of the layer are amplified: `all`, or channels, ranges and named groups with weights, joined by commas (`eyes`, `15`, `7:0.5,-62`); of the layer `words` what they are called (`a castle, peacocks:0.5, -dogs`). `strong`, `weak` and `rare` are those that are most and least active on what is seen, or more than usual.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Neurons,
        still: None,
        get: |p| Value::Neurons(p.neurons.clone()),
        set: |p, v| {
            if let Value::Neurons(neurons) = v {
                p.neurons = neurons;
            }
        },
    },
    Spec {
        name: "second_layer",
        about: "Another layer, of any network, that is dreamed beside the first: `none`, or its name.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::SecondLayer,
        still: None,
        get: |p| Value::Text(p.second_layer.clone()),
        set: |p, v| {
            if let Value::Text(name) = v {
                p.second_layer = name;
            }
        },
    },
    Spec {
        name: "second_neurons",
        about: "Which neurons of the second layer are amplified, as `neurons` of the first.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Neurons,
        still: None,
        get: |p| Value::Neurons(p.second_neurons.clone()),
        set: |p, v| {
            if let Value::Neurons(neurons) = v {
                p.second_neurons = neurons;
            }
        },
    },
    Spec {
        name: "second_share",
        about: "How much of each climb the second layer has; the rest is the first's.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.4, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.second_share),
        set: |p, v| set_real(&mut p.second_share, v),
    },
    Spec {
        name: "guide",
        about: "A picture that the dream is led by: of what the layer sees in it, the likest is sought at each place. `none`, or the name of one in the folder of guides; of layers whose neurons are words there is none.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Guide,
        still: None,
        get: |p| Value::Text(p.guide.clone()),
        set: |p, v| {
            if let Value::Text(name) = v {
                p.guide = name;
            }
        },
    },
    Spec {
        name: "guided",
        about: "How much the guide leads: 0 not at all, 1 alone; the rest is the layer's own.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 1.0, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.guided),
        set: |p, v| set_real(&mut p.guided, v),
    },
    Spec {
        name: "caricature",
        about: "How much the dream exaggerates what the layer sees in the camera's own picture, in its own proportions: 0 not at all, 1 nothing else. Takes twice the work.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.0, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.caricature),
        set: |p, v| set_real(&mut p.caricature, v),
    },
    Spec {
        name: "intensity",
        about: "How much of the dream is seen, and how hard it is pushed: 0 is a plain mirror, 1 the strongest.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 1.0, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.intensity),
        set: |p, v| set_real(&mut p.intensity, v),
    },
    Spec {
        name: "steps",
        about: "Ascents at each octave of each frame.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Whole { min: 0, max: 100, default: 2 },
        still: Some(12.0),
        get: |p| Value::Number(p.steps.into()),
        set: |p, v| set_whole(&mut p.steps, v),
    },
    Spec {
        name: "step",
        about: "How far one ascent climbs, on the 0..255 scale of the picture.",
        unit: "of 255",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 20.0, default: 1.75, step: 0.05 },
        still: None,
        get: |p| Value::Number(p.step),
        set: |p, v| set_real(&mut p.step, v),
    },
    Spec {
        name: "octaves",
        about: "Sizes at which each frame is dreamed, coarse to fine: more make larger creatures.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Whole { min: 1, max: 10, default: 2 },
        still: Some(5.0),
        get: |p| Value::Number(p.octaves.into()),
        set: |p, v| set_whole(&mut p.octaves, v),
    },
    Spec {
        name: "octave_scale",
        about: "How many times smaller each coarser octave is.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 1.1, max: 3.0, default: 1.4, step: 0.05 },
        still: None,
        get: |p| Value::Number(p.octave_scale),
        set: |p, v| set_real(&mut p.octave_scale, v),
    },
    Spec {
        name: "windows",
        about: "Parts of the picture that are climbed at the screen's own sharpness in each frame, each part in its turn.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Whole { min: 0, max: 16, default: 2 },
        still: Some(0.0),
        get: |p| Value::Number(p.windows.into()),
        set: |p, v| set_whole(&mut p.windows, v),
    },
    Spec {
        name: "smoothing",
        about: "Laplacian-pyramid normalisation of the gradient: 0 is raw and hatched, 1 is full, which turns hatching into animals.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 1.0, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.smoothing),
        set: |p, v| set_real(&mut p.smoothing, v),
    },
    Spec {
        name: "colour",
        about: "How far the gradient follows the colours of photographs: 0 is a pastel rainbow, 1 nearly grey.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.3, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.colour),
        set: |p, v| set_real(&mut p.colour, v),
    },
    Spec {
        name: "tone",
        about: "How strongly brightness and contrast are held toward the camera's, so that feedback neither burns out nor goes dark.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.3, step: 0.01 },
        still: Some(0.0),
        get: |p| Value::Number(p.tone),
        set: |p, v| set_real(&mut p.tone, v),
    },
    Spec {
        name: "decay",
        about: "How long a dream lasts that nothing feeds any more: after this time about a third of it is left.",
        unit: "s",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.1, max: 60.0, default: 6.0, step: 0.1 },
        still: None,
        get: |p| Value::Number(p.decay),
        set: |p, v| set_real(&mut p.decay, v),
    },
    Spec {
        name: "fatigue",
        about: "How much the dream tires of what stands still for long, place by place, so that it goes on changing there: 0 never tires.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.5, step: 0.01 },
        still: Some(0.0),
        get: |p| Value::Number(p.fatigue),
        set: |p, v| set_real(&mut p.fatigue, v),
    },
    Spec {
        name: "trance",
        about: "How much the dream feeds on its own picture instead of following the camera: 0 is a mirror, 1 plain feedback, where zoom, rotate and drift fly through the whole picture.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.0, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.trance),
        set: |p, v| set_real(&mut p.trance, v),
    },
    Spec {
        name: "deepen",
        about: "How far into a trance stillness leads: the longer nothing moves, up to half a minute; movement leads back to the mirror.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.0, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.deepen),
        set: |p, v| set_real(&mut p.deepen, v),
    },
    Spec {
        name: "persistence",
        about: "In a trance: how much of the last dream remains in the next; the rest is the camera.",
        unit: "",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.9, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.persistence),
        set: |p, v| set_real(&mut p.persistence, v),
    },
    Spec {
        name: "sleep",
        about: "After this time without movement the mirror sinks into its own pictures, until something moves: 0 is never. In the dark, and without a camera, it always does.",
        unit: "s",
        scope: Scope::Device,
        kind: Kind::Real { min: 0.0, max: 86_400.0, default: 300.0, step: 1.0 },
        still: None,
        get: |p| Value::Number(p.sleep),
        set: |p, v| set_real(&mut p.sleep, v),
    },
    Spec {
        name: "zoom",
        about: "How fast the dream is flown into: in a second it grows by the factor 1 + zoom (below 0: shrinks).",
        unit: "/s",
        scope: Scope::Look,
        kind: Kind::Real { min: -0.9, max: 4.0, default: 0.0, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.zoom),
        set: |p, v| set_real(&mut p.zoom, v),
    },
    Spec {
        name: "rotate",
        about: "How fast the dream turns, clockwise.",
        unit: "°/s",
        scope: Scope::Look,
        kind: Kind::Real { min: -180.0, max: 180.0, default: 0.0, step: 0.5 },
        still: None,
        get: |p| Value::Number(p.rotate),
        set: |p, v| set_real(&mut p.rotate, v),
    },
    Spec {
        name: "drift",
        about: "How fast the dream slides, in picture widths.",
        unit: "widths/s",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 0.0, step: 0.005 },
        still: None,
        get: |p| Value::Number(p.drift),
        set: |p, v| set_real(&mut p.drift, v),
    },
    Spec {
        name: "drift_angle",
        about: "Where it slides to: 0 is right, 90 down.",
        unit: "°",
        scope: Scope::Look,
        kind: Kind::Real { min: 0.0, max: 360.0, default: 0.0, step: 1.0 },
        still: None,
        get: |p| Value::Number(p.drift_angle),
        set: |p, v| set_real(&mut p.drift_angle, v),
    },
    Spec {
        name: "jitter",
        about: "Largest random shift of the picture before each ascent, which hides the network's grid.",
        unit: "px",
        scope: Scope::Look,
        kind: Kind::Whole { min: 0, max: 256, default: 32 },
        still: None,
        get: |p| Value::Number(p.jitter.into()),
        set: |p, v| set_whole(&mut p.jitter, v),
    },
    Spec {
        name: "brightness",
        about: "How bright the screen is: 1 is all its light, 0 is dark.",
        unit: "",
        scope: Scope::Device,
        kind: Kind::Real { min: 0.0, max: 1.0, default: 1.0, step: 0.01 },
        still: None,
        get: |p| Value::Number(p.brightness),
        set: |p, v| set_real(&mut p.brightness, v),
    },
    Spec {
        name: "mirror",
        about: "What a camera sees is shown with left and right exchanged, as in a mirror; photos and patterns stay as they are.",
        unit: "",
        scope: Scope::Device,
        kind: Kind::Switch { default: true },
        still: None,
        get: |p| Value::Switch(p.mirror),
        set: |p, v| set_switch(&mut p.mirror, v),
    },
    Spec {
        name: "paused",
        about: "Hold the present picture.",
        unit: "",
        scope: Scope::Device,
        kind: Kind::Switch { default: false },
        still: None,
        get: |p| Value::Switch(p.paused),
        set: |p, v| set_switch(&mut p.paused, v),
    },
    Spec {
        name: "blank",
        about: "Show black; the dream goes on behind it.",
        unit: "",
        scope: Scope::Device,
        kind: Kind::Switch { default: false },
        still: None,
        get: |p| Value::Switch(p.blank),
        set: |p, v| set_switch(&mut p.blank, v),
    },
    Spec {
        name: "caption",
        about: "Write on the screen, small, what the network takes the camera's picture for, and what its dream.",
        unit: "",
        scope: Scope::Device,
        kind: Kind::Switch { default: false },
        still: None,
        get: |p| Value::Switch(p.caption),
        set: |p, v| set_switch(&mut p.caption, v),
    },
    Spec {
        name: "fade",
        about: "How long a change takes to show, unless the command says otherwise: 0 is at once.",
        unit: "s",
        scope: Scope::Device,
        kind: Kind::Real { min: 0.0, max: 10.0, default: 1.0, step: 0.1 },
        still: Some(0.0),
        get: |p| Value::Number(p.fade),
        set: |p, v| set_real(&mut p.fade, v),
    },
    Spec {
        name: "play",
        about: "What plays by itself: scenes in order, scenes shuffled, or a slow walk through layers and neurons that never repeats.",
        unit: "",
        scope: Scope::Device,
        kind: Kind::Choice { options: Play::NAMES, default: "off" },
        still: None,
        get: |p| Value::Text(p.play.name().to_owned()),
        set: |p, v| {
            if let Value::Text(name) = v {
                p.play = Play::named(&name).unwrap_or(p.play);
            }
        },
    },
    Spec {
        name: "hold",
        about: "While it plays: how long each scene, or each place of the walk, stays.",
        unit: "s",
        scope: Scope::Device,
        kind: Kind::Real { min: 1.0, max: 86_400.0, default: 120.0, step: 1.0 },
        still: None,
        get: |p| Value::Number(p.hold),
        set: |p, v| set_real(&mut p.hold, v),
    },
    Spec {
        name: "glide",
        about: "While it plays: how long the transition to the next scene or place takes.",
        unit: "s",
        scope: Scope::Device,
        kind: Kind::Real { min: 0.0, max: 3600.0, default: 20.0, step: 1.0 },
        still: None,
        get: |p| Value::Number(p.glide),
        set: |p, v| set_real(&mut p.glide, v),
    },
];

/// The row called `name`; else a refusal that names the nearest one.
pub fn find(name: &str) -> Result<&'static Spec, Refusal> {
    TABLE.iter().find(|spec| spec.name == name).ok_or_else(|| {
        let hint = crate::nearest(name, TABLE.iter().map(|spec| spec.name));
        let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        Refusal::new(excerpt(name), format!("there is no such parameter{hint}"))
    })
}

fn set_real(slot: &mut f64, value: Value) {
    if let Value::Number(number) = value {
        *slot = number;
    }
}

fn set_whole(slot: &mut u32, value: Value) {
    if let Value::Number(number) = value {
        *slot = number as u32;
    }
}

fn set_switch(slot: &mut bool, value: Value) {
    if let Value::Switch(on) = value {
        *slot = on;
    }
}
