//! Which neurons of a layer are amplified: the grammar of the `neurons` parameter.

use std::fmt;
use std::str::FromStr;

use super::Layer;
use super::words::is_name;
use crate::text::excerpt;

/// A signed choice of a layer's channels.
///
/// Written as `all`, or as terms joined by commas: a channel (`15`), a range (`10-20`, both ends
/// included), or the name of one of the layer's groups (`eyes`); each may have a weight (`15:0.5`) and a
/// minus sign in front (`-36`), which turns the ascent of that channel into a descent. Where the layer has words ([`super::Words`]), one of them
/// (`a castle`), whose weight is shared among the channels that it stands for. Or one of [`LIVE`].
#[derive(Debug, Clone, PartialEq)]
pub struct Neurons(Vec<Term>);

#[derive(Debug, Clone, PartialEq)]
struct Term {
    what: What,
    weight: f32,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    All,
    Channels(usize, usize),
    Group(String),
}

/// Words for channels by how active they are on what is looked at: the most active, the least, and those that are more active than usual. They mean other
/// channels from time to time; a group of the layer that is called so is taken before them.
pub const LIVE: [&str; 3] = ["strong", "weak", "rare"];
/// The channels that each of these stands for; none where that is not known yet.
type Live<'a, 'b> = &'a dyn Fn(&str) -> Option<&'b [usize]>;

/// Weights beyond this say nothing that the step does not: the gradient is normalised.
const MAX_WEIGHT: f32 = 100.0;
/// More terms than any layer has use for; text from outside is bounded before it is kept.
const MAX_TERMS: usize = 4096;

/// Why a choice of neurons cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NeuronsError {
    #[error(
        "`{0}` is not a choice of neurons: write `all`, or channels, ranges and groups joined by commas, such as `15`, `10-20`, `eyes`, `7:0.5,-62`"
    )]
    Syntax(String),
    #[error("the weight in `{0}` is not a number from -{MAX_WEIGHT} to {MAX_WEIGHT}")]
    Weight(String),
    #[error("channel {channel} is outside layer `{layer}`, which has channels 0 to {last}")]
    Range { channel: usize, layer: String, last: usize },
    #[error("layer `{layer}` has no neuron group `{group}`{known}")]
    Group { layer: String, group: String, known: String },
    #[error("layer `{layer}` knows no `{word}`{suggestion}")]
    Word { layer: String, word: String, suggestion: String },
    #[error("every weight is zero: nothing would be dreamed")]
    Nothing,
    #[error("more than {MAX_TERMS} terms")]
    Long,
}

impl Neurons {
    /// The whole layer.
    pub fn all() -> Neurons {
        Neurons(vec![Term { what: What::All, weight: 1.0 }])
    }

    /// What `layer` is dreamed with unless somebody chose: the whole of it, and where its neurons are classes the first word, since all together are
    /// nothing in particular.
    pub fn to_begin_with(layer: &Layer) -> Neurons {
        let word = layer.vocabulary.common().first().map(|word| word.parse());
        word.and_then(Result::ok).unwrap_or_else(Neurons::all)
    }

    /// The graph's `neurons` input for `layer`: a weight for each channel.
    pub fn weights(&self, layer: &Layer) -> Result<Vec<f32>, NeuronsError> {
        self.weights_where(layer, &|_| None)
    }

