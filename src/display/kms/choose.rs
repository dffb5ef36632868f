//! Chooses a mode and the size of pictures: arithmetic, without a card.

use drm::control::{Mode, ModeFlags, ModeTypeFlags};
use serde::Serialize;

use crate::display::{self, Fit};
use crate::size::Size;

/// What matters of a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timing {
    pub width: usize,
    pub height: usize,
    /// Millihertz.
    pub refresh_mhz: u32,
    pub preferred: bool,
    pub interlaced: bool,
}

impl Timing {
    pub fn of(mode: &Mode) -> Timing {
        let interlaced = mode.flags().contains(ModeFlags::INTERLACE);
        let doubled = mode.flags().contains(ModeFlags::DBLSCAN);
        let total = u64::from(mode.hsync().2) * u64::from(mode.vsync().2);
        Timing {
            width: mode.size().0.into(),
            height: mode.size().1.into(),
            refresh_mhz: refresh(mode.clock().into(), total, interlaced, doubled),
            preferred: mode.mode_type().contains(ModeTypeFlags::PREFERRED),
            interlaced,
        }
    }
}

/// Refresh rate in millihertz: `clock` kHz over the `total` pixels of a frame, blanking included.
fn refresh(clock: u64, total: u64, interlaced: bool, doubled: bool) -> u32 {
    let fields = clock.saturating_mul(1_000_000).checked_div(total).unwrap_or(0);
    let pictures = if interlaced { fields.saturating_mul(2) } else { fields };
    let pictures = if doubled { pictures / 2 } else { pictures };
    u32::try_from(pictures).unwrap_or(u32::MAX)
}

/// The index in `modes` of the one that is `wanted`.
///
/// # Errors
/// There is none; the message lists those there are.
pub fn choose(modes: &[Timing], wanted: display::Mode) -> Result<usize, String> {
    let numbered = || modes.iter().enumerate();
    let found = match wanted {
        // Where a monitor prefers none, the kernel lists the best first.
        display::Mode::Preferred => numbered().find(|(_, m)| m.preferred).or_else(|| numbered().next()),
        display::Mode::Exactly { size, refresh } => numbered()
            .filter(|(_, m)| (m.width, m.height) == (size.width, size.height))
            // 59.94 is 60 to everybody who asks for it.
            .filter(|(_, m)| refresh.is_none_or(|rate| m.refresh_mhz.abs_diff(rate.mhz()) <= 500))
            .min_by_key(|(_, m)| {
                let off = refresh.map_or(0, |rate| m.refresh_mhz.abs_diff(rate.mhz()));
                (m.interlaced, off, !m.preferred, u32::MAX - m.refresh_mhz)
            }),
    };
    found.map(|(index, _)| index).ok_or_else(|| match modes.is_empty() {
        true => "the monitor has no modes".to_owned(),
        false => format!("the monitor has no mode {wanted}, but {}", listed(modes)),
    })
}

