use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::pack::Manifest;

pub(crate) fn catalogue() -> Catalogue {
    let pack = |name: &str, layers: &str| -> Manifest {
        toml::from_str(&format!(
            r#"format = 1
               name = "{name}"
               network = "a network"
               source = "made up"
               licence = "MIT"
               default_layer = "f12"
               input = {{ channels = "RGB", mean = [0, 0, 0], std = [1, 1, 1] }}
               files = {{}}
               layer = [{layers}]"#
        ))
        .unwrap()
    };
    let layer = |name: &str, channels: u32| {
        format!(
            r#"{{ name = "{name}", file = "x", tensor = "t", channels = {channels}, stride = 8, macs_per_pixel = 1.0 }}"#
        )
    };
    Catalogue::of(vec![
        pack("mobilenet-v2", &[layer("f12", 96), layer("f6", 32)].join(",")),
        pack("other", &[layer("f12", 8)].join(",")),
    ])
}

fn changes(json: Json) -> Map<String, Json> {
    json.as_object().unwrap().clone()
}

#[test]
fn defaults_lie_within_their_own_ranges() {
    for spec in TABLE {
        if let Some(value) = spec.default_value() {
            assert_eq!(spec.read(&value.to_json()).as_ref(), Ok(&value), "{}", spec.name);
        }
        if let Some(still) = spec.still {
            assert!(spec.read(&Value::Number(still).to_json()).is_ok(), "{}", spec.name);
        }
    }
}

#[test]
fn each_row_reads_and_writes_its_own_field() {
    let base = Params::new(&catalogue());
    for spec in TABLE {
        let mut changed = base.clone();
        let other = match spec.kind {
            Kind::Real { min, default, .. } => Value::Number(if min == default { min + 0.25 } else { min }),
            Kind::Whole { max, .. } => Value::Number(max.into()),
            Kind::Switch { default } => Value::Switch(!default),
            Kind::Choice { options, .. } => Value::Text(options[options.len() - 1].to_owned()),
            Kind::Layer | Kind::SecondLayer | Kind::Guide => Value::Text("elsewhere".into()),
            Kind::Neurons => Value::Neurons("3".parse().unwrap()),
        };
        (spec.set)(&mut changed, other.clone());
        assert_eq!((spec.get)(&changed), other, "{}", spec.name);
        let touched = base.to_json().into_iter().filter(|(name, old)| changed.to_json()[name] != *old).count();
        assert_eq!(touched, 1, "{} changes more than itself", spec.name);
    }
}

#[test]
fn rows_stand_by_section_what_is_often_touched_first_and_programs_are_told() {
    let sections: Vec<Section> = TABLE.iter().map(|spec| spec.section).collect();
    let mut in_order = sections.clone();
    in_order.dedup();
    assert_eq!(in_order, Section::ALL);
    let schema = json_schema(&catalogue());
    for spec in TABLE {
        let property = &schema["properties"][spec.name];
        assert_eq!(property["x-section"], spec.section.name(), "{}", spec.name);
        assert_eq!(property.get("x-rare"), spec.rare.then_some(&json!(true)), "{}", spec.name);
    }
    for section in Section::ALL {
        let first = TABLE.iter().find(|spec| spec.section == section);
        assert!(first.is_some_and(|spec| !spec.rare), "{section:?} begins with what nobody touches");
    }
    // The reference page has all of them, each below its section's heading.
    let page = markdown();
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    for spec in TABLE {
        let place = sections.iter().filter(|text| text.contains(&format!("| `{}` |", spec.name)));
        let titles: Vec<&str> = place.filter_map(|text| text.lines().next()).collect();
        assert_eq!(titles, [spec.section.title()], "{}", spec.name);
    }
}

#[test]
fn a_set_applies_whole_or_not_at_all() {
    let catalogue = catalogue();
    let base = Params::new(&catalogue);
    let good = base.with(&changes(json!({"layer": "f6", "intensity": 0.5})), &catalogue).unwrap();
    assert_eq!((good.layer.as_str(), good.intensity), ("f6", 0.5));
    let refusals = base
        .with(&changes(json!({"intensity": 0.5, "steps": -1, "zoon": 1, "layer": "nope", "blank": 1})), &catalogue)
        .unwrap_err();
    let messages: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert_eq!(messages[0], "steps: -1 is not a whole number from 0 to 100");
    assert_eq!(messages[1], "zoon: there is no such parameter; did you mean `zoom`?");
    assert_eq!(messages[2], "blank: 1 is not true or false");
    assert!(messages[3].starts_with("layer: no layer is called `nope`"), "{}", messages[3]);
}

