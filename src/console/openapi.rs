//! `/api/openapi.json`: what this device answers over HTTP, as programs read it, made from the table of parameters and from that of actions.

use serde_json::{Map, Value as Json, json};

use crate::director::{ACTIONS, ActionSpec, Director};
use crate::director_handle::DirectorHandle;
use crate::params::{self, Kind, TABLE};
use crate::protocol::{self, DeviceId, MAX_PAYLOAD, MAX_PICTURE};

/// OpenAPI 3.1.
pub fn description(device: &DeviceId, handle: &DirectorHandle) -> Json {
    let schema = params::json_schema(handle.catalogue());
    let scenes: Vec<String> = handle.ask(|director| director.scenes().map(|(name, ..)| name.clone()).collect());
    let mut paths = questions();
    paths.extend(sets(&schema, &scenes));
    paths.extend(handle.ask(|director| actions(director, &scenes)));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Reverie, mirror {device}"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Look at the mirror and direct it. A command applies whole or not at all; what is wrong with it is answered with 422. \
                            Over MQTT the same commands go to the topics of the same names.",
        },
        "security": [{}, {"password": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "password": {"type": "http", "scheme": "bearer", "description": "The directors' password, or the viewers'."},
                "session": {"type": "apiKey", "in": "cookie", "name": "reverie", "description": "What the log-in gives; the name ends with the port."},
            },
            "schemas": {
                "State": without_draft(protocol::state_schema(handle.catalogue())),
                "Reply": reply(),
                "Parameters": without_draft(schema),
            },
            "responses": {
                "Refused": {
                    "description": "Nothing was changed; `errors` says why.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Reply"}}},
                },
            },
        },
    })
}

type Paths = Map<String, Json>;

/// What can be asked.
fn questions() -> Paths {
    let object = || json!({"type": "object"});
    let list = || json!({"type": "array", "items": {"type": "object"}});
    let of = |summary: &str, schema: Json| get(summary, "application/json", &schema);
    let text = json!({"type": "string"});
    Map::from_iter([
        (
            "/api/state".to_owned(),
            of("Every parameter, the scene, and what is on its way.", json!({"$ref": "#/components/schemas/State"})),
        ),
        ("/api/telemetry".to_owned(), of("Rates, times, camera, screen, broker, heat: as over MQTT.", object())),
        ("/api/health".to_owned(), of("Each part of the mirror: how it is, and what to do.", list())),
        ("/api/history".to_owned(), of("Figures of the last hour.", object())),
        ("/api/log".to_owned(), of("The last lines of the log.", list())),
        ("/api/schema".to_owned(), of("The schema of the parameters.", object())),
        ("/api/about".to_owned(), of("Layers, scenes, playlist, hours, actions.", object())),
        ("/api/session".to_owned(), of("Who asks.", object())),
        ("/api/openapi.json".to_owned(), of("This description.", object())),
        ("/api/preview.jpg".to_owned(), picture(get("The picture that is shown.", "image/jpeg", &text))),
        ("/metrics".to_owned(), get("The telemetry, for Prometheus.", super::metrics::CONTENT_TYPE, &text)),
        ("/healthz".to_owned(), well(of("Whether it dreams.", object()))),
    ])
}

fn get(summary: &str, kind: &str, schema: &Json) -> Json {
    let mut responses = refusals(&["401", "403", "429"]);
    responses.insert("200".to_owned(), json!({"description": "The answer.", "content": {kind: {"schema": schema}}}));
    json!({"get": {"summary": summary, "responses": responses}})
}

/// There is no picture where the preview is off, none was shown yet, or there are too many viewers.
fn picture(mut get: Json) -> Json {
    for (status, answer) in refusals(&["404", "503"]) {
        get["get"]["responses"][status] = answer;
    }
    get
}

fn well(mut get: Json) -> Json {
    get["get"]["responses"]["503"] =
        json!({"description": "It does not dream.", "content": {"application/json": {"schema": {"type": "object"}}}});
    get
}

