//! Commands that are wrong: each is answered, nothing changes, and the connection survives.

use rumqttc::v5::mqttbytes::v5::PublishProperties;

use super::broker::Broker;
use super::device::{BASE, Device};
use super::operator::{self, Operator};

/// Topic below the base, payload, and what the answer says of it.
fn table() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let many: String = (0..5000).map(|n| format!("\"p{n}\":1,")).collect();
    vec![
        // Not JSON, or not an object.
        ("set", text(""), "not a JSON object"),
        ("set", text("hello"), "not a JSON object"),
        ("set", text("{\"intensity\": 0.5"), "not a JSON object"),
        ("set", text("{\"intensity\": 0.5} {}"), "not a JSON object"),
        ("set", text("[0.5]"), "expected an object"),
        ("set", text("0.5"), "expected an object"),
        ("set", text("null"), "expected an object"),
        ("set", text("{\"intensity\": NaN}"), "not a JSON object"),
        ("set", text("{\"intensity\": Infinity}"), "not a JSON object"),
        ("set", text("{\"intensity\": 1e999}"), "number out of range"),
        ("set", text("{\"intensity\": 0.2, \"intensity\": 0.4}"), "given twice"),
        ("set", vec![b'{', 0xff, 0xfe, b'}'], "not UTF-8"),
        ("set", text("{\"intensity\": \"\\ud800\"}"), "not a JSON object"),
        // Deep, wide, long.
        ("set", text(&format!("{{\"layer\": {}", "[".repeat(30_000))), "recursion limit"),
        ("set", text(&format!("{{\"layer\": {}1{}}}", "[".repeat(100), "]".repeat(100))), "is not the name of a layer"),
        ("set", text(&format!("{{{many}\"q\":1}}")), "more than 64 entries"),
        ("set", text(&format!("{{\"layer\": \"{}\"}}", "x".repeat(30_000))), "longer than"),
        ("set", text(&format!("{{\"{}\": 1}}", "x".repeat(30_000))), "no such parameter"),
        ("set", text(&format!("{{\"neurons\": \"{}1\"}}", "1,".repeat(9000))), "more than 4096 terms"),
        ("set", vec![b'x'; 1 << 20], "1048576 bytes"),
        ("set/layer", vec![b'x'; 1 << 20], "1048576 bytes"),
        ("set", vec![0; 1 << 20], "1048576 bytes"),
        // Wrong type.
        ("set", text("{\"intensity\": \"0.5\"}"), "is not a number from 0 to 1"),
        ("set", text("{\"intensity\": null}"), "is not a number from 0 to 1"),
        ("set", text("{\"intensity\": {\"to\": []}}"), "\\\"over\\\": \\\"20s\\\""),
        ("set", text("{\"blank\": 1}"), "is not true or false"),
        ("set", text("{\"layer\": 7}"), "is not the name of a layer"),
        ("set", text("{\"steps\": 2.5}"), "is not a whole number"),
        ("set", text("{\"neurons\": -3}"), "is not a choice of neurons"),
        ("set", text("{\"id\": [1], \"intensity\": 0.2}"), "an id is"),
        ("set", text(&format!("{{\"id\": \"{}\"}}", "i".repeat(1000))), "an id is"),
        // Out of range.
        ("set", text("{\"intensity\": 1.0001}"), "from 0 to 1"),
        ("set", text("{\"intensity\": -0.0001}"), "from 0 to 1"),
        ("set", text("{\"steps\": 1e18}"), "from 0 to 100"),
        ("set", text("{\"steps\": -1}"), "from 0 to 100"),
        ("set", text("{\"neurons\": \"64\"}"), "channels 0 to 63"),
        ("set", text("{\"neurons\": \"1:1e30\"}"), "is not a number from -100 to 100"),
        // Unknown names.
        ("set", text("{\"intensty\": 0.5}"), "did you mean `intensity`"),
        ("set", text("{\"\": 0.5}"), "no such parameter"),
        ("set", text("{\"layer\": \"nowhere\"}"), "no layer is called `nowhere`"),
        ("set", text("{\"layer\": \"deep\"}"), "say `alpha/deep` or `beta/deep`"),
        ("set", text("{\"neurons\": \"noses\"}"), "no neuron group `noses`"),
        // One value.
        ("set/intensity", text(""), "is not a number from 0 to 1"),
        ("set/intensity", text("NaN"), "is not a number from 0 to 1"),
        ("set/intensity", text("inf"), "is not a number from 0 to 1"),
        ("set/intensity", text("half"), "is not a number from 0 to 1"),
        ("set/intensity", text("true"), "is not a number from 0 to 1"),
        ("set/intensity", text("2"), "is not a number from 0 to 1"),
        ("set/intensity", text("{\"intensity\": 0.5}"), "is a number from 0 to 1, or {"),
        ("set/blank", text("maybe"), "is not true or false"),
        ("set/layer", text(""), "no layer is called"),
        ("set/layer", vec![0x80, 0x81], "not UTF-8"),
        ("set/intensity/now", text("0.5"), "no such parameter"),
        ("set/", text("0.5"), "no such parameter"),
        ("set/id", text("x"), "no such parameter"),
        // Actions and other topics.
        ("do/explode", text(""), "there is no action `explode`"),
        ("do/", text(""), "there is no action"),
        ("do/reset", text("now"), "not a JSON object"),
        ("do/reset", text("{\"when\": 5}"), "takes nothing but `id` and `at`"),
        ("do", text(""), "no command `do`"),
        ("sett", text("{}"), "no command `sett`"),
        ("get", text(""), "no command `get`"),
        ("a/very/deep/topic", text("{}"), "no command `a/very/deep/topic`"),
    ]
}

