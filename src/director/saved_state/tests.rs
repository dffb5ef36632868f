//! What outlasts a power cut, an update and another configuration.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::super::scenes;
use super::super::tests::{Stage, opening_hours, setup, with_hours};
use super::super::{Setup, Signal};
use super::*;

/// A second life of the device, with another configuration where `change` makes one.
fn reborn(stage: &Stage, change: impl FnOnce(&mut Setup)) -> Stage {
    let text = serde_json::to_string(&stage.director.saved_state()).unwrap();
    let mut setup = setup();
    change(&mut setup);
    let mut again = Stage::of(setup);
    again.director.restore(serde_json::from_str(&text).unwrap(), true);
    again.director.begin(again.now);
    again
}

#[test]
fn a_power_cut_loses_nothing_but_pause_and_blank() {
    let mut stage = Stage::new();
    stage
        .set(json!({"layer": "f6", "neurons": "2", "zoom": 0.5, "brightness": 0.3, "blank": true, "paused": true}))
        .unwrap();
    stage.act("save-scene", json!({"name": "mine"})).unwrap();
    stage.act("join", json!({"group": "floor-2"})).unwrap();
    stage.act("playlist", json!({"scenes": ["mine", "calm"]})).unwrap();
    let mut again = reborn(&stage, |_| {});
    let mut expected = stage.state();
    expected["blank"] = json!(false);
    expected["paused"] = json!(false);
    expected["undo"] = json!(0);
    assert_eq!(again.state(), expected);
    assert_eq!(again.director.playlist(), ["mine", "calm"]);
    assert_eq!(again.director.groups().count(), 2);
    again.act("next-scene", json!({})).unwrap();
    assert_eq!(again.state()["scene"], "calm");
    // Who changes the configuration means it; scenes are kept all the same.
    let changed = reborn(&stage, |setup| setup.params.zoom = 0.25);
    assert_eq!((changed.number("zoom"), &changed.state()["scene"]), (0.25, &Json::Null));
    assert!(changed.director.scene("mine").is_some());
}

#[test]
fn who_changes_the_configuration_means_what_was_changed_and_no_more() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": 0.5, "rotate": 4})).unwrap();
    let changed = reborn(&stage, |setup| setup.params.zoom = 0.25);
    assert_eq!((changed.number("zoom"), changed.number("rotate")), (0.25, 4.0));
    // What is said no more counts as little as what was said otherwise.
    let mut stage = Stage::of(Setup { params: Params { zoom: 0.25, ..setup().params }, ..setup() });
    stage.set(json!({"zoom": 0.5, "rotate": 4})).unwrap();
    let unsaid = reborn(&stage, |_| {});
    assert_eq!((unsaid.number("zoom"), unsaid.number("rotate")), (0.0, 4.0));
    // A channel's number means nothing in another layer.
    let mut stage = Stage::new();
    stage.set(json!({"neurons": "3"})).unwrap();
    let other = reborn(&stage, |setup| setup.params.layer = "f6".to_owned());
    assert_eq!(other.state()["neurons"], "all");
}

#[test]
fn a_version_with_other_defaults_or_more_parameters_forgets_nothing() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": 0.5, "rotate": 4})).unwrap();
    let mut memory = serde_json::to_value(stage.director.saved_state()).unwrap();
    // As version 0.1 wrote it: all that was configured, its own defaults among it; and no `tone` was known then.
    let mut configured = stage.director.configured.to_json();
    configured["zoom"] = json!(0.1);
    configured.shift_remove("tone");
    memory["configured"] = configured.into();
    memory.as_object_mut().unwrap().shift_remove("said");
    memory["params"].as_object_mut().unwrap().shift_remove("tone");
    let mut again = Stage::new();
    again.director.restore(SavedState::read(&memory.to_string()).unwrap(), true);
    assert_eq!((again.number("zoom"), again.number("rotate")), (0.5, 4.0));
}

#[test]
fn what_the_configuration_says_anew_of_playing_counts_and_what_was_chosen_else() {
    let configured = |setup: &mut Setup, scenes: &[&str], seed| {
        setup.playlist = Some(scenes.iter().map(ToString::to_string).collect());
        setup.seed = seed;
    };
    let mut first = setup();
    configured(&mut first, &["calm", "wild"], None);
    let mut stage = Stage::of(first);
    let seed = stage.director.player.seed;
    stage.act("playlist", json!({"scenes": ["evening", "wild"]})).unwrap();
    let same = reborn(&stage, |setup| configured(setup, &["calm", "wild"], None));
    assert_eq!((same.director.playlist(), same.director.player.seed), (vec!["evening", "wild"], seed));
    let other = reborn(&stage, |setup| configured(setup, &["calm"], Some(7)));
    assert_eq!((other.director.playlist(), other.director.player.seed), (vec!["calm"], 7));
    stage.act("playlist", json!({"scenes": []})).unwrap();
    let all = reborn(&stage, |setup| configured(setup, &["calm", "wild"], None));
    assert_eq!(all.director.playlist(), ["calm", "evening", "wild"]);
}

