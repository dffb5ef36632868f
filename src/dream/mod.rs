//! The dream: one frame of looking, climbing and feeding back.
//!
//! [`Dreamer::dream`] reads like the recipe: the last dream moves, is mixed with the camera picture, is climbed octave
//! by octave from coarse to fine, its tone is held, and it is shown. Which size, octaves and steps a board can afford is
//! the [`governor`]'s business, opening graphs that of [`studio`], which does it in a thread of its own so that the
//! picture never stands still for it.

mod cast;
mod clouds;
mod error;
mod glide;
mod governor;
mod octaves;
mod studio;

pub use error::DreamError;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::frame::Frame;
use crate::pack::Catalogue;
use crate::params::Params;
use crate::pixel::{self, Motion, Picture, Scaler, Tone};
use crate::runtime::{Controls, Provider, Runtime};

use cast::{Aim, Cast, Part};
use glide::{Glide, Look};
use governor::{Ask, Governor, Plan};
use octaves::{Climb, Climber, octave_sizes};
use studio::{Graphs, Opening, Studio};

/// How a [`Dreamer`] works, for as long as it lives.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Fixed working size, width and height; then nothing is governed. None: the governor chooses.
    pub size: Option<(usize, usize)>,
    /// The largest working size; the governor keeps its proportions, so it is best those of the screen.
    pub max_size: (usize, usize),
    /// Dream frames a second that the governor holds.
    pub target_fps: f64,
    /// Makes the dream repeatable: with equal pictures, parameters and times it is the same to the byte, on the
    /// CPU. A GPU's sums differ in their last digits from run to run, and the dream carries that on.
    pub seed: Option<u64>,
}

/// What the dreamer does at the moment, for telemetry.
#[derive(Debug, Clone, PartialEq)]
pub struct Vitals {
    /// What runs the network; none before the first graph is open.
    pub provider: Option<Provider>,
    /// The layer in effect: the last one while the graphs of another are being opened.
    pub layer: String,
    /// Whether those of another are.
    pub awaits_layer: bool,
    /// Working size.
    pub width: usize,
    pub height: usize,
    /// Octaves and steps in effect, after the governor and after octaves too small to see are left out.
    pub octaves: u32,
    pub steps: u32,
    /// How long the last frame took.
    pub frame_time: Duration,
    /// Mean activation over the chosen channels, each with its sign and weight, before the last step.
    pub activation: f64,
}

/// One ascent done: for progress bars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Work done and to do in this frame, in pixels climbed: a step of a fine octave counts more than one of a coarse.
    pub done: u64,
    pub total: u64,
    /// As [`Vitals::activation`], before this ascent.
    pub activation: f64,
    /// The objective before this ascent, of graphs that tell it.
    pub objective: Option<f32>,
}

/// How much of the layer's dream is in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// As [`Vitals::activation`].
    pub activation: f64,
    /// The objective, of graphs that tell it.
    pub objective: Option<f32>,
}

/// Dreams frame after frame.
pub struct Dreamer {
    settings: Settings,
    catalogue: Arc<Catalogue>,
    studio: Studio,
    governor: Governor,
    /// °C from being slowed down.
    room: Option<f64>,
    /// The largest size it may choose, and the screen that this is for, where there is one.
    largest: (usize, usize),
    shape: Option<(usize, usize)>,
    scaler: Scaler,
    /// The graphs in use: those of the last frame, until the ones wanted now are open.
    current: Option<Current>,
    /// What cannot be faded to, since its graphs do not open at the size there is.
    unfadable: Option<Part>,
    /// Weight of each channel, on the way from some neurons to others.
    weights: Vec<f32>,
    glide: Glide,
    /// F: the camera picture at working size; and its frame before conversion.
    camera: Picture,
    camera_frame: Frame,
    /// D: the dream at working size; none before the first frame.
    dream: Option<Picture>,
    /// The next D while it is being made.
    next: Picture,
    tone: Tone,
    climber: Climber,
    shown: Picture,
    vitals: Vitals,
    on_step: Option<Box<dyn FnMut(Progress) + Send>>,
}

/// What is dreamed with: layers and neurons, and a plan whose graphs are open.
#[derive(Debug, Clone, PartialEq)]
struct Current {
    cast: Cast,
    plan: Plan,
    /// Those of the octaves; none where nothing is open yet.
    sizes: Vec<(usize, usize)>,
}

impl Current {
    /// Those of the layer that is there, and of the one that comes.
    fn graphs(&self) -> (Graphs<'_>, Option<Graphs<'_>>) {
        let of = |layer| Graphs { layer, sizes: &self.sizes };
        (of(&self.cast.now.layer), self.cast.other().map(|(part, _)| of(&part.layer)))
    }
}

