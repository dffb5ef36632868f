//! The Linux framebuffer, `/dev/fb0`: memory that the screen shows.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use memmap2::{MmapMut, MmapOptions};

use super::ScreenError;
use super::fader::View;
use super::raster::{Channel, Layout};
use crate::size::Size;

/// `<linux/fb.h>`: read the variable and the fixed screen info; pan; blank.
const FBIOGET_VSCREENINFO: libc::Ioctl = 0x4600;
const FBIOGET_FSCREENINFO: libc::Ioctl = 0x4602;
const FBIOPAN_DISPLAY: libc::Ioctl = 0x4606;
const FBIOBLANK: libc::Ioctl = 0x4611;
const UNBLANK: libc::c_ulong = 0;
const POWERDOWN: libc::c_ulong = 4;
const TRUE_COLOUR: u32 = 2;

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Bitfield {
    offset: u32,
    length: u32,
    msb_right: u32,
}

/// `struct fb_var_screeninfo`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct VarScreenInfo {
    xres: u32,
    yres: u32,
    xres_virtual: u32,
    yres_virtual: u32,
    xoffset: u32,
    yoffset: u32,
    bits_per_pixel: u32,
    grayscale: u32,
    red: Bitfield,
    green: Bitfield,
    blue: Bitfield,
    transp: Bitfield,
    nonstd: u32,
    activate: u32,
    height: u32,
    width: u32,
    accel_flags: u32,
    timings: [u32; 9],
    rotate: u32,
    colorspace: u32,
    reserved: [u32; 4],
}

/// `struct fb_fix_screeninfo`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct FixScreenInfo {
    id: [u8; 16],
    smem_start: libc::c_ulong,
    smem_len: u32,
    kind: u32,
    type_aux: u32,
    visual: u32,
    xpanstep: u16,
    ypanstep: u16,
    ywrapstep: u16,
    line_length: u32,
    mmio_start: libc::c_ulong,
    mmio_len: u32,
    accel: u32,
    capabilities: u16,
    reserved: [u16; 2],
}

/// An open framebuffer.
pub struct Fbdev {
    device: PathBuf,
    file: File,
    /// The mode it was opened in.
    variable: VarScreenInfo,
    layout: Layout,
    memory: MmapMut,
    /// Whether memory holds a second picture below the first, so that one is drawn on while the other is shown.
    can_pan: bool,
    row: Vec<u8>,
    blanked: bool,
}

impl Fbdev {
    /// Opens the framebuffer at `device`, in the mode it is in.
    ///
    /// # Errors
    /// It is not there, may not be written, or its pixels are of an unknown kind.
    pub fn open(device: &Path) -> Result<Fbdev, ScreenError> {
        let refuse = |reason: String| ScreenError::Framebuffer { device: device.to_owned(), reason };
        let io = |e: std::io::Error| refuse(crate::denied(&e).map_or_else(|| e.to_string(), str::to_owned));
        let file = OpenOptions::new().read(true).write(true).open(device).map_err(io)?;
        let (mut variable, mut fixed) = (VarScreenInfo::default(), FixScreenInfo::default());
        fb_ioctl(&file, FBIOGET_VSCREENINFO, &mut variable).map_err(io)?;
        fb_ioctl(&file, FBIOGET_FSCREENINFO, &mut fixed).map_err(io)?;
        if fixed.visual != TRUE_COLOUR {
            return Err(refuse(format!("it shows no true colours (visual {})", fixed.visual)));
        }
        let layout = layout(&variable, &fixed);
        layout.check(variable.xres as usize).map_err(refuse)?;
        // SAFETY: the mapping is of device memory that no Rust reference but ours looks at; the kernel and other
        // programs may write pixels into it, and any bytes are pixels.
        let memory = unsafe { MmapOptions::new().len(fixed.smem_len as usize).map_mut(&file) }.map_err(io)?;
        let fits = |top: u32| visible_end(&variable, &layout, top).is_some_and(|end| end <= memory.len());
        if !fits(variable.yoffset) {
            let (width, height, bytes) = (variable.xres, variable.yres, memory.len());
            return Err(refuse(format!("its {bytes} bytes do not hold {width}x{height} pixels")));
        }
        let can_pan = fixed.ypanstep > 0
            && variable.yres.is_multiple_of(fixed.ypanstep.into())
            && variable.yres_virtual / 2 >= variable.yres
            && fits(0)
            && fits(variable.yres);
        Ok(Fbdev {
            device: device.to_owned(),
            file,
            variable,
            layout,
            memory,
            can_pan,
            row: Vec::new(),
            blanked: false,
        })
    }

    pub fn size(&self) -> Size {
        Size { width: self.variable.xres as usize, height: self.variable.yres as usize }
    }

