mod hours;
mod properties;
mod undo;

use jiff::Timestamp;
use serde_json::json;

use super::*;
pub(super) use crate::params::tests::catalogue;
use crate::params::{Transitions, find};

/// A director, and the clocks it goes by.
pub(super) struct Stage {
    pub director: Director,
    pub now: Now,
}

pub(super) fn setup() -> Setup {
    let scene = |json: Json| json.as_object().unwrap().clone();
    let mut setup = Setup::new(Params::new(&catalogue()));
    setup.scenes = Scenes::from([
        ("calm".to_owned(), scene(json!({"layer": "f6", "neurons": "3", "intensity": 0.2}))),
        ("evening".to_owned(), scene(json!({"intensity": 0.6, "zoom": 0.1}))),
        ("wild".to_owned(), scene(json!({"intensity": 1, "zoom": 1}))),
    ]);
    setup.groups = vec!["hall".to_owned()];
    setup.capabilities = Capabilities { snapshots: true, restart: false };
    setup.seed = Some(0);
    setup
}

impl Stage {
    pub fn new() -> Stage {
        Stage::of(setup())
    }

    pub fn of(setup: Setup) -> Stage {
        let wall = "2026-11-27T12:00:00Z".parse().unwrap();
        let mut director = Director::new(Arc::new(catalogue()), setup);
        let now = Now { steady: Instant::now() + Duration::from_secs(3600), wall };
        director.begin(now);
        director.advance(now);
        Stage { director, now }
    }

    pub fn set(&mut self, json: Json) -> Result<(), String> {
        self.director.set(json.as_object().unwrap(), self.now).map_err(|refusals| format!("{refusals:?}"))
    }

    pub fn act(&mut self, name: &str, json: Json) -> Result<Option<Signal>, String> {
        self.director.act(name, json.as_object().unwrap(), self.now).map_err(|refusals| format!("{refusals:?}"))
    }

    /// Lets `seconds` pass, as the daemon would: looking whenever it is told to.
    pub fn pass(&mut self, seconds: f64) -> Vec<Signal> {
        let end = self.now.steady + Duration::from_secs_f64(seconds);
        let mut signals = Vec::new();
        while self.now.steady < end {
            // Hours are looked at less often than the daemon does.
            let least = Duration::from_secs_f64((seconds / 5000.0).max(0.001));
            let step = self.director.idle_time(self.now).max(least).min(end - self.now.steady);
            self.now = Now { steady: self.now.steady + step, wall: self.now.wall + step };
            signals.extend(self.director.advance(self.now));
        }
        signals
    }

    pub fn state(&self) -> Map<String, Json> {
        self.director.state(self.now)
    }

    /// What a dream that begins so many seconds later is made with.
    pub fn shown(&self, name: &str, after: f64) -> f64 {
        self.director.params().number_at(find(name).unwrap(), self.now.steady + Duration::from_secs_f64(after))
    }

    pub fn number(&self, name: &str) -> f64 {
        self.state()[name].as_f64().unwrap()
    }
}

#[test]
fn a_ramp_moves_evenly_tells_where_to_and_arrives_on_time() {
    let mut stage = Stage::new();
    stage.set(json!({"intensity": 0, "over": 0})).unwrap();
    stage.set(json!({"intensity": {"to": 1, "over": "20s"}})).unwrap();
    stage.pass(5.0);
    assert!((stage.number("intensity") - 0.25).abs() < 0.01);
    assert_eq!(stage.state()["ramps"], json!({"intensity": {"to": 1, "left": 15.0}}));
    stage.pass(15.0);
    assert_eq!((stage.number("intensity"), &stage.state()["ramps"]), (1.0, &json!({})));
}

#[test]
fn a_ramp_that_begins_within_a_fade_goes_on_from_what_is_seen() {
    let mut stage = Stage::new();
    stage.set(json!({"fade": 10, "intensity": 1, "over": 0})).unwrap();
    stage.set(json!({"intensity": 0})).unwrap();
    stage.pass(1.0);
    stage.set(json!({"intensity": {"to": 0.5, "over": 20}})).unwrap();
    assert!(
        (stage.number("intensity") - 0.9).abs() < 0.01,
        "a tenth of the way from 1 to 0: {}",
        stage.number("intensity")
    );
    stage.set(json!({"zoom": 0.2, "over": 0})).unwrap();
    stage.set(json!({"zoom": {"to": 0.2, "over": 20}})).unwrap();
    assert!(stage.state()["ramps"].get("zoom").is_none(), "it does not move");
}

