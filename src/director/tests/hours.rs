//! Opening hours, those that are chosen while it runs among them.

use serde_json::json;

use super::super::{OpeningHours, Setup};
use super::*;

fn described(stage: &Stage) -> Json {
    json!(stage.director.describe_hours())
}

fn seen(stage: &Stage) -> (Json, Json, Json) {
    let state = stage.state();
    (state["open"].clone(), state["blank"].clone(), state["next_hours"].clone())
}

#[test]
fn hours_that_are_chosen_close_and_open_at_once_and_go_back_to_those_of_the_configuration() {
    // It is 13:00 in Berlin, a Friday.
    let mut stage = with_hours("blank");
    let configured = (json!(true), json!(false), json!({"open": false, "at": "2026-11-27T18:00:00+01:00"}));
    assert_eq!((seen(&stage), &described(&stage)["configured"]), (configured.clone(), &json!(true)));
    let edition = stage.director.edition();
    stage.act("hours", json!({"timezone": "Europe/Berlin", "saturday": "9:00-12:00"})).unwrap();
    assert_eq!(seen(&stage), (json!(false), json!(true), json!({"open": true, "at": "2026-11-28T09:00:00+01:00"})));
    assert_eq!(
        described(&stage),
        json!({"timezone": "Europe/Berlin", "saturday": "9:00-12:00", "exceptions": {}, "outside": "blank", "configured": false})
    );
    assert!(stage.director.edition() > edition, "`about` is not published again");
    stage.pass(20.5 * 3600.0);
    assert_eq!(seen(&stage), (json!(true), json!(false), json!({"open": false, "at": "2026-11-28T12:00:00+01:00"})));
    stage.act("hours", json!({})).unwrap();
    assert_eq!(described(&stage)["configured"], true);
    assert_eq!(stage.state()["open"], false, "it is 9:30");
    // Without any it is always open.
    stage.act("hours", json!({"outside": "blank"})).unwrap();
    assert_eq!((seen(&stage), described(&stage)), ((Json::Null, json!(false), Json::Null), Json::Null));
    stage.act("hours", json!({"timezone": "Europe/Berlin", "friday": "open"})).unwrap();
    assert_eq!((&stage.state()["open"], &stage.state()["blank"]), (&json!(false), &json!(true)), "none before");
}

#[test]
fn what_is_shown_outside_the_hours_changes_with_them_while_it_is_closed() {
    let mut stage = with_hours("blank");
    stage.pass(5.1 * 3600.0);
    let night = |outside: &str| json!({"timezone": "Europe/Berlin", "friday": "10:00-18:00", "outside": outside});
    stage.act("hours", night("calm")).unwrap();
    assert_eq!((&stage.state()["scene"], &stage.state()["blank"]), (&json!("calm"), &json!(false)));
    stage.act("hours", night("blank")).unwrap();
    assert_eq!((&stage.state()["scene"], &stage.state()["blank"]), (&Json::Null, &json!(true)));
    // Who has switched the screen on keeps it on, whatever the hours, as long as it is closed.
    stage.act("unblank", json!({})).unwrap();
    stage.act("hours", json!({"timezone": "Europe/Berlin", "friday": "10:00-17:00"})).unwrap();
    assert_eq!((&stage.state()["open"], &stage.state()["blank"]), (&json!(false), &json!(false)));
}

#[test]
fn hours_that_are_wrong_change_nothing_and_the_key_is_named() {
    let mut stage = with_hours("blank");
    let before = (stage.state(), described(&stage));
    for (wrong, says) in [
        (json!({"monday": "10-18"}), "monday"),
        (json!({"mondays": "10:00-18:00"}), "`do/hours` takes `timezone`, `monday`"),
        (json!({"over": 3}), "`do/hours` takes"),
        (json!({"monday": "open", "outside": "clam"}), "did you mean `calm`?"),
        (json!({"timezone": "Berlin", "monday": "open"}), "timezone"),
    ] {
        let refused = stage.act("hours", wrong.clone()).unwrap_err();
        assert!(refused.contains(says), "{wrong}: {refused}");
        assert_eq!((stage.state(), described(&stage)), before, "{wrong}");
    }
}

#[test]
fn a_scene_that_is_shown_outside_the_hours_is_not_deleted() {
    let mut stage = Stage::new();
    stage.act("save-scene", json!({"name": "night"})).unwrap();
    stage.act("hours", json!({"monday": "10:00-18:00", "outside": "night"})).unwrap();
    assert!(stage.act("delete-scene", json!({"name": "night"})).unwrap_err().contains("do/hours"));
    stage.act("hours", json!({})).unwrap();
    stage.act("delete-scene", json!({"name": "night"})).unwrap();
}