    pub fn name(&self) -> String {
        let flips = if self.can_pan { ", flipped" } else { "" };
        format!("fbdev {} {}, {} bits{flips}", self.device.display(), self.size(), 8 * self.layout.bytes)
    }

    /// Shows a picture of [`Fbdev::size`].
    ///
    /// # Errors
    /// It is lost: drop it and open it again.
    pub fn show(&mut self, view: &View) -> Result<(), ScreenError> {
        self.set_blanked(false)?;
        let shown = self.variable.yoffset;
        let top = match self.can_pan {
            true if shown == 0 => self.variable.yres,
            true => 0,
            false => shown,
        };
        let start = top as usize * self.layout.line + self.variable.xoffset as usize * self.layout.bytes;
        self.layout.draw(view, &mut self.memory[start..], &mut self.row);
        if self.can_pan {
            let mut moved = VarScreenInfo { yoffset: top, ..self.variable };
            match fb_ioctl(&self.file, FBIOPAN_DISPLAY, &mut moved) {
                Ok(()) => self.variable.yoffset = top,
                // Some drivers promise more than they do.
                Err(_) => self.can_pan = false,
            }
        }
        Ok(())
    }

    /// Blanks or unblanks the monitor, where the driver can.
    ///
    /// # Errors
    /// The framebuffer is lost.
    pub fn set_blanked(&mut self, blanked: bool) -> Result<(), ScreenError> {
        if self.blanked != blanked {
            self.blanked = blanked;
            let level = if blanked { POWERDOWN } else { UNBLANK };
            // SAFETY: the request takes a number, no pointer. Drivers that cannot blank refuse: the picture is black, then.
            unsafe { libc::ioctl(self.file.as_raw_fd(), FBIOBLANK, level) };
        }
        Ok(())
    }

    /// Checks that the mode is still the one it was opened in.
    ///
    /// # Errors
    /// It is another, or the framebuffer is gone: drop it and open it again.
    pub fn check(&self) -> Result<(), ScreenError> {
        let lost = |reason: String| ScreenError::Lost { screen: self.device.display().to_string(), reason };
        let mut now = VarScreenInfo::default();
        fb_ioctl(&self.file, FBIOGET_VSCREENINFO, &mut now).map_err(|e| lost(e.to_string()))?;
        let shape = |v: &VarScreenInfo| (v.xres, v.yres, v.bits_per_pixel);
        if shape(&now) != shape(&self.variable) {
            return Err(lost(format!(
                "its mode was changed to {}x{}, {} bits",
                now.xres, now.yres, now.bits_per_pixel
            )));
        }
        Ok(())
    }
}

impl Drop for Fbdev {
    fn drop(&mut self) {
        let _ = self.set_blanked(false);
    }
}

/// The end of the visible memory, in bytes, where line `top` is the first; none where that overflows.
fn visible_end(variable: &VarScreenInfo, layout: &Layout, top: u32) -> Option<usize> {
    let (top, left) = (top as usize, variable.xoffset as usize);
    let (width, height) = (variable.xres as usize, variable.yres as usize);
    let last = (top.checked_add(height.checked_sub(1)?)?).checked_mul(layout.line)?;
    last.checked_add(left.checked_add(width)?.checked_mul(layout.bytes)?).filter(|_| width > 0)
}

fn layout(variable: &VarScreenInfo, fixed: &FixScreenInfo) -> Layout {
    let channel = |field: Bitfield| Channel { offset: field.offset, length: field.length };
    Layout {
        bytes: (variable.bits_per_pixel as usize).div_ceil(8),
        line: fixed.line_length as usize,
        red: channel(variable.red),
        green: channel(variable.green),
        blue: channel(variable.blue),
    }
}

/// A request that fills or takes a `T`.
fn fb_ioctl<T>(file: &File, request: libc::Ioctl, answer: &mut T) -> std::io::Result<()> {
    // SAFETY: each request fills or takes the one structure that it is called with here, laid out as in <linux/fb.h>.
    match unsafe { libc::ioctl(file.as_raw_fd(), request, std::ptr::from_mut(answer)) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes on 64-bit Linux: the kernel writes as many bytes.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn the_structures_are_as_large_as_the_kernels() {
        assert_eq!(size_of::<VarScreenInfo>(), 160);
        assert_eq!(size_of::<FixScreenInfo>(), 80);
    }

    #[test]
    fn what_is_no_framebuffer_is_refused_with_its_reason() {
        let refused = |path: &str| Fbdev::open(Path::new(path)).err().unwrap().to_string();
        assert!(refused("/dev/null").contains("framebuffer /dev/null: "), "{}", refused("/dev/null"));
        assert!(refused("/dev/no-such-screen").contains("No such file"), "{}", refused("/dev/no-such-screen"));
    }
}
