//! The octaves of one frame: coarse to fine, each climbed, its detail carried to the next.

use super::error::DreamError;
use super::leading::LeadingClimb;
use super::session_cache::SessionCache;
use super::{Progress, Traffic};
use crate::pixel::{self, Picture, Scaler};
use crate::runtime::{Controls, FrameAscent, FrameControls, Led, Provider};

/// The shorter side below which an octave is left out: the network sees nothing in so few pixels.
const SMALLEST_SIDE: usize = 32;

/// Where octaves take turns, each climbs at most this many times as much: more at once would be a visible jump.
pub const MAX_TURNS: u64 = 3;

/// Sizes of `octaves` octaves of a picture of `size`, coarse to fine; the last is `size` itself. Octaves that would be
/// too small are left out.
pub fn octave_sizes(size: (usize, usize), octaves: u32, scale: f64) -> Vec<(usize, usize)> {
    let at = |side: usize, octave: u32| (side as f64 / scale.powi(octave as i32)).round() as usize;
    (0..octaves.max(1))
        .rev()
        .map(|octave| (at(size.0, octave), at(size.1, octave)))
        .filter(|&octave| octave == size || octave.0.min(octave.1) >= SMALLEST_SIDE)
        .collect()
}

/// Those whose turn it is in frame `number`, of which `at_once` (from 1) are climbed in each, the finest first.
pub fn turn(sizes: &[(usize, usize)], at_once: u32, number: u64) -> &[(usize, usize)] {
    sizes.rchunks((at_once as usize).max(1)).nth((number % turns(sizes, at_once)) as usize).unwrap_or_default()
}

/// How many frames it takes until each had its turn; 1 at least.
pub fn turns(sizes: &[(usize, usize)], at_once: u32) -> u64 {
    (sizes.len().div_ceil((at_once as usize).max(1)) as u64).max(1)
}

/// How the octaves of one frame are climbed.
pub struct Climb<'a> {
    pub layer: &'a str,
    /// Another layer and the weights of its channels, and its share of the way, 0 to 1.
    pub other: Option<(&'a str, &'a [f32], f64)>,
    /// Coarse to fine. Where the last is not the picture's own, what was climbed there is enlarged.
    pub sizes: &'a [(usize, usize)],
    /// Weight of each channel.
    pub neurons: &'a [f32],
    /// In units of the picture, 0..1.
    pub step: f32,
    pub smoothing: f32,
    pub colour: f32,
    /// Largest shift before an ascent, pixels.
    pub jitter: i32,
    /// Ascents an octave.
    pub steps: u32,
    /// What else is climbed in this frame, in pixels.
    pub extra_work: u64,
    /// Other pictures that lead it.
    pub led: LeadingClimb<'a>,
}

impl<'a> Climb<'a> {
    /// What part of the ascent of this index this layer takes, and the other.
    ///
    /// The share of another layer is taken off the end, so that at most one ascent of an octave is made by both: the
    /// number of steps stays the same, it changes evenly with the share, and a fade costs one ascent more an octave.
    fn parts(&self, index: u32) -> [f32; 2] {
        let Some((.., share)) = self.other else { return [1.0, 0.0] };
        let after = f64::from(self.steps - 1 - index);
        let part = (share * f64::from(self.steps) - after).clamp(0.0, 1.0) as f32;
        [1.0 - part, part]
    }

    /// Both layers and their weights.
    fn layers(&self) -> [(&'a str, &'a [f32]); 2] {
        [(self.layer, self.neurons), self.other.map_or((self.layer, &[]), |(layer, neurons, _)| (layer, neurons))]
    }

    /// Those who take a part in the ascent of this index: layer, weights, what the guide has for it, part of the step.
    fn takers(&self, index: u32) -> impl Iterator<Item = (&'a str, &'a [f32], Option<&'a [f32]>, f32)> {
        let layers = self.layers().into_iter().zip(self.led.features);
        let taken = layers.zip(self.parts(index)).filter(|(_, part)| *part > 0.0);
        taken.map(|(((layer, neurons), features), part)| (layer, neurons, features, part))
    }

