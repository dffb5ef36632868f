//! Pictures that a dream can be led by: those of one folder, each by its file's name without the ending, and where the owner allows it those
//! that were sent.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use crate::frame::Frame;
use crate::picture_file::{self, EXTENSIONS, PictureError};
use crate::pixel::Scaler;
use crate::text::excerpt;

/// What stands for no guide.
pub const NONE: &str = "none";
/// Of a folder that holds more, the first in order of name are offered.
const MOST: usize = 500;
/// A guide is kept no larger than this on its longer side: nothing finer is seen in it.
const LONGEST_SIDE: usize = 640;
/// Pictures kept, the last used: one that leads, one that is faded to, and some that a scene or two name.
const KEPT: usize = 4;
/// Pictures that were sent and are kept: one leads until the next has come.
const SENT: usize = 2;
/// Limit on the bytes of a picture that was sent, as it lies in memory: a phone's has fewer, and few bytes on the wire may claim many more.
const MOST_BYTES: u64 = 96 << 20;
/// After one that was sent, so many times as long as it took to read no other is: reading them takes a fifth of a core at most.
const REST: u32 = 4;

/// Why there is no such guide.
#[derive(Debug, thiserror::Error)]
pub enum GuideError {
    #[error("there is no picture `{name}`{}; there are: {known}", crate::did_you_mean(.nearest.as_deref()))]
    Unknown { name: String, nearest: Option<String>, known: String },
    #[error("{path}: {error}")]
    Picture { path: PathBuf, error: PictureError },
    #[error(
        "this device takes no pictures, only the names of those that it has; its owner allows them by `accept_guides = true` in its configuration"
    )]
    NotAccepted,
    #[error("the picture that was sent: {0}")]
    Sent(PictureError),
    #[error("pictures come too fast: send it again in a moment")]
    TooFast,
}

/// The guides there are.
#[derive(Debug, Clone, Default)]
pub struct Guides {
    folder: Option<PathBuf>,
    takes_files: bool,
    accepts: bool,
    kept: Arc<Mutex<Vec<Kept>>>,
    sent: Arc<Mutex<Sent>>,
    /// Held while one is read; before when no other may come.
    receiving: Arc<Mutex<Option<Instant>>>,
}

/// Pictures that were sent, the newest first. They are in memory alone: of whom they are is not known.
#[derive(Debug, Default)]
struct Sent {
    count: usize,
    /// Of this start: a scene that was saved with one of another names none of these.
    tag: u16,
    pictures: Vec<(String, Arc<Frame>)>,
}

/// A picture that was read, and of which file, as it was then.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    modified: Option<SystemTime>,
    picture: Arc<Frame>,
}

impl Guides {
    /// The pictures in `folder`; none where there is none.
    pub fn of(folder: Option<PathBuf>) -> Guides {
        Guides { folder, ..Guides::default() }
    }

    /// These, and any file by its path: for who is at the command line.
    pub fn and_files(self) -> Guides {
        Guides { takes_files: true, ..self }
    }

    /// These, and pictures that are sent, where it `accepts` them.
    pub fn and_sent(self, accepts: bool) -> Guides {
        Guides { accepts, ..self }
    }

    /// Whether pictures may be sent.
    pub fn accepts(&self) -> bool {
        self.accepts
    }

    /// Takes the picture in `bytes`, which was sent, and returns the name by which it leads.
    ///
    /// # Errors
    /// The owner does not allow it, or it cannot be read.
    pub fn receive(&self, bytes: &[u8]) -> Result<String, GuideError> {
        if !self.accepts {
            return Err(GuideError::NotAccepted);
        }
        let begun = Instant::now();
        // One at a time: another waits for nobody.
        let Ok(mut receiving) = self.receiving.try_lock() else { return Err(GuideError::TooFast) };
        if receiving.is_some_and(|not_before| begun < not_before) {
            return Err(GuideError::TooFast);
        }
        let decoded = picture_file::decode(bytes, MOST_BYTES);
        *receiving = Some(Instant::now() + begun.elapsed() * REST);
        let (picture, _) = decoded.map_err(GuideError::Sent)?;
        let picture = Arc::new(reduced(picture));
        let mut sent = self.sent();
        if sent.count == 0 {
            sent.tag = fastrand::u16(..);
        }
        sent.count += 1;
        let name = format!("sent-{:04x}-{}", sent.tag, sent.count);
        sent.pictures.insert(0, (name.clone(), picture));
        sent.pictures.truncate(SENT);
        Ok(name)
    }

