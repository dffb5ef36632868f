//! `reverie bench`: how fast this machine dreams, and whether it dreams right.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args as ClapArgs;

use super::{BadInput, load};
use crate::compositor::DreamInput;
use crate::dream::{Dreamer, Settings, Traffic};
use crate::frame::Frame;
use crate::pack::Catalogue;
use crate::params::Params;
use crate::pixel::Scaler;
use crate::runtime::{Precision, Provider, Runtime, Settings as RuntimeSettings, WholeFrames};
use crate::size::Size;
use crate::{assets, health, picture_file};

/// Measure how fast this machine dreams, and whether it dreams as the CPU does.
///
/// Each layer, at each size, step by step and a frame in one run, in single and in half precision, with and without a CUDA graph, as far as
/// the provider has these. A dream is two octaves of two steps. Prints a Markdown table, a row as soon as it is measured.
#[derive(ClapArgs)]
pub struct Args {
    /// What to measure: tensorrt, cuda or cpu.
    #[arg(long, value_name = "NAME", default_value_t = Provider::Cuda)]
    provider: Provider,
    /// Layers to dream with.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "mobilenet-v2/f12,efficientnet-lite0/b10")]
    layers: Vec<String>,
    /// Working sizes, the first of which is also compared with the CPU.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "320x192,640x360,1280x720")]
    sizes: Vec<Size>,
    /// Seconds that each row is measured for.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = parse_seconds)]
    seconds: f64,
    /// Folder of graph packs, or a pack; may be given several times.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
    /// ONNX Runtime's library, or its folder.
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=600.0).contains(seconds));
    seconds.ok_or_else(|| "a number from 0.01 to 600".to_owned())
}

/// A way to dream a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mode {
    whole_frames: WholeFrames,
    precision: Precision,
    cuda_graphs: bool,
}

const STEPS: Mode = Mode { whole_frames: WholeFrames::Never, precision: Precision::Fp32, cuda_graphs: false };
const FRAME: Mode = Mode { whole_frames: WholeFrames::Always, ..STEPS };

impl Mode {
    /// Those that `provider` has.
    fn of(provider: Provider) -> Vec<Mode> {
        let half = |mode: Mode| Mode { precision: Precision::Fp16, ..mode };
        let captured = |mode: Mode| Mode { cuda_graphs: true, ..mode };
        match provider {
            Provider::Cpu => vec![STEPS, FRAME],
            Provider::Cuda => vec![STEPS, FRAME, captured(FRAME), half(FRAME), half(captured(FRAME))],
            Provider::TensorRt => vec![STEPS, half(STEPS), captured(FRAME), half(captured(FRAME))],
        }
    }

    fn label(self) -> String {
        let frame = if self.whole_frames == WholeFrames::Always { "a frame" } else { "steps" };
        let graph = if self.cuda_graphs { ", CUDA graph" } else { "" };
        let precision = if self.precision == Precision::Fp16 { "fp16" } else { "fp32" };
        format!("{frame}, {precision}{graph}")
    }
}

/// Dreams until the comparison with the CPU.
const MANY: usize = 100;
/// From dream to dream.
const TICK: Duration = Duration::from_millis(100);
const HEADER: &str = "\
| layer | size | how | opens, s | dreams a second | a dream, ms | runs | MB to and fro | process, MiB | objective after 1, after 100, of the CPU's |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

pub fn run(args: &Args) -> anyhow::Result<()> {
    let catalogue = Arc::new(load::packs(&args.packs)?);
    for layer in &args.layers {
        catalogue.layer(layer).map_err(|e| BadInput(format!("--layers: {e}")))?;
    }
    for size in &args.sizes {
        settings(*size).check().map_err(|e| BadInput(format!("--sizes: {}", e.message)))?;
    }
    let bench = Bench { args, catalogue, photo: photo()? };
    let mut out = std::io::stdout();
    writeln!(out, "{HEADER}")?;
    for layer in &args.layers {
        for (number, &size) in args.sizes.iter().enumerate() {
            let expected = if number == 0 { Some(bench.objectives(layer, size)?) } else { None };
            for mode in Mode::of(args.provider) {
                let row = match bench.measure(layer, size, mode, expected) {
                    Ok(row) => row,
                    // Without these there is nothing to compare with.
                    Err(error) if mode == STEPS => return Err(error.context(format!("{layer} at {size}"))),
                    Err(error) => format!("cannot be measured: {error:#}"),
                };
                writeln!(out, "| {layer} | {size} | {} | {row} |", mode.label())?;
                out.flush()?;
            }
        }
    }
    Ok(())
}

fn settings(size: Size) -> Settings {
    Settings { size: Some(size), max_size: size, target_fps: 1.0, seed: Some(1) }
}

struct Bench<'a> {
    args: &'a Args,
    catalogue: Arc<Catalogue>,
    photo: Frame,
}

