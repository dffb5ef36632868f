//! Files that are written whole: power is cut without warning.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// The file called as `file`, and `end` after it.
pub fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// As chmod takes it.
    pub mode: u32,
    /// The group it is given to; none: the writer's.
    pub group: Option<u32>,
}

impl Rights {
    /// Its owner reads and writes it, and nobody else.
    pub const OWN: Rights = Rights { mode: 0o600, group: None };
    /// All may read it.
    pub const ALL: Rights = Rights { mode: 0o644, group: None };
}

/// Writes `content` into `file`, with these rights from the first byte on, so that a power cut leaves the old file or the new one, never half of one. The old one is kept
/// with `older` after its name, where that is said; a cut may then leave that alone.
pub fn write_whole(file: &Path, content: &[u8], rights: Rights, older: Option<&str>) -> io::Result<()> {
    let draft = beside(file, ".new");
    // What a cut left.
    let _ = fs::remove_file(&draft);
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    if rights.group.is_some() {
        // Not for nothing: the service may not even ask.
        fchown(&out, None, rights.group)?;
    }
    out.set_permissions(fs::Permissions::from_mode(rights.mode))?;
    out.write_all(content)?;
    out.sync_all()?;
    drop(out);
    if let Some(older) = older {
        match fs::rename(file, beside(file, older)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(&draft, file)?;
    sync_folder(file)
}

/// The system's groups: their names and numbers.
pub fn groups() -> Vec<(String, u32)> {
    let text = fs::read_to_string("/etc/group").unwrap_or_default();
    let group = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(group).collect()
}

/// Has the name of `file` outlast a power cut.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_its_own_and_the_one_before_is_kept_where_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.key");
        // What a cut left of an earlier writing, readable by all.
        fs::write(beside(&file, ".new"), "half").unwrap();
        write_whole(&file, b"first", Rights::OWN, Some(".old")).unwrap();
        write_whole(&file, b"second", Rights::OWN, Some(".old")).unwrap();
        let read = |path: PathBuf| {
            (fs::read_to_string(&path).unwrap(), fs::metadata(path).unwrap().permissions().mode() & 0o777)
        };
        assert_eq!(read(file.clone()), ("second".to_owned(), 0o600));
        assert_eq!(read(beside(&file, ".old")), ("first".to_owned(), 0o600));
        write_whole(&file, b"third", Rights::ALL, None).unwrap();
        assert_eq!(read(file.clone()), ("third".to_owned(), 0o644));
        assert_eq!(read(beside(&file, ".old")).0, "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(write_whole(&folder.path().join("no/file"), b"", Rights::ALL, None).is_err());
    }
}