    /// The names of the folder's pictures, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.files().into_iter().map(|(name, _)| name).collect();
        names.dedup();
        names.truncate(MOST);
        names
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture called `name`, made smaller where it is large. Reads it, unless it was read a moment ago.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn picture(&self, name: &str) -> Result<Arc<Frame>, GuideError> {
        if let Some((_, picture)) = self.sent().pictures.iter().find(|(known, _)| known == name) {
            return Ok(Arc::clone(picture));
        }
        let path = self.path(name)?;
        let modified = fs::metadata(&path).and_then(|about| about.modified()).ok();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().find(|kept| kept.path == path && kept.modified == modified);
        let picture = match known.map(|kept| Arc::clone(&kept.picture)) {
            Some(picture) => picture,
            None => match picture_file::read(&path) {
                Ok((picture, _)) => Arc::new(reduced(picture)),
                Err(error) => return Err(GuideError::Picture { path, error }),
            },
        };
        kept.retain(|kept| kept.path != path);
        kept.truncate(KEPT - 1);
        kept.insert(0, Kept { path, modified, picture: Arc::clone(&picture) });
        Ok(picture)
    }

    fn path(&self, name: &str) -> Result<PathBuf, GuideError> {
        let found = self.files().into_iter().find(|(known, _)| known == name).map(|(_, path)| path);
        let file = || Some(PathBuf::from(name)).filter(|path| self.takes_files && path.is_file());
        found.or_else(file).ok_or_else(|| {
            let mut known = self.names();
            known.extend(self.sent().pictures.iter().map(|(name, _)| name.clone()));
            let nearest = crate::nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
            let known = if known.is_empty() { NONE.to_owned() } else { known.join(", ") };
            GuideError::Unknown { name: excerpt(name), nearest, known }
        })
    }

    /// Name and path of each picture, in order of name.
    fn files(&self) -> Vec<(String, PathBuf)> {
        let entries = self.folder.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let mut files: Vec<_> = entries.filter_map(|entry| named(&entry.path())).collect();
        files.sort();
        files
    }
}

/// The name of the picture `path`, where it can be one.
fn named(path: &Path) -> Option<(String, PathBuf)> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    let name = path.file_stem()?.to_str().filter(|name| !name.starts_with('.') && *name != NONE)?;
    EXTENSIONS.contains(&ending.as_str()).then(|| (name.to_owned(), path.to_owned()))
}

/// `picture`, made no larger than a guide is kept.
pub fn reduced(picture: Frame) -> Frame {
    let longest = picture.width.max(picture.height);
    if longest <= LONGEST_SIDE {
        return picture;
    }
    let side = |side: usize| (side * LONGEST_SIDE / longest).max(1);
    let mut small = Frame::new(side(picture.width), side(picture.height));
    Scaler::default().stretch(&picture, &mut small);
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_files_names_and_what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/photos");
        fs::copy(photos.join("coffee.jpg"), folder.path().join("Flat white.JPG")).unwrap();
        fs::write(folder.path().join("torn.jpg"), b"\xff\xd8\xff\xe0 and no more").unwrap();
        fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
        let guides = Guides::of(Some(folder.path().to_owned()));
        assert_eq!(guides.names(), ["Flat white", "torn"]);
        let picture = guides.picture("Flat white").unwrap();
        assert!(picture.width.max(picture.height) <= LONGEST_SIDE && picture.width > picture.height);
        assert!(Arc::ptr_eq(&picture, &guides.picture("Flat white").unwrap()), "it is read once");
        let error = |name: &str| guides.picture(name).unwrap_err().to_string();
        let unknown = "there is no picture `flat whit` (did you mean `Flat white`?); there are: Flat white, torn";
        assert_eq!(error("flat whit"), unknown);
        assert!(error("torn").contains("torn.jpg: "), "{}", error("torn"));
        let outside = photos.join("rocket.jpg").display().to_string();
        assert!(error(&outside).starts_with("there is no picture"), "only from the folder");
        assert!(guides.and_files().picture(&outside).is_ok());
        assert!(Guides::default().names().is_empty());
    }

    #[test]
    fn pictures_are_taken_where_the_owner_allows_it_and_the_last_two_kept() {
        let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/photos");
        let coffee = fs::read(photos.join("coffee.jpg")).unwrap();
        let closed = Guides::of(Some(photos.clone()));
        let refusal = closed.receive(&coffee).unwrap_err().to_string();
        assert!(refusal.contains("accept_guides = true"), "{refusal}");
        let guides = closed.and_sent(true);
        let receive = |bytes: &[u8]| {
            *guides.receiving.lock().unwrap() = None;
            guides.receive(bytes).map_err(|error| error.to_string())
        };
        let names: Vec<String> = (0..3).map(|_| receive(&coffee).unwrap()).collect();
        assert!(names[0].starts_with("sent-") && names[0].ends_with("-1") && names[2].ends_with("-3"), "{names:?}");
        assert!(guides.picture(&names[2]).unwrap().width <= LONGEST_SIDE && guides.picture(&names[1]).is_ok());
        let gone = guides.picture(&names[0]).unwrap_err().to_string();
        assert!(gone.ends_with(&format!("there are: coffee, rocket, {}, {}", names[2], names[1])), "{gone}");
        // What is no picture takes no name.
        let torn = receive(&coffee[..100]).unwrap_err();
        assert!(torn.starts_with("the picture that was sent: "), "{torn}");
        assert!(receive(&coffee).unwrap().ends_with("-4"));
        assert!(matches!(guides.receive(&coffee), Err(GuideError::TooFast)));
    }
}