    /// The same, where each of [`LIVE`] stands for the channels that `live` says; where it says nothing yet, for all.
    pub fn weights_where<'a>(
        &self,
        layer: &Layer,
        live: &dyn Fn(&str) -> Option<&'a [usize]>,
    ) -> Result<Vec<f32>, NeuronsError> {
        let mut weights = vec![0.0; layer.channels];
        self.add_to(&mut weights, layer, 1.0, Some(live))?;
        if weights.iter().all(|w| *w == 0.0) && !self.is_live(layer) {
            return Err(NeuronsError::Nothing);
        }
        Ok(weights)
    }

    /// Whether any of it is chosen by how active channels are, and so changes by itself.
    pub fn is_live(&self, layer: &Layer) -> bool {
        let is_own = |name: &str| layer.groups.contains_key(name) || layer.vocabulary.find(name).is_some();
        self.live_words().any(|word| !is_own(word))
    }

    /// Those of [`LIVE`] that are in it, whatever the layer calls so.
    pub fn live_words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|term| match &term.what {
            What::Group(name) if LIVE.contains(&name.as_str()) => Some(name.as_str()),
            _ => None,
        })
    }

    fn add_to(&self, weights: &mut [f32], layer: &Layer, scale: f32, live: Option<Live>) -> Result<(), NeuronsError> {
        for term in &self.0 {
            let weight = term.weight * scale;
            match &term.what {
                What::All => weights.iter_mut().for_each(|w| *w += weight),
                What::Channels(first, last) => {
                    let slots = weights.get_mut(*first..=*last).ok_or_else(|| NeuronsError::Range {
                        channel: *last,
                        layer: layer.name.clone(),
                        last: layer.channels - 1,
                    })?;
                    slots.iter_mut().for_each(|w| *w += weight);
                }
                // A group is made of channels and words, never of groups: no cycles.
                What::Group(name) => {
                    match (layer.groups.get(name).filter(|_| live.is_some()), layer.vocabulary.find(name)) {
                        (Some(text), _) => text.parse::<Neurons>()?.add_to(weights, layer, weight, None)?,
                        (None, Some(channels)) => {
                            // Shared, so that a word for many classes is no louder than one for one.
                            let share = weight / channels.len() as f32;
                            channels.iter().for_each(|channel| weights[*channel] += share);
                        }
                        (None, None) => match live.filter(|_| LIVE.contains(&name.as_str())) {
                            Some(live) => match live(name) {
                                Some(channels) => channels.iter().for_each(|channel| weights[*channel] += weight),
                                None => weights.iter_mut().for_each(|w| *w += weight),
                            },
                            None => return Err(unknown_group(layer, name)),
                        },
                    }
                }
            }
        }
        Ok(())
    }
}

fn unknown_group(layer: &Layer, group: &str) -> NeuronsError {
    if !layer.vocabulary.is_empty() {
        let nearest = layer.vocabulary.nearest(group);
        let suggestion = nearest.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
        return NeuronsError::Word { layer: layer.name.clone(), word: group.to_owned(), suggestion };
    }
    let names: Vec<&str> = layer.groups.keys().map(String::as_str).collect();
    let others = names.iter().copied().chain(LIVE).filter(|name| *name != group);
    let meant = crate::did_you_mean(crate::nearest(group, others));
    let known =
        if names.is_empty() { " (it has no groups)".to_owned() } else { format!("; it has: {}", names.join(", ")) };
    let known = meant + &known;
    NeuronsError::Group { layer: layer.name.clone(), group: group.to_owned(), known }
}

impl FromStr for Neurons {
    type Err = NeuronsError;

    fn from_str(text: &str) -> Result<Neurons, NeuronsError> {
        let terms: Vec<&str> = text.split(',').map(str::trim).collect();
        if terms.len() > MAX_TERMS {
            return Err(NeuronsError::Long);
        }
        terms.into_iter().map(Term::parse).collect::<Result<_, _>>().map(Neurons)
    }
}

impl Term {
    fn parse(text: &str) -> Result<Term, NeuronsError> {
        let syntax = || NeuronsError::Syntax(excerpt(text));
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, text),
        };
        let (what, weight) = match rest.split_once(':') {
            Some((what, weight)) => (what.trim(), parse_weight(weight.trim(), text)?),
            None => (rest, 1.0),
        };
        let what = if what == "all" {
            What::All
        } else if what.starts_with(|c: char| c.is_ascii_digit()) {
            let (first, last) = what.split_once('-').unwrap_or((what, what));
            let first = first.trim().parse().map_err(|_| syntax())?;
            let last = last.trim().parse().map_err(|_| syntax())?;
            if first > last || last == usize::MAX {
                return Err(syntax());
            }
            What::Channels(first, last)
        } else if is_name(what) {
            What::Group(what.to_owned())
        } else {
            return Err(syntax());
        };
        Ok(Term { what, weight: sign * weight })
    }
}

fn parse_weight(weight: &str, term: &str) -> Result<f32, NeuronsError> {
    match weight.parse::<f32>() {
        Ok(w) if w.is_finite() && w.abs() <= MAX_WEIGHT => Ok(w),
        _ => Err(NeuronsError::Weight(excerpt(term))),
    }
}