impl Dreamer {
    pub fn new(runtime: Arc<Runtime>, catalogue: Arc<Catalogue>, settings: Settings) -> Dreamer {
        let governor = match settings.size {
            Some(size) => Governor::fixed(size),
            None => Governor::new(settings.max_size, settings.target_fps),
        };
        let rng = rng(&settings);
        Dreamer {
            largest: settings.max_size,
            shape: None,
            settings,
            studio: Studio::new(runtime, Arc::clone(&catalogue)),
            catalogue,
            governor,
            room: None,
            scaler: Scaler::default(),
            current: None,
            unfadable: None,
            weights: Vec::new(),
            glide: Glide::default(),
            camera: Picture::default(),
            camera_frame: Frame::new(0, 0),
            dream: None,
            next: Picture::default(),
            tone: Tone::NEUTRAL,
            climber: Climber::new(rng),
            shown: Picture::default(),
            vitals: Vitals {
                provider: None,
                layer: String::new(),
                awaits_layer: false,
                width: 0,
                height: 0,
                octaves: 0,
                steps: 0,
                frame_time: Duration::ZERO,
                activation: 0.0,
            },
            on_step: None,
        }
    }

    /// Waits for graphs to open instead of going on with what is open: for single pictures and films, where every
    /// frame counts.
    pub fn patient(mut self) -> Dreamer {
        self.studio.wait_for_graphs();
        self
    }

    /// The board is so many °C from being slowed down, where that is known.
    pub fn feel(&mut self, room: Option<f64>) {
        self.room = room;
    }

    /// Dreams in the shape of a screen of these pixels, as it is seen, where the working size is the governor's to choose: then
    /// nothing that was dreamed is cut off. As many pixels as [`Settings::max_size`] at most, and no more than the screen's.
    pub fn take_shape(&mut self, (width, height): (usize, usize)) {
        let largest = (width.max(1), height.max(1));
        if self.settings.size.is_some() || self.shape == Some(largest) {
            return;
        }
        self.shape = Some(largest);
        let most = self.settings.max_size.0 * self.settings.max_size.1;
        let largest = governor::largest_within(most, largest);
        if largest != self.largest {
            self.largest = largest;
            self.governor = Governor::new(largest, self.settings.target_fps);
        }
    }

    /// Calls `watch` after each ascent.
    pub fn on_step(&mut self, watch: impl FnMut(Progress) + Send + 'static) {
        self.on_step = Some(Box::new(watch));
    }

    /// What it does at the moment.
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// Forgets the dream: the next frame begins from the camera picture.
    pub fn reset(&mut self) {
        self.dream = None;
        self.glide.reset();
        self.climber = Climber::new(rng(&self.settings));
    }

    /// One frame of dreaming, into `out`, which takes on the working size.
    ///
    /// `camera` is the newest picture the source has, the same as before where none came since; None where there is no
    /// source (any more): then it dreams on from its own last picture, or from clouds where it never saw one.
    /// `elapsed` is the time since the last frame, which zoom, rotation and drift go by.
    ///
    /// While the graphs of a new layer or size are being opened it dreams on with those it has; before the first are
    /// open it shows the camera picture. A change of layer or neurons then fades over `params.pace.network`, numbers move
    /// over `params.pace.numbers`.
    ///
    /// # Errors
    /// The layer or neurons do not exist, its graph cannot be opened, or the runtime failed. The dream is then as it
    /// was before, and a later frame opens the graphs anew.
    pub fn dream(
        &mut self,
        camera: Option<&Frame>,
        params: &Params,
        elapsed: Duration,
        out: &mut Frame,
    ) -> Result<(), DreamError> {
        let started = Instant::now();
        if params.paused && !self.shown.data.is_empty() {
            self.show(out, camera);
            return Ok(());
        }
        let current = self.choose_graphs(params, elapsed)?;
        let look = self.glide.follow(params, elapsed);
        let (width, height) = current.plan.size;
        self.look(camera, params, (width, height));
        self.move_dream(camera.is_some(), &look, elapsed, (width, height));
        let climbed = self.climb(&current, &look, params.jitter)?;
        self.tone.hold(&mut self.next, look.tone as f32);
        let dream = self.dream.get_or_insert_default();
        std::mem::swap(dream, &mut self.next);
        self.shown.copy_from(dream);
        if camera.is_some() {
            pixel::lerp(&self.camera, &mut self.shown, share(look.intensity) as f32);
        }
        self.show(out, camera);

        self.vitals.frame_time = started.elapsed();
        current.cast.layer().clone_into(&mut self.vitals.layer);
        self.vitals.awaits_layer = !current.cast.has(&params.layer);
        (self.vitals.width, self.vitals.height) = (width, height);
        self.vitals.octaves = current.sizes.len() as u32;
        self.vitals.steps = current.plan.steps;
        if climbed && current.cast.next.is_none() && current.cast.now.layer == params.layer {
            self.governor.observe(self.vitals.frame_time, &current.plan);
        }
        self.current = Some(current).filter(|current| !current.sizes.is_empty());
        Ok(())
    }

