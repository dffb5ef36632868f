//! The virtual terminal behind the screen: kept from drawing while pictures are shown, and restored afterwards.
//!
//! A terminal's mode outlives the program that set it. So it is restored on every exit that we control, and by the
//! unit's `ExecStopPost` (`reverie restore-console`) after the others.

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

/// The foreground terminal.
const FOREGROUND: &str = "/dev/tty0";

/// The terminal in graphics mode, for code that ends the process without dropping anything.
static HELD: Mutex<Option<File>> = Mutex::new(None);

/// A terminal in graphics mode, until dropped.
pub struct GraphicsMode(());

impl GraphicsMode {
    /// Puts the terminal that `vt` names into graphics mode. Without one, or without permission, the screen is used
    /// all the same: the kernel may then write into a framebuffer.
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

/// Restores the terminal when dropped, also in a panic.
pub struct RestoreOnDrop;

impl Drop for RestoreOnDrop {
    fn drop(&mut self) {
        release();
    }
}

/// Restores the terminal, if one is in graphics mode.
pub fn release() {
    if let Some(file) = held().take()
        && let Err(error) = set_mode(&file, KD_TEXT)
    {
        debug!("the console cannot be restored: {error}");
    }
}

/// Restores the terminal at `path`, whoever changed it: after a program that was killed.
///
/// # Errors
/// It is no terminal of this machine's screen, or not ours to set.
pub fn restore(path: &Path) -> io::Result<()> {
    set_mode(&open(path)?, KD_TEXT)
}

fn held() -> std::sync::MutexGuard<'static, Option<File>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Modes can be read and set without read access, which the group `tty` may lack.
fn open(path: &Path) -> io::Result<File> {
    let open = |read| OpenOptions::new().read(read).write(true).open(path);
    open(true).or_else(|_| open(false))
}

/// Standard input, where it is a terminal of this machine's screen (a unit's `TTYPath`, or a login): using it needs
/// no privilege.
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
