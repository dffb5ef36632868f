//! What a device remembers over a power cut.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tracing::{info, warn};

use super::Director;
use super::action::check_group;
use super::player::Player;
use super::scenes::{self, MOST_SAVED, Scenes};
use crate::params::Params;

/// The form of the file that this version writes, and the only one it reads.
const FORMAT: u32 = 1;

/// All that is remembered. Whether it is paused or blank is not: a device that is switched on shows something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    format: u32,
    /// What the parameters were told to be.
    params: Map<String, Json>,
    /// What the configuration said then: where it says something else now, it has been changed, and counts.
    configured: Map<String, Json>,
    scene: Option<String>,
    /// The scenes that were saved.
    scenes: Scenes,
    playlist: Option<Vec<String>>,
    /// The groups that were joined.
    groups: Vec<String>,
    seed: Option<u64>,
    position: i64,
}

/// How often the things remembered have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Because somebody said so.
    pub told: u64,
    /// By itself: scenes that were played, places that were walked to.
    pub own: u64,
}

impl Director {
    /// What is to be remembered at the moment.
    pub fn memory(&self) -> Memory {
        let (look, scene) = match &self.hours.before {
            // What is shown outside the opening hours is not what was chosen.
            Some((look, scene)) => (look.clone(), scene),
            None => (Map::new(), &self.scene),
        };
        let mut params = remembered(&self.targets);
        params.extend(look);
        Memory {
            format: FORMAT,
            params,
            configured: remembered(&self.configured),
            scene: scene.clone(),
            scenes: self.saved.clone(),
            playlist: self.player.playlist.clone(),
            groups: self.joined.clone(),
            seed: Some(self.player.seed),
            position: self.player.position,
        }
    }

    /// Goes on from what is remembered; from its parameters only if they are `wanted`. What is of no use any more is left
    /// out and told in the log.
    pub fn recall(&mut self, memory: Memory, wanted: bool) {
        if memory.format != FORMAT {
            warn!("what is remembered has format {}, not {FORMAT}: it begins as configured", memory.format);
            return;
        }
        let sound = |name: &String| scenes::check_name(name).is_ok();
        self.saved = memory.scenes.into_iter().filter(|(name, _)| sound(name)).take(MOST_SAVED).collect();
        self.saved.retain(|name, _| !self.configured_scenes.contains_key(name));
        self.joined = memory.groups.into_iter().filter(|group| check_group(group).is_ok()).collect();
        self.joined.truncate(super::MOST_GROUPS);
        self.joined.retain(|group| !self.configured_groups.contains(group));
        self.player = Player::new(memory.seed.unwrap_or(self.player.seed));
        self.player.position = memory.position;
        self.player.playlist = memory.playlist.or(self.player.playlist.take());
        if !wanted {
            return;
        }
        if memory.configured != remembered(&self.configured) {
            info!("the configured parameters have changed: they count, not those that are remembered");
            return;
        }
        self.targets = recalled(&self.configured, memory.params, &self.catalogue);
        self.params = self.targets.clone();
        self.scene = memory.scene.filter(|name| self.scene(name).is_some());
    }
}

fn remembered(params: &Params) -> Map<String, Json> {
    let mut all = params.to_json();
    all.shift_remove("paused");
    all.shift_remove("blank");
    all
}

/// `base` with all of `values` that are still right.
fn recalled(base: &Params, mut values: Map<String, Json>, catalogue: &crate::pack::Catalogue) -> Params {
    loop {
        match base.with(&values, catalogue) {
            Ok(params) => return params,
            Err(refusals) => {
                let before = values.len();
                for refusal in refusals {
                    warn!("remembered, and of no use any more: {refusal}");
                    values.shift_remove(&refusal.param);
                    if refusal.param == "layer" {
                        values.shift_remove("neurons");
                    }
                }
                if values.len() == before {
                    return base.clone();
                }
            }
        }
    }
}
