//! ONNX Runtime missing, wrong or too old: always an error that says what mends it.

use std::path::Path;
use std::process::{Command, Output};

use crate::command::{photo, text};

/// Dreams with ORT_DYLIB_PATH and `--onnxruntime` as given.
fn dream(variable: Option<&Path>, flag: Option<&Path>) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
    command.arg("dream").arg(photo(folder.path())).arg(folder.path().join("out.png"));
    command.args(["--steps", "1", "--octaves", "1"]).arg("--packs").arg(crate::scene::packs());
    if let Some(path) = variable {
        command.env("ORT_DYLIB_PATH", path);
    }
    if let Some(path) = flag {
        command.arg("--onnxruntime").arg(path);
    }
    command.output().unwrap()
}

fn assert_mendable(output: &Output, what: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(what), "{error}");
    assert!(error.contains("deploy/fetch-onnxruntime"), "{error}");
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn a_library_that_was_named_and_is_not_there() {
    let nowhere = Path::new("/nowhere/libonnxruntime.so");
    assert_mendable(&dream(Some(nowhere), None), "named by ORT_DYLIB_PATH");
    assert_mendable(&dream(None, Some(nowhere)), "named by --onnxruntime");
}

#[test]
fn a_file_that_is_no_library_and_a_library_that_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    assert_mendable(&dream(Some(&text), None), "text.so");
    let other = compile(folder.path(), "other", "int nothing(void) { return 0; }");
    assert_mendable(&dream(None, Some(&other)), "another kind of library");
}

#[test]
fn a_library_that_is_too_old_says_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let source = r#"
        static const char *version(void) { return "1.22.1"; }
        static const void *api(unsigned n) { (void)n; return 0; }
        static const void *base[] = { (const void *)api, (const void *)version };
        const void *OrtGetApiBase(void) { return base; }"#;
    let old = compile(folder.path(), "old", source);
    assert_mendable(&dream(Some(&old), None), "is ONNX Runtime 1.22.1, too old: 1.23 is the oldest");
}

/// A shared library made of `source`, with the C compiler that Rust links with.
fn compile(folder: &Path, name: &str, source: &str) -> std::path::PathBuf {
    let (c, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    std::fs::write(&c, source).unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&c).status().unwrap();
    assert!(status.success());
    library
}
