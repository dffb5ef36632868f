use std::path::Path;

use super::*;
use crate::runtime::Precision;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("mirror.toml"))
}

fn refusal(text: &str) -> String {
    let file = Some(Path::new("mirror.toml"));
    parse(text).and_then(|config| config.check(file)).unwrap_err().to_string()
}

#[test]
fn a_wrong_line_is_named_and_not_shown_since_it_may_hold_a_password() {
    for (text, place) in [
        ("[source]\nkind = \"program\"\ncommand = \"ffmpeg -i rtsp://admin:secret@camera/\"", "line 3: `command`: "),
        ("[source]\ncommand = [\"rtsp://admin:secret@camera/", "line 2: `command`: "),
        ("[source]\nkind = \"program\"\ncommand = [\"rtsp://admin:secret@camera/\"]", "source.command: "),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(place) && !refusal.contains("secret") && !refusal.contains('\n'), "{refusal}");
    }
}

const EXAMPLE: &str = include_str!("../../deploy/reverie.toml");

/// The example with every commented key switched on.
fn switched_on() -> String {
    let key =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    EXAMPLE.lines().map(|line| if key(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_as_it_stands_is_the_default() {
    assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
}

#[test]
fn the_example_shows_every_key_with_its_default() {
    let shown: toml::Table = switched_on().parse().unwrap();
    let shown = serde_json::to_value(shown).unwrap();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    for key in known_keys() {
        let pointer = format!("/{}", key.replace('.', "/"));
        let example = shown.pointer(&pointer).unwrap_or_else(|| panic!("deploy/reverie.toml does not show {key}"));
        let default = defaults.pointer(&pointer).unwrap();
        // What is unset by default is shown with an example.
        if !default.is_null() && !default.is_object() {
            assert_eq!(example, default, "{key}");
        }
    }
    let mut config = parse(&switched_on()).unwrap();
    config.mqtt.tls = true;
    // Those of the example are nobody's.
    assert!(config.check(None).unwrap_err().to_string().starts_with("console.password: takes a hash"));
    (config.console.password, config.console.viewer_password) = (None, None);
    config.check(None).unwrap();
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    assert_eq!(refusal("[source]\nfpss = 3"), "mirror.toml: there is no key `source.fpss`; did you mean `source.fps`?");
    assert_eq!(refusal("[sorce]\nfps = 3"), "mirror.toml: there is no key `sorce`; did you mean `source`?");
    assert_eq!(refusal("pack = []"), "mirror.toml: there is no key `pack`; did you mean `packs`?");
    assert_eq!(
        refusal("[screen]\nallow_remote = true"),
        "mirror.toml: there is no key `screen.allow_remote`; did you mean `console.allow_remote`?"
    );
    assert_eq!(
        refusal("[params]\nzoon = 1"),
        "mirror.toml: params.zoon: there is no such parameter; did you mean `zoom`?"
    );
}

#[test]
fn a_configuration_that_says_fp16_as_it_was_said_once_still_means_it() {
    let precision = |text: &str| parse(text).unwrap().runtime.precision;
    let written = ["", "runtime.fp16 = true", "runtime.fp16 = false", "runtime.precision = \"fp16\""].map(precision);
    assert_eq!(written, [Precision::Auto, Precision::Fp16, Precision::Fp32, Precision::Fp16]);
}

#[test]
fn a_wrong_value_is_refused_with_what_is_allowed() {
    assert_eq!(refusal("source.fps = 0"), "mirror.toml: source.fps: 0 is not a number from 1 to 240");
    assert_eq!(refusal("params.zoom = 9"), "mirror.toml: params.zoom: 9 is not a number from -0.9 to 4");
    assert_eq!(refusal("dream.size = \"8x8\""), "mirror.toml: dream.size: 8x8 is not a size from 64x64 to 4096x4096");
    assert!(refusal("source.kind = \"webcam\"").contains("expected one of `auto`, `v4l2`, `still`"));
    assert!(refusal("source.size = \"big\"").contains("`big` is not a size such as \"640x360\""));
    assert!(refusal("source.kind = \"still\"").contains("source.path: is missing"));
    assert!(refusal("mqtt.device = \"all\"").contains("neither `group` nor `all`"));
    assert!(refusal("dream.target_fps = nan").contains("is not a number from"));
    assert!(refusal("runtime.precision = \"half\"").contains("\"auto\", \"fp32\" or \"fp16\""));
    assert!(refusal("runtime.providers = []").contains("at least one of tensorrt, cuda, cpu"));
    assert!(refusal("screen = 3").contains("mirror.toml"));
}

#[test]
fn who_directs_is_checked_before_anything_is_opened() {
    assert!(refusal("schedule.monday = \"10-18\"").contains("schedule.monday: `10-18` are not opening hours"));
    assert!(refusal("schedule.timezone = \"Mars/Olympus\"").contains("`Mars/Olympus` is no time zone"));
    assert!(refusal("schedule.exceptions = { christmas = \"closed\" }").contains("is no date"));
    assert!(refusal("schedule.outside = \"a/b\"").contains("schedule.outside"));
    assert!(refusal("mqtt.groups = [\"a/b\"]").contains("mqtt.groups: `a/b`"));
    assert_eq!(
        refusal("[scenes.dusk]\nzoom = 9"),
        "mirror.toml: scenes.\"dusk\".zoom: 9 is not a number from -0.9 to 4"
    );
    assert!(refusal("[scenes.dusk]\nblank = true").contains("belongs to the device, not to a scene"));
    assert!(refusal("[scenes.\"a/b\"]\nzoom = 1").contains("its name is 1 to 40 letters"));
    let catalogue = std::sync::Arc::new(crate::params::tests::catalogue());
    let director = |text: &str| {
        let params = crate::params::Params::new(&catalogue);
        parse(text).and_then(|config| config.direction(params, &catalogue)).map(drop).map_err(|e| e.to_string())
    };
    assert!(director("[scenes.dusk]\nlayer = \"gone\"").unwrap_err().contains("no layer is called `gone`"));
    assert!(director("[scenes.dusk]\nneurons = \"3\"").unwrap_err().contains("names their layer too"));
    assert!(director("play.scenes = [\"dusk\"]").unwrap_err().contains("no scene `dusk`"));
    let outside = "schedule.outside = \"dusk\"\nschedule.monday = \"open\"";
    assert!(director(outside).unwrap_err().contains("schedule.outside: there is no scene `dusk`"));
    director(&format!("{outside}\n[scenes.dusk]\nzoom = 0.1")).unwrap();
}

#[test]
fn a_program_is_named_as_a_list_of_words_and_can_be_run() {
    let needs = refusal("source.kind = \"program\"");
    assert!(needs.starts_with("mirror.toml: source.command: is missing: kind = \"program\" needs"), "{needs}");
    assert!(refusal("source = { kind = \"program\", command = [] }").contains("is missing"));
    assert!(refusal("source = { kind = \"program\", command = [\"\"] }").contains("source.command: is a program"));
    assert!(refusal("source = { kind = \"program\", command = [\"sh\", \"\\u0000\"] }").contains("zero bytes"));
    let text = refusal("source = { kind = \"program\", command = \"ffmpeg -i film.mp4\" }");
    assert!(text.contains("source.command takes a list of strings"), "{text}");
    assert!(refusal("source.command = [1]").contains("source.command takes a list of strings"));
    assert_eq!(
        refusal("source = { kind = \"program\", command = [\"no-such-program\", \"-i\"] }"),
        "mirror.toml: source.command: there is no program `no-such-program` in PATH: install it, or give its whole path"
    );
    let gone = refusal("source = { kind = \"program\", command = [\"/nowhere/camera\"] }");
    assert!(gone.contains("source.command: /nowhere/camera: there is no such program"), "{gone}");
    parse("source = { kind = \"program\", command = [\"sh\"] }").unwrap().check(None).unwrap();
}

#[test]
fn other_machines_are_let_in_only_when_configured() {
    assert!(refusal("console.listen = \"0.0.0.0:8080\"").contains("allow_remote = true"));
    let allowed = parse("console.listen = \"0.0.0.0:8080\"\nconsole.allow_remote = true").unwrap();
    allowed.check(None).unwrap();
    parse("console.listen = \"[::1]:8080\"").unwrap().check(None).unwrap();
    for written in ["\"localhost:8081\"", "\"8081\"", "8081", "\"127.0.0.1:8081\""] {
        let config = parse(&format!("console.listen = {written}")).unwrap();
        assert_eq!(config.console.listen, std::net::SocketAddr::from(([127, 0, 0, 1], 8081)), "{written}");
    }
    assert!(refusal("console.listen = \"mirror\"").contains("localhost:8080"));
    assert!(refusal("console.certificate = \"page.pem\"").starts_with("mirror.toml: console.key: is needed"));
    let plain = refusal("console.password = \"correct horse\"");
    assert!(plain.contains("reverie password --print") && !plain.contains("horse"), "{plain}");
    let tls = parse("console.certificate = \"/nowhere.pem\"\nconsole.key = \"/nowhere.key\"").unwrap();
    assert!(tls.check_files(None).unwrap_err().to_string().starts_with("console.certificate: /nowhere.pem"));
    let address = refusal("source.device = \"rtsp://me:s3cret@camera/1\"");
    assert!(
        address.contains("source.device") && address.contains("program") && !address.contains("s3cret"),
        "{address}"
    );
}

#[test]
fn relative_paths_lie_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirror.toml");
    std::fs::write(&file, "packs = [\"models\"]\n[mqtt]\npassword_file = \"/etc/password\"\n").unwrap();
    let config = Config::read(&file).unwrap();
    assert_eq!(config.packs, [folder.path().join("models")]);
    assert_eq!(config.mqtt.password_file.as_deref(), Some(Path::new("/etc/password")));
    std::fs::write(&file, "mqtt.password_file = \"credential:mqtt\"\n").unwrap();
    let config = Config::read(&file).unwrap();
    assert_eq!(config.mqtt.password_file.as_deref(), Some(Path::new("credential:mqtt")));
    config.check(None).unwrap();
    assert!(config.broker().unwrap_err().to_string().contains("LoadCredential=mqtt:FILE"));
    for (written, meant) in [("camera", "camera"), ("/bin/sh", "/bin/sh"), ("./camera", "./camera"), ("a/b", "a/b")] {
        std::fs::write(&file, format!("source.command = [{written:?}, \"./x\"]\n")).unwrap();
        let expected = match written.contains('/') {
            true => folder.path().join(meant).display().to_string(),
            false => meant.to_owned(),
        };
        assert_eq!(Config::read(&file).unwrap().source.command, [expected.as_str(), "./x"]);
    }
}

#[test]
fn with_a_password_alone_the_user_is_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let user = |more: &str| {
        let text = format!("[mqtt]\nhost = \"h\"\ndevice = \"hall-3\"\npassword_file = {:?}\n{more}", file);
        parse(&text).unwrap().broker().unwrap().unwrap().username
    };
    assert_eq!(user("").as_deref(), Some("hall-3"));
    assert_eq!(user("username = \"other\"").as_deref(), Some("other"));
}

/// Every TOML example of the pages parses; a page without one is fine.
#[test]
fn the_examples_in_the_pages_are_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(root.join("deploy")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|e| e == "toml") {
            Config::parse(&std::fs::read_to_string(entry.path()).unwrap(), &entry.path()).unwrap();
            seen += 1;
        }
    }
    assert!(seen > 0);
    let pages = std::fs::read_dir(root.join("deploy/reference")).unwrap().flatten().map(|entry| entry.path());
    for page in pages.filter(|page| page.extension().is_some_and(|e| e == "md")).chain([root.join("README.md")]) {
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        for block in text.split("```toml\n").skip(1) {
            let read = parse(block.split("```").next().unwrap());
            read.unwrap_or_else(|e| panic!("{}: {e}\n{block}", page.display()));
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[a-z\\[\\]=\"0-9. \n]{0,80}") {
        let _ = parse(&text).map(|config| config.check(None));
    }
}
