//! Double buffering: one buffer is shown while the other is drawn on; and what to do when page flips are late or
//! lost.

use std::io;
use std::time::{Duration, Instant};

use tracing::debug;

use super::choose;
use crate::display::fader::View;
use crate::display::{Fit, ShowOutcome};
use crate::size::Size;

/// A flip whose event has not come by then is late.
const LATE_AFTER: Duration = Duration::from_millis(100);
/// By then its event counts as lost: some drivers lose them.
const EVENT_LOST_AFTER: Duration = Duration::from_millis(500);
/// A screen that accepts no flip for so long is lost.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// What a card does for one monitor.
pub trait Head {
    type Buffer: Surface;

    /// Pixels of the mode.
    fn size(&self) -> Size;
    /// A black buffer.
    fn buffer(&self, size: Size) -> io::Result<Self::Buffer>;
    fn free(&self, buffer: Self::Buffer);
    /// Sets the mode, on a buffer of its size.
    fn set_mode(&self, buffer: &Self::Buffer) -> io::Result<()>;
    /// Scales a smaller buffer up to the whole screen.
    fn scale(&self, buffer: &Self::Buffer) -> io::Result<()>;
    /// Schedules `buffer` for the next vertical blank; `EBUSY` while a flip is pending.
    fn flip(&self, buffer: &Self::Buffer) -> io::Result<()>;
    /// Waits for the event of the pending flip; true where it came.
    fn has_flipped(&self, timeout: Duration) -> bool;
}

/// Memory that a card shows.
pub trait Surface {
    fn size(&self) -> Size;
    /// Draws a picture of its size; `row` is scratch memory.
    fn draw(&mut self, view: &View, row: &mut Vec<u8>);
}

pub struct Swapchain<H: Head> {
    head: H,
    front: H::Buffer,
    back: H::Buffer,
    /// Whether the card scales pictures up.
    scales: bool,
    pending: Option<Pending>,
    /// Since when no flip was accepted.
    refused: Option<Instant>,
    late: u64,
    row: Vec<u8>,
}

/// A flip whose event has not come.
struct Pending {
    asked: Instant,
    is_late: bool,
}

impl<H: Head> Swapchain<H> {
    /// Sets the mode, showing black. Whether the card can scale is found out by trying: only the driver knows.
    pub fn start(head: H, may_scale: bool) -> io::Result<Swapchain<H>> {
        let (front, back) = pair(&head, head.size())?;
        head.set_mode(&front)?;
        let mut chain =
            Swapchain { head, front, back, scales: false, pending: None, refused: None, late: 0, row: Vec::new() };
        if may_scale {
            chain.scales = chain.replace(choose::smallest_canvas(chain.head.size()), None).map_or_else(
                |error| {
                    debug!("the card does not scale pictures up ({error}): it is done in software");
                    false
                },
                |()| true,
            );
        }
        Ok(chain)
    }

    pub fn head(&self) -> &H {
        &self.head
    }

    pub fn scales(&self) -> bool {
        self.scales
    }

    /// Flips whose event came late or never.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Size of the pictures it takes for dreams of `dream` pixels, rotated as the screen is.
    pub fn canvas(&self, dream: Size, fit: Fit) -> Size {
        if self.scales { choose::canvas(self.head.size(), dream, fit) } else { self.head.size() }
    }

