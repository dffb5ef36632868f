//! The table printed: for people, for programs, and for the reference page.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::{Kind, Section, Spec, TABLE, Value};
use crate::guides::NONE;
use crate::pack::Catalogue;

const PAGE_INTRODUCTION: &str = "\
# Parameters

Everything that can be changed while it dreams. This page is what `reverie params --format markdown` prints.
Each parameter is a flag of `reverie dream` (`--octave-scale 1.4`), a key under `[params]` of the config file, an MQTT topic
(`reverie/<device>/set/octave_scale`, see [mqtt.md](mqtt.md)) and a widget on the web page. A value out of range is refused,
never clamped.
";

/// A column a field, for the terminal.
pub fn text() -> String {
    let mut out = String::new();
    for spec in TABLE {
        let unit = if spec.unit.is_empty() { String::new() } else { format!(", {}", spec.unit) };
        let default = spec.default_value().map(|v| format!(", default {}", plain(&v))).unwrap_or_default();
        let still =
            spec.still.map(|v| format!(" ({} for a single picture)", plain(&Value::Number(v)))).unwrap_or_default();
        writeln!(out, "{:<13} {}{unit}{default}{still}\n{:<13} {}", spec.name, range(spec), "", spec.about)
            .expect("writing to a string");
    }
    out
}

/// The reference page, `deploy/reference/parameters.md`, whole.
pub fn markdown() -> String {
    let mut out = String::from(PAGE_INTRODUCTION);
    for section in Section::ALL {
        out.push_str(&markdown_section(section));
    }
    out
}

fn markdown_section(section: Section) -> String {
    let mut out = format!("\n## {}\n\n", section.title());
    out.push_str("| parameter | takes | default | what it does |\n| --- | --- | --- | --- |\n");
    for spec in TABLE.iter().filter(|spec| spec.section == section) {
        let unit = if spec.unit.is_empty() { String::new() } else { format!(" ({})", spec.unit) };
        let default = spec.default_value().map(|v| plain(&v)).unwrap_or_else(|| "the pack's".to_owned());
        let still =
            spec.still.map(|v| format!("; {} for a single picture", plain(&Value::Number(v)))).unwrap_or_default();
        writeln!(out, "| `{}` | {}{unit} | {default}{still} | {} |", spec.name, range(spec), spec.about)
            .expect("writing to a string");
    }
    out
}

/// JSON schema (2020-12) of a `set` object, with the layers of `catalogue` where it has any.
pub fn json_schema(catalogue: &Catalogue) -> Json {
    let properties: Map<String, Json> =
        TABLE.iter().map(|spec| (spec.name.to_owned(), property(spec, catalogue))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Reverie parameters",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn property(spec: &Spec, catalogue: &Catalogue) -> Json {
    let mut schema = match spec.kind {
        Kind::Real { min, max, step, .. } => json!({"type": "number", "minimum": min, "maximum": max, "x-step": step}),
        Kind::Whole { min, max, .. } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Switch { .. } => json!({"type": "boolean"}),
        Kind::Choice { options, .. } => json!({"type": "string", "enum": options}),
        Kind::Layer => one_of(&catalogue.layer_names()),
        Kind::SecondLayer => one_of(&second_layer_names(catalogue)),
        Kind::Guide => one_of(&guide_names(catalogue)),
        Kind::Neurons => json!({"type": ["string", "integer"]}),
    };
    schema["description"] = spec.about.into();
    schema["x-scope"] = spec.scope.name().into();
    schema["x-section"] = spec.section.name().into();
    if spec.rare {
        schema["x-rare"] = true.into();
    }
    if !spec.unit.is_empty() {
        schema["x-unit"] = spec.unit.into();
    }
    if let Some(default) = spec.default_value() {
        schema["default"] = default.to_json();
    }
    schema
}

/// One of `names`; where there are none but [`NONE`] nothing is installed here, and any may be meant.
fn one_of(names: &[String]) -> Json {
    match names.iter().all(|name| name == NONE) {
        true => json!({"type": "string"}),
        false => json!({"type": "string", "enum": names}),
    }
}

/// The layers that may be dreamed beside another, and that none is.
pub fn second_layer_names(catalogue: &Catalogue) -> Vec<String> {
    std::iter::once(NONE.to_owned()).chain(catalogue.layer_names()).collect()
}

/// The pictures that lead, and that none does.
pub fn guide_names(catalogue: &Catalogue) -> Vec<String> {
    std::iter::once(NONE.to_owned()).chain(catalogue.guides().names()).collect()
}

fn range(spec: &Spec) -> String {
    match spec.kind {
        Kind::Real { min, max, .. } => format!("{min} to {max}"),
        Kind::Whole { min, max, .. } => format!("{min} to {max}, whole"),
        Kind::Switch { .. } => "on or off".to_owned(),
        Kind::Choice { options, .. } => options.join(", "),
        Kind::Layer => "a layer".to_owned(),
        Kind::SecondLayer => "a layer".to_owned(),
        Kind::Guide => "a picture".to_owned(),
        Kind::Neurons => "neurons".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    match value.to_json() {
        Json::String(s) => s,
        Json::Bool(on) => if on { "on" } else { "off" }.to_owned(),
        other => other.to_string(),
    }
}
