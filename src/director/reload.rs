//! A configuration that was reloaded.

use serde_json::Map;

use super::change_request::ChangeRequest;
use super::hours::Hours;
use super::moment::Now;
use super::undo::Before;
use super::{Director, Setup, scenes};
use crate::params::TABLE;

impl Director {
    /// Continues with another configuration. Only what differs from the one before is applied, parameters over `fade`; what was
    /// directed, saved and joined since stays otherwise.
    pub fn reconfigure(&mut self, setup: Setup, now: Now) {
        let differs = TABLE.iter().filter(|spec| (spec.get)(&setup.params) != (spec.get)(&self.configured));
        let changes: Map<_, _> =
            differs.map(|spec| (spec.name.to_owned(), (spec.get)(&setup.params).to_json())).collect();
        let is_look_changed = changes.keys().any(|name| scenes::is_look(name));
        let is_playlist_changed = self.configured_playlist != setup.playlist;
        let are_hours_changed = self.hours.configured.said() != setup.hours.said();
        // What the configuration says anew is not taken back with something older.
        self.history.retain(|before| match before {
            Before::Look(_) => !is_look_changed,
            Before::Playlist(_) => !is_playlist_changed,
            Before::Hours(_) => !are_hours_changed,
            Before::Scene { .. } => true,
        });
        self.configured = setup.params;
        self.capabilities = setup.capabilities;
        self.configured_scenes = setup.scenes;
        self.shipped = setup.shipped;
        self.configured_groups = setup.groups;
        if is_playlist_changed {
            self.player.playlist.clone_from(&setup.playlist);
            self.configured_playlist = setup.playlist;
        }
        if self.configured_seed != setup.seed {
            self.configured_seed = setup.seed;
            self.player.seed = setup.seed.unwrap_or(self.player.seed);
        }
        self.scene = self.scene.take().filter(|name| self.scene(name).is_some());
        let take_up = |hours: &mut Hours| {
            hours.chosen = hours.chosen.take().filter(|_| !are_hours_changed);
            hours.configured = setup.hours;
        };
        self.change_hours(take_up, now);
        if !changes.is_empty() {
            self.apply_or_warn(&ChangeRequest::new(changes, None), now);
        }
        // Saved as soon as a command is.
        self.changes.by_command += 1;
        self.edition += 1;
    }
}