impl fmt::Display for Neurons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            if term.weight < 0.0 {
                f.write_str("-")?;
            }
            match &term.what {
                What::All => f.write_str("all")?,
                What::Channels(first, last) if first == last => write!(f, "{first}")?,
                What::Channels(first, last) => write!(f, "{first}-{last}")?,
                What::Group(name) => f.write_str(name)?,
            }
            if term.weight.abs() != 1.0 {
                write!(f, ":{}", term.weight.abs())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layer() -> Layer {
        toml::from_str(
            r#"name = "f12"
               file = "f12.onnx"
               tensor = "t"
               channels = 8
               stride = 16
               macs_per_pixel = 1.0
               groups = { eyes = "1,3:0.5", odd = "eyes" }"#,
        )
        .unwrap()
    }

    #[test]
    fn every_form_of_term_gives_its_weights() {
        let weights = |text: &str| text.parse::<Neurons>().unwrap().weights(&layer());
        assert_eq!(weights("all").unwrap(), vec![1.0; 8]);
        assert_eq!(weights("2").unwrap(), [0., 0., 1., 0., 0., 0., 0., 0.]);
        assert_eq!(weights("2-4:0.5, -6").unwrap(), [0., 0., 0.5, 0.5, 0.5, 0., -1., 0.]);
        assert_eq!(weights("eyes:2").unwrap(), [0., 2., 0., 1., 0., 0., 0., 0.]);
        assert_eq!(weights("all,-eyes").unwrap(), [1., 0., 1., 0.5, 1., 1., 1., 1.]);
    }

    #[test]
    fn a_layer_of_words_begins_with_its_first_and_shares_a_words_weight() {
        let mut layer = layer();
        assert_eq!(Neurons::to_begin_with(&layer), Neurons::all());
        layer.vocabulary = super::super::Words::read("sea star | Seestern = 2\ndog = 4-7\n", 8).unwrap();
        assert_eq!(Neurons::to_begin_with(&layer).to_string(), "sea star");
        layer.groups.insert("pets".to_owned(), "dogs,2:0.5".to_owned());
        let weights = |text: &str| text.parse::<Neurons>().unwrap().weights(&layer).unwrap();
        assert_eq!(weights("a Seestern, -dogs"), [0., 0., 1., 0., -0.25, -0.25, -0.25, -0.25]);
        assert_eq!(weights("pets:2"), [0., 0., 1., 0., 0.5, 0.5, 0.5, 0.5], "words within a group");
    }

    #[test]
    fn words_for_how_active_channels_are_are_looked_up_when_it_is_known() {
        let live = |word: &str| match word {
            "strong" => Some(&[1, 6][..]),
            "weak" => Some(&[2][..]),
            _ => None,
        };
        let mut layer = layer();
        let weights = |text: &str, layer: &Layer| text.parse::<Neurons>().unwrap().weights_where(layer, &live).unwrap();
        assert_eq!(weights("strong:0.5,-weak", &layer), [0., 0.5, -1., 0., 0., 0., 0.5, 0.]);
        assert_eq!(weights("rare", &layer), [1.0; 8], "not known yet: all");
        let neurons: Neurons = "all,-strong".parse().unwrap();
        assert!(neurons.is_live(&layer) && neurons.weights(&layer).is_ok(), "{neurons}");
        assert_eq!(neurons.to_string(), "all,-strong");
        layer.groups.insert("strong".to_owned(), "7".to_owned());
        assert_eq!(weights("strong", &layer), [0., 0., 0., 0., 0., 0., 0., 1.], "the layer's own comes first");
        assert!(!"strong".parse::<Neurons>().unwrap().is_live(&layer) && !Neurons::all().is_live(&layer));
    }

    #[test]
    fn wrong_choices_say_what_is_wrong() {
        let error = |text: &str| text.parse::<Neurons>().and_then(|n| n.weights(&layer())).unwrap_err().to_string();
        assert_eq!(error("8"), "channel 8 is outside layer `f12`, which has channels 0 to 7");
        assert_eq!(error("noses"), "layer `f12` has no neuron group `noses`; it has: eyes, odd");
        assert_eq!(error("eye"), "layer `f12` has no neuron group `eye` (did you mean `eyes`?); it has: eyes, odd");
        assert_eq!(error("odd"), "layer `f12` has no neuron group `eyes`; it has: eyes, odd");
        assert!(error("").contains("is not a choice of neurons"));
        assert!(error("4-2").contains("is not a choice of neurons"));
        assert!(error("1:NaN").contains("is not a number from"));
        assert!(error("1:1e9").contains("is not a number from"));
        assert!(error("1,-1").contains("every weight is zero"));
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_prints_back(text in "[ -~]{0,30}") {
            if let Ok(neurons) = text.parse::<Neurons>() {
                prop_assert_eq!(neurons.to_string().parse::<Neurons>().unwrap(), neurons);
            }
        }
    }
}
