//! The page for people: every command on it is run as it stands.

use std::process::Command;

use reverie::params::TABLE;

use super::broker::Broker;
use super::device::{BASE, Device};
use super::operator::{self, Operator};

const PAGE: &str = include_str!("../../deploy/reference/mqtt.md");

/// Lines of the page's `sh` blocks that begin with `program`.
fn lines_of(program: &str) -> Vec<&'static str> {
    let mut in_block = false;
    PAGE.lines()
        .filter(|line| {
            if line.starts_with("```") {
                in_block = *line == "```sh";
            }
            in_block && line.starts_with(program)
        })
        .collect()
}

/// Runs a line with the tests' broker in place of the reader's.
fn run(line: &str, port: u16) -> std::process::Output {
    let (program, rest) = line.split_once(' ').expect("a command with arguments");
    let line = format!("{program} -h 127.0.0.1 -p {port} {rest}");
    Command::new("sh").args(["-c", &line]).output().expect("running sh")
}

#[tokio::test]
async fn every_command_on_the_page_works() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    let lines = lines_of("mosquitto_pub");
    assert!(lines.len() >= 5, "{lines:?}");
    for line in lines {
        assert!(line.contains(&format!(" -t {BASE}/")), "{line}");
        let done = run(line, broker.port);
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        let reply = operator::json(&operator.receive_on("reply").await);
        assert_eq!(reply["ok"], true, "{line}: {reply}");
    }
}

#[tokio::test]
async fn every_request_on_the_page_gets_its_reply() {
    let broker = Broker::start();
    let _device = Device::start(&broker);
    let mut operator = Operator::connect(&broker).await;
    operator.receive_status("online").await;
    let lines = lines_of("mosquitto_rr");
    assert!(!lines.is_empty());
    for line in lines {
        let port = broker.port;
        let waiting = tokio::task::spawn_blocking(move || run(&format!("{line} -W 30"), port));
        let done = waiting.await.expect("running the request");
        let reply: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|e| {
            panic!("{line}: {e}: {}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
        });
        assert_eq!(reply["ok"], true, "{line}: {reply}");
    }
}

#[test]
fn the_reference_page_is_the_table() {
    let page = include_str!("../../deploy/reference/parameters.md");
    let mend = "run `cargo run -- params --format markdown > deploy/reference/parameters.md`";
    assert!(page == reverie::params::markdown(), "deploy/reference/parameters.md is not current: {mend}");
    for spec in TABLE {
        assert!(page.contains(&format!("| `{}` |", spec.name)), "{}", spec.name);
    }
}
