//! A graphics card's file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use drm::control::{Device as _, ResourceHandle, connector, crtc, encoder, from_u32, plane, property};
use drm::{ClientCapability, Device as _};
use rustix::event::PollFlags;

use crate::poll;

/// More outputs than any card has. drm's own `resource_handles` allocates what a first answer says, and reads past
/// its end where a second one is longer, because a hub was plugged in meanwhile.
const MAX_HANDLES: usize = 1024;
/// The plane property `type` of the plane that fills a screen.
const PLANE_TYPE_PRIMARY: u64 = 1;

pub struct Card {
    path: PathBuf,
    file: File,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// The cards there are, `/dev/dri/card0` first.
pub fn paths() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("card")?.parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

impl Card {
    /// Opens the card; the first program to do so becomes its master, which may set modes.
    pub fn open(path: &Path) -> io::Result<Card> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let card = Card { path: path.to_owned(), file };
        // Without this only overlay planes are listed. A card that refuses it has no planes for us.
        let _ = card.set_client_capability(ClientCapability::UniversalPlanes, true);
        Ok(card)
    }

    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// The driver's name: `nvidia-drm`, `virtio_gpu`.
    pub fn driver(&self) -> String {
        self.get_driver().map(|driver| driver.name().to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The card's outputs; those of docks and hubs come and go.
    pub fn connectors(&self) -> io::Result<Vec<connector::Handle>> {
        let mut numbers = Vec::with_capacity(MAX_HANDLES);
        drm_ffi::mode::get_resources(self.as_fd(), None, None, Some(&mut numbers), None)?;
        Ok(numbers.into_iter().filter_map(from_u32).collect())
    }

    /// The CRTCs that can drive `encoder`.
    pub fn crtcs_of(&self, encoder: encoder::Handle) -> io::Result<Vec<crtc::Handle>> {
        let mut numbers = Vec::with_capacity(MAX_HANDLES);
        drm_ffi::mode::get_resources(self.as_fd(), None, Some(&mut numbers), None, None)?;
        let possible = drm_ffi::mode::get_encoder(self.as_fd(), encoder.into())?.possible_crtcs;
        let can = |place: usize| possible.checked_shr(place as u32).unwrap_or(0) & 1 == 1;
        let able = numbers.into_iter().enumerate().filter(|(place, _)| can(*place));
        Ok(able.filter_map(|(_, number)| from_u32(number)).collect())
    }

    /// Waits for an event; false where none came in time.
    pub fn wait(&self, timeout: Duration) -> bool {
        poll::wait(&self.file, PollFlags::IN, timeout).is_ok_and(|ready| ready.contains(PollFlags::IN))
    }

    /// A property of `thing` by name: its handle and its value.
    pub fn property<T: ResourceHandle>(&self, thing: T, name: &str) -> Option<(property::Handle, u64)> {
        let values = self.get_properties(thing).ok()?;
        let named = |handle: property::Handle| {
            self.get_property(handle).is_ok_and(|info| info.name().to_bytes() == name.as_bytes())
        };
        values.iter().find(|(handle, _)| named(**handle)).map(|(handle, value)| (*handle, *value))
    }

    /// Sets a property of a connector by name.
    pub fn set_connector(&self, connector: connector::Handle, name: &str, value: u64) -> io::Result<()> {
        let missing = || io::Error::new(io::ErrorKind::Unsupported, format!("it has no property {name}"));
        let (property, _) = self.property(connector, name).ok_or_else(missing)?;
        self.set_property(connector, property, value)
    }

    /// The plane that fills the screen of `crtc`.
    pub fn primary_plane(&self, crtc: crtc::Handle) -> Option<plane::Handle> {
        let is_its = |plane: &plane::Handle| self.get_plane(*plane).is_ok_and(|info| info.crtc() == Some(crtc));
        let is_primary =
            |plane: &plane::Handle| self.property(*plane, "type").is_some_and(|(_, kind)| kind == PLANE_TYPE_PRIMARY);
        self.plane_handles().ok()?.into_iter().find(|plane| is_its(plane) && is_primary(plane))
    }
}