#[test]
fn hours_for_a_moment_are_checked_at_once_and_hold_from_then_on() {
    let mut stage = with_hours("blank");
    let at = (stage.now.wall + Duration::from_secs(60)).to_string();
    assert!(stage.act("hours", json!({"monday": "never", "at": at.clone()})).is_err());
    stage.act("hours", json!({"monday": "open", "at": at})).unwrap();
    stage.pass(59.0);
    assert_eq!(stage.state()["open"], true);
    stage.pass(2.0);
    assert_eq!(stage.state()["open"], false);
}

#[test]
fn a_configuration_with_other_hours_counts_and_one_with_the_same_does_not() {
    let mut stage = with_hours("blank");
    stage.act("hours", json!({"monday": "open"})).unwrap();
    stage.director.reconfigure(Setup { hours: opening_hours("blank"), ..setup() }, stage.now);
    assert_eq!((&described(&stage)["configured"], &stage.state()["open"]), (&json!(false), &json!(false)));
    stage.director.reconfigure(Setup { hours: opening_hours("calm"), ..setup() }, stage.now);
    assert_eq!((&described(&stage)["configured"], &stage.state()["open"]), (&json!(true), &json!(true)));
    stage.director.reconfigure(Setup { hours: OpeningHours::default(), ..setup() }, stage.now);
    assert_eq!((described(&stage), seen(&stage)), (Json::Null, (Json::Null, json!(false), Json::Null)));
}

#[test]
fn the_next_change_follows_a_clock_that_is_put_back_or_forward() {
    let mut stage = with_hours("blank");
    let at = |stage: &Stage| stage.state()["next_hours"]["at"].clone();
    for (clock, next) in [
        ("2026-11-27T18:00:00Z", "2026-11-28T10:00:00+01:00"),
        ("2026-11-26T12:00:00Z", "2026-11-26T18:00:00+01:00"),
        ("2027-07-01T12:00:00Z", "2027-07-01T18:00:00+02:00"),
    ] {
        stage.now.wall = clock.parse().unwrap();
        stage.pass(1.0);
        assert_eq!(at(&stage), next, "{clock}");
    }
    // The clock is not set yet.
    let mut unset = with_hours("blank");
    unset.director.change_hours(|_| {}, Now { wall: Timestamp::UNIX_EPOCH, ..unset.now });
    unset.now.wall = Timestamp::UNIX_EPOCH;
    unset.pass(10.0);
    assert_eq!(at(&unset), Json::Null);
    unset.now.wall = "2026-11-27T12:00:00Z".parse().unwrap();
    unset.pass(1.0);
    assert_eq!(at(&unset), "2026-11-27T18:00:00+01:00");
}

#[test]
fn the_screen_is_switched_off_and_on_by_the_hours_and_by_hand_in_between() {
    // It is 13:00 in Berlin.
    let mut stage = with_hours("blank");
    assert_eq!((&stage.state()["open"], &stage.state()["blank"]), (&json!(true), &json!(false)));
    stage.pass(5.1 * 3600.0);
    assert_eq!((&stage.state()["open"], &stage.state()["blank"]), (&json!(false), &json!(true)));
    stage.act("unblank", json!({})).unwrap();
    stage.pass(10.0 * 3600.0);
    assert_eq!(stage.state()["blank"], false, "whoever switches it on at night has it on");
    stage.pass(8.0 * 3600.0);
    assert_eq!((&stage.state()["open"], &stage.state()["blank"]), (&json!(true), &json!(false)));
}

#[test]
fn outside_the_hours_a_scene_is_shown_and_then_what_was_before() {
    let mut stage = with_hours("calm");
    stage.set(json!({"scene": "wild", "play": "shuffle", "hold": 100_000 / 2})).unwrap();
    stage.set(json!({"scene": "wild"})).unwrap();
    stage.pass(5.1 * 3600.0);
    assert_eq!((&stage.state()["scene"], &stage.state()["layer"]), (&json!("calm"), &json!("f6")));
    // A power cut at night, and the next morning.
    let mut again = with_hours("calm");
    again.now = stage.now;
    again.director.restore(stage.director.saved_state(), true);
    again.director.begin(again.now);
    for mut stage in [stage, again] {
        stage.pass(60.0);
        assert_eq!((&stage.state()["scene"], &stage.state()["open"]), (&json!("calm"), &json!(false)));
        stage.pass(16.0 * 3600.0);
        assert_eq!((&stage.state()["scene"], stage.number("zoom")), (&json!("wild"), 1.0));
        assert_eq!(stage.state()["layer"], "mobilenet-v2/f12");
    }
}