/// What a layer sees after one dream and after many.
#[derive(Debug, Clone, Copy)]
struct Objectives {
    one: f64,
    many: f64,
}

impl Bench<'_> {
    /// The rest of a row.
    fn measure(&self, layer: &str, size: Size, mode: Mode, cpu: Option<Objectives>) -> anyhow::Result<String> {
        let mut sitting = self.sitting(layer, size, self.args.provider, mode)?;
        let begun = Instant::now();
        sitting.dream()?;
        // A frame's graph is opened with the second dream at the latest.
        sitting.dream()?;
        let opening = begun.elapsed().as_secs_f64();
        let mut times = Vec::new();
        let begun = Instant::now();
        while times.len() < 3 || begun.elapsed().as_secs_f64() < self.args.seconds {
            times.push(sitting.dream()?.as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let status = sitting.dreamer.status();
        let (provider, Traffic { runs, bytes, is_replay }) = (status.provider, status.traffic);
        anyhow::ensure!(
            provider == Some(self.args.provider),
            "it ran on {}",
            provider.map_or_else(String::new, |p| p.to_string())
        );
        anyhow::ensure!(mode.whole_frames == WholeFrames::Never || runs == 1, "its graph does not open: see the log");
        anyhow::ensure!(!mode.cuda_graphs || is_replay, "no CUDA graph of it can be recorded: see the log");
        let alike = match cpu {
            None => String::new(),
            Some(cpu) => {
                let found = self.objectives_of(layer, size, self.args.provider, mode)?;
                format!("{:.3}, {:.3}", found.one / cpu.one, found.many / cpu.many)
            }
        };
        let (memory, megabytes) = (health::memory_mib(), bytes as f64 / 1e6);
        Ok(format!(
            "{opening:.2} | {:.1} | {:.2} | {runs} | {megabytes:.2} | {memory:.0} | {alike}",
            1.0 / median,
            median * 1e3
        ))
    }

    /// What the CPU comes to, step by step.
    fn objectives(&self, layer: &str, size: Size) -> anyhow::Result<Objectives> {
        self.objectives_of(layer, size, Provider::Cpu, STEPS)
    }

    /// What is seen in dreams made this way; the CPU looks.
    fn objectives_of(&self, layer: &str, size: Size, provider: Provider, mode: Mode) -> anyhow::Result<Objectives> {
        let mut sitting = self.sitting(layer, size, provider, mode)?;
        let mut judge = self.sitting(layer, size, Provider::Cpu, STEPS)?;
        sitting.dream()?;
        let one = judge.objective_of(&sitting.shown)?;
        for _ in 1..MANY {
            sitting.dream()?;
        }
        Ok(Objectives { one, many: judge.objective_of(&sitting.shown)? })
    }

    fn sitting(&self, layer: &str, size: Size, provider: Provider, mode: Mode) -> anyhow::Result<Sitting> {
        let Mode { whole_frames, precision, cuda_graphs } = mode;
        let (library, providers) = (self.args.onnxruntime.clone(), vec![provider]);
        let settings =
            RuntimeSettings { library, providers, whole_frames, precision, cuda_graphs, ..RuntimeSettings::default() };
        let runtime = Arc::new(Runtime::load(settings)?);
        let mut params = Params::new(&self.catalogue);
        layer.clone_into(&mut params.layer);
        (params.octaves, params.steps, params.octave_scale, params.windows) = (2, 2, 1.4, 0);
        let mut camera = Frame::new(size.width, size.height);
        Scaler::default().fill(&self.photo, &mut camera);
        Ok(Sitting {
            dreamer: Dreamer::new(runtime, Arc::clone(&self.catalogue), self::settings(size)).patient(),
            input: DreamInput::still(&camera),
            params,
            shown: camera,
        })
    }
}

/// A dreamer before a photo.
struct Sitting {
    dreamer: Dreamer,
    input: DreamInput,
    params: Params,
    shown: Frame,
}

impl Sitting {
    /// One dream; how long it took.
    fn dream(&mut self) -> anyhow::Result<Duration> {
        (self.input.since_frame, self.input.frame_number) =
            (Some(self.input.frame_number), self.input.frame_number + 1);
        if let Some(layer) = self.dreamer.dream(&self.input, &self.params, TICK)? {
            layer.over(&self.input.camera, &mut self.shown);
        }
        Ok(self.dreamer.status().frame_time)
    }

    fn objective_of(&mut self, picture: &Frame) -> anyhow::Result<f64> {
        let measured = self.dreamer.measure(picture, &self.params)?;
        Ok(measured.objective.map_or(measured.activation, f64::from))
    }
}

/// The picture that is dreamed on: one that ships.
fn photo() -> anyhow::Result<Frame> {
    let folder = assets::photo_folder().context("no photos are installed beside the program")?;
    let file = folder.join("coffee.jpg");
    let (frame, _) = picture_file::read(&file).with_context(|| file.display().to_string())?;
    Ok(frame)
}
