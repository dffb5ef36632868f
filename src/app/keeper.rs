//! Keeps what the director remembers in one small file, written whole: power is cut without warning.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{info, warn};

use crate::desk::Desk;
use crate::director::{Changes, Memory};
use crate::stop::told;

/// A file larger than this is not one of ours.
const MOST_BYTES: u64 = 1 << 20;
/// From a command to the file, and between two writings: a slider that is dragged wears out no card.
const AFTER_A_COMMAND: Duration = Duration::from_secs(3);
/// Between two writings of what plays by itself.
const BY_ITSELF: Duration = Duration::from_secs(600);

/// A card that was full or gone may be well again.
const AFTER_A_FAILURE: Duration = Duration::from_secs(30);

/// Reads what is remembered in `file`; none where there is nothing, or nothing sound, which is told in the log.
pub fn recall(file: &Path) -> Option<Memory> {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!("cannot read {}: {error}; it begins as configured", file.display());
            return None;
        }
    };
    let memory = serde_json::from_str(&text);
    memory.map_err(|error| warn!("{} is torn or foreign: {error}; it begins as configured", file.display())).ok()
}

fn read(file: &Path) -> io::Result<String> {
    if fs::metadata(file)?.len() > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
    }
    fs::read_to_string(file)
}

/// Writes what changes into `file` until the `stop`, and then once more; without a file nothing is kept.
pub async fn keep(desk: Desk, file: Option<PathBuf>, mut stop: watch::Receiver<bool>) {
    let Some(file) = file else { return told(&mut stop).await };
    let mut keeper = Keeper { kept: desk.memory(), file, has_failed: false };
    let mut changes = desk.changes();
    let mut due = Due::new(*changes.borrow_and_update());
    loop {
        tokio::select! {
            () = sleep_until(due.at()) => {
                due = Due::new(*changes.borrow());
                if !keeper.write(desk.memory()).await {
                    due.told = Some(Instant::now() + AFTER_A_FAILURE);
                }
            }
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                due.look(*changes.borrow(), Instant::now());
            }
            () = told(&mut stop) => {
                keeper.write(desk.memory()).await;
                return;
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// When the next writing is due: some time after the first change that was not written.
struct Due {
    written: Changes,
    told: Option<Instant>,
    own: Option<Instant>,
}

impl Due {
    fn new(written: Changes) -> Due {
        Due { written, told: None, own: None }
    }

    fn look(&mut self, changes: Changes, now: Instant) {
        if changes.told != self.written.told {
            self.told.get_or_insert(now + AFTER_A_COMMAND);
        }
        if changes.own != self.written.own {
            self.own.get_or_insert(now + BY_ITSELF);
        }
    }

    fn at(&self) -> Option<Instant> {
        [self.told, self.own].into_iter().flatten().min()
    }
}

struct Keeper {
    file: PathBuf,
    /// What the file holds, or would after a start that changed nothing.
    kept: Memory,
    has_failed: bool,
}

impl Keeper {
    /// Writes `memory` where it differs from what is kept; false where it cannot.
    async fn write(&mut self, memory: Memory) -> bool {
        if self.kept == memory {
            return true;
        }
        let (file, written) = (self.file.clone(), memory.clone());
        // Aside: a worn card may take a second for it.
        let outcome = tokio::task::spawn_blocking(move || write_whole(&file, &written)).await;
        match outcome.unwrap_or_else(|_| Err(io::Error::other("the writing was broken off"))) {
            Ok(()) => {
                if self.has_failed {
                    info!("{} is kept again", self.file.display());
                }
                self.kept = memory;
                self.has_failed = false;
                true
            }
            Err(error) => {
                if !self.has_failed {
                    let file = self.file.display();
                    warn!(
                        "cannot keep {file}: {error}; unless that passes, scenes and settings are lost at the next start"
                    );
                }
                self.has_failed = true;
                false
            }
        }
    }
}

/// Writes `memory` into `file` so that a power cut leaves the old or the new, never half of one.
fn write_whole(file: &Path, memory: &Memory) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(memory)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = file.with_extension("new");
    let mut out = File::create(&draft)?;
    out.write_all(&text)?;
    out.sync_all()?;
    drop(out);
    fs::rename(&draft, file)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_a_foreign_or_a_missing_file_is_nothing_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        assert_eq!(recall(&file), None);
        write_whole(&file, &Memory::default()).unwrap();
        assert_eq!(recall(&file), Some(Memory::default()));
        let whole = fs::read(&file).unwrap();
        for torn in [&whole[..whole.len() / 2], b"7", b"", b"\xff\xfe"] {
            fs::write(&file, torn).unwrap();
            assert_eq!(recall(&file), None);
        }
        fs::write(&file, vec![b' '; MOST_BYTES as usize + 1]).unwrap();
        assert_eq!(recall(&file), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_not_taken_for_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("not yet").join("state.json");
        let mut keeper = Keeper { file: file.clone(), kept: Memory::default(), has_failed: false };
        let mut memory = serde_json::to_value(Memory::default()).unwrap();
        memory["groups"] = serde_json::json!(["hall"]);
        let memory: Memory = serde_json::from_value(memory).unwrap();
        assert!(!keeper.write(memory.clone()).await);
        fs::create_dir(file.parent().unwrap()).unwrap();
        assert!(keeper.write(memory.clone()).await);
        assert_eq!(recall(&file), Some(memory));
    }

    #[test]
    fn commands_are_written_soon_however_many_follow_and_what_plays_by_itself_rarely() {
        let begun = Instant::now();
        let mut due = Due::new(Changes::default());
        assert_eq!(due.at(), None);
        due.look(Changes { told: 0, own: 1 }, begun);
        assert_eq!(due.at(), Some(begun + BY_ITSELF));
        for told in 1..100 {
            due.look(Changes { told, own: 1 }, begun + Duration::from_millis(told * 100));
        }
        assert_eq!(due.at(), Some(begun + Duration::from_millis(100) + AFTER_A_COMMAND));
    }
}
