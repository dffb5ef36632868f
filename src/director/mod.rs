//! The director: decides what is dreamed, by commands, scenes, playback and opening hours.
//!
//! The [`Director`] opens no socket and reads no clock: every moment is an argument, so that months of it are tested in no time.
//! [`DirectorHandle`](crate::director_handle::DirectorHandle) passes commands in and publishes its decisions; `dream/` and `display/` follow its [`Params`].

mod action;
mod change_request;
mod hours;
mod moment;
mod pending;
mod player;
mod raw_schedule;
mod reload;
mod saved_state;
mod scenes;
mod schedule;
mod settings;
mod shipped;
mod tour;
mod undo;
mod wander;

pub use action::{ACTIONS, Action, ActionSpec, Signal, check_group, find as find_action};
pub use moment::Now;
pub use raw_schedule::{OpeningHours, RawSchedule};
pub use saved_state::{ChangeCounters, MAX_BYTES, SavedState};
pub use scenes::{Scenes, check as check_scene};
pub use schedule::{Outside, Schedule};
pub use settings::{PlaySettings, check_scenes};
pub use shipped::{about as shipped_about, picture as shipped_picture, scenes as shipped_scenes};
pub use undo::MAX_CHANGES as MAX_UNDO;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};
use tracing::warn;

use crate::pack::Catalogue;
use crate::params::{Kind, LAYERS_WITH_NEURONS, Params, Play, Refusal, Spec, TABLE, Value};
use crate::text::excerpt;

use change_request::ChangeRequest;
use hours::{Hours, Overlay};
use pending::{Pending, SET};
use player::Player;
use undo::History;

/// Groups that a device may be in.
pub const MAX_GROUPS: usize = 32;
/// Between two values of a ramp in `state`: finer than any dream is drawn.
const RAMP_INTERVAL: Duration = Duration::from_millis(50);
/// The longest time between two calls of [`Director::advance`]: the wall clock may be set meanwhile.
const MAX_IDLE: Duration = Duration::from_secs(1);

/// What a director starts with, all of it checked.
pub struct Setup {
    /// The configured parameters.
    pub params: Params,
    pub scenes: Scenes,
    /// Scenes that are there where neither the configuration nor the memory has one of their name.
    pub shipped: Scenes,
    /// The scenes that play; none: as [`Director::playlist`] says.
    pub playlist: Option<Vec<String>>,
    pub groups: Vec<String>,
    pub hours: OpeningHours,
    pub capabilities: Capabilities,
    /// Seed of the walk and of shuffling; none: the saved one, else a random one.
    pub seed: Option<u64>,
}

impl Setup {
    /// Starts with `params`, and nothing else.
    pub fn new(params: Params) -> Setup {
        Setup {
            params,
            scenes: Scenes::new(),
            shipped: Scenes::new(),
            playlist: None,
            groups: Vec::new(),
            hours: OpeningHours::default(),
            capabilities: Capabilities::default(),
            seed: None,
        }
    }
}

/// What this device can do, and what its owner allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Pictures may leave the device.
    pub snapshots: bool,
    /// The process is restarted when it ends.
    pub restart: bool,
}

/// Decides what is dreamed.
pub struct Director {
    catalogue: Arc<Catalogue>,
    capabilities: Capabilities,
    configured: Params,
    configured_scenes: Scenes,
    shipped: Scenes,
    configured_groups: Vec<String>,
    configured_playlist: Option<Vec<String>>,
    configured_seed: Option<u64>,
    /// The values that are directed.
    targets: Params,
    /// Those that are shown, under the overlay, and how numbers get there.
    params: Params,
    /// The scene that is directed, until its look is changed by hand.
    scene: Option<String>,
    saved: Scenes,
    joined: Vec<String>,
    player: Player,
    hours: Hours,
    /// Deferred commands, the earliest first.
    pending: Vec<Pending>,
    history: History,
    changes: ChangeCounters,
    /// Counts the changes of what `about` publishes.
    edition: u64,
}

impl Director {
    pub fn new(catalogue: Arc<Catalogue>, setup: Setup) -> Director {
        let mut player = Player::new(setup.seed.unwrap_or_else(|| fastrand::u64(..)));
        player.playlist.clone_from(&setup.playlist);
        Director {
            catalogue,
            capabilities: setup.capabilities,
            targets: setup.params.clone(),
            params: setup.params.clone(),
            configured: setup.params,
            configured_scenes: setup.scenes,
            shipped: setup.shipped,
            configured_groups: setup.groups,
            configured_playlist: setup.playlist,
            configured_seed: setup.seed,
            scene: None,
            saved: Scenes::new(),
            joined: Vec::new(),
            player,
            hours: Hours::configured(setup.hours),
            pending: Vec::new(),
            history: History::default(),
            changes: ChangeCounters::default(),
            edition: 0,
        }
    }

