//! Home Assistant's device discovery (2024.11 and later): one retained message with all entities, by which the mirror appears there by
//! itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::checks::InvalidSetting;
use crate::director::Capabilities;
use crate::guides::NONE;
use crate::pack::Catalogue;
use crate::params::{Kind, Scope, Spec, TABLE, guide_names, second_layer_names};
use crate::protocol::DeviceId;
use crate::protocol::topic::{SNAPSHOT, STATE, STATUS, TELEMETRY};

/// `[home_assistant]`: whether and where discovery is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HomeAssistant {
    /// Off: what was published earlier is cleared.
    pub on: bool,
    /// Home Assistant's discovery prefix, `homeassistant` unless that was changed there.
    pub prefix: String,
    /// The URL of the web page, where other machines can reach it.
    #[serde(skip)]
    pub page: Option<String>,
}

impl Default for HomeAssistant {
    fn default() -> HomeAssistant {
        HomeAssistant { on: true, prefix: "homeassistant".to_owned(), page: None }
    }
}

impl HomeAssistant {
    /// # Errors
    /// A prefix that cannot begin a topic.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let is_sound =
            |level: &str| !level.is_empty() && level.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if self.prefix.len() <= 64 && self.prefix.split('/').all(is_sound) {
            return Ok(());
        }
        Err(InvalidSetting::new("prefix", "is 1 to 64 letters, digits, `-`, `_`, and `/` between them"))
    }

    /// The topic of the device's discovery message.
    pub fn topic(&self, device: &DeviceId) -> String {
        format!("{}/device/{}/config", self.prefix, object_id(device))
    }

    /// Where Home Assistant publishes `online` after its start.
    pub fn birth_topic(&self) -> String {
        format!("{}/status", self.prefix)
    }
}

/// What discovery says of the device.
pub struct DeviceDescription<'a> {
    pub device: &'a DeviceId,
    pub catalogue: &'a Catalogue,
    pub scenes: Vec<&'a str>,
    pub capabilities: Capabilities,
    pub has_schedule: bool,
    pub page: Option<&'a str>,
    pub telemetry_every: Duration,
}

/// Telemetry values older than so many intervals are no longer shown.
const EXPIRE_AFTER_INTERVALS: u32 = 3;
/// The longest state that Home Assistant keeps, characters.
const MAX_STATE_LENGTH: usize = 255;

/// The payload of [`HomeAssistant::topic`].
pub fn discovery(description: &DeviceDescription) -> Json {
    let base = description.device.base();
    let version = env!("CARGO_PKG_VERSION");
    let mut components = Map::new();
    let mut add = |key: &str, mut component: Json| {
        component["unique_id"] = format!("{}-{key}", object_id(description.device)).into();
        components.insert(key.replace('-', "_"), component);
    };
    for spec in TABLE {
        add(spec.name, parameter(spec, &base, description.catalogue));
    }
    if !description.scenes.is_empty() {
        add("scene", scene(&base, &description.scenes));
    }
    for (action, component) in buttons(&base, description.capabilities) {
        add(action, component);
    }
    if description.capabilities.snapshots {
        let topic = format!("{base}/{SNAPSHOT}");
        add(
            "picture",
            json!({"platform": "image", "name": "Picture", "image_topic": topic, "content_type": "image/jpeg"}),
        );
    }
    if description.has_schedule {
        add("open", open(&base));
    }
    if description.catalogue.recogniser().is_some() {
        for (key, component) in recognition(&base, description.telemetry_every) {
            add(key, component);
        }
    }
    for (name, component) in diagnostics(&base, description.telemetry_every) {
        add(name, component);
    }
    let mut device = json!({
        "identifiers": [object_id(description.device)],
        "name": description.device.as_str(),
        "manufacturer": "Reverie",
        "model": "Dreaming mirror",
        "sw_version": version,
    });
    if let Some(page) = description.page {
        device["configuration_url"] = page.into();
    }
    json!({
        "device": device,
        "origin": {"name": "Reverie", "sw_version": version},
        "availability": [{"topic": format!("{base}/{STATUS}")}],
        "components": components,
    })
}

