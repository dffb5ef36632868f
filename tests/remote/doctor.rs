//! What `reverie doctor` says of the broker.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use super::broker::{Broker, set_password};
use super::secure;

/// What it finds about the broker, with these lines below `[mqtt]`.
pub fn examine(folder: &Path, lines: &str) -> Json {
    let config = format!(
        "[source]\nkind = \"pattern\"\n[screen]\nkind = \"headless\"\n[mqtt]\nhost = \"127.0.0.1\"\ndevice = \"mirror-1\"\n{lines}"
    );
    std::fs::write(folder.join("doctor.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
    let output = command.args(["doctor", "--json", "--config"]).arg(folder.join("doctor.toml")).output().unwrap();
    let findings: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
    findings.into_iter().find(|finding| finding["about"] == "broker").unwrap()
}

pub fn assert_finding(finding: &Json, verdict: &str, seen: &str, remedy: &str) {
    let has = |key: &str, part: &str| finding[key].as_str().unwrap_or_default().contains(part);
    assert!(finding["verdict"] == verdict && has("seen", seen) && has("remedy", remedy), "{finding:#}");
}

#[test]
fn a_broker_that_lets_it_in_one_that_refuses_and_one_that_is_not_there() {
    let mut broker = Broker::configured(|dir| {
        set_password(&dir.join("passwords"), "mirror-1", "right");
        format!("allow_anonymous false\npassword_file {}\n", dir.join("passwords").display())
    });
    let dir = broker.dir().to_owned();
    std::fs::write(dir.join("right"), "right").unwrap();
    std::fs::write(dir.join("wrong"), "wrong").unwrap();
    let port = format!("port = {}\n", broker.port);
    assert_finding(&examine(&dir, &(port.clone() + "password_file = \"right\"\n")), "ok", "mirror-1", "");
    let refused = examine(&dir, &(port.clone() + "password_file = \"wrong\"\n"));
    assert_finding(&refused, "failure", "refuses the user name or the password", "mqtt.password_file");
    let unreadable = examine(&dir, &(port.clone() + "password_file = \"nowhere\"\n"));
    assert_finding(&unreadable, "failure", "nowhere", "[mqtt]");
    broker.kill();
    assert_finding(&examine(&dir, &port), "failure", "refused", "mqtt.host");
}

#[test]
fn a_certificate_that_the_broker_or_the_device_does_not_believe() {
    let broker = secure::broker();
    let dir = broker.dir().to_owned();
    let with = |ca: &str, cert: &str| format!("port = {}\ntls = true\nca = \"{ca}.pem\"\n{cert}", broker.port);
    let own = "cert = \"device.pem\"\nkey = \"device.key\"\n";
    assert_finding(&examine(&dir, &with("ca", own)), "ok", "by TLS", "");
    assert_finding(&examine(&dir, &with("other", own)), "failure", "certificate", "mqtt.ca");
    assert_finding(&examine(&dir, &with("ca", "")), "failure", "", "mqtt.cert");
    assert_finding(
        &examine(&dir, &with("ca", "cert = \"device.pem\"\nkey = \"broker.key\"\n")),
        "failure",
        "device.pem",
        "[mqtt]",
    );
}