    /// The parameters that are shown, with the transitions to them.
    pub fn params(&self) -> &Params {
        &self.params
    }

    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The retained `state`: every parameter, the scene, ramps, opening hours, deferred commands and how many changes can be taken back.
    pub fn state(&self, now: Now) -> Map<String, Json> {
        let mut state = self.params.to_json();
        let mut ramps = Map::new();
        for (spec, value, to, left) in self.params.transitions.ramps(now.steady) {
            state.insert(spec.name.to_owned(), Value::Number(value).to_json());
            let left = (left.as_secs_f64() * 10.0).round() / 10.0;
            ramps.insert(spec.name.to_owned(), json!({"to": Value::Number(to).to_json(), "left": left}));
        }
        state.insert("scene".to_owned(), json!(self.shown_scene()));
        state.insert("ramps".to_owned(), ramps.into());
        state.insert("open".to_owned(), json!(self.hours.open));
        state.insert("next_hours".to_owned(), self.hours.next());
        state.insert("pending".to_owned(), self.pending.len().into());
        state.insert("undo".to_owned(), self.history.len().into());
        state
    }

    /// Every scene with its parameters, and whether it was saved: the others cannot be deleted. A saved one that a configured one has the
    /// name of waits until that is gone, and one that ships until both are.
    pub fn scenes(&self) -> impl Iterator<Item = (&String, &Map<String, Json>, bool)> {
        let configured = self.configured_scenes.iter().map(|(name, scene)| (name, scene, false));
        let seen = self.saved.iter().filter(|(name, _)| !self.configured_scenes.contains_key(*name));
        let shipped = self.shipped.iter().filter(|(name, _)| !self.is_own_scene(name));
        let shipped = shipped.map(|(name, scene)| (name, scene, false));
        configured.chain(seen.map(|(name, scene)| (name, scene, true))).chain(shipped)
    }

    /// Whether a scene of this name is configured or saved.
    pub fn is_own_scene(&self, name: &str) -> bool {
        self.configured_scenes.contains_key(name) || self.saved.contains_key(name)
    }

    /// The scene that is shown, where there is one.
    fn shown_scene(&self) -> Option<&str> {
        match &self.hours.overlay {
            Some(Overlay::Scene { name, .. }) => Some(name.as_str()).filter(|name| self.scene(name).is_some()),
            _ => self.scene.as_deref(),
        }
    }

    fn scene(&self, name: &str) -> Option<&Map<String, Json>> {
        self.configured_scenes.get(name).or_else(|| self.saved.get(name)).or_else(|| self.shipped.get(name))
    }

    /// The scenes that are played, in order: unless somebody chose, all configured and saved ones, and where there are none, those that ship.
    pub fn playlist(&self) -> Vec<&str> {
        let names = self.scenes().map(|(name, ..)| name);
        let (own, shipped): (Vec<&String>, Vec<&String>) = names.partition(|name| self.is_own_scene(name));
        self.player.scenes(if own.is_empty() { shipped } else { own }.into_iter())
    }

    /// The layers of the scenes, those that are played first, each once.
    pub fn layers_of_scenes(&self) -> Vec<String> {
        let scenes = self.playlist().into_iter().chain(self.scenes().map(|(name, ..)| name.as_str()));
        let layers = scenes.filter_map(|name| self.catalogue.layer(self.scene(name)?.get("layer")?.as_str()?).ok());
        let mut once = Vec::new();
        for name in layers.map(|(_, pack, layer)| self.catalogue.short_name(pack, layer)) {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        once
    }

    /// The groups obeyed.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let joined = self.joined.iter().filter(|group| !self.configured_groups.contains(group));
        self.configured_groups.iter().chain(joined).map(String::as_str)
    }

    pub fn has_schedule(&self) -> bool {
        self.hours.schedule().is_some()
    }

    /// The opening hours in effect as they were said, and whether that was in the configuration; none where it is always open.
    pub fn describe_hours(&self) -> Option<Map<String, Json>> {
        self.hours.describe()
    }

    /// How often what is saved has changed.
    pub fn changes(&self) -> ChangeCounters {
        self.changes
    }