#[test]
fn neurons_that_another_layer_resets_fade_as_long_as_the_layer() {
    let mut stage = Stage::new();
    stage.set(json!({"neurons": "3", "over": 0})).unwrap();
    stage.set(json!({"layer": {"to": "f6", "over": 20}})).unwrap();
    assert_eq!((stage.director.params().crossfade, &stage.state()["neurons"]), (20.0, &json!("all")));
}

#[test]
fn over_holds_for_all_numbers_of_a_set_and_the_network_fades_as_long() {
    let mut stage = Stage::new();
    stage.set(json!({"intensity": 0, "steps": 0, "over": 0})).unwrap();
    stage.set(json!({"over": 10, "intensity": 1, "steps": 10, "layer": "f6", "mirror": true})).unwrap();
    assert_eq!(stage.director.params().crossfade, 10.0);
    assert_eq!((&stage.state()["layer"], &stage.state()["mirror"]), (&json!("f6"), &json!(true)));
    stage.pass(5.0);
    assert_eq!((stage.number("steps"), stage.number("intensity")), (5.0, 0.5));
    // A plain change of another number lets ramps go on; one of the same ends its ramp.
    stage.set(json!({"zoom": 0.5, "steps": 3})).unwrap();
    stage.pass(5.0);
    assert_eq!((stage.number("steps"), stage.number("intensity"), stage.number("zoom")), (3.0, 1.0, 0.5));
}

#[test]
fn what_is_plainly_set_shows_over_the_fade_and_jumps_only_where_that_is_asked() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": 0.2})).unwrap();
    assert_eq!((stage.number("zoom"), stage.shown("zoom", 0.25)), (0.2, 0.05));
    stage.set(json!({"zoom": 0.3, "over": 0})).unwrap();
    assert_eq!(stage.shown("zoom", 0.0), 0.3);
    stage.set(json!({"fade": 3, "layer": "f6", "zoom": 0, "steps": 4})).unwrap();
    assert_eq!((stage.director.params().crossfade, stage.shown("zoom", 1.5)), (3.0, 0.15));
    assert_eq!(stage.shown("steps", 0.0), 4.0, "what needs other graphs does not pass through what lies between");
    stage.set(json!({"blank": true})).unwrap();
    let light = |after| stage.director.params().light_at(stage.now.steady + Duration::from_secs_f64(after));
    assert_eq!([0.0, 1.5, 3.0].map(light), [1.0, 0.5, 0.0]);
}

#[test]
fn a_plain_change_keeps_its_time_while_a_ramp_runs_however_late_it_is_seen() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": {"to": 1, "over": "60s"}})).unwrap();
    stage.set(json!({"fade": 4, "intensity": 0.2})).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        stage.pass(2.0);
        seen.push((stage.shown("intensity", 0.0), stage.shown("zoom", 0.0)));
    }
    assert_eq!(seen, [(0.6, 0.0333), (0.2, 0.0667), (0.2, 0.1)]);
    assert_eq!((stage.number("intensity"), stage.number("zoom")), (0.2, 0.1));
    // It goes on from where it is, by its own clock.
    stage.set(json!({"zoom": 0.5})).unwrap();
    assert_eq!((stage.shown("zoom", 0.0), stage.shown("zoom", 2.0), stage.shown("zoom", 4.0)), (0.1, 0.3, 0.5));
}

#[test]
fn a_ramp_that_is_wrong_changes_nothing() {
    let mut stage = Stage::new();
    let before = stage.state();
    for (wrong, says) in [
        (json!({"intensity": {"to": 2, "over": 1}}), "from 0 to 1"),
        (json!({"intensity": {"to": 1, "over": "soon"}}), "1m30s"),
        (json!({"intensity": {"to": 1}}), "20s"),
        (json!({"intensity": {"to": 1, "over": 1, "by": 2}}), "20s"),
        (json!({"mirror": {"to": true, "over": 1}}), "cannot be ramped"),
        (json!({"intensity": 0.5, "over": -1}), "over"),
        (json!({"scene": "nowhere"}), "there are: calm, evening, wild"),
        (json!({"scene": 5}), "name of a scene"),
        (json!({"scene": "calm", "zoom": 99}), "from -0.9 to 4"),
    ] {
        let refused = stage.set(wrong.clone()).unwrap_err();
        assert!(refused.contains(says), "{wrong}: {refused}");
        assert_eq!(stage.state(), before, "{wrong}");
    }
}

