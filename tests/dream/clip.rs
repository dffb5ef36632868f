//! `reverie dream` of clips, as it is typed.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use reverie::frame::Frame;
use reverie::y4m::{Header, Rate, Reader, Sampling, Writer};

use crate::command::{photo, text};
use crate::scene::{difference, packs, picture};

const SIZE: (usize, usize) = (64, 48);
/// As little network as can be.
const QUICK: [&str; 6] = ["--steps", "1", "--octaves", "1", "--seed", "3"];

/// A clip of `count` pictures, each brighter than the one before.
fn clip((width, height): (usize, usize), count: u8, fps: u32, sampling: Sampling) -> Vec<u8> {
    let rate = (fps > 0).then_some(Rate { numerator: fps, denominator: 1 });
    let header = Header { width, height, rate, aspect: None, sampling, is_full_range: false };
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    for number in 0..count {
        let mut frame = picture((width, height));
        frame.pixels.iter_mut().for_each(|value| *value = (*value / 2).saturating_add(number * 9));
        writer.write(&frame).unwrap();
    }
    writer.into_inner()
}

fn frames(bytes: &[u8]) -> (Header, Vec<Frame>) {
    let mut reader = Reader::new(bytes).unwrap_or_else(|e| panic!("{e}"));
    let (header, mut frames, mut frame) = (*reader.header(), Vec::new(), Frame::new(0, 0));
    while reader.read(&mut frame).unwrap() {
        frames.push(frame.clone());
    }
    (header, frames)
}

/// `reverie dream ARGS` in `folder`, on the CPU, with `stdin`.
fn dream(folder: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let mut child = command(folder, args).stdin(Stdio::piped()).spawn().unwrap();
    let (mut pipe, stdin) = (child.stdin.take().unwrap(), stdin.to_owned());
    let feeding = std::thread::spawn(move || drop(pipe.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
    command.current_dir(folder).args(["dream", "--providers", "cpu", "--packs"]).arg(packs()).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn succeeds(folder: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let output = dream(folder, &[args, &QUICK].concat(), stdin);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    output
}

fn refused(folder: &Path, args: &[&str], stdin: &[u8], told: &str) {
    let output = dream(folder, args, stdin);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(error.contains(told), "{args:?}: {error}");
}

#[test]
fn every_frame_of_a_pipe_is_dreamed_and_a_seed_makes_it_repeatable() {
    let folder = tempfile::tempdir().unwrap();
    let sent = clip(SIZE, 8, 30, Sampling::Half);
    let first = succeeds(folder.path(), &["-", "-", "--dream-every", "2"], &sent);
    let (header, dreamed) = frames(&first.stdout);
    assert_eq!((header.width, header.height, header.sampling), (64, 48, Sampling::Full));
    assert_eq!((header.rate, dreamed.len()), (Some(Rate { numerator: 30, denominator: 1 }), 8));
    let told = text(&first.stderr);
    assert!(told.contains("f12 at 64x48 on cpu: 8 frames at 30 a second, "), "{told}");
    // A dream of the clip: neither the clip nor something else.
    // The first dream takes two frames, and as long to be seen.
    for (dreamed, camera) in dreamed.iter().zip(frames(&sent).1).skip(4) {
        let apart = difference(dreamed, &camera);
        assert!((0.5..60.0).contains(&apart), "{apart}");
    }
    assert!(
        first.stdout == succeeds(folder.path(), &["-", "-o", "-", "--dream-every", "2"], &sent).stdout,
        "not repeatable"
    );
}

#[test]
fn files_folders_and_pipes_get_the_same_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let sent = clip(SIZE, 3, 25, Sampling::Full);
    fs::write(folder.path().join("in.y4m"), &sent).unwrap();
    // What it is shows in the content too.
    fs::write(folder.path().join("renamed.bin"), &sent).unwrap();
    let piped = succeeds(folder.path(), &["in.y4m", "-"], b"").stdout;
    assert!(piped == succeeds(folder.path(), &["renamed.bin", "-"], b"").stdout);
    succeeds(folder.path(), &["in.y4m", "out.y4m"], b"");
    assert!(piped == fs::read(folder.path().join("out.y4m")).unwrap());
    succeeds(folder.path(), &["in.y4m", "film"], b"");
    for (number, frame) in frames(&piped).1.iter().enumerate() {
        let file = folder.path().join(format!("film/{:04}.png", number + 1));
        let mut picture = Frame::new(64, 48);
        picture.pixels =
            image::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())).into_rgb8().into_raw();
        assert!(difference(&picture, frame) < 1.5, "but for the way through YUV");
    }
    assert_eq!(fs::read_dir(folder.path().join("film")).unwrap().count(), 3);
}