fn object_id(device: &DeviceId) -> String {
    format!("reverie-{device}")
}

/// An entity that shows a parameter from `state`, and sets it.
fn parameter(spec: &Spec, base: &str, catalogue: &Catalogue) -> Json {
    let name = spec.name;
    let mut component = match spec.kind {
        Kind::Real { min, max, step, .. } => number(min, max, step),
        Kind::Whole { min, max, .. } => number(min.into(), max.into(), 1.0),
        Kind::Switch { .. } => json!({
            "platform": "switch", "payload_on": "true", "payload_off": "false",
            "value_template": format!("{{{{ 'true' if value_json.{name} else 'false' }}}}"),
        }),
        Kind::Choice { options, .. } => json!({"platform": "select", "options": options}),
        Kind::Layer => json!({"platform": "select", "options": catalogue.layer_names()}),
        Kind::SecondLayer => select_or_none(name, second_layer_names(catalogue)),
        Kind::Guide => select_or_none(name, guide_names(catalogue)),
        // A longer one is shown truncated, but in effect whole.
        Kind::Neurons => json!({
            "platform": "text", "max": MAX_STATE_LENGTH,
            "value_template": format!("{{{{ value_json.{name} | truncate({MAX_STATE_LENGTH}, true, '…', 0) }}}}"),
        }),
    };
    component["name"] = label(name).into();
    component["state_topic"] = format!("{base}/{STATE}").into();
    component["command_topic"] = format!("{base}/set/{name}").into();
    if component.get("value_template").is_none() {
        component["value_template"] = format!("{{{{ value_json.{name} }}}}").into();
    }
    component["icon"] = icon(name).into();
    if !spec.unit.is_empty() {
        component["unit_of_measurement"] = spec.unit.into();
    }
    // How the device is set up; not what is changed all the time.
    if spec.scope == Scope::Device && !["brightness", "paused", "blank", "play"].contains(&name) {
        component["entity_category"] = "config".into();
    }
    if ["octave_scale", "jitter"].contains(&name) {
        component["enabled_by_default"] = false.into();
    }
    component
}

fn number(min: f64, max: f64, step: f64) -> Json {
    // A slider of thousands of steps cannot be set to a single one.
    let mode = if (max - min) / step <= 1000.0 { "slider" } else { "box" };
    json!({"platform": "number", "min": min, "max": max, "step": step, "mode": mode})
}

fn scene(base: &str, scenes: &[&str]) -> Json {
    // A scene that was just saved is in `state` before Home Assistant has it among the options. It reads `None` as unknown.
    let template = format!("{{{{ value_json.scene if value_json.scene in {} else 'None' }}}}", json!(scenes));
    json!({
        "platform": "select",
        "name": "Scene",
        "options": scenes,
        "state_topic": format!("{base}/{STATE}"),
        "value_template": template,
        "command_topic": format!("{base}/set/scene"),
        "icon": icon("scene"),
    })
}

fn buttons(base: &str, can: Capabilities) -> impl Iterator<Item = (&'static str, Json)> {
    let button = move |action: &'static str, extra: Json| {
        let topic = format!("{base}/do/{action}");
        let mut button = json!({"platform": "button", "name": label(action), "command_topic": topic});
        for (key, value) in extra.as_object().into_iter().flatten() {
            button[key] = value.clone();
        }
        (action, button)
    };
    let all = [
        (true, "next-scene", json!({"icon": "mdi:skip-next"})),
        (true, "previous-scene", json!({"icon": "mdi:skip-previous"})),
        (true, "undo", json!({"icon": "mdi:undo"})),
        (true, "reset", json!({"icon": "mdi:restore"})),
        (can.snapshots, "snapshot", json!({"icon": "mdi:camera"})),
        (true, "identify", json!({"device_class": "identify", "entity_category": "diagnostic"})),
        (can.restart, "restart", json!({"device_class": "restart", "entity_category": "config"})),
    ];
    all.into_iter()
        .filter(|(can, ..)| *can)
        .map(move |(_, action, extra)| button(action, extra))
        .collect::<Vec<_>>()
        .into_iter()
}

