//! The saved state: what outlasts a power cut. `deploy/reference/state-file.md` has every field.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tracing::{info, warn};

use super::action::check_group;
use super::pending::{MAX_PENDING, Pending};
use super::scenes::{self, MAX_KEPT, Scenes, is_look};
use super::{Director, OpeningHours, RawSchedule};
use crate::pack::Catalogue;
use crate::params::{LAYERS_WITH_NEURONS, Params};

/// The form of the file that this version writes, and the only one it reads.
const FORMAT: u32 = 1;
/// What a file of it may take, bytes; a larger one is not read. As many scenes and commands as are taken, each with the longest choice of neurons,
/// are half as much.
pub const MAX_BYTES: usize = 4 << 20;

/// All that is remembered. Whether it is paused or blank is not: a device that is switched on shows something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedState {
    #[serde(default)]
    format: u32,
    /// The directed values.
    params: Map<String, Json>,
    /// The configured values that differed from the defaults of the version that wrote this. Where the configuration differs from them now, it was changed
    /// meanwhile, and takes precedence.
    #[serde(rename = "said")]
    configured_changes: Option<Map<String, Json>>,
    /// All configured values, as version 0.1 wrote them.
    #[serde(skip_serializing)]
    configured: Map<String, Json>,
    scene: Option<String>,
    /// The scenes that were saved.
    scenes: Scenes,
    playlist: Option<Vec<String>>,
    /// The configured playlist then, empty for all scenes; none: version 0.1 did not write it.
    configured_playlist: Option<Vec<String>>,
    /// The opening hours that were commanded; none: the configured ones.
    hours: Option<RawSchedule>,
    /// The configured hours then; none: a version that knew no others.
    configured_hours: Option<RawSchedule>,
    /// The groups that were joined.
    groups: Vec<String>,
    seed: Option<u64>,
    position: i64,
    /// Commands that wait for their moment.
    pending: Vec<Pending>,
}

impl Default for SavedState {
    fn default() -> SavedState {
        SavedState {
            format: FORMAT,
            params: Map::new(),
            configured_changes: None,
            configured: Map::new(),
            scene: None,
            scenes: Scenes::new(),
            playlist: None,
            configured_playlist: None,
            hours: None,
            configured_hours: None,
            groups: Vec::new(),
            seed: None,
            position: 0,
            pending: Vec::new(),
        }
    }
}

impl SavedState {
    /// Reads what a file holds.
    ///
    /// # Errors
    /// In words, why it is of no use: torn, another's, or of another format.
    pub fn read(text: &str) -> Result<SavedState, String> {
        let state: SavedState =
            serde_json::from_str(text).map_err(|error| format!("it is torn or foreign ({error})"))?;
        match state.format {
            FORMAT => Ok(state),
            other => Err(format!("it has format {other}, and this version reads format {FORMAT}")),
        }
    }
}

/// How often the saved state has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeCounters {
    /// By commands and configuration.
    pub by_command: u64,
    /// By playback and opening hours.
    pub by_itself: u64,
}

impl Director {
    /// What is to be saved at the moment.
    pub fn saved_state(&self) -> SavedState {
        SavedState {
            params: to_saved(&self.targets),
            configured_changes: Some(self.configured_changes()),
            scene: self.scene.clone(),
            scenes: self.saved.clone(),
            playlist: self.player.playlist.clone(),
            configured_playlist: Some(self.configured_playlist.clone().unwrap_or_default()),
            hours: self.hours.chosen.as_ref().map(|hours| hours.said().clone()),
            configured_hours: Some(self.hours.configured.said().clone()),
            groups: self.joined.clone(),
            seed: Some(self.player.seed),
            position: self.player.position,
            pending: self.pending.clone(),
            ..SavedState::default()
        }
    }

    /// The configured values that differ from this version's defaults.
    fn configured_changes(&self) -> Map<String, Json> {
        let own = Params::new(&self.catalogue).to_json();
        to_saved(&self.configured).into_iter().filter(|(name, value)| own.get(name) != Some(value)).collect()
    }

