//! `reverie dream`, as it is typed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::scene::{packs, picture};

/// A small picture in `folder`.
pub fn photo(folder: &Path) -> PathBuf {
    let path = folder.join("photo.png");
    let frame = picture((180, 120));
    image::save_buffer(&path, &frame.pixels, 180, 120, image::ExtendedColorType::Rgb8).unwrap();
    path
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `reverie dream photo.png ARGS` in `folder`, on the CPU.
fn dream(folder: &Path, args: &[&str]) -> Output {
    photo(folder);
    Command::new(env!("CARGO_BIN_EXE_reverie"))
        .current_dir(folder)
        .args(["dream", "photo.png", "--providers", "cpu", "--packs"])
        .arg(packs())
        .args(args)
        .output()
        .unwrap()
}

fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = dream(folder, args);
    let told = text(&output.stderr);
    assert!(output.status.success(), "{args:?}: {told}");
    told
}

#[test]
fn a_still_is_rich_and_says_how_far_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let told = succeeds(folder.path(), &["out.png", "--layer", "mobilenet-v2/f12", "--seed", "1"]);
    assert!(told.starts_with("f12 at 180x120 on cpu: objective "), "{told}");
    let growth: f64 = told.split_once("(×").unwrap().1.split_once(')').unwrap().0.parse().unwrap();
    // Seeds 1 to 6 give 2.7 to 3.2.
    assert!(growth >= 2.5, "{told}");
    let out = image::open(folder.path().join("out.png")).unwrap();
    assert_eq!((out.width(), out.height()), (180, 120));
}

#[test]
fn a_seed_makes_it_repeatable_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let dreamed = |name: &str, seed: &str| {
        succeeds(folder.path(), &[name, "--seed", seed, "--steps", "3", "--octaves", "3", "--max-side", "128"]);
        std::fs::read(folder.path().join(name)).unwrap()
    };
    let first = dreamed("a.png", "7");
    assert_eq!(first, dreamed("b.png", "7"));
    assert_ne!(first, dreamed("c.png", "8"));
}

#[test]
fn sizes_and_formats_are_those_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let quick = ["--steps", "1", "--octaves", "1"];
    for (name, flags, size) in [("a.jpg", ["--size", "99x71"], (99, 71)), ("a.webp", ["--max-side", "90"], (90, 60))] {
        succeeds(folder.path(), &[&[name][..], &quick, &flags].concat());
        let out = image::open(folder.path().join(name)).unwrap();
        assert_eq!((out.width(), out.height()), size);
    }
}

#[test]
fn a_film_is_numbered_pictures_or_raw_frames() {
    let folder = tempfile::tempdir().unwrap();
    let quick = ["--frames", "3", "--steps", "1", "--octaves", "2", "--seed", "3", "--size", "64x48"];
    succeeds(folder.path(), &[&["film/"][..], &quick].concat());
    let mut names: Vec<_> = std::fs::read_dir(folder.path().join("film"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["0001.png", "0002.png", "0003.png"]);

    let output = dream(folder.path(), &[&["-o", "-"][..], &quick].concat());
    assert_eq!(output.stdout.len(), 3 * 64 * 48 * 3);
    for (number, raw) in output.stdout.chunks(64 * 48 * 3).enumerate() {
        let picture = image::open(folder.path().join("film").join(&names[number])).unwrap().into_rgb8();
        assert!(picture.as_raw() == raw, "frame {number} differs");
    }
}

#[test]
fn what_is_wrong_is_told_by_name_and_range() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.png"), "no picture").unwrap();
    let refused = |args: &[&str], told: &str| {
        let output = dream(folder.path(), args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(told), "{args:?}: {error}");
    };
    refused(&["out.png", "--layer", "mobilenet-v2/f99"], "--layer: no layer is called `mobilenet-v2/f99`");
    refused(&["out.png", "--octave-scale", "9"], "--octave-scale: 9 is not a number from 1.1 to 3");
    refused(&["out.png", "--neurons", "999"], "--neurons: channel 999 is outside layer");
    refused(&["out.png", "--size", "3x3"], "1280x720");
    refused(&["out.png", "--max-side", "20"], "at least 32 pixels");
    refused(&["out.png", "--providers", "gpu"], "tensorrt, cuda, cpu");
    refused(&["photo.png"], "would be overwritten");
    refused(&["out.bmp"], ".webp");
    refused(&["nowhere/out.png"], "there is no folder");
    refused(&["film.png", "--frames", "3"], "%04d");
    assert!(!folder.path().join("out.png").exists());

    for (input, told) in [("gone.png", "gone.png: it cannot be read"), ("text.png", "text.png: it is no JPEG")] {
        let output = Command::new(env!("CARGO_BIN_EXE_reverie"))
            .current_dir(folder.path())
            .args(["dream", input, "out.png", "--packs"])
            .arg(packs())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
}

/// A copy of the pack that ships, in `folder/pack`.
fn copied_pack(folder: &Path) -> PathBuf {
    let pack = folder.join("pack");
    std::fs::create_dir(&pack).unwrap();
    for entry in std::fs::read_dir(packs().join("mobilenet-v2")).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), pack.join(entry.file_name())).unwrap();
    }
    pack
}

