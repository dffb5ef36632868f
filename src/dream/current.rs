//! What is dreamed with at the moment: layers, neurons and a plan whose graphs are open, and how that changes without stopping the dream.

use std::time::Duration;

use super::Dreamer;
use super::crossfade::{Crossfade, FadeStep, HURRY, Selection};
use super::error::DreamError;
use super::governor::{Plan, PlanRequest};
use super::octaves::octave_sizes;
use super::second::Second;
use super::session_cache::{Graphs, Opening, SessionCache};
use crate::compose::FramePlan;
use crate::guides::NONE;
use crate::params::Params;

/// The least time in which channels are faded to that were chosen anew by how active they are, seconds.
const CHOICE_SECONDS: f64 = 4.0;

/// What is dreamed with: layers and neurons, and a plan whose graphs are open.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    pub crossfade: Crossfade,
    /// Another layer beside one alone: never beside two.
    pub second: Option<Second>,
    pub plan: Plan,
    /// Those of all octaves; none where nothing is open yet.
    pub sizes: Vec<(usize, usize)>,
}

/// Weight of each channel of what is dreamed at the moment; buffers are kept.
#[derive(Debug, Default)]
pub struct Weights {
    pub first: Vec<f32>,
    /// Of the second layer's.
    second: Vec<f32>,
}

impl Current {
    fn graphs(&self) -> Graphs<'_> {
        Graphs { layer: &self.crossfade.from.layer, other: self.other_layer(), sizes: &self.sizes }
    }

    /// The layer that is mixed with the first: one that it is faded to, or the second.
    pub fn other_layer(&self) -> Option<&str> {
        let second = self.second.as_ref().map(Second::layer);
        self.crossfade.other().map(|(to, _)| to.layer.as_str()).or(second)
    }

    /// Weights of the first layer's channels and of the second's, on their way, into `weights`.
    pub fn write_weights(&self, weights: &mut Weights) {
        self.crossfade.weights(&mut weights.first);
        if let Some(second) = &self.second {
            second.weights(&mut weights.second);
        }
    }

    /// What is mixed with the first layer: its name, the weights of its channels, and its share.
    pub fn other<'a>(&'a self, weights: &'a Weights) -> Option<(&'a str, &'a [f32], f64)> {
        let comes = self.crossfade.other().map(|(to, share)| (to.layer.as_str(), &*to.weights, share));
        comes.or_else(|| self.second.as_ref().map(|second| (second.layer(), weights.second.as_slice(), second.share())))
    }

    /// The layer that is dreamed alone; none while two are mixed.
    pub fn only_layer(&self) -> Option<&str> {
        self.crossfade.only_layer().filter(|_| self.second.is_none())
    }

    /// What a frame that is one run climbs, where all octaves are climbed at once, with so many `parts` beside.
    pub fn frame_plan(&self, parts: usize) -> FramePlan {
        let Plan { size, steps, .. } = self.plan;
        FramePlan { size, octaves: self.sizes.clone(), steps: steps as usize, parts }
    }
}