    /// Restores the saved state; its parameters only `with_params`. What is no longer valid is logged and left out.
    pub fn restore(&mut self, state: SavedState, with_params: bool) {
        let changed = self.changed_since(&state);
        let sound = |name: &String| scenes::check_name(name).is_ok();
        self.saved = state.scenes.into_iter().filter(|(name, _)| sound(name)).take(MAX_KEPT).collect();
        for name in self.saved.keys().filter(|name| self.configured_scenes.contains_key(*name)) {
            info!("the saved scene `{name}` is hidden by the configured one of the same name");
        }
        self.joined = state.groups.into_iter().filter(|group| check_group(group).is_ok()).collect();
        self.joined.truncate(super::MAX_GROUPS);
        self.pending = state.pending;
        self.pending.truncate(MAX_PENDING);
        self.pending.sort_by_key(|pending| pending.at);
        self.player.seed = self.configured_seed.or(state.seed).unwrap_or(self.player.seed);
        self.player.position = state.position;
        let was = state.configured_playlist.map(|list| Some(list).filter(|list| !list.is_empty()));
        match was {
            Some(was) if was == self.configured_playlist => self.player.playlist = state.playlist,
            Some(_) => info!("play.scenes was changed: it takes precedence over the saved playlist"),
            None => self.player.playlist = state.playlist.or(self.player.playlist.take()),
        }
        self.restore_hours(state.hours, state.configured_hours);
        if !with_params {
            return;
        }
        let mut params = state.params;
        for name in &changed {
            info!("params.{name} was changed: it takes precedence over the saved value");
            params.shift_remove(name);
        }
        for (layer, neurons) in LAYERS_WITH_NEURONS {
            if changed.iter().any(|name| name == layer) {
                params.shift_remove(neurons);
            }
        }
        let right = still_right(&self.configured, params, &self.catalogue);
        self.targets = self.configured.with(&right, &self.catalogue).unwrap_or_else(|_| self.configured.clone());
        self.params = self.targets.clone();
        let is_as_it_was = !changed.iter().any(|name| is_look(name));
        self.scene = state.scene.filter(|name| is_as_it_was && self.scene(name).is_some());
    }

    /// Restores the hours that were commanded when the configured ones were as they `were`.
    fn restore_hours(&mut self, hours: Option<RawSchedule>, were: Option<RawSchedule>) {
        let Some(hours) = hours else { return };
        if were.as_ref() != Some(self.hours.configured.said()) {
            return info!("schedule was changed: it takes precedence over the saved opening hours");
        }
        match OpeningHours::read(hours) {
            Ok(hours) => self.hours.chosen = Some(hours),
            Err(invalid) => warn!("saved, but no longer valid: hours.{}: {}", invalid.key, invalid.message),
        }
    }

    /// The parameters whose configured value is another than when `state` was written.
    fn changed_since(&self, state: &SavedState) -> Vec<String> {
        let says = self.configured_changes();
        let before = state.configured_changes.as_ref().unwrap_or(&state.configured);
        let mut changed: Vec<String> = says
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(*value))
            .map(|(name, _)| name.clone())
            .collect();
        // Version 0.1 wrote its own defaults too: values no longer configured cannot be distinguished from them.
        let gone = state.configured_changes.iter().flat_map(Map::keys).filter(|name| !says.contains_key(*name));
        changed.extend(gone.cloned());
        changed
    }
}

fn to_saved(params: &Params) -> Map<String, Json> {
    let mut all = params.to_json();
    all.shift_remove("paused");
    all.shift_remove("blank");
    all
}

/// What of `values` can still be set over `base`; the rest is logged.
pub(super) fn still_right(base: &Params, mut values: Map<String, Json>, catalogue: &Catalogue) -> Map<String, Json> {
    while let Err(refusals) = base.with(&values, catalogue) {
        let before = values.len();
        for refusal in refusals {
            warn!("saved, but no longer valid: {refusal}");
            values.shift_remove(&refusal.param);
            for (_, neurons) in LAYERS_WITH_NEURONS.iter().filter(|(layer, _)| *layer == refusal.param) {
                values.shift_remove(*neurons);
            }
        }
        if values.len() == before {
            return Map::new();
        }
    }
    values
}
