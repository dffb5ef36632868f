//! A stage: a thread that is restarted when it fails, while the others keep running.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use crate::backoff::Backoff;
use crate::director_handle::DirectorHandle;
use crate::health::Fault;

/// A run this long counts as stable: after the next failure the waits begin from the shortest.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// The longest sleep that does not look whether the stage is to end. Stages sleep for less but for the wait after a failure.
const SLEEP_SLICE: Duration = Duration::from_millis(100);

/// What a stage's work is given: whether it is to end, and where it leaves its heartbeat.
#[derive(Clone)]
pub struct Stage {
    name: &'static str,
    cancel: CancellationToken,
    started: Instant,
    liveness: Arc<Liveness>,
}

/// In milliseconds.
#[derive(Default)]
struct Liveness {
    /// From the start to the last heartbeat.
    heartbeat: AtomicU64,
    /// How much longer than its deadline the next heartbeat may take.
    extension: AtomicU64,
}

/// A running stage, as its supervisor sees it.
pub struct RunningStage {
    pub stage: Stage,
    /// Without a heartbeat for this long it counts as stuck.
    pub deadline: Duration,
    thread: JoinHandle<()>,
}

impl Stage {
    pub fn new(name: &'static str, cancel: CancellationToken) -> Stage {
        Stage { name, cancel, started: Instant::now(), liveness: Arc::default() }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Leaves a heartbeat; false where the stage is to end.
    pub fn heartbeat(&self) -> bool {
        self.liveness.heartbeat.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
        !self.cancel.is_cancelled()
    }

    /// Runs `call`, which may block: asking a monitor what it is, for one. Until it returns each heartbeat may take `limit` longer than
    /// the stage's deadline. Of calls within each other the longest limit holds. Afterwards all is as before, after a panic too.
    pub fn during<T>(&self, limit: Duration, call: impl FnOnce() -> T) -> T {
        self.heartbeat();
        let outer = self.liveness.extension.fetch_max(limit.as_millis() as u64, Ordering::AcqRel);
        let _extension = Extension { stage: self, outer };
        call()
    }

    /// Sleeps for `time`, with heartbeats; false where the stage is to end.
    pub fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while self.heartbeat() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(SLEEP_SLICE));
        }
        false
    }

    /// Whether the last heartbeat is further back than `deadline`, and than what it was extended by.
    fn is_overdue(&self, deadline: Duration) -> bool {
        // In this order: whoever sees that an extension is over sees the heartbeat that came before its end.
        let extension = self.liveness.extension.load(Ordering::Acquire);
        let heartbeat = self.liveness.heartbeat.load(Ordering::Relaxed);
        self.started.elapsed() > deadline + Duration::from_millis(heartbeat + extension)
    }

    /// Starts a thread that does `work` until cancelled, again and again where it fails or panics; `threads` knows when it has ended.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(
        self,
        threads: &TaskTracker,
        handle: DirectorHandle,
        deadline: Duration,
        work: impl FnMut(&Stage) -> anyhow::Result<()> + Send + 'static,
    ) -> std::io::Result<RunningStage> {
        let (stage, running) = (self.clone(), threads.token());
        let thread = std::thread::Builder::new().name(self.name.to_owned()).spawn(move || {
            self.supervise(&handle, work);
            drop(running);
        })?;
        Ok(RunningStage { stage, deadline, thread })
    }

    fn supervise(&self, handle: &DirectorHandle, mut work: impl FnMut(&Stage) -> anyhow::Result<()>) {
        let mut backoff = Backoff::default();
        while self.heartbeat() {
            let begun = Instant::now();
            // What is shared with other stages (slots, handle, telemetry) stays usable after a panic; the rest is dropped by it.
            let outcome = catch_unwind(AssertUnwindSafe(|| work(self)));
            if self.cancel.is_cancelled() {
                return;
            }
            if begun.elapsed() > STABLE_AFTER {
                backoff.reset();
            }
            let wait = backoff.wait();
            let again = format!("the others keep running, restarting it in {:.1} s", wait.as_secs_f64());
            match outcome {
                Ok(Ok(())) => warn!(stage = self.name, "{} ended unexpectedly; {again}", self.name),
                Ok(Err(failure)) => warn!(stage = self.name, "{} failed: {failure:#}; {again}", self.name),
                // A panic is a bug of ours, to be reported.
                Err(panic) => {
                    let text = panic_message(panic.as_ref());
                    error!(stage = self.name, "{} panicked: {text}; {again}", self.name);
                    let fault = format!("{} crashed and was restarted: {text}", self.name);
                    handle
                        .report(|telemetry| telemetry.fault = Some(Fault { number: telemetry.restarts, text: fault }));
                }
            }
            handle.report(|telemetry| telemetry.restarts += 1);
            self.sleep(wait);
        }
    }
}

