//! All installed packs together, and how a layer is found by name.

use std::path::{Path, PathBuf};

use super::{Layer, Manifest, PackError};
use crate::guides::Guides;
use crate::text::excerpt;

/// Every pack found in the folders searched, in order of name.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    packs: Vec<(PathBuf, Manifest)>,
    guides: Guides,
}

impl Catalogue {
    /// Reads every pack in `folders`: a folder that is itself a pack, or holds packs. A folder that does
    /// not exist holds none; a pack that cannot be read is an error, for it would be missed silently.
    pub fn read(folders: &[PathBuf]) -> Result<Catalogue, PackError> {
        let mut catalogue = Catalogue::default();
        for folder in folders {
            if folder.join("pack.toml").exists() {
                catalogue.add(folder)?;
                continue;
            }
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for entry in entries.flatten().filter(|e| e.path().join("pack.toml").exists()) {
                catalogue.add(&entry.path())?;
            }
        }
        if catalogue.packs.is_empty() {
            let searched = folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
            return Err(PackError::NoPacks { searched });
        }
        catalogue.packs.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        Ok(catalogue)
    }

    fn add(&mut self, dir: &Path) -> Result<(), PackError> {
        let manifest = Manifest::read(dir)?;
        match self.packs.iter().find(|(_, other)| other.name == manifest.name) {
            Some((first, _)) if same_folder(first, dir) => {}
            Some((first, _)) => {
                return Err(PackError::SameName { name: manifest.name, first: first.clone(), second: dir.to_owned() });
            }
            None => self.packs.push((dir.to_owned(), manifest)),
        }
        Ok(())
    }

    /// A catalogue of manifests that have no files: for tests and for printing reference pages.
    pub fn of(manifests: Vec<Manifest>) -> Catalogue {
        Catalogue { packs: manifests.into_iter().map(|m| (PathBuf::new(), m)).collect(), guides: Guides::default() }
    }

    /// The same, whose layers can be led by `guides`.
    pub fn with_guides(self, guides: Guides) -> Catalogue {
        Catalogue { guides, ..self }
    }

    /// The pictures that a layer can be led by.
    pub fn guides(&self) -> &Guides {
        &self.guides
    }

    /// Folder and manifest of each pack.
    pub fn packs(&self) -> impl Iterator<Item = (&Path, &Manifest)> {
        self.packs.iter().map(|(dir, manifest)| (dir.as_path(), manifest))
    }

    /// The packs whose files have the hashes that pack.toml states, and what is wrong with the others.
    pub fn verified(self) -> (Catalogue, Vec<PackError>) {
        let mut faults = Vec::new();
        let mut packs = self.packs;
        packs.retain(|(dir, manifest)| manifest.verify(dir).map_err(|fault| faults.push(fault)).is_ok());
        (Catalogue { packs, guides: self.guides }, faults)
    }

    /// Every layer's shortest name: `layer` where that is unique, else `pack/layer`.
    pub fn layer_names(&self) -> Vec<String> {
        self.layers().map(|(_, manifest, layer)| self.short_name(manifest, layer)).collect()
    }

    /// The layer called `name`, which is `layer` where that is unique, or `pack/layer`.
    pub fn layer(&self, name: &str) -> Result<(&Path, &Manifest, &Layer), PackError> {
        let matches: Vec<_> =
            self.layers().filter(|(_, m, l)| l.name == name || format!("{}/{}", m.name, l.name) == name).collect();
        match matches.as_slice() {
            [one] => Ok(*one),
            [] => Err(self.unknown_layer(name)),
            several => Err(PackError::AmbiguousLayer {
                name: name.to_owned(),
                choices: several
                    .iter()
                    .map(|(_, m, l)| format!("`{}/{}`", m.name, l.name))
                    .collect::<Vec<_>>()
                    .join(" or "),
            }),
        }
    }

    /// The layer to dream when nobody chose one: that of `mobilenet-v2` where it is installed, else of the first pack.
    pub fn default_layer(&self) -> Option<String> {
        let (_, manifest) = self.packs().find(|(_, m)| m.name == "mobilenet-v2").or_else(|| self.packs().next())?;
        let layer = manifest.layers.iter().find(|l| l.name == manifest.default_layer)?;
        Some(self.short_name(manifest, layer))
    }

    /// The pack that recognises, which has a classifier and names for its classes: that of the layer dreamed when nobody chose one where it does, else the first.
    pub fn recogniser(&self) -> Option<(&Path, &Manifest)> {
        let recognises = |(_, manifest): &(&Path, &Manifest)| manifest.recognise.is_some() && manifest.labels.is_some();
        let default = self.default_layer().and_then(|layer| self.layer(&layer).ok());
        default.map(|(dir, manifest, _)| (dir, manifest)).into_iter().chain(self.packs()).find(recognises)
    }

    fn layers(&self) -> impl Iterator<Item = (&Path, &Manifest, &Layer)> {
        self.packs().flat_map(|(dir, manifest)| manifest.layers.iter().map(move |layer| (dir, manifest, layer)))
    }

    pub(crate) fn short_name(&self, manifest: &Manifest, layer: &Layer) -> String {
        if self.layers().filter(|(_, _, l)| l.name == layer.name).count() == 1 {
            layer.name.clone()
        } else {
            format!("{}/{}", manifest.name, layer.name)
        }
    }

    fn unknown_layer(&self, name: &str) -> PackError {
        let known = self.layer_names();
        let nearest = crate::nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        PackError::UnknownLayer { name: excerpt(name), nearest, known: known.join(", ") }
    }
}

fn same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