    /// How far each layer climbs in the ascent of this index, as a frame's graph takes it.
    fn write_steps(&self, index: u32, steps: &mut Vec<f32>) {
        let layers = 1 + usize::from(self.other.is_some());
        steps.extend(self.parts(index).iter().take(layers).map(|part| self.step * part));
    }
}

/// What the last ascent returned.
pub struct LastAscent {
    pub provider: Provider,
    pub activation: f64,
}

/// Climbs pictures; keeps what it works with between frames.
pub struct Climber {
    rng: fastrand::Rng,
    scaler: Scaler,
    base: Picture,
    climbed: Picture,
    detail: Picture,
    carried: Picture,
    /// What is caricatured, at the octave's size.
    camera: Picture,
    /// What a frame's graph is directed by.
    shifts: Vec<(i32, i32)>,
    steps: Vec<f32>,
    traffic: Traffic,
}

impl Climber {
    /// `rng` draws the jitter.
    pub fn new(rng: fastrand::Rng) -> Climber {
        Climber {
            rng,
            scaler: Scaler::default(),
            base: Picture::default(),
            climbed: Picture::default(),
            detail: Picture::default(),
            carried: Picture::default(),
            camera: Picture::default(),
            shifts: Vec::new(),
            steps: Vec::new(),
            traffic: Traffic::default(),
        }
    }

    /// Runs and bytes since [`Climber::count_anew`].
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub fn count_anew(&mut self) {
        self.traffic = Traffic::default();
    }

