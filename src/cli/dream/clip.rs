//! A clip in, a dreamed clip out: every picture of the one is dreamed into one of the other.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::target::{self, Target};
use super::video::{self, CONTAINERS, Container, Decoder, Encoder, Facts};
use super::{Args, picture};
use crate::cli::BadInput;
use crate::dream::{Dreamer, Settings};
use crate::frame::Frame;
use crate::mirror::Mirror;
use crate::params::Params;
use crate::pixel::Scaler;
use crate::size::Size;
use crate::y4m::{Header, LONGEST_SIDE, MAGIC, Rate, Reader, Sampling, Writer};

/// Pictures a second of a clip that does not state its rate.
const DEFAULT_FPS: f64 = 25.0;
/// How many pictures a folder is numbered for where their number is unknown.
const UNKNOWN_FRAMES: u32 = 9999;

/// About the pixels that the network dreams at where a clip has more: two processor cores dream them eight times a second.
const WORKING_PIXELS: usize = 320 * 192;
/// Their sides are multiples of this, since networks halve them four times, pixels.
const GRID: usize = 16;

/// A clip to dream on.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// YUV4MPEG2 on standard input.
    Stdin,
    /// A file of YUV4MPEG2, or a named pipe.
    Y4m(PathBuf),
    /// Whatever ffmpeg reads.
    Video(PathBuf),
}

impl Input {
    /// What `path` is, by its content, else by its name; none: a picture.
    ///
    /// # Errors
    /// It is neither.
    pub fn of(path: &Path) -> Result<Option<Input>, BadInput> {
        if path == Path::new("-") {
            return Ok(Some(Input::Stdin));
        }
        if video::is_address(path) {
            return Ok(Some(Input::Video(path.to_owned())));
        }
        // A pipe is read only once, so its content cannot be probed.
        if path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
            return Ok(Some(Input::Y4m(path.to_owned())));
        }
        let is_picture_by_name = target::format_of(path).is_ok();
        let mut start = Vec::new();
        let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
        match read {
            // Left to the picture's reader, which says what is wrong.
            Err(_) if is_picture_by_name => Ok(None),
            Err(error) => Err(BadInput(format!("cannot read {}: {error}", path.display()))),
            Ok(_) if start.starts_with(MAGIC) => Ok(Some(Input::Y4m(path.to_owned()))),
            Ok(_) if is_picture_by_name || is_picture(&start) => Ok(None),
            Ok(_) if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("y4m")) => {
                Ok(Some(Input::Y4m(path.to_owned())))
            }
            Ok(_) => Ok(Some(Input::Video(path.to_owned()))),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Input::Stdin => Path::new("-"),
            Input::Y4m(path) | Input::Video(path) => path,
        }
    }
}

/// Whether these are the first bytes of a picture in a supported format.
fn is_picture(start: &[u8]) -> bool {
    use image::ImageFormat::{Jpeg, Png, WebP};
    matches!(image::guess_format(start), Ok(Jpeg | Png | WebP))
}

/// Where the dreamed clip goes.
enum Output {
    /// YUV4MPEG2 on standard output.
    Stdout,
    /// A file of YUV4MPEG2.
    Y4m(PathBuf),
    Video(PathBuf, Container),
    Pictures(PathBuf),
}

impl Output {
    fn of(out: &Path, input: &Path) -> Result<Output, BadInput> {
        if out == Path::new("-") {
            return Ok(Output::Stdout);
        }
        let name = out.to_string_lossy();
        let is_y4m = out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("y4m"));
        let output = match Container::of(out) {
            _ if target::takes_frames(out) => return Ok(Output::Pictures(out.to_owned())),
            Some(container) => Output::Video(out.to_owned(), container),
            None if is_y4m => Output::Y4m(out.to_owned()),
            None => {
                let endings: Vec<String> =
                    CONTAINERS.iter().map(|container| format!(".{}", container.ending)).collect();
                return Err(BadInput(format!(
                    "{name}: a clip goes to a video ({}, .y4m), to a folder or a name with %04d, or to `-`",
                    endings.join(", ")
                )));
            }
        };
        let folder = target::folder_of(out);
        match () {
            () if target::same_file(out, input) => {
                Err(BadInput(format!("{name} would be overwritten: choose another OUT")))
            }
            () if !folder.is_dir() => Err(BadInput(format!("there is no folder {}", folder.display()))),
            () => target::can_be_written(out)
                .map(|()| output)
                .map_err(|e| BadInput(format!("{name} cannot be written: {e}"))),
        }
    }
}

