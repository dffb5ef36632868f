//! From frames to bytes.

use std::io::{self, Write};

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut};

use super::{Header, Sampling, matrix};
use crate::frame::Frame;
use crate::pixel_format::YuvEncoding;

/// What stands before each picture.
const FRAME: &[u8] = b"FRAME\n";

/// Writes pictures to a stream; keeps its work buffer, so that nothing is allocated a picture once it runs.
pub struct Writer<W> {
    output: W,
    header: Header,
    /// A picture as it is written, with its line.
    picture: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// As the output has them.
    pub fn new(mut output: W, header: Header) -> io::Result<Writer<W>> {
        writeln!(output, "{header}")?;
        let bytes = header.sampling.bytes(header.width, header.height);
        let mut picture = FRAME.to_vec();
        picture.resize(FRAME.len() + bytes, 0);
        Ok(Writer { output, header, picture })
    }

    /// Writes `frame`, whole.
    ///
    /// # Errors
    /// It has another size than the header says, or the output has an error.
    pub fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let Header { width, height, sampling, is_full_range, .. } = self.header;
        if (frame.width, frame.height) != (width, height) {
            let reason = format!("a picture of {}x{} in a stream of {width}x{height}", frame.width, frame.height);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let encoding = YuvEncoding { matrix: matrix(height), is_full_range };
        let (luminance, chroma) = self.picture[FRAME.len()..].split_at_mut(width * height);
        let half = chroma.len() / 2;
        let (blue, red) = chroma.split_at_mut(half);
        let (across, own) = (width as u32, 3 * width as u32);
        let chroma_stride = if sampling == Sampling::Full { across } else { across.div_ceil(2) };
        let mut planes = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(luminance),
            y_stride: across,
            u_plane: BufferStoreMut::Borrowed(blue),
            u_stride: chroma_stride,
            v_plane: BufferStoreMut::Borrowed(red),
            v_stride: chroma_stride,
            width: across,
            height: height as u32,
        };
        let (range, matrix, mode) = (encoding.range(), encoding.matrix(), YuvConversionMode::Balanced);
        let converted = match sampling {
            Sampling::Full => yuv::rgb_to_yuv444(&mut planes, &frame.pixels, own, range, matrix, mode),
            Sampling::Half => yuv::rgb_to_yuv420(&mut planes, &frame.pixels, own, range, matrix, mode),
            Sampling::Mono => {
                let mut grey = yuv::YuvGrayImageMut {
                    y_plane: planes.y_plane,
                    y_stride: across,
                    width: across,
                    height: height as u32,
                };
                yuv::rgb_to_yuv400(&mut grey, &frame.pixels, own, range, matrix)
            }
        };
        converted.map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e.to_string()))?;
        self.output.write_all(&self.picture)?;
        self.output.flush()
    }

    /// What it writes to, so that it can be closed with care.
    pub fn into_inner(self) -> W {
        self.output
    }
}