/// `1920x1080@60, 1280x720@50`, the first few.
fn listed(modes: &[Timing]) -> String {
    let mut words: Vec<String> = Vec::new();
    for mode in modes {
        let word = format!("{}x{}@{:.0}", mode.width, mode.height, f64::from(mode.refresh_mhz) / 1000.0);
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let more = words.len().saturating_sub(12);
    words.truncate(12);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    words.join(", ") + &more
}

/// The smallest picture that a card is asked to scale up: few scale more than eight times, and none of them well.
pub fn smallest_canvas(screen: Size) -> Size {
    let quarter = |pixels: usize| pixels.div_ceil(4).next_multiple_of(2).min(pixels);
    Size { width: quarter(screen.width), height: quarter(screen.height) }
}

/// Size of the pictures for a card that scales: of the screen's shape, no larger than it, and with room for every
/// pixel of a dream of `dream` pixels.
pub fn canvas(screen: Size, dream: Size, fit: Fit) -> Size {
    let least = smallest_canvas(screen);
    let (w, h) = (dream.width.clamp(1, screen.width), dream.height.clamp(1, screen.height));
    let wide = (h * screen.width).div_ceil(screen.height);
    let high = (w * screen.height).div_ceil(screen.width);
    let (width, height) = match fit {
        Fit::Fill if wide <= w => (wide, h),
        Fit::Fill => (w, high),
        Fit::Fit if wide >= w => (wide, h),
        Fit::Fit => (w, high),
    };
    // Some planes take only even sizes.
    let even = |pixels: usize, most: usize| (pixels.next_multiple_of(2)).min(most).max(1);
    let (width, height) = (even(width, screen.width), even(height, screen.height));
    if width < least.width || height < least.height { least } else { Size { width, height } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mode(width: usize, height: usize, refresh_mhz: u32) -> Timing {
        Timing { width, height, refresh_mhz, preferred: false, interlaced: false }
    }

    fn wanted(text: &str) -> display::Mode {
        text.parse().unwrap()
    }

    #[test]
    fn a_monitors_preference_and_what_is_asked_for_by_name() {
        let interlaced = Timing { interlaced: true, ..mode(1920, 1080, 60_000) };
        let preferred = Timing { preferred: true, ..mode(3840, 2160, 30_000) };
        let modes =
            [mode(1024, 768, 60_000), interlaced, mode(1920, 1080, 50_000), mode(1920, 1080, 59_940), preferred];
        let chosen = |text: &str| choose(&modes, wanted(text));
        assert_eq!(chosen("preferred"), Ok(4));
        assert_eq!(choose(&modes[..2], display::Mode::Preferred), Ok(0), "else the first");
        assert_eq!(chosen("1920x1080"), Ok(3), "the fastest that is not interlaced");
        assert_eq!(chosen("1920x1080@60"), Ok(3), "59.94 is 60");
        assert_eq!(chosen("1920x1080@50"), Ok(2));
        assert_eq!(chosen("1920x1080@59.94"), Ok(3));
        let refusal = chosen("1920x1080@75").unwrap_err();
        assert!(refusal.contains("no mode 1920x1080@75, but 1024x768@60, 1920x1080@60"), "{refusal}");
        assert!(choose(&[], display::Mode::Preferred).unwrap_err().contains("no modes"));
    }

    #[test]
    fn rates_are_computed_from_clock_and_blanking() {
        // CEA-861's 1920x1080: 148.5 MHz over 2200 × 1125; interlaced, half the clock.
        assert_eq!(refresh(148_500, 2200 * 1125, false, false), 60_000);
        assert_eq!(refresh(74_250, 2200 * 1125, true, false), 60_000);
        assert_eq!(refresh(148_352, 2200 * 1125, false, false), 59_940);
        assert_eq!(refresh(1, 0, false, false), 0);
    }

    proptest! {
        #[test]
        fn no_modes_break_the_choice(
            modes in prop::collection::vec((0usize..9, 0usize..9, any::<u32>(), any::<bool>(), any::<bool>()), 0..12),
            width in 0usize..9, height in 0usize..9, rate in prop::option::of(any::<u32>()),
        ) {
            let modes: Vec<Timing> = modes
                .into_iter()
                .map(|(width, height, refresh_mhz, preferred, interlaced)| Timing { width, height, refresh_mhz, preferred, interlaced })
                .collect();
            let wanted = display::Mode::Exactly { size: Size { width, height }, refresh: rate.map(display::Refresh::from_mhz) };
            if let Ok(index) = choose(&modes, wanted) {
                prop_assert_eq!((modes[index].width, modes[index].height), (width, height));
            }
            prop_assert_eq!(choose(&modes, display::Mode::Preferred).is_ok(), !modes.is_empty());
        }

        #[test]
        fn clocks_never_overflow(clock: u32, total: u32, interlaced: bool, doubled: bool) {
            refresh(clock.into(), total.into(), interlaced, doubled);
        }

        #[test]
        fn what_is_sent_has_the_screens_shape_and_loses_nothing(
            width in 2usize..4096, height in 2usize..2160, w in 2usize..2000, h in 2usize..2000, fills: bool,
        ) {
            let (screen, dream) = (Size { width, height }, Size { width: w, height: h });
            let fit = if fills { Fit::Fill } else { Fit::Fit };
            let sent = canvas(screen, dream, fit);
            prop_assert!((1..=width).contains(&sent.width) && (1..=height).contains(&sent.height));
            let least = smallest_canvas(screen);
            prop_assert!(sent.width >= least.width && sent.height >= least.height);
            // What is seen of the dream on the screen has no more pixels than are sent.
            let by = |f: fn(f64, f64) -> f64| f(width as f64 / w as f64, height as f64 / h as f64);
            let enlarged = if fills { by(f64::max) } else { by(f64::min) };
            let seen = |pixels: usize, most: usize| (pixels as f64).min(most as f64 / enlarged) - 1.0;
            prop_assert!(enlarged < 1.0 || (sent.width as f64 >= seen(w, width) && sent.height as f64 >= seen(h, height)),
                "{sent} for {dream} on {screen}");
            let shape = |size: Size| size.width as f64 / size.height as f64;
            // A pixel of rounding on either side.
            let slack = 2.5 / sent.width.min(sent.height) as f64;
            prop_assert!((shape(sent) / shape(screen) - 1.0).abs() <= slack || sent.width.min(sent.height) <= 4,
                "{sent} for {screen}");
        }
    }
}
