//! Scenes, ramps, groups and moments, as whoever directs meets them.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use serde_json::{Value as Json, json};

use super::broker::{Broker, eventually};
use super::device::{self, Device, directed, handle};
use super::operator::{self, Operator};

async fn start(broker: &Broker) -> (Device, Operator) {
    let device = directed(broker, "mirror-1");
    let mut operator = Operator::connect(broker).await;
    operator.receive_on("state").await;
    (device, operator)
}

/// `all` and `group` begin as these names do.
#[tokio::test]
async fn a_device_of_any_name_runs_commands_for_many() {
    let broker = Broker::start();
    let names = ["a", "al", "g", "grou", "ally", "groupie"];
    let devices = names.map(|name| directed(&broker, name));
    let mut operator = Operator::connect(&broker).await;
    for name in names {
        let topic = format!("reverie/{name}/status");
        operator.receive(name, |p| p.topic == topic.as_bytes() && p.payload == b"online"[..]).await;
    }
    operator.publish("reverie/all/set/rotate", "9").await;
    operator.publish("reverie/group/hall/set/zoom", "0.5").await;
    for (name, device) in names.iter().zip(&devices) {
        eventually(&format!("{name} obeys"), || device.state()["rotate"] == 9 && device.state()["zoom"] == 0.5).await;
    }
}

