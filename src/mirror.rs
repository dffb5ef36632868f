//! The whole mirror in one thread: what the daemon's stages do beside one another, here in turn and at a pace that is given. For clips, and for tests.

use std::sync::Arc;
use std::time::Duration;

use crate::compositor::{Compositor, DreamInput, Layer};
use crate::dream::{DreamError, Dreamer};
use crate::frame::Frame;
use crate::params::Params;
use crate::slot::Item;

/// From one dream to the next where nobody says otherwise, seconds: `dream.target_fps`' default.
const LIVE: f64 = 0.125;

/// A mirror whose dreams begin at every so many pictures, and are shown when the next one begins: as late as on a board of that pace.
pub struct Mirror {
    dreamer: Dreamer,
    compositor: Compositor,
    /// Pictures from one dream to the next; none: as many as this board needs for one.
    every: Option<u32>,
    /// Pictures until the next.
    left: u32,
    look: DreamInput,
    coming: Option<Arc<Layer>>,
    since_dream: Duration,
}

impl Mirror {
    /// A dream begins at every so many pictures; where nobody says, as this board would live. `dreamer` is best a patient one
    /// ([`Dreamer::patient`]), that every picture be dreamed on.
    pub fn new(dreamer: Dreamer, every: Option<u32>) -> Mirror {
        let (compositor, look) = (Compositor::default(), DreamInput::blank());
        Mirror { dreamer, compositor, every, left: 0, look, coming: None, since_dream: Duration::ZERO }
    }

    /// The next picture, shown on a canvas of its own size; None where the camera sends none. `elapsed` is the time since the one before.
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
        self.left = self.left.saturating_sub(1);
        if self.left == 0 && !params.paused {
            if let Some(layer) = self.coming.take() {
                self.compositor.push_layer(layer);
            }
            self.compositor.read_input(&mut self.look);
            self.compositor.mark_taken(self.look.frame_number);
            let since = std::mem::take(&mut self.since_dream);
            self.coming = self.dreamer.dream(&self.look, params, since)?;
            self.left = self.every.unwrap_or_else(|| pictures_of(self.dreamer.status().frame_time, elapsed)).max(1);
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

/// How many pictures, one in every `period`, pass while a dream of `time` is made; no board dreams more than eight a second unless told to.
fn pictures_of(time: Duration, period: Duration) -> u32 {
    let period = period.as_secs_f64().max(0.001);
    (time.as_secs_f64().max(LIVE) / period).ceil() as u32
}
