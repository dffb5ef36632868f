//! Where the dream goes: one file, numbered files, or raw frames on stdout.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat};

use crate::cli::BadInput;
use crate::files::{Rights, write_whole};
use crate::frame::Frame;

/// Where the dream goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// Raw RGB24, frame after frame.
    Stdout,
    File(PathBuf),
    /// The name before the number, the least digits of the number, and the name after it.
    Numbered {
        before: OsString,
        digits: usize,
        after: OsString,
    },
}

/// JPEG quality: dreams are all fine detail.
const JPEG_QUALITY: u8 = 95;

impl Target {
    /// Parses `out`, for `frames` frames (none: one picture), and checks that it can be written and is not the `input`.
    pub fn new(out: &Path, frames: Option<u32>, input: &Path) -> Result<Target, BadInput> {
        let target = match frames {
            _ if out == Path::new("-") => return Ok(Target::Stdout),
            None => Target::File(out.to_owned()),
            Some(frames) => Target::numbered(out, frames)?,
        };
        let first = target.path(1);
        format_of(&first)?;
        if same_file(&first, input) || (1..=frames.unwrap_or(1)).any(|n| target.path(n) == input) {
            return Err(BadInput(format!("{} would be overwritten: choose another OUT", input.display())));
        }
        let folder = folder_of(&first);
        if frames.is_some() {
            std::fs::create_dir_all(&folder)
                .map_err(|e| BadInput(format!("cannot make the folder {}: {e}", folder.display())))?;
        } else if !folder.is_dir() {
            return Err(BadInput(format!("there is no folder {}", folder.display())));
        }
        // Found out now, not after an hour's work.
        can_be_written(&first).map_err(|e| BadInput(format!("{} cannot be written: {e}", first.display())))?;
        Ok(target)
    }

    /// A folder, or a name with `%04d` for the number of a frame.
    fn numbered(out: &Path, frames: u32) -> Result<Target, BadInput> {
        let name = out.as_os_str().as_bytes();
        let is_folder = is_folder(out);
        let places = if is_folder { Vec::new() } else { number_places(name) };
        match places.as_slice() {
            [(place, digits)] => Ok(Target::Numbered {
                before: OsStr::from_bytes(&name[..place.start]).to_owned(),
                digits: *digits,
                after: OsStr::from_bytes(&name[place.end..]).to_owned(),
            }),
            [] if is_folder => Ok(Target::Numbered {
                before: out.join("").into_os_string(),
                digits: frames.to_string().len().max(4),
                after: ".png".into(),
            }),
            [] => Err(BadInput(format!(
                "{} is one file: a film goes to a folder, to a name with %04d in it once, or to `-`",
                out.display()
            ))),
            _ => Err(BadInput(format!("{}: the number of a frame is written %04d, once", out.display()))),
        }
    }

    /// The file of frame `number`.
    fn path(&self, number: u32) -> PathBuf {
        match self {
            Target::Stdout => PathBuf::from("-"),
            Target::File(path) => path.clone(),
            Target::Numbered { before, digits, after } => {
                let mut name = before.clone();
                name.push(format!("{number:0digits$}"));
                name.push(after);
                name.into()
            }
        }
    }

    /// Writes frame `number`: whole, or not at all.
    pub fn write(&mut self, frame: &Frame, number: u32) -> anyhow::Result<()> {
        if *self == Target::Stdout {
            let mut stdout = std::io::stdout().lock();
            return stdout.write_all(&frame.pixels).and_then(|()| stdout.flush()).context("writing to stdout");
        }
        let path = self.path(number);
        let written = encode(frame, format_of(&path)?)
            .map_err(anyhow::Error::from)
            .and_then(|file| Ok(write_whole(&path, &file, Rights::UMASK, None)?));
        written.with_context(|| format!("writing {}", path.display()))
    }
}

/// The file of `frame` in one of the formats of [`format_of`].
pub fn encode(frame: &Frame, format: ImageFormat) -> image::ImageResult<Vec<u8>> {
    let (width, height, kind) = (frame.width as u32, frame.height as u32, ExtendedColorType::Rgb8);
    let mut file = Vec::new();
    match format {
        ImageFormat::Jpeg => {
            JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).write_image(&frame.pixels, width, height, kind)?;
        }
        ImageFormat::WebP => WebPEncoder::new_lossless(&mut file).write_image(&frame.pixels, width, height, kind)?,
        _ => PngEncoder::new(&mut file).write_image(&frame.pixels, width, height, kind)?,
    }
    Ok(file)
}

/// The file format by the ending of a name.
pub(super) fn format_of(path: &Path) -> Result<ImageFormat, BadInput> {
    match ImageFormat::from_path(path) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) => Ok(format),
        _ => Err(BadInput(format!("{}: the name must end in .png, .jpg, .jpeg or .webp", path.display()))),
    }
}

/// Tries whether a file of that name can be made in `path`'s folder.
pub(super) fn can_be_written(path: &Path) -> std::io::Result<()> {
    match path.symlink_metadata() {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        Ok(meta) if meta.is_dir() => return Err(std::io::Error::other("there is a folder of that name")),
        _ => {}
    }
    // Short, since `path`'s own name may have the maximal length.
    let temporary = path.with_file_name(format!(".reverie-{}", std::process::id()));
    File::create(&temporary)?;
    std::fs::remove_file(temporary)
}

