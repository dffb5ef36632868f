//! What holds whatever is commanded.

use proptest::prelude::*;
use serde_json::json;

use super::*;

proptest! {
    /// Whatever is commanded, every value stays within its range, and what was refused changes nothing.
    #[test]
    fn no_sequence_of_commands_leads_out_of_the_table(commands in prop::collection::vec(command(), 1..30)) {
        let mut stage = Stage::new();
        for (name, payload, seconds) in commands {
            let before = stage.state();
            let outcome = match name {
                "set" => stage.set(payload.clone()),
                action => stage.act(action, payload.clone()).map(drop),
            };
            prop_assert!(outcome.is_ok() || stage.state() == before, "{} {} is refused and changes something", name, payload);
            stage.pass(seconds);
            let state = stage.state();
            for spec in TABLE {
                prop_assert!(spec.read(&state[spec.name]).is_ok(), "{}: {}", spec.name, state[spec.name]);
            }
        }
        stage.set(json!({"play": "off"})).unwrap();
        stage.pass(100.0);
        let Director { params, targets, .. } = &stage.director;
        prop_assert_eq!(&params.transitions, &Transitions::default());
        prop_assert_eq!(params, &Params { crossfade: params.crossfade, ..targets.clone() });
    }
}

proptest! {
    /// Taken back one by one, all that was commanded is as it was before, scenes too but for those under new names.
    #[test]
    fn whatever_was_commanded_can_be_taken_back(commands in prop::collection::vec(command(), 1..15)) {
        let mut stage = Stage::new();
        stage.act("save-scene", json!({"name": "saved"})).unwrap();
        let directed = |stage: &Stage| (scenes::look(&stage.director.targets), stage.director.saved["saved"].clone());
        let before = directed(&stage);
        for (name, payload, _) in commands {
            let _ = if name == "set" { stage.set(payload).is_ok() } else { stage.act(name, payload).is_ok() };
        }
        while stage.state()["undo"] != 0 {
            stage.act("undo", json!({})).unwrap();
        }
        prop_assert_eq!(directed(&stage), before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A night leaves what is directed as it was, whatever was shown meanwhile.
    #[test]
    fn a_night_changes_nothing(commands in prop::collection::vec(command(), 1..10), is_blank: bool) {
        let mut stage = with_hours(if is_blank { "blank" } else { "calm" });
        for (name, payload, seconds) in commands {
            let _ = if name == "set" { stage.set(payload).is_ok() } else { stage.act(name, payload).is_ok() };
            stage.pass(seconds);
        }
        stage.set(json!({"play": "off", "blank": false})).unwrap();
        stage.pass(100.0);
        // When it closes next is the one thing that a day changes.
        let told = |stage: &Stage| Map::from_iter(stage.state().into_iter().filter(|(name, _)| name != "next_hours"));
        let evening = told(&stage);
        for (hours, open) in [(6, false), (16, true)] {
            let hours = Duration::from_secs(hours * 3600);
            stage.now = Now { steady: stage.now.steady + hours, wall: stage.now.wall + hours };
            stage.director.advance(stage.now);
            prop_assert_eq!(&stage.state()["open"], &json!(open));
        }
        stage.pass(100.0);
        prop_assert_eq!(told(&stage), evening);
    }
}

fn command() -> impl Strategy<Value = (&'static str, Json, f64)> {
    let value = prop_oneof![
        (-2.0..2.0f64).prop_map(|n| json!(n)),
        (0.0..1.0f64, 0.0..20.0f64).prop_map(|(to, over)| json!({"to": to, "over": over})),
        Just(json!("f6")),
        Just(json!("3")),
        Just(json!("wander")),
        Just(json!(true)),
    ];
    let name = prop_oneof![(0..TABLE.len()).prop_map(|n| TABLE[n].name), Just("scene"), Just("over"), Just("nonsense")];
    let scene = prop_oneof![Just("calm"), Just("wild"), Just("saved"), Just("nowhere")];
    let payload = prop::collection::btree_map(name, value, 0..4).prop_map(|map| json!(map));
    let commands = prop_oneof![
        5 => payload.prop_map(|payload| ("set", payload)),
        2 => scene.clone().prop_map(|scene| ("set", json!({"scene": scene, "over": 2}))),
        2 => Just(("undo", json!({"over": 1}))),
        1 => Just(("next-scene", json!({}))),
        1 => Just(("previous-scene", json!({"over": 1}))),
        1 => Just(("blank", json!({}))),
        1 => Just(("set", json!({"play": "shuffle", "hold": 1, "glide": 1}))),
        1 => scene.clone().prop_map(|scene| ("save-scene", json!({"name": scene}))),
        1 => scene.prop_map(|scene| ("delete-scene", json!({"name": scene}))),
    ];
    (commands, 0.0..3.0f64).prop_map(|((name, payload), seconds)| (name, payload, seconds))
}