#[tokio::test]
async fn a_ramp_is_in_the_state_while_it_moves_and_when_it_has_arrived() {
    let broker = Broker::start();
    let (_device, mut operator) = start(&broker).await;
    let reply = operator.command("set", r#"{"intensity": {"to": 0.5, "over": "1s"}, "zoom": 0.3}"#).await;
    assert_eq!(
        (&reply["ok"], &reply["state"]["intensity"], &reply["state"]["zoom"]),
        (&json!(true), &json!(1), &json!(0.3))
    );
    assert_eq!(reply["state"]["ramps"]["intensity"]["to"], 0.5);
    let arrived = operator.receive_state("intensity", 0.5).await;
    assert_eq!(arrived["ramps"], json!({}));
    let reply = operator.command("set/steps", r#"{"to": 9, "over": 0}"#).await;
    assert_eq!(reply["state"]["steps"], 9);
}

#[tokio::test]
async fn scenes_are_chosen_saved_listed_and_deleted() {
    let broker = Broker::start();
    let (_device, mut operator) = start(&broker).await;
    let about = operator::json(&operator.receive_on("about").await);
    assert_eq!(
        about["scenes"][0],
        json!({"name": "calm", "saved": false, "about": null, "thumbnail": null, "params": {"intensity": 0.25, "layer": "shallow"}})
    );
    assert_eq!(operator.command("set/scene", "calm").await["state"]["scene"], "calm");
    assert_eq!(operator.command("do/next-scene", r#"{"over": 0}"#).await["state"]["scene"], "wild");
    let saved = operator.command("do/save-scene", r#"{"name": "Weiße Nacht", "id": 7}"#).await;
    assert_eq!((&saved["id"], &saved["state"]["scene"]), (&json!(7), &json!("Weiße Nacht")));
    let about = operator::json(&operator.receive_on("about").await);
    assert_eq!(about["scenes"][2]["name"], "Weiße Nacht");
    assert_eq!(about["set_schema"]["properties"]["scene"]["enum"], json!(["calm", "wild", "Weiße Nacht"]));
    assert_eq!(operator.command("set", r#"{"scene": "Weiße Nacht", "zoom": 0}"#).await["ok"], true);
    assert_eq!(operator.command("do/delete-scene", r#"{"name": "Weiße Nacht"}"#).await["state"]["scene"], Json::Null);
    assert_eq!(operator.command("set/scene", "Weiße Nacht").await["errors"][0]["param"], "scene");
}

#[tokio::test]
async fn what_was_commanded_is_taken_back_and_a_deleted_scene_is_listed_again() {
    let broker = Broker::start();
    let (_device, mut operator) = start(&broker).await;
    let nothing = operator.command("do/undo", "").await;
    assert_eq!(nothing["errors"], json!([{"param": null, "message": "there is nothing to undo"}]));
    operator.command("set", r#"{"zoom": 0.5, "over": 0}"#).await;
    operator.command("do/save-scene", r#"{"name": "mine"}"#).await;
    let deleted = operator.command("do/delete-scene", r#"{"name": "mine"}"#).await;
    assert_eq!((&deleted["state"]["scene"], &deleted["state"]["undo"]), (&Json::Null, &json!(2)));
    assert_eq!(operator.command("do/undo", "PRESS").await["state"]["scene"], "mine");
    let is_listed = |about: &Json| about["scenes"].as_array().unwrap().iter().any(|scene| scene["name"] == "mine");
    operator.receive("it in the list", |p| p.topic.ends_with(b"/about") && is_listed(&operator::json(p))).await;
    let reply = operator.command("do/undo", r#"{"over": 0}"#).await;
    assert_eq!((&reply["state"]["zoom"], &reply["state"]["undo"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn opening_hours_are_chosen_and_everybody_is_told() {
    let broker = Broker::start();
    let (_device, mut operator) = start(&broker).await;
    assert_eq!(operator::json(&operator.receive_on("about").await)["hours"], Json::Null);
    let refused = operator.command("do/hours", r#"{"monday": "10-18"}"#).await;
    assert_eq!((&refused["ok"], &refused["errors"][0]["param"]), (&json!(false), &json!("monday")));
    let hours = r#"{"timezone": "Asia/Tokyo", "exceptions": {"2126-12-24": "10:00-14:00"}, "outside": "calm"}"#;
    let reply = operator.command("do/hours", hours).await;
    let next = json!({"open": false, "at": "2126-12-24T00:00:00+09:00"});
    assert_eq!((&reply["state"]["open"], &reply["state"]["next_hours"]), (&json!(true), &next));
    let about = operator::json(&operator.receive_on("about").await);
    let schema = jsonschema::draft202012::new(&super::golden::about_schema()).expect("a sound schema");
    assert!(schema.is_valid(&about), "{}", about["hours"]);
    let expected = json!({
        "timezone": "Asia/Tokyo", "exceptions": {"2126-12-24": "10:00-14:00"}, "outside": "calm", "configured": false
    });
    assert_eq!(about["hours"], expected);
    let state = jsonschema::draft202012::new(&about["state_schema"]).expect("a sound schema");
    assert!(state.is_valid(&reply["state"]), "{reply}");
}

#[tokio::test]
async fn a_group_runs_a_command_together_and_each_member_answers_by_name() {
    let broker = Broker::start();
    let devices = ["mirror-1", "mirror-2", "mirror-3"].map(|name| directed(&broker, name));
    let mut operator = Operator::connect(&broker).await;
    for name in ["mirror-1", "mirror-2", "mirror-3"] {
        let topic = format!("reverie/{name}/status");
        operator.receive(name, |p| p.topic == topic.as_bytes() && p.payload == b"online"[..]).await;
    }
    // The third leaves for another group.
    operator.publish("reverie/mirror-3/do/join", r#"{"group": "attic"}"#).await;
    let joined = operator.receive("an answer", |p| p.topic == b"reverie/mirror-3/reply"[..]).await;
    assert_eq!(operator::json(&joined)["ok"], true);
    let properties = PublishProperties {
        response_topic: Some("inbox".to_owned()),
        correlation_data: Some("all-together".into()),
        ..PublishProperties::default()
    };
    let mut inbox = Operator::subscribed(&broker, "inbox").await;
    operator.send("reverie/group/hall/set", false, r#"{"zoom": 0.5}"#, properties).await;
    let mut answered = Vec::new();
    for _ in 0..3 {
        let reply = operator::json(&inbox.receive("an answer", |_| true).await);
        assert_eq!((&reply["ok"], &reply["id"]), (&json!(true), &json!("all-together")));
        answered.push(reply["device"].as_str().unwrap().to_owned());
    }
    answered.sort();
    assert_eq!(answered, ["mirror-1", "mirror-2", "mirror-3"]);
    operator.publish("reverie/group/attic/do/blank", "").await;
    eventually("the attic is dark", || devices[2].state()["blank"] == true).await;
    operator.publish("reverie/all/set/rotate", "9").await;
    for device in &devices {
        eventually("all turn", || device.state()["rotate"] == 9).await;
        assert_eq!(device.state()["zoom"], 0.5);
    }
    assert_eq!(devices[0].state()["blank"], false);
    // Who has left obeys no more.
    operator.publish("reverie/mirror-3/do/leave", r#"{"group": "attic"}"#).await;
    operator
        .receive("an answer", |p| p.topic == b"reverie/mirror-3/reply"[..] && operator::json(p)["ok"] == true)
        .await;
    operator.publish("reverie/group/attic/set/jitter", "77").await;
    operator.publish("reverie/mirror-3/set/jitter", "5").await;
    eventually("the last command came", || devices[2].state()["jitter"] == 5).await;
}

#[tokio::test]
async fn a_command_for_a_moment_is_answered_at_once_and_done_then() {
    let broker = Broker::start();
    let (device, mut operator) = start(&broker).await;
    let soon = jiff::Timestamp::now() + Duration::from_millis(1500);
    let reply = operator.command("set", json!({"zoom": 0.75, "at": soon.to_string()}).to_string()).await;
    assert_eq!(
        (&reply["ok"], &reply["state"]["pending"], &reply["state"]["zoom"]),
        (&json!(true), &json!(1), &json!(0))
    );
    operator.receive_state("zoom", 0.75).await;
    assert!(jiff::Timestamp::now() >= soon);
    assert_eq!(device.state()["pending"], 0);
    let reply = operator.command("do/identify", r#"{"at": "2001-01-01T00:00:00Z"}"#).await;
    assert!(reply["errors"][0]["message"].as_str().unwrap().contains("has passed"), "{reply}");
}

#[tokio::test]
async fn a_snapshot_is_published_once_and_is_not_retained() {
    let broker = Broker::start();
    let (device, mut operator) = start(&broker).await;
    // The stage that takes pictures is replaced by one that draws four bytes.
    let mut signals = device.handle.signals();
    assert_eq!(operator.command("do/snapshot", "").await["ok"], true);
    assert_eq!(signals.recv().await, Ok(reverie::director::Signal::Snapshot));
    device.handle.publish_snapshot(Arc::from(&b"JPEG"[..]));
    let picture = operator.receive_on("snapshot").await;
    assert_eq!((&picture.payload[..], picture.retain), (&b"JPEG"[..], false));
}

#[tokio::test]
async fn discovery_is_published_again_when_home_assistant_starts_and_when_it_changes() {
    let broker = Broker::start();
    let mut settings = device::settings(&broker);
    settings.home.on = true;
    let mut home = Operator::subscribed(&broker, "homeassistant/#").await;
    let device = Device::directed(settings, handle());
    let mut told = async |what: &str| operator::json(&home.receive(what, |p| p.topic.ends_with(b"/config")).await);
    let first = told("what there is").await;
    insta::assert_json_snapshot!("home-assistant", first, {".**.sw_version" => "[version]"});
    let other = Operator::connect(&broker).await;
    other.publish("homeassistant/status", "online").await;
    assert_eq!(told("it again").await, first);
    device.handle.run_action("save-scene", json!({"name": "third"}).as_object().unwrap()).unwrap();
    let scenes = told("a scene more").await["components"]["scene"]["options"].clone();
    assert_eq!(scenes, json!(["calm", "wild", "third"]));
}

#[tokio::test]
async fn discovery_is_cleared_where_it_is_switched_off() {
    let broker = Broker::start();
    let topic = "homeassistant/device/reverie-mirror-1/config";
    let mut home = Operator::subscribed(&broker, topic).await;
    home.send(topic, true, "{}", PublishProperties::default()).await;
    home.receive("what was told earlier", |p| !p.payload.is_empty()).await;
    let _device = directed(&broker, "mirror-1");
    home.receive("that it is taken back", |p| p.payload.is_empty()).await;
}

#[tokio::test]
async fn of_a_flood_the_last_command_counts_and_each_is_answered() {
    const FLOOD: u32 = 3000;
    let broker = Broker::start();
    let (device, mut operator) = start(&broker).await;
    let sender = tokio::spawn({
        let client = operator.client.clone();
        async move {
            for n in 1..=FLOOD {
                let payload = json!({"id": n, "intensity": f64::from(n) / f64::from(FLOOD)}).to_string();
                client.publish("reverie/mirror-1/set", QoS::AtMostOnce, false, payload).await.unwrap();
            }
        }
    });
    let (mut done, mut left_out) = (0, 0);
    while done + left_out < FLOOD {
        let reply = operator::json(&operator.receive_on("reply").await);
        match reply["ok"] == true {
            true => done += 1,
            false => {
                assert!(reply["errors"][0]["message"].as_str().unwrap().contains("a newer one"), "{reply}");
                left_out += 1;
            }
        }
    }
    sender.await.unwrap();
    eventually("the last one counts", || device.state()["intensity"] == 1).await;
    let told = device.handle.telemetry();
    assert_eq!((told.commands, told.commands_superseded), (u64::from(done), u64::from(left_out)));
    assert!(device.logged("WARN").len() <= 1);
}
