//! The atlas of a pack: what its neurons dream of, as thumbnails, and what these look like to a classifier.
//!
//! It lies in the pack's folder beside the graphs, made by `reverie atlas PACK`. A pack works without one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::{PackError, is_plain_name, read_text};

/// The index, in the pack's folder.
const INDEX: &str = "atlas.toml";
/// How many numbers a likeness is.
pub const LIKENESS: usize = 24;
/// The largest side of a thumbnail, the most of them in a row, and the most of a layer, that are believed.
const MAX_SIDE: usize = 512;
const MAX_ACROSS: usize = 256;
const MAX_TILES: usize = 20_000;

/// What `atlas.toml` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Atlas {
    /// Side of a thumbnail, pixels.
    pub side: usize,
    /// Thumbnails of a row.
    pub across: usize,
    /// The layers that are in it.
    #[serde(default, rename = "layer")]
    pub layers: Vec<LayerAtlas>,
}

/// The thumbnails of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerAtlas {
    /// The layer's name.
    pub name: String,
    /// A JPEG picture with all of them, in the pack's folder.
    pub file: String,
    /// What each shows, as the parameter `neurons` takes it, row by row.
    pub tiles: Vec<String>,
    /// What those look like that have a name, as a direction among [`LIKENESS`] axes. The axes are the same for all packs that one classifier looked at.
    #[serde(default)]
    pub likeness: BTreeMap<String, Vec<i8>>,
}

impl Atlas {
    /// Reads that of the pack in `dir`, where it has one.
    ///
    /// # Errors
    /// There is one that cannot be used.
    pub fn read(dir: &Path) -> Result<Option<Atlas>, PackError> {
        let path = dir.join(INDEX);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path)?;
        let wrong = |message: String| PackError::Manifest { path: path.clone(), message };
        let atlas: Atlas = toml::from_str(&text).map_err(|e| wrong(e.to_string().trim_end().to_owned()))?;
        atlas.check().map_err(wrong)?;
        Ok(Some(atlas))
    }

    fn check(&self) -> Result<(), String> {
        if !(1..=MAX_SIDE).contains(&self.side) || !(1..=MAX_ACROSS).contains(&self.across) {
            return Err(format!("side is 1 to {MAX_SIDE} and across 1 to {MAX_ACROSS}"));
        }
        for layer in &self.layers {
            let name = &layer.name;
            if !is_plain_name(&layer.file) {
                return Err(format!("layer `{name}`: `{}` is not a plain file name", layer.file));
            }
            if layer.tiles.len() > MAX_TILES || layer.likeness.len() > MAX_TILES {
                return Err(format!("layer `{name}`: there are more than {MAX_TILES} tiles"));
            }
            if layer.likeness.values().any(|axes| axes.len() != LIKENESS) {
                return Err(format!("layer `{name}`: a likeness is {LIKENESS} numbers"));
            }
        }
        Ok(())
    }

    /// That of the layer called `name`.
    pub fn layer(&self, name: &str) -> Option<&LayerAtlas> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// The path of the index of the pack in `dir`.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(INDEX)
    }

    /// The text of the index.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("an atlas is plain tables, strings and numbers")
    }
}
