//! What is dreamed with at the moment: layers, neurons and a plan whose graphs are open, and how they change without the dream standing still.

use std::sync::Arc;
use std::time::Duration;

use super::Dreamer;
use super::cast::{Aim, Cast, Part};
use super::error::DreamError;
use super::governor::{Ask, Plan};
use super::octaves::octave_sizes;
use super::studio::{Graphs, Opening};
use crate::params::Params;

/// What is dreamed with: layers and neurons, and a plan whose graphs are open.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    pub cast: Cast,
    pub plan: Plan,
    /// Those of all octaves; none where nothing is open yet.
    pub sizes: Vec<(usize, usize)>,
}

impl Current {
    /// Those of the layer that is there, and of the one that comes.
    fn graphs(&self) -> (Graphs<'_>, Option<Graphs<'_>>) {
        let of = |layer| Graphs { layer, sizes: &self.sizes };
        (of(&self.cast.now.layer), self.cast.other().map(|(part, _)| of(&part.layer)))
    }
}

impl Dreamer {
    /// What to dream with: what is asked for where its graphs are open, else what there is, and in between a mix.
    pub(super) fn choose_graphs(&mut self, params: &Params, elapsed: Duration) -> Result<Current, DreamError> {
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
            windows: params.windows,
        };
        self.governor.feel(self.room, elapsed);
        let plan = self.governor.plan(&ask);
        let sizes = octave_sizes(plan.size, params.octaves, params.octave_scale);
        let mut wanted = Current { cast: Cast::of(wanted), plan, sizes };
        let mut opening = Opening::Fewer;
        while opening == Opening::Fewer {
            let layer = &wanted.cast.now.layer;
            wanted.sizes.retain(|&size| size == plan.size || self.studio.can_open(layer, size));
            opening = self.studio.open(wanted.graphs().0, held.as_ref().map(|held| held.graphs().0))?;
        }
        match opening {
            Opening::Done => return Ok(wanted),
            Opening::Coming | Opening::Fewer => {}
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
                    // At the sizes there are it cannot be mixed in.
                    Opening::Refused | Opening::Fewer => {
                        self.unfadable = Some(wanted.clone());
                        return Ok(None);
                    }
                }
            }
        }
        current.cast.advance(elapsed);
        Ok(Some(current))
    }
}