/// Whether `path` is a folder for frames: an existing one, or a name without an ending.
fn is_folder(path: &Path) -> bool {
    let is_explicit = path.as_os_str().as_bytes().ends_with(b"/") || path.is_dir();
    is_explicit || (path.extension().is_none() && !is_numbered(path))
}

/// Whether numbered frames go there: a folder, or a name with a number.
pub(super) fn takes_frames(path: &Path) -> bool {
    is_folder(path) || is_numbered(path)
}

/// Whether the number of a frame is part of the name.
fn is_numbered(path: &Path) -> bool {
    !number_places(path.as_os_str().as_bytes()).is_empty()
}

/// Where `name` has `%d`, `%4d` or `%04d`, and the least digits of each.
fn number_places(name: &[u8]) -> Vec<(Range<usize>, usize)> {
    let place = |start: usize| {
        let digits = name[start + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = start + 1 + digits;
        let width = std::str::from_utf8(&name[start + 1..end]).ok()?;
        let width = if width.is_empty() { 1 } else { width.parse().ok().filter(|width| *width <= 12)? };
        (name.get(end) == Some(&b'd')).then_some((start..end + 1, width))
    };
    let starts = name.iter().enumerate().filter(|(_, byte)| **byte == b'%').map(|(start, _)| start);
    starts.filter_map(place).collect()
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether both exist and are the same file.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(out: &Path, frames: Option<u32>) -> Result<Target, String> {
        Target::new(out, frames, Path::new("/nowhere/in.png")).map_err(|e| e.to_string())
    }

    #[test]
    fn films_are_numbered_in_a_folder_or_by_a_pattern() {
        let dir = tempfile::tempdir().unwrap();
        let names = |out: &str, frames| {
            let target = target(&dir.path().join(out), Some(frames)).unwrap();
            let name = |n| target.path(n).strip_prefix(dir.path()).unwrap().display().to_string();
            (name(1), name(frames))
        };
        assert_eq!(names("film", 20), ("film/0001.png".into(), "film/0020.png".into()));
        assert_eq!(names("long", 123_456), ("long/000001.png".into(), "long/123456.png".into()));
        assert_eq!(names("a/f%03d.jpg", 20), ("a/f001.jpg".into(), "a/f020.jpg".into()));
        assert_eq!(names("f%d.webp", 20), ("f1.webp".into(), "f20.webp".into()));
        // Folders, whatever else their names might mean.
        assert_eq!(names("my.film/", 2).0, "my.film/0001.png");
        assert_eq!(names("my.film", 2).0, "my.film/0001.png", "it is there now");
        assert_eq!(names("50% off/", 2).0, "50% off/0001.png");
        assert_eq!(names("dir%d/", 2).0, "dir%d/0001.png");
        assert_eq!(names("50% off/f%02d.png", 2).0, "50% off/f01.png");
        let foreign = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
        let mut film = target(&foreign, Some(2)).unwrap();
        film.write(&Frame::new(2, 2), 1).unwrap();
        assert!(foreign.join("0001.png").is_file());
    }

    #[test]
    fn what_cannot_be_written_is_found_out_before_the_work() {
        let dir = tempfile::tempdir().unwrap();
        let longest = dir.path().join(format!("{}.png", "x".repeat(251)));
        target(&longest, None).unwrap().write(&Frame::new(2, 2), 1).unwrap();
        assert!(longest.is_file());
        let longer = dir.path().join(format!("{}.png", "x".repeat(252)));
        assert!(target(&longer, None).unwrap_err().contains("cannot be written"));
        std::fs::create_dir(dir.path().join("a.png")).unwrap();
        assert!(target(&dir.path().join("a.png"), None).unwrap_err().contains("folder of that name"));
        assert!(target(Path::new("/proc/out.png"), None).unwrap_err().contains("cannot be written"));
    }

    #[test]
    fn names_that_cannot_be_meant_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = |out: &str, frames| target(&dir.path().join(out), frames).unwrap_err();
        assert!(error("film.png", Some(5)).contains("%04d"));
        assert!(error("f%d%d.png", Some(5)).contains("once"));
        assert!(error("f%s.png", Some(5)).contains("once"));
        assert!(error("out.gif", None).contains(".webp"));
        assert!(error("none/out.png", None).contains("there is no folder"));
    }

    #[test]
    fn the_picture_itself_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("f0003.png");
        std::fs::write(&input, "a picture").unwrap();
        let again = dir.path().join(".").join("f0003.png");
        assert!(Target::new(&again, None, &input).is_err());
        assert!(Target::new(&dir.path().join("f%04d.png"), Some(5), &input).is_err());
        assert!(Target::new(&dir.path().join("f%04d.png"), Some(2), &input).is_ok());
    }

    #[test]
    fn a_written_file_is_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut frame = Frame::new(40, 30);
        frame.pixels.iter_mut().enumerate().for_each(|(i, p)| *p = (i / 7) as u8);
        for name in ["a.png", "a.webp", "a.jpg"] {
            let path = dir.path().join(name);
            target(&path, None).unwrap().write(&frame, 1).unwrap();
            let read = image::open(&path).unwrap().into_rgb8();
            assert_eq!((read.width(), read.height()), (40, 30), "{name}");
            if name != "a.jpg" {
                assert_eq!(read.into_raw(), frame.pixels, "{name}");
            }
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
