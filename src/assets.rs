//! Where what ships with the program lies: installed, or in a checkout.

use std::path::{Path, PathBuf};

const INSTALLED: [&str; 2] = ["/usr/share/reverie", "/usr/local/share/reverie"];

/// Folders of graph packs to use when nobody names any: the first place that has them.
pub fn pack_folders() -> Vec<PathBuf> {
    match first("models", "models") {
        Some(folder) => vec![folder],
        // To be named in the error that there are none.
        None => INSTALLED.iter().map(|place| Path::new(place).join("models")).collect(),
    }
}

/// The photos that ship.
pub fn photo_folder() -> Option<PathBuf> {
    first("photos", "deploy/photos")
}

fn first(installed: &str, in_checkout: &str) -> Option<PathBuf> {
    let installed = INSTALLED.iter().map(|place| Path::new(place).join(installed));
    let beside = checkout().map(|checkout| checkout.join(in_checkout));
    installed.chain(beside).find(|folder| holds_something(folder))
}

/// The checkout that the program was built in (`target/release/reverie` lies three below it), or that cargo runs it for. Never the current folder:
/// that may be anybody's, and libraries are loaded from here.
pub fn checkout() -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().skip(1).take(5).map(Path::to_owned);
    let by_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    above.chain(by_cargo).find(|folder| folder.join("Cargo.toml").exists())
}

fn holds_something(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}
