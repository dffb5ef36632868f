//! The choice among a camera's modes; opens no device.

use serde::Serialize;

use crate::pixel_format::{FourCc, PixelFormat};

/// Sizes that a camera offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    Only(usize, usize),
    /// Smallest, largest and step in each direction.
    Steps {
        width: (usize, usize, usize),
        height: (usize, usize, usize),
    },
}

/// Pictures a second that a camera offers in a size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rates {
    Only(f64),
    Between(f64, f64),
}

/// One way to capture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mode {
    pub format: FourCc,
    pub width: usize,
    pub height: usize,
    /// None: the driver does not tell.
    pub fps: Option<f64>,
}

/// What is asked of a camera, and what its bus allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constraints {
    pub width: usize,
    pub height: usize,
    pub fps: f64,
    /// Bytes a second that the bus carries; none: no limit is known.
    pub bandwidth: Option<f64>,
}

impl Sizes {
    /// The smallest size that covers the one asked for; where none does, the largest.
    pub fn nearest(&self, constraints: &Constraints) -> (usize, usize) {
        match *self {
            Sizes::Only(width, height) => (width, height),
            Sizes::Steps { width, height } => (step_up(width, constraints.width), step_up(height, constraints.height)),
        }
    }
}

/// The first step at or above `wanted`.
fn step_up((least, most, step): (usize, usize, usize), wanted: usize) -> usize {
    let step = step.max(1);
    let steps = wanted.saturating_sub(least).div_ceil(step);
    let last = most.saturating_sub(least) / step;
    least.saturating_add(steps.min(last).saturating_mul(step))
}

impl Rates {
    /// The lowest rate at or above `fps`, else the highest there is.
    fn nearest(&self, fps: f64) -> f64 {
        match *self {
            Rates::Only(rate) => rate,
            Rates::Between(least, most) => fps.clamp(least.min(most), most.max(least)),
        }
    }
}

/// The best of a size's rates: the lowest that suffices, for each picture costs; else the highest.
pub fn best_rate(rates: &[Rates], fps: f64) -> Option<f64> {
    let rates = rates.iter().map(|rate| rate.nearest(fps)).filter(|rate| rate.is_finite() && *rate > 0.0);
    // 29.97 is 30 to everybody who asks for it.
    rates.min_by(|a, b| {
        let lacks = |rate: f64| (fps * 0.99 - rate).max(0.0);
        lacks(*a).total_cmp(&lacks(*b)).then(a.total_cmp(b))
    })
}

impl Mode {
    /// Bytes a second on the bus; none for a format that is not read.
    pub fn bandwidth(&self, constraints: &Constraints) -> Option<f64> {
        let bytes = (self.width * self.height) as f64 * PixelFormat::from_fourcc(self.format)?.bytes_per_pixel();
        Some(bytes * self.fps.unwrap_or(constraints.fps))
    }
}

