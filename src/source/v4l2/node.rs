//! A video node such as `/dev/video0`, and the ioctls on it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::PollFlags;

use super::modes::{Rates, Sizes};
use super::sys::*;
use crate::pixel_format::{FourCc, Layout, Matrix, PixelFormat, YuvEncoding};
use crate::poll;

/// `_IOR('V', 89, struct v4l2_event)` and `_IOW('V', 90, struct v4l2_event_subscription)` of `<linux/videodev2.h>`.
const VIDIOC_DQEVENT: vidioc::_IOC_TYPE = ioc(2, 89, size_of::<v4l2_event>());
const VIDIOC_SUBSCRIBE_EVENT: vidioc::_IOC_TYPE = ioc(1, 90, size_of::<v4l2_event_subscription>());

const fn ioc(direction: vidioc::_IOC_TYPE, number: vidioc::_IOC_TYPE, size: usize) -> vidioc::_IOC_TYPE {
    direction << 30 | (size as vidioc::_IOC_TYPE) << 16 | (b'V' as vidioc::_IOC_TYPE) << 8 | number
}

/// A driver that lists more entries is faulty.
const MAX_ENTRIES: u32 = 512;

pub struct Node {
    path: PathBuf,
    file: File,
    pub card: String,
    pub driver: String,
    pub bus: String,
    /// Buffers of several planes, each in memory of its own.
    pub is_multi_planar: bool,
}

/// What the driver sends after a format was set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Format {
    pub fourcc: FourCc,
    pub layout: Layout,
    /// Both fields of a picture in their places, rather than one after the other.
    pub is_whole: bool,
}

/// What came while waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollEvent {
    Timeout,
    Frame,
    /// The format of the signal changed.
    SourceChange,
    /// The next call returns it.
    Error,
}

impl Node {
    /// Opens a node that captures pictures.
    ///
    /// # Errors
    /// It cannot be opened, or is no camera.
    pub fn open(path: &Path) -> Result<Node, String> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(|e| format!("cannot be opened: {}", super::explained(&e)))?;
        let mut node = Node {
            path: path.to_owned(),
            file,
            card: String::new(),
            driver: String::new(),
            bus: String::new(),
            is_multi_planar: false,
        };
        let mut about: v4l2_capability = blank();
        node.call(vidioc::VIDIOC_QUERYCAP, &mut about).map_err(|_| "is no video device".to_owned())?;
        node.card = text(&about.card);
        node.driver = text(&about.driver);
        node.bus = text(&about.bus_info);
        // What this node does, where the driver tells it from what the whole device does.
        let has_own = about.capabilities & V4L2_CAP_DEVICE_CAPS != 0;
        let does = if has_own { about.device_caps } else { about.capabilities };
        node.is_multi_planar = does & V4L2_CAP_VIDEO_CAPTURE_MPLANE != 0;
        let captures = node.is_multi_planar || does & V4L2_CAP_VIDEO_CAPTURE != 0;
        if !captures || does & (V4L2_CAP_VIDEO_M2M | V4L2_CAP_VIDEO_M2M_MPLANE) != 0 {
            return Err("captures no pictures".to_owned());
        }
        if does & V4L2_CAP_STREAMING == 0 {
            return Err("cannot stream".to_owned());
        }
        Ok(node)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// The kind of buffers it captures into.
    pub fn kind(&self) -> u32 {
        match self.is_multi_planar {
            true => V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
            false => V4L2_BUF_TYPE_VIDEO_CAPTURE,
        }
    }

