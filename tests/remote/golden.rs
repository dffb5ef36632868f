//! Everything on the wire, word for word. A change here is a change for everybody who wrote a dashboard.

use super::broker::Broker;
use serde_json::json;

use super::device::{Device, directed};
use super::operator::{self, Operator};

#[tokio::test]
async fn about_state_and_replies_are_as_promised() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    let mut about = operator::json(&operator.receive_on("about").await);
    about["versions"]["reverie"] = "[version]".into();
    insta::assert_json_snapshot!("about", about);
    insta::assert_json_snapshot!("state", operator::json(&operator.receive_on("state").await));
    let done = operator.command("set", r#"{"id": "one", "layer": "beta/deep", "neurons": "0-3,-5:0.5"}"#).await;
    insta::assert_json_snapshot!("reply-done", done);
    let refused = operator.command("set", r#"{"id": 2, "intensity": 2, "blnk": true, "layer": "f12"}"#).await;
    insta::assert_json_snapshot!("reply-refused", refused);
    insta::assert_json_snapshot!("reply-not-json", operator.command("set", "intensity=1").await);
}

/// The schema of `about`, as it is published.
pub fn about_schema() -> serde_json::Value {
    serde_json::from_str(include_str!("../../deploy/reference/about.schema.json")).expect("JSON")
}

/// What a device says of itself is enough to check all that it says and takes.
#[tokio::test]
async fn the_schemas_in_about_are_sound_and_take_what_is_sent() {
    let broker = Broker::start();
    let _device = directed(&broker, "mirror-1");
    let mut operator = Operator::connect(&broker).await;
    let about = operator::json(&operator.receive_on("about").await);
    let schema = |name: &str| jsonschema::draft202012::new(&about[name]).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (params, set, state, reply) =
        (schema("schema"), schema("set_schema"), schema("state_schema"), schema("reply_schema"));
    let told = jsonschema::draft202012::new(&about_schema()).expect("a sound schema");
    let faults: Vec<String> = told.iter_errors(&about).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(faults, [""; 0]);
    assert!(params.is_valid(&json!({"layer": "shallow", "intensity": 0.5, "play": "wander"})));
    assert!(!params.is_valid(&json!({"intensity": 1.5})) && !params.is_valid(&json!({"play": "loud"})));
    assert!(set.is_valid(&json!({"scene": "calm", "over": "20s", "at": 5, "intensity": {"to": 1, "over": 2}})));
    assert!(!set.is_valid(&json!({"scene": "nowhere"})));
    for payload in [r#"{"scene": "calm", "over": 30}"#, r#"{"intensity": 2}"#, "nonsense"] {
        let answer = operator.command("set", payload).await;
        assert!(reply.is_valid(&answer), "{answer}");
        assert!(state.is_valid(&answer["state"]), "{answer}");
    }
    assert!(state.is_valid(&operator::json(&operator.receive_on("state").await)));
}
