//! The governor: which working size, octaves and steps this board can afford at the wanted rate.
//!
//! It starts with a calibration of two seconds, dreamed at a modest size and shown: each measurement predicts what every
//! size would cost (a linear model: a fixed cost per run plus a cost per pixel), and the best is jumped to. Afterwards it is slow to move, because every change of size is seen: only
//! a miss that lasts makes the picture smaller, only spare time that lasts makes it larger, and a growth that had to
//! be taken back is tried again later and later. It has no clock of its own: time is the sum of the frames'.

mod heat;
mod ladder;
#[cfg(test)]
mod tests;

use std::time::Duration;

use heat::HeatLimit;
use ladder::Ladder;

use super::octaves::octave_sizes;

/// What is asked for: a layer, and how it is to be climbed.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    /// None while two layers are mixed: then an ascent of each octave, and each window, is made by both.
    pub layer: Option<String>,
    pub octaves: u32,
    pub steps: u32,
    pub octave_scale: f64,
    pub windows: u32,
}

/// What one frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Working size.
    pub size: (usize, usize),
    /// How many octaves are climbed in it: where that is not all they take turns, and this is the frame of the finest, the most expensive.
    pub octaves: u32,
    pub steps: u32,
    /// Parts climbed at the canvas' size.
    pub windows: u32,
}

/// Chooses the plan.
#[derive(Debug, Clone)]
pub struct Governor {
    ladder: Ladder,
    /// Seconds a frame may take; none: nothing is governed.
    budget: Option<f64>,
    heat: HeatLimit,
    request: Option<PlanRequest>,
    /// The layer that was planned for last, alone.
    layer: Option<String>,
    /// Where on the ladder.
    rung: usize,
    /// The highest rung there is, as far as graphs of this layer could be opened.
    ceiling: usize,
    /// Windows, then steps, and then octaves at once, left out because even the smallest size is too slow.
    relief: u32,
    phase: Phase,
    /// What a run costs whatever its size, in pixels that could be climbed instead; none before two sizes were measured.
    overhead: Option<f64>,
    /// Pixels and seconds a run, of the plans measured in this calibration.
    samples: Vec<(f64, f64)>,
    /// Times of the frames since the last change, seconds; the newest last.
    window: Vec<f64>,
    /// Seconds a unit of work took in the last full window, of this layer.
    last_pace: Option<f64>,
    /// Frames of the present plan still to be left out: the first ones warm caches.
    skip: u32,
    /// Seconds dreamed since the last change.
    since_change: f64,
    /// Windows in a row that missed the budget.
    misses: u32,
    /// Seconds dreamed with time to spare.
    spare: f64,
    /// Seconds of spare time that it takes to grow.
    growth_wait: f64,
    /// Whether the last change was a growth on probation.
    grew: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Seconds dreamed so far, and the lowest rung seen to be too slow.
    Calibrating {
        seconds: f64,
        too_slow: usize,
    },
    Settled,
}

/// Length of the calibration, seconds dreamed.
const CALIBRATION: f64 = 2.0;
/// Frames of a plan that are a measurement.
const MEASURED_FRAMES: usize = 3;
/// Sizes nearer to each other than this (logarithm of their ratio) hardly separate overhead from noise.
const DISTINCT_SIZES: f64 = 0.15;
/// How many times a run's pixels its overhead is believed to be worth at most: noise must not send a board far up.
const MAX_OVERHEAD: f64 = 4.0;
/// Share of the budget that a newly chosen plan is predicted to take.
const TARGET_SHARE: f64 = 0.85;
/// Share of the budget above which a frame is late: a little is not worth a visible change.
const LATE_SHARE: f64 = 1.1;
/// A window has this many frames, or seconds where that is more frames.
const WINDOW_FRAMES: usize = 8;
const WINDOW_SECONDS: f64 = 2.0;
/// Windows in a row that must be late before anything changes.
const MISSES_TO_SHRINK: u32 = 2;
/// Seconds of spare time it takes to grow: at first, and at most, after growths that had to be taken back.
const FIRST_GROWTH_WAIT: f64 = 20.0;
const LONGEST_GROWTH_WAIT: f64 = 1800.0;

impl Governor {
    /// Always `size`, octaves and steps as asked for; only the rate is governed, by heat ([`Governor::rate_share`]).
    pub fn fixed(size: (usize, usize)) -> Governor {
        Governor::on(Ladder::only(size), None)
    }

