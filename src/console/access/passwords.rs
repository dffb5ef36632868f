//! The passwords, of which only argon2 hashes are kept.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Digest, Role, digest};
use crate::files::{Rights, write_whole};

/// Beside the state file.
pub const FILE: &str = "access.json";
/// Characters of a password: fewer are guessed, and more are a mistake.
pub const MIN_PASSWORD: usize = 8;
pub const MAX_PASSWORD: usize = 256;
/// A file of two hashes is smaller, bytes.
const MAX_FILE: u64 = 4096;

/// A hash for each role; none: nobody gets in by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Passwords {
    pub director: Option<String>,
    pub viewer: Option<String>,
}

/// Why a password cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")]
    Length,
    #[error("the directors' password can be changed, not taken away")]
    Needed,
    #[error("set the directors' password first: without it viewers would be everybody there is")]
    DirectorFirst,
    #[error("the other role has this password already: who logs in is told apart by it")]
    Same,
    #[error("the passwords are set in the configuration, or there is no folder to keep them in")]
    Configured,
    #[error("it cannot be hashed")]
    Hash,
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
}

/// The hash of a password, in the text form that the configuration takes: `$argon2id$…`.
///
/// # Errors
/// It is too short or too long.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if !(MIN_PASSWORD..=MAX_PASSWORD).contains(&password.chars().count()) {
        return Err(PasswordError::Length);
    }
    // The defaults are those that OWASP recommends: 19 MiB, two passes.
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// Whether `text` is such a hash.
pub fn is_hash(text: &str) -> bool {
    text.starts_with("$argon2") && argon2::PasswordHash::new(text).is_ok()
}

/// Keeps the hash of `password` for `role` in `file`; an empty one takes the viewers' away.
///
/// # Errors
/// It is too short or too long, cannot be taken away, is the other role's, or cannot be written.
pub fn store(file: &Path, role: Role, password: &str) -> Result<(), PasswordError> {
    let mut passwords = Passwords::read(file);
    match (role, password.is_empty()) {
        (Role::Viewer, true) => passwords.viewer = None,
        (Role::Director, true) => return Err(PasswordError::Needed),
        (Role::Viewer, false) if passwords.director.is_none() => return Err(PasswordError::DirectorFirst),
        (_, false) => {
            let other = match role {
                Role::Viewer => Role::Director,
                Role::Director => Role::Viewer,
            };
            if passwords.of(other).is_some_and(|hash| verify(password, hash)) {
                return Err(PasswordError::Same);
            }
            let hash = Some(hash(password)?);
            match role {
                Role::Viewer => passwords.viewer = hash,
                Role::Director => passwords.director = hash,
            }
        }
    }
    passwords.write(file).map_err(|source| PasswordError::Write { path: file.to_owned(), source })
}

fn verify(password: &str, hash: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

impl Passwords {
    /// Those of a file; none where there is none. One that cannot be read lets nobody in: it has somebody's passwords.
    pub fn read(file: &Path) -> Passwords {
        let closed = |why: String| {
            warn!("{}: {why}; nobody can log in until `reverie password` sets a new one", file.display());
            Passwords { director: Some(String::new()), viewer: None }
        };
        match fs::metadata(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Passwords::default(),
            Ok(found) if found.len() > MAX_FILE => return closed(format!("it has {} bytes", found.len())),
            _ => {}
        }
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(error) => return closed(error.to_string()),
        };
        match serde_json::from_slice::<Passwords>(&text) {
            Ok(passwords) if passwords.director.is_some() => passwords,
            Ok(_) => closed("it holds no password of the directors".to_owned()),
            Err(error) => closed(error.to_string()),
        }
    }

    /// For the owner of the folder alone, whoever writes it: the service has to read what root sets.
    fn write(&self, file: &Path) -> io::Result<()> {
        write_whole(file, &serde_json::to_vec_pretty(self)?, Rights::OWN, None)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (owner, own) = (fs::metadata(folder)?, fs::metadata(file)?);
        if (owner.uid(), owner.gid()) != (own.uid(), own.gid()) {
            chown(file, Some(owner.uid()), Some(owner.gid()))?;
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.director.is_none() && self.viewer.is_none()
    }

    /// These, or `other` where there are none.
    pub fn or(self, other: Passwords) -> Passwords {
        if self.is_empty() { other } else { self }
    }

    /// Whose password this is.
    pub fn role_of(&self, password: &str) -> Option<Role> {
        if password.len() > 4 * MAX_PASSWORD {
            return None;
        }
        [Role::Director, Role::Viewer]
            .into_iter()
            .find(|role| self.of(*role).is_some_and(|hash| verify(password, hash)))
    }

    /// Changes whenever the password of `role` does; none where there is none.
    pub fn mark(&self, role: Role) -> Option<Digest> {
        self.of(role).map(digest)
    }

    fn of(&self, role: Role) -> Option<&str> {
        match role {
            Role::Viewer => self.viewer.as_deref(),
            Role::Director => self.director.as_deref(),
        }
    }
}
