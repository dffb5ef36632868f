//! ffmpeg, called as a program: it reads and writes the videos that are not YUV4MPEG2 already.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value as Json;

use crate::cli::BadInput;
use crate::frame::Frame;
use crate::pixel_format::Matrix;
use crate::subprocess::{self, Subprocess};
use crate::y4m::{self, Header, Rate, Reader, Writer, Y4mError};

/// How long ffmpeg may take to finish after its last picture: it moves an MP4's index to its front.
const FINISH_TIMEOUT: Duration = Duration::from_secs(600);
/// A stated rate this many times the mean one is only the time base of a video of varying rate.
const MAX_RATE_RATIO: f64 = 1.5;

/// How each kind of video is written.
pub const CONTAINERS: [Container; 5] = [
    Container { ending: "mp4", muxer: "mp4", codec: X264 },
    Container { ending: "mkv", muxer: "matroska", codec: X264 },
    Container { ending: "mov", muxer: "mov", codec: X264 },
    Container {
        ending: "webm",
        muxer: "webm",
        codec: &["libvpx-vp9", "-crf", "24", "-b:v", "0", "-row-mt", "1", "-cpu-used", "3"],
    },
    Container { ending: "avi", muxer: "avi", codec: &["mpeg4", "-q:v", "2"] },
];

// Dreams are all fine detail: finer than ffmpeg's own choice of 23.
const X264: &[&str] = &["libx264", "-crf", "18", "-preset", "medium"];

/// A kind of video, by the ending of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container {
    /// Of the file's name, in lower case.
    pub ending: &'static str,
    muxer: &'static str,
    codec: &'static [&'static str],
}

impl Container {
    /// The kind that `path` names.
    pub fn of(path: &Path) -> Option<Container> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        CONTAINERS.into_iter().find(|container| container.ending == ending)
    }
}

/// What is known of a clip before it is read; nothing without ffprobe.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Facts {
    /// Pictures, as far as known.
    pub frames: Option<u64>,
    /// Pictures a second, where they vary: the mean.
    mean_rate: Option<f64>,
    /// It does not state its colour matrix, and is of high definition.
    is_hd_without_matrix: bool,
}

/// The program, or an error with how to install it.
fn ffmpeg(purpose: &str) -> Result<PathBuf, BadInput> {
    subprocess::find("ffmpeg").ok_or_else(|| {
        let remedy = "sudo apt install ffmpeg";
        BadInput(format!("ffmpeg is needed {purpose} and is not installed ({remedy}); .y4m files do without it"))
    })
}

/// `clip` as an argument of ffmpeg: an address as it is, a file with a prefix, so that no name is taken for an address.
fn named(clip: &Path) -> OsString {
    match is_address(clip) {
        true => clip.into(),
        false => {
            let mut name = OsString::from("file:");
            name.push(clip);
            name
        }
    }
}

