//! Browsers that are logged in. They stay so through a restart: power is cut every night.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Digest, Role, digest, hex};
use crate::files::{Rights, write_whole};

/// Seconds until somebody is asked again: 30 days.
pub const LIFETIME: u64 = 30 * 24 * 3600;
/// Where there are more, the oldest is ended.
const MAX_SESSIONS: usize = 64;
/// What a file of so many takes at most, bytes.
const MAX_FILE: u64 = 64 << 10;

/// What is known of them; who reads it cannot log in by it.
#[derive(Debug, Default)]
pub struct Sessions {
    file: Option<PathBuf>,
    open: Vec<Session>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    /// The digest of its token.
    id: String,
    role: Role,
    /// Seconds since 1970.
    until: u64,
    /// Which password it was begun with: another one ends it.
    password: String,
}

/// What is to be written.
pub struct Draft {
    file: PathBuf,
    open: Vec<Session>,
}

impl Draft {
    pub fn write(self) -> io::Result<()> {
        write_whole(&self.file, &serde_json::to_vec(&self.open)?, Rights::OWN, None)
    }
}

impl Sessions {
    /// Those of `file`; none where it cannot be read: then everybody logs in again.
    pub fn read(file: Option<PathBuf>) -> Sessions {
        let read = |file: &PathBuf| {
            let size = fs::metadata(file).ok()?.len();
            serde_json::from_slice(&fs::read(file).ok().filter(|_| size <= MAX_FILE)?).ok()
        };
        let open: Vec<Session> = file.as_ref().and_then(read).unwrap_or_default();
        Sessions { file, open: open.into_iter().take(MAX_SESSIONS).collect() }
    }

    /// Begins the session of `token`.
    pub fn begin(&mut self, token: &str, role: Role, mark: Digest, now: u64) -> Option<Draft> {
        self.open.retain(|session| session.until > now);
        if self.open.len() >= MAX_SESSIONS {
            self.open.remove(0);
        }
        self.open.push(Session { id: hex(&digest(token)), role, until: now + LIFETIME, password: hex(&mark) });
        self.draft()
    }

    /// Ends the session of `token`.
    pub fn end(&mut self, token: &str) -> Option<Draft> {
        let id = hex(&digest(token));
        let before = self.open.len();
        self.open.retain(|session| session.id != id);
        if self.open.len() == before { None } else { self.draft() }
    }

    /// Whose session `token` is of, where it is still open and the role's password, by its `mark`, is still the same.
    pub fn role(&self, token: &str, now: u64, mark: impl Fn(Role) -> Option<Digest>) -> Option<Role> {
        // The digest is compared, not the token: how long that takes tells nothing of it.
        let id = hex(&digest(token));
        let found = self.open.iter().find(|session| session.id == id && session.until > now)?;
        let password = mark(found.role).map(|mark| hex(&mark));
        (password.as_ref() == Some(&found.password)).then_some(found.role)
    }

    fn draft(&self) -> Option<Draft> {
        Some(Draft { file: self.file.clone()?, open: self.open.clone() })
    }
}