    /// Changes whenever scenes, playlist, groups or hours do.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// Applies a `set`, now or at its moment: all of it, or nothing.
    ///
    /// # Errors
    /// A refusal for each entry that is wrong.
    pub fn set(&mut self, entries: &Map<String, Json>, now: Now) -> Result<(), Vec<Refusal>> {
        let (mut request, mut refusals) = ChangeRequest::read(entries, now);
        if let Err(more) = self.check(&request) {
            refusals.extend(more);
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        match request.at.take() {
            Some(at) if at > now.wall => self.defer(at, SET, entries)?,
            _ => {
                let before = self.look();
                self.command(&request, now)?;
                self.record_set(before, request.scene.is_some(), now);
            }
        }
        self.changes.by_command += 1;
        Ok(())
    }

    /// Performs the action `name`, now or at its moment. Returns what the stages or the broker's session are to carry out.
    ///
    /// # Errors
    /// A refusal for each entry that is wrong, or for the action.
    pub fn act(&mut self, name: &str, entries: &Map<String, Json>, now: Now) -> Result<Option<Signal>, Vec<Refusal>> {
        let mut rest = entries.clone();
        let at = rest.shift_remove("at").map(|json| moment::at(&json, now)).transpose();
        let action = Action::read(name, &rest);
        let over = rest.get("over").map(|json| moment::duration("over", json)).transpose();
        let refusals: Vec<Refusal> = [at.as_ref().err(), over.as_ref().err()].into_iter().flatten().cloned().collect();
        let action = match action {
            Ok(action) if refusals.is_empty() => action,
            outcome => return Err(outcome.err().into_iter().flatten().chain(refusals).collect()),
        };
        let (at, over) = (at.ok().flatten(), over.ok().flatten());
        self.check_action(&action).map_err(|refusal| vec![refusal])?;
        let signal = match at {
            Some(at) if at > now.wall => {
                self.defer(at, name, entries)?;
                None
            }
            _ => self.perform(action, over, now)?,
        };
        self.changes.by_command += 1;
        Ok(signal)
    }

    /// Lets time pass: does what is due. Returns what the stages or the broker's session are to carry out.
    pub fn advance(&mut self, now: Now) -> Vec<Signal> {
        let signals = self.run_due_commands(now);
        self.update_hours(now);
        self.advance_player(now);
        self.params.transitions.end(now.steady);
        signals
    }

    /// How long nothing happens by itself.
    pub fn idle_time(&self, now: Now) -> Duration {
        let until = |moment: Instant| moment.saturating_duration_since(now.steady);
        let pending = self.pending.first().map(|pending| until(now.steady_at(pending.at)));
        let player = self.player.due(&self.targets).filter(|_| self.plays()).map(until);
        let ramps = self.params.transitions.ramps(now.steady).next().map(|_| RAMP_INTERVAL);
        [pending, player, ramps].into_iter().flatten().min().unwrap_or(MAX_IDLE).min(MAX_IDLE)
    }

    /// The parameters that the request leads to, and which of them it names.
    fn check(&self, request: &ChangeRequest) -> Result<(Params, Map<String, Json>), Vec<Refusal>> {
        let mut named = Map::new();
        if let Some(name) = &request.scene {
            let scene = self.scene(name).ok_or_else(|| vec![self.no_scene(name)])?;
            let unfit = |refusals: Vec<Refusal>| {
                let why = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                vec![Refusal::new("scene", format!("`{name}` cannot be shown: {why}"))]
            };
            self.targets.with(scene, &self.catalogue).map_err(unfit)?;
            named = scene.clone();
        }
        for (layer, neurons) in LAYERS_WITH_NEURONS {
            if request.changes.contains_key(layer) && !request.changes.contains_key(neurons) {
                named.shift_remove(neurons);
            }
        }
        named.extend(request.changes.clone());
        let targets = self.targets.with(&named, &self.catalogue)?;
        Ok((targets, named))
    }

    fn no_scene(&self, name: &str) -> Refusal {
        let names: Vec<&str> = self.scenes().map(|(name, ..)| name.as_str()).collect();
        let known =
            if names.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names.join(", ")) };
        let meant = crate::did_you_mean(crate::nearest(name, names.iter().copied()));
        Refusal::new("scene", format!("there is no scene `{}`{meant}; {known}", excerpt(name)))
    }

    /// Applies the whole of `request` from `now` on; its own moment is ignored.
    fn apply(&mut self, request: &ChangeRequest, now: Now) -> Result<(), Vec<Refusal>> {
        let (targets, named) = self.check(request)?;
        let shown = self.hours.shown(&self.targets);
        let covered: Vec<&str> = match &self.hours.overlay {
            None => Vec::new(),
            Some(overlay) => TABLE.iter().filter(|spec| overlay.covers(spec)).map(|spec| spec.name).collect(),
        };
        let before = std::mem::replace(&mut self.targets, targets);
        let is_named = |spec: &Spec| named.contains_key(spec.name) && !covered.contains(&spec.name);
        self.show(&shown, is_named, |spec| request.over(spec), now);
        if let Some(scene) = &request.scene {
            self.scene = Some(scene.clone());
            self.player.hold_from(now.steady);
        } else if scenes::differing(&before, &self.targets).next().is_some() {
            self.scene = None;
        }
        if before.paused && !self.targets.paused {
            self.player.hold_from(now.steady);
        }
        if self.targets.play != before.play && self.targets.play != Play::Off {
            self.play_or_warn(0, request.over, now);
        }
        Ok(())
    }

    /// Moves what is shown to what is to be shown, where that differs from what was to be shown `before`, each parameter in so many seconds (none:
    /// over `fade`); one that is named ends its ramp in any case.
    fn show(
        &mut self,
        before: &Params,
        is_named: impl Fn(&Spec) -> bool,
        over: impl Fn(&Spec) -> Option<f64>,
        now: Now,
    ) {
        let shown = self.hours.shown(&self.targets);
        for spec in TABLE {
            let changes = (spec.get)(&shown) != (spec.get)(before);
            if !changes && !is_named(spec) {
                continue;
            }
            let over = over(spec);
            let (seconds, is_ramp) = match over.filter(|_| spec.is_number()) {
                Some(seconds) => (seconds, true),
                None if spec.fades() => (shown.fade, false),
                None => (0.0, false),
            };
            let numbers = &mut self.params.transitions;
            let on_way = numbers.value(spec, now.steady);
            numbers.stop(spec);
            // From what is seen: nothing jumps.
            let from = on_way.unwrap_or_else(|| self.params.number_at(spec, now.steady));
            (spec.set)(&mut self.params, (spec.get)(&shown));
            let to = self.params.number_at(spec, now.steady);
            if from != to {
                let length = moment::seconds(seconds);
                self.params.transitions.begin(spec, (from, to), now.steady, length, is_ramp);
            }
            if changes && is_network(spec) {
                self.params.crossfade = over.unwrap_or(shown.fade);
            }
        }
    }

    /// Goes `by` scenes or places forward or back (0: to the present one), in `over` seconds, or over `fade`.
    fn play(&mut self, by: i64, over: Option<f64>, now: Now) -> Result<(), Vec<Refusal>> {
        let play = self.targets.play;
        // Where there is nothing to play too, so that its turn does not stay due.
        self.player.hold_from(now.steady);
        self.player.position = self.player.position.wrapping_add(by);
        let request = match play {
            Play::Wander => {
                let (seed, position) = (self.player.seed, self.player.position);
                ChangeRequest::new(wander::place(&self.catalogue, &self.targets.layer, seed, position), over)
            }
            _ => {
                let list: Vec<String> = self.playlist().into_iter().map(str::to_owned).collect();
                if list.is_empty() {
                    return Ok(());
                }
                // In order, it goes on from whatever scene was chosen.
                let shown = list.iter().position(|name| Some(name) == self.scene.as_ref());
                if let Some(shown) = shown.filter(|_| play != Play::Shuffle) {
                    self.player.position = shown as i64 + by;
                }
                let name = list[self.player.index(play, list.len())].clone();
                ChangeRequest::of_scene(name, over)
            }
        };
        self.apply(&request, now)
    }

    /// Whether the next place is gone to when its turn comes.
    fn plays(&self) -> bool {
        !self.targets.paused && !self.hours.shows_a_scene()
    }

    /// Goes to the next place where its turn has come.
    fn advance_player(&mut self, now: Now) {
        if self.plays() && self.player.due(&self.targets).is_some_and(|due| now.steady >= due) {
            self.changes.by_itself += 1;
            self.play_or_warn(1, Some(self.targets.glide), now);
        }
    }

    /// As [`Director::play`], where nobody waits for an answer.
    fn play_or_warn(&mut self, by: i64, over: Option<f64>, now: Now) {
        if let Err(refusals) = self.play(by, over, now) {
            refusals.iter().for_each(|refusal| warn!("cannot play the next scene: {refusal}"));
        }
    }

    /// Starts playback where it is configured, or resumes where it was saved.
    pub fn begin(&mut self, now: Now) {
        self.drop_due_restarts(now);
        if self.targets == self.configured && self.targets.play != Play::Off {
            self.play_or_warn(0, Some(0.0), now);
        }
        self.player.hold_from(now.steady);
    }
}

/// Whether a change of `spec` is a crossfade, which begins when the dream has what it takes.
fn is_network(spec: &Spec) -> bool {
    matches!(spec.kind, Kind::Layer | Kind::SecondLayer | Kind::Neurons | Kind::Guide)
}

/// A random generator that is the same for the same seed, purpose and number.
fn seeded_rng(seed: u64, purpose: &str, number: i64) -> fastrand::Rng {
    let mut hash = fastrand::Rng::with_seed(seed).u64(..);
    for byte in purpose.bytes().chain(number.to_le_bytes()) {
        // FNV-1a: enough to tell them apart; the generator mixes.
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    fastrand::Rng::with_seed(hash)
}

#[cfg(test)]
mod tests;