    /// The largest size of the proportions of `max_size`, and within it, that holds `target_fps`.
    pub fn new(max_size: (usize, usize), target_fps: f64) -> Governor {
        let budget = (target_fps.is_finite() && target_fps > 0.0).then(|| 1.0 / target_fps);
        Governor::on(Ladder::below(max_size), budget)
    }

    fn on(ladder: Ladder, budget: Option<f64>) -> Governor {
        let rung = if budget.is_some() { ladder.start() } else { ladder.top() };
        Governor {
            ceiling: ladder.top(),
            ladder,
            budget,
            heat: HeatLimit::default(),
            request: None,
            layer: None,
            rung,
            relief: 0,
            phase: Phase::Settled,
            overhead: None,
            samples: Vec::new(),
            window: Vec::new(),
            last_pace: None,
            skip: 0,
            since_change: 0.0,
            misses: 0,
            spare: 0.0,
            growth_wait: FIRST_GROWTH_WAIT,
            grew: false,
        }
    }

    /// The board is `headroom` °C from being slowed down, where that is known, and was so for the last `elapsed`. Near it less is
    /// dreamed at the same rate, before frames drop; in the cool more again.
    pub fn update_heat(&mut self, headroom: Option<f64>, elapsed: Duration) {
        self.heat.update(headroom, elapsed);
    }

    /// Share of the wanted rate to dream at, 0 to 1: below 1 on a hot board whose plan is fixed, so that nothing else can give way.
    pub fn rate_share(&self) -> f64 {
        if self.budget.is_some() { 1.0 } else { self.heat.share() }
    }

    /// Seconds a frame may take, as hot as it is.
    fn affordable(&self) -> Option<f64> {
        self.budget.map(|budget| budget * self.heat.share())
    }

    /// The plan for the next frame.
    pub fn plan(&mut self, request: &PlanRequest) -> Plan {
        if self.request.as_ref() != Some(request) {
            self.request_changed(request);
        }
        self.plan_at(request, self.rung, self.relief)
    }

    fn plan_at(&self, request: &PlanRequest, rung: usize, relief: u32) -> Plan {
        let fewer_windows = relief.min(request.windows);
        let fewer_steps = (relief - fewer_windows).min(request.steps.saturating_sub(1));
        let fewer_octaves = (relief - fewer_windows - fewer_steps).min(request.octaves.saturating_sub(1));
        Plan {
            size: self.ladder.size(rung),
            octaves: request.octaves - fewer_octaves,
            steps: request.steps - fewer_steps,
            windows: request.windows - fewer_windows,
        }
    }

    /// Another layer's cost is unknown: it is calibrated from the present size. Other octaves or steps of the same
    /// layer cost in proportion, so a plan is chosen at once.
    fn request_changed(&mut self, request: &PlanRequest) {
        let is_other_layer = request.layer.is_some() && request.layer != self.layer;
        if is_other_layer {
            self.ceiling = self.ladder.top();
            self.last_pace = None;
            self.layer.clone_from(&request.layer);
        }
        let before = self.request.replace(request.clone()).filter(|_| !is_other_layer);
        let pace = before.as_ref().and_then(|before| self.pace(before));
        if before.is_some_and(|before| PlanRequest { layer: before.layer.clone(), ..request.clone() } == before) {
            return self.mixing_changed(request, pace.or(self.last_pace));
        }
        match (self.affordable(), pace) {
            (Some(budget), Some(pace)) => {
                let (rung, relief) = self.best(request, pace, budget, self.ceiling);
                self.change_to(rung, relief);
            }
            _ => self.change_to(self.rung, 0),
        }
        if self.budget.is_some() {
            self.phase = Phase::Calibrating { seconds: 0.0, too_slow: self.ladder.top() + 1 };
        }
        self.samples.clear();
        self.growth_wait = FIRST_GROWTH_WAIT;
        self.grew = false;
    }

    /// Two layers cost more than one, for as long as the fade between them takes. Windows are left out at once, which costs no other graphs
    /// and is hardly seen; a smaller picture is chosen only when that turns out not to be enough.
    fn mixing_changed(&mut self, request: &PlanRequest, pace: Option<f64>) {
        let fewer = |(budget, pace): (f64, f64)| {
            self.fewer_windows(request, pace, budget * LATE_SHARE).unwrap_or(request.windows.max(self.relief))
        };
        let known = self.affordable().zip(pace).filter(|_| request.layer.is_none());
        let relief = known.map_or(self.relief, fewer);
        self.change_to(self.rung, relief);
        self.grew = false;
    }