#[tokio::test]
async fn every_malformed_command_is_answered_and_changes_nothing() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_on("state").await;
    let before = device.state();
    let mut actions = device.handle.signals();
    for (topic, payload, says) in table() {
        let shown: String = String::from_utf8_lossy(&payload).chars().take(60).collect();
        let reply = operator.command(topic, payload).await;
        assert_eq!(reply["ok"], false, "{topic} {shown}");
        let errors = reply["errors"].to_string();
        assert!(errors.contains(says), "{topic} {shown}: {errors} does not say {says:?}");
        assert!(errors.len() < 2000, "{topic} {shown}: {} bytes of errors", errors.len());
        assert_eq!(reply["state"], before, "{topic} {shown}");
        assert_eq!(device.state(), before, "{topic} {shown}");
    }
    assert!(actions.try_recv().is_err(), "an action was taken");
    // It is the same connection: nothing was lost, and it still obeys.
    assert_eq!(device.logged("WARN"), Vec::<String>::new());
    assert_eq!(operator.command("set/intensity", "0.25").await["ok"], true);
    operator.receive_state("intensity", 0.25).await;
}

#[tokio::test]
async fn the_base_topic_itself_is_no_command() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    operator.publish(BASE, "{}").await;
    let reply = operator::json(&operator.receive_on("reply").await);
    assert_eq!(reply["ok"], false);
}

#[tokio::test]
async fn a_packet_larger_than_any_is_dropped_by_the_broker_and_the_connection_survives() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    operator.publish(&format!("{BASE}/set"), vec![b' '; 4 << 20]).await;
    let reply = operator.command("set/intensity", "0.25").await;
    assert_eq!((&reply["ok"], &reply["errors"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(device.logged("WARN"), Vec::<String>::new());
}

#[tokio::test]
async fn a_command_sent_as_retained_is_answered_and_ignored_with_one_warning() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_on("state").await;
    let before = device.state();
    for _ in 0..3 {
        operator.send(&format!("{BASE}/set/intensity"), true, "0.1", PublishProperties::default()).await;
        let reply = operator::json(&operator.receive_on("reply").await);
        assert_eq!(reply["ok"], false);
        assert!(reply["errors"][0]["message"].as_str().unwrap().contains("retained commands are ignored"), "{reply}");
    }
    assert_eq!(device.state(), before);
    let warnings = device.logged("WARN");
    assert!(matches!(&warnings[..], [one] if one.contains("set/intensity")), "{warnings:?}");
}

#[tokio::test]
async fn a_command_retained_before_the_device_came_does_not_replay() {
    let broker = Broker::start();
    let mut operator = Operator::connect(&broker).await;
    operator.send(&format!("{BASE}/set"), true, r#"{"blank": true}"#, PublishProperties::default()).await;
    operator.send(&format!("{BASE}/do/reset"), true, "PRESS", PublishProperties::default()).await;
    operator.receive_on("set").await;
    operator.receive_on("do/reset").await;
    let device = Device::start(&broker);
    let mut actions = device.handle.signals();
    for _ in 0..2 {
        let reply = operator::json(&operator.receive_on("reply").await);
        assert_eq!((&reply["ok"], &reply["state"]["blank"]), (&false.into(), &false.into()), "{reply}");
    }
    assert!(actions.try_recv().is_err());
    // Cleared as the answer says, and the device, started anew, meets nothing.
    for topic in ["set", "do/reset"] {
        operator.send(&format!("{BASE}/{topic}"), true, "", PublishProperties::default()).await;
        assert_eq!(operator::json(&operator.receive_on("reply").await)["ok"], false);
    }
    assert_eq!(device.logged("WARN").len(), 1);
}
