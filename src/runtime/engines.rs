//! TensorRT's engines, kept on disk: each takes minutes to build, and is good for one graph, size, GPU and library alone.
//!
//! ```text
//! engines/mobilenet-v2-f12-640x360-fp16-3f9c…/    what TensorRT wrote, and `sound.json`: each file with its SHA-256
//! engines/timing-91b2…/                           measured kernel times, by which the next engine is built sooner
//! ```
//!
//! A folder is used where `sound.json` and the files agree; any other was left by a power cut, and is removed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Graph;
use crate::pack::{Layer, Manifest, hex_sha256};

/// Engines are tens of megabytes: so many are kept, the longest unused are removed.
const MAX_ENGINES: usize = 24;
/// The list of checksums.
const CHECKSUMS: &str = "sound.json";

/// Where engines are kept, and how they are built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engines {
    /// None: nothing is kept, and every start builds anew.
    pub folder: Option<PathBuf>,
    /// Computes with half the digits, about twice as fast.
    pub fp16: bool,
}

/// The places of one graph's engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub engine: PathBuf,
    pub timing: PathBuf,
}

impl Engines {
    /// Where the engine of `graph` is kept, built by ONNX Runtime `version`; none where none is.
    pub fn place(&self, graph: &Graph, version: &str) -> Option<Place> {
        self.place_of(&[(graph.manifest, graph.layer)], graph.size, "", version)
    }

    /// Where the engine of a whole frame of `layers` is kept, as [`Engines::place`].
    /// `model` is what it is composed to.
    pub fn frame_place(
        &self,
        layers: &[(&Manifest, &Layer)],
        size: (usize, usize),
        model: &[u8],
        version: &str,
    ) -> Option<Place> {
        self.place_of(layers, size, &hex_sha256(model), version)
    }

    /// `composed` is what the engine depends on besides; empty for a step.
    fn place_of(
        &self,
        layers: &[(&Manifest, &Layer)],
        (width, height): (usize, usize),
        composed: &str,
        version: &str,
    ) -> Option<Place> {
        let folder = self.folder.as_ref()?;
        let files: String =
            layers.iter().flat_map(|(manifest, _)| manifest.files.values()).map(String::as_str).collect();
        let machine = format!("{version} {}", this_machine());
        let key = hex_sha256(format!("{files} {composed} {machine}").as_bytes());
        let digits = if self.fp16 { "fp16" } else { "fp32" };
        let kind = if composed.is_empty() { "" } else { "frame-" };
        // The layer's own name may hold slashes, and `..`; its file is a plain name.
        let names: Option<Vec<String>> = layers
            .iter()
            .map(|(pack, layer)| {
                Some(format!("{}-{}", pack.name, Path::new(&layer.file).file_stem()?.to_string_lossy()))
            })
            .collect();
        Some(Place {
            engine: folder.join(format!("{}-{kind}{width}x{height}-{digits}-{}", names?.join("-"), &key[..12])),
            timing: folder.join(format!("timing-{}", &hex_sha256(machine.as_bytes())[..12])),
        })
    }
}

impl Place {
    /// Whether an intact engine is there; marks it as used now.
    pub fn is_built(&self) -> bool {
        let is_intact = is_intact(&self.engine);
        if is_intact && let Ok(file) = fs::File::options().write(true).open(self.engine.join(CHECKSUMS)) {
            let _ = file.set_modified(SystemTime::now());
        }
        is_intact
    }

    /// Makes the folders, and empties those that are not intact; true where the engine is there ([`Place::is_built`]).
    pub fn prepare(&self) -> io::Result<bool> {
        let is_built = self.is_built();
        for (folder, is_intact) in [(&self.engine, is_built), (&self.timing, is_intact(&self.timing))] {
            if !is_intact {
                remove(folder);
            }
            fs::create_dir_all(folder)?;
        }
        Ok(is_built)
    }

    /// Writes the checksums of what TensorRT wrote, and removes the longest unused engines.
    pub fn seal(&self) -> io::Result<()> {
        // Both change together or not at all, as far as a power cut is concerned: neither is trusted without its list.
        for folder in [&self.timing, &self.engine] {
            let list = list(folder)?;
            if !list.is_empty() {
                let draft = folder.join(".sound");
                fs::write(&draft, serde_json::to_vec_pretty(&list)?)?;
                fs::File::open(&draft)?.sync_all()?;
                fs::rename(&draft, folder.join(CHECKSUMS))?;
            }
        }
        self.engine.parent().map_or(Ok(()), remove_oldest)
    }

    /// Removes both.
    pub fn remove(&self) {
        remove(&self.engine);
        remove(&self.timing);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("cannot remove {}: {error}", folder.display());
    }
}