/// Where pictures come from.
enum Pictures {
    Stream(Reader<Box<dyn Read>>, String),
    Decoder(Decoder),
}

impl Pictures {
    fn open(input: &Input, fps: Option<Rate>, facts: &Facts) -> anyhow::Result<Pictures> {
        let (stream, name): (Box<dyn Read>, _) = match input {
            Input::Stdin => (Box::new(io::stdin()), "the standard input".to_owned()),
            Input::Y4m(path) => {
                let name = path.display().to_string();
                (Box::new(File::open(path).map_err(|e| BadInput(format!("cannot read {name}: {e}")))?), name)
            }
            Input::Video(path) => return Ok(Pictures::Decoder(Decoder::open(path, fps, facts)?)),
        };
        let reader = Reader::new(stream).map_err(|e| BadInput(format!("{name}: {e}")))?;
        Ok(Pictures::Stream(reader, name))
    }

    fn header(&self) -> &Header {
        match self {
            Pictures::Stream(reader, _) => reader.header(),
            Pictures::Decoder(decoder) => decoder.header(),
        }
    }

    fn read(&mut self, frame: &mut Frame) -> anyhow::Result<bool> {
        match self {
            Pictures::Stream(reader, name) => reader.read(frame).map_err(|e| BadInput(format!("{name}: {e}")).into()),
            Pictures::Decoder(decoder) => decoder.read(frame),
        }
    }
}

/// Where pictures go.
enum Sink {
    Stream(Writer<Box<dyn Write>>),
    Encoder(Box<Encoder>),
    Numbered(Target, u32),
}

/// What became of a picture that was to be written.
#[derive(PartialEq, Eq)]
enum WriteResult {
    Written,
    /// The standard output was closed, as `head` does: nothing is wrong.
    Closed,
}

impl Sink {
    fn open(output: &Output, header: Header, input: &Input, frames: Option<u64>) -> anyhow::Result<Sink> {
        let (stream, name): (Box<dyn Write>, _) = match output {
            Output::Stdout => (Box::new(io::stdout()), "the standard output".to_owned()),
            Output::Y4m(path) => {
                let name = path.display().to_string();
                let file = File::create(path).map_err(|e| BadInput(format!("cannot write {name}: {e}")))?;
                (Box::new(BufWriter::new(file)), name)
            }
            Output::Video(path, container) => {
                let sound = matches!(input, Input::Video(_)).then(|| input.path());
                return Ok(Sink::Encoder(Box::new(Encoder::open(path, *container, header, sound)?)));
            }
            Output::Pictures(path) => {
                let frames = frames
                    .map_or(UNKNOWN_FRAMES, |frames| u32::try_from(frames).unwrap_or(u32::MAX).clamp(1, 1_000_000));
                return Ok(Sink::Numbered(Target::new(path, Some(frames), input.path())?, 0));
            }
        };
        Ok(Sink::Stream(Writer::new(stream, header).with_context(|| format!("writing {name}"))?))
    }

    fn write(&mut self, frame: &Frame) -> anyhow::Result<WriteResult> {
        match self {
            Sink::Stream(writer) => match writer.write(frame) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(WriteResult::Closed),
                written => written.context("writing the clip")?,
            },
            Sink::Encoder(encoder) => encoder.write(frame)?,
            Sink::Numbered(target, number) => {
                *number += 1;
                target.write(frame, *number)?;
            }
        }
        Ok(WriteResult::Written)
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Sink::Stream(_) | Sink::Numbered(..) => Ok(()),
            Sink::Encoder(encoder) => encoder.finish(),
        }
    }
}