fn open(base: &str) -> Json {
    json!({
        "platform": "binary_sensor",
        "name": "Opening hours",
        "icon": "mdi:clock-outline",
        "state_topic": format!("{base}/{STATE}"),
        "value_template": "{{ 'ON' if value_json.open else 'OFF' }}",
        "entity_category": "diagnostic",
    })
}

/// What the network takes the camera's picture for, and what the dream: the likeliest class as the state, all that are named as attributes.
fn recognition(base: &str, every: Duration) -> [(&'static str, Json); 2] {
    let topic = format!("{base}/{TELEMETRY}");
    let sensor = |key: &'static str, name: &str, icon: &str| {
        // Not there without a camera, or where recognition is switched off.
        let guesses = format!("(value_json.recognition | default({{}})).{key} | default([])");
        let sensor = json!({
            "platform": "sensor",
            "name": name,
            "icon": icon,
            "state_topic": topic,
            "value_template": format!("{{{{ ({guesses} | first | default({{}})).name | default('None') }}}}"),
            "json_attributes_topic": topic,
            "json_attributes_template": format!("{{{{ {{'classes': {guesses}}} | tojson }}}}"),
            "expire_after": expiry(every),
        });
        (key, sensor)
    };
    [sensor("seen", "Seen by the camera", "mdi:eye"), sensor("dreamed", "Seen in the dream", "mdi:creation-outline")]
}

/// After how many seconds a value of the telemetry is no longer shown.
fn expiry(every: Duration) -> u64 {
    (every * EXPIRE_AFTER_INTERVALS).as_secs().max(1)
}

fn diagnostics(base: &str, every: Duration) -> Vec<(&'static str, Json)> {
    let measured = |unit: &str| json!({"state_class": "measurement", "unit_of_measurement": unit});
    let sensors = [
        (
            "fps",
            "Dreams a second",
            "fps",
            json!({"state_class": "measurement", "unit_of_measurement": "1/s", "icon": "mdi:speedometer"}),
        ),
        ("frame_time", "Frame time", "frame_ms_p50", {
            let mut sensor = measured("ms");
            sensor["device_class"] = "duration".into();
            sensor["enabled_by_default"] = false.into();
            sensor
        }),
        (
            "size",
            "Working size",
            "width",
            json!({
                "icon": "mdi:image-size-select-large",
                "value_template": "{{ value_json.width }}×{{ value_json.height }}",
            }),
        ),
        ("provider", "Network runs on", "provider", json!({"icon": "mdi:chip"})),
        ("camera", "Camera", "camera", json!({"icon": "mdi:video"})),
        ("display", "Display", "display", json!({"icon": "mdi:monitor"})),
        ("temperature", "Temperature", "temperature", {
            let mut sensor = measured("°C");
            sensor["device_class"] = "temperature".into();
            sensor
        }),
        ("memory", "Memory", "memory_mib", {
            let mut sensor = measured("MiB");
            sensor["device_class"] = "data_size".into();
            sensor["enabled_by_default"] = false.into();
            sensor
        }),
        (
            "uptime",
            "Uptime",
            "uptime_s",
            json!({
                "device_class": "duration", "unit_of_measurement": "s", "enabled_by_default": false,
            }),
        ),
        (
            "drops",
            "Dreams left out",
            "drops",
            json!({
                "state_class": "total_increasing", "icon": "mdi:debug-step-over", "enabled_by_default": false,
            }),
        ),
        (
            "restarts",
            "Stage restarts",
            "restarts",
            json!({
                "state_class": "total_increasing", "icon": "mdi:restart-alert", "enabled_by_default": false,
            }),
        ),
    ];
    let topic = format!("{base}/{TELEMETRY}");
    let sensor = |(key, name, field, mut sensor): (&'static str, &str, &str, Json)| {
        sensor["platform"] = "sensor".into();
        sensor["name"] = name.into();
        sensor["state_topic"] = topic.clone().into();
        sensor["entity_category"] = "diagnostic".into();
        sensor["expire_after"] = expiry(every).into();
        if sensor.get("value_template").is_none() {
            // Not every board has every value. A long text is truncated.
            sensor["value_template"] =
                format!("{{{{ (value_json.{field} | default('None') | string)[:{MAX_STATE_LENGTH}] }}}}").into();
        }
        (key, sensor)
    };
    sensors.into_iter().map(sensor).collect()
}

