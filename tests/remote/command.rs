//! Commands that are right.

use reverie::director::Signal;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use serde_json::json;

use super::broker::{Broker, TIMEOUT};
use super::device::{BASE, Device};
use super::operator::{self, Operator};

#[tokio::test]
async fn one_value_is_set_as_bare_text_and_as_json() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    for (param, payload, value) in [
        ("intensity", "0.3", json!(0.3)),
        ("layer", "shallow", json!("shallow")),
        ("layer", "\"beta/deep\"", json!("beta/deep")),
        ("neurons", "3", json!("3")),
        ("layer", "alpha/deep", json!("alpha/deep")),
        ("neurons", "eyes,-9:0.25", json!("eyes,-9:0.25")),
        ("blank", "on", json!(true)),
        ("paused", "true", json!(true)),
        ("steps", "7", json!(7)),
    ] {
        let reply = operator.command(&format!("set/{param}"), payload).await;
        assert_eq!(reply["ok"], true, "{param} {payload}: {reply}");
        assert_eq!(reply["errors"], json!([]));
        assert_eq!(reply["state"][param], value);
        let retained = operator.receive_state(param, value).await;
        assert_eq!(retained, reply["state"]);
    }
}

#[tokio::test]
async fn a_set_of_several_applies_whole_and_echoes_its_id() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    let reply = operator
        .command("set", r#"{"id": "tablet-7", "layer": "beta/deep", "neurons": 5, "intensity": 0.5, "octaves": 3}"#)
        .await;
    assert_eq!((&reply["id"], &reply["ok"]), (&json!("tablet-7"), &json!(true)), "{reply}");
    let state = operator.receive_state("intensity", 0.5).await;
    assert_eq!((&state["layer"], &state["neurons"], &state["octaves"]), (&json!("beta/deep"), &json!("5"), &json!(3)));
    assert_eq!(operator.command("set", r#"{"id": 12, "zoom": 0.1}"#).await["id"], 12);
}

#[tokio::test]
async fn nothing_of_a_set_applies_where_one_part_is_wrong() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    let before = device.state();
    let reply = operator.command("set", r#"{"intensity": 0.1, "steps": 3, "octaves": 99, "zoon": 1}"#).await;
    assert_eq!(reply["ok"], false);
    assert_eq!(reply["state"], before);
    assert_eq!(
        reply["errors"],
        json!([
            {"param": "octaves", "message": "99 is not a whole number from 1 to 10"},
            {"param": "zoon", "message": "there is no such parameter; did you mean `zoom`?"},
        ])
    );
    assert_eq!(device.state(), before);
}

#[tokio::test]
async fn a_reset_reaches_the_dream() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut actions = device.handle.signals();
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    for payload in ["", "PRESS", r#"{"id": "again"}"#] {
        let reply = operator.command("do/reset", payload).await;
        assert_eq!(reply["ok"], true, "{payload:?}: {reply}");
        assert_eq!(actions.try_recv(), Ok(Signal::Reset), "{payload:?}");
    }
}

#[tokio::test]
async fn a_reply_goes_where_the_command_asks_with_its_correlation_data() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::subscribed(&broker, "#").await;
    operator.receive_status("online").await;
    let properties = PublishProperties {
        response_topic: Some("tablet/7/inbox".into()),
        correlation_data: Some("order-66".into()),
        ..PublishProperties::default()
    };
    operator.send(&format!("{BASE}/set/intensity"), false, "0.4", properties).await;
    let reply = operator.receive("the reply", |publish| publish.topic == b"tablet/7/inbox"[..]).await;
    assert_eq!(reply.properties.as_ref().unwrap().correlation_data.as_deref(), Some(&b"order-66"[..]));
    assert!(!reply.retain);
    let reply = operator::json(&reply);
    assert_eq!((&reply["id"], &reply["ok"]), (&json!("order-66"), &json!(true)));
    // Nobody else was told.
    let told_others = operator.received_so_far().iter().any(|p| p.topic == format!("{BASE}/reply").as_bytes());
    assert!(!told_others);
}

#[tokio::test]
async fn correlation_data_that_is_no_text_comes_back_as_it_was() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    let data = [0u8, 255, 16, 1];
    let properties = PublishProperties { correlation_data: Some(data.to_vec().into()), ..PublishProperties::default() };
    operator.send(&format!("{BASE}/set"), false, "{}", properties).await;
    let reply = operator.receive_on("reply").await;
    assert_eq!(reply.properties.as_ref().unwrap().correlation_data.as_deref(), Some(&data[..]));
    assert_eq!(operator::json(&reply)["id"], "00ff1001");
}

#[tokio::test]
async fn a_response_topic_among_the_devices_own_is_not_written_to() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    for topic in [format!("{BASE}/status"), format!("{BASE}/set"), BASE.to_owned()] {
        let properties = PublishProperties { response_topic: Some(topic.clone()), ..PublishProperties::default() };
        operator.send(&format!("{BASE}/set/steps"), false, "4", properties).await;
        assert_eq!(operator::json(&operator.receive_on("reply").await)["ok"], true, "{topic}");
    }
    assert!(device.is_running());
}

#[tokio::test]
async fn changes_by_another_writer_are_published_too_and_only_the_latest_of_many() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_on("state").await;
    // No await between them: for the device they come all at once.
    for n in 1..=100 {
        let changes = json!({"intensity": f64::from(n) / 1000.0});
        device.handle.set(changes.as_object().unwrap()).unwrap();
    }
    let state = operator.receive_on("state").await;
    assert_eq!(operator::json(&state)["intensity"], 0.1);
}

#[tokio::test]
async fn states_never_come_out_of_order() {
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_on("state").await;
    let writer = tokio::spawn({
        let handle = device.handle.clone();
        async move {
            for n in 1..=500 {
                let changes = json!({"intensity": f64::from(n) / 1000.0});
                handle.set(changes.as_object().unwrap()).unwrap();
                tokio::time::sleep(std::time::Duration::from_micros(500)).await;
            }
        }
    });
    let mut last = -1.0;
    while last != 0.5 {
        let now = operator::json(&operator.receive_on("state").await)["intensity"].as_f64().unwrap();
        assert!(now > last, "{now} came after {last}");
        last = now;
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_burst_is_run_in_order_and_each_command_answered() {
    const BURST: u32 = 500;
    let broker = Broker::start();
    let device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    let sender = tokio::spawn({
        let client = operator.client.clone();
        async move {
            for n in 1..=BURST {
                let payload = json!({"id": n, "intensity": f64::from(n) / f64::from(BURST)}).to_string();
                client.publish(format!("{BASE}/set"), QoS::AtMostOnce, false, payload).await.unwrap();
            }
        }
    });
    let answered = async {
        for n in 1..=BURST {
            let reply = operator::json(&operator.receive_on("reply").await);
            assert_eq!((&reply["id"], &reply["ok"]), (&json!(n), &json!(true)));
        }
    };
    tokio::time::timeout(TIMEOUT, answered).await.expect("every command is answered");
    sender.await.unwrap();
    assert_eq!(device.state()["intensity"], 1.0);
}
