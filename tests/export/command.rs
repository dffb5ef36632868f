//! `reverie export`, as it is typed.

use std::path::Path;
use std::process::Output;

use reverie::pack::Manifest;

fn export(folder: &Path, args: &[&str]) -> Output {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/cases");
    let network = cases.join(args[0]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_reverie"));
    command.arg("export").arg(network).args(&args[1..]).args(["--out", "pack"]).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_layer_can_be_asked_for_whatever_its_name() {
    for (network, layers, expected) in [
        ("names_comma.onnx", "block[0,1]/Relu:0", vec![("block[0,1]/Relu:0", "block[0,1]/Relu:0")]),
        ("names_comma.onnx", "c1,end=block[0,1]/Relu:0", vec![("c1", "c1"), ("end", "block[0,1]/Relu:0")]),
        ("names_equals.onnx", "x,y,b=a,conv=a=b,c", vec![("conv", "a=b,c"), ("b", "a"), ("x,y", "x,y")]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let done = export(folder.path(), &[network, "--layers", layers]);
        assert!(done.status.success(), "{layers}: {}", text(&done.stderr));
        let manifest = Manifest::read(&folder.path().join("pack")).unwrap();
        let made: Vec<_> = manifest.layers.iter().map(|l| (l.name.as_str(), l.tensor.as_str())).collect();
        assert_eq!(made, expected, "{layers}");
    }
}

/// Caffe's mean, as its papers give it.
#[test]
fn a_mean_of_0_to_255_is_refused_with_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let done = export(folder.path(), &["names_comma.onnx", "--layers", "c1", "--mean", "123.68,116.78,103.94"]);
    // 123.68 / 255, 116.78 / 255, 103.94 / 255
    assert!(text(&done.stderr).contains("--mean 0.4850,0.4580,0.4076"), "{}", text(&done.stderr));
    assert_eq!(done.status.code(), Some(2));
    assert!(!folder.path().join("pack").exists());
}