    /// Measures `picture`, as it is, at its own size; waits for the graph to open.
    ///
    /// # Errors
    /// As [`Dreamer::dream`].
    pub fn measure(&mut self, picture: &Frame, params: &Params) -> Result<Measured, DreamError> {
        let size = (picture.width, picture.height);
        self.studio.open_now(&params.layer, size)?;
        let neurons = params.neurons.weights(self.catalogue.layer(&params.layer)?.2)?;
        let mut image = Picture::default();
        pixel::from_frame(picture, params.mirror, &mut image);
        let controls = Controls { neurons: &neurons, step: 0.0, smoothing: 0.0, colour: 0.0, shift: (0, 0) };
        let climbed = self.studio.ascent(&params.layer, size)?.climb(&mut image, &controls)?;
        Ok(Measured {
            activation: octaves::mean_activation(climbed.activation, &neurons),
            objective: climbed.objective,
        })
    }

    /// What to dream with: what is asked for where its graphs are open, else what there is, and in between a mix.
    fn choose_graphs(&mut self, params: &Params, elapsed: Duration) -> Result<Current, DreamError> {
        let wanted = self.part(params)?;
        let held = self.current.as_ref().filter(|current| {
            let (now, next) = current.graphs();
            self.studio.has(now) && next.is_none_or(|next| self.studio.has(next))
        });
        let held = held.cloned();
        if let Some(current) = &held
            && params.pace.network > 0.0
            && self.unfadable.as_ref() != Some(&wanted)
            && let Some(faded) = self.fade(current.clone(), &wanted, params.pace.network, elapsed)?
        {
            return Ok(faded);
        }
        let ask = Ask {
            layer: params.layer.clone(),
            octaves: params.octaves,
            steps: params.steps,
            octave_scale: params.octave_scale,
        };
        self.governor.feel(self.room, elapsed);
        let plan = self.governor.plan(&ask);
        let sizes = octave_sizes(plan.size, plan.octaves, params.octave_scale);
        let wanted = Current { cast: Cast::of(wanted), plan, sizes };
        match self.studio.open(wanted.graphs().0, held.as_ref().map(|held| held.graphs().0))? {
            Opening::Done => return Ok(wanted),
            Opening::Coming => {}
            Opening::Refused => self.governor.refuse(&plan),
        }
        Ok(match held {
            // Another layer's channels mean something else: it goes on with its own.
            Some(held) if held.cast.now.layer != wanted.cast.now.layer => {
                Current { cast: Cast::of(held.cast.now), ..held }
            }
            Some(held) => Current { cast: wanted.cast, ..held },
            // Nothing to climb with yet.
            None => Current { sizes: Vec::new(), ..wanted },
        })
    }

    /// A layer and neurons as `params` say.
    fn part(&self, params: &Params) -> Result<Part, DreamError> {
        let is_same = |part: &&Part| part.layer == params.layer && part.neurons.as_ref() == Some(&params.neurons);
        let cast = self.current.as_ref().map(|current| &current.cast);
        let known = cast.and_then(|cast| {
            [Some(&cast.now), cast.next.as_ref().map(|next| &next.part)].into_iter().flatten().find(is_same)
        });
        let weights = match known {
            Some(part) => Arc::clone(&part.weights),
            None => params.neurons.weights(self.catalogue.layer(&params.layer)?.2)?.into(),
        };
        Ok(Part { layer: params.layer.clone(), neurons: Some(params.neurons.clone()), weights })
    }

    /// `current` on its way to `wanted`, at the sizes it has: the governor waits until the fade is over. None where it is there,
    /// or where no fade can lead to it.
    fn fade(
        &mut self,
        mut current: Current,
        wanted: &Part,
        seconds: f64,
        elapsed: Duration,
    ) -> Result<Option<Current>, DreamError> {
        match current.cast.aim(wanted, seconds) {
            Aim::There => return Ok(None),
            Aim::Going => {
                if let (now, Some(next)) = current.graphs() {
                    // Keeps both from being let go.
                    self.studio.open(next, Some(now))?;
                }
            }
            Aim::Open => {
                let graphs = Graphs { layer: &wanted.layer, sizes: &current.sizes };
                match self.studio.open(graphs, Some(current.graphs().0))? {
                    Opening::Done => current.cast.begin(wanted.clone(), seconds),
                    Opening::Coming => return Ok(Some(current)),
                    Opening::Refused => {
                        self.unfadable = Some(wanted.clone());
                        return Ok(None);
                    }
                }
            }
        }
        current.cast.advance(elapsed);
        Ok(Some(current))
    }