    /// Shows a picture of [`Swapchain::canvas`], unless the last flip is still pending.
    ///
    /// # Errors
    /// The card accepts no more pictures.
    pub fn show(&mut self, view: &View, now: Instant) -> io::Result<ShowOutcome> {
        // Until the last flip happens, the back buffer is still on the screen.
        if !self.finish_flip(now) {
            return Ok(ShowOutcome::Skipped);
        }
        if view.size != self.back.size() {
            return self.change_size(view);
        }
        self.back.draw(view, &mut self.row);
        match self.head.flip(&self.back) {
            Ok(()) => {
                self.pending = Some(Pending { asked: now, is_late: false });
                self.refused = None;
                std::mem::swap(&mut self.front, &mut self.back);
                Ok(ShowOutcome::Shown)
            }
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                let since = *self.refused.get_or_insert(now);
                match now.saturating_duration_since(since) > STUCK_AFTER {
                    true => Err(io::Error::other(format!("it took no picture for {} s", STUCK_AFTER.as_secs()))),
                    false => Ok(ShowOutcome::Skipped),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Waits a little for the last flip; true where it has happened, or its event counts as lost.
    pub fn finish_flip(&mut self, now: Instant) -> bool {
        let Some(pending) = &mut self.pending else { return true };
        let waited = now.saturating_duration_since(pending.asked);
        let has_flipped = self.head.has_flipped(LATE_AFTER.saturating_sub(waited).max(Duration::from_millis(1)));
        if !has_flipped && !pending.is_late {
            pending.is_late = true;
            self.late += 1;
        }
        let is_over = has_flipped || waited >= EVENT_LOST_AFTER;
        if is_over {
            self.pending = None;
        }
        is_over
    }

    /// Switches to pictures of another size, `view` the first of them.
    fn change_size(&mut self, view: &View) -> io::Result<ShowOutcome> {
        if self.scales {
            match self.replace(view.size, Some(view)) {
                Ok(()) => return Ok(ShowOutcome::Shown),
                Err(error) => debug!("the card does not scale {} up ({error}): it is done in software", view.size),
            }
            self.scales = false;
        }
        self.replace(self.head.size(), None)?;
        Ok(ShowOutcome::ScreenChanged)
    }

    /// Replaces both buffers by new ones of `size`. No flip may be pending.
    fn replace(&mut self, size: Size, view: Option<&View>) -> io::Result<()> {
        let (mut front, back) = pair(&self.head, size)?;
        if let Some(view) = view {
            front.draw(view, &mut self.row);
        }
        let is_whole = size == self.head.size();
        let shown = if is_whole { self.head.set_mode(&front) } else { self.head.scale(&front) };
        let (one, other) = match shown {
            Ok(()) => (std::mem::replace(&mut self.front, front), std::mem::replace(&mut self.back, back)),
            Err(_) => (front, back),
        };
        self.head.free(one);
        self.head.free(other);
        shown
    }

    /// Sets the mode again; the picture stays.
    pub fn reset_mode(&mut self) -> io::Result<()> {
        if self.front.size() == self.head.size() {
            return self.head.set_mode(&self.front);
        }
        // A mode can only be set with a buffer of its size.
        let full = self.head.buffer(self.head.size())?;
        let lit = self.head.set_mode(&full).and_then(|()| self.head.scale(&self.front));
        self.head.free(full);
        lit
    }
}

fn pair<H: Head>(head: &H, size: Size) -> io::Result<(H::Buffer, H::Buffer)> {
    let front = head.buffer(size)?;
    match head.buffer(size) {
        Ok(back) => Ok((front, back)),
        Err(error) => {
            head.free(front);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::{Canvas, Fader};
    use std::cell::{Cell, RefCell};

    const SCREEN: Size = Size { width: 64, height: 32 };

    /// A card that fails on demand.
    #[derive(Default)]
    struct Fake {
        made: Cell<u32>,
        held: Cell<u32>,
        /// The buffer on the screen, and that of a flip under way.
        seen: Cell<u32>,
        next: Cell<Option<u32>>,
        events: Cell<u32>,
        loses_events: Cell<bool>,
        least_width: Cell<usize>,
        modes_set: Cell<u32>,
        drawn: RefCell<Vec<u32>>,
    }

    struct FakeBuffer {
        number: u32,
        size: Size,
        drawn: std::rc::Rc<Cell<bool>>,
    }

    impl Surface for FakeBuffer {
        fn size(&self) -> Size {
            self.size
        }

        fn draw(&mut self, view: &View, _: &mut Vec<u8>) {
            assert_eq!(view.size, self.size);
            self.drawn.set(true);
        }
    }

    impl Fake {
        /// The next picture begins: a flip that is under way happens.
        fn vblank(&self) {
            if let Some(next) = self.next.take() {
                self.seen.set(next);
                self.events.set(self.events.get() + u32::from(!self.loses_events.get()));
            }
        }
    }

    impl Head for &Fake {
        type Buffer = FakeBuffer;

        fn size(&self) -> Size {
            SCREEN
        }

        fn buffer(&self, size: Size) -> io::Result<FakeBuffer> {
            self.made.set(self.made.get() + 1);
            self.held.set(self.held.get() + 1);
            Ok(FakeBuffer { number: self.made.get(), size, drawn: std::rc::Rc::default() })
        }

        fn free(&self, buffer: FakeBuffer) {
            assert_ne!(buffer.number, self.seen.get(), "what is seen is taken away");
            self.held.set(self.held.get() - 1);
        }

        fn set_mode(&self, buffer: &FakeBuffer) -> io::Result<()> {
            assert_eq!(buffer.size, SCREEN);
            self.modes_set.set(self.modes_set.get() + 1);
            self.seen.set(buffer.number);
            Ok(())
        }

        fn scale(&self, buffer: &FakeBuffer) -> io::Result<()> {
            if buffer.size.width < self.least_width.get() {
                return Err(io::Error::from_raw_os_error(libc::ERANGE));
            }
            self.seen.set(buffer.number);
            Ok(())
        }

        fn flip(&self, buffer: &FakeBuffer) -> io::Result<()> {
            if buffer.drawn.take() {
                self.drawn.borrow_mut().push(buffer.number);
            }
            if self.next.get().is_some() {
                return Err(io::Error::from_raw_os_error(libc::EBUSY));
            }
            assert_ne!(buffer.number, self.seen.get(), "drawn on what is seen");
            self.next.set(Some(buffer.number));
            Ok(())
        }

        fn has_flipped(&self, _: Duration) -> bool {
            let came = self.events.get() > 0;
            self.events.set(0);
            came
        }
    }

    fn show(chain: &mut Swapchain<&Fake>, size: Size, now: Instant) -> io::Result<ShowOutcome> {
        let fader = Fader::new(Canvas::plain(size), now);
        chain.show(&fader.view(now, 1.0), now)
    }

    #[test]
    fn a_card_in_step_shows_each_picture() {
        let fake = Fake::default();
        let mut chain = Swapchain::start(&fake, false).unwrap();
        let now = Instant::now();
        for _ in 0..5 {
            assert_eq!(show(&mut chain, SCREEN, now).unwrap(), ShowOutcome::Shown);
            fake.vblank();
        }
        assert_eq!((chain.late(), fake.held.get(), fake.drawn.borrow().len()), (0, 2, 5));
    }

    #[test]
    fn a_late_flip_is_counted_once_and_nothing_is_drawn_on_what_is_seen() {
        let fake = Fake::default();
        let mut chain = Swapchain::start(&fake, false).unwrap();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(show(&mut chain, SCREEN, at(0)).unwrap(), ShowOutcome::Shown);
        for ms in [120, 140, 160] {
            assert_eq!(show(&mut chain, SCREEN, at(ms)).unwrap(), ShowOutcome::Skipped);
        }
        assert_eq!((chain.late(), fake.drawn.borrow().len()), (1, 1));
        fake.vblank();
        assert_eq!(show(&mut chain, SCREEN, at(180)).unwrap(), ShowOutcome::Shown);
        fake.vblank();
        assert_eq!(show(&mut chain, SCREEN, at(200)).unwrap(), ShowOutcome::Shown);
        assert_eq!(chain.late(), 1);
    }

    #[test]
    fn a_driver_that_loses_events_still_shows_pictures() {
        let fake = Fake::default();
        fake.loses_events.set(true);
        let mut chain = Swapchain::start(&fake, false).unwrap();
        let start = Instant::now();
        let mut seen = 0;
        for ms in (0..3000).step_by(20) {
            seen +=
                u32::from(show(&mut chain, SCREEN, start + Duration::from_millis(ms)).unwrap() == ShowOutcome::Shown);
            fake.vblank();
        }
        assert_eq!((seen, chain.late()), (6, 6));
    }

    #[test]
    fn a_card_that_accepts_no_flip_is_lost() {
        let fake = Fake::default();
        let mut chain = Swapchain::start(&fake, false).unwrap();
        let start = Instant::now();
        let outcome = (0..6000).step_by(20).map(|ms| show(&mut chain, SCREEN, start + Duration::from_millis(ms)));
        let errors: Vec<String> = outcome.filter_map(|shown| shown.err().map(|e| e.to_string())).collect();
        assert!(errors[0].contains("took no picture"), "{errors:?}");
    }

    #[test]
    fn a_card_that_scales_is_sent_small_pictures_and_no_buffer_leaks() {
        let fake = Fake::default();
        let mut chain = Swapchain::start(&fake, true).unwrap();
        assert!(chain.scales());
        for width in [16, 24, 32, 64, 16] {
            let size = Size { width, height: width / 2 };
            assert_eq!(show(&mut chain, size, Instant::now()).unwrap(), ShowOutcome::Shown);
            fake.vblank();
            assert!(chain.finish_flip(Instant::now()));
            assert_eq!(fake.held.get(), 2);
        }
        chain.reset_mode().unwrap();
        assert_eq!((fake.held.get(), fake.seen.get()), (2, chain.front.number));
    }

    #[test]
    fn a_card_that_cannot_scale_that_far_is_sent_full_size_ones_from_then_on() {
        let fake = Fake::default();
        fake.least_width.set(16);
        let mut chain = Swapchain::start(&fake, true).unwrap();
        fake.least_width.set(20);
        let small = Size { width: 18, height: 9 };
        assert_eq!(show(&mut chain, small, Instant::now()).unwrap(), ShowOutcome::ScreenChanged);
        assert_eq!((chain.canvas(small, Fit::Fill), fake.held.get()), (SCREEN, 2));
        assert_eq!(show(&mut chain, SCREEN, Instant::now()).unwrap(), ShowOutcome::Shown);
        fake.least_width.set(999);
        let never = Swapchain::start(&fake, true).unwrap();
        assert_eq!((never.scales(), fake.held.get()), (false, 4));
    }
}
