//! `reverie doctor` in broken worlds: it names the fault and the remedy. (The broker's are in tests/remote/doctor.rs.)

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use tempfile::TempDir;

/// A world that is well but for what `broken` breaks: the configuration that it returns is added.
struct World(TempDir);

impl World {
    fn new(broken: impl FnOnce(&Path) -> String) -> World {
        let folder = tempfile::tempdir().unwrap();
        let added = broken(folder.path());
        let well = |section: &str, key: &str| {
            if added.contains(section) { String::new() } else { format!("{section}\n{key}\n") }
        };
        let config = [
            added.clone(),
            well("[source]", "kind = \"pattern\""),
            well("[screen]", "kind = \"headless\""),
            well("[mqtt]", "host = \"off\""),
            well("[memory]", "file = \"state.json\""),
        ];
        fs::write(folder.path().join("reverie.toml"), config.join("\n")).unwrap();
        World(folder)
    }

    /// The exit code of `reverie healthcheck`, and what it says.
    fn is_good(&self) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
        let command = command.args(["healthcheck", "--wait", "0", "--config"]).arg(self.0.path().join("reverie.toml"));
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The exit code, and what was found.
    fn examine(&self) -> (i32, Vec<Json>) {
        let output = Command::new(env!("CARGO_BIN_EXE_reverie"))
            .args(["doctor", "--json", "--config"])
            .arg(self.0.path().join("reverie.toml"))
            .env_remove("STATE_DIRECTORY")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let findings = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        (output.status.code().unwrap(), findings)
    }
}

fn assert_told(findings: &[Json], about: &str, verdict: &str, seen: &str, remedy: &str) {
    let has = |finding: &Json, key: &str, part: &str| finding[key].as_str().unwrap_or_default().contains(part);
    let is_told = findings.iter().any(|finding| {
        finding["about"] == about
            && finding["verdict"] == verdict
            && has(finding, "seen", seen)
            && has(finding, "remedy", remedy)
    });
    assert!(is_told, "no {verdict} of {about} with {seen:?} and {remedy:?} among {findings:#?}");
}

/// What is broken keeps it from dreaming: exit code 2, and this is why.
fn assert_fails(world: &World, about: &str, seen: &str, remedy: &str) {
    let (code, findings) = world.examine();
    assert_told(&findings, about, "failure", seen, remedy);
    assert_eq!(code, 2);
}

#[test]
fn a_world_that_is_well() {
    let (code, findings) = World::new(|_| String::new()).examine();
    for about in ["configuration", "packs", "scenes", "onnxruntime", "network", "camera", "screen", "disk", "broker"] {
        assert_told(&findings, about, "ok", "", "");
    }
    // The machine that tests may have a clock that nobody sets, or a service of its own.
    let ours = |finding: &&Json| !["clock", "service", "heat"].contains(&finding["about"].as_str().unwrap());
    assert!(findings.iter().filter(ours).all(|finding| finding["verdict"] == "ok"), "{findings:#?}");
    assert!(code <= 1 || findings.iter().any(|finding| finding["about"] == "service"));
}

#[test]
fn a_wrong_key() {
    let world = World::new(|_| "[dream]\ntarget_fp = 8\n".to_owned());
    assert_fails(&world, "configuration", "did you mean `dream.target_fps`", "correct");
}

#[test]
fn no_library() {
    let world = World::new(|_| "[runtime]\nonnxruntime = \"/nowhere/libonnxruntime.so\"\n".to_owned());
    assert_fails(&world, "onnxruntime", "/nowhere/libonnxruntime.so", "runtime.onnxruntime");
}

/// Somebody else's folder, in which root stands: what lies there is neither loaded nor looked for.
#[test]
fn an_installed_program_looks_into_no_checkout() {
    let world = World::new(|_| format!("packs = [\"{}/models\"]\n", env!("CARGO_MANIFEST_DIR")));
    let folder = world.0.path();
    fs::write(folder.join("Cargo.toml"), "").unwrap();
    let library = folder.join(".cache/onnxruntime").join(std::env::consts::ARCH);
    fs::create_dir_all(&library).unwrap();
    fs::write(library.join("libonnxruntime.so"), "not one").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let program = elsewhere.path().join("reverie");
    fs::copy(env!("CARGO_BIN_EXE_reverie"), &program).unwrap();
    let output = Command::new(program)
        .args(["doctor", "--json", "--config", "reverie.toml"])
        .current_dir(folder)
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("onnxruntime") && !said.contains(".cache"), "{said}");
}

#[test]
fn an_old_library() {
    let world = World::new(|folder| {
        let source = "static const char *version(void) { return \"1.10.0\"; }\n\
                      static struct { const void *(*api)(unsigned); const char *(*version)(void); } base = { 0, version };\n\
                      const void *OrtGetApiBase(void) { return &base; }\n";
        fs::write(folder.join("old.c"), source).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.join("old.so")).arg(folder.join("old.c"));
        assert!(compiler.status().expect("a C compiler").success());
        "[runtime]\nonnxruntime = \"old.so\"\n".to_owned()
    });
    assert_fails(&world, "onnxruntime", "1.10.0, too old", "fetch-onnxruntime");
}

