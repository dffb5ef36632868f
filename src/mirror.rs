//! The whole mirror in one thread: what the daemon's stages do concurrently, here in turn and at a given rate. For clips, and for tests.

use std::sync::Arc;
use std::time::Duration;

use crate::compositor::{Compositor, DreamInput, Layer};
use crate::dream::{DreamError, Dreamer};
use crate::frame::Frame;
use crate::params::Params;
use crate::slot::Item;

/// Shortest time from one dream to the next, seconds, where no rate is given: the default of `dream.target_fps`.
const DEFAULT_PERIOD: f64 = 0.125;

/// A mirror that begins a dream every so many frames, and shows each when the next one begins: as late as on a board of that speed.
pub struct Mirror {
    dreamer: Dreamer,
    compositor: Compositor,
    /// Frames from one dream to the next; `None`: as many as pass while this board dreams.
    frames_per_dream: Option<u32>,
    frames_until_dream: u32,
    input: DreamInput,
    /// The last dream, not shown yet.
    pending: Option<Arc<Layer>>,
    since_dream: Duration,
}

impl Mirror {
    /// Begins a dream every `frames_per_dream` frames; by default as often as this board would dream live. Best with a `dreamer` that waits for its
    /// graphs ([`Dreamer::patient`]), so that each of these is dreamed on.
    pub fn new(dreamer: Dreamer, frames_per_dream: Option<u32>) -> Mirror {
        Mirror {
            dreamer,
            compositor: Compositor::default(),
            frames_per_dream,
            frames_until_dream: 0,
            input: DreamInput::blank(),
            pending: None,
            since_dream: Duration::ZERO,
        }
    }

    /// Writes to `out` what the next camera frame shows on a canvas of `size`; `None` where the camera sends none. `elapsed` is the time since
    /// the frame before.
    ///
    /// # Errors
    /// As [`Dreamer::dream`].
    pub fn frame(
        &mut self,
        picture: Option<&Frame>,
        size: (usize, usize),
        params: &Params,
        elapsed: Duration,
        out: &mut Frame,
    ) -> Result<(), DreamError> {
        self.since_dream += elapsed;
        match picture {
            Some(picture) => self.compositor.push_frame(picture, size, params.mirror, elapsed),
            None => self.compositor.advance(false, size, elapsed),
        }
        self.frames_until_dream = self.frames_until_dream.saturating_sub(1);
        if self.frames_until_dream == 0 && !params.paused {
            if let Some(layer) = self.pending.take() {
                self.compositor.push_layer(layer);
            }
            self.compositor.read_input(&mut self.input);
            self.compositor.mark_taken(self.input.frame_number);
            let since = std::mem::take(&mut self.since_dream);
            self.pending = self.dreamer.dream(&self.input, params, since)?;
            let live = || frames_during(self.dreamer.status().frame_time, elapsed);
            self.frames_until_dream = self.frames_per_dream.unwrap_or_else(live).max(1);
        }
        if !params.paused || out.pixels.is_empty() {
            self.compositor.compose(out);
        }
        Ok(())
    }

    pub fn dreamer(&mut self) -> &mut Dreamer {
        &mut self.dreamer
    }
}

/// How many frames, one every `period`, pass while a dream takes `time`, but at least [`DEFAULT_PERIOD`].
fn frames_during(time: Duration, period: Duration) -> u32 {
    let period = period.as_secs_f64().max(0.001);
    (time.as_secs_f64().max(DEFAULT_PERIOD) / period).ceil() as u32
}
