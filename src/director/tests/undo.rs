//! What was commanded and is taken back.

use std::path::Path;

use serde_json::json;

use super::super::Setup;
use super::super::undo::MAX_CHANGES;
use super::*;
use crate::guides::Guides;
use crate::pack::Manifest;

fn look(stage: &Stage) -> Map<String, Json> {
    scenes::look(&stage.director.targets)
}

/// One command after the other, slowly.
fn apart(stage: &mut Stage, sets: &[Json]) {
    for set in sets {
        stage.set(set.clone()).unwrap();
        stage.pass(3.0);
    }
}

fn saved<'a>(stage: &'a Stage, name: &str) -> Option<&'a Map<String, Json>> {
    stage.director.saved.get(name)
}

#[test]
fn a_look_is_taken_back_change_by_change_and_nothing_jumps() {
    let mut stage = Stage::new();
    assert!(stage.act("undo", json!({})).unwrap_err().contains("there is nothing to undo"));
    let first = look(&stage);
    stage.set(json!({"scene": "calm"})).unwrap();
    stage.set(json!({"layer": "other/f12", "neurons": "5", "brightness": 0.5})).unwrap();
    stage.set(json!({"zoom": 1, "over": 0})).unwrap();
    assert_eq!((&stage.state()["undo"], &stage.state()["scene"]), (&json!(3), &Json::Null));
    stage.act("undo", json!({"over": 10})).unwrap();
    assert_eq!(stage.state()["ramps"], json!({"zoom": {"to": 0, "left": 10.0}}), "and nothing else moves");
    stage.pass(5.0);
    assert_eq!((stage.number("zoom"), &stage.state()["layer"]), (0.5, &json!("other/f12")));
    stage.act("undo", json!({})).unwrap();
    let state = stage.state();
    assert_eq!([&state["scene"], &state["layer"], &state["neurons"]], ["calm", "f6", "3"]);
    assert_eq!((stage.director.params().crossfade, &state["undo"]), (1.0, &json!(1)));
    assert_eq!(stage.number("brightness"), 0.5, "that of the screen is no look");
    stage.act("undo", json!({})).unwrap();
    assert_eq!((look(&stage), &stage.state()["scene"], &stage.state()["undo"]), (first, &Json::Null, &json!(0)));
    assert!(stage.act("undo", json!({})).is_err());
}

#[test]
fn what_changes_no_look_is_not_counted() {
    let mut stage = Stage::new();
    for set in [json!({"brightness": 0.5}), json!({"intensity": 1}), json!({"hold": 5}), json!({"paused": true})] {
        stage.set(set).unwrap();
    }
    for action in ["blank", "unblank", "pause", "resume", "identify", "reset"] {
        stage.act(action, json!({})).unwrap();
    }
    assert!(stage.set(json!({"zoom": 99})).is_err());
    stage.act("save-scene", json!({"name": "mine"})).unwrap();
    stage.act("join", json!({"group": "attic"})).unwrap();
    stage.act("playlist", json!({"scenes": []})).unwrap();
    stage.act("hours", json!({})).unwrap();
    assert_eq!(stage.state()["undo"], 0);
}

#[test]
fn a_slider_that_is_dragged_is_one_change_on_one_page_or_two() {
    let mut stage = Stage::new();
    for n in 1..60 {
        stage.set(json!({"zoom": f64::from(n) / 100.0})).unwrap();
        stage.set(json!({"rotate": n})).unwrap();
        stage.pass(0.1);
    }
    assert_eq!(stage.state()["undo"], 2);
    // After a rest it is another one.
    stage.pass(2.5);
    stage.set(json!({"zoom": 1})).unwrap();
    assert_eq!(stage.state()["undo"], 3);
    stage.act("undo", json!({})).unwrap();
    assert_eq!((stage.number("zoom"), stage.number("rotate")), (0.59, 59.0));
    // And so it is after one that was taken back.
    stage.act("undo", json!({})).unwrap();
    stage.set(json!({"zoom": 0.75})).unwrap();
    stage.act("undo", json!({})).unwrap();
    stage.act("undo", json!({})).unwrap();
    assert_eq!((stage.number("zoom"), stage.number("rotate"), &stage.state()["undo"]), (0.0, 0.0, &json!(0)));
}

#[test]
fn scenes_that_are_chosen_quickly_are_a_change_each() {
    let mut stage = Stage::new();
    stage.set(json!({"scene": "evening"})).unwrap();
    stage.set(json!({"scene": "wild"})).unwrap();
    stage.act("next-scene", json!({})).unwrap();
    stage.act("previous-scene", json!({})).unwrap();
    let mut shown = vec![stage.state()["scene"].clone()];
    for _ in 0..4 {
        stage.act("undo", json!({})).unwrap();
        shown.push(stage.state()["scene"].clone());
    }
    assert_eq!(json!(shown), json!(["wild", "calm", "wild", "evening", null]));
}

