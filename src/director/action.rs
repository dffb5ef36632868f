//! Actions: what can be commanded besides setting parameters.

use serde_json::{Map, Value as Json, json};

use super::change_request::ChangeRequest;
use super::moment::Now;
use super::undo::{self, Before};
use super::{Director, MAX_GROUPS, OpeningHours, RawSchedule, scenes};
use crate::params::{Play, Refusal};
use crate::text::excerpt;

/// An action, parsed and checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Reset,
    Snapshot,
    NextScene,
    PreviousScene,
    Undo,
    /// Sets a switch of the table: `pause`, `resume`, `blank`, `unblank`.
    Switch(&'static str, bool),
    Restart,
    Identify,
    SaveScene(String),
    DeleteScene(String),
    Playlist(Vec<String>),
    /// None: those of the configuration.
    Hours(Option<Box<OpeningHours>>),
    Join(String),
    Leave(String),
}

/// What the stages and the broker's session are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Forget the dream and begin again from the camera picture.
    Reset,
    /// Publish the picture that is shown.
    Snapshot,
    /// Show the device's name on the screen.
    Identify,
    /// End, so that systemd restarts the process.
    Restart,
}

/// An action as it is described to people and programs.
pub struct ActionSpec {
    pub name: &'static str,
    pub about: &'static str,
    /// The keys of its payload, besides `id` and `at`.
    pub takes: &'static [&'static str],
}

/// Every action.
pub static ACTIONS: &[ActionSpec] = &[
    ActionSpec { name: "snapshot", about: "Publish the picture that is shown, once, on `snapshot`.", takes: &[] },
    ActionSpec { name: "reset", about: "Forget the dream and begin again from the camera picture.", takes: &[] },
    ActionSpec { name: "next-scene", about: "Go to the next scene, or the next place of the walk.", takes: &["over"] },
    ActionSpec { name: "previous-scene", about: "Go back to the one before.", takes: &["over"] },
    ActionSpec {
        name: "undo",
        about: "Take back the last change of the look, of a saved scene, the playlist or the hours.",
        takes: &["over"],
    },
    ActionSpec { name: "pause", about: "Hold the present picture.", takes: &[] },
    ActionSpec { name: "resume", about: "Dream on.", takes: &[] },
    ActionSpec { name: "blank", about: "Show black.", takes: &[] },
    ActionSpec { name: "unblank", about: "Show the dream again.", takes: &[] },
    ActionSpec { name: "restart", about: "End and be restarted by systemd.", takes: &[] },
    ActionSpec { name: "identify", about: "Show the device's name on the screen for some seconds.", takes: &[] },
    ActionSpec { name: "save-scene", about: "Save the present look under a name.", takes: &["name"] },
    ActionSpec { name: "delete-scene", about: "Delete a saved scene.", takes: &["name"] },
    ActionSpec {
        name: "playlist",
        about: "Choose the scenes that are played; an empty list is one's own, or where there are none those that ship.",
        takes: &["scenes"],
    },
    ActionSpec {
        name: "hours",
        about: "Choose the opening hours, whole; without any key they are those of the configuration again.",
        takes: RawSchedule::KEYS,
    },
    ActionSpec { name: "join", about: "Join a group.", takes: &["group"] },
    ActionSpec { name: "leave", about: "Leave a group.", takes: &["group"] },
];

/// The longest name of a group: it is part of topics, as a device's is.
const MAX_GROUP_LENGTH: usize = 64;
/// More scenes than can be saved and configured have no use in a list.
const MAX_PLAYLIST_LENGTH: usize = 256;

/// The row called `name`; else a refusal that lists all actions.
pub fn find(name: &str) -> Result<&'static ActionSpec, Refusal> {
    ACTIONS.iter().find(|action| action.name == name).ok_or_else(|| {
        let known = ACTIONS.iter().map(|action| action.name).collect::<Vec<_>>().join(", ");
        Refusal::whole(format!("there is no action `{}`; there are: {known}", excerpt(name)))
    })
}