impl Dreamer {
    /// What to dream with: the layer of [`Dreamer::choose_layer`], and beside it the second one.
    pub(super) fn choose_graphs(&mut self, params: &Params, elapsed: Duration) -> Result<Current, DreamError> {
        let wanted = self.wanted_second(params)?;
        let held = self.current.as_ref().and_then(|current| current.second.clone());
        if let (Some(current), Some(second)) = (&self.current, &held)
            && params.crossfade > 0.0
            && current.crossfade.latest().layer != params.layer
            && self.sessions.has(current.graphs())
        {
            // Three are never mixed: it goes before another layer comes in the middle.
            let second = second.clone().advance(None, params.crossfade.min(HURRY), elapsed);
            return Ok(Current { second, ..current.clone() });
        }
        // One that goes is part of the plan until it has gone. One that could not be opened a moment ago is done without, and so is each until there is a dream.
        let beside = wanted.as_ref().or(held.as_ref()).map(Second::layer);
        let joins = |layer: &&str| match &self.current {
            Some(current) => self.sessions.can_open(layer, current.plan.size),
            None => self.sessions.waits(),
        };
        self.beside = beside.filter(joins).map(str::to_owned);
        let mut current = self.choose_layer(params, elapsed)?;
        current.second = None;
        let is_there = current.crossfade.from.layer == params.layer && current.crossfade.other().is_none();
        if !is_there || current.sizes.is_empty() {
            return Ok(current);
        }
        let is_open = |sessions: &SessionCache, second: &Second| {
            let other = Some(second.layer());
            sessions.has(Graphs { layer: &current.crossfade.from.layer, other, sizes: &current.sizes })
        };
        let wanted = wanted.filter(|wanted| is_open(&self.sessions, wanted));
        current.second = match held.filter(|held| is_open(&self.sessions, held)) {
            Some(second) => second.advance(wanted, params.crossfade, elapsed),
            None => wanted.and_then(|wanted| wanted.begin().advance(Some(wanted), params.crossfade, elapsed)),
        };
        Ok(current)
    }

    /// What to dream with but for the second layer: what is asked for where its graphs are open, else what there is, and in between a mix.
    fn choose_layer(&mut self, params: &Params, elapsed: Duration) -> Result<Current, DreamError> {
        self.governor.update_heat(self.thermal_headroom, elapsed);
        let wanted = self.selection(params)?;
        let held = self.current.as_ref().filter(|current| self.sessions.has(current.graphs())).cloned();
        // Another time it may be there: memory was short, say.
        self.unfadable = self.unfadable.take().filter(|unfadable| *unfadable == wanted);
        // What it chooses anew by itself never jumps.
        let chooses = |held: &Current| {
            let latest = held.crossfade.latest();
            latest.is_another_choice_of(&wanted) && (latest.choice != wanted.choice || held.crossfade.to.is_some())
        };
        let least = if held.as_ref().is_some_and(chooses) { CHOICE_SECONDS } else { 0.0 };
        let seconds = params.crossfade.max(least);
        if let Some(held) = &held
            && seconds > 0.0
            && self.unfadable.as_ref() != Some(&wanted)
            && let Some(faded) = self.fade(held, &wanted, (params, seconds), elapsed)?
        {
            return Ok(faded);
        }
        let (wanted, opening) = self.plan(Crossfade::new(wanted), None, params, held.as_ref())?;
        match opening {
            Opening::Ready => return Ok(wanted),
            Opening::Pending | Opening::FewerOctaves => {}
            Opening::Failed => self.governor.refuse(&wanted.plan),
        }
        Ok(match held {
            // Another layer's channels mean something else: it goes on with its own.
            Some(held) if held.crossfade.from.layer != wanted.crossfade.from.layer => {
                Current { crossfade: Crossfade::new(held.crossfade.from), ..held }
            }
            Some(held) => Current { crossfade: wanted.crossfade, ..held },
            // Nothing to climb with yet.
            None => Current { sizes: Vec::new(), ..wanted },
        })
    }

    /// `crossfade` at the size and the octaves that are asked for and can be afforded, and how far opening its graphs is, with those of a layer that
    /// is `incoming`. Those of `held` are used meanwhile.
    fn plan(
        &mut self,
        crossfade: Crossfade,
        incoming: Option<&str>,
        params: &Params,
        held: Option<&Current>,
    ) -> Result<(Current, Opening), DreamError> {
        let beside = self.beside.clone();
        let plan = self.governor.plan(&PlanRequest {
            layer: crossfade.only_layer().filter(|_| beside.is_none()).map(str::to_owned),
            octaves: params.octaves,
            steps: params.steps,
            octave_scale: params.octave_scale,
            windows: params.windows,
        });
        let mut sizes = octave_sizes(plan.size, params.octaves, params.octave_scale);
        let layer = crossfade.from.layer.as_str();
        let of_fade = crossfade.other().map(|(to, _)| to.layer.as_str()).or(incoming);
        let opening = loop {
            let second = beside.as_deref().filter(|layer| self.sessions.can_open(layer, plan.size));
            let other = of_fade.or(second);
            let can_open = |size| std::iter::once(layer).chain(other).all(|layer| self.sessions.can_open(layer, size));
            sizes.retain(|&size| size == plan.size || can_open(size));
            match self.sessions.open(Graphs { layer, other, sizes: &sizes }, held.map(Current::graphs))? {
                Opening::FewerOctaves => {}
                // Now that it is known that the second cannot be opened: without it.
                Opening::Failed
                    if second.is_some_and(|second| of_fade.is_none() && !self.sessions.can_open(second, plan.size)) => {
                }
                opening => break opening,
            }
        };
        Ok((Current { crossfade, second: None, plan, sizes }, opening))
    }