#[test]
fn the_oldest_changes_are_forgotten() {
    let mut stage = Stage::new();
    let sets: Vec<Json> = (1..=MAX_CHANGES + 5).map(|n| json!({ "rotate": n })).collect();
    apart(&mut stage, &sets);
    for _ in 0..MAX_CHANGES {
        stage.act("undo", json!({})).unwrap();
    }
    assert!(stage.act("undo", json!({})).is_err());
    assert_eq!(stage.number("rotate"), 5.0);
}

#[test]
fn a_scene_that_was_overwritten_or_deleted_comes_back() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": 0.5})).unwrap();
    stage.act("save-scene", json!({"name": "mine"})).unwrap();
    let mine = saved(&stage, "mine").cloned();
    // By mistake, from another one.
    stage.set(json!({"scene": "wild"})).unwrap();
    stage.act("save-scene", json!({"name": "mine"})).unwrap();
    assert!(stage.state()["scene"] == "mine" && saved(&stage, "mine") != mine.as_ref());
    let edition = stage.director.edition();
    stage.act("undo", json!({})).unwrap();
    assert_eq!((saved(&stage, "mine"), &stage.state()["scene"]), (mine.as_ref(), &json!("wild")));
    assert!(stage.director.edition() > edition, "`about` is not published again");
    stage.set(json!({"scene": "mine", "over": 0})).unwrap();
    stage.act("delete-scene", json!({"name": "mine"})).unwrap();
    stage.act("undo", json!({})).unwrap();
    assert_eq!((saved(&stage, "mine"), &stage.state()["scene"]), (mine.as_ref(), &json!("mine")));
    assert_eq!(stage.number("zoom"), 0.5, "no look is touched");
    // Deleted, and another one saved under the name: the first one comes back.
    stage.act("delete-scene", json!({"name": "mine"})).unwrap();
    stage.set(json!({"zoom": 1})).unwrap();
    stage.act("save-scene", json!({"name": "mine"})).unwrap();
    stage.act("undo", json!({})).unwrap();
    assert_eq!((stage.number("zoom"), &stage.state()["scene"]), (0.5, &Json::Null), "the look first");
    stage.act("undo", json!({})).unwrap();
    assert_eq!((saved(&stage, "mine"), &stage.state()["scene"]), (mine.as_ref(), &json!("mine")));
}

#[test]
fn a_scene_comes_back_where_there_is_no_room_for_another_and_stays_after_a_power_cut() {
    let mut stage = Stage::new();
    for n in 0..scenes::MAX_SAVED {
        stage.act("save-scene", json!({"name": format!("s{n}")})).unwrap();
    }
    stage.act("delete-scene", json!({"name": "s0"})).unwrap();
    stage.act("save-scene", json!({"name": "another"})).unwrap();
    stage.act("undo", json!({})).unwrap();
    assert_eq!(stage.director.saved.len(), scenes::MAX_SAVED + 1);
    assert!(stage.act("save-scene", json!({"name": "more"})).unwrap_err().contains("too many"));
    let mut again = Stage::new();
    again.director.restore(stage.director.saved_state(), true);
    assert_eq!(again.director.saved, stage.director.saved);
    assert_eq!(again.state()["undo"], 0, "what was before is in memory alone");
}

#[test]
fn a_playlist_and_hours_are_taken_back() {
    let mut stage = with_hours("blank");
    stage.act("playlist", json!({"scenes": ["wild", "calm"]})).unwrap();
    stage.act("playlist", json!({"scenes": ["calm"]})).unwrap();
    stage.act("hours", json!({"monday": "open"})).unwrap();
    assert_eq!((&stage.state()["open"], &stage.state()["undo"]), (&json!(false), &json!(3)));
    stage.act("undo", json!({})).unwrap();
    assert_eq!((&stage.state()["open"], &stage.state()["blank"]), (&json!(true), &json!(false)));
    assert_eq!(json!(stage.director.describe_hours())["configured"], true);
    stage.act("undo", json!({})).unwrap();
    assert_eq!(stage.director.playlist(), ["wild", "calm"]);
    stage.act("undo", json!({})).unwrap();
    assert_eq!(stage.director.playlist(), ["calm", "evening", "wild"]);
}

#[test]
fn what_plays_by_itself_is_no_change_and_what_comes_back_is_held() {
    let mut stage = Stage::new();
    stage.set(json!({"play": "wander", "hold": 60, "glide": 10})).unwrap();
    stage.pass(3.0);
    let first = look(&stage);
    stage.set(json!({"intensity": 0.3})).unwrap();
    stage.pass(500.0);
    assert_eq!(stage.state()["undo"], 2);
    let position = stage.director.player.position;
    stage.act("undo", json!({})).unwrap();
    assert_eq!(look(&stage), first);
    stage.pass(65.0);
    assert_eq!(look(&stage), first, "it is not played on from at once");
    stage.pass(10.0);
    assert_ne!(look(&stage), first);
    assert_eq!(stage.director.player.position, position + 1);
    // A step too far: the same place comes after it again.
    stage.act("next-scene", json!({})).unwrap();
    let next = look(&stage);
    stage.act("undo", json!({})).unwrap();
    stage.act("next-scene", json!({})).unwrap();
    assert_eq!(look(&stage), next);
}

