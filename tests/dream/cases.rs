//! Networks that a mirror handled badly, exported and dreamed with as a researcher would. Their weights are random; how they were made is said in
//! [cases/README.md](cases/README.md).

use std::path::Path;
use std::process::{Command, Output};

use crate::command::{photo, text};

fn reverie(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reverie")).args(args).current_dir(folder).output().unwrap()
}

/// Exports `layer` of the network `name` and dreams by it, with `more` flags.
fn dream(name: &str, layer: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dream/cases").join(name);
    let about = ["--name", "case", "--title", "A case", "--source", "here", "--licence", "MIT"];
    let network = network.display().to_string();
    let export = [&["export", &network, "--layers", layer, "--out", "pack"], &about[..]].concat();
    let exported = reverie(&export, folder.path());
    assert!(exported.status.success(), "{}", text(&exported.stderr));
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
fn octaves_whose_branches_do_not_fit_are_left_out_and_no_end_is_a_crash() {
    for _ in 0..10 {
        let output = dream("two_roads_floor_and_ceil.onnx", "r", &["--octaves", "3", "--size", "600x400"]);
        assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
        assert!(text(&output.stderr).contains("this octave is left out"), "{}", text(&output.stderr));
    }
}
