//! What outlasts a power cut, and what a start reads of it: the program itself, killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rumqttc::v5::mqttbytes::v5::Publish;
use serde_json::{Value as Json, json};

use super::broker::{Broker, eventually};
use super::operator::{self, Operator};

/// The program, which is killed with the test.
struct Program(Child);

impl Program {
    fn start(broker: &Broker, folder: &Path) -> Program {
        Program::with(folder, &Program::config(broker))
    }

    fn config(broker: &Broker) -> String {
        format!(
            "[source]\nkind = \"pattern\"\n[screen]\nkind = \"headless\"\n[dream]\nsize = \"64x64\"\n[console]\non = false\n\
             [mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"mirror-1\"\n[scenes.calm]\nzoom = 0.1\n",
            broker.port
        )
    }

    fn with(folder: &Path, config: &str) -> Program {
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
        .receive("it is online", |p| {
            p.topic == b"reverie/mirror-1/status"[..] && p.payload == b"online"[..] && !p.retain
        })
        .await;
    let state = operator.receive("its state", |p| p.topic == b"reverie/mirror-1/state"[..] && !p.retain).await;
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
    operator.receive_state("rotate", 4).await;
    program.kill();

    // Of a file that the cut has torn, or that is another's, its older copy is used; where that is none either, nothing else is lost for it.
    let (whole, older) = (std::fs::read(&file).unwrap(), folder.path().join("state.json.old"));
    std::fs::write(&older, &whole).unwrap();
    std::fs::write(&file, &whole[..20]).unwrap();
    let (program, _, after) = start(&broker, folder.path()).await;
    assert_eq!((&after["zoom"], &after["scene"]), (&json!(0.5), &json!("mine")));
    program.kill();
    std::fs::write(&older, &whole[..20]).unwrap();
    std::fs::write(&file, &whole[..20]).unwrap();
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
    let state = operator.receive_state("rotate", 7).await;
    assert_eq!(state["intensity"], 0.5, "what was directed stays");
    operator.receive_status("online").await;
    operator.publish("reverie/group/attic/set", r#"{"scene": "wild"}"#).await;
    operator.receive_state("zoom", json!(0.9)).await;
    operator
        .receive("the larger dream", |p| {
            p.topic == b"reverie/mirror-1/telemetry"[..] && operator::json(p)["width"] == 96
        })
        .await;

    std::fs::write(&file, changed.replace("zoom = 0.9", "zoom = \"much\"").replace("rotate = 7", "rotate = 8"))
        .unwrap();
    program.reload();
    // It is asked after the signal, and answers as before.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let reply = operator.command("set", r#"{"zoom": 0.2}"#).await;
    assert_eq!((&reply["ok"], &reply["state"]["rotate"]), (&json!(true), &json!(7)));

    // Another file of what is remembered is written without waiting for a command.
    std::fs::write(&file, format!("{changed}[memory]\nfile = \"other.json\"\n")).unwrap();
    program.reload();
    let other = folder.path().join("other.json");
    eventually("it is written", || std::fs::read_to_string(&other).is_ok_and(|text| text.contains("0.2"))).await;
    program.kill();
}

#[tokio::test]
async fn a_mirror_whose_file_was_spoilt_dreams_on_by_the_last_one_that_was_right() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let (program, _, _) = start(&broker, folder.path()).await;
    program.kill();
    let file = folder.path().join("reverie.toml");
    let good = std::fs::read_to_string(&file).unwrap();

    let mut operator = Operator::connect(&broker).await;
    let program = Program::with(folder.path(), &good.replace("[scenes.calm]", "[scenes.calm]\nzom = 1"));
    let refused = |reason: &'static str| {
        move |p: &Publish| {
            let is_telemetry = p.topic == b"reverie/mirror-1/telemetry"[..];
            is_telemetry && operator::json(p)["configuration"].as_str().is_some_and(|why| why.contains(reason))
        }
    };
    operator.receive("what is wrong with the file", refused("zom")).await;
    assert_eq!(operator.command("set/scene", "calm").await["ok"], true);
    std::fs::write(&file, &good).unwrap();
    program.reload();
    let mended =
        |p: &Publish| p.topic == b"reverie/mirror-1/telemetry"[..] && operator::json(p).get("configuration").is_none();
    operator.receive("that it is mended", mended).await;
    program.kill();

    // Nor does a secret stop it that systemd does not hand over.
    let secret = good.replace("[mqtt]\n", "[mqtt]\npassword_file = \"credential:mqtt\"\n");
    let program = Program::with(folder.path(), &secret);
    operator.receive("which secret is missing", refused("LoadCredential=mqtt")).await;
    program.kill();

    // By hand it is an error, as ever.
    std::fs::write(&file, "nonsense").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_reverie"));
    let program = program.args(["run", "--config"]).arg(&file).env_remove("STATE_DIRECTORY");
    assert_eq!(program.output().unwrap().status.code(), Some(2));
}