#[test]
fn a_scene_is_shown_over_a_time_and_named_until_its_look_is_changed() {
    let mut stage = Stage::new();
    stage.set(json!({"scene": "evening", "over": 10})).unwrap();
    stage.pass(5.0);
    assert_eq!((&stage.state()["scene"], stage.number("intensity")), (&json!("evening"), 0.8));
    stage.pass(5.0);
    assert_eq!(stage.number("intensity"), 0.6);
    stage.set(json!({"brightness": 0.5, "paused": true, "intensity": 0.6})).unwrap();
    assert_eq!(stage.state()["scene"], "evening");
    stage.set(json!({"jitter": 3})).unwrap();
    assert_eq!(stage.state()["scene"], Json::Null);
}

#[test]
fn scenes_are_saved_shown_and_deleted_and_those_configured_are_not_touched() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": 0.7, "brightness": 0.4, "layer": "f6", "neurons": "1,2"})).unwrap();
    stage.act("save-scene", json!({"name": "my own"})).unwrap();
    assert_eq!(stage.state()["scene"], "my own");
    stage.set(json!({"scene": "calm"})).unwrap();
    stage.set(json!({"zoom": 0, "brightness": 1})).unwrap();
    assert!(stage.set(json!({"scene": "my onw"})).unwrap_err().contains("did you mean `my own`?"));
    stage.set(json!({"scene": "my own"})).unwrap();
    // A scene is a look: how bright this screen is belongs to the device.
    assert_eq!((stage.number("zoom"), stage.number("brightness")), (0.7, 1.0));
    assert_eq!(stage.state()["neurons"], "1,2");
    assert!(stage.act("save-scene", json!({"name": "calm"})).unwrap_err().contains("configuration"));
    assert!(stage.act("delete-scene", json!({"name": "calm"})).unwrap_err().contains("configuration"));
    assert!(stage.act("save-scene", json!({"name": "a/b"})).unwrap_err().contains("letters"));
    stage.act("delete-scene", json!({"name": "my own"})).unwrap();
    assert_eq!(stage.state()["scene"], Json::Null);
    assert!(stage.act("delete-scene", json!({"name": "my own"})).unwrap_err().contains("there is no scene"));
}

#[test]
fn no_more_scenes_are_saved_than_there_is_room_for() {
    let mut stage = Stage::new();
    for n in 0..scenes::MAX_SAVED {
        stage.act("save-scene", json!({"name": format!("s{n}")})).unwrap();
    }
    assert!(stage.act("save-scene", json!({"name": "one more"})).unwrap_err().contains("too many"));
    stage.act("save-scene", json!({"name": "s0"})).unwrap();
}

#[test]
fn the_next_scene_and_the_one_before_go_from_whatever_is_shown() {
    let mut stage = Stage::new();
    stage.set(json!({"scene": "evening"})).unwrap();
    stage.act("next-scene", json!({})).unwrap();
    assert_eq!(stage.state()["scene"], "wild");
    stage.act("next-scene", json!({"over": "4s"})).unwrap();
    assert_eq!(stage.state()["scene"], "calm");
    stage.pass(2.0);
    assert_eq!(stage.number("intensity"), 0.6);
    stage.act("previous-scene", json!({})).unwrap();
    assert_eq!(stage.state()["scene"], "wild");
    let mut bare = Stage::of(Setup::new(Params::new(&catalogue())));
    assert!(bare.act("next-scene", json!({})).unwrap_err().contains("no scenes"));
}

#[test]
fn layers_of_scenes_that_play_come_first_and_each_once() {
    let mut setup = setup();
    let scene = |layer: &str| json!({"layer": layer}).as_object().unwrap().clone();
    for (name, layer) in [("dawn", "other/f12"), ("dusk", "mobilenet-v2/f6"), ("night", "other/f12")] {
        setup.scenes.insert(name.to_owned(), scene(layer));
    }
    let mut stage = Stage::of(setup);
    assert_eq!(stage.director.layers_of_scenes(), ["f6", "other/f12"], "calm comes before dawn");
    stage.act("playlist", json!({"scenes": ["evening", "night", "dusk"]})).unwrap();
    assert_eq!(stage.director.layers_of_scenes(), ["other/f12", "f6"]);
}

