//! One row of the table, and how it reads a value from outside.

use serde_json::Value as Json;

use super::{Params, Refusal, Value};
use crate::guides::NONE;
use crate::pack::Neurons;
use crate::text::excerpt;

/// One parameter: its name, what it takes, and where it lives in [`Params`].
pub struct Spec {
    /// The name everywhere: flag, config key, MQTT topic, JSON key.
    pub name: &'static str,
    /// What it does, in a sentence for the artist.
    pub about: &'static str,
    /// The unit, or "" for a bare number or a switch.
    pub unit: &'static str,
    pub scope: Scope,
    /// Where people look for it.
    pub section: Section,
    /// Whether nobody touches it in an ordinary week: pages may keep it behind a further click.
    pub rare: bool,
    pub kind: Kind,
    /// Default for a single picture (`reverie dream`) where it differs from the live one.
    pub still: Option<f64>,
    pub get: fn(&Params) -> Value,
    /// Stores a value of this row's kind; one of another kind is ignored (it cannot come through [`Spec::read`]).
    pub set: fn(&mut Params, Value),
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Spec {
    fn eq(&self, other: &Spec) -> bool {
        self.name == other.name
    }
}

/// What a parameter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// How the dream looks: scenes are made of these.
    Look,
    /// How this device shows it, whatever the scene.
    Device,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Scope::Look => "look",
            Scope::Device => "device",
        }
    }
}

/// What people have in mind who look for a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Sees,
    Dreams,
    Moves,
    Plays,
    Screen,
}

impl Section {
    /// All of them, in the order of the table.
    pub const ALL: [Section; 5] = [Section::Sees, Section::Dreams, Section::Moves, Section::Plays, Section::Screen];

    pub fn name(self) -> &'static str {
        match self {
            Section::Sees => "sees",
            Section::Dreams => "dreams",
            Section::Moves => "moves",
            Section::Plays => "plays",
            Section::Screen => "screen",
        }
    }

    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Section::Sees => "What it sees",
            Section::Dreams => "How it dreams",
            Section::Moves => "How it moves",
            Section::Plays => "What runs by itself",
            Section::Screen => "The screen",
        }
    }
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A real number from `min` to `max`, both included; `step` is what a slider moves by.
    Real {
        min: f64,
        max: f64,
        default: f64,
        step: f64,
    },
    /// A whole number from `min` to `max`, both included.
    Whole {
        min: u32,
        max: u32,
        default: u32,
    },
    Switch {
        default: bool,
    },
    /// One of a few names.
    Choice {
        options: &'static [&'static str],
        default: &'static str,
    },
    /// One of the installed layers.
    Layer,
    /// One of the installed layers, or none.
    SecondLayer,
    /// A picture that leads, by name.
    Guide,
    /// A choice of neurons, in the grammar of [`Neurons`].
    Neurons,
}

/// Longer text than any parameter has use for is refused before it is looked at.
const MAX_TEXT: usize = 20_000;

