//! The invariants of ARCHITECTURE.md that a test can hold: which room names what.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below `dir`, with its text.
fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Whether a line of code names the crate `name`: `report::` does not name `ort`, nor does `super::ort::`.
fn names(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line == format!("use {name};")
        || line
            .match_indices(&path)
            .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// File (below `src/`) and line of every mention of the crate `name` in code.
fn users(name: &str) -> Vec<(PathBuf, String)> {
    let mut users = Vec::new();
    for (file, text) in sources(&src()) {
        let room = file.strip_prefix(src()).unwrap();
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        users.extend(code.filter(|line| names(line, name)).map(|line| (room.to_owned(), line.to_owned())));
    }
    users
}

fn assert_only(name: &str, rooms: &[&str]) {
    let at_home = |file: &Path| rooms.iter().any(|room| file.starts_with(room));
    let strangers: Vec<_> = users(name).into_iter().filter(|(file, _)| !at_home(file)).collect();
    assert!(strangers.is_empty(), "`{name}` is named outside {rooms:?}: {strangers:#?}");
    assert!(!users(name).is_empty(), "nobody names `{name}`: is this test looking in the right place?");
}

#[test]
fn one_room_knows_each_outside_world() {
    assert_only("ort", &["runtime"]);
    assert_only("v4l", &["source/v4l2"]);
    assert_only("minifb", &["display"]);
    assert_only("drm", &["display"]);
    assert_only("drm_ffi", &["display"]);
    assert_only("rumqttc", &["remote"]);
    assert_only("axum", &["console"]);
    assert_only("hyper", &["console"]);
    assert_only("hyper_util", &["console"]);
    assert_only("prost", &["export"]);
    assert_only("jiff", &["director"]);
}

#[test]
fn the_pure_rooms_know_no_tokio_device_or_socket() {
    for stranger in ["tokio", "std::net", "std::os", "libc", "memmap2"] {
        for room in ["pixel", "flow", "compositor", "dream", "params", "pack", "export", "compose", "director"] {
            let found: Vec<_> = users(stranger).into_iter().filter(|(file, _)| file.starts_with(room)).collect();
            assert!(found.is_empty(), "{room}/ names `{stranger}`: {found:#?}");
        }
    }
}

#[test]
fn only_these_rooms_name_app_cli_and_config() {
    for (above, homes) in [
        ("crate::app", ["app", "cli"].as_slice()),
        ("crate::cli", &["cli"]),
        ("crate::config", &["app", "cli", "config"]),
        ("reverie", &["main.rs"]),
    ] {
        assert_only(above, homes);
    }
}

/// The rooms of ARCHITECTURE.md's code map, each with the number of its row.
fn code_map() -> Vec<(String, usize)> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Code map")).expect("a section `Code map`");
    let rows = section.lines().filter(|line| line.starts_with("| `")).enumerate();
    let places = rows.flat_map(|(row, line)| {
        let cell = line.split('|').nth(1).unwrap().to_owned();
        let names: Vec<String> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        names.into_iter().map(move |name| (name.trim_end_matches('/').trim_end_matches(".rs").to_owned(), row))
    });
    places.collect()
}

#[test]
fn rooms_know_only_those_above_them_in_the_code_map() {
    let map = code_map();
    let row = |room: &str| map.iter().find(|(name, _)| name == room).map(|(_, row)| *row);
    let mut rooms = Vec::new();
    for (file, text) in sources(&src()) {
        let place = file.strip_prefix(src()).unwrap().with_extension("");
        let room = place.iter().next().unwrap().to_str().unwrap().to_owned();
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let own = row(&room).unwrap_or_else(|| panic!("`{room}` is missing in the code map of ARCHITECTURE.md"));
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            for path in line.split("crate::").skip(1) {
                let group = path.strip_prefix('{').and_then(|rest| rest.split('}').next());
                for named in group.unwrap_or(path).split(',').take(group.map_or(1, str::len)) {
                    let end = |c: char| !c.is_alphanumeric() && c != '_';
                    let named = named.trim().split(end).next().unwrap_or_default();
                    let is_above = row(named).is_none_or(|other| other <= own);
                    assert!(is_above, "{} names `{named}`, which stands below it in the code map", file.display());
                }
            }
        }
        rooms.push(room);
    }
    for (name, _) in &map {
        assert!(rooms.contains(name), "the code map names `{name}`, which is not there");
    }
}