#[test]
fn a_scene_that_ships_gives_way_to_a_configured_and_a_saved_one_of_its_name() {
    let mut setup = setup();
    let look = |zoom: f64| json!({"zoom": zoom}).as_object().unwrap().clone();
    setup.shipped = Scenes::from([("wild".to_owned(), look(0.5)), ("reef".to_owned(), look(0.25))]);
    let mut stage = Stage::of(setup);
    let names: Vec<String> = stage.director.scenes().map(|(name, ..)| name.clone()).collect();
    assert_eq!(names, ["calm", "evening", "wild", "reef"]);
    assert_eq!(stage.director.playlist(), ["calm", "evening", "wild"], "one's own alone");
    let mut bare = Setup::new(Params::new(&catalogue()));
    bare.shipped = Scenes::from([("reef".to_owned(), look(0.25))]);
    assert_eq!(Stage::of(bare).director.playlist(), ["reef"]);
    stage.set(json!({"scene": "wild", "over": 0})).unwrap();
    assert_eq!(stage.number("zoom"), 1.0, "the configured one");
    stage.set(json!({"scene": "reef", "over": 0})).unwrap();
    assert_eq!(stage.number("zoom"), 0.25);
    assert!(stage.act("delete-scene", json!({"name": "reef"})).unwrap_err().contains("ships with the program"));
    stage.set(json!({"zoom": 0.75, "over": 0})).unwrap();
    stage.act("save-scene", json!({"name": "reef"})).unwrap();
    stage.set(json!({"zoom": 0, "over": 0})).unwrap();
    stage.set(json!({"scene": "reef", "over": 0})).unwrap();
    assert_eq!(stage.number("zoom"), 0.75, "the saved one");
    stage.act("delete-scene", json!({"name": "reef"})).unwrap();
    stage.set(json!({"scene": "reef", "over": 0})).unwrap();
    assert_eq!(stage.number("zoom"), 0.25, "the one that ships is there again");
}

#[test]
fn scenes_play_in_order_each_held_and_glided_to() {
    let mut stage = Stage::new();
    stage.act("playlist", json!({"scenes": ["wild", "calm"]})).unwrap();
    assert!(stage.act("playlist", json!({"scenes": ["wild", "mild"]})).unwrap_err().contains("no scene `mild`"));
    stage.set(json!({"play": "order", "hold": 60, "glide": 10})).unwrap();
    assert_eq!(stage.state()["scene"], "wild");
    stage.pass(69.0);
    assert_eq!(stage.state()["scene"], "wild");
    stage.pass(2.0);
    assert_eq!((&stage.state()["scene"], &stage.state()["layer"]), (&json!("calm"), &json!("f6")));
    assert_eq!(stage.director.params().crossfade, 10.0);
    stage.pass(10.0);
    assert_eq!(stage.number("intensity"), 0.2);
    // What is paused stays.
    stage.set(json!({"paused": true})).unwrap();
    stage.pass(500.0);
    assert_eq!(stage.state()["scene"], "calm");
    stage.set(json!({"paused": false, "play": "off"})).unwrap();
    stage.pass(500.0);
    assert_eq!(stage.state()["scene"], "calm");
}

#[test]
fn the_walk_goes_on_by_itself_and_back() {
    let mut stage = Stage::new();
    stage.set(json!({"play": "wander", "hold": 30, "glide": 5})).unwrap();
    let place = |stage: &Stage| (stage.state()["layer"].clone(), stage.state()["neurons"].clone());
    let mut places = vec![place(&stage)];
    for _ in 0..20 {
        stage.pass(35.0);
        places.push(place(&stage));
    }
    places.dedup();
    assert!(places.len() > 15, "{places:?}");
    let last = place(&stage);
    stage.act("next-scene", json!({})).unwrap();
    stage.act("previous-scene", json!({})).unwrap();
    assert_eq!(place(&stage), last);
}