#[test]
fn what_is_taken_back_while_it_is_closed_is_seen_as_other_commands_are() {
    let mut stage = with_hours("calm");
    apart(&mut stage, &[json!({"scene": "evening"}), json!({"scene": "wild"})]);
    stage.pass(5.1 * 3600.0);
    assert_eq!(stage.state()["scene"], "calm");
    stage.act("undo", json!({})).unwrap();
    stage.pass(2.0);
    let seen = (stage.state()["scene"].clone(), stage.number("intensity"), stage.state()["layer"].clone());
    assert_eq!(seen, (json!("evening"), 0.6, json!("mobilenet-v2/f12")));
    let mut dark = with_hours("blank");
    apart(&mut dark, &[json!({"scene": "evening"}), json!({"scene": "wild"})]);
    dark.pass(5.1 * 3600.0);
    dark.act("undo", json!({})).unwrap();
    assert_eq!((&dark.state()["scene"], &dark.state()["blank"]), (&json!("evening"), &json!(true)), "beneath");
}

#[test]
fn a_scene_s_name_comes_back_only_where_the_look_is_its_own() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": 0.5})).unwrap();
    stage.act("save-scene", json!({"name": "mine"})).unwrap();
    stage.set(json!({"zoom": 1})).unwrap();
    let mut setup = setup();
    setup.scenes.insert("mine".to_owned(), json!({"zoom": 0.25}).as_object().unwrap().clone());
    stage.director.reconfigure(setup, stage.now);
    stage.act("undo", json!({})).unwrap();
    assert_eq!((stage.number("zoom"), &stage.state()["scene"]), (0.5, &Json::Null));
}

#[test]
fn what_the_configuration_says_anew_is_not_taken_back() {
    let mut stage = with_hours("blank");
    stage.set(json!({"zoom": 0.5})).unwrap();
    stage.act("save-scene", json!({"name": "mine"})).unwrap();
    stage.act("delete-scene", json!({"name": "mine"})).unwrap();
    stage.act("playlist", json!({"scenes": ["calm"]})).unwrap();
    stage.act("hours", json!({"monday": "open"})).unwrap();
    let same = || Setup { hours: opening_hours("blank"), ..setup() };
    stage.director.reconfigure(same(), stage.now);
    assert_eq!(stage.state()["undo"], 4);
    stage.director.reconfigure(Setup { hours: opening_hours("calm"), ..same() }, stage.now);
    assert_eq!(stage.state()["undo"], 3);
    let playlist = Some(vec!["wild".to_owned()]);
    stage.director.reconfigure(Setup { playlist, hours: opening_hours("calm"), ..setup() }, stage.now);
    assert_eq!(stage.state()["undo"], 2);
    let params = Params { rotate: 4.0, ..setup().params };
    stage.director.reconfigure(Setup { params, ..same() }, stage.now);
    assert_eq!(stage.state()["undo"], 1);
    stage.act("undo", json!({})).unwrap();
    assert!(saved(&stage, "mine").is_some());
}

#[test]
fn a_guide_that_is_gone_leads_no_more_and_the_rest_comes_back() {
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/photos");
    let folder = tempfile::tempdir().unwrap();
    for name in ["coffee.jpg", "rocket.jpg"] {
        std::fs::copy(photos.join(name), folder.path().join(name)).unwrap();
    }
    let mut packs: Vec<Manifest> = catalogue().packs().map(|(_, pack)| pack.clone()).collect();
    for layer in packs.iter_mut().flat_map(|pack| &mut pack.layers) {
        layer.inputs.extend(crate::pack::LEADING.map(|name| (name.to_owned(), vec![])));
    }
    let mut stage = Stage::new();
    let catalogue = Catalogue::of(packs).with_guides(Guides::of(Some(folder.path().to_owned())));
    stage.director.catalogue = Arc::new(catalogue);
    apart(&mut stage, &[json!({"guide": "coffee", "zoom": 0.5}), json!({"guide": "rocket", "zoom": 1})]);
    stage.act("undo", json!({})).unwrap();
    assert_eq!((&stage.state()["guide"], stage.number("zoom")), (&json!("coffee"), 0.5));
    apart(&mut stage, &[json!({"guide": "rocket", "zoom": 1})]);
    std::fs::remove_file(folder.path().join("coffee.jpg")).unwrap();
    stage.act("undo", json!({})).unwrap();
    assert_eq!((&stage.state()["guide"], stage.number("zoom")), (&json!("none"), 0.5));
}

#[test]
fn it_may_be_taken_back_at_a_moment() {
    let mut stage = Stage::new();
    stage.set(json!({"zoom": 0.5})).unwrap();
    let at = (stage.now.wall + Duration::from_secs(10)).to_string();
    stage.act("undo", json!({"at": at})).unwrap();
    stage.pass(9.0);
    assert_eq!((stage.number("zoom"), &stage.state()["undo"]), (0.5, &json!(1)));
    stage.pass(2.0);
    assert_eq!((stage.number("zoom"), &stage.state()["undo"]), (0.0, &json!(0)));
}