#[test]
fn flow_knows_nothing_of_dreams_and_the_compositor_nothing_of_networks() {
    for (room, strangers) in [
        ("flow", ["compositor", "dream", "params", "pixel"].as_slice()),
        ("compositor", &["dream", "params", "runtime", "pack"]),
    ] {
        for (file, text) in sources(&src().join(room)) {
            let named = strangers.iter().find(|stranger| text.contains(&format!("crate::{stranger}")));
            assert!(named.is_none(), "{} names {named:?}", file.display());
        }
    }
}

#[test]
fn the_exporter_has_no_import_circle() {
    // Each file may name those before it; in `rules/` each other too, but not the table that lists them.
    const ORDER: [&str; 22] = [
        "error",
        "names",
        "onnx",
        "model",
        "functions",
        "tensor",
        "weights",
        "network",
        "everywhere",
        "builder",
        "fold",
        "window",
        "sizes",
        "trace",
        "rules",
        "simplify",
        "walk",
        "tail",
        "led",
        "graph",
        "list",
        "pack",
    ];
    let export = src().join("export");
    for (file, text) in sources(&export) {
        let place = file.strip_prefix(&export).unwrap().with_extension("");
        let name = place.iter().next().unwrap().to_str().unwrap();
        let Some(rank) = ORDER.iter().position(|known| *known == name) else {
            assert_eq!(name, "mod", "{} has no place in the order", file.display());
            continue;
        };
        let is_rule = name == "rules" && !place.ends_with("mod");
        let code: Vec<&str> = text.lines().filter(|line| !line.trim().starts_with("//")).collect();
        let named = |path: &str| {
            code.iter().any(|line| line.split(path).skip(1).any(|rest| !rest.starts_with(char::is_alphanumeric)))
        };
        for later in &ORDER[rank + 1..] {
            let is_named = named(&format!("export::{later}")) || !is_rule && named(&format!("super::{later}"));
            assert!(!is_named, "{} names `{later}`", file.display());
        }
        if is_rule {
            for table in ["find", "passes_through", "supported", "copy_head"] {
                assert!(!named(&format!("super::{table}")), "{} names the table's `{table}`", file.display());
            }
        }
    }
}

#[test]
fn the_protocol_knows_neither_mqtt_nor_http_and_the_page_nothing_of_mqtt() {
    for (room, strangers) in [
        (
            "protocol",
            ["crate::remote", "remote", "crate::console", "console", "rumqttc", "axum", "hyper", "tokio", "std::net"]
                .as_slice(),
        ),
        ("console", &["crate::remote", "remote"]),
        ("remote", &["crate::console", "console"]),
    ] {
        for stranger in strangers {
            let found: Vec<_> = users(stranger).into_iter().filter(|(file, _)| file.starts_with(room)).collect();
            assert!(found.is_empty(), "{room}/ names `{stranger}`: {found:#?}");
        }
    }
}

#[test]
fn what_is_sent_is_read_without_knowing_who_sends_it() {
    for (room, strangers) in [("pixel_format", ["crate::source", "crate::y4m"].as_slice()), ("y4m", &["crate::source"])]
    {
        for stranger in strangers {
            let found: Vec<_> = users(stranger).into_iter().filter(|(file, _)| file.starts_with(room)).collect();
            assert!(found.is_empty(), "{room}/ names `{stranger}`: {found:#?}");
        }
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    for (file, text) in sources(&src()) {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let code = line.trim();
            if code.starts_with("//") || !(code.contains("unsafe {") || code.starts_with("unsafe impl")) {
                continue;
            }
            let near = &lines[i.saturating_sub(6)..=i];
            assert!(near.iter().any(|l| l.contains("SAFETY:")), "{}:{}: no SAFETY line", file.display(), i + 1);
        }
    }
}

#[test]
fn files_stay_small_enough_to_read() {
    for (file, text) in sources(&src()) {
        let lines = text.lines().count();
        assert!(text.contains("@generated") || lines <= 600, "{} has {lines} lines: split it", file.display());
    }
}
