//! A dumb buffer: memory of the card that the program draws on and the screen shows.

use std::io;
use std::os::fd::AsFd;

use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer::DumbBuffer;
use drm::control::{Device as _, framebuffer};
use memmap2::{MmapMut, MmapOptions};

use super::card::Card;
use super::swapchain::Surface;
use crate::display::fader::View;
use crate::display::raster::Layout;
use crate::size::Size;

pub struct Buffer {
    dumb: DumbBuffer,
    picture: framebuffer::Handle,
    memory: MmapMut,
    size: Size,
}

impl Buffer {
    /// A black one of `size`, XRGB8888.
    pub fn new(card: &Card, size: Size) -> io::Result<Buffer> {
        let dumb = card.create_dumb_buffer((size.width as u32, size.height as u32), DrmFourcc::Xrgb8888, 32)?;
        let made = Buffer::map(card, dumb, size);
        if made.is_err() {
            let _ = card.destroy_dumb_buffer(dumb);
        }
        made
    }

    fn map(card: &Card, dumb: DumbBuffer, size: Size) -> io::Result<Buffer> {
        let place = drm_ffi::mode::dumbbuffer::map(card.as_fd(), dumb.handle().into(), 0, 0)?;
        let length = dumb.pitch() as usize * size.height;
        // SAFETY: the mapping is of card memory that no Rust reference but ours looks at; it outlives the buffer's
        // handle, and any bytes are pixels.
        let mut memory = unsafe { MmapOptions::new().offset(place.offset).len(length).map_mut(card.file()) }?;
        memory.fill(0);
        let picture = card.add_framebuffer(&dumb, 24, 32)?;
        Ok(Buffer { dumb, picture, memory, size })
    }

    /// The framebuffer that the card shows.
    pub fn picture(&self) -> framebuffer::Handle {
        self.picture
    }

    /// Gives its memory back while the card stays open.
    pub fn free(self, card: &Card) {
        let _ = card.destroy_framebuffer(self.picture);
        let _ = card.destroy_dumb_buffer(self.dumb);
    }
}

impl Surface for Buffer {
    fn size(&self) -> Size {
        self.size
    }

    fn draw(&mut self, view: &View, row: &mut Vec<u8>) {
        Layout::xrgb8888(self.dumb.pitch() as usize).draw(view, &mut self.memory, row);
    }
}
