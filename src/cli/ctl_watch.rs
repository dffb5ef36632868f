//! `reverie ctl watch`: what a mirror publishes, as lines for people.

use serde_json::{Map, Value as Json};

use crate::remote::ReceivedMessage;

/// The state published last.
#[derive(Default)]
pub struct Watch {
    state: Map<String, Json>,
}

impl Watch {
    /// What is new in `message`, a line each; empty where nothing is.
    pub fn lines(&mut self, message: &ReceivedMessage) -> String {
        let text = String::from_utf8_lossy(&message.payload);
        match message.topic.rsplit('/').next() {
            Some("status") => format!("{text}\n"),
            Some("state") => self.changes(serde_json::from_str(&text).unwrap_or_default()),
            Some("telemetry") => telemetry(&serde_json::from_str(&text).unwrap_or_default()),
            _ => String::new(),
        }
    }

    fn changes(&mut self, state: Map<String, Json>) -> String {
        let is_first = self.state.is_empty();
        // The seconds that ramps have left change all the time.
        let changed = state.iter().filter(|(name, value)| *name != "ramps" && self.state.get(*name) != Some(value));
        let line = |(name, value): (&String, &Json)| match self.state.get(name) {
            Some(old) => format!("{name} {} → {}\n", plain(old), plain(value)),
            None => format!("{name} {}\n", plain(value)),
        };
        let lines: Vec<String> = changed.map(line).collect();
        self.state = state;
        match is_first {
            true => lines.concat().replace('\n', "  ").trim_end().to_owned() + "\n",
            false => lines.concat(),
        }
    }
}

fn telemetry(values: &Json) -> String {
    format!(
        "{} dreams/s at {}x{} on {}, camera {}, display {}\n",
        values["fps"],
        values["width"],
        values["height"],
        plain(&values["provider"]),
        plain(&values["camera"]),
        plain(&values["display"])
    )
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &str) -> ReceivedMessage {
        ReceivedMessage { topic: format!("reverie/m/{topic}"), payload: payload.into(), correlation: None }
    }

    #[test]
    fn only_what_changes_is_printed() {
        let mut watch = Watch::default();
        assert_eq!(watch.lines(&message("status", "online")), "online\n");
        assert_eq!(watch.lines(&message("state", r#"{"zoom": 0, "layer": "b9"}"#)), "zoom 0  layer b9\n");
        assert_eq!(watch.lines(&message("state", r#"{"zoom": 0.5, "layer": "b9"}"#)), "zoom 0 → 0.5\n");
        assert_eq!(watch.lines(&message("state", r#"{"zoom": 0.5, "layer": "b9", "ramps": {}}"#)), "");
        assert_eq!(watch.lines(&message("state", "nonsense")), "");
    }
}