    /// Climbs `picture` at each octave, coarse to fine, with graphs that are open in `sessions`. Returns what the last
    /// ascent returned, where there was one.
    pub fn climb(
        &mut self,
        picture: &mut Picture,
        climb: &Climb,
        sessions: &mut SessionCache,
        mut on_step: Option<&mut (dyn FnMut(Progress) + Send + 'static)>,
    ) -> Result<Option<LastAscent>, DreamError> {
        let mut last = None;
        let total = work(climb.sizes, climb.steps) + climb.extra_work;
        let mut done = 0;
        for (octave, &(width, height)) in climb.sizes.iter().enumerate() {
            self.base.resize(width, height);
            self.scaler.resize(picture, &mut self.base);
            self.climbed.copy_from(&self.base);
            if let Some(camera) = climb.led.camera {
                self.camera.resize(width, height);
                self.scaler.resize(camera, &mut self.camera);
            }
            if octave > 0 {
                self.carried.resize(width, height);
                self.scaler.resize(&self.detail, &mut self.carried);
                pixel::add(&self.carried, &mut self.climbed);
            }
            for index in 0..climb.steps {
                let shift = draw_shift(&mut self.rng, climb.jitter);
                done += work(&[(width, height)], 1);
                for (layer, neurons, features, part) in climb.takers(index) {
                    let (step, smoothing, colour) = (climb.step * part, climb.smoothing, climb.colour);
                    let ascent = sessions.ascent(layer, (width, height))?;
                    if climb.led.camera.is_some() {
                        self.traffic.count(ascent.bytes_exchanged());
                        ascent.look_at(&self.camera, neurons, shift)?;
                    }
                    let guide = features.map(|features| (features, climb.led.guided));
                    let led = Led { guide, caricature: climb.led.caricature };
                    let controls = Controls { neurons, step, smoothing, colour, shift, led };
                    self.traffic.count(ascent.bytes_exchanged());
                    let climbed = ascent.climb(&mut self.climbed, &controls)?;
                    let (activation, objective) = (mean_activation(climbed.activation, neurons), climbed.objective);
                    if let Some(on_step) = on_step.as_deref_mut() {
                        on_step(Progress { done, total, activation, objective });
                    }
                    last = Some(LastAscent { provider: ascent.provider(), activation });
                }
            }
            self.detail.copy_from(&self.climbed);
            pixel::subtract(&self.base, &mut self.detail);
        }
        if climb.sizes.last() == Some(&picture.size()) {
            picture.copy_from(&self.climbed);
        } else if !climb.sizes.is_empty() {
            self.carried.resize(picture.width, picture.height);
            self.scaler.resize(&self.detail, &mut self.carried);
            pixel::add(&self.carried, picture);
        }
        Ok(last)
    }

    /// As [`Climber::climb`], and `parts` beside it as `part_climb` says, by one run of `frame`.
    pub fn climb_at_once(
        &mut self,
        picture: &mut Picture,
        parts: &mut [Picture],
        climb: &Climb,
        part_climb: &Climb,
        frame: &mut FrameAscent,
    ) -> Result<Option<LastAscent>, DreamError> {
        self.shifts.clear();
        self.steps.clear();
        for index in climb.sizes.iter().flat_map(|_| 0..climb.steps) {
            self.shifts.push(draw_shift(&mut self.rng, climb.jitter));
            climb.write_steps(index, &mut self.steps);
        }
        parts.iter().for_each(|_| part_climb.write_steps(0, &mut self.steps));
        let neurons = climb.layers().map(|(_, neurons)| neurons);
        let controls = FrameControls {
            neurons: if climb.other.is_some() { &neurons } else { &neurons[..1] },
            steps: &self.steps,
            smoothing: climb.smoothing,
            colour: climb.colour,
            shifts: &self.shifts,
        };
        let (provider, bytes) = (frame.provider(), frame.bytes_exchanged());
        let is_recorded = frame.is_recorded();
        let Some(climbed) = frame.climb(picture, parts, &controls)? else { return Ok(None) };
        self.traffic.count(bytes);
        self.traffic.is_replay = is_recorded;
        // Of who took the last ascent.
        let taker = usize::from(climb.parts(climb.steps - 1)[1] > 0.0);
        Ok(Some(LastAscent { provider, activation: mean_activation(climbed.activations[taker], neurons[taker]) }))
    }
}

/// By how much a picture is rolled before an ascent.
fn draw_shift(rng: &mut fastrand::Rng, jitter: i32) -> (i32, i32) {
    let mut draw = || if jitter == 0 { 0 } else { rng.i32(-jitter..=jitter) };
    (draw(), draw())
}

/// What `steps` ascents of each of `sizes` are, in pixels climbed.
pub fn work(sizes: &[(usize, usize)], steps: u32) -> u64 {
    sizes.iter().map(|(width, height)| (width * height) as u64).sum::<u64>() * u64::from(steps)
}

/// Mean over the channels, each with its weight.
pub fn mean_activation(activation: &[f32], neurons: &[f32]) -> f64 {
    let weight: f64 = neurons.iter().map(|w| f64::from(w.abs())).sum();
    let sum: f64 = activation.iter().zip(neurons).map(|(a, w)| f64::from(*a) * f64::from(*w)).sum();
    sum / weight.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn five_octaves_of_a_photo() {
        assert_eq!(octave_sizes((384, 256), 5, 1.4), [(100, 67), (140, 93), (196, 131), (274, 183), (384, 256)]);
    }

    #[test]
    fn octaves_too_small_to_see_are_left_out_but_never_the_picture_itself() {
        assert_eq!(octave_sizes((64, 48), 5, 1.4), [(46, 34), (64, 48)]);
        assert_eq!(octave_sizes((20, 10), 3, 2.0), [(20, 10)]);
    }

    #[test]
    fn every_octave_has_its_turn_and_the_finest_comes_first() {
        let sizes = octave_sizes((384, 256), 5, 1.4);
        assert_eq!(turn(&sizes, 5, 7), &sizes[..]);
        let two: Vec<_> = (0..4).map(|number| turn(&sizes, 2, number)).collect();
        assert_eq!(two, [&sizes[3..], &sizes[1..3], &sizes[..1], &sizes[3..]]);
        assert_eq!(turn(&[], 1, 3), &[]);
    }

    proptest! {
        #[test]
        fn octaves_grow_to_the_picture(w in 8usize..2000, h in 8usize..2000, n in 1u32..=10, scale in 1.1f64..3.0) {
            let sizes = octave_sizes((w, h), n, scale);
            prop_assert_eq!(*sizes.last().unwrap(), (w, h));
            prop_assert!(sizes.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
        }
    }
}
