//! What is dreamed with at the moment: layers, neurons and a plan whose graphs are open, and how they change without the dream standing still.

use std::sync::Arc;
use std::time::Duration;

use super::Dreamer;
use super::crossfade::{Crossfade, FadeStep, Selection};
use super::error::DreamError;
use super::governor::{Plan, PlanRequest};
use super::octaves::octave_sizes;
use super::session_cache::{Graphs, Opening};
use crate::params::Params;

/// What is dreamed with: layers and neurons, and a plan whose graphs are open.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    pub crossfade: Crossfade,
    pub plan: Plan,
    /// Those of all octaves; none where nothing is open yet.
    pub sizes: Vec<(usize, usize)>,
}

impl Current {
    /// Those of the layer that is there, and of the one that comes.
    fn graphs(&self) -> (Graphs<'_>, Option<Graphs<'_>>) {
        let of = |layer| Graphs { layer, sizes: &self.sizes };
        (of(&self.crossfade.from.layer), self.crossfade.other().map(|(to, _)| of(&to.layer)))
    }
}

impl Dreamer {
    /// What to dream with: what is asked for where its graphs are open, else what there is, and in between a mix.
    pub(super) fn choose_graphs(&mut self, params: &Params, elapsed: Duration) -> Result<Current, DreamError> {
        self.governor.update_heat(self.thermal_headroom, elapsed);
        let wanted = self.selection(params)?;
        let held = self.current.as_ref().filter(|current| {
            let (now, next) = current.graphs();
            self.sessions.has(now) && next.is_none_or(|next| self.sessions.has(next))
        });
        let held = held.cloned();
        if let Some(current) = &held
            && params.pace.network > 0.0
            && self.unfadable.as_ref() != Some(&wanted)
            && let Some(faded) = self.fade(current.clone(), &wanted, params.pace.network, elapsed)?
        {
            return Ok(faded);
        }
        let request = PlanRequest {
            layer: params.layer.clone(),
            octaves: params.octaves,
            steps: params.steps,
            octave_scale: params.octave_scale,
            windows: params.windows,
        };
        let plan = self.governor.plan(&request);
        let sizes = octave_sizes(plan.size, params.octaves, params.octave_scale);
        let mut wanted = Current { crossfade: Crossfade::new(wanted), plan, sizes };
        let mut opening = Opening::FewerOctaves;
        while opening == Opening::FewerOctaves {
            let layer = &wanted.crossfade.from.layer;
            wanted.sizes.retain(|&size| size == plan.size || self.sessions.can_open(layer, size));
            opening = self.sessions.open(wanted.graphs().0, held.as_ref().map(|held| held.graphs().0))?;
        }
        match opening {
            Opening::Ready => return Ok(wanted),
            Opening::Pending | Opening::FewerOctaves => {}
            Opening::Failed => self.governor.refuse(&plan),
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

    /// A layer and neurons as `params` say.
    fn selection(&self, params: &Params) -> Result<Selection, DreamError> {
        let is_same =
            |known: &&Selection| known.layer == params.layer && known.neurons.as_ref() == Some(&params.neurons);
        let crossfade = self.current.as_ref().map(|current| &current.crossfade);
        let known = crossfade.and_then(|crossfade| {
            [Some(&crossfade.from), crossfade.to.as_ref().map(|to| &to.selection)].into_iter().flatten().find(is_same)
        });
        let weights = match known {
            Some(known) => Arc::clone(&known.weights),
            None => params.neurons.weights(self.catalogue.layer(&params.layer)?.2)?.into(),
        };
        Ok(Selection { layer: params.layer.clone(), neurons: Some(params.neurons.clone()), weights })
    }

    /// `current` on its way to `wanted`, at the sizes it has: the governor waits until the fade is over. None where it is there,
    /// or where no fade can lead to it.
    fn fade(
        &mut self,
        mut current: Current,
        wanted: &Selection,
        seconds: f64,
        elapsed: Duration,
    ) -> Result<Option<Current>, DreamError> {
        match current.crossfade.retarget(wanted, seconds) {
            FadeStep::Done => return Ok(None),
            FadeStep::Running => {
                if let (now, Some(next)) = current.graphs() {
                    // Keeps both from being let go.
                    self.sessions.open(next, Some(now))?;
                }
            }
            FadeStep::OpenGraphs => {
                let graphs = Graphs { layer: &wanted.layer, sizes: &current.sizes };
                match self.sessions.open(graphs, Some(current.graphs().0))? {
                    Opening::Ready => current.crossfade.begin(wanted.clone(), seconds),
                    Opening::Pending => return Ok(Some(current)),
                    // At the sizes there are it cannot be mixed in.
                    Opening::Failed | Opening::FewerOctaves => {
                        self.unfadable = Some(wanted.clone());
                        return Ok(None);
                    }
                }
            }
        }
        current.crossfade.advance(elapsed);
        Ok(Some(current))
    }
}
