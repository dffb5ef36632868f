//! What the service may: the unit that ships, looked at as `systemd-analyze security` looks at it (systemd 250 or newer).

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use tempfile::TempDir;

const UNIT: &str = "systemd/reverie.service";
/// Of `systemd-analyze`, in tenths: 2.0 of 10.
const MOST: &str = "20";

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A root in which the unit lies as the package puts it there, with `drop_ins` besides the devices.
fn installed(drop_ins: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let units = root.path().join("usr/lib/systemd/system");
    fs::create_dir_all(units.join("reverie.service.d")).unwrap();
    fs::copy(checkout().join(UNIT), units.join("reverie.service")).unwrap();
    let devices = ["reverie.service.d/10-devices.conf"];
    for file in devices.iter().chain(drop_ins) {
        let name = Path::new(file).file_name().unwrap();
        fs::copy(checkout().join("systemd").join(file), units.join("reverie.service.d").join(name)).unwrap();
    }
    root
}

fn analyze(root: &TempDir, more: &[&str]) -> (bool, String) {
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=yes", "--no-pager"]).arg(format!("--root={}", root.path().display()));
    let output =
        command.args(more).arg("reverie.service").output().expect("`deploy/install-tools test` installs systemd");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[test]
fn the_score_is_at_most_two() {
    for drop_ins in [&[][..], &["nvidia.conf"]] {
        let threshold = format!("--threshold={MOST}");
        let (holds, said) = analyze(&installed(drop_ins), &[&threshold]);
        assert!(holds && said.contains("Overall exposure level"), "with {drop_ins:?}: {said}");
    }
}

/// Those that are on are in force; those that are not stand in the unit, at the head of a line of a comment, with why not.
#[test]
fn every_directive_is_on_or_its_reason_is_given() {
    let (_, said) = analyze(&installed(&[]), &["--json=short"]);
    let checks: Vec<Json> = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let unit = fs::read_to_string(checkout().join(UNIT)).unwrap();
    let reasons = unit.split_once("# Left open").expect("a list of what is left open").1;
    assert!(checks.len() > 50, "{said}");
    for check in checks.iter().filter(|check| check["set"] == false) {
        let name = check["name"].as_str().unwrap();
        // RootDirectory=/RootImage=, RestrictAddressFamilies=~AF_UNIX
        let directive = name.split('=').next().unwrap();
        assert!(reasons.contains(directive), "{name} is open and no reason is given");
    }
}

#[test]
fn systemd_reads_every_line() {
    let root = installed(&["nvidia.conf", "credentials.conf"]);
    // The programs it names are to be there.
    for program in ["usr/bin/reverie", "bin/sh"] {
        let file = root.path().join(program);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(format!("--root={}", root.path().display()))
        .arg("reverie.service")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("reverie")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}