#[test]
fn hours_that_were_chosen_outlast_a_power_cut_unless_the_configuration_was_changed() {
    let mut stage = with_hours("blank");
    stage.act("hours", json!({"monday": "open", "exceptions": {"2026-12-24": "closed"}})).unwrap();
    let described = |stage: &Stage| json!(stage.director.describe_hours());
    let same = reborn(&stage, |setup| setup.hours = opening_hours("blank"));
    assert_eq!((described(&same), described(&same)["configured"] == false), (described(&stage), true));
    assert_eq!(same.director.saved_state(), stage.director.saved_state());
    let mut other = reborn(&stage, |setup| setup.hours = opening_hours("calm"));
    assert_eq!((&described(&other)["outside"], &described(&other)["configured"]), (&json!("calm"), &json!(true)));
    other.pass(1.0);
    assert_eq!(other.state()["open"], true);
    // What this version cannot read any more is left out, and nothing else with it.
    let mut memory = serde_json::to_value(stage.director.saved_state()).unwrap();
    memory["hours"]["monday"] = json!("noon");
    let mut again = with_hours("blank");
    again.director.restore(serde_json::from_value(memory).unwrap(), true);
    assert_eq!(described(&again)["configured"], true);
}

#[test]
fn a_command_for_a_moment_outlasts_a_power_cut_and_what_it_did_is_kept() {
    let mut stage = Stage::new();
    let at = (stage.now.wall + Duration::from_secs(10)).to_string();
    stage.set(json!({"zoom": 0.5, "at": at.clone()})).unwrap();
    stage.act("identify", json!({"at": at})).unwrap();
    for pass in [5.0, 300.0] {
        let mut again = reborn(&stage, |_| {});
        assert_eq!(again.state()["pending"], 2);
        // It was switched off meanwhile, for so long.
        again.now.wall += Duration::from_secs_f64(pass);
        let is_late = pass > 60.0;
        assert_eq!(again.pass(10.0), if is_late { vec![] } else { vec![Signal::Identify] });
        assert_eq!((again.number("zoom"), &again.state()["pending"]), (if is_late { 0.0 } else { 0.5 }, &json!(0)));
    }
    let told = stage.director.changes().by_command;
    stage.pass(11.0);
    assert!(stage.director.changes().by_command > told, "what it did is not written down");
}

#[test]
fn a_saved_scene_waits_behind_a_configured_one_of_its_name() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": 0.7})).unwrap();
    stage.act("save-scene", json!({"name": "mine"})).unwrap();
    let configure = |setup: &mut Setup| {
        setup.scenes.insert("mine".to_owned(), json!({"zoom": 0.1}).as_object().unwrap().clone());
    };
    let mut behind = reborn(&stage, configure);
    behind.set(json!({"scene": "mine"})).unwrap();
    assert_eq!((behind.number("zoom"), behind.director.scenes().count()), (0.1, 4));
    let mut again = reborn(&behind, |_| {});
    again.set(json!({"scene": "mine"})).unwrap();
    assert_eq!(again.number("zoom"), 0.7);
}

#[test]
fn as_much_as_is_taken_is_read_again() {
    let mut stage = Stage::new();
    let longest = vec!["1:0.5"; 3300].join(",");
    stage.set(json!({"neurons": longest})).unwrap();
    let name = |n: usize| format!("{n:ä>width$}", width = scenes::MAX_NAME_LENGTH);
    for n in 0..scenes::MAX_SAVED {
        stage.act("save-scene", json!({"name": name(n)})).unwrap();
    }
    stage.act("playlist", json!({"scenes": vec![name(0); 256]})).unwrap();
    let at = (stage.now.wall + Duration::from_secs(10)).to_string();
    while stage.set(json!({"neurons": longest, "at": at.clone()})).is_ok() {}
    let text = serde_json::to_string_pretty(&stage.director.saved_state()).unwrap();
    assert!(text.len() <= MAX_BYTES / 2, "{} bytes", text.len());
    let mut again = Stage::new();
    again.director.restore(SavedState::read(&text).unwrap(), true);
    assert_eq!(again.director.saved_state(), stage.director.saved_state());
}

#[test]
fn what_is_remembered_and_of_no_use_any_more_is_left_out() {
    let mut stage = Stage::new();
    stage.set(json!({"layer": "f6", "neurons": "2", "zoom": 0.5})).unwrap();
    let mut memory = serde_json::to_value(stage.director.saved_state()).unwrap();
    memory["params"]["layer"] = json!("gone");
    memory["params"]["step"] = json!(1e9);
    memory["params"]["unheard"] = json!(1);
    memory["groups"] = json!(["a/b", "fine"]);
    memory["scenes"]["a/b"] = json!({});
    let mut again = Stage::new();
    again.director.restore(serde_json::from_value(memory).unwrap(), true);
    assert_eq!((again.number("zoom"), &again.state()["layer"]), (0.5, &json!("mobilenet-v2/f12")));
    assert_eq!(again.director.groups().collect::<Vec<_>>(), ["hall", "fine"]);
}
