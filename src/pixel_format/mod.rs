//! The pixel formats that cameras and programs send, and their conversion to frames.
//!
//! Below what brings such pictures ([`crate::source`]) or reads them from a stream ([`crate::y4m`]).

mod convert;
mod huffman;

use std::fmt;

use serde::{Serialize, Serializer};
use yuv::{YuvRange, YuvStandardMatrix};

pub use convert::Converter;

/// The V4L2 names of the formats that can be read.
pub const FORMAT_NAMES: [&str; 11] =
    ["MJPG", "JPEG", "YUYV", "UYVY", "NV12", "NM12", "YU12", "YM12", "RGB3", "BGR3", "GREY"];

/// Larger pictures than any camera's are refused before memory is taken for them.
const MAX_SIDE: usize = 8192;

/// The formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    Jpeg,
    /// 4:2:2, two pixels in four bytes.
    Yuyv,
    Uyvy,
    /// 4:2:0: a plane of Y, and one of U and V in turn; or one of each.
    Nv12,
    Yu12,
    /// 4:4:4: three planes of one size. Sent by programs; no camera is known to.
    Yuv444,
    Rgb,
    Bgr,
    Grey,
}

/// How a picture lies in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    pub width: usize,
    pub height: usize,
    /// Bytes a row, by plane; 0: unknown, rows without padding. Only the first counts where the planes follow each other in one
    /// memory.
    pub strides: [usize; 3],
    pub encoding: YuvEncoding,
}

/// How YUV values map to RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YuvEncoding {
    pub matrix: Matrix,
    /// 0 to 255 rather than 16 to 235.
    pub is_full_range: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
    Smpte240,
}

impl PixelFormat {
    /// The format of a name in upper or lower case; none where it cannot be read.
    pub fn from_name(name: &str) -> Option<PixelFormat> {
        PixelFormat::from_fourcc(FourCc(
            *name.to_ascii_uppercase().as_bytes().first_chunk().filter(|_| name.len() == 4)?,
        ))
    }

    /// The format of this code; none where it cannot be read.
    pub fn from_fourcc(name: FourCc) -> Option<PixelFormat> {
        Some(match &name.0 {
            b"MJPG" | b"JPEG" => PixelFormat::Jpeg,
            b"YUYV" => PixelFormat::Yuyv,
            b"UYVY" => PixelFormat::Uyvy,
            b"NV12" | b"NM12" => PixelFormat::Nv12,
            b"YU12" | b"YM12" => PixelFormat::Yu12,
            b"RGB3" => PixelFormat::Rgb,
            b"BGR3" => PixelFormat::Bgr,
            b"GREY" => PixelFormat::Grey,
            _ => return None,
        })
    }

    /// Bytes a pixel as sent; for compressed pictures an estimate.
    pub fn bytes_per_pixel(self) -> f64 {
        match self {
            PixelFormat::Jpeg => 0.5,
            PixelFormat::Yuyv | PixelFormat::Uyvy => 2.0,
            PixelFormat::Nv12 | PixelFormat::Yu12 => 1.5,
            PixelFormat::Yuv444 | PixelFormat::Rgb | PixelFormat::Bgr => 3.0,
            PixelFormat::Grey => 1.0,
        }
    }

    /// Work a pixel, to read it and to make the picture smaller, relative to YUYV: measured by `cargo bench` on x86_64, rounded.
    pub fn relative_cost(self) -> f64 {
        match self {
            PixelFormat::Jpeg => 3.3,
            PixelFormat::Yuyv | PixelFormat::Uyvy | PixelFormat::Yuv444 => 1.0,
            PixelFormat::Nv12 | PixelFormat::Yu12 => 0.8,
            PixelFormat::Rgb | PixelFormat::Bgr | PixelFormat::Grey => 0.7,
        }
    }
}

impl Layout {
    /// Checks that such pictures can be held.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let Layout { width, height, .. } = *self;
        match (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) {
            true => Ok(()),
            false => Err(format!("sends pictures of {width}x{height}, which is not possible")),
        }
    }
}

impl YuvEncoding {
    /// As the crate `yuv` calls it.
    pub(crate) fn range(self) -> YuvRange {
        if self.is_full_range { YuvRange::Full } else { YuvRange::Limited }
    }

    /// As the crate `yuv` calls it.
    pub(crate) fn matrix(self) -> YuvStandardMatrix {
        match self.matrix {
            Matrix::Bt601 => YuvStandardMatrix::Bt601,
            Matrix::Bt709 => YuvStandardMatrix::Bt709,
            Matrix::Bt2020 => YuvStandardMatrix::Bt2020,
            Matrix::Smpte240 => YuvStandardMatrix::Smpte240,
        }
    }
}

/// A pixel format's code of four letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl From<u32> for FourCc {
    fn from(code: u32) -> FourCc {
        // The highest bit says big-endian.
        FourCc((code & 0x7FFF_FFFF).to_le_bytes())
    }
}

impl From<FourCc> for u32 {
    fn from(code: FourCc) -> u32 {
        u32::from_le_bytes(code.0)
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' };
        f.write_str(self.0.iter().map(letter).collect::<String>().trim_end())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for FourCc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
