//! `deploy/jetson/setup`, with everything it calls put in its place: what it would do to a board, and in which order.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A root folder like a board's, and programs that write down how they were called.
struct Board(TempDir);

const PROGRAMS: [&str; 5] = ["update-initramfs", "nvpmodel", "systemctl", "apt-get", "reverie-fetch-onnxruntime"];

impl Board {
    fn new(release: &str) -> Board {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("root/etc")).unwrap();
        fs::create_dir_all(at("bin")).unwrap();
        fs::write(at("reverie_0.1.0-1_arm64.deb"), "").unwrap();
        if !release.is_empty() {
            fs::write(at("root/etc/nv_tegra_release"), format!("# {release}, REVISION: 4.3, GCID: 1\n")).unwrap();
        }
        for program in PROGRAMS {
            let text = format!("#!/bin/sh\necho {program} \"$@\" >>{}\n", at("called").display());
            fs::write(at("bin").join(program), text).unwrap();
            fs::set_permissions(at("bin").join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        Board(folder)
    }

    fn set_up(&self, args: &[&str]) -> Output {
        let _ = fs::remove_file(self.0.path().join("called"));
        let path = format!("{}:{}", self.0.path().join("bin").display(), std::env::var("PATH").unwrap());
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/jetson/setup"))
            .args(args)
            .current_dir(self.0.path())
            .env("REVERIE_ROOT", self.0.path().join("root"))
            .env("PATH", path)
            .output()
            .unwrap()
    }

    fn called(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.path().join("called")).unwrap_or_default();
        let folder = format!("{}/", self.0.path().canonicalize().unwrap().display());
        text.lines().map(|line| line.replace(&folder, "")).collect()
    }

    fn file(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join("root").join(path)).unwrap_or_default()
    }
}

const PACKAGE: &str = "reverie_0.1.0-1_arm64.deb";

#[test]
fn a_fresh_jetpack_becomes_a_mirror_and_a_second_time_nothing_is_left_to_do() {
    let board = Board::new("R36 (release)");
    let all = ["--power-mode", "2", "--onnxruntime", "1.23.0", "--sha256", "ab", PACKAGE];
    let output = board.set_up(&all);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("JetPack 6") && said.contains("Restart the board"), "{output:?}");
    let fetched = "reverie-fetch-onnxruntime --gpu --system --index https://pypi.jetson-ai-lab.io/jp6/cu126 \
                   --version 1.23.0 --python 3.10 --sha256 ab";
    let desktop = [
        "systemctl -q is-enabled display-manager.service",
        "systemctl disable --now display-manager.service",
        "systemctl set-default multi-user.target",
    ];
    let installed = format!("apt-get install -y --no-install-recommends {PACKAGE}");
    let expected =
        [&["update-initramfs -u", "nvpmodel -m 2"], &desktop[..], &[&installed, "systemctl daemon-reload", fetched]];
    assert_eq!(board.called(), expected.concat());
    assert_eq!(board.file("etc/modprobe.d/reverie-nvidia-drm.conf"), "options nvidia-drm modeset=1\n");
    assert!(board.file("etc/systemd/system/reverie.service.d/20-nvidia.conf").contains("char-nvidia"));

    let output = board.set_up(&["--keep-desktop", PACKAGE]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(board.called(), [installed.as_str(), "systemctl restart reverie.service"]);
}

#[test]
fn jetpack_7_has_its_own_index_and_a_dry_run_does_nothing() {
    let board = Board::new("R38 (release)");
    let output = board.set_up(&["--dry-run", "--onnxruntime", "1.24.0", PACKAGE]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("sbsa/cu130 --version 1.24.0 --python 3.12"), "{output:?}");
    assert_eq!(board.called(), ["systemctl -q is-enabled display-manager.service"]);
    assert_eq!(board.file("etc/modprobe.d/reverie-nvidia-drm.conf"), "");
}

#[test]
fn what_is_no_jetson_or_no_package_is_refused() {
    for (release, args, why) in [
        ("", &[PACKAGE] as &[&str], "this is no Jetson"),
        ("R35 (release)", &[PACKAGE], "R35; JetPack 6"),
        ("R36 (release)", &[], "name the packages"),
        ("R36 (release)", &["missing.deb"], "there is no missing.deb"),
        ("R36 (release)", &["--power-mode", "fast", PACKAGE], "takes a number"),
        ("R36 (release)", &["--fast", PACKAGE], "what is --fast"),
    ] {
        let board = Board::new(release);
        let output = board.set_up(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(why), "{args:?}: {said}");
        assert_eq!(board.called(), [""; 0]);
    }
}