    /// Whether the present plan is one for `layer` alone, or for none: for two that are mixed.
    pub fn plans_for(&self, layer: Option<&str>) -> bool {
        self.request.as_ref().is_some_and(|request| request.layer.as_deref() == layer)
    }

    /// The graphs of `plan` cannot be opened: a size below is chosen, and for this layer none so large again.
    pub fn refuse(&mut self, plan: &Plan) {
        if self.budget.is_some() && self.rung > 0 && self.ladder.size(self.rung) == plan.size {
            self.ceiling = self.rung - 1;
            self.change_to(self.ceiling, self.relief);
        }
    }

    /// A frame of `plan` took `time`. A plan that is no longer wanted (its graphs served until others were open) says
    /// nothing.
    pub fn observe(&mut self, time: Duration, plan: &Plan) {
        let (Some(budget), Some(request)) = (self.affordable(), self.request.clone()) else { return };
        if *plan != self.plan_at(&request, self.rung, self.relief) {
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let seconds = time.as_secs_f64();
        self.window.push(seconds);
        self.since_change += seconds;
        match &mut self.phase {
            Phase::Calibrating { seconds: so_far, .. } => {
                *so_far += seconds;
                self.calibrate(&request, budget);
            }
            Phase::Settled => self.hold(&request, budget),
        }
    }

    /// A few frames predict what every size would cost: jump to the best, until that is where we are or time is up.
    fn calibrate(&mut self, request: &PlanRequest, budget: f64) {
        let Phase::Calibrating { seconds, mut too_slow } = self.phase else { return };
        if self.window.len() < MEASURED_FRAMES {
            return;
        }
        if self.window.len() == MEASURED_FRAMES {
            self.learn_overhead(request);
        }
        let Some(pace) = self.pace(request) else { return };
        if median(&self.window) > budget {
            too_slow = too_slow.min(self.rung);
        }
        let highest = too_slow.saturating_sub(1).min(self.ceiling);
        let (mut rung, relief) = self.best(request, pace, budget, highest);
        if self.overhead.is_none() && (rung, relief) == (self.rung, 0) && rung < highest {
            // A second size tells whether larger ones are as dear as a single one makes them seem.
            rung += 1;
        }
        let stays = (rung, relief) == (self.rung, self.relief);
        // A last word after time is up may only make it faster.
        let over = seconds >= CALIBRATION;
        if !stays && (!over || rung < self.rung || relief > self.relief) {
            self.phase = Phase::Calibrating { seconds, too_slow };
            self.change_to(rung, relief);
        } else if over || self.window.len() >= WINDOW_FRAMES {
            self.phase = Phase::Settled;
            self.clear();
        }
    }

    /// Splits the time of a run into what it costs anyway and what its pixels cost, from this plan and the one measured
    /// before that is most unlike it.
    fn learn_overhead(&mut self, request: &PlanRequest) {
        let (runs, pixels) = self.runs_and_pixels(request, self.rung, self.relief);
        if runs == 0.0 {
            return;
        }
        let (size, time) = (pixels / runs, median(&self.window) / runs);
        let apart = |other: f64| (other / size).ln().abs();
        let other = self.samples.iter().copied().max_by(|a, b| apart(a.0).total_cmp(&apart(b.0)));
        if let Some((other_size, other_time)) = other.filter(|(other_size, _)| apart(*other_size) > DISTINCT_SIZES) {
            let pixel = (time - other_time) / (size - other_size);
            let overhead = if pixel > 0.0 { time / pixel - size } else { f64::INFINITY };
            self.overhead = Some(overhead.clamp(0.0, MAX_OVERHEAD * size));
        }
        self.samples.push((size, time));
    }

    /// After calibration: window by window, slow to move.
    fn hold(&mut self, request: &PlanRequest, budget: f64) {
        let full = self.window.len() >= WINDOW_FRAMES && self.window.iter().sum::<f64>() >= WINDOW_SECONDS;
        if !full {
            return;
        }
        let typical = median(&self.window);
        let length: f64 = self.window.iter().sum();
        let Some(pace) = self.pace(request) else { return };
        self.last_pace = Some(pace);
        self.window.clear();
        if typical > budget * LATE_SHARE {
            self.misses += 1;
            self.spare = 0.0;
            if self.misses >= MISSES_TO_SHRINK {
                self.back_off(request, pace, budget);
            }
            return;
        }
        self.misses = 0;
        if self.grew && self.since_change > 2.0 * self.growth_wait {
            // It has borne the growth for long enough: the next may come as soon as the first did.
            self.grew = false;
            self.growth_wait = FIRST_GROWTH_WAIT;
        }
        let larger = self.one_up();
        match larger {
            Some((rung, relief)) if self.predict(request, rung, relief, pace) <= budget * TARGET_SHARE => {
                self.spare += length;
                if self.spare >= self.growth_wait {
                    self.change_to(rung, relief);
                    self.grew = true;
                }
            }
            _ => self.spare = 0.0,
        }
    }

    /// As far down as the present pace asks for, and at least one rung.
    fn back_off(&mut self, request: &PlanRequest, pace: f64, budget: f64) {
        if self.grew {
            self.growth_wait = (2.0 * self.growth_wait).min(LONGEST_GROWTH_WAIT);
        }
        let below = self.rung.checked_sub(1);
        // While two layers are mixed: see `mixing_changed`.
        let here = self.fewer_windows(request, pace, budget * TARGET_SHARE).filter(|_| request.layer.is_none());
        let (rung, relief) = match (here, below) {
            (Some(relief), _) => (self.rung, relief),
            (None, Some(highest)) => self.best(request, pace, budget, highest),
            (None, None) => self.relieved(request, pace, budget),
        };
        if (rung, relief) != (self.rung, self.relief) {
            self.change_to(rung, relief);
        }
        self.misses = 0;
        self.grew = false;
    }

    fn one_up(&self) -> Option<(usize, u32)> {
        match self.relief {
            0 if self.rung < self.ceiling => Some((self.rung + 1, 0)),
            0 => None,
            relief => Some((self.rung, relief - 1)),
        }
    }

    /// Seconds a unit of work takes at present.
    fn pace(&self, request: &PlanRequest) -> Option<f64> {
        let work = self.work(request, self.rung, self.relief);
        (!self.window.is_empty() && work > 0.0).then(|| median(&self.window) / work)
    }

    /// The largest size up to `highest` that is predicted to keep within the budget; below the smallest, fewer steps
    /// and octaves.
    fn best(&self, request: &PlanRequest, pace: f64, budget: f64, highest: usize) -> (usize, u32) {
        (0..=highest)
            .rev()
            .find(|&rung| self.predict(request, rung, 0, pace) <= budget * TARGET_SHARE)
            .map_or_else(|| self.relieved(request, pace, budget), |rung| (rung, 0))
    }

    fn relieved(&self, request: &PlanRequest, pace: f64, budget: f64) -> (usize, u32) {
        let most = request.windows + request.steps.saturating_sub(1) + request.octaves.saturating_sub(1);
        let relief = (1..=most).find(|&relief| self.predict(request, 0, relief, pace) <= budget * TARGET_SHARE);
        (0, relief.unwrap_or(most))
    }

    /// The relief at the present size, of windows alone, that is predicted to keep a frame within `seconds`; none where that takes more.
    fn fewer_windows(&self, request: &PlanRequest, pace: f64, seconds: f64) -> Option<u32> {
        (self.relief..=request.windows).find(|&relief| self.predict(request, self.rung, relief, pace) <= seconds)
    }

    fn predict(&self, request: &PlanRequest, rung: usize, relief: u32, pace: f64) -> f64 {
        pace * self.work(request, rung, relief)
    }

    /// Pixels climbed in a frame, and what the overhead of its runs is worth in pixels.
    fn work(&self, request: &PlanRequest, rung: usize, relief: u32) -> f64 {
        let (runs, pixels) = self.runs_and_pixels(request, rung, relief);
        pixels + self.overhead.unwrap_or(0.0) * runs
    }

    fn runs_and_pixels(&self, request: &PlanRequest, rung: usize, relief: u32) -> (f64, f64) {
        let plan = self.plan_at(request, rung, relief);
        let sizes = octave_sizes(plan.size, plan.octaves, request.octave_scale);
        let pixels: usize = sizes.iter().map(|(w, h)| w * h).sum();
        let (mut steps, mut windows) = (f64::from(plan.steps), f64::from(plan.windows));
        if request.layer.is_none() && plan.steps > 0 {
            (steps, windows) = (steps + 1.0, windows * 2.0);
        }
        let window = (plan.size.0 * plan.size.1) as f64;
        (sizes.len() as f64 * steps + windows, pixels as f64 * steps + windows * window)
    }

    fn change_to(&mut self, rung: usize, relief: u32) {
        (self.rung, self.relief) = (rung, relief);
        self.clear();
        self.skip = 1;
    }

    fn clear(&mut self) {
        self.window.clear();
        self.since_change = 0.0;
        self.misses = 0;
        self.spare = 0.0;
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