impl Action {
    /// Parses the action `name` with the entries of its payload, without `id` and `at`.
    pub fn read(name: &str, entries: &Map<String, Json>) -> Result<Action, Vec<Refusal>> {
        let row = find(name).map_err(|refusal| vec![refusal])?;
        let extra = entries.keys().filter(|key| !row.takes.contains(&key.as_str()));
        let takes = match row.takes {
            [] => "takes nothing but `id` and `at`".to_owned(),
            some => {
                format!("takes {}, `id` and `at`", some.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", "))
            }
        };
        let refusals: Vec<Refusal> =
            extra.map(|key| Refusal::new(excerpt(key), format!("`do/{name}` {takes}"))).collect();
        if !refusals.is_empty() {
            return Err(refusals);
        }
        Action::of(name, entries).map_err(|refusal| vec![refusal])
    }

    fn of(name: &str, entries: &Map<String, Json>) -> Result<Action, Refusal> {
        Ok(match name {
            "snapshot" => Action::Snapshot,
            "reset" => Action::Reset,
            "next-scene" => Action::NextScene,
            "previous-scene" => Action::PreviousScene,
            "undo" => Action::Undo,
            "pause" => Action::Switch("paused", true),
            "resume" => Action::Switch("paused", false),
            "blank" => Action::Switch("blank", true),
            "unblank" => Action::Switch("blank", false),
            "restart" => Action::Restart,
            "identify" => Action::Identify,
            "save-scene" => Action::SaveScene(scene_name(entries)?),
            "delete-scene" => Action::DeleteScene(scene_name(entries)?),
            "playlist" => Action::Playlist(playlist(entries)?),
            "hours" => Action::Hours(hours(entries)?.map(Box::new)),
            "join" => Action::Join(group(entries)?),
            "leave" => Action::Leave(group(entries)?),
            _ => return Err(find(name).err().unwrap_or_else(|| Refusal::whole("is no action"))),
        })
    }
}

fn text<'a>(entries: &'a Map<String, Json>, name: &str, example: &str) -> Result<&'a str, Refusal> {
    let wrong = || Refusal::new(name, format!("is needed, as text: {}", json!({ name: example })));
    entries.get(name).and_then(Json::as_str).ok_or_else(wrong)
}

fn scene_name(entries: &Map<String, Json>) -> Result<String, Refusal> {
    let name = text(entries, "name", "evening")?;
    scenes::check_name(name)?;
    Ok(name.to_owned())
}

/// The hours that `entries` say; none where they say nothing.
fn hours(entries: &Map<String, Json>) -> Result<Option<OpeningHours>, Refusal> {
    if entries.is_empty() {
        return Ok(None);
    }
    let read = OpeningHours::read(RawSchedule::of(entries)?);
    read.map(Some).map_err(|invalid| Refusal::new(invalid.key, invalid.message))
}

fn playlist(entries: &Map<String, Json>) -> Result<Vec<String>, Refusal> {
    let wrong = || Refusal::new("scenes", format!("is needed: a list of at most {MAX_PLAYLIST_LENGTH} scenes' names"));
    let list = entries.get("scenes").and_then(Json::as_array).filter(|list| list.len() <= MAX_PLAYLIST_LENGTH);
    let name = |json: &Json| json.as_str().map(str::to_owned);
    list.and_then(|list| list.iter().map(name).collect()).ok_or_else(wrong)
}

fn group(entries: &Map<String, Json>) -> Result<String, Refusal> {
    let name = text(entries, "group", "hall-2")?;
    check_group(name)?;
    Ok(name.to_owned())
}

/// Checks a group's name, which is one level of a topic.
pub fn check_group(name: &str) -> Result<(), Refusal> {
    let fine = (1..=MAX_GROUP_LENGTH).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let message = || format!("is 1 to {MAX_GROUP_LENGTH} letters, digits, `-` and `_`");
    if fine { Ok(()) } else { Err(Refusal::new("group", message())) }
}

impl Director {
    /// Whether an action can be performed here, at the moment.
    pub(super) fn check_action(&self, action: &Action) -> Result<(), Refusal> {
        let refuse = |param: &str, message: &str| Err(Refusal::new(param, message));
        match action {
            Action::Snapshot if !self.capabilities.snapshots => {
                Err(Refusal::whole("no picture leaves this device: its owner can allow it (mqtt.snapshots)"))
            }
            Action::Restart if !self.capabilities.restart => {
                Err(Refusal::whole("nothing would restart it: it does not run under systemd"))
            }
            Action::NextScene | Action::PreviousScene
                if self.targets.play != Play::Wander && self.playlist().is_empty() =>
            {
                Err(Refusal::whole("there are no scenes"))
            }
            Action::Undo if self.history.len() == 0 => Err(undo::nothing()),
            Action::SaveScene(name) if self.configured_scenes.contains_key(name) => {
                refuse("name", "is a scene of the configuration, which is not changed from afar")
            }
            Action::SaveScene(name) if !self.saved.contains_key(name) && self.saved.len() >= scenes::MAX_SAVED => {
                refuse("name", "is one scene too many: delete another first")
            }
            Action::DeleteScene(name) if self.configured_scenes.contains_key(name) => {
                refuse("name", "is a scene of the configuration, which is not changed from afar")
            }
            Action::DeleteScene(name) if self.shipped.contains_key(name) && !self.saved.contains_key(name) => {
                refuse("name", "ships with the program: play.shipped leaves it out")
            }
            Action::DeleteScene(name) if !self.saved.contains_key(name) => {
                Err(Refusal { param: "name".to_owned(), ..self.no_scene(name) })
            }
            Action::DeleteScene(name)
                if self.hours.in_effect().scene_outside() == Some(name) && !self.shipped.contains_key(name) =>
            {
                refuse("name", "is what is shown outside the opening hours: choose other hours first (`do/hours`)")
            }
            Action::Hours(Some(hours)) => match hours.scene_outside().filter(|name| self.scene(name).is_none()) {
                Some(name) => Err(Refusal { param: "outside".to_owned(), ..self.no_scene(name) }),
                None => Ok(()),
            },
            Action::Playlist(names) => match names.iter().find(|name| self.scene(name).is_none()) {
                Some(name) => Err(Refusal { param: "scenes".to_owned(), ..self.no_scene(name) }),
                None => Ok(()),
            },
            Action::Join(_) if self.groups().count() >= MAX_GROUPS => {
                refuse("group", "is one group too many: leave another first")
            }
            Action::Leave(group) if self.configured_groups.contains(group) => {
                refuse("group", "is a group of the configuration, which is not changed from afar")
            }
            _ => Ok(()),
        }
    }