impl Spec {
    /// Whether a parameter can be moved through the values between two.
    pub fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Real { .. } | Kind::Whole { .. })
    }

    /// Whether a plain change shows over `fade`. All others jump: they are times, or other graphs go with them.
    pub fn fades(&self) -> bool {
        let jumps = ["octave_scale", "trance", "deepen", "sleep", "fade", "hold", "glide"];
        self.name == "blank" || matches!(self.kind, Kind::Real { .. }) && !jumps.contains(&self.name)
    }

    /// The live default; none for the layer, which depends on the packs installed.
    pub fn default_value(&self) -> Option<Value> {
        match self.kind {
            Kind::Real { default, .. } => Some(Value::Number(default)),
            Kind::Whole { default, .. } => Some(Value::Number(default.into())),
            Kind::Switch { default } => Some(Value::Switch(default)),
            Kind::Choice { default, .. } => Some(Value::Text(default.to_owned())),
            Kind::Neurons => Some(Value::Neurons(Neurons::all())),
            Kind::Guide | Kind::SecondLayer => Some(Value::Text(NONE.to_owned())),
            Kind::Layer => None,
        }
    }

    /// Checks a JSON value against this row.
    pub fn read(&self, json: &Json) -> Result<Value, Refusal> {
        let refuse = || self.refusal(&format!("{} is not {}", excerpt(&json.to_string()), self.expected()));
        match (self.kind, json) {
            (Kind::Real { min, max, .. }, Json::Number(n)) => {
                n.as_f64().filter(|n| (min..=max).contains(n)).map(Value::Number).ok_or_else(refuse)
            }
            (Kind::Whole { min, max, .. }, Json::Number(n)) => n
                .as_f64()
                .filter(|n| n.fract() == 0.0 && (min.into()..=max.into()).contains(n))
                .map(Value::Number)
                .ok_or_else(refuse),
            (Kind::Switch { .. }, Json::Bool(b)) => Ok(Value::Switch(*b)),
            (Kind::Choice { options, .. }, Json::String(s)) if options.contains(&s.as_str()) => {
                Ok(Value::Text(s.clone()))
            }
            (Kind::Layer | Kind::SecondLayer | Kind::Neurons | Kind::Guide, Json::String(s)) if s.len() > MAX_TEXT => {
                Err(self.refusal(&format!("longer than {MAX_TEXT} characters")))
            }
            (Kind::Layer | Kind::SecondLayer | Kind::Guide, Json::String(s)) => Ok(Value::Text(s.clone())),
            (Kind::Neurons, Json::String(s)) => match s.parse::<Neurons>() {
                // As it is published and saved, it must be accepted again.
                Ok(neurons) if neurons.to_string().len() > MAX_TEXT => {
                    Err(self.refusal(&format!("longer than {MAX_TEXT} characters, written out")))
                }
                outcome => outcome.map(Value::Neurons).map_err(|e| self.refusal(&e)),
            },
            // A bare channel number is what people type first.
            (Kind::Neurons, Json::Number(n)) if n.is_u64() => {
                n.to_string().parse().map(Value::Neurons).map_err(|e| self.refusal(&e))
            }
            _ => Err(refuse()),
        }
    }

    /// Checks a value given as bare text: a flag, or an MQTT payload that is not JSON.
    ///
    /// JSON is tried first; then the text itself, and what programs of other languages write for a number or a switch: `.5`, `"0.4"`, `On`, `True`, `1`.
    pub fn read_text(&self, text: &str) -> Result<Value, Refusal> {
        let json = match serde_json::from_str::<Json>(text.trim()) {
            Ok(Json::String(text)) => self.meant(&text),
            Ok(json) if matches!(self.kind, Kind::Real { .. } | Kind::Whole { .. }) => json,
            _ => self.meant(text.trim()),
        };
        self.read(&json)
    }

    /// What `text` can only mean here; itself where that is not plain.
    fn meant(&self, text: &str) -> Json {
        let itself = || Json::String(text.to_owned());
        match self.kind {
            Kind::Switch { .. } => match text.to_ascii_lowercase().as_str() {
                "on" | "true" | "1" => Json::Bool(true),
                "off" | "false" | "0" => Json::Bool(false),
                _ => itself(),
            },
            Kind::Real { .. } | Kind::Whole { .. } => {
                let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                number.map_or_else(itself, Json::from)
            }
            Kind::Choice { .. } | Kind::Layer | Kind::SecondLayer | Kind::Neurons | Kind::Guide => itself(),
        }
    }

    /// What it takes, in words: "a number from 0 to 1".
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Real { min, max, .. } => format!("a number from {min} to {max}"),
            Kind::Whole { min, max, .. } => format!("a whole number from {min} to {max}"),
            Kind::Switch { .. } => "true or false".to_owned(),
            Kind::Choice { options, .. } => format!("one of {}", options.join(", ")),
            Kind::Layer => "the name of a layer".to_owned(),
            Kind::SecondLayer => format!("the name of a layer, or `{NONE}`"),
            Kind::Guide => format!("the name of a picture, or `{NONE}`"),
            Kind::Neurons => "a choice of neurons such as `all`, `15`, `10-20` or `eyes:0.5,-36`".to_owned(),
        }
    }

    fn refusal(&self, message: &impl ToString) -> Refusal {
        Refusal::new(self.name, message.to_string())
    }
}
