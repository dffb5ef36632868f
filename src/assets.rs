//! Where the files that ship with the program are: installed, or in a checkout.

use std::path::{Path, PathBuf};

const INSTALL_FOLDERS: [&str; 2] = ["/usr/share/reverie", "/usr/local/share/reverie"];

/// Default folders of graph packs: the first place that has any; the installed ones where none has.
pub fn pack_folders() -> Vec<PathBuf> {
    match first("models", "models") {
        Some(folder) => vec![folder],
        // The error that there are none names them.
        None => INSTALL_FOLDERS.iter().map(|folder| Path::new(folder).join("models")).collect(),
    }
}

/// The folder of the photos that ship.
pub fn photo_folder() -> Option<PathBuf> {
    first("photos", "deploy/photos")
}

/// The folder of the pictures of scenes that ship.
pub fn scene_pictures() -> Option<PathBuf> {
    first("scenes", "deploy/pictures/scenes")
}

fn first(installed: &str, in_checkout: &str) -> Option<PathBuf> {
    let installed = INSTALL_FOLDERS.iter().map(|folder| Path::new(folder).join(installed));
    let beside = checkout().map(|checkout| checkout.join(in_checkout));
    installed.chain(beside).find(|folder| has_entries(folder))
}

/// The checkout that the program was built in (`target/release/reverie` lies three below it), or that cargo runs it for. Never the current folder:
/// it may be anybody's, and libraries are loaded from here.
pub fn checkout() -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().skip(1).take(5).map(Path::to_owned);
    let by_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    above.chain(by_cargo).find(|folder| folder.join("Cargo.toml").exists())
}

fn has_entries(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}
