//! A program as a camera: whatever writes YUV4MPEG2 to its standard output.
//!
//! The program is started, read until its first error or its end, and started again: every loss takes the same way, as with
//! cameras ([`super::supervisor`]). A thread reads its pictures into a latest-wins slot, so that a program that is faster than
//! the dream never makes it lag; one that is slower is waited for. What it writes to its standard error goes to the log.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::{Settings, SourceError};
use crate::backoff::Backoff;
use crate::frame::Frame;
use crate::health::{CameraState, CameraStatus};
use crate::slot::Slot;
use crate::subprocess::{self, Subprocess};
use crate::y4m::{Reader, Y4mError};

/// The longest wait for a picture, so that the stage can be cancelled and the end of a film is noticed.
const MAX_WAIT: Duration = Duration::from_millis(100);
/// A program that sent pictures and is silent for this long has stalled.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The same before the first picture: network cameras and the Jetson's camera service take their time.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(20);
/// A program that streamed for this long is restarted soon after a failure, and at once after it simply ended: a film that is
/// over. For one that never lasts the waits grow.
const STABLE_AFTER: Duration = Duration::from_secs(1);
/// Pictures are not read faster than this: a program that makes them without a pause would take a core for nothing.
const MIN_FRAME_PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 240);
/// Lines of error output that are logged at once, and how often one more is.
const LOG_BURST: f64 = 10.0;
const LOG_INTERVAL: Duration = Duration::from_secs(6);

/// A program that comes and goes.
pub struct Program {
    command: Vec<String>,
    running: Option<Running>,
    state: CameraState,
    backoff: Backoff,
    start_at: Instant,
    throttle: Arc<Mutex<Throttle>>,
    /// What was logged last of its stream and of its loss, so that the same is logged once.
    streaming: String,
    loss: String,
}

impl Program {
    /// Starts the program of `settings`.
    pub fn new(settings: &Settings) -> Program {
        let mut program = Program {
            command: command(settings),
            running: None,
            state: CameraState::Absent,
            backoff: Backoff::default(),
            start_at: Instant::now(),
            throttle: Arc::default(),
            streaming: String::new(),
            loss: String::new(),
        };
        program.start();
        program
    }

    /// As [`super::Source::next`].
    pub fn next(&mut self, frame: &mut Frame) -> Result<bool, SourceError> {
        let Some(running) = &mut self.running else {
            let wait = self.start_at.saturating_duration_since(Instant::now());
            std::thread::sleep(wait.min(MAX_WAIT));
            if wait <= MAX_WAIT {
                self.start();
            }
            return Ok(false);
        };
        match running.next(frame, MAX_WAIT) {
            Ok(false) => Ok(false),
            Ok(true) => {
                self.state = CameraState::Streaming;
                let now = running.description();
                if now != self.streaming {
                    info!("camera: {now}");
                    (self.streaming, self.loss) = (now, String::new());
                }
                Ok(true)
            }
            Err(loss) => {
                self.lose(loss);
                Ok(false)
            }
        }
    }

    /// What it does.
    pub fn status(&self) -> CameraStatus {
        match (&self.running, self.state) {
            (_, CameraState::Streaming) => CameraStatus::Streaming(self.streaming.clone()),
            (Some(running), _) => CameraStatus::Opening { camera: running.name.clone(), after_stall: false },
            (None, CameraState::Stalled) => CameraStatus::Stalled { reason: self.loss.clone(), stand_in: None },
            (None, _) => CameraStatus::Absent { reason: Some(self.loss.clone()), stand_in: None },
        }
    }

    fn start(&mut self) {
        let throttle = Arc::clone(&self.throttle);
        let name = name(&self.command).to_owned();
        let on_line = move |line: &str| {
            let mut throttle = throttle.lock().unwrap_or_else(PoisonError::into_inner);
            match throttle.lets_through(Instant::now()) {
                None => {}
                Some(0) => info!("{name}: {line}"),
                Some(suppressed) => info!("{name}: {line} ({suppressed} lines before it were suppressed)"),
            }
        };
        match Running::start(&self.command, on_line) {
            Ok(running) => {
                self.running = Some(running);
                // A film that is restarted keeps streaming.
                if self.state != CameraState::Streaming {
                    self.state = CameraState::Opening;
                }
            }
            Err(reason) => self.lose(Loss::Failed(reason)),
        }
    }