#[test]
fn sizes_and_rates_are_those_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let sent = clip(SIZE, 6, 30, Sampling::Half);
    let dreamed = |args: &[&str], stdin: &[u8]| {
        let (header, frames) = frames(&succeeds(folder.path(), &[&["-", "-"][..], args].concat(), stdin).stdout);
        (header.width, header.height, header.rate.unwrap().to_string(), frames.len())
    };
    assert_eq!(dreamed(&["--size", "50x50"], &sent), (50, 50, "30".to_owned(), 6));
    assert_eq!(dreamed(&["--max-side", "48"], &sent), (48, 36, "30".to_owned(), 6));
    assert_eq!(dreamed(&["--fps", "10"], &sent), (64, 48, "10".to_owned(), 2));
    assert_eq!(dreamed(&["--fps", "59.94"], &sent), (64, 48, "59.94".to_owned(), 12));
    // Where the clip does not say, all of its pictures are taken.
    let untold = clip(SIZE, 6, 0, Sampling::Mono);
    assert_eq!(dreamed(&[], &untold), (64, 48, "25".to_owned(), 6));
    assert_eq!(dreamed(&["--fps", "10"], &untold), (64, 48, "10".to_owned(), 6));
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.y4m"), clip(SIZE, 20, 25, Sampling::Half)).unwrap();
    let mut child = command(folder.path(), &[&["in.y4m", "-"][..], &QUICK].concat()).spawn().unwrap();
    let mut start = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    // Nobody there at all.
    let mut child = command(folder.path(), &[&["in.y4m", "-"][..], &QUICK].concat()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn a_named_pipe_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let sent = clip(SIZE, 2, 25, Sampling::Half);
    let feeding = std::thread::spawn(move || fs::write(pipe, sent).unwrap());
    assert_eq!(frames(&succeeds(folder.path(), &["pipe", "-"], b"").stdout).1.len(), 2);
    feeding.join().unwrap();
}

#[test]
fn what_is_wrong_with_a_clip_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    photo(at);
    let sent = clip(SIZE, 2, 25, Sampling::Half);
    fs::write(at.join("in.y4m"), &sent).unwrap();
    fs::write(at.join("empty.y4m"), "").unwrap();
    refused(at, &["-", "out.y4m"], b"RIFF", "the standard input: it is not YUV4MPEG2: it begins with \"RIFF\"");
    refused(at, &["-", "out.y4m"], b"YUV4MPEG2 W64 H48 C422\n", "C422 is not read");
    refused(at, &["-", "out.y4m"], b"YUV4MPEG2 W64 H48\n", "holds no picture");
    refused(at, &["-", "out.y4m"], &sent[..sent.len() - 1], "the standard input: it ends in the middle of picture 2");
    refused(at, &["empty.y4m", "out.y4m"], b"", "empty.y4m: it is empty");
    refused(at, &["gone.mp4", "out.y4m"], b"", "cannot read gone.mp4");
    refused(at, &["gone.y4m", "out.y4m"], b"", "cannot read gone.y4m");
    refused(at, &["in.y4m", "out.png"], b"", "a clip goes to a video (.mp4, .mkv");
    refused(at, &["in.y4m", "nowhere/out.mp4"], b"", "there is no folder nowhere");
    refused(at, &["in.y4m", "./in.y4m"], b"", "would be overwritten");
    refused(at, &["in.y4m", "out.y4m", "--layer", "f99"], b"", "--layer: no layer is called `f99`");
    refused(at, &["in.y4m", "out.y4m", "--frames", "3"], b"", "--frames");
    refused(at, &["in.y4m", "out.y4m", "--dream-every", "0"], b"", "--dream-every");
    refused(at, &["photo.png", "out.png", "--dream-every", "2"], b"", "--dream-every: is for clips");
    refused(at, &["in.y4m", "out.y4m", "--max-side", "20"], b"", "at least 32 pixels");
    let first = fs::read(at.join("in.y4m")).unwrap();
    assert!(first == sent, "the clip was touched");
}