#[test]
fn a_camera_that_may_not_be_opened() {
    let world = World::new(|folder| {
        fs::write(folder.join("video0"), "").unwrap();
        fs::set_permissions(folder.join("video0"), fs::Permissions::from_mode(0o000)).unwrap();
        format!("[source]\nkind = \"v4l2\"\ndevice = \"{}\"\n", folder.join("video0").display())
    });
    assert_fails(&world, "camera", "mode 0", "video");
}

#[test]
fn a_camera_that_is_not_there() {
    let world = World::new(|_| "[source]\nkind = \"v4l2\"\ndevice = \"/dev/video251\"\n".to_owned());
    assert_fails(&world, "camera", "/dev/video251 is configured and not there", "plug it in");
    let (code, said) = world.is_good();
    assert!(code == 0, "a cable is no reason to go back to the old system: {said}");
}

#[test]
fn a_program_that_sends_nothing() {
    let world = World::new(|_| {
        "[source]\nkind = \"program\"\ncommand = [\"sh\", \"-c\", \"echo no sensor >&2; exit 3\"]\n".to_owned()
    });
    assert_fails(&world, "camera", "sh: it ended by exit status: 3: no sensor", "by hand");
}

#[test]
fn a_program_that_is_not_there() {
    let world = World::new(|_| "[source]\nkind = \"program\"\ncommand = [\"no-such-program\"]\n".to_owned());
    assert_fails(&world, "configuration", "no program `no-such-program` in PATH", "correct");
}

#[test]
fn a_program_that_is_well() {
    let script = "printf 'YUV4MPEG2 W16 H16 F5:1 Cmono\\nFRAME\\n'; head -c 256 /dev/zero; sleep 60";
    let world = World::new(|_| format!("[source]\nkind = \"program\"\ncommand = [\"sh\", \"-c\", {script:?}]\n"));
    assert_told(&world.examine().1, "camera", "ok", "sh 16x16@5, after ", "");
}

#[test]
fn no_display() {
    let world = World::new(|_| "[screen]\nkind = \"kms\"\ndevice = \"/dev/dri/card63\"\n".to_owned());
    assert_fails(&world, "screen", "there is", "[screen]");
}

#[test]
fn a_corrupt_pack() {
    let world = World::new(|folder| {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mobilenet-v2");
        let copy = folder.join("packs/mobilenet-v2");
        fs::create_dir_all(&copy).unwrap();
        for entry in fs::read_dir(pack).unwrap().flatten() {
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        // One bit of millions.
        let mut weights = fs::read(copy.join("weights.bin")).unwrap();
        let middle = weights.len() / 2;
        weights[middle] ^= 1;
        fs::write(copy.join("weights.bin"), weights).unwrap();
        "packs = [\"packs\"]\n".to_owned()
    });
    assert_fails(&world, "packs", "weights.bin is damaged", "reinstall");
    let (code, said) = world.is_good();
    assert!(code == 2 && said.contains("weights.bin is damaged"), "{code}: {said}");
}

#[test]
fn a_scene_of_a_layer_that_is_not_installed() {
    let world = World::new(|_| "[scenes.evening]\nlayer = \"f99\"\n".to_owned());
    assert_fails(&world, "scenes", "evening", "configuration");
}

#[test]
fn nowhere_to_remember() {
    let world = World::new(|_| "[memory]\nfile = \"/nowhere/state.json\"\n".to_owned());
    assert_fails(&world, "disk", "/nowhere", "make that folder");
}

#[test]
fn for_people_it_says_it_in_lines() {
    let world = World::new(|_| "[screen]\nkind = \"kms\"\ndevice = \"/dev/dri/card63\"\n".to_owned());
    let output = Command::new(env!("CARGO_BIN_EXE_reverie"))
        .args(["doctor", "--config"])
        .arg(world.0.path().join("reverie.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("OK       packs") && said.contains("FAILURE  screen") && said.contains("→ is the"), "{said}");
}

/// A hardened board: only the service sees its secrets, yet neither doctor nor the health check of an update takes that for a fault.
#[test]
fn secrets_that_only_the_service_is_handed() {
    let world = World::new(|_| {
        "[mqtt]\nhost = \"broker\"\ntls = true\nca = \"credential:ca.pem\"\npassword_file = \"credential:mqtt\"\n"
            .to_owned()
    });
    let (_, findings) = world.examine();
    assert_told(&findings, "configuration", "ok", "", "");
    assert_told(&findings, "broker", "ok", "handed over by systemd", "");
    let (_, said) = world.is_good();
    assert!(said.contains("OK       configuration") && !said.contains("credential"), "{said}");
    let run = |check: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_reverie"));
        let file = world.0.path().join("reverie.toml");
        let output = program.arg("run").args(check).arg("--config").arg(file).env_remove("STATE_DIRECTORY").output();
        output.unwrap()
    };
    assert!(run(&["--check"]).status.success());
    let by_hand = run(&[]);
    let error = String::from_utf8_lossy(&by_hand.stderr);
    assert!(by_hand.status.code() == Some(2) && error.contains("LoadCredential="), "{error}");
}
