//! The last lines of the log, kept in memory for whoever looks from afar.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines that are kept.
const MAX_LINES: usize = 200;
/// Longer lines are cut there, bytes.
const MAX_LENGTH: usize = 2000;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Milliseconds since 1970.
    pub time: u64,
    /// `ERROR`, `WARN`, `INFO`, …
    pub level: &'static str,
    pub message: String,
}

struct Tail {
    lines: Mutex<VecDeque<Line>>,
    news: broadcast::Sender<Line>,
}

/// One for the process, as its log is.
static TAIL: LazyLock<Tail> =
    LazyLock::new(|| Tail { lines: Mutex::new(VecDeque::with_capacity(MAX_LINES)), news: broadcast::channel(64).0 });

/// The last lines, the oldest first.
pub fn lines() -> Vec<Line> {
    TAIL.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Every line from now on.
pub fn follow() -> broadcast::Receiver<Line> {
    TAIL.news.subscribe()
}

/// Keeps what is logged.
pub struct TailLayer;

impl<S: Subscriber> Layer<S> for TailLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let line = Line {
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64),
            level: name(*event.metadata().level()),
            message: text.finish(),
        };
        let mut lines = TAIL.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line.clone());
        // Nobody looks.
        let _ = TAIL.news.send(line);
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// The message. Fields beside it repeat what it says, for programs.
#[derive(Default)]
struct Text(String);

impl Text {
    fn finish(mut self) -> String {
        if self.0.len() > MAX_LENGTH {
            self.0.truncate(self.0.floor_char_boundary(MAX_LENGTH));
            self.0.push('…');
        }
        self.0
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::prelude::*;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let log = tracing_subscriber::registry().with(TailLayer);
        tracing::subscriber::with_default(log, || {
            for number in 0..MAX_LINES {
                tracing::info!(number, "line {number} of this test");
            }
            tracing::warn!("{}", "é".repeat(MAX_LENGTH));
        });
        let lines = lines();
        assert_eq!(lines.len(), MAX_LINES);
        let last = lines.last().unwrap();
        assert_eq!(last.level, "WARN");
        assert!(last.message.ends_with("é…") && last.message.len() <= MAX_LENGTH + 4);
        assert!(!lines.iter().any(|line| line.message == "line 0 of this test"));
        assert_eq!(lines[MAX_LINES - 2].message, format!("line {} of this test", MAX_LINES - 1));
    }
}