/// Without ffmpeg in PATH, whether this machine has one or not.
#[test]
fn a_missing_ffmpeg_is_named_with_how_to_come_by_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.mp4"), b"\0\0\0 ftypisom").unwrap();
    fs::write(folder.path().join("in.y4m"), clip(SIZE, 1, 25, Sampling::Half)).unwrap();
    for (args, purpose) in [(["in.mp4", "out.y4m"], "to read in.mp4"), (["in.y4m", "out.mp4"], "to write out.mp4")] {
        let output = command(folder.path(), &args).env("PATH", folder.path()).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains(&format!("ffmpeg is needed {purpose}")) && error.contains("apt install ffmpeg"),
            "{error}"
        );
    }
}

fn ffmpeg(folder: &Path, args: &[&str]) {
    let mut command = Command::new("ffmpeg");
    let output = command.current_dir(folder).args(["-v", "error", "-y", "-nostdin"]).args(args).output();
    let output = output.expect("`deploy/install-tools test` installs ffmpeg");
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
}

fn ffprobe(file: &Path, entries: &str) -> String {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-count_frames", "-of", "csv=p=0", "-show_entries", entries]).arg(file);
    text(&command.output().unwrap().stdout).replace('\n', ";")
}

#[test]
fn videos_come_through_ffmpeg_with_their_sound() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Two seconds at 12 a second, with a tone, and colours that are told.
    let made = "testsrc2=size=96x64:rate=12:duration=2";
    let sound = "sine=frequency=440:duration=2";
    ffmpeg(
        at,
        &["-f", "lavfi", "-i", made, "-f", "lavfi", "-i", sound, "-pix_fmt", "yuv420p", "-c:a", "aac", "in.mp4"],
    );
    for (out, codec, sound) in [
        ("out.mp4", "h264", "aac"),
        ("out.mkv", "h264", "aac"),
        ("out.mov", "h264", "aac"),
        // Which takes no AAC.
        ("out.webm", "vp9", "opus"),
        ("out.avi", "mpeg4", "aac"),
    ] {
        succeeds(at, &["in.mp4", out], b"");
        let said = ffprobe(&at.join(out), "stream=codec_name,width,height,pix_fmt,nb_read_frames");
        assert!(said.contains(&format!("{codec},96,64,yuv420p")) && said.contains(sound), "{out}: {said}");
        let video = said.split(';').find(|stream| stream.starts_with(codec)).unwrap();
        assert!(video.ends_with(",24"), "every frame is one of {out}: {said}");
    }
    // Without a network's steps it is the clip itself: its colours come through, at odd sizes too.
    ffmpeg(
        at,
        &["-f", "lavfi", "-i", "color=c=0xC02040:size=96x64:rate=5:duration=1", "-pix_fmt", "yuv420p", "red.mkv"],
    );
    for (out, size) in [("same.y4m", "96x64"), ("odd.mp4", "67x45")] {
        succeeds(at, &["red.mkv", out, "--size", size, "--intensity", "0", "--tone", "0"], b"");
        ffmpeg(at, &["-i", out, "-vf", "crop=32:32", "-pix_fmt", "rgb24", "-f", "rawvideo", "rgb"]);
        let rgb = fs::read(at.join("rgb")).unwrap();
        let pixel = &rgb[3 * 500..][..3];
        let near = |value: u8, wanted: u8| value.abs_diff(wanted) <= 8;
        assert!(near(pixel[0], 0xC0) && near(pixel[1], 0x20) && near(pixel[2], 0x40), "{out}: {pixel:?}");
        assert_eq!(rgb.len(), 5 * 3 * 32 * 32);
    }
    let (_, resampled) = frames(&succeeds(at, &["in.mp4", "-", "--fps", "6"], b"").stdout);
    assert_eq!(resampled.len(), 12);
    // What ffmpeg says itself.
    fs::write(at.join("torn.mp4"), b"\0\0\0 ftypisom and no more").unwrap();
    refused(at, &["torn.mp4", "out.y4m"], b"", "ffmpeg cannot read torn.mp4: file:torn.mp4: ");
    ffmpeg(at, &["-f", "lavfi", "-i", sound, "sound.wav"]);
    refused(at, &["sound.wav", "out.y4m"], b"", "ffmpeg cannot read sound.wav: ");
}