    /// One ioctl; `T` is the structure that `request` fills or takes.
    pub fn call<T>(&self, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: each request is called with the structure that <linux/videodev2.h> gives it, as bindgen lays it out; where
            // that holds pointers, the caller keeps what they point to alive.
            match unsafe { v4l::v4l2::ioctl(self.file.as_raw_fd(), request, std::ptr::from_mut(argument).cast()) } {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Asks for entry after entry until there is no more.
    fn list<T>(&self, request: vidioc::_IOC_TYPE, entry: impl Fn(u32) -> T) -> Vec<T> {
        let ask = |index| {
            let mut asked = entry(index);
            self.call(request, &mut asked).ok().map(|()| asked)
        };
        (0..MAX_ENTRIES).map_while(ask).collect()
    }

    /// The pixel formats it offers.
    pub fn formats(&self) -> Vec<FourCc> {
        let entry = |index| v4l2_fmtdesc { index, type_: self.kind(), ..blank() };
        self.list(vidioc::VIDIOC_ENUM_FMT, entry).iter().map(|format| FourCc::from(format.pixelformat)).collect()
    }

    /// The sizes it offers in a format.
    pub fn sizes(&self, fourcc: FourCc) -> Vec<Sizes> {
        let entry = |index| v4l2_frmsizeenum { index, pixel_format: fourcc.into(), ..blank() };
        let read = |size: &v4l2_frmsizeenum| {
            // SAFETY: the driver filled the part that `type_` names; both are plain numbers.
            unsafe {
                if size.type_ == V4L2_FRMSIZE_TYPE_DISCRETE {
                    let only = size.__bindgen_anon_1.discrete;
                    return Sizes::Only(only.width as usize, only.height as usize);
                }
                let step = size.__bindgen_anon_1.stepwise;
                Sizes::Steps {
                    width: (step.min_width as usize, step.max_width as usize, step.step_width as usize),
                    height: (step.min_height as usize, step.max_height as usize, step.step_height as usize),
                }
            }
        };
        self.list(vidioc::VIDIOC_ENUM_FRAMESIZES, entry).iter().map(read).collect()
    }

    /// Pictures a second that it offers in a format and size.
    pub fn rates(&self, fourcc: FourCc, (width, height): (usize, usize)) -> Vec<Rates> {
        let entry = |index| v4l2_frmivalenum {
            index,
            pixel_format: fourcc.into(),
            width: width as u32,
            height: height as u32,
            ..blank()
        };
        let rate = |interval: v4l2_fract| f64::from(interval.denominator) / f64::from(interval.numerator.max(1));
        let read = |interval: &v4l2_frmivalenum| {
            // SAFETY: the driver filled the part that `type_` names; both are plain numbers.
            unsafe {
                if interval.type_ == V4L2_FRMIVAL_TYPE_DISCRETE {
                    return Rates::Only(rate(interval.__bindgen_anon_1.discrete));
                }
                let step = interval.__bindgen_anon_1.stepwise;
                Rates::Between(rate(step.max), rate(step.min))
            }
        };
        self.list(vidioc::VIDIOC_ENUM_FRAMEINTERVALS, entry).iter().map(read).collect()
    }

    /// Sets a format; the driver may give another size, and other rows than the pixels need.
    pub fn set_format(&self, fourcc: FourCc, (width, height): (usize, usize)) -> io::Result<Format> {
        let mut format = v4l2_format { type_: self.kind(), ..blank() };
        let (width, height, field) = (width as u32, height as u32, V4L2_FIELD_NONE);
        if self.is_multi_planar {
            format.fmt.pix_mp = v4l2_pix_format_mplane { width, height, pixelformat: fourcc.into(), field, ..blank() };
        } else {
            format.fmt.pix = v4l2_pix_format { width, height, pixelformat: fourcc.into(), field, ..blank() };
        }
        self.call(vidioc::VIDIOC_S_FMT, &mut format)?;
        Ok(self.read(&format))
    }

    fn read(&self, format: &v4l2_format) -> Format {
        // SAFETY: the driver filled the part for this kind of buffers; all is plain numbers.
        unsafe {
            if !self.is_multi_planar {
                let pix = format.fmt.pix;
                let fourcc = FourCc::from(pix.pixelformat);
                let strides = [pix.bytesperline as usize, 0, 0];
                let encoding = yuv_encoding(fourcc, pix.colorspace, pix.__bindgen_anon_1.ycbcr_enc, pix.quantization);
                let layout = Layout { width: pix.width as usize, height: pix.height as usize, strides, encoding };
                return Format { fourcc, layout, is_whole: is_whole(pix.field) };
            }
            let pix = format.fmt.pix_mp;
            let fourcc = FourCc::from(pix.pixelformat);
            let planes = pix.plane_fmt;
            let count = usize::from(pix.num_planes).min(3);
            let mut strides = [0; 3];
            for (stride, plane) in strides.iter_mut().zip(planes).take(count) {
                *stride = plane.bytesperline as usize;
            }
            let ycbcr_enc = u32::from(pix.__bindgen_anon_1.ycbcr_enc);
            let encoding = yuv_encoding(fourcc, pix.colorspace, ycbcr_enc, pix.quantization.into());
            let layout = Layout { width: pix.width as usize, height: pix.height as usize, strides, encoding };
            Format { fourcc, layout, is_whole: is_whole(pix.field) }
        }
    }

    /// Asks for a rate, in pictures a second. Some drivers have no choice of rates.
    pub fn set_rate(&self, fps: f64) {
        let mut parm = v4l2_streamparm { type_: self.kind(), ..blank() };
        let timeperframe = v4l2_fract { numerator: 1000, denominator: (fps * 1000.0).round() as u32 };
        parm.parm.capture = v4l2_captureparm { timeperframe, ..blank() };
        let _ = self.call(vidioc::VIDIOC_S_PARM, &mut parm);
    }

    /// Subscribes to changes of the signal's format. Some drivers send none.
    pub fn subscribe(&self) {
        let mut event = v4l2_event_subscription { type_: V4L2_EVENT_SOURCE_CHANGE, ..blank() };
        let _ = self.call(VIDIOC_SUBSCRIBE_EVENT, &mut event);
    }

    /// Waits for a picture or an event, `timeout` at most.
    pub fn wait(&self, timeout: Duration) -> io::Result<PollEvent> {
        let ready = poll::wait(&self.file, PollFlags::IN | PollFlags::PRI, timeout)?;
        if ready.contains(PollFlags::PRI) {
            let mut event: v4l2_event = blank();
            if self.call(VIDIOC_DQEVENT, &mut event).is_ok() && event.type_ == V4L2_EVENT_SOURCE_CHANGE {
                return Ok(PollEvent::SourceChange);
            }
        }
        Ok(match ready {
            ready if ready.contains(PollFlags::IN) => PollEvent::Frame,
            ready if ready.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) => PollEvent::Error,
            _ => PollEvent::Timeout,
        })
    }
}

/// A structure of videodev2.h as it is before it is filled.
pub fn blank<T: Copy>() -> T {
    // SAFETY: it is called for bindgen's structures of numbers and of pointers alone, for which all zeros is a value, and the one
    // that drivers want in fields that are not used.
    unsafe { std::mem::zeroed() }
}

/// Text up to the first zero byte.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// Whether rows lie in the order in which they are seen.
fn is_whole(field: u32) -> bool {
    matches!(
        field,
        V4L2_FIELD_ANY | V4L2_FIELD_NONE | V4L2_FIELD_INTERLACED | V4L2_FIELD_INTERLACED_TB | V4L2_FIELD_INTERLACED_BT
    )
}

/// What the numbers of YUV pixels mean. Defaults as `V4L2_MAP_YCBCR_ENC_DEFAULT` and `V4L2_MAP_QUANTIZATION_DEFAULT`
/// of `<linux/videodev2.h>`, which take pictures without colour for whole ones, as RGB.
fn yuv_encoding(fourcc: FourCc, colorspace: u32, encoding: u32, quantisation: u32) -> YuvEncoding {
    let encoding = match (encoding, colorspace) {
        (V4L2_YCBCR_ENC_DEFAULT, V4L2_COLORSPACE_REC709) | (V4L2_YCBCR_ENC_DEFAULT, V4L2_COLORSPACE_DCI_P3) => {
            V4L2_YCBCR_ENC_709
        }
        (V4L2_YCBCR_ENC_DEFAULT, V4L2_COLORSPACE_BT2020) => V4L2_YCBCR_ENC_BT2020,
        (V4L2_YCBCR_ENC_DEFAULT, V4L2_COLORSPACE_SMPTE240M) => V4L2_YCBCR_ENC_SMPTE240M,
        (encoding, _) => encoding,
    };
    let matrix = match encoding {
        V4L2_YCBCR_ENC_709 | V4L2_YCBCR_ENC_XV709 => Matrix::Bt709,
        V4L2_YCBCR_ENC_BT2020 => Matrix::Bt2020,
        V4L2_YCBCR_ENC_SMPTE240M => Matrix::Smpte240,
        _ => Matrix::Bt601,
    };
    let is_full_range = match quantisation {
        V4L2_QUANTIZATION_FULL_RANGE => true,
        V4L2_QUANTIZATION_LIM_RANGE => false,
        _ => colorspace == V4L2_COLORSPACE_JPEG || PixelFormat::from_fourcc(fourcc) == Some(PixelFormat::Grey),
    };
    YuvEncoding { matrix, is_full_range }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_are_the_kernels() {
        // From `strace -X raw v4l2-ctl`, 64 bits.
        #[cfg(target_pointer_width = "64")]
        assert_eq!(VIDIOC_DQEVENT, 0x8088_5659);
        assert_eq!(VIDIOC_SUBSCRIBE_EVENT, 0x4020_565A);
        assert_eq!(vidioc::VIDIOC_QUERYCAP, ioc(2, 0, size_of::<v4l2_capability>()));
    }

    #[test]
    fn what_drivers_leave_open_is_what_the_kernel_says() {
        const YUYV: FourCc = FourCc(*b"YUYV");
        let plain = YuvEncoding { matrix: Matrix::Bt601, is_full_range: false };
        assert_eq!(yuv_encoding(YUYV, v4l2_colorspace_V4L2_COLORSPACE_SRGB, 0, 0), plain);
        assert_eq!(yuv_encoding(YUYV, V4L2_COLORSPACE_JPEG, 0, 0), YuvEncoding { is_full_range: true, ..plain });
        assert_eq!(yuv_encoding(YUYV, V4L2_COLORSPACE_REC709, 0, 0), YuvEncoding { matrix: Matrix::Bt709, ..plain });
        assert!(yuv_encoding(FourCc(*b"GREY"), 0, 0, 0).is_full_range);
        let encoding = yuv_encoding(YUYV, V4L2_COLORSPACE_REC709, v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_601, 1);
        assert_eq!(encoding, YuvEncoding { is_full_range: true, ..plain });
    }
}