    /// F ← the camera picture, cut and scaled to working size.
    fn look(&mut self, camera: Option<&Frame>, params: &Params, size: (usize, usize)) {
        let Some(frame) = camera.filter(|f| f.width > 0 && f.height > 0) else { return };
        if (frame.width, frame.height) == size {
            pixel::from_frame(frame, params.mirror, &mut self.camera);
        } else {
            self.camera_frame.resize(size.0, size.1);
            self.scaler.fill(frame, &mut self.camera_frame);
            pixel::from_frame(&self.camera_frame, params.mirror, &mut self.camera);
        }
        self.tone = Tone::of(&self.camera);
    }

    /// D moved by what `elapsed` asks for and mixed with the camera picture, into `next`.
    fn move_dream(&mut self, has_camera: bool, look: &Look, elapsed: Duration, size: (usize, usize)) {
        match &mut self.dream {
            Some(dream) => {
                if dream.size() != size {
                    let mut resized = Picture::new(size.0, size.1);
                    self.scaler.refit(dream, &mut resized);
                    *dream = resized;
                }
                pixel::warp(dream, &mut self.next, motion(look, elapsed, size));
                if has_camera {
                    pixel::lerp(&self.camera, &mut self.next, look.persistence as f32);
                }
            }
            None if has_camera => self.next.copy_from(&self.camera),
            None => self.next = clouds::clouds(size, &mut rng(&self.settings), &mut self.scaler),
        }
    }

    /// Climbs `next` octave by octave. Returns whether there was anything to climb.
    fn climb(&mut self, current: &Current, look: &Look, jitter: u32) -> Result<bool, DreamError> {
        let step = look.step * share(look.intensity) / 255.0;
        if current.sizes.is_empty() || current.plan.steps == 0 || step == 0.0 {
            return Ok(false);
        }
        current.cast.weights(&mut self.weights);
        let climb = Climb {
            layer: &current.cast.now.layer,
            other: current.cast.other().map(|(part, share)| (part.layer.as_str(), &*part.weights, share)),
            sizes: &current.sizes,
            neurons: &self.weights,
            step: step as f32,
            smoothing: look.smoothing as f32,
            colour: look.colour as f32,
            jitter: jitter as i32,
            steps: current.plan.steps,
        };
        match self.climber.climb(&mut self.next, &climb, &mut self.studio, self.on_step.as_deref_mut()) {
            Ok(_) if !self.next.data.iter().all(|value| value.is_finite()) => {
                // Fed back, they would never leave the picture again.
                self.dream = None;
                self.studio.forget();
                self.current = None;
                Err(DreamError::NotFinite { layer: current.cast.layer().to_owned() })
            }
            Ok(last) => {
                if let Some(last) = &last {
                    self.vitals.provider = Some(last.provider);
                    self.vitals.activation = last.activation;
                }
                Ok(last.is_some())
            }
            Err(error) => {
                // The driver's state is unknown: everything is opened anew.
                self.studio.forget();
                self.current = None;
                Err(error)
            }
        }
    }

    fn show(&mut self, out: &mut Frame, camera: Option<&Frame>) {
        pixel::to_frame(&self.shown, out);
        out.captured = camera.map_or_else(Instant::now, |frame| frame.captured);
    }
}

/// What `intensity` weakens the step by, and what shows of the dream, each: together they make what is seen grow with it
/// evenly. (Weakened by all of it twice, a third would show a tenth: nothing.)
fn share(intensity: f64) -> f64 {
    intensity.sqrt()
}

fn rng(settings: &Settings) -> fastrand::Rng {
    settings.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)
}

/// What zoom, rotation and drift amount to in `elapsed`.
fn motion(look: &Look, elapsed: Duration, size: (usize, usize)) -> Motion {
    // After a pause or a stall the picture goes on from where it was instead of leaping.
    let seconds = elapsed.as_secs_f64().min(1.0);
    let slide = look.drift * seconds * size.0 as f64;
    let (sin, cos) = look.drift_angle.to_radians().sin_cos();
    Motion {
        zoom: (1.0 + look.zoom).powf(seconds) as f32,
        angle: (look.rotate * seconds).to_radians() as f32,
        slide: ((slide * cos) as f32, (slide * sin) as f32),
    }
}