#[test]
fn what_is_configured_anew_while_it_is_closed_is_there_at_opening() {
    let mut stage = with_hours("calm");
    stage.set(json!({"scene": "wild"})).unwrap();
    stage.set(json!({"rotate": 4})).unwrap();
    stage.pass(5.1 * 3600.0);
    assert_eq!(stage.state()["scene"], "calm");
    let params = Params { zoom: 0.25, brightness: 0.5, ..setup().params };
    stage.director.reconfigure(Setup { params, hours: opening_hours("calm"), ..setup() }, stage.now);
    assert_eq!(
        (stage.number("zoom"), stage.number("brightness")),
        (1.0, 0.5),
        "the night's scene stays: it names no zoom"
    );
    stage.pass(16.0 * 3600.0);
    assert_eq!((stage.number("zoom"), stage.number("rotate")), (0.25, 4.0));
    assert_eq!(stage.state()["layer"], "mobilenet-v2/f12");
}

#[test]
fn what_is_directed_while_it_is_closed_is_seen_at_once_and_stays_at_opening() {
    let night = || {
        let mut stage = with_hours("calm");
        stage.set(json!({"scene": "wild"})).unwrap();
        stage.pass(5.1 * 3600.0);
        assert_eq!((&stage.state()["scene"], stage.number("zoom")), (&json!("calm"), 1.0));
        stage
    };
    let mut stage = night();
    stage.set(json!({"brightness": 0.4})).unwrap();
    assert_eq!((&stage.state()["scene"], stage.number("brightness")), (&json!("calm"), 0.4), "no look is directed");
    stage.set(json!({"zoom": 0.5, "over": 2})).unwrap();
    stage.pass(3.0);
    let expected = (json!("mobilenet-v2/f12"), 0.5, 1.0);
    let seen = |stage: &Stage| (stage.state()["layer"].clone(), stage.number("zoom"), stage.number("intensity"));
    assert_eq!((seen(&stage), &stage.state()["scene"]), (expected.clone(), &Json::Null));
    stage.pass(16.0 * 3600.0);
    assert_eq!((seen(&stage), &stage.state()["open"]), (expected, &json!(true)));
    let mut stage = night();
    stage.act("next-scene", json!({})).unwrap();
    assert_eq!((&stage.state()["scene"], &stage.state()["layer"]), (&json!("calm"), &json!("f6")), "after `wild`");
    stage.pass(16.0 * 3600.0);
    assert_eq!((&stage.state()["scene"], &stage.state()["open"]), (&json!("calm"), &json!(true)));
}

#[test]
fn what_is_directed_at_night_is_not_played_on_from_at_once() {
    let mut stage = with_hours("calm");
    stage.set(json!({"play": "order", "hold": 60, "glide": 10})).unwrap();
    stage.pass(8.0 * 3600.0);
    stage.set(json!({"intensity": 0.3, "over": 0})).unwrap();
    stage.pass(50.0);
    assert_eq!((stage.number("intensity"), &stage.state()["scene"]), (0.3, &Json::Null));
    stage.set(json!({"paused": true})).unwrap();
    stage.pass(1000.0);
    stage.set(json!({"paused": false})).unwrap();
    stage.pass(50.0);
    assert_eq!(stage.number("intensity"), 0.3, "nor from a pause");
}

#[test]
fn a_clock_that_is_set_after_the_start_closes_then() {
    let mut stage = with_hours("blank");
    let mut unset = with_hours("blank");
    unset.director.hours.open = None;
    unset.now.wall = Timestamp::UNIX_EPOCH;
    unset.pass(100.0);
    assert_eq!((&unset.state()["open"], &unset.state()["blank"]), (&Json::Null, &json!(false)));
    // The network is there: it is night.
    unset.now.wall = "2026-11-27T23:00:00Z".parse().unwrap();
    unset.pass(1.0);
    assert_eq!((&unset.state()["open"], &unset.state()["blank"]), (&json!(false), &json!(true)));
    // And one that was ahead is put back: open again. One that loses its time goes on as it was.
    unset.now.wall = "2026-11-27T12:00:00Z".parse().unwrap();
    unset.pass(1.0);
    assert_eq!(unset.state()["blank"], false);
    stage.now.wall = Timestamp::UNIX_EPOCH;
    stage.pass(10.0);
    assert_eq!((&stage.state()["open"], &stage.state()["blank"]), (&json!(true), &json!(false)));
}