    /// The second layer that `params` ask for.
    fn wanted_second(&self, params: &Params) -> Result<Option<Second>, DreamError> {
        if params.second_layer == NONE || params.second_share == 0.0 || params.second_layer == params.layer {
            return Ok(None);
        }
        let held = self.current.as_ref().and_then(|current| current.second.as_ref());
        if let Some(held) = held.filter(|held| held.is_of(&params.second_layer, &params.second_neurons)) {
            return Ok(Some(held.with_share(params.second_share)));
        }
        let layer = self.catalogue.layer(&params.second_layer)?.2;
        let selection = Selection {
            layer: params.second_layer.clone(),
            weights: params.second_neurons.weights(layer)?.into(),
            neurons: Some(params.second_neurons.clone()),
            choice: 0,
        };
        Ok(Some(Second::new(selection, params.second_share)))
    }

    /// The layer and neurons of `params`.
    pub(super) fn selection(&self, params: &Params) -> Result<Selection, DreamError> {
        let is_live = self.is_live(params)?;
        let choice = if is_live { self.activity.choice(&params.layer) } else { 0 };
        let is_same = |known: &&Selection| {
            let is_said = known.layer == params.layer && known.neurons.as_ref() == Some(&params.neurons);
            // Where nothing was chosen yet, what was chosen before serves.
            is_said && (known.choice == choice || choice == 0)
        };
        let crossfade = self.current.as_ref().map(|current| &current.crossfade);
        let known = crossfade.and_then(|crossfade| {
            [Some(&crossfade.from), crossfade.to.as_ref().map(|to| &to.selection)].into_iter().flatten().find(is_same)
        });
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let layer = self.catalogue.layer(&params.layer)?.2;
        let weights = params.neurons.weights_where(layer, &|word| self.activity.channels(&params.layer, word))?.into();
        Ok(Selection { layer: params.layer.clone(), neurons: Some(params.neurons.clone()), weights, choice })
    }

    /// `held` on its way to `wanted`, in so many seconds. None where it is there, or where no fade can lead to it.
    fn fade(
        &mut self,
        held: &Current,
        wanted: &Selection,
        (params, seconds): (&Params, f64),
        elapsed: Duration,
    ) -> Result<Option<Current>, DreamError> {
        let mut crossfade = held.crossfade.clone();
        let incoming = match crossfade.retarget(wanted, seconds) {
            FadeStep::Done => return Ok(None),
            FadeStep::Running => None,
            FadeStep::OpenGraphs => Some(wanted.layer.as_str()),
        };
        let (mut current, opening) = self.plan(crossfade, incoming, params, Some(held))?;
        if opening == Opening::Failed {
            if incoming.is_some_and(|layer| !self.sessions.can_open(layer, current.plan.size)) {
                // It cannot be mixed in.
                self.unfadable = Some(wanted.clone());
                return Ok(None);
            }
            self.governor.refuse(&current.plan);
        }
        let is_ready = opening == Opening::Ready;
        if !is_ready {
            current = Current { crossfade: current.crossfade, ..held.clone() };
        }
        match incoming {
            Some(_) if !is_ready => return Ok(Some(current)),
            Some(_) => current.crossfade.begin(wanted.clone(), seconds),
            None => {}
        }
        current.crossfade.advance(elapsed);
        Ok(Some(current))
    }
}
