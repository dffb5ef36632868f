//! YUV4MPEG2: uncompressed video as a byte stream.
//!
//! ffmpeg (`-f yuv4mpegpipe`), GStreamer (`y4menc`) and many others read and write it, so that any of them can be a camera
//! ([`crate::source`]) or one end of a clip (`reverie dream`). A [`Reader`] makes [`Frame`](crate::frame::Frame)s of it, a
//! [`Writer`] writes them. Neither trusts its input: headers, lines and sizes are bounded, and memory is taken only for
//! pictures that have arrived.
//!
//! The stream does not say which matrix its colours were made with. As players do, both ends take BT.709 for pictures of at
//! least 720 lines and BT.601 below ([`matrix`]); a caller who knows better says so.

mod header;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use header::{Header, LONGEST_SIDE, Rate, SHORTEST_SIDE, Sampling, matrix};
pub use reader::Reader;
pub use writer::Writer;

/// What every stream begins with.
pub const MAGIC: &[u8] = b"YUV4MPEG2 ";

/// Why a stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Y4mError {
    /// It is another format.
    #[error("it is not YUV4MPEG2: it begins with \"{}\"", .0.escape_ascii())]
    OtherFormat(Vec<u8>),
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// A header or the line before a picture is too long.
    #[error("a line of it is longer than {0} bytes")]
    LongLine(usize),
    /// A parameter of the header that is wrong or missing, or a colour space that is not read.
    #[error("its header: {0}")]
    Header(String),
    /// The line before a picture is none.
    #[error("it is broken before picture {number}: \"{}\" instead of FRAME", .line.escape_ascii())]
    NoFrame {
        /// The number of the picture, from 1.
        number: u64,
        /// How the line begins.
        line: Vec<u8>,
    },
    /// It ended within a picture or a line.
    #[error("it ends in the middle of picture {0}")]
    Torn(u64),
    /// The pixels of a picture could not be converted.
    #[error("picture {number}: {reason}")]
    Picture {
        /// The number of the picture, from 1.
        number: u64,
        /// Why.
        reason: String,
    },
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