/// What is told of a dream by the layer f3 of `folder/pack`, which fails.
fn refused_pack(folder: &Path) -> String {
    photo(folder);
    let output = Command::new(env!("CARGO_BIN_EXE_reverie"))
        .current_dir(folder)
        .args(["dream", "photo.png", "out.png", "--packs", "pack", "--layer", "f3", "--providers", "cpu"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    text(&output.stderr)
}

/// ONNX Runtime would find out at the first run, or read past an end.
#[test]
fn a_graph_of_another_shape_than_its_pack_says_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pack = copied_pack(folder.path());
    let toml = std::fs::read_to_string(pack.join("pack.toml")).unwrap();
    std::fs::write(pack.join("pack.toml"), toml.replace("channels = 24\n", "channels = 25\n")).unwrap();
    let error = refused_pack(folder.path());
    assert!(error.contains("f3.onnx") && error.contains("`neurons`"), "{error}");
}

#[test]
fn weights_that_were_cut_short_or_exchanged_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let weights = copied_pack(folder.path()).join("weights.bin");
    let whole = std::fs::read(&weights).unwrap();
    for wrong in [&whole[..whole.len() / 2], &vec![0; whole.len()]] {
        std::fs::write(&weights, wrong).unwrap();
        let error = refused_pack(folder.path());
        assert!(error.contains("weights.bin is damaged") && error.contains("copy the pack again"), "{error}");
    }
}

#[test]
fn the_bench_prints_a_row_for_each_way_to_dream_and_says_when_a_provider_is_not_there() {
    let bench = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_reverie")).args(["bench", "--packs"]).arg(packs()).args(args).output().unwrap()
    };
    let output = bench(&["--provider", "cpu", "--layers", "mobilenet-v2/f3", "--sizes", "64x64", "--seconds", "0.01"]);
    let (told, table) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{told}");
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split('|').map(str::trim).collect()).collect();
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{table}");
    let [steps, frame] = [("steps, fp32", "4"), ("a frame, fp32", "1")].map(|(how, runs)| {
        let row = rows.iter().find(|row| row[3] == how).unwrap_or_else(|| panic!("no {how} in {table}"));
        assert_eq!((row[1], row[2], row[7]), ("mobilenet-v2/f3", "64x64", runs), "{table}");
        row
    });
    let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("{text} in {table}"));
    assert!(number(frame[8]) < number(steps[8]), "{table}");
    let alike: Vec<f64> = frame[10].split(", ").map(number).collect();
    assert!(alike.iter().all(|alike| (alike - 1.0).abs() < 0.1), "{table}");

    for (args, code, told) in [
        (&["--layers", "f99"][..], 2, "f99"),
        (&["--sizes", "320x192,0x0"], 2, "0x0 is not a size from 64x64 to 4096x4096"),
        (&["--seconds", "0"], 2, "a number from 0.01 to 600"),
        (&["--provider", "gpu"], 2, "tensorrt, cuda, cpu"),
    ] {
        let output = bench(args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(told), "{args:?}: {stderr}");
    }
}

#[test]
fn the_atlas_has_a_cell_for_each_group_and_channel_or_word() {
    let folder = tempfile::tempdir().unwrap();
    let atlas = |pack: &std::path::Path, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
        command.arg("atlas").arg(pack).args(args).current_dir(folder.path()).output().unwrap()
    };
    let pack = packs().join("mobilenet-v2");
    let output = atlas(&pack, &["--layers", "f3,f6", "--groups", "--sheet", "sheet.png"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let manifest = reverie::pack::Manifest::read(&pack).unwrap();
    for layer in manifest.layers.iter().filter(|layer| ["f3", "f6"].contains(&layer.name.as_str())) {
        let file = folder.path().join(format!("sheet-{}.png", layer.name));
        assert_eq!(file.exists(), !layer.groups.is_empty(), "{}", layer.name);
        if let Ok(sheet) = image::open(&file) {
            let cells = layer.groups.len() as u32;
            assert_eq!(
                (sheet.width(), sheet.height()),
                (128 * cells.min(12), 128 * cells.div_ceil(12)),
                "{}",
                layer.name
            );
            let colours: std::collections::HashSet<_> = sheet.to_rgb8().pixels().copied().collect();
            assert!(colours.len() > 1000, "{}: nothing was dreamed", layer.name);
        }
    }
    for (args, told) in [
        (&["--layers", "f99"][..], "no layer is called `f99`"),
        (&["--layers", "f14", "--groups"], "none of these layers has a named group"),
    ] {
        let output = atlas(&pack, &[args, &["--sheet", "sheet.png"]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(told), "{args:?}: {}", text(&output.stderr));
    }
    let nowhere = atlas(std::path::Path::new("nowhere"), &["--sheet", "sheet.png"]);
    assert!(nowhere.status.code() == Some(2) && text(&nowhere.stderr).contains("no pack is called `nowhere`"));
}
