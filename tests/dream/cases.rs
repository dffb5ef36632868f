//! Networks that a mirror handled badly, exported and dreamed with as a researcher would. Their weights are random; how they were made is said in
//! [cases/README.md](cases/README.md).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::command::{photo, text};

fn reverie(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reverie")).args(args).current_dir(folder).output().unwrap()
}

/// Exports `layer` of the network `name` in `folder`, with `more` flags.
fn export(name: &str, layer: &str, more: &[&str], folder: &Path) {
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dream/cases").join(name);
    let about = ["--name", "case", "--title", "A case", "--source", "here", "--licence", "MIT"];
    let network = network.display().to_string();
    let export = [&["export", &network, "--layers", layer], &about[..], more].concat();
    let exported = reverie(&export, folder);
    assert!(exported.status.success(), "{}", text(&exported.stderr));
}

/// Exports `layer` of the network `name` and dreams by it, with `more` flags.
fn dream(name: &str, layer: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    export(name, layer, &["--out", "pack"], folder.path());
    photo(folder.path());
    let dream = ["dream", "photo.png", "out.png", "--packs", "pack", "--steps", "1", "--seed", "1"];
    let output = reverie(&[&dream, more].concat(), folder.path());
    assert_eq!(output.status.success(), folder.path().join("out.png").exists());
    output
}

/// Its pool sees nothing below 64 pixels a side: the library says so at the first run.
#[test]
fn octaves_in_which_a_network_sees_nothing_are_left_out() {
    let output = dream("avgpool7_fixed.onnx", "q", &["--octaves", "10"]);
    let told = text(&output.stderr);
    assert!(output.status.success() && told.contains("this octave is left out"), "{told}");
    assert!(!told.contains("cuda"), "nobody asked for it: {told}");
}

/// One of its roads rounds down, the other up: at some sizes they do not meet.
#[test]
fn a_network_whose_branches_meet_at_some_sizes_only_dreams_at_all() {
    for size in ["162x122", "74x64", "600x400"] {
        let output = dream("two_roads_floor_and_ceil.onnx", "r", &["--octaves", "3", "--size", size]);
        assert!(output.status.success(), "{size}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("left out"), "{size}: {}", text(&output.stderr));
    }
}

#[test]
fn no_end_is_a_crash() {
    for _ in 0..10 {
        let output = dream("avgpool7_fixed.onnx", "q", &["--octaves", "5"]);
        assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
        assert!(text(&output.stderr).contains("this octave is left out"), "{}", text(&output.stderr));
    }
}

/// A copy of the pack that ships, its weights cut short as by a full disk.
fn damaged_pack(folder: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mobilenet-v2");
    std::fs::create_dir_all(folder).unwrap();
    for entry in std::fs::read_dir(shipped).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let weights = std::fs::OpenOptions::new().write(true).open(folder.join("weights.bin")).unwrap();
    weights.set_len(weights.metadata().unwrap().len() / 2).unwrap();
}

#[test]
fn a_damaged_pack_is_left_out_by_the_mirror_while_another_dreams() {
    let folder = tempfile::tempdir().unwrap();
    export("avgpool7_fixed.onnx", "q", &["--out", "packs/case"], folder.path());
    damaged_pack(&folder.path().join("packs/mobilenet-v2"));
    let config = "packs = [\"packs\"]\n[source]\nkind = \"pattern\"\n[screen]\nkind = \"headless\"\n[dream]\nsize = \"96x96\"\n\
                  [console]\non = false\n[mqtt]\nhost = \"127.0.0.1\"\nport = 1\n";
    std::fs::write(folder.path().join("reverie.toml"), config).unwrap();
    let mut mirror = Command::new(env!("CARGO_BIN_EXE_reverie"))
        .args(["run", "-v", "--config", "reverie.toml"])
        .current_dir(folder.path())
        .env_remove("RUST_LOG")
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(mirror.stderr.take().unwrap());
    let mut seen = String::new();
    // To the moment that a graph of the other pack is open, or to the mirror's end.
    for line in log.lines().map(Result::unwrap) {
        seen += &format!("{line}\n");
        if line.contains("opened case/q at") {
            break;
        }
    }
    mirror.kill().unwrap();
    mirror.wait().unwrap();
    assert!(seen.contains("weights.bin is damaged") && seen.contains("its layers are left out"), "{seen}");
    assert!(seen.contains("opened case/q at"), "{seen}");
}