    fn lose(&mut self, loss: Loss) {
        let streamed = self.running.take().and_then(|running| running.streams_since);
        let was_stable = streamed.is_some_and(|since| since.elapsed() >= STABLE_AFTER);
        if was_stable {
            self.backoff.reset();
        }
        if matches!(loss, Loss::Finished) && was_stable {
            debug!("{} ended, restarting it", name(&self.command));
            self.start();
            return;
        }
        self.state = if matches!(loss, Loss::Stalled(_)) { CameraState::Stalled } else { CameraState::Absent };
        let loss = format!("{}: {}", name(&self.command), loss.reason());
        if streamed.is_some() || loss != self.loss {
            warn!("camera {loss}; dreaming on without it, and restarting it");
        }
        self.loss = loss;
        self.streaming.clear();
        self.start_at = Instant::now() + self.backoff.wait();
    }
}

/// Runs the program of `settings` until its first picture, `timeout` at most: what it sends, or why it sends nothing.
///
/// # Errors
/// Why it sends nothing, with its last line of error output.
pub fn try_out(settings: &Settings, timeout: Duration) -> Result<String, String> {
    let begun = Instant::now();
    let mut running = Running::start(&command(settings), |_| {})?;
    let mut frame = Frame::new(0, 0);
    while begun.elapsed() < timeout {
        match running.next(&mut frame, MAX_WAIT) {
            Ok(false) => {}
            Ok(true) => return Ok(format!("{}, after {:.1?}", running.description(), begun.elapsed())),
            Err(loss) => return Err(loss.reason()),
        }
    }
    let last_line = running.program.last_error_line().map(|line| format!(": {line}")).unwrap_or_default();
    Err(format!("no picture within {} s{last_line}", timeout.as_secs()))
}

/// The command with `{width}`, `{height}` and `{fps}` filled in.
fn command(settings: &Settings) -> Vec<String> {
    let (size, fps) = (settings.size(), settings.fps());
    let filled = |word: &String| {
        let word = word.replace("{width}", &size.width.to_string()).replace("{height}", &size.height.to_string());
        word.replace("{fps}", &fps.to_string())
    };
    settings.command.iter().map(filled).collect()
}

fn name(command: &[String]) -> &str {
    subprocess::name_of(command.first().map_or("", String::as_str))
}

/// Why no more pictures come.
#[derive(Debug)]
enum Loss {
    /// With exit code 0: its work is done.
    Finished,
    Failed(String),
    /// It runs and sends nothing.
    Stalled(String),
}

impl Loss {
    fn reason(self) -> String {
        match self {
            Loss::Finished => "it ended".to_owned(),
            Loss::Failed(reason) | Loss::Stalled(reason) => reason,
        }
    }
}

/// A program that was started. It ends when this is dropped.
struct Running {
    name: String,
    program: Subprocess,
    slot: Slot,
    shared: Arc<Shared>,
    /// When it was started, or sent its last picture.
    last: Instant,
    streams_since: Option<Instant>,
}

/// Shared with the reading thread.
#[derive(Default)]
struct Shared {
    /// No more pictures are wanted.
    is_over: AtomicBool,
    state: Mutex<ReaderState>,
}

#[derive(Default)]
struct ReaderState {
    /// `1280x720@30`.
    mode: String,
    /// How reading ended, where it did.
    outcome: Option<Result<(), Y4mError>>,
}

impl Running {
    fn start(command: &[String], on_line: impl FnMut(&str) + Send + 'static) -> Result<Running, String> {
        let (program, arguments) = command.split_first().ok_or("it has no name")?;
        let mut started = Command::new(program);
        started.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let shared = Arc::new(Shared::default());
        let mut on_line = on_line;
        let heard_by = Arc::clone(&shared);
        // Its error output while it is being ended is of no interest.
        let on_line = move |line: &str| {
            if !heard_by.is_over.load(Ordering::Relaxed) {
                on_line(line);
            }
        };
        let mut program = Subprocess::start(started, on_line).map_err(|e| format!("cannot be started: {e}"))?;
        let stdout = program.stdout().ok_or("it has no standard output")?;
        let slot = Slot::default();
        let (filled, reader) = (slot.clone(), Arc::clone(&shared));
        let reading = move || {
            let outcome = read(stdout, &filled, &reader);
            reader.state().outcome = Some(outcome);
        };
        // Not joined: it ends with the program's output, at the latest.
        let thread = std::thread::Builder::new().name("program".to_owned()).spawn(reading);
        drop(thread.map_err(|e| format!("cannot be read: {e}"))?);
        let name = name(command).to_owned();
        Ok(Running { name, program, slot, shared, last: Instant::now(), streams_since: None })
    }

    /// The program and what it sends: `ffmpeg 1280x720@30`.
    fn description(&self) -> String {
        format!("{} {}", self.name, self.shared.state().mode)
    }

