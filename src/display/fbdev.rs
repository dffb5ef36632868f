//! The Linux framebuffer, `/dev/fb0`: memory that the screen shows.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use memmap2::{MmapMut, MmapOptions};

use super::ScreenError;
use super::raster::{Channel, Layout};
use crate::config::Size;
use crate::frame::Frame;

/// `<linux/fb.h>`: ask what varies with the mode, and what is fixed.
const FBIOGET_VSCREENINFO: libc::Ioctl = 0x4600;
const FBIOGET_FSCREENINFO: libc::Ioctl = 0x4602;
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
struct Variable {
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
struct Fixed {
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

pub struct Fbdev {
    device: PathBuf,
    size: Size,
    layout: Layout,
    /// Byte of the first pixel seen.
    start: usize,
    memory: MmapMut,
}

impl Fbdev {
    /// Opens the framebuffer at `device`, in the mode it is in.
    ///
    /// # Errors
    /// It is not there, may not be written, or its pixels are of an unknown kind.
    pub fn open(device: &Path) -> Result<Fbdev, ScreenError> {
        let refuse = |reason: String| ScreenError::Framebuffer { device: device.to_owned(), reason };
        let io = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                refuse("permission denied; is the user in the group `video`?".to_owned())
            }
            _ => refuse(e.to_string()),
        };
        let file = OpenOptions::new().read(true).write(true).open(device).map_err(io)?;
        let (mut variable, mut fixed) = (Variable::default(), Fixed::default());
        ask(&file, FBIOGET_VSCREENINFO, &mut variable).map_err(io)?;
        ask(&file, FBIOGET_FSCREENINFO, &mut fixed).map_err(io)?;
        if fixed.visual != TRUE_COLOUR {
            return Err(refuse(format!("it shows no true colours (visual {})", fixed.visual)));
        }
        let size = Size { width: variable.xres as usize, height: variable.yres as usize };
        let layout = layout(&variable, &fixed);
        layout.check(size.width).map_err(refuse)?;
        let start = variable.yoffset as usize * layout.line + variable.xoffset as usize * layout.bytes;
        // SAFETY: the mapping is of device memory that no Rust reference but ours looks at; the kernel and other
        // programs may write pixels into it, and any bytes are pixels.
        let memory = unsafe { MmapOptions::new().len(fixed.smem_len as usize).map_mut(&file) }.map_err(io)?;
        if size.width == 0
            || size.height == 0
            || start + layout.line * (size.height - 1) + size.width * layout.bytes > memory.len()
        {
            return Err(refuse(format!("its {} bytes do not hold {size} pixels", memory.len())));
        }
        Ok(Fbdev { device: device.to_owned(), size, layout, start, memory })
    }

    pub fn size(&self) -> Size {
        self.size
    }

    pub fn name(&self) -> String {
        format!("fbdev {} {}, {} bits", self.device.display(), self.size, 8 * self.layout.bytes)
    }

    pub fn show(&mut self, picture: &Frame) {
        self.layout.write(picture, &mut self.memory[self.start..]);
    }
}

fn layout(variable: &Variable, fixed: &Fixed) -> Layout {
    let channel = |field: Bitfield| Channel { offset: field.offset, length: field.length };
    Layout {
        bytes: (variable.bits_per_pixel as usize).div_ceil(8),
        line: fixed.line_length as usize,
        red: channel(variable.red),
        green: channel(variable.green),
        blue: channel(variable.blue),
    }
}

/// Asks a framebuffer; `T` is the structure that `request` fills.
fn ask<T>(file: &File, request: libc::Ioctl, answer: &mut T) -> std::io::Result<()> {
    // SAFETY: both requests fill the one structure that they are called with here, laid out as in <linux/fb.h>.
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
        assert_eq!(size_of::<Variable>(), 160);
        assert_eq!(size_of::<Fixed>(), 80);
    }

    #[test]
    fn what_is_no_framebuffer_is_refused_with_its_reason() {
        let refused = |path: &str| Fbdev::open(Path::new(path)).err().unwrap().to_string();
        assert!(refused("/dev/null").contains("framebuffer /dev/null: "), "{}", refused("/dev/null"));
        assert!(refused("/dev/no-such-screen").contains("No such file"), "{}", refused("/dev/no-such-screen"));
    }
}