    /// Performs it, at `now`. Returns what the stages or the broker's session are to carry out.
    pub(super) fn perform(
        &mut self,
        action: Action,
        over: Option<f64>,
        now: Now,
    ) -> Result<Option<Signal>, Vec<Refusal>> {
        self.check_action(&action).map_err(|refusal| vec![refusal])?;
        match action {
            Action::Reset => return Ok(Some(Signal::Reset)),
            Action::Snapshot => return Ok(Some(Signal::Snapshot)),
            Action::Identify => return Ok(Some(Signal::Identify)),
            Action::Restart => return Ok(Some(Signal::Restart)),
            Action::NextScene | Action::PreviousScene => {
                let (before, by) = (self.look(), if action == Action::NextScene { 1 } else { -1 });
                self.play(by, over, now)?;
                if self.hours.shows_a_scene() {
                    self.lift_overlay(|_| over, now);
                }
                self.record_step(before, by);
            }
            Action::Undo => self.undo(over, now)?,
            Action::Switch(name, on) => {
                self.command(&ChangeRequest::new(Map::from_iter([(name.to_owned(), on.into())]), over), now)?;
            }
            Action::SaveScene(name) => {
                // What was saved can be come back to, whatever is dragged next.
                self.history.end_gestures();
                let look = scenes::look(&self.hours.shown(&self.targets));
                let before = self.saved.insert(name.clone(), look.clone()).filter(|before| *before != look);
                self.record_scene(&name, before);
                if !self.hours.shows_a_scene() {
                    self.scene = Some(name);
                }
                self.edition += 1;
            }
            Action::DeleteScene(name) => {
                let before = self.saved.remove(&name);
                self.record_scene(&name, before);
                self.scene = self.scene.take().filter(|shown| *shown != name);
                self.edition += 1;
            }
            Action::Playlist(names) => {
                let playlist = Some(names).filter(|names| !names.is_empty());
                let before = std::mem::replace(&mut self.player.playlist, playlist);
                if before != self.player.playlist {
                    self.history.record(Before::Playlist(before));
                }
                self.edition += 1;
            }
            Action::Hours(hours) => {
                let before = self.hours.chosen.clone();
                self.change_hours(|kept| kept.chosen = hours.map(|hours| *hours), now);
                if before != self.hours.chosen {
                    self.history.record(Before::Hours(before.map(Box::new)));
                }
                self.edition += 1;
            }
            Action::Join(group) => {
                if !self.groups().any(|member| member == group) {
                    self.joined.push(group);
                    self.edition += 1;
                }
            }
            Action::Leave(group) => {
                self.joined.retain(|member| *member != group);
                self.edition += 1;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_an_action_and_says_what_it_takes() {
        let entries = json!({
            "name": "evening", "scenes": ["evening"], "group": "hall-2", "over": 3, "monday": "open", "timezone": "UTC",
            "exceptions": {"2026-12-24": "closed"}, "outside": "blank",
        });
        for row in ACTIONS {
            let entries = entries.as_object().unwrap().iter().filter(|(key, _)| row.takes.contains(&key.as_str()));
            Action::read(row.name, &entries.map(|(k, v)| (k.clone(), v.clone())).collect())
                .unwrap_or_else(|e| panic!("{}: {e:?}", row.name));
            let wrong = Map::from_iter([("nonsense".to_owned(), json!(1))]);
            assert!(Action::read(row.name, &wrong).unwrap_err()[0].message.contains(row.name));
            let needs = row.takes.iter().any(|takes| ["name", "scenes", "group"].contains(takes));
            assert_eq!(Action::read(row.name, &Map::new()).is_err(), needs, "{}", row.name);
        }
        assert!(Action::read("dance", &Map::new()).unwrap_err()[0].message.contains("next-scene"));
    }
}
