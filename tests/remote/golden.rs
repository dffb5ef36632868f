//! Everything on the wire, word for word. A change here is a change for everybody who wrote a dashboard.

use super::broker::Broker;
use super::device::Device;
use super::operator::{self, Operator};

#[tokio::test]
async fn about_state_and_replies_are_as_promised() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    let mut about = operator::json(&operator.hear_on("about").await);
    about["versions"]["reverie"] = "[version]".into();
    insta::assert_json_snapshot!("about", about);
    insta::assert_json_snapshot!("state", operator::json(&operator.hear_on("state").await));
    let done = operator.command("set", r#"{"id": "one", "layer": "beta/deep", "neurons": "0-3,-5:0.5"}"#).await;
    insta::assert_json_snapshot!("reply-done", done);
    let refused = operator.command("set", r#"{"id": 2, "intensity": 2, "blnk": true, "layer": "f12"}"#).await;
    insta::assert_json_snapshot!("reply-refused", refused);
    insta::assert_json_snapshot!("reply-not-json", operator.command("set", "intensity=1").await);
}