/// The modes that can be read, best first. In this order: a rate of at least the one asked for; pictures in colour that the bus
/// carries; a size that covers the one asked for; then the least work: pixels a second times the cost of each. So a size little larger is preferred,
/// and uncompressed pictures to compressed ones.
pub fn ranked(modes: &[Mode], constraints: &Constraints) -> Vec<Mode> {
    let rank = |mode: &Mode| {
        let pixels = PixelFormat::from_fourcc(mode.format)?;
        let fps = mode.fps.unwrap_or(constraints.fps);
        let lacks_rate = (constraints.fps * 0.99 - fps).max(0.0);
        let area = (mode.width * mode.height) as f64;
        let bytes = mode.bandwidth(constraints)?;
        let is_carried = pixels == PixelFormat::Jpeg || constraints.bandwidth.is_none_or(|most| bytes <= most);
        let seen = (mode.width.min(constraints.width) * mode.height.min(constraints.height)) as f64;
        let lacks_size = (constraints.width * constraints.height) as f64 - seen;
        let flaws = f64::from(u8::from(!is_carried)) + f64::from(u8::from(pixels == PixelFormat::Grey));
        Some([lacks_rate, flaws, lacks_size, area * fps * pixels.relative_cost()])
    };
    let mut ranked: Vec<([f64; 4], Mode)> = modes.iter().filter_map(|mode| Some((rank(mode)?, *mode))).collect();
    let order = |a: &[f64; 4], b: &[f64; 4]| {
        a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    };
    ranked.sort_by(|(a, _), (b, _)| order(a, b));
    ranked.into_iter().map(|(_, mode)| mode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn choose(modes: &[Mode], constraints: &Constraints) -> Option<Mode> {
        ranked(modes, constraints).first().copied()
    }

    const CONSTRAINTS: Constraints = Constraints { width: 640, height: 360, fps: 30.0, bandwidth: None };

    fn mode(format: &[u8; 4], width: usize, height: usize, fps: f64) -> Mode {
        Mode { format: FourCc(*format), width, height, fps: Some(fps) }
    }

    #[test]
    fn a_common_webcam_gives_raw_pictures_where_its_cable_carries_them() {
        let modes = [
            mode(b"YUYV", 640, 480, 30.0),
            mode(b"YUYV", 1280, 720, 10.0),
            mode(b"MJPG", 640, 360, 30.0),
            mode(b"MJPG", 1280, 720, 30.0),
            mode(b"MJPG", 1920, 1080, 30.0),
        ];
        let usb2 = Constraints { bandwidth: Some(24.576e6), ..CONSTRAINTS };
        assert_eq!(choose(&modes, &usb2), Some(modes[0]));
        let large = Constraints { width: 1280, height: 720, ..usb2 };
        assert_eq!(choose(&modes, &large), Some(modes[3]), "its raw pictures come too seldom");
        let larger = Constraints { width: 4000, height: 3000, ..usb2 };
        assert_eq!(choose(&modes, &larger), Some(modes[4]), "the largest where none is large enough");
        let seldom = Constraints { width: 1280, height: 720, fps: 10.0, ..usb2 };
        assert_eq!(choose(&modes, &seldom), Some(modes[1]));
        let fast = Constraints { fps: 60.0, ..usb2 };
        assert_eq!(choose(&modes, &fast), Some(modes[0]), "the fastest there is");
    }

    #[test]
    fn colour_is_worth_more_than_grey_and_what_cannot_be_read_is_nothing() {
        let modes = [mode(b"GREY", 640, 360, 30.0), mode(b"MJPG", 1920, 1080, 30.0), mode(b"H264", 640, 360, 30.0)];
        assert_eq!(choose(&modes, &CONSTRAINTS), Some(modes[1]));
        assert_eq!(choose(&modes[..1], &CONSTRAINTS), Some(modes[0]));
        assert_eq!(choose(&modes[2..], &CONSTRAINTS), None);
        assert_eq!(ranked(&modes, &CONSTRAINTS), [modes[1], modes[0]], "the next best, should the best be refused");
    }

    #[test]
    fn a_cable_too_thin_for_raw_pictures_gets_compressed_ones() {
        let modes = [mode(b"YUYV", 1280, 720, 30.0), mode(b"MJPG", 1280, 720, 30.0)];
        let constraints = Constraints { width: 1280, height: 720, ..CONSTRAINTS };
        assert_eq!(choose(&modes, &constraints), Some(modes[0]));
        assert_eq!(choose(&modes, &Constraints { bandwidth: Some(24.576e6), ..constraints }), Some(modes[1]));
    }

    #[test]
    fn rates_and_sizes_in_steps() {
        assert_eq!(best_rate(&[Rates::Only(60.0), Rates::Only(29.97), Rates::Only(15.0)], 30.0), Some(29.97));
        assert_eq!(best_rate(&[Rates::Between(1.0, 120.0)], 30.0), Some(30.0));
        assert_eq!(best_rate(&[Rates::Only(15.0), Rates::Only(5.0)], 30.0), Some(15.0));
        assert_eq!(best_rate(&[], 30.0), None);
        let steps = Sizes::Steps { width: (320, 3840, 2), height: (180, 2160, 2) };
        assert_eq!(steps.nearest(&CONSTRAINTS), (640, 360));
        assert_eq!(steps.nearest(&Constraints { width: 641, height: 9999, ..CONSTRAINTS }), (642, 2160));
        assert_eq!(steps.nearest(&Constraints { width: 1, height: 1, ..CONSTRAINTS }), (320, 180));
    }

    proptest! {
        #[test]
        fn no_answer_of_a_driver_breaks_the_choice(
            width in (any::<u32>(), any::<u32>(), any::<u32>()), height in (any::<u32>(), any::<u32>(), any::<u32>()),
            rates in prop::collection::vec((any::<f64>(), any::<f64>(), any::<bool>()), 0..5),
        ) {
            let wide = |(a, b, c): (u32, u32, u32)| (a as usize, b as usize, c as usize);
            let (w, h) = Sizes::Steps { width: wide(width), height: wide(height) }.nearest(&CONSTRAINTS);
            let rates: Vec<Rates> =
                rates.into_iter().map(|(a, b, only)| if only || a.is_nan() || b.is_nan() { Rates::Only(a) } else { Rates::Between(a, b) }).collect();
            let fps = best_rate(&rates, 30.0);
            let mode = Mode { format: FourCc(*b"YUYV"), width: w, height: h, fps };
            prop_assert_eq!(choose(&[mode], &CONSTRAINTS).map(|m| (m.width, m.height)), Some((w, h)));
        }
    }
}
