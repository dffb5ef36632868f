//! The whole mirror in one thread: what the daemon's stages do beside one another, here in turn and at a pace that is given. For clips, and for tests.

use std::sync::Arc;
use std::time::Duration;

use crate::compositor::{Compositor, Layer, Look};
use crate::dream::{DreamError, Dreamer};
use crate::frame::Frame;
use crate::params::Params;
use crate::slot::Item;

/// A mirror whose dreams begin at every so many pictures, and are shown when the next one begins: as late as on a board of that pace.
pub struct Mirror {
    dreamer: Dreamer,
    compositor: Compositor,
    every: u64,
    count: u64,
    look: Look,
    coming: Option<Arc<Layer>>,
    since_dream: Duration,
}

impl Mirror {
    /// `dreamer` is best a patient one ([`Dreamer::patient`]), that every picture be dreamed.
    pub fn new(dreamer: Dreamer, every: u32) -> Mirror {
        let every = u64::from(every.max(1));
        let (compositor, look) = (Compositor::default(), Look::blank());
        Mirror { dreamer, compositor, every, count: 0, look, coming: None, since_dream: Duration::ZERO }
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
            Some(picture) => self.compositor.see(picture, size, params.mirror, elapsed),
            None => self.compositor.wait(false, size, elapsed),
        }
        if self.count.is_multiple_of(self.every) && !params.paused {
            if let Some(layer) = self.coming.take() {
                self.compositor.take(layer);
            }
            self.compositor.look(&mut self.look);
            self.compositor.was_taken(self.look.number);
            let elapsed = std::mem::take(&mut self.since_dream);
            self.coming = self.dreamer.dream(&self.look, params, elapsed)?;
        }
        self.count += 1;
        if !params.paused || out.pixels.is_empty() {
            self.compositor.compose(out);
        }
        Ok(())
    }

    pub fn dreamer(&mut self) -> &mut Dreamer {
        &mut self.dreamer
    }
}
