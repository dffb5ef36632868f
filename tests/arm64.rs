//! The packages for arm64 boards beside those for amd64: what is in them, what they need, what they dream (emulated).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// JetPack 6, Ubuntu 22.04.
const GLIBC: (u32, u32) = (2, 35);

/// One architecture's packages, unpacked together.
struct Unpacked(TempDir);

impl Unpacked {
    fn of(arch: &str) -> Unpacked {
        let folder = tempfile::tempdir().unwrap();
        for package in ["reverie", "reverie-onnxruntime"] {
            done(Command::new("dpkg-deb").arg("-x").arg(deb(package, arch)).arg(folder.path()));
        }
        Unpacked(folder)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// `reverie dream` of a photo that ships, begun by `runner`.
    fn dream(&self, mut runner: Command, layer: &str, steps: u32) -> image::RgbImage {
        let out = self.at("dream.png");
        runner
            .arg(self.at("usr/bin/reverie"))
            .args([
                "dream",
                "--size",
                "160x96",
                "--octaves",
                "2",
                "--steps",
                &steps.to_string(),
                "--seed",
                "7",
                "--layer",
                layer,
            ])
            .args(["--providers", "cpu", "--onnxruntime"])
            .arg(self.at("usr/lib/reverie/libonnxruntime.so"))
            .arg("--packs")
            .arg(self.at("usr/share/reverie/models"))
            .arg(self.at("usr/share/reverie/photos/coffee.jpg"))
            .arg(&out);
        done(&mut runner);
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("arm64");
        fs::create_dir_all(&kept).unwrap();
        let arch = if runner.get_program() == "env" { "amd64" } else { "arm64" };
        fs::copy(&out, kept.join(format!("{layer}-{steps}-{arch}.png"))).unwrap();
        image::open(out).unwrap().into_rgb8()
    }
}

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The package that `deploy/package` built.
fn deb(package: &str, arch: &str) -> PathBuf {
    let name = format!("{package}_{}-1_{arch}.deb", env!("CARGO_PKG_VERSION"));
    let path = checkout().join("target/package").join(name);
    assert!(path.exists(), "{} is missing: `make deb deb-arm64` builds it", path.display());
    path
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn said(command: &mut Command) -> String {
    String::from_utf8(done(command).stdout).unwrap()
}

#[test]
fn both_architectures_get_the_same_files_and_words() {
    for package in ["reverie", "reverie-onnxruntime"] {
        let [amd64, arm64] = ["amd64", "arm64"].map(|arch| {
            let deb = deb(package, arch);
            let files: BTreeSet<String> = said(Command::new("dpkg-deb").arg("-c").arg(&deb))
                .lines()
                .map(|line| {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    format!("{} {} {}", words[0], words[1], words[5..].join(" "))
                })
                .collect();
            let words = said(Command::new("dpkg-deb").arg("-f").arg(&deb).args([
                "Package",
                "Version",
                "Depends",
                "Recommends",
            ]));
            assert_eq!(said(Command::new("dpkg-deb").arg("-f").arg(&deb).arg("Architecture")).trim(), arch);
            (files, words)
        });
        assert_eq!(amd64, arm64, "{package}");
    }
}

#[test]
fn programs_and_library_run_on_the_oldest_system_meant() {
    let arm64 = Unpacked::of("arm64");
    for file in ["usr/bin/reverie", "usr/lib/reverie/libonnxruntime.so"] {
        let path = arm64.at(file);
        assert!(said(Command::new("readelf").arg("-h").arg(&path)).contains("AArch64"), "{file}");
        let versions = said(Command::new("readelf").args(["-W", "--version-info"]).arg(&path));
        let needed = versions.split("GLIBC_").skip(1).filter_map(|rest| {
            let version = rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
            let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
            Some((parts.next()?, parts.next()?))
        });
        let most = needed.max().expect("it needs glibc");
        eprintln!("{file}: glibc {}.{}", most.0, most.1);
        assert!(most <= GLIBC, "{file} needs glibc {most:?}");
    }
}

/// One ascent at each octave is the same but for the last digits of sums that are made in another order: of ten thousand
/// values so many differ, and by one level of 255. More ascents carry that on, where a neuron just wakes on one and not on the other:
/// then the two are as near as this on average, in levels.
const FEW: usize = 100;
const NEAR: f64 = 2.0;

#[test]
fn it_dreams_the_same_on_both() {
    let (amd64, arm64) = (Unpacked::of("amd64"), Unpacked::of("arm64"));
    for (layer, steps) in [("f12", 1), ("b9", 1), ("f12", 3), ("b9", 3)] {
        let native = amd64.dream(Command::new("env"), layer, steps);
        let mut emulator = Command::new(checkout().join("deploy/cross"));
        emulator.arg("run");
        let emulated = arm64.dream(emulator, layer, steps);
        assert_eq!(native.dimensions(), emulated.dimensions());
        let apart: Vec<u8> = native.iter().zip(emulated.iter()).map(|(a, b)| a.abs_diff(*b)).collect();
        let most = apart.iter().max().copied().unwrap_or(0);
        let many = apart.iter().filter(|&&by| by > 0).count() * 10_000 / apart.len();
        let mean = apart.iter().map(|&by| f64::from(by)).sum::<f64>() / apart.len() as f64;
        eprintln!("{layer}, {steps} steps: {many} of 10000 values differ, by {most} at most and {mean:.3} on average");
        match steps {
            1 => assert!(most <= 1 && many <= FEW, "{layer}: {many} of 10000 values differ, by {most} at most"),
            _ => assert!(mean <= NEAR, "{layer}: they differ by {mean:.3} on average"),
        }
    }
}
