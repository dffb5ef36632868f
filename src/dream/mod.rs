//! The dream: one frame of looking, climbing and feeding back.
//!
//! [`Dreamer::dream`] reads like the recipe: the last difference is carried to the camera picture and laid over it, the whole is climbed octave
//! by octave from coarse to fine, and beside it a few windows at the canvas' own size, its tone is held, and what differs from the
//! camera is the new difference. Which size, octaves and steps a board can afford is
//! the [`governor`]'s business, opening graphs that of [`session_cache`], which does it in a thread of its own so that the
//! picture never stands still for it.

mod activity;
mod canvas;
mod clouds;
mod crossfade;
mod current;
mod engines_ahead;
mod error;
mod fatigue;
mod frame_cache;
mod frame_pass;
mod gaze;
mod governor;
mod leading;
mod momentum;
mod octaves;
mod second;
mod session_cache;
mod settings;
mod sleep;
mod status;
mod step_boost;
mod window_pass;
mod windows;

pub use error::DreamError;
pub use settings::Settings;
pub use status::{Measurement, Progress, Status, Traffic};

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::compositor::{Affine, DreamInput, Layer, Motion};
use crate::flow::ComposedFlow;
use crate::frame::Frame;
use crate::pack::Catalogue;
use crate::params::Params;
use crate::pixel::{self, Picture, Scaler, Tone};
use crate::runtime::{Controls, Led, Provider, Runtime};
use crate::size::Size;

use activity::Activity;
use canvas::{Canvas, Previous};
use crossfade::Selection;
use current::{Current, Weights};
use engines_ahead::EnginesAhead;
use fatigue::Fatigue;
use frame_cache::FrameCache;
use frame_pass::StepScales;
use gaze::Gaze;
use governor::Governor;
use leading::Leading;
use momentum::Momentum;
use octaves::Climber;
use session_cache::SessionCache;
use settings::rng;
use sleep::{Sleep, Surroundings};
use step_boost::{BoostInputs, StepBoost};
use window_pass::Parts;
use windows::Windows;

/// The time of a dream for which `step` is meant, seconds: quicker dreams climb less each.
const STEP_PERIOD: f64 = 0.6;
/// `step` is climbed so many times at most, and so many times more in a window, which has one step where the whole has several a second.
const MAX_STEP_SCALE: f64 = 2.0;
const WINDOW_STEP_FACTOR: f64 = 4.0;
/// What is climbed is averaged over so many seconds: what chance alone moves to and fro does not show.
const MOMENTUM_SECONDS: f64 = 0.45;
/// Where the dream is tired it fades by so many time constants a second, at full fatigue.
const FATIGUE_DECAY_RATE: f64 = 4.0;
/// What an idle dream grows by in a second when it is asleep.
const ASLEEP_ZOOM: f64 = 0.05;
/// Layers kept for use: one waits, one is shown, one is fed back, one is written.
const MAX_LAYERS: usize = 4;

/// What `intensity` weakens the step by, and what shows of the dream, each: together they make what is seen grow with it
/// evenly. (Weakened by all of it twice, a third would show a tenth: nothing.)
fn strength(params: &Params) -> f64 {
    params.intensity.sqrt()
}

/// Dreams frame after frame.
pub struct Dreamer {
    settings: Settings,
    catalogue: Arc<Catalogue>,
    sessions: SessionCache,
    frame_graphs: FrameCache,
    engines_ahead: EnginesAhead,
    governor: Governor,
    /// °C from being slowed down.
    thermal_headroom: Option<f64>,
    /// The largest size it may choose, and the screen that this is for, where there is one.
    largest: Size,
    shape: Option<Size>,
    /// The graphs in use: those of the last frame, until the ones wanted now are open.
    current: Option<Current>,
    /// What cannot be faded to, since its graphs do not open at the size there is.
    unfadable: Option<Selection>,
    /// The layer that is to be open beside the first.
    beside: Option<String>,
    /// On the way from some neurons to others.
    weights: Weights,
    leading: Leading,
    activity: Activity,
    sleep: Sleep,
    gaze: Gaze,
    fatigue: Fatigue,
    tired: Vec<f32>,
    /// Since the last dream, and what is left of it in each place of that.
    path: ComposedFlow,
    left: Vec<f32>,
    /// Number of the picture that was looked at last.
    newest: Option<u64>,
    /// Frames climbed: which octaves' turn it is, where not all are climbed at once.
    frames: u64,
    windows: Windows,
    rng: fastrand::Rng,
    canvas: Canvas,
    scaler: Scaler,
    /// The camera picture, and the canvas before and after climbing, at working size; and what converts them.
    camera: Picture,
    looked: Picture,
    next: Picture,
    parts: Parts,
    small: Frame,
    momentum: Momentum,
    boost: StepBoost,
    tone: Tone,
    climber: Climber,
    /// The last dream, and others that are given back by who showed them.
    last: Option<Arc<Layer>>,
    /// The last is only faded from, and not fed back any more.
    restarts: bool,
    layers: Vec<Arc<Layer>>,
    status: Status,
    on_step: Option<OnStep>,
}