/// `set`, whole and one parameter at a time.
fn sets(schema: &Json, scenes: &[String]) -> Paths {
    let mut properties = Map::from_iter([
        (
            "scene".to_owned(),
            json!({"enum": scenes, "description": "A scene to be shown, below the parameters that are named too."}),
        ),
        ("over".to_owned(), duration()),
        ("id".to_owned(), id()),
    ]);
    for spec in TABLE {
        let value = &schema["properties"][spec.name];
        let ramp = json!({
            "type": "object", "required": ["to", "over"], "additionalProperties": false,
            "properties": {"to": value, "over": duration()},
        });
        let takes_ramp = matches!(spec.kind, Kind::Real { .. } | Kind::Whole { .. });
        properties
            .insert(spec.name.to_owned(), if takes_ramp { json!({"anyOf": [value, ramp]}) } else { value.clone() });
    }
    let whole = json!({"type": "object", "additionalProperties": false, "maxProperties": 64, "properties": properties});
    let mut paths = Map::from_iter([
        ("/api/set".to_owned(), post("Set parameters, all of them or none.", &whole)),
        ("/api/set/scene".to_owned(), post("Show a scene.", &json!({"enum": scenes}))),
    ]);
    for spec in TABLE {
        let mut set = post(spec.about, &schema["properties"][spec.name]);
        if spec.name == "guide" {
            let picture = json!({"schema": {"type": "string", "maxLength": MAX_PICTURE, "description": "A picture that leads: JPEG, PNG or WebP."}});
            set["post"]["requestBody"]["content"]["image/*"] = picture;
        }
        paths.insert(format!("/api/set/{}", spec.name), set);
    }
    paths
}

/// `do`: the actions of this device.
fn actions(director: &Director, scenes: &[String]) -> Paths {
    let can = director.capabilities();
    let is_there = |action: &&ActionSpec| match action.name {
        "snapshot" => can.snapshots,
        // It would end the process of whoever tries every path out.
        "restart" => false,
        _ => true,
    };
    let of = |action: &ActionSpec| {
        let takes = action.takes.iter().map(|takes| ((*takes).to_owned(), taken(takes, scenes)));
        let properties: Map<String, Json> = takes.chain([("id".to_owned(), id())]).collect();
        let needed: Vec<&&str> =
            action.takes.iter().filter(|takes| matches!(**takes, "name" | "scenes" | "group")).collect();
        let body =
            json!({"type": "object", "additionalProperties": false, "required": needed, "properties": properties});
        (format!("/api/do/{}", action.name), post(action.about, &body))
    };
    ACTIONS.iter().filter(is_there).map(of).collect()
}

/// What one key of an action's payload takes.
fn taken(key: &str, scenes: &[String]) -> Json {
    match key {
        "over" => duration(),
        "name" => json!({"type": "string", "description": "Of a scene: 1 to 64 characters."}),
        "scenes" => json!({"type": "array", "maxItems": 256, "items": {"enum": scenes}}),
        "group" => json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}),
        "exceptions" => {
            json!({"type": "object", "additionalProperties": {"type": "string"}, "description": "Hours of single dates."})
        }
        _ => json!({"type": "string"}),
    }
}

fn post(summary: &str, body: &Json) -> Json {
    let mut responses = refusals(&["401", "403", "408", "413", "422", "429"]);
    let done = json!({"description": "Done, or waits for its moment.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Reply"}}}});
    responses.insert("200".to_owned(), done);
    json!({"post": {
        "summary": summary,
        "description": format!("At most {MAX_PAYLOAD} bytes."),
        "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
        "responses": responses,
    }})
}

fn refusals(statuses: &[&str]) -> Map<String, Json> {
    let refused = json!({"$ref": "#/components/responses/Refused"});
    statuses.iter().map(|status| ((*status).to_owned(), refused.clone())).collect()
}

fn duration() -> Json {
    json!({
        "description": "Seconds, or text such as \"1m30s\": how long numbers take to arrive and networks to fade.",
        "anyOf": [{"type": "number", "minimum": 0, "maximum": 86400}, {"type": "string", "pattern": "^([0-9]{1,3}m)?[0-9]{1,3}s$"}],
    })
}

fn id() -> Json {
    json!({"description": "Comes back in the reply.", "anyOf": [{"type": "number"}, {"type": "string", "maxLength": 32}]})
}

/// A reply over HTTP has one sender, and what is refused before it is looked at has no state.
fn reply() -> Json {
    let mut schema = without_draft(protocol::reply_schema());
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.shift_remove("device");
    }
    schema["required"] = json!(["ok"]);
    schema
}

fn without_draft(mut schema: Json) -> Json {
    if let Some(schema) = schema.as_object_mut() {
        schema.shift_remove("$schema");
    }
    schema
}
