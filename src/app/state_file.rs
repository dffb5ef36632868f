//! Saves the director's state in one small file: marked with its format, checked for size before it replaces the last, which stays beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::director::{ChangeCounters, MAX_BYTES, SavedState};
use crate::director_handle::DirectorHandle;
use crate::files::{Rights, beside, write_whole};

/// From a command to the write, and between two writes: dragging a slider must not wear out the card.
const COMMAND_DELAY: Duration = Duration::from_secs(3);
/// Between two writes of what playback changed.
const AUTONOMOUS_DELAY: Duration = Duration::from_secs(600);

/// A card that was full or gone may work again.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// Suffixes of the file before it, and of one that this version cannot read.
const BACKUP_SUFFIX: &str = ".old";
const UNREADABLE_SUFFIX: &str = ".unread";

/// Reads what is remembered in `file`, or in the copy of the one before it where that is torn; none where there is nothing, or nothing sound,
/// which is told in the log. A file that is of no use here, but may be elsewhere, is put aside.
pub fn load(file: &Path) -> Option<SavedState> {
    let unread = match read(file) {
        Ok(state) => return Some(state),
        Err(unread) => unread,
    };
    let found = read(&beside(file, BACKUP_SUFFIX)).ok();
    let (name, instead) =
        (file.display(), if found.is_some() { "its older copy is used" } else { "starting as configured" });
    match unread {
        // Before the first command there is none.
        LoadError::Missing if found.is_none() => {}
        LoadError::Missing => warn!("{name} is gone; {instead}"),
        LoadError::Unreadable(why) => warn!("{name}: {why}; {instead}"),
        LoadError::Invalid(why) => {
            let aside = beside(file, UNREADABLE_SUFFIX);
            let kept = fs::rename(file, &aside);
            let kept =
                kept.map_or_else(|e| format!("cannot be put aside: {e}"), |()| format!("kept as {}", aside.display()));
            warn!("{name} is unusable: {why}; {instead}, and it is {kept}");
        }
    }
    found
}

/// Why nothing was read.
enum LoadError {
    Missing,
    /// The card's fault, perhaps; in words.
    Unreadable(String),
    /// What it holds is; in words.
    Invalid(String),
}

fn read(file: &Path) -> Result<SavedState, LoadError> {
    let unread = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::Missing,
        _ => LoadError::Unreadable(format!("it cannot be read: {error}")),
    };
    let size = fs::metadata(file).map_err(unread)?.len();
    if size > MAX_BYTES as u64 {
        return Err(LoadError::Invalid(format!("it has {size} bytes, more than {MAX_BYTES}")));
    }
    let bytes = fs::read(file).map_err(unread)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| LoadError::Invalid("it is no UTF-8 text".to_owned()))?;
    SavedState::read(text).map_err(LoadError::Invalid)
}

