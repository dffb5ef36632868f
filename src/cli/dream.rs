//! `reverie dream`: one picture in, one dream out; a film that flies into it; or a clip, dreamed frame by frame.

mod clip;
mod large;
mod picture;
mod target;
mod video;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressStyle};

use super::BadInput;
use super::flags::ParamFlags;
use super::load;
use crate::compositor::DreamInput;
use crate::dream::{Dreamer, Measurement, Settings};
use crate::frame::Frame;
use crate::health;
use crate::pack::Catalogue;
use crate::params::Params;
use crate::pixel::Scaler;
use crate::runtime::{Provider, Runtime, Settings as RuntimeSettings};
use crate::size::Size;
use large::Work;
use target::Target;
pub use target::encode;

/// Dream on one picture, fly into it, or dream a clip.
#[derive(ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The picture to dream on: PNG, JPEG or WebP; or a clip: any video that ffmpeg reads, a .y4m file, or `-` for
    /// YUV4MPEG2 on stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The output: a .png, .jpg or .webp file; with --frames a folder or a name with %04d; `-` for raw RGB24 on stdout. For a
    /// clip: a video (.mp4, .mkv, .webm, .mov, .avi, .y4m), a folder or a name with %04d; `-` for YUV4MPEG2 on stdout.
    #[arg(value_name = "OUT", required_unless_present = "output")]
    out: Option<PathBuf>,
    /// The same as OUT.
    #[arg(short = 'o', long = "output", value_name = "OUT", conflicts_with = "out")]
    output: Option<PathBuf>,
    /// Width and height of OUT, such as 1280x720; the picture is cropped to that shape [default: as IN]. A large picture is dreamed on
    /// at a smaller size, then in parts at its own size.
    #[arg(long, value_name = "WxH", value_parser = picture::parse_size)]
    size: Option<Size>,
    /// Reduce so that neither side is longer than this.
    #[arg(long, value_name = "PIXELS", conflicts_with = "size")]
    max_side: Option<usize>,
    /// Render a film of this many frames, each dreamed on the one before, zoomed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    frames: Option<u32>,
    /// Frames a second of the film or clip, which zoom, rotate and drift depend on [default: 25, or the clip's own].
    #[arg(long, value_name = "RATE", value_parser = parse_fps)]
    fps: Option<f64>,
    /// For a clip: start a new dream every N frames [default: as often as this machine could do it live].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), conflicts_with = "frames")]
    dream_every: Option<u32>,
    /// Makes the dream repeatable: the same seed gives the same bytes, on the CPU.
    #[arg(long)]
    seed: Option<u64>,
    /// Folder of graph packs, or a pack; may be given several times.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
    /// ONNX Runtime's library, or its folder.
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Execution providers in the order they are tried.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_values_t = Provider::ALL)]
    providers: Vec<Provider>,
    #[command(flatten)]
    params: ParamFlags<false>,
}

const EXAMPLES: &str = "\
Examples:
  reverie dream coffee.jpg dream.png                        the default layer
  reverie dream coffee.jpg eyes.png --layer f11 --seed 7    repeatable
  reverie dream coffee.jpg lights.png --guide rocket.jpg    led by another picture
  reverie dream coffee.jpg classic.png --smoothing 0 --colour 0 --octaves 4 --steps 10 --step 1.5
                                                            google/deepdream's recipe
  reverie dream coffee.jpg film/ --frames 100               film/0001.png …
  reverie dream coffee.jpg -o - --frames 250 --size 640x360 | \\
    ffmpeg -f rawvideo -pix_fmt rgb24 -s 640x360 -r 25 -i - -pix_fmt yuv420p dream.mp4
  reverie dream clip.mp4 dreamed.mp4 --size 640x360         every frame of a clip, with its sound (needs ffmpeg)
  ffmpeg -i clip.mp4 -f yuv4mpegpipe - | reverie dream - - --seed 7 --dream-every 4 | ffplay -
                                                            frame by frame through a pipe, repeatable

A clip is dreamed as the daemon does it, starting from the live defaults of the parameters (see `reverie params`).";

/// Zoom of google/deepdream's film from one frame to the next.
const FILM_ZOOM: f64 = 0.05;
/// Frames a second of a film.
const FILM_FPS: f64 = 25.0;

pub fn run(args: Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let out = args.output.as_ref().or(args.out.as_ref()).expect("clap requires one of them");
    if let Some(input) = clip::Input::of(&args.input)? {
        return match args.frames {
            None => clip::run(&args, &input, out),
            Some(_) => {
                Err(BadInput("--frames: makes a film of a picture; a clip has frames of its own".to_owned()).into())
            }
        };
    }
    if args.dream_every.is_some() {
        return Err(BadInput(format!("--dream-every: is for clips, and {} is a picture", args.input.display())).into());
    }
    let target = Target::new(out, args.frames, &args.input)?;
    let catalogue = catalogue(&args)?;
    let mut params = film_params(&args, args.params.apply(&Params::for_still(&catalogue), &catalogue)?);
    verify(&catalogue, &params)?;
    let mut picture = picture::read(&args.input, args.size, args.max_side)?;
    if args.flips(&params) {
        picture.flip();
    }
    let full = picture.size();
    let is_size_given = args.size.is_some() || args.max_side.is_some();
    let mut work = Work::plan(full, is_size_given, args.frames.is_some(), health::free_memory())?;
    if args.params.given("windows") {
        work.windows = params.windows;
    }
    params.windows = work.windows;
    if !work.is_whole() {
        eprintln!("{}: {work}", args.input.display());
    }
    let size = work.size;
    let runtime = runtime(&args)?;
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let settings = Settings { size: Some(size), max_size: size, target_fps: 1.0, seed: Some(seed) };
    let mut dreamer = Dreamer::new(runtime, catalogue, settings).patient();
    let outcome = render(&mut dreamer, &picture, size, &params, &args, target)?;
    eprintln!(
        "{} at {full} on {}: {}, {:.1} s, seed {seed}",
        params.layer,
        dreamer.status().provider.map_or("no provider (nothing to climb)".to_owned(), |p| p.to_string()),
        growth(outcome),
        started.elapsed().as_secs_f64(),
    );
    Ok(())
}

