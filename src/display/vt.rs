//! The virtual terminal behind the screen: while pictures are shown it draws nothing, afterwards it draws again.
//!
//! Which mode a terminal is in belongs to no program, so that it outlives ours: it is given back on every way out that we
//! see, and by the unit's `ExecStopPost` (`reverie restore-console`) after those that we do not.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tracing::{debug, warn};

use super::Vt;

/// `<linux/kd.h>`.
const KDSETMODE: libc::Ioctl = 0x4B3A;
const KDGETMODE: libc::Ioctl = 0x4B3B;
const KD_TEXT: libc::c_ulong = 0;
const KD_GRAPHICS: libc::c_ulong = 1;

/// The terminal in front.
const FOREGROUND: &str = "/dev/tty0";

/// The terminal that was taken, for whoever ends the process without a word to anybody.
static HELD: Mutex<Option<File>> = Mutex::new(None);

/// A terminal that draws nothing, until dropped.
pub struct GraphicsMode(());

impl GraphicsMode {
    /// Takes the terminal that `vt` names. Where there is none, or it is not ours to take, the screen is used without: then the
    /// kernel may write into a framebuffer.
    pub fn acquire(vt: &Vt) -> Option<GraphicsMode> {
        let file = match vt {
            Vt::Off => return None,
            Vt::Device(path) => open(path),
            Vt::Auto => own_terminal().map_or_else(|| open(Path::new(FOREGROUND)), Ok),
        };
        match file.and_then(|file| set_mode(&file, KD_GRAPHICS).map(|()| file)) {
            Ok(file) => {
                *held() = Some(file);
                return Some(GraphicsMode(()));
            }
            Err(error) => match vt {
                Vt::Device(path) => {
                    warn!("screen: vt {} cannot be kept from drawing on it: {error}", path.display());
                }
                _ => debug!("no terminal is kept from drawing on the screen: {error}"),
            },
        }
        None
    }
}

impl Drop for GraphicsMode {
    fn drop(&mut self) {
        release();
    }
}

/// Lets the terminal that was taken draw again when it is dropped, in a panic too.
pub struct RestoreOnDrop;

impl Drop for RestoreOnDrop {
    fn drop(&mut self) {
        release();
    }
}

/// Lets the terminal that was taken draw again, if one was.
pub fn release() {
    if let Some(file) = held().take()
        && let Err(error) = set_mode(&file, KD_TEXT)
    {
        debug!("the console cannot be given back: {error}");
    }
}

/// Lets the terminal at `path` draw again, whoever took it: after a program that was killed.
///
/// # Errors
/// It is no terminal of this machine's screen, or not ours to set.
pub fn restore(path: &Path) -> io::Result<()> {
    set_mode(&open(path)?, KD_TEXT)
}

fn held() -> std::sync::MutexGuard<'static, Option<File>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asking and setting modes needs no reading, which not everybody in the group `tty` may.
fn open(path: &Path) -> io::Result<File> {
    let open = |read| OpenOptions::new().read(read).write(true).open(path);
    open(true).or_else(|_| open(false))
}

/// Standard input, where it is a terminal of this machine's screen, a unit's `TTYPath` or a login there: that takes no privilege.
fn own_terminal() -> Option<File> {
    use std::os::fd::AsFd;
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let mut mode: libc::c_int = 0;
    // SAFETY: the request fills the one integer it is given; any other file answers with an error.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), KDGETMODE, &raw mut mode) };
    (answer == 0).then_some(file)
}

fn set_mode(terminal: &File, mode: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the request takes a number, no pointer.
    match unsafe { libc::ioctl(terminal.as_raw_fd(), KDSETMODE, mode) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_is_left_alone() {
        assert!(GraphicsMode::acquire(&Vt::Device("/dev/null".into())).is_none());
        assert!(GraphicsMode::acquire(&Vt::Off).is_none());
        assert!(restore(Path::new("/dev/null")).is_err());
    }
}