#[test]
fn a_command_for_a_moment_waits_for_it_and_ramps_begin_at_it() {
    let mut stage = Stage::new();
    let wall = stage.now.wall;
    let at = (wall + Duration::from_secs(10)).to_string();
    stage.set(json!({"intensity": 0, "over": 10, "at": at.clone()})).unwrap();
    stage.act("identify", json!({"at": at})).unwrap();
    assert_eq!(stage.state()["pending"], 2);
    assert_eq!(stage.pass(9.9), []);
    assert_eq!(stage.number("intensity"), 1.0);
    assert_eq!(stage.pass(5.1), [Signal::Identify]);
    assert_eq!((stage.number("intensity"), &stage.state()["pending"]), (0.5, &json!(0)));
    // The clock is set meanwhile: the moment is still the one on the wall.
    stage.set(json!({"zoom": 1, "at": (stage.now.wall + Duration::from_secs(1000)).to_string()})).unwrap();
    stage.now.wall += Duration::from_secs(999);
    stage.pass(1.5);
    assert_eq!(stage.number("zoom"), 1.0);
    for _ in 0..pending::MAX_PENDING {
        stage.set(json!({"at": (stage.now.wall + Duration::from_secs(5)).to_string()})).unwrap();
    }
    let late = json!({"at": (stage.now.wall + Duration::from_secs(5)).to_string()});
    assert!(stage.set(late).unwrap_err().contains("wait for their moment"));
}

#[test]
fn groups_are_joined_and_left_but_not_those_configured() {
    let mut stage = Stage::new();
    stage.act("join", json!({"group": "floor-2"})).unwrap();
    stage.act("join", json!({"group": "floor-2"})).unwrap();
    assert_eq!(stage.director.groups().collect::<Vec<_>>(), ["hall", "floor-2"]);
    assert!(stage.act("join", json!({"group": "a/b"})).unwrap_err().contains("letters"));
    assert!(stage.act("leave", json!({"group": "hall"})).unwrap_err().contains("configuration"));
    stage.act("leave", json!({"group": "floor-2"})).unwrap();
    assert_eq!(stage.director.groups().collect::<Vec<_>>(), ["hall"]);
}

#[test]
fn what_a_device_may_not_do_is_refused() {
    let mut stage = Stage::of(Setup::new(Params::new(&catalogue())));
    assert!(stage.act("snapshot", json!({})).unwrap_err().contains("mqtt.snapshots"));
    assert!(stage.act("restart", json!({})).unwrap_err().contains("systemd"));
    assert_eq!(Stage::new().act("snapshot", json!({})), Ok(Some(Signal::Snapshot)));
    assert_eq!(stage.act("reset", json!({})), Ok(Some(Signal::Reset)));
    stage.act("pause", json!({})).unwrap();
    stage.act("blank", json!({})).unwrap();
    assert_eq!((&stage.state()["paused"], &stage.state()["blank"]), (&json!(true), &json!(true)));
}

/// From 10 to 18 o'clock in Berlin, every day.
pub(super) fn opening_hours(outside: &str) -> OpeningHours {
    let mut said = json!({"timezone": "Europe/Berlin", "outside": outside});
    for day in &RawSchedule::KEYS[1..8] {
        said[day] = "10:00-18:00".into();
    }
    OpeningHours::read(serde_json::from_value(said).unwrap()).unwrap()
}

pub(super) fn with_hours(outside: &str) -> Stage {
    Stage::of(Setup { hours: opening_hours(outside), ..setup() })
}

#[test]
fn what_does_not_play_on_wakes_nobody() {
    let mut stage = with_hours("calm");
    stage.set(json!({"play": "order", "hold": 1, "glide": 0, "paused": true})).unwrap();
    stage.pass(10.0);
    assert_eq!(stage.director.idle_time(stage.now), MAX_IDLE);
    stage.set(json!({"paused": false})).unwrap();
    stage.pass(5.1 * 3600.0);
    assert_eq!(stage.director.idle_time(stage.now), MAX_IDLE);
}

#[test]
fn nothing_to_play_wakes_nobody_all_the_time() {
    let mut stage = Stage::of(Setup { scenes: Scenes::new(), ..setup() });
    stage.set(json!({"play": "order", "hold": 5, "glide": 0})).unwrap();
    stage.pass(60.0);
    assert!(stage.director.idle_time(stage.now) > Duration::from_millis(100));
}
