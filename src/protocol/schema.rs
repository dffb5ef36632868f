//! JSON schemas (2020-12) of what the device publishes, and of `set`; that of the parameters is [`params::json_schema`].

use serde_json::{Value as Json, json};

use crate::director::MAX_UNDO;
use crate::pack::Catalogue;
use crate::params;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Of `<base>/state`.
pub fn state(catalogue: &Catalogue) -> Json {
    let mut properties = params::json_schema(catalogue)["properties"].take();
    for (_, property) in properties.as_object_mut().into_iter().flatten() {
        // What each is for is in the schema of the parameters.
        property.as_object_mut().into_iter().for_each(|p| {
            p.retain(|key, _| !key.starts_with("x-") && !["description", "default"].contains(&key.as_str()))
        });
    }
    // In a state these are always text, and a guide may be one that was sent.
    properties["neurons"]["type"] = "string".into();
    properties["second_neurons"]["type"] = "string".into();
    properties["guide"] = json!({"type": "string"});
    properties["scene"] =
        json!({"type": ["string", "null"], "description": "The scene shown, until its look is changed."});
    properties["ramps"] = json!({
        "description": "Parameters on their way: where to, and how many seconds are left.",
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["to", "left"],
            "additionalProperties": false,
            "properties": {"to": {"type": "number"}, "left": {"type": "number", "minimum": 0}},
        },
    });
    properties["open"] = json!({
        "type": ["boolean", "null"],
        "description": "Whether it is within the opening hours; null without any, or before the clock was set.",
    });
    properties["next_hours"] = json!({
        "description": "The next opening or closing; null where there is none, or before the clock was set.",
        "type": ["object", "null"],
        "required": ["open", "at"],
        "additionalProperties": false,
        "properties": {
            "open": {"type": "boolean", "description": "Whether it opens then."},
            "at": {"type": "string", "format": "date-time", "description": "When, by RFC 3339, as the clock on the wall shows it."},
        },
    });
    properties["pending"] = json!({
        "type": "integer", "minimum": 0, "description": "Commands that wait for their moment (`at`).",
    });
    properties["undo"] = json!({
        "type": "integer", "minimum": 0, "maximum": MAX_UNDO, "description": "Changes that can be taken back (`do/undo`).",
    });
    let required: Vec<&String> = properties.as_object().expect("a schema's properties").keys().collect();
    json!({
        "$schema": DRAFT,
        "title": "State",
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

/// Of `<base>/set`: what it takes besides parameters.
pub fn set(scenes: &[&str]) -> Json {
    json!({
        "$schema": DRAFT,
        "title": "Set",
        "type": "object",
        "properties": {
            "scene": {"enum": scenes, "description": "A scene to be shown, below the parameters that are named too."},
            "over": {
                "type": ["number", "string"],
                "description": "Seconds, or text such as \"1m30s\": how long numbers take to arrive and networks to fade.",
            },
            "at": {
                "type": ["number", "string"],
                "description": "When: RFC 3339, or seconds since 1970; a day ahead at most.",
            },
            "id": {"type": ["string", "number"], "description": "Comes back in the reply."},
        },
        "additionalProperties": {
            "description": "A parameter: a value as `schema` has it; a number, the layer or neurons also as {\"to\": value, \"over\": \"20s\"}.",
        },
    })
}

/// Of `<base>/reply`; the state in it has a schema of its own.
pub fn reply() -> Json {
    json!({
        "$schema": DRAFT,
        "title": "Reply",
        "type": "object",
        "required": ["device", "id", "ok", "errors", "state"],
        "additionalProperties": false,
        "properties": {
            "device": {"type": "string", "description": "Who answers."},
            "id": {"type": ["string", "number", "null"], "description": "The command's own id, else its correlation data."},
            "ok": {"type": "boolean", "description": "Whether the command was done, whole, or waits for its moment."},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["param", "message"],
                    "additionalProperties": false,
                    "properties": {"param": {"type": ["string", "null"]}, "message": {"type": "string"}},
                },
            },
            "state": {"type": "object", "description": "As `state` tells it afterwards."},
        },
    })
}
