//! Files that are written whole: power is cut without warning.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// The longest name of a file, bytes: Linux' NAME_MAX.
const MAX_NAME: usize = 255;

/// The file called as `file`, and `end` after it.
pub fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// As chmod takes it; none: what the writer's umask leaves of 0666.
    pub mode: Option<u32>,
    /// The group it is given to; none: the writer's.
    pub group: Option<u32>,
}

impl Rights {
    /// Its owner reads and writes it, and nobody else.
    pub const OWN: Rights = Rights { mode: Some(0o600), group: None };
    /// All may read it.
    pub const ALL: Rights = Rights { mode: Some(0o644), group: None };
    /// As for any other file that the writer makes.
    pub const UMASK: Rights = Rights { mode: None, group: None };
}

/// Writes `content` into `file`, with these rights from the first byte on, so that a power cut leaves the old file or the new one, never half of one.
/// With a `backup` suffix the old one is kept beside it, under its name with that suffix; a cut may then leave the backup alone.
///
/// # Errors
/// It cannot be written; what was there stays.
pub fn write_whole(file: &Path, content: &[u8], rights: Rights, backup: Option<&str>) -> io::Result<()> {
    let draft = draft_of(file);
    // Left by a power cut.
    let _ = fs::remove_file(&draft);
    let written = write_draft(&draft, content, rights)
        .and_then(|()| backup.map_or(Ok(()), |suffix| keep_backup(file, suffix)))
        .and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.and_then(|()| sync_folder(file))
}

fn keep_backup(file: &Path, suffix: &str) -> io::Result<()> {
    match fs::rename(file, beside(file, suffix)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

/// Beside `file`, so that renaming it is one step; of a short name where a longer one than `file`'s is not allowed.
fn draft_of(file: &Path) -> PathBuf {
    let draft = beside(file, ".new");
    match draft.file_name() {
        Some(name) if name.len() > MAX_NAME => file.with_file_name(".reverie.new"),
        _ => draft,
    }
}

fn write_draft(draft: &Path, content: &[u8], rights: Rights) -> io::Result<()> {
    let mode = if rights.mode.is_some() { 0o600 } else { 0o666 };
    let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    if rights.group.is_some() {
        // Not without need: the service may not even ask.
        fchown(&out, None, rights.group)?;
    }
    if let Some(mode) = rights.mode {
        out.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    out.write_all(content)?;
    out.sync_all()
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

/// Has the name of `file` outlast a power cut, where its file system can: some shared ones sync no folders, and one that may be written need not be readable.
fn sync_folder(file: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_with_its_rights_and_a_backup_where_asked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.key");
        // Left by a power cut, readable by all.
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
        // As `touch` would make it, under any umask.
        File::create(folder.path().join("plain")).unwrap();
        write_whole(&file, b"fourth", Rights::UMASK, None).unwrap();
        assert_eq!(read(file.clone()), ("fourth".to_owned(), read(folder.path().join("plain")).1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(write_whole(&folder.path().join("no/file"), b"", Rights::ALL, None).is_err());
        // Nothing is left of what could not take its place.
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write_whole(&folder.path().join("taken"), b"", Rights::ALL, None).is_err());
        assert!(!beside(&folder.path().join("taken"), ".new").exists());
    }
}
