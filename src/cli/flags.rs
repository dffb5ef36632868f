//! A flag for each parameter, generated from the table.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, Value as Json};

use crate::cli::BadInput;
use crate::pack::Catalogue;
use crate::params::{Kind, Params, Refusal, Spec, TABLE};

/// The parameters given as flags, as text: for the daemon (`LIVE`), or for a file, which has defaults of its own.
#[derive(Clone, Default)]
pub struct ParamFlags<const LIVE: bool>(Vec<(&'static Spec, String)>);

/// Parameters that control a running mirror and mean nothing for a file.
const LIVE_ONLY: [&str; 7] = ["paused", "blank", "caption", "fade", "play", "hold", "glide"];

fn flags(live: bool) -> impl Iterator<Item = &'static Spec> {
    TABLE.iter().filter(move |spec| live || !LIVE_ONLY.contains(&spec.name))
}

fn flag_name(parameter: &str) -> String {
    parameter.replace('_', "-")
}

impl<const LIVE: bool> ParamFlags<LIVE> {
    /// Whether the parameter was given.
    pub fn given(&self, name: &str) -> bool {
        self.0.iter().any(|(spec, _)| spec.name == name)
    }

    /// `base` with the flags applied. Errors name each flag with a wrong value, and what it takes.
    pub fn apply(&self, base: &Params, catalogue: &Catalogue) -> Result<Params, BadInput> {
        let mut changes = Map::new();
        let mut refusals = Vec::new();
        for (spec, text) in &self.0 {
            match spec.read_text(text) {
                Ok(value) => drop(changes.insert(spec.name.to_owned(), value.to_json())),
                Err(refusal) => refusals.push(refusal),
            }
        }
        let params = base.with(&changes, catalogue).map_err(|more| refusals.extend(more));
        match params {
            Ok(params) if refusals.is_empty() => Ok(params),
            _ => Err(BadInput(refusals.iter().map(as_flag).collect::<Vec<_>>().join("\n  "))),
        }
    }
}

fn as_flag(refusal: &Refusal) -> String {
    format!("--{}: {}", flag_name(&refusal.param), refusal.message)
}

impl<const LIVE: bool> Args for ParamFlags<LIVE> {
    fn augment_args(command: Command) -> Command {
        flags(LIVE).fold(command.next_help_heading("Parameters"), |command, spec| {
            let arg = Arg::new(spec.name)
                .long(flag_name(spec.name))
                .value_name(value_name(spec, LIVE))
                .allow_hyphen_values(true)
                .help(help(spec, LIVE));
            // `--mirror` alone is on.
            let arg = match spec.kind {
                Kind::Switch { .. } => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
                _ => arg,
            };
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const LIVE: bool> FromArgMatches for ParamFlags<LIVE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = flags(LIVE).filter_map(|spec| Some((spec, matches.get_one::<String>(spec.name)?.clone())));
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn value_name(spec: &Spec, live: bool) -> String {
    match spec.kind {
        Kind::Real { min, max, .. } => format!("{min}..{max}"),
        Kind::Whole { min, max, .. } => format!("{min}..{max}"),
        Kind::Switch { .. } => "on|off".to_owned(),
        Kind::Choice { options, .. } => options.join("|"),
        Kind::Layer | Kind::SecondLayer => "LAYER".to_owned(),
        Kind::Guide => if live { "NAME" } else { "PICTURE" }.to_owned(),
        Kind::Neurons => "NEURONS".to_owned(),
    }
}

fn help(spec: &Spec, live: bool) -> String {
    let default = match (spec.still.filter(|_| !live), spec.default_value()) {
        (Some(still), _) => format!(" [default: {still}]"),
        (None, Some(value)) => match value.to_json() {
            Json::String(text) => format!(" [default: {text}]"),
            Json::Bool(false) => String::new(),
            other => format!(" [default: {other}]"),
        },
        (None, None) => " [default: the pack's]".to_owned(),
    };
    let unit = if spec.unit.is_empty() { String::new() } else { format!(" ({})", spec.unit) };
    format!("{}{unit}{default}", spec.about)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<ParamFlags<false>, clap::Error> {
        let command = ParamFlags::<false>::augment_args(Command::new("dream"));
        let matches = command.try_get_matches_from(std::iter::once(&"dream").chain(args))?;
        ParamFlags::from_arg_matches(&matches)
    }

    fn catalogue() -> Catalogue {
        let manifest = toml::from_str(
            r#"format = 1
               name = "p"
               network = "n"
               source = "s"
               licence = "MIT"
               default_layer = "f12"
               input = { channels = "RGB", mean = [0, 0, 0], std = [1, 1, 1] }
               files = {}
               layer = [{ name = "f12", file = "x", tensor = "t", channels = 8, stride = 8, macs_per_pixel = 1.0,
                          inputs = { guide = [1], guided = [0], seen = [1], caricature = [0] } }]"#,
        );
        Catalogue::of(vec![manifest.unwrap()])
    }

    fn apply(args: &[&str]) -> Result<Params, String> {
        parse(args).unwrap().apply(&Params::for_still(&catalogue()), &catalogue()).map_err(|e| e.to_string())
    }

    #[test]
    fn every_parameter_that_shapes_a_picture_is_a_flag() {
        for spec in flags(false) {
            let text = match spec.kind {
                Kind::Real { max, .. } => max.to_string(),
                Kind::Whole { max, .. } => max.to_string(),
                Kind::Switch { .. } => "on".to_owned(),
                Kind::Choice { options, .. } => options[0].to_owned(),
                Kind::Layer => "p/f12".to_owned(),
                Kind::SecondLayer | Kind::Guide => "none".to_owned(),
                Kind::Neurons => "-3:0.5".to_owned(),
            };
            let params = apply(&[&format!("--{}={text}", flag_name(spec.name))]).unwrap();
            // A layer is listed under its short name, whatever it was called.
            let canonical = if spec.name == "layer" { "f12" } else { &text };
            assert_eq!((spec.get)(&params), spec.read_text(canonical).unwrap(), "{}", spec.name);
        }
    }

    #[test]
    fn values_may_begin_with_a_minus_and_a_switch_may_stand_alone() {
        let params = apply(&["--zoom", "-0.5", "--neurons", "-3", "--mirror"]).unwrap();
        assert_eq!((params.zoom, params.mirror, params.neurons.to_string()), (-0.5, true, "-3".to_owned()));
    }

    #[test]
    fn wrong_values_are_reported_with_their_flags_all_at_once() {
        let error = apply(&["--octave-scale", "9", "--layer", "f99", "--neurons", "8"]).unwrap_err();
        assert!(error.contains("--octave-scale: 9 is not a number from 1.1 to 3"), "{error}");
        assert!(error.contains("--layer: no layer is called `f99`"), "{error}");
        assert!(parse(&["--blank"]).is_err());
        let live = ParamFlags::<true>::augment_args(Command::new("run"));
        assert!(live.try_get_matches_from(["run", "--blank"]).is_ok());
    }
}
