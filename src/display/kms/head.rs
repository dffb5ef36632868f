//! What a card does for one monitor, one ioctl a line.

use std::io;
use std::time::Duration;

use drm::control::{Device as _, Mode, PageFlipFlags, connector, crtc, plane};

use super::buffer::Buffer;
use super::card::Card;
use super::swapchain::{Head, Surface as _};
use crate::size::Size;

/// An output of a card, and what drives it.
pub struct CardHead {
    pub card: Card,
    pub connector: connector::Handle,
    pub crtc: crtc::Handle,
    pub mode: Mode,
}

impl CardHead {
    /// The plane that fills the screen; it has to show something already.
    fn plane(&self) -> io::Result<plane::Handle> {
        let missing = || io::Error::new(io::ErrorKind::Unsupported, "it has no primary plane");
        self.card.primary_plane(self.crtc).ok_or_else(missing)
    }
}

impl Head for CardHead {
    type Buffer = Buffer;

    fn size(&self) -> Size {
        let (width, height) = self.mode.size();
        Size { width: width.into(), height: height.into() }
    }

    fn buffer(&self, size: Size) -> io::Result<Buffer> {
        Buffer::new(&self.card, size)
    }

    fn free(&self, buffer: Buffer) {
        buffer.free(&self.card);
    }

    fn set_mode(&self, buffer: &Buffer) -> io::Result<()> {
        self.card.set_crtc(self.crtc, Some(buffer.picture()), (0, 0), &[self.connector], Some(self.mode))
    }

    fn scale(&self, buffer: &Buffer) -> io::Result<()> {
        let fixed = |pixels: usize| (pixels as u32) << 16;
        let (full, size) = (self.size(), buffer.size());
        self.card.set_plane(
            self.plane()?,
            self.crtc,
            Some(buffer.picture()),
            0,
            (0, 0, full.width as u32, full.height as u32),
            (0, 0, fixed(size.width), fixed(size.height)),
        )
    }

    fn flip(&self, buffer: &Buffer) -> io::Result<()> {
        self.card.page_flip(self.crtc, buffer.picture(), PageFlipFlags::EVENT, None)
    }

    fn has_flipped(&self, timeout: Duration) -> bool {
        self.card.wait(timeout) && self.card.receive_events().is_ok()
    }
}