/// Writes what changes into `file` until cancelled, and then once more; without a file nothing is kept.
pub async fn save_changes(handle: DirectorHandle, file: Option<PathBuf>, cancel: CancellationToken) {
    let Some(file) = file else { return cancel.cancelled().await };
    let mut writer = StateWriter { saved: read(&file).ok(), file, has_failed: false };
    let mut changes = handle.changes();
    let mut due = WriteSchedule::new(*changes.borrow_and_update());
    if writer.saved != Some(handle.saved_state()) {
        // There is none yet, or the configuration says something new, or another file.
        due.by_command = Some(Instant::now() + COMMAND_DELAY);
    }
    loop {
        tokio::select! {
            () = sleep_until(due.at()) => {
                due = WriteSchedule::new(*changes.borrow());
                if !writer.write(handle.saved_state()).await {
                    due.by_command = Some(Instant::now() + RETRY_DELAY);
                }
            }
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                due.update(*changes.borrow(), Instant::now());
            }
            () = cancel.cancelled() => {
                writer.write(handle.saved_state()).await;
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
struct WriteSchedule {
    written: ChangeCounters,
    by_command: Option<Instant>,
    by_itself: Option<Instant>,
}

impl WriteSchedule {
    fn new(written: ChangeCounters) -> WriteSchedule {
        WriteSchedule { written, by_command: None, by_itself: None }
    }

    fn update(&mut self, changes: ChangeCounters, now: Instant) {
        if changes.by_command != self.written.by_command {
            self.by_command.get_or_insert(now + COMMAND_DELAY);
        }
        if changes.by_itself != self.written.by_itself {
            self.by_itself.get_or_insert(now + AUTONOMOUS_DELAY);
        }
    }

    fn at(&self) -> Option<Instant> {
        [self.by_command, self.by_itself].into_iter().flatten().min()
    }
}

struct StateWriter {
    file: PathBuf,
    /// What the file holds.
    saved: Option<SavedState>,
    has_failed: bool,
}

impl StateWriter {
    /// Writes `state` where it differs from what is kept; false where it cannot.
    async fn write(&mut self, state: SavedState) -> bool {
        if self.saved.as_ref() == Some(&state) {
            return true;
        }
        let (file, written) = (self.file.clone(), state.clone());
        // Aside: a worn card may take a second for it.
        let outcome = tokio::task::spawn_blocking(move || write(&file, &written)).await;
        match outcome.unwrap_or_else(|_| Err(io::Error::other("the writing was broken off"))) {
            Ok(()) => {
                if self.has_failed {
                    info!("{} can be written again", self.file.display());
                }
                self.saved = Some(state);
                self.has_failed = false;
                true
            }
            Err(error) => {
                if !self.has_failed {
                    let file = self.file.display();
                    warn!(
                        "cannot write {file}: {error}; unless that passes, scenes and settings are lost at the next start"
                    );
                }
                self.has_failed = true;
                false
            }
        }
    }
}

/// Writes `state` into `file`; the old one stays beside it.
fn write(file: &Path, state: &SavedState) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(state)?;
    if text.len() > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it would have {} bytes", text.len())));
    }
    write_whole(file, &text, Rights::OWN, Some(BACKUP_SUFFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_a_foreign_or_a_missing_file_is_nothing_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        assert_eq!(load(&file), None);
        write(&file, &SavedState::default()).unwrap();
        assert_eq!(load(&file), Some(SavedState::default()));
        let whole = fs::read_to_string(&file).unwrap();
        let newer = whole.replace("\"format\": 1", "\"format\": 2");
        assert_ne!(newer, whole);
        let blank = " ".repeat(MAX_BYTES + 1);
        for useless in
            [&whole.as_bytes()[..whole.len() / 2], b"7", b"{}", b"", b"\xff\xfe", newer.as_bytes(), blank.as_bytes()]
        {
            fs::write(&file, useless).unwrap();
            assert_eq!(load(&file), None);
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
        assert_eq!(load(&file), Some(second));
        fs::write(&file, "{\"format\": 1, \"par").unwrap();
        assert_eq!(load(&file), Some(first.clone()));
        // The power was cut between two renames.
        assert!(!file.exists());
        assert_eq!(load(&file), Some(first));
    }

    fn of_group(name: &str) -> SavedState {
        let text = format!(r#"{{"format": 1, "groups": ["{name}"]}}"#);
        SavedState::read(&text).unwrap()
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_not_taken_for_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("not yet").join("state.json");
        let mut writer = StateWriter { file: file.clone(), saved: None, has_failed: false };
        let state = of_group("hall");
        assert!(!writer.write(state.clone()).await);
        fs::create_dir(file.parent().unwrap()).unwrap();
        assert!(writer.write(state.clone()).await);
        assert_eq!(load(&file), Some(state));
    }

    #[test]
    fn commands_are_written_soon_however_many_follow_and_what_plays_by_itself_rarely() {
        let begun = Instant::now();
        let mut due = WriteSchedule::new(ChangeCounters::default());
        assert_eq!(due.at(), None);
        due.update(ChangeCounters { by_command: 0, by_itself: 1 }, begun);
        assert_eq!(due.at(), Some(begun + AUTONOMOUS_DELAY));
        for by_command in 1..100 {
            due.update(ChangeCounters { by_command, by_itself: 1 }, begun + Duration::from_millis(by_command * 100));
        }
        assert_eq!(due.at(), Some(begun + Duration::from_millis(100) + COMMAND_DELAY));
    }
}