#[test]
fn a_layer_of_two_packs_must_be_named_with_its_pack() {
    let catalogue = catalogue();
    assert_eq!(catalogue.layer_names(), ["mobilenet-v2/f12", "f6", "other/f12"]);
    let base = Params::new(&catalogue);
    assert_eq!(base.layer, "mobilenet-v2/f12");
    let refusals = base.with(&changes(json!({"layer": "f12"})), &catalogue).unwrap_err();
    assert!(refusals[0].message.contains("`mobilenet-v2/f12` or `other/f12`"), "{}", refusals[0]);
}

#[test]
fn neurons_are_checked_against_the_layer_and_reset_with_it() {
    let catalogue = catalogue();
    let base = Params::new(&catalogue).with(&changes(json!({"neurons": 95})), &catalogue).unwrap();
    assert!(base.with(&changes(json!({"neurons": "96"})), &catalogue).is_err());
    let moved = base.with(&changes(json!({"layer": "other/f12"})), &catalogue).unwrap();
    assert_eq!(moved.neurons, Neurons::all());
    assert!(base.with(&changes(json!({"layer": "other/f12", "neurons": "8"})), &catalogue).is_err());
}

#[test]
fn bare_text_is_read_as_its_row_would_have_it() {
    let read = |name: &str, text: &str| find(name).unwrap().read_text(text);
    assert_eq!(read("layer", "f12"), Ok(Value::Text("f12".into())));
    assert_eq!(read("layer", "\"f12\""), Ok(Value::Text("f12".into())));
    assert_eq!(read("neurons", "15").unwrap().to_json(), json!("15"));
    assert_eq!(read("blank", "on"), Ok(Value::Switch(true)));
    assert_eq!(read("intensity", " 0.3\n"), Ok(Value::Number(0.3)));
    // As Jinja, Python and YAML write them.
    for (text, number) in [(".5", 0.5), ("\"0.4\"", 0.4), ("1.", 1.0), ("\" 1 \"", 1.0), ("5e-1", 0.5)] {
        assert_eq!(read("intensity", text), Ok(Value::Number(number)), "{text}");
    }
    assert_eq!(read("steps", "\"3\""), Ok(Value::Number(3.0)));
    for (texts, is_on) in
        [(["True", "1", "On", "\"ON\"", "true"], true), (["False", "0", "Off", "\"off\"", "false"], false)]
    {
        texts.iter().for_each(|text| assert_eq!(read("mirror", text), Ok(Value::Switch(is_on)), "{text}"));
    }
    for wrong in ["2", "maybe", "", "null", "[true]"] {
        assert!(read("mirror", wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["NaN", "inf", "1.01", "-0.1", "", "true", "[0.5]", "1e400"] {
        assert!(read("intensity", wrong).is_err(), "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_a_reader(index in 0..TABLE.len(), text in ".{0,60}") {
        let _ = TABLE[index].read_text(&text);
    }

    #[test]
    fn what_is_accepted_reads_back_the_same(index in 0..TABLE.len(), number in -300.0f64..300.0) {
        let spec = &TABLE[index];
        if let Ok(value) = spec.read(&json!(number)) {
            prop_assert_eq!(spec.read(&value.to_json()), Ok(value));
        }
    }
}

/// Written out, `1e-38` is forty characters: what was taken would not be read from the state file.
#[test]
fn a_choice_of_neurons_is_not_longer_than_it_may_be_when_it_is_written_out() {
    let neurons = find("neurons").unwrap();
    let text = vec!["1:1e-38"; 2000].join(",");
    assert!(neurons.read(&json!(text)).is_err());
    let taken = neurons.read(&json!(vec!["1:0.5"; 3300].join(","))).unwrap();
    assert_eq!(neurons.read(&taken.to_json()), Ok(taken));
}