fn catalogue(args: &Args) -> anyhow::Result<Arc<Catalogue>> {
    let catalogue = load::packs(&args.packs)?;
    // Who is at the command line may name any file.
    let guides = catalogue.guides().clone().and_files();
    Ok(Arc::new(catalogue.with_guides(guides)))
}

/// Checks before the work whether the pack is damaged: exchanged weights would be used as they are.
fn verify(catalogue: &Catalogue, params: &Params) -> anyhow::Result<()> {
    let (folder, manifest, _) = catalogue.layer(&params.layer)?;
    Ok(manifest.verify(folder)?)
}

fn runtime(args: &Args) -> anyhow::Result<Arc<Runtime>> {
    let (library, providers) = (args.onnxruntime.clone(), args.providers.clone());
    Ok(Arc::new(Runtime::load(RuntimeSettings { library, providers, ..RuntimeSettings::default() })?))
}

impl Args {
    /// A picture is only mirrored where that is given.
    fn flips(&self, params: &Params) -> bool {
        params.mirror && self.params.given("mirror")
    }
}

/// A film zooms into its picture and has its tone held unless flags say otherwise: without either the picture burns out.
fn film_params(args: &Args, mut params: Params) -> Params {
    if args.frames.is_some() {
        if !args.params.given("zoom") {
            params.zoom = (1.0 + FILM_ZOOM).powf(args.fps.unwrap_or(FILM_FPS)) - 1.0;
        }
        // Each frame is dreamed on the one before.
        params.trance = 1.0;
        if !args.params.given("tone") {
            let live = crate::params::find("tone").ok().and_then(|spec| spec.default_value());
            if let Some(crate::params::Value::Number(tone)) = live {
                params.tone = tone;
            }
        }
    }
    params
}

/// Dreams every frame and writes it. Returns what the network saw in the picture before and after, measured at `size`.
fn render(
    dreamer: &mut Dreamer,
    picture: &Frame,
    size: Size,
    params: &Params,
    args: &Args,
    mut target: Target,
) -> anyhow::Result<(Measurement, Measurement)> {
    let frames = args.frames.unwrap_or(1);
    let bar = ProgressBar::new(1).with_style(
        ProgressStyle::with_template("{msg:24} {wide_bar} {percent:>3} %  {eta} left").expect("a valid template"),
    );
    bar.set_message("opening the network");
    bar.enable_steady_tick(Duration::from_millis(200));
    let (mut scaler, mut seen) = (Scaler::default(), Frame::new(size.width, size.height));
    scaler.stretch(picture, &mut seen);
    let before = dreamer.measure(&seen, params)?;
    let (mut out, mut input) = (Frame::new(0, 0), DreamInput::still(picture));
    for number in 1..=frames {
        let shown = bar.clone();
        dreamer.on_step(move |progress| {
            shown.set_length(progress.total * u64::from(frames));
            shown.set_position(progress.total * u64::from(number - 1) + progress.done);
            shown.set_message(match progress.objective {
                Some(objective) => format!("objective {objective:.4}"),
                None => format!("activation {:.4}", progress.activation),
            });
        });
        // A film starts from the picture; after that each frame is dreamed on the one before.
        let elapsed =
            if number == 1 { Duration::ZERO } else { Duration::from_secs_f64(1.0 / args.fps.unwrap_or(FILM_FPS)) };
        let layer = dreamer.dream(&input, params, elapsed)?.context("the network was not opened")?;
        layer.over(&input.camera, &mut out);
        (input.has_camera, input.since_frame, input.frame_number) =
            (false, Some(input.frame_number), input.frame_number + 1);
        target.write(&out, number).with_context(|| format!("frame {number} of {frames}"))?;
    }
    scaler.stretch(&out, &mut seen);
    let after = dreamer.measure(&seen, params)?;
    bar.finish_and_clear();
    Ok((before, after))
}

fn growth((before, after): (Measurement, Measurement)) -> String {
    let change = |name: &str, before: f64, after: f64| {
        let times = if before > 0.0 && after > 0.0 { format!(" (×{:.1})", after / before) } else { String::new() };
        format!("{name} {before:.4} → {after:.4}{times}")
    };
    match (before.objective, after.objective) {
        (Some(b), Some(a)) => change("objective", b.into(), a.into()),
        _ => change("mean activation", before.activation, after.activation),
    }
}

fn parse_fps(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(fps) if (1.0..=240.0).contains(&fps) => Ok(fps),
        _ => Err("a number from 1 to 240 is expected".to_owned()),
    }
}
