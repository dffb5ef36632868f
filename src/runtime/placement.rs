//! Which provider took which node: read from the profile of one trial run.
//!
//! ONNX Runtime 1.23 has no call that tells, and a provider that registered without error may have taken nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Nodes run by each provider, under ONNX Runtime's names for them.
pub fn nodes_by_provider(profile: &str) -> Result<BTreeMap<String, usize>, serde_json::Error> {
    let events: Vec<Event> = serde_json::from_str(profile)?;
    let mut counts = BTreeMap::new();
    for event in events.into_iter().filter(|e| e.cat == "Node") {
        if let Some(provider) = event.args.provider {
            *counts.entry(provider).or_default() += 1;
        }
    }
    Ok(counts)
}

#[derive(Deserialize)]
struct Event {
    cat: String,
    #[serde(default)]
    args: Args,
}

#[derive(Deserialize, Default)]
struct Args {
    provider: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_node_events_that_name_a_provider_count() {
        let profile = r#"[
            {"cat": "Session", "name": "model_loading", "args": {}},
            {"cat": "Node", "name": "conv_kernel_time", "args": {"provider": "CUDAExecutionProvider", "op_name": "Conv"}},
            {"cat": "Node", "name": "mul_kernel_time", "args": {"provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "shape_kernel_time", "args": {"provider": "CPUExecutionProvider"}},
            {"cat": "Node", "name": "conv_fence_before"}
        ]"#;
        let counts = nodes_by_provider(profile).unwrap();
        assert_eq!(counts["CUDAExecutionProvider"], 2);
        assert_eq!(counts["CPUExecutionProvider"], 1);
        assert!(nodes_by_provider("not a profile").is_err());
    }
}