/// Whether it is one of the addresses that ffmpeg reads from, such as `rtsp://camera/`.
pub fn is_address(clip: &Path) -> bool {
    clip.to_str().and_then(|name| name.split_once("://")).is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// What ffprobe says of a clip that is to be read at `fps`.
pub fn probe(clip: &Path, fps: Option<Rate>) -> Facts {
    let Some(ffprobe) = subprocess::find("ffprobe") else { return Facts::default() };
    let entries = "stream=avg_frame_rate,r_frame_rate,nb_frames,color_space,height,duration:format=duration";
    let mut command = Command::new(ffprobe);
    command.args(["-v", "error", "-select_streams", "V:0", "-of", "json", "-show_entries", entries]).arg(named(clip));
    let output = command.stdin(Stdio::null()).output();
    output
        .ok()
        .and_then(|output| serde_json::from_slice(&output.stdout).ok())
        .map_or(Facts::default(), |json| facts(&json, fps))
}

fn facts(json: &Json, fps: Option<Rate>) -> Facts {
    let stream = &json["streams"][0];
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let number = |value: &Json| text(value)?.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    let fraction = |value: &Json| {
        let text = text(value)?;
        let (a, b) = text.split_once('/')?;
        Some(a.parse::<f64>().ok()? / b.parse::<f64>().ok()?).filter(|rate| rate.is_finite() && *rate > 0.0)
    };
    let (mean, stated) = (fraction(&stream["avg_frame_rate"]), fraction(&stream["r_frame_rate"]));
    let mean_rate = mean.filter(|mean| stated.is_some_and(|stated| stated > MAX_RATE_RATIO * mean));
    let seconds = number(&stream["duration"]).or_else(|| number(&json["format"]["duration"]));
    let rate = fps.map(Rate::per_second).or(mean_rate).or(stated).or(mean);
    let counted = number(&stream["nb_frames"]).filter(|_| fps.is_none() && mean_rate.is_none());
    let frames = counted.or_else(|| Some(seconds? * rate?)).map(|frames| frames.round().max(1.0) as u64);
    let has_matrix = stream["color_space"].as_str().is_some_and(|space| space != "unknown");
    let is_hd = stream["height"].as_u64().is_some_and(|height| y4m::matrix(height as usize) == Matrix::Bt709);
    Facts { frames, mean_rate, is_hd_without_matrix: !has_matrix && is_hd }
}

fn quiet(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.args(["-hide_banner", "-nostats", "-v", "error"]);
    command
}

fn start(command: Command) -> anyhow::Result<Subprocess> {
    Subprocess::start(command, |_| {}).context("cannot start ffmpeg")
}

/// A clip that ffmpeg reads.
pub struct Decoder {
    name: String,
    // Dropped before the program, which may be writing to it.
    reader: Reader<ChildStdout>,
    program: Subprocess,
}

impl Decoder {
    /// Starts to read `clip`, at `fps` pictures a second where that is given.
    ///
    /// # Errors
    /// ffmpeg is missing, or cannot read it.
    pub fn open(clip: &Path, fps: Option<Rate>, facts: &Facts) -> anyhow::Result<Decoder> {
        let name = clip.display().to_string();
        let mut command = quiet(ffmpeg(&format!("to read {name}"))?);
        command.arg("-nostdin").arg("-i").arg(named(clip)).args(["-map", "0:V:0", "-vf", &filters(fps, facts)]);
        // Chroma at full size, so that ffmpeg, which knows the siting, resamples it.
        command.args(["-pix_fmt", "yuv444p", "-f", "yuv4mpegpipe", "-strict", "-1", "pipe:1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut program = start(command)?;
        let stdout = program.stdout().context("ffmpeg has no standard output")?;
        match Reader::new(stdout) {
            // As the filters ask for it, whatever the size.
            Ok(reader) => Ok(Decoder { name, reader: reader.with_matrix(Matrix::Bt709), program }),
            Err(error) => {
                let status = program.wait(Duration::from_secs(1));
                Err(unreadable(&name, &program, status, Some(&error)).into())
            }
        }
    }

    /// What its pictures are like.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// As [`Reader::read`].
    ///
    /// # Errors
    /// ffmpeg failed.
    pub fn read(&mut self, frame: &mut Frame) -> anyhow::Result<bool> {
        match self.reader.read(frame) {
            Ok(true) => Ok(true),
            outcome => {
                let status = self.program.wait(Duration::from_secs(10));
                match (&outcome, status) {
                    (Ok(_), Some(status)) if status.success() => Ok(false),
                    _ => Err(unreadable(&self.name, &self.program, status, outcome.err().as_ref()).into()),
                }
            }
        }
    }
}

fn unreadable(name: &str, program: &Subprocess, status: Option<ExitStatus>, error: Option<&Y4mError>) -> BadInput {
    BadInput(format!("ffmpeg cannot read {name}: {}", reason(program, status, error.map(ToString::to_string))))
}

/// Why ffmpeg failed, as far as known: its last error line, else how it ended, else what went wrong here.
fn reason(program: &Subprocess, status: Option<ExitStatus>, seen: Option<String>) -> String {
    let ended = status.filter(|status| !status.success()).map(|status| status.to_string());
    program.last_error_line().or(ended).or(seen).unwrap_or_else(|| "it did not end".to_owned())
}

/// The filters for a clip's pictures: one rate, square pixels, and colours by BT.709.
fn filters(fps: Option<Rate>, facts: &Facts) -> String {
    let rate = fps.or(facts.mean_rate.map(Rate::nearest));
    let rate = rate.map_or(String::new(), |rate| format!("fps={}/{},", rate.numerator, rate.denominator));
    let matrix = if facts.is_hd_without_matrix { "bt709" } else { "auto" };
    format!(
        "{rate}scale=w='max(1,round(iw*sar))':h=ih:in_color_matrix={matrix}:out_color_matrix=bt709:flags=bicubic+accurate_rnd,setsar=1"
    )
}

/// A video that ffmpeg writes.
pub struct Encoder {
    name: String,
    /// None after the last picture.
    writer: Option<Writer<ChildStdin>>,
    program: Subprocess,
}

impl Encoder {
    /// Starts to write `out`, whose pictures are as in `header`, with the sound of the clip `sound`, if it has any.
    ///
    /// # Errors
    /// ffmpeg is missing, or ends at once.
    pub fn open(out: &Path, container: Container, header: Header, sound: Option<&Path>) -> anyhow::Result<Encoder> {
        let name = out.display().to_string();
        let ffmpeg = ffmpeg(&format!("to write {name}"))?;
        let is_copied = sound.is_some_and(|clip| can_copy_sound(&ffmpeg, clip, container));
        let mut command = quiet(ffmpeg);
        command.args(["-y", "-f", "yuv4mpegpipe", "-i", "pipe:0"]);
        if let Some(clip) = sound {
            command.arg("-vn").arg("-i").arg(named(clip));
        }
        command.args(["-map", "0:v"]);
        if sound.is_some() {
            command.args(["-map", "1:a?"]);
            command.args(if is_copied { ["-c:a", "copy"] } else { ["-b:a", "192k"] });
        }
        let (matrix, primaries, transfer) = match y4m::matrix(header.height) {
            Matrix::Bt709 => ("bt709", "bt709", "bt709"),
            _ => ("smpte170m", "smpte170m", "smpte170m"),
        };
        // Colours at half size need an even number of rows and columns.
        let filters = format!(
            "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0,scale=in_color_matrix={matrix}:out_color_matrix={matrix}:in_range=tv:out_range=tv,format=yuv420p"
        );
        command.args(["-vf", &filters, "-c:v"]).args(container.codec);
        command.args([
            "-colorspace",
            matrix,
            "-color_primaries",
            primaries,
            "-color_trc",
            transfer,
            "-color_range",
            "tv",
        ]);
        if matches!(container.muxer, "mp4" | "mov") {
            command.args(["-movflags", "+faststart"]);
        }
        let mut target = OsString::from("file:");
        target.push(out);
        command.args(["-f", container.muxer]).arg(target);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut program = start(command)?;
        let stdin = program.stdin().context("ffmpeg has no standard input")?;
        let mut encoder = Encoder { name, writer: None, program };
        match Writer::new(stdin, header) {
            Ok(writer) => encoder.writer = Some(writer),
            Err(error) => return Err(encoder.failed(&error)),
        }
        Ok(encoder)
    }

    /// Writes one picture.
    ///
    /// # Errors
    /// ffmpeg failed.
    pub fn write(&mut self, frame: &Frame) -> anyhow::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write(frame).map_err(|error| self.failed(&error))
    }

    /// Waits until the video is complete.
    ///
    /// # Errors
    /// ffmpeg failed.
    pub fn finish(mut self) -> anyhow::Result<()> {
        drop(self.writer.take());
        match self.program.wait(FINISH_TIMEOUT) {
            Some(status) if status.success() => Ok(()),
            status => Err(self.ended(status, "it did not end".to_owned())),
        }
    }

    fn failed(&mut self, error: &io::Error) -> anyhow::Error {
        self.writer = None;
        let status = self.program.wait(Duration::from_secs(5));
        self.ended(status, error.to_string())
    }

    fn ended(&self, status: Option<ExitStatus>, seen: String) -> anyhow::Error {
        anyhow::anyhow!("ffmpeg cannot write {}: {}", self.name, reason(&self.program, status, Some(seen)))
    }
}

/// Whether the container takes the clip's sound as it is: tried on its first moment. Without sound it does not matter.
fn can_copy_sound(ffmpeg: &Path, clip: &Path, container: Container) -> bool {
    let mut command = quiet(ffmpeg.to_owned());
    command.arg("-nostdin").arg("-i").arg(named(clip)).args(["-map", "0:a", "-c:a", "copy", "-t", "0.1"]);
    command.args(["-f", container.muxer, "-y", "/dev/null"]);
    let tried = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_are_read_from_what_ffprobe_says() {
        let of = |stream: Json, fps| facts(&json!({ "streams": [stream], "format": { "duration": "10.0" } }), fps);
        let plain = json!({ "avg_frame_rate": "25/1", "r_frame_rate": "25/1", "nb_frames": "250", "height": 576 });
        assert_eq!(of(plain.clone(), None), Facts { frames: Some(250), ..Facts::default() });
        assert_eq!(of(plain, Some(Rate::nearest(10.0))).frames, Some(100));
        // A recorded screen: timed by the millisecond, a picture when something changes.
        let screen =
            json!({ "avg_frame_rate": "133/10", "r_frame_rate": "1000/1", "height": 1080, "color_space": "unknown" });
        let screen = of(screen, None);
        assert_eq!((screen.frames, screen.is_hd_without_matrix), (Some(133), true));
        assert!(
            filters(None, &screen).starts_with("fps=13300/1000,scale=")
                && filters(None, &screen).contains("in_color_matrix=bt709")
        );
        let odd = json!({ "avg_frame_rate": "0/0", "r_frame_rate": "x", "nb_frames": "N/A", "color_space": "bt470bg" });
        assert_eq!(of(odd, None), Facts::default());
        assert_eq!(facts(&json!({}), None), Facts::default());
        assert_eq!(facts(&json!([1]), None), Facts::default());
    }

    #[test]
    fn files_and_addresses_are_distinguished() {
        assert!(is_address(Path::new("rtsp://camera/stream")) && is_address(Path::new("https://a.example/b.mp4")));
        assert!(
            !is_address(Path::new("a.mp4"))
                && !is_address(Path::new("/films://a.mp4"))
                && !is_address(Path::new("://"))
        );
        assert_eq!(named(Path::new("-a:b.mp4")), "file:-a:b.mp4");
    }

    #[test]
    fn videos_are_known_by_their_names() {
        let muxer = |name: &str| Container::of(Path::new(name)).map(|container| container.muxer);
        assert_eq!((muxer("a.MP4"), muxer("b.mkv")), (Some("mp4"), Some("matroska")));
        assert_eq!((muxer("a.png"), muxer("folder"), muxer("a.y4m")), (None, None, None));
    }
}