type OnStep = Box<dyn FnMut(Progress) + Send>;

impl Dreamer {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>, settings: Settings) -> Dreamer {
        let governor = match settings.size {
            Some(size) => Governor::fixed(size.into()),
            None => Governor::new(settings.max_size.into(), settings.target_fps),
        };
        let climber = Climber::new(rng(&settings));
        let mut rng = rng(&settings);
        Dreamer {
            largest: settings.max_size,
            shape: None,
            settings,
            sessions: SessionCache::new(Arc::clone(&runtime), Arc::clone(&catalogue)),
            frame_graphs: FrameCache::new(Arc::clone(&runtime), Arc::clone(&catalogue)),
            engines_ahead: EnginesAhead::new(runtime, Arc::clone(&catalogue)),
            catalogue,
            governor,
            thermal_headroom: None,
            current: None,
            unfadable: None,
            beside: None,
            weights: Weights::default(),
            leading: Leading::default(),
            activity: Activity::default(),
            sleep: Sleep::default(),
            gaze: Gaze::default(),
            fatigue: Fatigue::new(rng.u64(..)),
            tired: Vec::new(),
            path: ComposedFlow::default(),
            left: Vec::new(),
            newest: None,
            frames: 0,
            windows: Windows::default(),
            climber,
            rng,
            canvas: Canvas::default(),
            scaler: Scaler::default(),
            camera: Picture::default(),
            looked: Picture::default(),
            next: Picture::default(),
            parts: Parts::default(),
            small: Frame::new(0, 0),
            momentum: Momentum::default(),
            boost: StepBoost::default(),
            tone: Tone::NEUTRAL,
            last: None,
            restarts: false,
            layers: Vec::new(),
            status: Status::default(),
            on_step: None,
        }
    }

    /// Waits for graphs to open instead of going on with what is open: for single pictures and films, where every
    /// frame counts.
    pub fn patient(mut self) -> Dreamer {
        self.sessions.wait_for_graphs();
        self.frame_graphs.wait_for_graphs();
        self
    }

    /// The board is so many °C from being slowed down, where that is known.
    pub fn set_thermal_headroom(&mut self, headroom: Option<f64>) {
        self.thermal_headroom = headroom;
    }

    /// Share of [`Settings::target_fps`] to dream at, 0 to 1: below 1 on a hot board whose working size is fixed.
    pub fn rate_share(&self) -> f64 {
        self.governor.rate_share()
    }

    /// Dreams in the shape of a screen of these pixels, as it is seen, where the working size is the governor's to choose: then
    /// nothing that was dreamed is cut off. As many pixels as [`Settings::max_size`] at most, and no more than the screen's.
    pub fn set_screen_size(&mut self, screen: Size) {
        let screen = Size::new(screen.width.max(1), screen.height.max(1));
        if self.settings.size.is_some() || self.shape == Some(screen) {
            return;
        }
        self.shape = Some(screen);
        let largest = screen.within_pixels(self.settings.max_size.pixels());
        if largest != self.largest {
            self.largest = largest;
            self.governor = Governor::new(largest.into(), self.settings.target_fps);
        }
    }

    /// Calls `watch` after each ascent.
    pub fn on_step(&mut self, watch: impl FnMut(Progress) + Send + 'static) {
        self.on_step = Some(Box::new(watch));
    }

    /// What it does at the moment.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Forgets the dream: the next frame begins from the camera picture.
    pub fn reset(&mut self) {
        let mut rng = rng(&self.settings);
        self.restarts = true;
        self.sleep = Sleep::default();
        self.fatigue = Fatigue::new(rng.u64(..));
        self.frames = 0;
        self.windows = Windows::default();
        self.climber = Climber::new(self::rng(&self.settings));
        self.rng = rng;
    }

    /// One frame of dreaming: the difference that it makes to the picture looked at, which is the next to be laid over the camera and the next
    /// to be fed back. None before the first graphs are open.
    ///
    /// `elapsed` is the time since the last frame, by which things move, fade and grow.
    ///
    /// While the graphs of a new layer or size are being opened it dreams on with those it has. A change of layer or neurons
    /// then fades over `params.crossfade`. Numbers already hold their values for this frame.
    ///
    /// # Errors
    /// The layer or neurons do not exist, its graph cannot be opened, or the runtime failed. The dream is then as it
    /// was before, and a later frame opens the graphs anew.
    pub fn dream(
        &mut self,
        look: &DreamInput,
        params: &Params,
        elapsed: Duration,
    ) -> Result<Option<Arc<Layer>>, DreamError> {
        let started = Instant::now();
        let mut current = self.choose_graphs(params, elapsed)?;
        let size = current.plan.size;
        self.look(look, size);
        self.lead(&current, params, elapsed)?;
        self.choose_channels(&mut current, params, elapsed)?;
        self.observe(look, params, elapsed);
        let trance = if look.has_camera { self.sleep.trance(params) } else { 1.0 };
        self.lay(look, params, elapsed, size, trance as f32);
        let step_scale = self.step_scale(trance, elapsed);
        let (at_once, frame) = (current.plan.octaves, self.frames);
        let part_step_scale = self.step_scale(trance, elapsed.mul_f64(WINDOW_STEP_FACTOR));
        // In a mirror beside the whole, and in a picture of its own after it, whose dream they then make finer.
        let is_beside = self.has_feedback();
        let beside = if is_beside && Dreamer::climbs(&current, params) { current.plan.windows } else { 0 };
        self.cut_parts(&current, 0, beside);
        let climbed = self.climb(&current, params, StepScales { whole: step_scale, part: part_step_scale })?;
        if climbed && look.has_camera && self.has_feedback() {
            let inputs = BoostInputs { step_scale, fatigue: params.fatigue, share: 1.0 - trance };
            self.boost.apply(&mut self.next, &self.looked, &self.camera, &self.gaze, &inputs);
        }
        self.tone.hold(&mut self.next, params.tone as f32);
        pixel::soft_clip(&mut self.next, trance as f32);
        pixel::subtract(&self.looked, &mut self.next);
        // In a trance zoom and drift change the picture already.
        fatigue::spare(&mut self.next, &self.tired, self.path.size(), params.fatigue * (1.0 - trance));
        let inertia =
            if self.has_feedback() { (-elapsed.as_secs_f64() / MOMENTUM_SECONDS).exp() * (1.0 - trance) } else { 0.0 };
        self.momentum.join(&mut self.next, &self.path, inertia as f32);
        self.canvas.add(&self.next);
        if climbed && is_beside {
            self.add_parts();
        } else if climbed {
            for number in 0..current.plan.windows {
                self.cut_parts(&current, number, 1);
                let climbed = self.climb_parts(&current, params, part_step_scale, number);
                climbed.map_err(|error| self.give_up(error))?;
                self.add_parts();
            }
        }
        let mut layer = self.blank();
        let made = Arc::get_mut(&mut layer).expect("nobody else holds it");
        self.canvas.lift(&look.camera, trance as f32, made);
        made.strength = if look.has_camera { strength(params) as f32 } else { 1.0 };
        made.frame_number = look.frame_number;
        self.layers.extend(self.last.replace(Arc::clone(&layer)));
        self.restarts = false;

        self.status.traffic = self.climber.traffic();
        self.status.frame_time = started.elapsed();
        current.crossfade.layer().clone_into(&mut self.status.layer);
        self.status.awaits_layer = !current.crossfade.has(&params.layer);
        (self.status.width, self.status.height) = size;
        self.status.octaves = at_once.min(current.sizes.len() as u32);
        self.status.steps = current.plan.steps;
        // Frames of coarser octaves alone are cheaper than planned.
        let is_most_expensive = frame.is_multiple_of(octaves::turns(&current.sizes, at_once));
        // Those climbed step by step until their graph is open say nothing of those after.
        if climbed
            && is_most_expensive
            && !self.frame_graphs.is_soon_open()
            && self.governor.plans_for(current.only_layer())
        {
            self.governor.observe(self.status.frame_time, &current.plan);
        }
        self.build_ahead(&current);
        let is_open = !current.sizes.is_empty();
        self.current = Some(current).filter(|_| is_open);
        Ok(is_open.then_some(layer))
    }

    /// The layers that are likely to be dreamed with, the likeliest first: their engines are built while nobody is there.
    pub fn set_likely_layers(&mut self, layers: Vec<String>) {
        self.engines_ahead.set_layers(layers);
    }

    /// Has an engine built that will be wanted, where that is what dreams wait for and nobody is there to wait for this one.
    fn build_ahead(&mut self, current: &Current) {
        let is_idle = self.sleep.depth() == 1.0 && self.sessions.is_idle() && self.frame_graphs.is_idle();
        if is_idle && self.status.provider == Some(Provider::TensorRt) {
            let are_whole = self.frame_graphs.runs_whole_frames(Provider::TensorRt);
            let plan = current.frame_plan(self.parts.len());
            // Where octaves take turns, and where there are too many ascents for one graph, frames are climbed step by step.
            let is_one_run =
                current.plan.octaves as usize >= current.sizes.len() && plan.ascents() <= frame_cache::MAX_ASCENTS;
            self.engines_ahead.go_on(&plan, are_whole && is_one_run);
        }
    }

    /// Measures `picture`, as it is, at its own size; waits for the graph to open.
    ///
    /// # Errors
    /// As [`Dreamer::dream`].
    pub fn measure(&mut self, picture: &Frame, params: &Params) -> Result<Measurement, DreamError> {
        let size = (picture.width, picture.height);
        self.sessions.open_now(&params.layer, size)?;
        let neurons = params.neurons.weights(self.catalogue.layer(&params.layer)?.2)?;
        let mut image = Picture::default();
        pixel::from_frame(picture, &mut image);
        let controls =
            Controls { neurons: &neurons, step: 0.0, smoothing: 0.0, colour: 0.0, shift: (0, 0), led: Led::default() };
        let climbed = self.sessions.ascent(&params.layer, size)?.climb(&mut image, &controls)?;
        Ok(Measurement {
            activation: octaves::mean_activation(climbed.activation, &neurons),
            objective: climbed.objective,
        })
    }

    /// The camera picture at working size, and its tone.
    fn look(&mut self, look: &DreamInput, size: (usize, usize)) {
        self.leading.sees_camera = look.has_camera;
        if !look.has_camera {
            return;
        }
        self.small.resize(size.0, size.1);
        self.scaler.stretch(&look.camera, &mut self.small);
        pixel::from_frame(&self.small, &mut self.camera);
        self.tone = Tone::of(&self.camera);
    }

    /// Whether anybody is there. Asleep, the dream is held to a light of its own.
    fn observe(&mut self, look: &DreamInput, params: &Params, elapsed: Duration) {
        let light = f64::from(self.tone.mean.iter().sum::<f32>() / 3.0);
        let surroundings = Surroundings { has_camera: look.has_camera, movement: f64::from(look.movement), light };
        self.sleep.update(&surroundings, params, elapsed);
        self.tone = self.tone.toward(&Tone::NEUTRAL, self.sleep.depth() as f32);
    }

    /// The path since the last dream, joined across inputs whose run failed.
    fn follow(&mut self, look: &DreamInput) {
        let frame_number = self.last.as_ref().map(|last| last.frame_number);
        match look.since_frame {
            Some(since) if Some(since) == frame_number => self.path.copy_from(&look.flow),
            Some(since) if Some(since) == self.newest && frame_number.is_some() => {
                self.path.append(&look.flow.field, &look.flow.confidence);
            }
            _ => {
                self.path.copy_from(&look.flow);
                self.path.confidence.fill(0.0);
            }
        }
        self.newest = Some(look.frame_number);
    }

    /// The canvas: the camera picture, and over it what is left of the last dream, carried to where things are now. At working size it
    /// is what is climbed.
    fn lay(&mut self, look: &DreamInput, params: &Params, elapsed: Duration, size: (usize, usize), trance: f32) {
        let seconds = elapsed.as_secs_f64();
        self.follow(look);
        if self.restarts {
            self.gaze = Gaze::default();
        }
        self.gaze.look(&self.path, seconds);
        self.fatigue.advance(seconds, params.fatigue);
        let (width, height) = self.path.size();
        self.tired.clear();
        self.tired.resize(width * height, 0.0);
        if params.fatigue > 0.0 && self.gaze.stares() > 0.0 {
            self.fatigue.map(width, height, &mut self.tired);
            self.tired.iter_mut().zip(self.gaze.stared_at()).for_each(|(tired, stared_at)| *tired *= stared_at);
        }
        self.left.clear();
        self.left.extend(self.path.confidence.iter().zip(&self.tired).map(|(seen, tired)| {
            let rate = 1.0 / params.decay + f64::from(*tired) * params.fatigue * FATIGUE_DECAY_RATE;
            seen * (-seconds * rate).exp() as f32
        }));
        let canvas = (look.camera.width, look.camera.height);
        let motion = self.motion(params, elapsed, canvas);
        if let Some(last) = self.last.take_if(|last| (last.width, last.height) != canvas) {
            self.last = Some(Arc::new(last.resized(canvas)));
        }
        let last = self.last.as_ref().map(|layer| Previous {
            layer,
            path: &self.path,
            left: &self.left,
            motion: Affine::of(&motion, canvas.0, canvas.1),
            persistence: self.sleep.persistence(params.persistence) as f32,
            is_fed_back: !self.restarts,
        });
        let is_blind = !self.has_feedback() && !look.has_camera;
        self.canvas.lay(&look.camera, last.as_ref(), trance);
        if is_blind {
            self.canvas.paint(&clouds::clouds(size, &mut self.rng, &mut self.scaler));
        }
        self.canvas.read(&mut self.small, &mut self.looked, size);
        self.next.copy_from(&self.looked);
    }

    /// A layer to be written: one that nobody shows any more, where there is one.
    fn blank(&mut self) -> Arc<Layer> {
        let free = self.layers.iter_mut().position(|layer| Arc::get_mut(layer).is_some());
        let free = free.map(|place| self.layers.swap_remove(place));
        // Those that were made for another canvas go with it.
        self.layers.truncate(MAX_LAYERS);
        free.unwrap_or_default()
    }

    /// Whether there is a dream that is fed back.
    fn has_feedback(&self) -> bool {
        self.last.is_some() && !self.restarts
    }

    /// How many times `step` is climbed: a mirror climbs as much a second on every board, but a very slow one would leap. A trance, where
    /// it is each frame that counts, and a first frame climb it once.
    fn step_scale(&self, trance: f64, elapsed: Duration) -> f64 {
        let step_scale = (elapsed.as_secs_f64() / STEP_PERIOD).min(MAX_STEP_SCALE);
        if self.has_feedback() { step_scale + (1.0 - step_scale) * trance } else { 1.0 }
    }

    /// The driver's state is unknown: everything is opened anew.
    fn give_up(&mut self, error: DreamError) -> DreamError {
        self.sessions.forget();
        self.frame_graphs.forget();
        self.current = None;
        error
    }

    /// What zoom, rotation and drift amount to in `elapsed`. Asleep it flies a little in any case.
    fn motion(&self, params: &Params, elapsed: Duration, (width, _): (usize, usize)) -> Motion {
        // After a pause or a stall the picture goes on from where it was instead of leaping.
        let seconds = elapsed.as_secs_f64().min(1.0);
        let stands = params.zoom == 0.0 && params.rotate == 0.0 && params.drift == 0.0;
        let zoom = if stands { ASLEEP_ZOOM * self.sleep.depth() } else { params.zoom };
        let slide = params.drift * seconds * width as f64;
        let (sin, cos) = params.drift_angle.to_radians().sin_cos();
        Motion {
            zoom: (1.0 + zoom).powf(seconds) as f32,
            angle: (params.rotate * seconds).to_radians() as f32,
            translation: ((slide * cos) as f32, (slide * sin) as f32),
        }
    }
}
