//! Which provider took which node: read from the profile of one trial run.
//!
//! ONNX Runtime 1.23 has no call for it, and a provider that registered without error may have taken nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// Names tried for a folder.
const MOST_FOLDERS: u32 = 1000;

/// A folder for the profile of the trial run, removed with it however that ends.
pub struct ProfileFolder(PathBuf);

impl ProfileFolder {
    /// None where there is no room for one: then the provider is assumed to have taken its part.
    pub fn new() -> Option<ProfileFolder> {
        ProfileFolder::below(&std::env::temp_dir())
    }

    fn below(place: &Path) -> Option<ProfileFolder> {
        // One of these names may be in use, or left by a killed process that had the same number.
        let names = (0..MOST_FOLDERS).map(|n| place.join(format!("reverie-profile-{}-{n}", std::process::id())));
        for folder in names {
            match std::fs::create_dir(&folder) {
                Ok(()) => return Some(ProfileFolder(folder)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    tracing::debug!("no profile in {}: {e}; what the provider took is not checked", folder.display());
                    return None;
                }
            }
        }
        None
    }

    /// What the profile's name begins with.
    pub fn prefix(&self) -> PathBuf {
        self.0.join("trial")
    }
}

impl Drop for ProfileFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
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

    #[test]
    fn a_profile_leaves_nothing_behind_and_does_without_room() {
        let place = tempfile::tempdir().unwrap();
        let folder = ProfileFolder::below(place.path()).unwrap();
        std::fs::write(folder.prefix(), "half a profile").unwrap();
        drop(folder);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        assert!(ProfileFolder::below(&place.path().join("nowhere")).is_none());
    }

    #[test]
    fn a_folder_that_a_killed_process_left_stops_no_profile() {
        let place = tempfile::tempdir().unwrap();
        // Left, as by a kill: never dropped.
        let stale = std::mem::ManuallyDrop::new(ProfileFolder::below(place.path()).unwrap());
        std::fs::write(stale.prefix(), "another profile").unwrap();
        let folder = ProfileFolder::below(place.path()).unwrap();
        assert_ne!(folder.prefix(), stale.prefix());
        assert!(!folder.prefix().exists());
    }
}