/// SHA-256 of each file but the list itself, once it is synced to disk.
fn list(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != CHECKSUMS && !name.starts_with('.') {
            fs::File::open(entry.path())?.sync_all()?;
            sums.insert(name, hex_sha256(&fs::read(entry.path())?));
        }
    }
    Ok(sums)
}

fn is_intact(folder: &Path) -> bool {
    let listed = fs::read(folder.join(CHECKSUMS)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    listed.is_some_and(|listed: BTreeMap<String, String>| list(folder).is_ok_and(|found| found == listed))
}

fn remove_oldest(engines: &Path) -> io::Result<()> {
    let mut kept: Vec<(SystemTime, PathBuf)> = fs::read_dir(engines)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with("timing-")))
        .map(|path| {
            let used = fs::metadata(path.join(CHECKSUMS)).and_then(|meta| meta.modified());
            (used.unwrap_or(SystemTime::UNIX_EPOCH), path)
        })
        .collect();
    kept.sort();
    let too_many = kept.len().saturating_sub(MAX_ENGINES);
    kept[..too_many].iter().for_each(|(_, path)| remove(path));
    Ok(())
}

/// Board, GPU and driver, as far as the system names them: engines of others are of no use.
fn this_machine() -> String {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let gpus = fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let mut models: Vec<String> = gpus
        .map(|gpu| read(&gpu.path().join("information")))
        .flat_map(|text| text.lines().filter(|line| line.starts_with("Model")).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    models.sort();
    let others = ["/proc/device-tree/model", "/etc/nv_tegra_release", "/proc/driver/nvidia/version"];
    models.extend(others.map(|file| read(Path::new(file))));
    models.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn place(folder: &TempDir, name: &str) -> Place {
        Place { engine: folder.path().join(name), timing: folder.path().join("timing-1") }
    }

    fn build(place: &Place, engine: &str) {
        place.prepare().unwrap();
        fs::write(place.engine.join("graph.engine"), engine).unwrap();
        fs::write(place.timing.join("cache.timing"), "times").unwrap();
        place.seal().unwrap();
    }

    #[test]
    fn the_engine_of_a_strangers_layer_stays_in_the_folder_of_engines() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mobilenet-v2");
        let manifest = Manifest::read(&shipped).unwrap();
        let folder = Path::new("/var/lib/reverie/engines");
        let engines = Engines { folder: Some(folder.to_owned()), fp16: false };
        for name in ["/../../../../home/me/x", "/features/12/Add"] {
            let layer = Layer { name: name.to_owned(), ..manifest.layers[0].clone() };
            let graph = Graph { folder: &shipped, manifest: &manifest, layer: &layer, size: (320, 180) };
            assert_eq!(engines.place(&graph, "1.31.1").unwrap().engine.parent(), Some(folder), "{name}");
        }
    }

    #[test]
    fn a_sealed_engine_is_kept_and_one_that_a_power_cut_left_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "one");
        assert!(!place.is_built());
        build(&place, "engine");
        assert!(place.is_built());
        place.prepare().unwrap();
        assert!(place.is_built(), "what is sound stays");

        for harm in [
            &|| fs::write(place.engine.join("graph.engine"), "engi").unwrap(),
            &|| fs::write(place.engine.join("another.engine"), "half").unwrap(),
            &|| fs::remove_file(place.engine.join("graph.engine")).unwrap(),
            &|| fs::remove_file(place.engine.join(CHECKSUMS)).unwrap(),
            &|| fs::write(place.engine.join(CHECKSUMS), "{").unwrap(),
        ] as [&dyn Fn(); 5]
        {
            harm();
            assert!(!place.is_built());
            place.prepare().unwrap();
            assert_eq!(fs::read_dir(&place.engine).unwrap().count(), 0, "emptied");
            assert_eq!(fs::read(place.timing.join("cache.timing")).unwrap(), b"times", "the other is sound");
            build(&place, "engine");
        }
        fs::write(place.timing.join("cache.timing"), "torn").unwrap();
        place.prepare().unwrap();
        assert!(place.is_built() && !place.timing.join("cache.timing").exists());
        place.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_longest_unused_engines_go() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MAX_ENGINES {
            let place = place(&folder, &format!("engine-{number}"));
            build(&place, "engine");
            let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            fs::File::options().write(true).open(place.engine.join(CHECKSUMS)).unwrap().set_modified(used).unwrap();
        }
        assert!(place(&folder, "engine-0").is_built(), "used now");
        build(&place(&folder, "new"), "engine");
        let is_kept = |name: &str| folder.path().join(name).exists();
        assert!(is_kept("new") && is_kept("engine-0") && is_kept("engine-2") && is_kept("timing-1"));
        assert!(!is_kept("engine-1"));
    }
}