    /// The newest picture, waited for up to `timeout`; true where there is one.
    fn next(&mut self, frame: &mut Frame, timeout: Duration) -> Result<bool, Loss> {
        // Read before the slot, so that no picture is missed.
        let outcome = self.shared.state().outcome.take();
        let timeout = if outcome.is_some() { Duration::ZERO } else { timeout };
        if let Some(mut newest) = self.slot.take(timeout) {
            std::mem::swap(frame, &mut newest);
            self.slot.give_back(newest);
            self.last = Instant::now();
            self.streams_since.get_or_insert(self.last);
            self.shared.state().put_back(outcome);
            return Ok(true);
        }
        if let Some(outcome) = outcome {
            return Err(self.loss_of(outcome));
        }
        let silence = if self.streams_since.is_some() { STALL_TIMEOUT } else { FIRST_FRAME_TIMEOUT };
        if self.last.elapsed() < silence {
            return Ok(false);
        }
        let last_line = self.program.last_error_line().map(|line| format!(": {line}")).unwrap_or_default();
        Err(Loss::Stalled(format!("no picture for {} s{last_line}", silence.as_secs())))
    }

    /// Why its output ended.
    fn loss_of(&mut self, outcome: Result<(), Y4mError>) -> Loss {
        // It sent no valid stream; how it ends then is our doing.
        if let Err(error) = &outcome
            && !matches!(error, Y4mError::Empty | Y4mError::Torn(_) | Y4mError::Io(_))
        {
            return Loss::Failed(error.to_string());
        }
        let status = self.program.wait(STABLE_AFTER);
        let last_line = self.program.last_error_line().map(|line| format!(": {line}")).unwrap_or_default();
        match (outcome, status) {
            (Ok(()), Some(status)) if status.success() => Loss::Finished,
            (_, Some(status)) if !status.success() => Loss::Failed(format!("it ended by {status}{last_line}")),
            (Err(error), _) => Loss::Failed(format!("{error}{last_line}")),
            (Ok(()), _) => Loss::Failed(format!("it closed its output{last_line}")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, ReaderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReaderState {
    fn put_back(&mut self, outcome: Option<Result<(), Y4mError>>) {
        if outcome.is_some() {
            self.outcome = outcome;
        }
    }
}

/// Reads pictures into `slot` until the stream ends or nobody wants more.
fn read(stdout: impl std::io::Read, slot: &Slot, shared: &Shared) -> Result<(), Y4mError> {
    let mut reader = Reader::new(stdout)?;
    let header = reader.header();
    let rate = header.rate.map(|rate| format!("@{rate}")).unwrap_or_default();
    shared.state().mode = format!("{}x{}{rate}", header.width, header.height);
    while !shared.is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let mut frame = slot.blank();
        if !reader.read(&mut frame)? {
            break;
        }
        frame.is_live = true;
        slot.put(frame);
        std::thread::sleep(MIN_FRAME_PERIOD.saturating_sub(begun.elapsed()));
    }
    Ok(())
}

/// Rate limit of a program's error output, so that one with an error for every picture does not fill the log.
struct Throttle {
    /// Lines that may be logged now.
    left: f64,
    since: Option<Instant>,
    suppressed: u64,
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle { left: LOG_BURST, since: None, suppressed: 0 }
    }
}

impl Throttle {
    /// Whether a line may be logged, and how many before it were not.
    fn lets_through(&mut self, now: Instant) -> Option<u64> {
        let passed = self.since.replace(now).map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.left = (self.left + passed.as_secs_f64() / LOG_INTERVAL.as_secs_f64()).min(LOG_BURST);
        if self.left < 1.0 {
            self.suppressed += 1;
            return None;
        }
        self.left -= 1.0;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::Size;

    #[test]
    fn placeholders_are_filled_in() {
        let settings = Settings {
            command: ["a{width}x{height}", "{fps}/1", "{other}"].map(str::to_owned).into(),
            size: Some(Size { width: 320, height: 180 }),
            fps: Some(15),
            ..Settings::default()
        };
        assert_eq!(command(&settings), ["a320x180", "15/1", "{other}"]);
    }

    #[test]
    fn a_flood_of_error_output_is_logged_in_part() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let logged = (0..100_000u32).filter_map(|n| throttle.lets_through(start + Duration::from_millis(n.into())));
        let suppressed: Vec<u64> = logged.collect();
        // A hundred seconds of a thousand lines each.
        assert!((20..30).contains(&suppressed.len()), "{suppressed:?}");
        assert!(suppressed[..10].iter().all(|suppressed| *suppressed == 0) && suppressed[11] > 5000, "{suppressed:?}");
        assert_eq!(
            throttle.lets_through(start + Duration::from_secs(9999)).map(|suppressed| suppressed > 0),
            Some(true)
        );
    }
}