/// Ends what [`Stage::during`] began.
struct Extension<'a> {
    stage: &'a Stage,
    /// That of the call around it.
    outer: u64,
}

impl Drop for Extension<'_> {
    fn drop(&mut self) {
        self.stage.heartbeat();
        self.stage.liveness.extension.store(self.outer, Ordering::Release);
    }
}

impl RunningStage {
    pub fn is_stuck(&self) -> bool {
        self.stage.is_overdue(self.deadline)
    }

    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Of 19: a thread of this niceness gets a tenth of a core that it shares with one of niceness 0.
const NICENESS: i32 = 10;

/// Lowers the priority of the calling thread and of those that it starts: the picture keeps the camera's rate, the dream gets what is left.
pub fn lower_priority() {
    // On Linux this sets the thread alone. An error leaves the priority as it is.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Catalogue;
    use crate::params::Params;
    use std::sync::mpsc;

    fn handle() -> DirectorHandle {
        let catalogue = Arc::new(Catalogue::default());
        let params = Params::new(&catalogue);
        DirectorHandle::new(catalogue, params)
    }

    #[tokio::test]
    async fn a_stage_that_fails_and_panics_is_restarted_while_another_keeps_running() {
        let (handle, threads, stop) = (handle(), TaskTracker::new(), CancellationToken::new());
        let (starts, started) = mpsc::channel();
        let (beats, steady) = mpsc::channel();
        let bad = Stage::new("bad", stop.clone())
            .start(&threads, handle.clone(), Duration::from_secs(5), {
                let mut times = 0;
                move |stage| {
                    times += 1;
                    starts.send(times).unwrap();
                    match times {
                        1 => anyhow::bail!("no luck"),
                        2 => panic!("a bug"),
                        _ => while stage.sleep(Duration::from_millis(5)) {},
                    }
                    Ok(())
                }
            })
            .unwrap();
        let good = Stage::new("good", stop.clone())
            .start(&threads, handle.clone(), Duration::from_secs(5), move |stage| {
                while stage.sleep(Duration::from_millis(5)) {
                    let _ = beats.send(());
                }
                Ok(())
            })
            .unwrap();
        let generous = Duration::from_secs(60);
        for time in 1..=3 {
            assert_eq!(started.recv_timeout(generous), Ok(time));
            while steady.try_recv().is_ok() {}
            steady.recv_timeout(generous).expect("the other stage keeps running");
        }
        assert_eq!(handle.telemetry().restarts, 2);
        assert!(!bad.is_stuck() && !good.is_stuck());
        stop.cancel();
        threads.close();
        threads.wait().await;
        drop((bad, good));
    }

    #[test]
    fn a_call_that_blocks_is_given_its_time_and_no_more() {
        let stage = Stage::new("slow", CancellationToken::new());
        let is_stuck = || {
            std::thread::sleep(Duration::from_millis(5));
            stage.is_overdue(Duration::ZERO)
        };
        let (none, hour) = (Duration::ZERO, Duration::from_secs(3600));
        stage.during(hour, || {
            assert!(!is_stuck());
            stage.during(none, || assert!(!is_stuck(), "a short one within a long one"));
            stage.heartbeat();
            assert!(!is_stuck(), "after one within it, and a heartbeat");
        });
        assert!(is_stuck(), "afterwards");
        stage.during(none, || {
            stage.during(hour, || assert!(!is_stuck(), "a long one within a short one"));
            assert!(is_stuck(), "after that");
        });
        let open = || -> Result<(), std::num::ParseIntError> { "no number".parse::<u8>().map(drop) };
        let returned = stage.during(hour, || {
            open()?;
            open()
        });
        assert!(returned.is_err() && is_stuck(), "after an early return");
        let panicked = catch_unwind(AssertUnwindSafe(|| stage.during(hour, || panic!("a bug"))));
        assert!(panicked.is_err() && is_stuck(), "after a panic");
    }

    #[test]
    fn a_stage_without_heartbeats_is_stuck() {
        let stop = CancellationToken::new();
        let (release, held) = mpsc::channel::<()>();
        let running = Stage::new("mute", stop.clone())
            .start(&TaskTracker::new(), handle(), Duration::from_millis(1), move |_| {
                let _ = held.recv();
                Ok(())
            })
            .unwrap();
        while !running.is_stuck() {
            std::thread::yield_now();
        }
        stop.cancel();
        drop(release);
        running.thread.join().unwrap();
    }
}
