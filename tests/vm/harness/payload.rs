//! The payload, a disk with what is tested: the program, ONNX Runtime, a pack small enough to dream under emulation.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use image::RgbImage;
use reverie::export::{About, Attribute, Gradients, LayerRequest, Network, Node, Options, Tensor};

use super::super::{fuse, picture};
use super::{on_host, run_on_host};

/// The disk: an ext4 file system with
///
/// ```text
/// reverie           the program; /usr/bin/reverie links here
/// lib/              libonnxruntime.so; /usr/lib/reverie
/// share/models/     the pack; /usr/share/reverie
/// share/photos/     ramp.png, the picture of `picture::ramp`
/// systemd/          the unit that ships, and its files
/// packages/         the Debian packages, and in packages/old an older build of them, where `deploy/package` was run
/// ```
pub fn disk() -> &'static Path {
    static DISK: LazyLock<PathBuf> = LazyLock::new(build);
    &DISK
}

fn build() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder below target/tmp");
    let tree = folder.path().join("tree");
    let copy = |from: &Path, to: &str| {
        let to = tree.join(to);
        fs::create_dir_all(to.parent().unwrap_or(&to)).expect("a folder of the payload");
        fs::copy(from, &to).unwrap_or_else(|e| panic!("{} into the payload: {e}", from.display()));
    };
    copy(Path::new(env!("CARGO_BIN_EXE_reverie")), "reverie");
    for file in ["reverie.service", "reverie.service.d/10-devices.conf", "sysusers.conf", "udev.rules"] {
        copy(&checkout.join("systemd").join(file), &format!("systemd/{file}"));
    }
    let (library, _) = reverie::runtime::search_order(None)
        .into_iter()
        .find(|(path, _)| path.is_file())
        .expect("ONNX Runtime: `deploy/fetch-onnxruntime` fetches it");
    copy(&library, "lib/libonnxruntime.so");
    packages(&checkout.join("target/package"), &tree.join("packages"));
    export_pack(&tree.join("share/models/tiny"));
    let photo: RgbImage = picture::ramp();
    fs::create_dir_all(tree.join("share/photos")).expect("a folder of the payload");
    photo.save(tree.join("share/photos/ramp.png")).expect("writing the photo");

    let disk = folder.path().join("payload.ext4");
    let room = size_of(&tree) * 11 / 10 + (16 << 20);
    run_on_host(
        on_host("mkfs.ext4")
            .args(["-q", "-F", "-O", "^has_journal", "-m", "0", "-d"])
            .args([&tree, &disk])
            .arg(format!("{}k", room >> 10)),
    );
    // Always under the same name, so that only the last one is left behind; QEMU keeps open what it opened.
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm-payload.ext4");
    fs::rename(&disk, &kept).expect("moving the payload");
    kept
}

/// Copies the packages, and makes of each an older build with another configuration file. Both uncompressed: the guest would unpack for minutes.
fn packages(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("old")).expect("a folder of the payload");
    let unpacked = to.join("old").join("unpacked");
    let unpack =
        |package: &Path| run_on_host(Command::new("dpkg-deb").arg("--raw-extract").args([package, &*unpacked]));
    let pack = |package: &Path| {
        run_on_host(Command::new("dpkg-deb").args(["-Znone", "--build"]).args([&*unpacked, package]));
        fs::remove_dir_all(&unpacked).expect("removing what was unpacked");
    };
    let built = fs::read_dir(from).into_iter().flatten().flatten().map(|entry| entry.path());
    for package in built.filter(|path| path.extension().is_some_and(|extension| extension == "deb")) {
        let name = package.file_name().expect("a file");
        unpack(&package);
        let control = unpacked.join("DEBIAN/control");
        let text = fs::read_to_string(&control).expect("a control file");
        fs::write(&control, text.replace("\nVersion: ", "\nVersion: 0.0~")).expect("writing the control file");
        let config = unpacked.join("etc/reverie/reverie.toml");
        if let Ok(text) = fs::read_to_string(&config) {
            fs::write(&config, format!("# Of an older build.\n{text}")).expect("writing the configuration");
        }
        pack(&to.join("old").join(name));
        unpack(&package);
        pack(&to.join(name));
    }
}

fn size_of(path: &Path) -> u64 {
    let meta = fs::metadata(path).expect("a file of the payload");
    if meta.is_file() {
        return meta.size();
    }
    fs::read_dir(path).expect("a folder of the payload").flatten().map(|entry| 4096 + size_of(&entry.path())).sum()
}

/// Exports a network of two convolutions, of 3 to 8 and 8 to 8 channels, with the layer `edges` after both. It fails from a `step` of [`fuse::BLOWS_AT`] on.
fn export_pack(out: &Path) {
    let mut random = fastrand::Rng::with_seed(1);
    let mut constants = HashMap::new();
    let mut nodes = Vec::new();
    let mut from = "image".to_owned();
    for (index, (inputs, outputs, stride)) in [(3, 8, 2), (8, 8, 1)].into_iter().enumerate() {
        let (weights, maps, layer) = (format!("weights_{index}"), format!("maps_{index}"), format!("layer_{index}"));
        let values = (0..outputs * inputs * 9).map(|_| random.f32() - 0.5).collect();
        constants.insert(weights.clone(), Arc::new(Tensor::floats(&[outputs, inputs, 3, 3], values)));
        let attributes = [("pads", vec![1, 1, 1, 1]), ("strides", vec![stride, stride])];
        nodes.push(Node {
            name: format!("conv {index}"),
            operator: "Conv".to_owned(),
            inputs: vec![from, weights],
            outputs: vec![maps.clone()],
            attributes: attributes.map(|(name, value)| (name.to_owned(), Attribute::Ints(value))).into(),
        });
        nodes.push(Node {
            name: format!("relu {index}"),
            operator: "Relu".to_owned(),
            inputs: vec![maps],
            outputs: vec![layer.clone()],
            attributes: HashMap::new(),
        });
        from = layer;
    }
    let layers = vec![LayerRequest { name: Some("edges".to_owned()), tensor: from.clone(), ..LayerRequest::default() }];
    let network =
        Network { nodes, constants, input: "image".to_owned(), outputs: vec![from], opset: 17, ..Network::default() };
    let about =
        About { name: Some("tiny".to_owned()), mean: Some([0.5; 3]), std: Some([0.5; 3]), layers, ..About::default() };
    let options =
        Options { out: out.to_owned(), about, gradients: Gradients::default(), show_gradient: false, replace: false };
    fs::create_dir_all(out.parent().unwrap_or(out)).expect("a folder of the payload");
    reverie::export::pack(&network, &options, |_| ()).expect("exporting the tiny pack");
    fuse::fit(out, "edges.onnx");
}
