//! What outlasts a power cut, and what a start reads of it: the program itself, killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};

use super::broker::{Broker, eventually};
use super::operator::{self, Operator};

/// The program, which is killed with the test.
struct Program(Child);

impl Program {
    fn start(broker: &Broker, folder: &Path) -> Program {
        let config = format!(
            "[source]\nkind = \"pattern\"\n[screen]\nkind = \"headless\"\n[dream]\nsize = \"64x64\"\n[console]\non = false\n\
             [mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"mirror-1\"\n[scenes.calm]\nzoom = 0.1\n",
            broker.port
        );
        std::fs::write(folder.join("reverie.toml"), config).unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_reverie"))
            .args(["run", "--config"])
            .arg(folder.join("reverie.toml"))
            .env("STATE_DIRECTORY", folder)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Program(program.unwrap())
    }

    /// Has the configuration read again.
    fn reload(&self) {
        // SAFETY: a signal to a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, libc::SIGHUP) }, 0);
    }

    /// As a power cut does.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program, with one who has been listening since before; and the state that it tells at its start.
async fn start(broker: &Broker, folder: &Path) -> (Program, Operator, Json) {
    let mut operator = Operator::connect(broker).await;
    let program = Program::start(broker, folder);
    operator
        .hear("it is online", |p| p.topic == b"reverie/mirror-1/status"[..] && p.payload == b"online"[..] && !p.retain)
        .await;
    let state = operator.hear("its state", |p| p.topic == b"reverie/mirror-1/state"[..] && !p.retain).await;
    (program, operator, operator::json(&state))
}

#[tokio::test]
async fn scenes_groups_and_settings_outlast_a_power_cut() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let file = folder.path().join("state.json");
    let (program, mut operator, _) = start(&broker, folder.path()).await;
    for (topic, payload) in [
        ("set", r#"{"zoom": 0.5, "blank": true}"#),
        ("do/save-scene", r#"{"name": "mine"}"#),
        ("do/join", r#"{"group": "attic"}"#),
    ] {
        assert_eq!(operator.command(topic, payload).await["ok"], true, "{topic}");
    }
    eventually("it is written", || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("attic"))).await;
    program.kill();

    let (program, mut operator, after) = start(&broker, folder.path()).await;
    assert_eq!((&after["zoom"], &after["scene"], &after["blank"]), (&json!(0.5), &json!("mine"), &json!(false)));
    operator.publish("reverie/group/attic/set/rotate", "4").await;
    operator.hear_state("rotate", 4).await;
    program.kill();

    // A file that the cut has torn, or that is another's, is as none; and nothing else is lost for it.
    std::fs::write(&file, &std::fs::read(&file).unwrap()[..20]).unwrap();
    let (program, _, after) = start(&broker, folder.path()).await;
    assert_eq!((&after["zoom"], &after["scene"]), (&json!(0), &Json::Null));
    program.kill();
}

#[tokio::test]
async fn a_configuration_that_is_read_again_is_in_effect_and_a_wrong_one_is_not() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let (program, mut operator, _) = start(&broker, folder.path()).await;
    assert_eq!(operator.command("set", r#"{"intensity": 0.5}"#).await["ok"], true);
    let file = folder.path().join("reverie.toml");
    let before = std::fs::read_to_string(&file).unwrap();

    // Scenes, groups, parameters, the dream's size and the page: nothing of it ends the process or the session.
    let changed = before
        .replace("64x64", "96x64")
        .replace("device = \"mirror-1\"", "device = \"mirror-1\"\ngroups = [\"attic\"]\nsnapshots = true")
        + "[scenes.wild]\nzoom = 0.9\n[params]\nrotate = 7\n";
    std::fs::write(&file, &changed).unwrap();
    program.reload();
    let state = operator.hear_state("rotate", 7).await;
    assert_eq!(state["intensity"], 0.5, "what was directed stays");
    operator.hear_status("online").await;
    operator.publish("reverie/group/attic/set", r#"{"scene": "wild"}"#).await;
    operator.hear_state("zoom", json!(0.9)).await;
    operator
        .hear("the larger dream", |p| p.topic == b"reverie/mirror-1/telemetry"[..] && operator::json(p)["width"] == 96)
        .await;

    std::fs::write(&file, changed.replace("zoom = 0.9", "zoom = \"much\"").replace("rotate = 7", "rotate = 8"))
        .unwrap();
    program.reload();
    // It is asked after the signal, and answers as before.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let reply = operator.command("set", r#"{"zoom": 0.2}"#).await;
    assert_eq!((&reply["ok"], &reply["state"]["rotate"]), (&json!(true), &json!(7)));
    program.kill();
}