/// Repeats or skips pictures of a clip that is written at another rate.
struct RateConverter {
    /// Pictures of the clip for one that is written.
    step: f64,
    written: u64,
    read: u64,
}

impl RateConverter {
    fn new(own: f64, wanted: f64) -> RateConverter {
        RateConverter { step: own / wanted, written: 0, read: 0 }
    }

    /// How many times the next picture is written.
    fn next_repeats(&mut self) -> u64 {
        let number = self.read;
        self.read += 1;
        let before = self.written;
        // A picture is shown until the next one is due; the margin absorbs rounding.
        while (self.written as f64 * self.step + 1e-6) as u64 == number {
            self.written += 1;
        }
        self.written - before
    }
}

/// The size that the network dreams at on a canvas of `size`: the canvas' own, at most about [`WORKING_PIXELS`].
fn working_size(size: Size) -> Size {
    if size.pixels() <= WORKING_PIXELS {
        return size;
    }
    let Size { width, height } = size.within_pixels(WORKING_PIXELS);
    let side = |pixels: usize| (pixels.next_multiple_of(GRID)).max(GRID);
    Size::new(side(width), side(height))
}

/// Dreams `input` into `out`.
///
/// # Errors
/// Anything wrong with what was asked for, with the clip, or with ffmpeg.
pub fn run(args: &Args, input: &Input, out: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let output = Output::of(out, input.path())?;
    let catalogue = super::catalogue(args)?;
    let params = args.params.apply(&Params::new(&catalogue), &catalogue)?;
    super::verify(&catalogue, &params)?;
    let fps = args.fps.map(Rate::nearest);
    let facts = match input {
        Input::Video(path) => video::probe(path, fps),
        Input::Stdin | Input::Y4m(_) => Facts::default(),
    };
    let mut pictures = Pictures::open(input, fps, &facts)?;
    let clip = *pictures.header();
    let own_size = Size::new(clip.width, clip.height);
    let size = picture::wanted_size(own_size, args.size, args.max_side, &clip_name(input))?;
    let Size { width, height } = size;
    if width.max(height) > LONGEST_SIDE {
        return Err(BadInput(format!("--size: a clip has at most {LONGEST_SIDE} pixels a side")).into());
    }
    let own_rate = clip.rate.or(fps).unwrap_or(Rate::nearest(DEFAULT_FPS));
    let rate = fps.unwrap_or(own_rate);
    let is_scaled = size != own_size;
    let header = Header {
        width,
        height,
        rate: Some(rate),
        aspect: clip.aspect.filter(|_| !is_scaled),
        sampling: Sampling::Full,
        is_full_range: false,
    };
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let settings =
        Settings { size: Some(working_size(size)), max_size: size, target_fps: rate.per_second(), seed: Some(seed) };
    let dreamer = Dreamer::new(super::runtime(args)?, catalogue, settings).patient();
    let mut mirror = Mirror::new(dreamer, args.dream_every);
    let frames = facts.frames.or_else(|| count_in_file(input, &clip, rate.per_second() / own_rate.per_second()));
    let mut sink = match Sink::open(&output, header, input, frames) {
        Err(error) if matches!(output, Output::Stdout) && is_closed(&error) => return Ok(()),
        sink => sink?,
    };

    let bar = progress(frames);
    let mut rate_converter = RateConverter::new(own_rate.per_second(), rate.per_second());
    let period = Duration::from_secs_f64(1.0 / rate.per_second());
    let (mut scaler, mut scaled, mut dreamed) = (Scaler::default(), Frame::new(width, height), Frame::new(0, 0));
    let mut frame = Frame::new(0, 0);
    let mut count = 0;
    while pictures.read(&mut frame)? {
        frame.is_live = args.flips(&params);
        let camera = match is_scaled {
            true => {
                scaler.fill(&frame, &mut scaled);
                scaled.is_live = frame.is_live;
                &scaled
            }
            false => &frame,
        };
        for _ in 0..rate_converter.next_repeats() {
            mirror.frame(Some(camera), size.into(), &params, period, &mut dreamed)?;
            if sink.write(&dreamed).with_context(|| format!("frame {}", count + 1))? == WriteResult::Closed {
                bar.finish_and_clear();
                return Ok(());
            }
            count += 1;
            bar.inc(1);
        }
    }
    if count == 0 {
        return Err(BadInput(format!("{} holds no picture", clip_name(input))).into());
    }
    sink.finish()?;
    bar.finish_and_clear();
    let (seconds, status) = (started.elapsed().as_secs_f64(), mirror.dreamer().status());
    eprintln!(
        "{} at {size} on {}: {count} frames at {rate} a second, {seconds:.1} s, seed {seed}",
        status.layer,
        status.provider.map_or("no provider (nothing to climb)".to_owned(), |p| p.to_string()),
    );
    Ok(())
}

