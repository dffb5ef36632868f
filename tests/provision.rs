//! `reverie provision`: one stick for many boards.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn provision(stick: &Path, etc: &Path, board: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
    command.arg("provision").arg("--from").arg(stick).arg("--to").arg(etc).args(["--board", board]).args(more);
    command.output().unwrap()
}

/// A stick for two boards, and an empty place for the configuration.
fn stick() -> (TempDir, TempDir) {
    let stick = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = stick.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("reverie.toml", "[mqtt]\nhost = \"broker\"\ndevice = \"mirror-{board}\"\n");
    write("ca.pem", "the house's");
    write("notes.txt", "not ours");
    write("boards/aa11/device.key", "of aa11");
    write("boards/bb22/device.key", "of bb22");
    write("boards/bb22/reverie.toml", "[mqtt]\ndevice = \"hall-3\"\n");
    (stick, tempfile::tempdir().unwrap())
}

fn listed(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn each_board_takes_what_is_for_all_and_its_own() {
    let (stick, etc) = stick();
    let done = provision(stick.path(), etc.path(), "aa11", &[]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(listed(etc.path()), ["ca.pem", "device.key", "reverie.toml"]);
    let read = |name: &str| fs::read_to_string(etc.path().join(name)).unwrap();
    assert!(read("reverie.toml").contains("mirror-aa11"));
    assert_eq!((read("device.key").as_str(), read("ca.pem").as_str()), ("of aa11", "the house's"));
    let mode = |name: &str| fs::metadata(etc.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("device.key"), mode("ca.pem")), (0o600, 0o644));
    // Once more: there is nothing to do.
    assert!(provision(stick.path(), etc.path(), "aa11", &[]).stdout.is_empty());
    provision(stick.path(), etc.path(), "bb22", &[]);
    assert!(read("reverie.toml").contains("hall-3") && read("device.key") == "of bb22");
}

#[test]
fn a_wrong_configuration_is_refused_whole() {
    let (stick, etc) = stick();
    fs::write(stick.path().join("reverie.toml"), "[source]\nfps = 0\n").unwrap();
    let done = provision(stick.path(), etc.path(), "aa11", &[]);
    assert_eq!(done.status.code(), Some(2));
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(error.contains("source.fps: 0 is not a number from 1 to 240"), "{error}");
    assert_eq!(listed(etc.path()), [""; 0]);
}

#[test]
fn links_folders_and_giants_are_refused() {
    let (stick, etc) = stick();
    symlink("/etc/passwd", stick.path().join("more.pem")).unwrap();
    let refused = |says: &str| {
        let done = provision(stick.path(), etc.path(), "aa11", &[]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(2) && error.contains(says), "{error}");
        assert_eq!(listed(etc.path()), [""; 0]);
    };
    refused("more.pem: is no plain file");
    fs::remove_file(stick.path().join("more.pem")).unwrap();
    fs::write(stick.path().join("more.pem"), vec![0; (1 << 20) + 1]).unwrap();
    refused("more.pem: is larger than a megabyte");
}

#[test]
fn a_dry_run_and_an_empty_stick_change_nothing() {
    let (stick, etc) = stick();
    let done = provision(stick.path(), etc.path(), "aa11", &["--dry-run"]);
    assert!(String::from_utf8_lossy(&done.stdout).contains("would write"), "{done:?}");
    let done = provision(&stick.path().join("nowhere"), etc.path(), "aa11", &[]);
    assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("nothing for this board"));
    assert_eq!(listed(etc.path()), [""; 0]);
}

/// What the mirror would not run on, each with what is said of it.
#[test]
fn what_the_daemon_refuses_is_refused_and_what_it_takes_is_taken() {
    let (stick, etc) = stick();
    let bring = |config: &str| {
        fs::write(stick.path().join("reverie.toml"), config).unwrap();
        let done = provision(stick.path(), etc.path(), "aa11", &[]);
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    for (config, says) in [
        ("[params]\nlayer = \"no-such-layer\"\n", "params.layer"),
        ("[play]\nscenes = [\"nowhere\"]\n", "there is no scene `nowhere`"),
        ("[scenes.calm]\nlayer = \"no-such-layer\"\n", "scenes.\"calm\""),
        ("[mqtt]\ntls = true\nca = \"missing.pem\"\n", "missing.pem"),
        // It is brought, and none.
        ("[mqtt]\ntls = true\nca = \"ca.pem\"\n", "ca.pem"),
        ("[source]\nkind = \"still\"\npath = \"nowhere.jpg\"\n", "nowhere.jpg"),
    ] {
        let (code, error) = bring(config);
        assert!(code == Some(2) && error.contains(says), "{config}: {error}");
        assert_eq!(listed(etc.path()), [""; 0], "{config}");
    }
    // It lies beside the configuration, as the daemon will look for it; a secret is handed over by systemd later.
    fs::write(etc.path().join("photo.jpg"), "").unwrap();
    for config in [
        "[source]\nkind = \"still\"\npath = \"photo.jpg\"\n",
        "[mqtt]\nhost = \"broker\"\npassword_file = \"credential:mqtt\"\n",
        "[mqtt]\nhost = \"broker\"\npassword_file = \"mqtt.password\"\n",
    ] {
        fs::write(stick.path().join("mqtt.password"), "secret\n").unwrap();
        let (code, error) = bring(config);
        assert_eq!(code, Some(0), "{config}: {error}");
    }
    // Keys alone are judged by the configuration that is there.
    fs::remove_file(stick.path().join("reverie.toml")).unwrap();
    fs::write(stick.path().join("mqtt.password"), "").unwrap();
    let done = provision(stick.path(), etc.path(), "aa11", &[]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert_eq!(fs::read_to_string(etc.path().join("mqtt.password")).unwrap(), "secret\n");
}