/// A choice of which one is [`NONE`]: Home Assistant takes a state of that name for none at all.
fn select_or_none(name: &str, mut options: Vec<String>) -> Json {
    const SHOWN: &str = "(none)";
    options.iter_mut().filter(|option| *option == NONE).for_each(|option| SHOWN.clone_into(option));
    json!({
        "platform": "select", "options": options,
        "value_template": format!("{{{{ '{SHOWN}' if value_json.{name} == '{NONE}' else value_json.{name} }}}}"),
        "command_template": format!("{{{{ '{NONE}' if value == '{SHOWN}' else value }}}}"),
    })
}

/// A name by Home Assistant's guidelines: only the first letter is a capital.
fn label(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn icon(name: &str) -> &'static str {
    match name {
        "layer" => "mdi:layers-triple",
        "second_layer" | "second_share" => "mdi:layers-plus",
        "neurons" | "second_neurons" => "mdi:graph",
        "guide" | "guided" => "mdi:image-search-outline",
        "caricature" => "mdi:drama-masks",
        "intensity" => "mdi:creation",
        "steps" | "step" => "mdi:stairs-up",
        "octaves" | "octave_scale" => "mdi:image-multiple-outline",
        "smoothing" => "mdi:blur",
        "colour" => "mdi:palette",
        "tone" => "mdi:contrast-circle",
        "persistence" | "decay" => "mdi:history",
        "fatigue" => "mdi:eye-refresh",
        "trance" => "mdi:orbit",
        "deepen" => "mdi:meditation",
        "sleep" => "mdi:sleep",
        "windows" => "mdi:grid",
        "zoom" => "mdi:magnify-plus-outline",
        "rotate" => "mdi:rotate-right",
        "drift" | "drift_angle" => "mdi:arrow-all",
        "jitter" => "mdi:grid",
        "brightness" => "mdi:brightness-6",
        "mirror" => "mdi:flip-horizontal",
        "paused" => "mdi:pause",
        "blank" => "mdi:monitor-off",
        "caption" => "mdi:subtitles-outline",
        "play" => "mdi:play-box-multiple-outline",
        "scene" => "mdi:palette-outline",
        "fade" | "hold" | "glide" => "mdi:timer-outline",
        _ => "mdi:tune-variant",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::tests::catalogue;

    #[test]
    fn every_parameter_is_an_entity_with_an_icon_and_an_id_of_its_own() {
        let (device, catalogue) = ("hall-3".parse().unwrap(), catalogue());
        let description = |snapshots, scenes| DeviceDescription {
            device: &device,
            catalogue: &catalogue,
            scenes,
            capabilities: Capabilities { snapshots, restart: snapshots },
            has_schedule: snapshots,
            page: None,
            telemetry_every: Duration::from_secs(10),
        };
        let payload = discovery(&description(true, vec!["calm"]));
        let components = payload["components"].as_object().unwrap();
        for spec in TABLE {
            assert_ne!(icon(spec.name), icon("?"), "{} has no icon", spec.name);
            assert_eq!(components[spec.name]["command_topic"], format!("reverie/hall-3/set/{}", spec.name));
        }
        let ids: std::collections::HashSet<&str> =
            components.values().map(|c| c["unique_id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), components.len());
        for only_where_allowed in ["picture", "snapshot", "restart", "open", "scene"] {
            assert!(components.contains_key(only_where_allowed));
            assert!(discovery(&description(false, vec![]))["components"].get(only_where_allowed).is_none());
        }
        assert_eq!(components["octave_scale"]["name"], "Octave scale");
        // A broker's packet limit is commonly well above this.
        assert!(payload.to_string().len() < 20_000, "{} bytes", payload.to_string().len());
    }
}
