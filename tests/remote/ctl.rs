//! `reverie ctl`, as it is typed.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use reverie::director::Signal;
use reverie::director_handle::DirectorHandle;
use reverie::guides::Guides;
use reverie::pack::Catalogue;
use reverie::params::Params;

use super::broker::Broker;
use super::device::{Device, directed, settings};
use super::operator::Operator;

pub async fn ctl(port: u16, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
    command.args(["ctl", "--host", "127.0.0.1", "--port", &port.to_string()]).args(line.split(' '));
    tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap()
}

pub fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn start() -> (Broker, Device) {
    let broker = Broker::start();
    let device = directed(&broker, "mirror-1");
    let mut operator = Operator::connect(&broker).await;
    operator.receive_on("state").await;
    (broker, device)
}

#[tokio::test]
async fn it_sets_shows_and_does() {
    let (broker, device) = start().await;
    for (line, name, value) in [
        ("set intensity=0.5 mirror=on neurons=3,-5", "intensity", "0.5"),
        ("set zoom=0.5 --over 0.2s", "zoom", "0.5"),
        ("scene calm --over 0", "scene", "\"calm\""),
        ("do pause", "paused", "true"),
        ("do playlist scenes=[\"wild\"]", "scene", "\"calm\""),
        ("do next-scene over=0", "scene", "\"wild\""),
        ("--device mirror-1 scenes save mine", "scene", "\"mine\""),
        ("--group hall set steps=9", "steps", "9"),
        ("--all do blank", "blank", "true"),
    ] {
        let (code, out, error) = said(&ctl(broker.port, line).await);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{line}: {out}");
        let told = || device.state()[name].to_string();
        super::broker::eventually(line, || told() == value).await;
    }
    let (_, out, _) = said(&ctl(broker.port, "scenes").await);
    assert!(out.contains("calm  (fixed)") && out.contains("mine  (saved)  layer="), "{out}");
    let (_, out, _) = said(&ctl(broker.port, "state").await);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), device.state());
    let (_, out, _) = said(&ctl(broker.port, "devices").await);
    assert_eq!(out, "mirror-1  online\n");
    let (_, out, _) = said(&ctl(broker.port, "--group hall do identify").await);
    assert_eq!(out, "mirror-1: done\n");
}

#[tokio::test]
async fn errors_are_printed_and_change_nothing() {
    let (broker, device) = start().await;
    let before = device.state();
    for (line, code, says) in [
        ("set intensity=2", 1, "intensity: 2 is not a number from 0 to 1"),
        ("set zoon=1", 1, "did you mean `zoom`"),
        ("set intensity", 2, "write NAME=VALUE"),
        ("set intensity=0.5 --over soon", 1, "over: is a time"),
        ("scene nowhere", 1, "there are: calm, wild"),
        ("do dance", 1, "there is no action `dance`"),
        ("do a/b", 2, "no action"),
        ("--device no/where state", 2, "not a valid name of a mirror"),
        ("--device nobody set zoom=1", 1, "nobody does not reply"),
        ("--group attic set zoom=1", 1, "no mirror replies"),
        ("--all state", 2, "--device"),
        ("--ca nowhere.pem state", 2, "nowhere.pem"),
    ] {
        let (was, out, error) = said(&ctl(broker.port, line).await);
        assert!(was == Some(code) && error.contains(says), "{line}: {was:?} {out}{error}");
    }
    assert_eq!(device.state(), before);
    let (code, _, error) = said(&ctl(1, "state").await);
    assert!(code == Some(1) && error.contains("no broker at 127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn one_of_several_has_to_be_named() {
    let (broker, _device) = start().await;
    let _other = directed(&broker, "mirror-2");
    let mut operator = Operator::subscribed(&broker, "reverie/mirror-2/status").await;
    operator.receive("the other", |p| p.payload == b"online"[..]).await;
    let (code, _, error) = said(&ctl(broker.port, "state").await);
    assert!(code == Some(2) && error.contains("--device mirror-1, mirror-2"), "{error}");
}

#[tokio::test]
async fn a_picture_leads_where_the_owner_takes_it() {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/photos/coffee.jpg");
    let start = |accepts: bool, broker: &Broker| {
        let guides = Guides::default().and_sent(accepts);
        let catalogue = Arc::new(Catalogue::read(std::slice::from_ref(&packs)).unwrap().with_guides(guides));
        Device::directed(settings(broker), DirectorHandle::new(catalogue.clone(), Params::new(&catalogue)))
    };
    let line = format!("--device mirror-1 guide {}", photo.display());

    let broker = Broker::start();
    let device = start(true, &broker);
    let (code, _, error) = said(&ctl(broker.port, &line).await);
    let name = device.state()["guide"].as_str().unwrap().to_owned();
    assert!(code == Some(0) && error.is_empty() && name.starts_with("sent-"), "{error}");
    let (code, ..) = said(&ctl(broker.port, "guide none").await);
    assert_eq!((code, &device.state()["guide"]), (Some(0), &"none".into()));
    // Names of pictures are corrected as ever, and what is torn is answered.
    let (code, _, error) = said(&ctl(broker.port, &format!("guide {name}0")).await);
    assert!(code == Some(1) && error.contains(&format!("did you mean `{name}`")), "{error}");
    let mut operator = Operator::connect(&broker).await;
    let torn = &std::fs::read(&photo).unwrap()[..200];
    let reply = operator.command("set/guide", torn).await;
    assert_eq!((&reply["ok"], &reply["errors"][0]["param"]), (&false.into(), &"guide".into()), "{reply}");
    let vast = [&std::fs::read(&photo).unwrap()[..], &[0; 1 << 20][..1_000_000]].concat();
    let reply = operator.command("set/guide", vast).await;
    assert!(reply["errors"][0]["message"].as_str().unwrap().contains("has at most 1048576"), "{reply}");
    assert_eq!(device.state()["guide"], "none");

    let broker = Broker::start();
    let _device = start(false, &broker);
    let (code, _, error) = said(&ctl(broker.port, &line).await);
    assert!(code == Some(1) && error.contains("accept_guides = true"), "{error}");
}

#[tokio::test]
async fn a_snapshot_becomes_a_file() {
    let (broker, device) = start().await;
    let handle = device.handle.clone();
    let mut signals = handle.signals();
    tokio::spawn(async move {
        while signals.recv().await != Ok(Signal::Snapshot) {}
        handle.publish_snapshot(Arc::from(&b"JPEG"[..]));
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("now.jpg");
    let (code, _, error) = said(&ctl(broker.port, &format!("snapshot -o {}", file.display())).await);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert_eq!(std::fs::read(&file).unwrap(), b"JPEG");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
