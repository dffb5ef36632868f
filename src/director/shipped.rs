//! The scenes that ship: `scenes.toml`, which is built into the program.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::scenes::{self, Scenes};
use crate::pack::Catalogue;

const TEXT: &str = include_str!("scenes.toml");
static FILE: LazyLock<File> = LazyLock::new(|| toml::from_str(TEXT).expect("a test reads this file"));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What is part of each that does not say otherwise.
    every: Map<String, Json>,
    scene: BTreeMap<String, Shipped>,
}

#[derive(Deserialize)]
struct Shipped {
    /// A line for people.
    about: String,
    #[serde(flatten)]
    look: Map<String, Json>,
}

/// What is to be seen in the scene that ships under this name, in a line; none where there is none.
pub fn about(name: &str) -> Option<&'static str> {
    FILE.scene.get(name).map(|scene| scene.about.as_str())
}

/// The file of its picture, as `deploy/pictures/make-scenes` names it.
pub fn picture(name: &str) -> String {
    format!("{}.jpg", name.replace(' ', "-").to_lowercase())
}

/// Those of which the layers are installed.
pub fn scenes(catalogue: &Catalogue) -> Scenes {
    let whole = FILE.scene.iter().map(|(name, Shipped { look, .. })| {
        let mut whole = FILE.every.clone();
        whole.extend(look.clone());
        (name.clone(), whole)
    });
    whole.filter(|(_, scene)| scenes::check(scene, catalogue).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_scene_that_ships_can_be_shown_with_the_packs_that_ship_and_none_without() {
        let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let shown = scenes(&Catalogue::read(&[packs]).unwrap());
        for (name, scene) in &FILE.scene {
            scenes::check_name(name).unwrap();
            assert!(shown.contains_key(name), "{name} is wrong, or names what does not ship");
            let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/pictures/scenes").join(picture(name));
            assert!(picture.is_file(), "{} is not there: deploy/pictures/make-scenes", picture.display());
            assert!(scene.about.ends_with('.') && scene.about.len() < 80, "{name}: {}", scene.about);
        }
        assert!(shown.len() >= 16);
        assert!(scenes(&Catalogue::of(Vec::new())).is_empty());
    }
}
