//! The cache: what `tests/vm/build` made, and the machines' saved states.

use std::fs;
use std::path::{Path, PathBuf};

/// Its folder, `.cache/vm` or `$REVERIE_VM_CACHE`; canonical, so that checkouts that share it agree on its name.
pub fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/vm");
    let folder = std::env::var_os("REVERIE_VM_CACHE").map_or_else(beside, PathBuf::from);
    folder.canonicalize().unwrap_or(folder)
}

/// The folder of the part `name`: that name, and the hash of its recipe.
pub fn part(name: &str) -> PathBuf {
    let entries = fs::read_dir(folder()).into_iter().flatten().flatten();
    let mut found = entries.map(|entry| entry.path()).filter(|path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
    });
    found.next().unwrap_or_else(|| {
        panic!("there is no `{name}` in {}: `make test-vm` builds it (tests/vm/build)", folder().display())
    })
}
