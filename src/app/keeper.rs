//! Keeps what the director remembers in one small file, written whole: power is cut without warning.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{info, warn};

use crate::director::{Changes, MOST_BYTES, Memory};
use crate::director_handle::DirectorHandle;
use crate::files::{Rights, beside, write_whole};
use crate::stop::told;

/// From a command to the file, and between two writings: a slider that is dragged wears out no card.
const AFTER_A_COMMAND: Duration = Duration::from_secs(3);
/// Between two writings of what plays by itself.
const BY_ITSELF: Duration = Duration::from_secs(600);

/// A card that was full or gone may be well again.
const AFTER_A_FAILURE: Duration = Duration::from_secs(30);
/// After the file's name: the one before it, and one that this version cannot read.
const OLDER: &str = ".old";
const ASIDE: &str = ".unread";

/// Reads what is remembered in `file`, or in the copy of the one before it where that is torn; none where there is nothing, or nothing sound,
/// which is told in the log. A file that is of no use here, but may be elsewhere, is put aside.
pub fn recall(file: &Path) -> Option<Memory> {
    let unread = match read(file) {
        Ok(memory) => return Some(memory),
        Err(unread) => unread,
    };
    let found = read(&beside(file, OLDER)).ok();
    let (name, instead) =
        (file.display(), if found.is_some() { "the one before it counts" } else { "it begins as configured" });
    match unread {
        // Before the first command there is none.
        Unread::Missing if found.is_none() => {}
        Unread::Missing => warn!("{name} is gone; {instead}"),
        Unread::Unreadable(why) => warn!("{name}: {why}; {instead}"),
        Unread::Useless(why) => {
            let aside = beside(file, ASIDE);
            let kept = fs::rename(file, &aside);
            let kept =
                kept.map_or_else(|e| format!("cannot be put aside: {e}"), |()| format!("kept as {}", aside.display()));
            warn!("{name} is of no use: {why}; {instead}, and it is {kept}");
        }
    }
    found
}

/// Why nothing was read.
enum Unread {
    Missing,
    /// The card's fault, perhaps; in words.
    Unreadable(String),
    /// What it holds is; in words.
    Useless(String),
}

fn read(file: &Path) -> Result<Memory, Unread> {
    let unread = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Missing,
        _ => Unread::Unreadable(format!("it cannot be read: {error}")),
    };
    let size = fs::metadata(file).map_err(unread)?.len();
    if size > MOST_BYTES as u64 {
        return Err(Unread::Useless(format!("it has {size} bytes, more than {MOST_BYTES}")));
    }
    let bytes = fs::read(file).map_err(unread)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Unread::Useless("it is no UTF-8 text".to_owned()))?;
    Memory::read(text).map_err(Unread::Useless)
}

/// Writes what changes into `file` until the `stop`, and then once more; without a file nothing is kept.
pub async fn keep(handle: DirectorHandle, file: Option<PathBuf>, mut stop: watch::Receiver<bool>) {
    let Some(file) = file else { return told(&mut stop).await };
    let mut keeper = Keeper { kept: read(&file).ok(), file, has_failed: false };
    let mut changes = handle.changes();
    let mut due = Due::new(*changes.borrow_and_update());
    if keeper.kept != Some(handle.memory()) {
        // There is none yet, or the configuration says something new, or another file.
        due.told = Some(Instant::now() + AFTER_A_COMMAND);
    }
    loop {
        tokio::select! {
            () = sleep_until(due.at()) => {
                due = Due::new(*changes.borrow());
                if !keeper.write(handle.memory()).await {
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
                keeper.write(handle.memory()).await;
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
    /// What the file holds.
    kept: Option<Memory>,
    has_failed: bool,
}

impl Keeper {
    /// Writes `memory` where it differs from what is kept; false where it cannot.
    async fn write(&mut self, memory: Memory) -> bool {
        if self.kept.as_ref() == Some(&memory) {
            return true;
        }
        let (file, written) = (self.file.clone(), memory.clone());
        // Aside: a worn card may take a second for it.
        let outcome = tokio::task::spawn_blocking(move || write(&file, &written)).await;
        match outcome.unwrap_or_else(|_| Err(io::Error::other("the writing was broken off"))) {
            Ok(()) => {
                if self.has_failed {
                    info!("{} is kept again", self.file.display());
                }
                self.kept = Some(memory);
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

/// Writes `memory` into `file`; the old one stays beside it.
fn write(file: &Path, memory: &Memory) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(memory)?;
    if text.len() > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it would have {} bytes", text.len())));
    }
    write_whole(file, &text, Rights::OWN, Some(OLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_a_foreign_or_a_missing_file_is_nothing_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        assert_eq!(recall(&file), None);
        write(&file, &Memory::default()).unwrap();
        assert_eq!(recall(&file), Some(Memory::default()));
        let whole = fs::read_to_string(&file).unwrap();
        let newer = whole.replace("\"format\": 1", "\"format\": 2");
        assert_ne!(newer, whole);
        let blank = " ".repeat(MOST_BYTES + 1);
        for useless in
            [&whole.as_bytes()[..whole.len() / 2], b"7", b"{}", b"", b"\xff\xfe", newer.as_bytes(), blank.as_bytes()]
        {
            fs::write(&file, useless).unwrap();
            assert_eq!(recall(&file), None);
            // Somebody may want it: the version that wrote it, to begin with.
            assert_eq!(fs::read(folder.path().join("state.json.unread")).unwrap(), useless);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn one_that_is_torn_or_gone_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let (first, second) = (of_group("first"), of_group("second"));
        write(&file, &first).unwrap();
        write(&file, &second).unwrap();
        assert_eq!(recall(&file), Some(second));
        fs::write(&file, "{\"format\": 1, \"par").unwrap();
        assert_eq!(recall(&file), Some(first.clone()));
        // The power was cut between two renames.
        assert!(!file.exists());
        assert_eq!(recall(&file), Some(first));
    }

    fn of_group(name: &str) -> Memory {
        let text = format!(r#"{{"format": 1, "groups": ["{name}"]}}"#);
        Memory::read(&text).unwrap()
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_not_taken_for_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("not yet").join("state.json");
        let mut keeper = Keeper { file: file.clone(), kept: None, has_failed: false };
        let memory = of_group("hall");
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
