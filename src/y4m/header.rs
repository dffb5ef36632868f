//! The line that a stream begins with.

use std::fmt;

use super::Y4mError;
use crate::pixel_format::Matrix;

/// Pictures with a shorter side are refused: nothing can be seen in them.
pub const SHORTEST_SIDE: usize = 16;
/// Pictures with a longer side are refused before memory is taken for them.
pub const LONGEST_SIDE: usize = 8192;
/// From so many lines on a picture is taken for high definition, and its colours for BT.709.
const HD_LINES: usize = 720;

/// Pictures a second, as a fraction: 30000/1001 has no short decimal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Above zero.
    pub numerator: u32,
    /// Above zero.
    pub denominator: u32,
}

/// How the colour planes are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Luminance alone.
    Mono,
    /// Colours at half the width and height.
    Half,
    /// Colours at full size.
    Full,
}

/// What a stream says of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Pictures a second; none: not known.
    pub rate: Option<Rate>,
    /// Width to height of a pixel; none: not known, taken for square.
    pub aspect: Option<(u32, u32)>,
    /// Where the colours are.
    pub sampling: Sampling,
    /// Luminance from 0 to 255 rather than 16 to 235.
    pub is_full_range: bool,
}

/// The matrix that colours of a picture of `height` lines are taken to be made with.
pub fn matrix(height: usize) -> Matrix {
    if height >= HD_LINES { Matrix::Bt709 } else { Matrix::Bt601 }
}

impl Rate {
    /// The rate nearest to `per_second`, written as television does where it is one of its own (29.97 is 30000/1001).
    pub fn nearest(per_second: f64) -> Rate {
        let whole = per_second.round().max(1.0);
        let is = |rate: f64| (per_second - rate).abs() < 0.0006 * rate;
        let (numerator, denominator) = match () {
            () if (per_second - whole).abs() < 1e-6 => (whole, 1),
            () if is(whole * 1000.0 / 1001.0) => (whole * 1000.0, 1001),
            () => ((per_second * 1000.0).round().max(1.0), 1000),
        };
        Rate { numerator: numerator as u32, denominator }
    }

    /// Pictures a second.
    pub fn per_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl fmt::Display for Rate {
    /// As people write it: `30`, `29.97`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ((self.per_second() * 100.0).round() / 100.0).fmt(f)
    }
}

impl Sampling {
    /// Bytes of a picture.
    pub fn bytes(self, width: usize, height: usize) -> usize {
        let luminance = width * height;
        match self {
            Sampling::Mono => luminance,
            Sampling::Half => luminance + 2 * width.div_ceil(2) * height.div_ceil(2),
            Sampling::Full => 3 * luminance,
        }
    }
}

impl Header {
    /// Parses what follows the magic.
    pub(super) fn parse(parameters: &[u8]) -> Result<Header, Y4mError> {
        let parameters = std::str::from_utf8(parameters).map_err(|_| refuse("it is not UTF-8 text".to_owned()))?;
        let (mut width, mut height) = (None, None);
        let (mut rate, mut aspect) = (None, None);
        let (mut sampling, mut is_full_range) = (Sampling::Half, false);
        for parameter in parameters.split_ascii_whitespace() {
            // Each has at least one byte, which may begin a character of several bytes.
            let Some((name, value)) = parameter.split_at_checked(1) else { continue };
            match name {
                "W" => width = Some(side("W", value)?),
                "H" => height = Some(side("H", value)?),
                "F" => rate = ratio(parameter, value)?.map(|(numerator, denominator)| Rate { numerator, denominator }),
                "A" => aspect = ratio(parameter, value)?,
                "C" => sampling = parse_sampling(value)?,
                "X" if value == "COLORRANGE=FULL" => is_full_range = true,
                "X" if value == "COLORRANGE=LIMITED" => is_full_range = false,
                // Interlacing is ignored; other letters are comments.
                _ => {}
            }
        }
        let missing = |name: &str| refuse(format!("{name} is missing"));
        let width = width.ok_or_else(|| missing("W (the width)"))?;
        let height = height.ok_or_else(|| missing("H (the height)"))?;
        Ok(Header { width, height, rate, aspect, sampling, is_full_range })
    }
}

impl fmt::Display for Header {
    /// The line itself, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { numerator, denominator } = self.rate.unwrap_or(Rate { numerator: 0, denominator: 0 });
        let (across, down) = self.aspect.unwrap_or((0, 0));
        let colours = match self.sampling {
            Sampling::Mono => "mono",
            Sampling::Half => "420jpeg",
            Sampling::Full => "444",
        };
        let range = if self.is_full_range { "FULL" } else { "LIMITED" };
        let (width, height) = (self.width, self.height);
        write!(
            f,
            "YUV4MPEG2 W{width} H{height} F{numerator}:{denominator} Ip A{across}:{down} C{colours} XCOLORRANGE={range}"
        )
    }
}

fn refuse(reason: String) -> Y4mError {
    Y4mError::Header(reason)
}

fn side(name: &str, value: &str) -> Result<usize, Y4mError> {
    let side = value.parse().ok().filter(|side| (SHORTEST_SIDE..=LONGEST_SIDE).contains(side));
    side.ok_or_else(|| {
        refuse(format!("{name}{value} is not a number of pixels from {SHORTEST_SIDE} to {LONGEST_SIDE}"))
    })
}

/// `30:1`; none where both are 0, which means that it is not known.
fn ratio(parameter: &str, value: &str) -> Result<Option<(u32, u32)>, Y4mError> {
    let read = |(a, b): (&str, &str)| Some((a.parse::<u32>().ok()?, b.parse::<u32>().ok()?));
    match value.split_once(':').and_then(read) {
        Some((0, 0)) => Ok(None),
        Some((a, b)) if a > 0 && b > 0 => Ok(Some((a, b))),
        _ => Err(refuse(format!("{parameter} is not a fraction such as 30:1"))),
    }
}

fn parse_sampling(value: &str) -> Result<Sampling, Y4mError> {
    match value {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(Sampling::Half),
        "444" => Ok(Sampling::Full),
        "mono" => Ok(Sampling::Mono),
        _ => Err(refuse(format!(
            "C{value} is not read: 4:2:0, 4:4:4 and mono with 8 bits are (ffmpeg: -pix_fmt yuv420p)"
        ))),
    }
}
