//! From bytes to frames.

use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

use super::{Header, MAGIC, Sampling, Y4mError, matrix};
use crate::frame::Frame;
use crate::pixel_format::{Converter, Layout, Matrix, PixelFormat, YuvEncoding};

/// The longest header that is read, and the longest line before a picture.
const LONGEST_LINE: usize = 1024;
/// How much of a wrong line an error shows.
const SHOWN: usize = 40;

/// Reads pictures from a stream; keeps its work buffers, so that nothing is allocated a picture once it runs.
pub struct Reader<R> {
    input: BufReader<R>,
    header: Header,
    matrix: Matrix,
    converter: Converter,
    line: Vec<u8>,
    planes: Vec<u8>,
    /// Pictures read.
    count: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is no such stream, or one of pictures that are not read.
    pub fn new(input: R) -> Result<Reader<R>, Y4mError> {
        let (mut input, mut line) = (BufReader::new(input), Vec::new());
        let came = read_line(&mut input, &mut line);
        let Some(parameters) = line.strip_prefix(MAGIC) else {
            if matches!(came, Ok(Line::None)) {
                return Err(Y4mError::Empty);
            }
            // An error of reading comes first; that a line is too long says less than how it begins.
            if let Err(error @ Y4mError::Io(_)) = came {
                return Err(error);
            }
            line.truncate(SHOWN);
            return Err(Y4mError::OtherFormat(line));
        };
        if !matches!(came?, Line::Whole) {
            return Err(Y4mError::Header("it is not complete".to_owned()));
        }
        let header = Header::parse(parameters)?;
        let matrix = matrix(header.height);
        Ok(Reader { input, header, matrix, converter: Converter::default(), line, planes: Vec::new(), count: 0 })
    }

    /// Takes the colours to be made with `matrix`, whatever the size of the pictures.
    #[must_use]
    pub fn with_matrix(mut self, matrix: Matrix) -> Reader<R> {
        self.matrix = matrix;
        self
    }

    /// What the stream says of its pictures.
    pub fn header(&self) -> &Header {
        &self.header
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.planes.capacity()
    }

    /// The next picture into `frame`, which takes on its size and is marked as captured now; false at the end.
    ///
    /// # Errors
    /// The stream is torn or broken here, or reading failed. Nothing more can be read from it then.
    pub fn read(&mut self, frame: &mut Frame) -> Result<bool, Y4mError> {
        let number = self.count + 1;
        match read_line(&mut self.input, &mut self.line)? {
            Line::None => return Ok(false),
            Line::Torn => return Err(Y4mError::Torn(number)),
            Line::Whole => {}
        }
        // Behind the word may stand parameters, which change nothing for us.
        if self.line.split(|byte| *byte == b' ').next() != Some(b"FRAME") {
            self.line.truncate(SHOWN);
            return Err(Y4mError::NoFrame { number, line: std::mem::take(&mut self.line) });
        }
        let Header { width, height, sampling, is_full_range, .. } = self.header;
        let bytes = sampling.bytes(width, height);
        self.planes.clear();
        // Grows as pictures arrive, and not because a header says so; the memory then stays.
        let came = (&mut self.input).take(bytes as u64).read_to_end(&mut self.planes)?;
        if came < bytes {
            return Err(Y4mError::Torn(number));
        }
        let captured = Instant::now();
        let pixels = match sampling {
            Sampling::Mono => PixelFormat::Grey,
            Sampling::Half => PixelFormat::Yu12,
            Sampling::Full => PixelFormat::Yuv444,
        };
        let (luminance, colours) = self.planes.split_at(width * height);
        let (blue, red) = colours.split_at(colours.len() / 2);
        let layout =
            Layout { width, height, strides: [0; 3], encoding: YuvEncoding { matrix: self.matrix, is_full_range } };
        let converted = self.converter.convert(pixels, &[luminance, blue, red], &layout, frame);
        converted.map_err(|reason| Y4mError::Picture { number, reason })?;
        (frame.captured, frame.commanded, frame.is_live) = (captured, None, false);
        self.count = number;
        Ok(true)
    }
}

/// The outcome of reading a line.
enum Line {
    Whole,
    /// The stream ended within it.
    Torn,
    /// The stream ended before it.
    None,
}

/// One line into `line`, without its end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Line, Y4mError> {
    line.clear();
    input.take(LONGEST_LINE as u64 + 1).read_until(b'\n', line)?;
    match line.pop() {
        None => Ok(Line::None),
        Some(b'\n') => Ok(Line::Whole),
        Some(last) => {
            line.push(last);
            if line.len() > LONGEST_LINE { Err(Y4mError::LongLine(LONGEST_LINE)) } else { Ok(Line::Torn) }
        }
    }
}