/// Whether writing failed because the reader has closed the pipe.
fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// About how many pictures are written of an uncompressed file, at `ratio` times its own rate.
fn count_in_file(input: &Input, clip: &Header, ratio: f64) -> Option<u64> {
    let Input::Y4m(path) = input else { return None };
    let bytes = path.metadata().ok().filter(Metadata::is_file)?.len() as f64;
    let picture = clip.sampling.bytes(clip.width, clip.height) as f64;
    Some((bytes / picture * ratio) as u64).filter(|count| *count > 0)
}

fn clip_name(input: &Input) -> String {
    match input {
        Input::Stdin => "the clip on standard input".to_owned(),
        Input::Y4m(path) | Input::Video(path) => path.display().to_string(),
    }
}

fn progress(frames: Option<u64>) -> ProgressBar {
    let (bar, template) = match frames {
        Some(frames) => (ProgressBar::new(frames), "{pos} of {len} frames {wide_bar} {per_sec}  {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {pos} frames, {per_sec}"),
    };
    let bar = bar.with_style(ProgressStyle::with_template(template).expect("a valid template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_and_pictures_are_distinguished_by_content_then_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            Input::of(&path).map(|input| input.map(|input| matches!(input, Input::Y4m(_))))
        };
        let png = b"\x89PNG\r\n\x1a\n0000";
        assert_eq!(of("a.png", b"text").unwrap(), None);
        assert_eq!(of("photo", png).unwrap(), None);
        assert_eq!(of("a.mp4", png).unwrap(), None, "misnamed");
        assert_eq!(of("a.mp4", b"\0\0\0 ftypisom").unwrap(), Some(false));
        assert_eq!(of("a.y4m", b"").unwrap(), Some(true));
        assert_eq!(of("video", b"YUV4MPEG2 W16 H16\n").unwrap(), Some(true));
        assert_eq!(Input::of(Path::new("-")).unwrap(), Some(Input::Stdin));
        assert_eq!(Input::of(Path::new("/nowhere/a.png")).unwrap(), None);
        assert!(Input::of(Path::new("/nowhere/a.mp4")).unwrap_err().to_string().contains("cannot read /nowhere/a.mp4"));
        assert!(Input::of(folder.path()).unwrap_err().to_string().contains("irectory"));
        assert!(matches!(Input::of(Path::new("rtsp://camera/1")).unwrap(), Some(Input::Video(_))));
    }

    #[test]
    fn another_rate_repeats_pictures_or_leaves_them_out() {
        let converted = |own, wanted, pictures| {
            let mut rate_converter = RateConverter::new(own, wanted);
            (0..pictures).map(|_| rate_converter.next_repeats()).collect::<Vec<_>>()
        };
        assert_eq!(converted(30.0, 30.0, 4), [1, 1, 1, 1]);
        assert_eq!(converted(30.0, 10.0, 6), [1, 0, 0, 1, 0, 0]);
        assert_eq!(converted(10.0, 30.0, 2), [3, 3]);
        for (own, wanted) in [(25.0, 30.0), (29.97, 24.0), (23.976, 23.976), (50.0, 29.97)] {
            let sum: u64 = converted(own, wanted, 10_000).iter().sum();
            let expected = 10_000.0 * wanted / own;
            assert!((sum as f64 - expected).abs() < 1.5, "{own} to {wanted}: {sum}");
        }
    }
}
