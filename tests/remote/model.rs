//! Any sequence of right and wrong commands leaves the state that a much simpler model says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use super::broker::Broker;
use super::device::Device;
use super::operator::{self, Operator};

/// The model: names and values, and no idea of how they are checked. Each entry of a command knows by itself whether
/// it is right.
type Model = BTreeMap<String, Json>;

#[derive(Debug, Clone)]
struct Entry {
    name: &'static str,
    value: Json,
    right: bool,
}

#[derive(Debug, Clone)]
enum Command {
    Set(Vec<Entry>),
    SetOne(Entry),
    /// An action and what it changes.
    Do(&'static str, &'static str, Json),
    Save(&'static str),
    Show(&'static str),
    Delete(&'static str),
    Nonsense(&'static str, Vec<u8>),
}

/// Names for scenes, few so that they meet.
const SCENES: [&str; 3] = ["dawn", "noon", "no/scene"];

/// Scenes that the model knows, each with the values it was saved with.
type Scenes = BTreeMap<&'static str, Model>;

fn entry() -> impl Strategy<Value = Entry> {
    let right = |name: &'static str| move |value: Json| Entry { name, value, right: true };
    let wrong = |name: &'static str, value: Json| Just(Entry { name, value, right: false });
    prop_oneof![
        // Whole numbers come back without a fraction.
        (1..100u32).prop_map(|n| json!(f64::from(n) / 100.0)).prop_map(right("intensity")),
        (0..=1u32).prop_map(|n| json!(n)).prop_map(right("intensity")),
        (0..=100u32).prop_map(|n| json!(n)).prop_map(right("steps")),
        (-180..=180i32).prop_map(|n| json!(n)).prop_map(right("rotate")),
        // Where to, and how slowly: at once, since the model has no clock.
        (-180..=180i32).prop_map(|n| json!({"to": n, "over": 0})).prop_map(right("rotate")),
        wrong("rotate", json!({"to": 181, "over": 1})),
        wrong("rotate", json!({"to": 1})),
        wrong("blank", json!({"to": true, "over": 1})),
        any::<bool>().prop_map(|b| json!(b)).prop_map(right("blank")),
        any::<bool>().prop_map(|b| json!(b)).prop_map(right("paused")),
        (101..=200u32).prop_map(|n| Entry { name: "intensity", value: json!(f64::from(n) / 100.0), right: false }),
        (101..=200u32).prop_map(|n| Entry { name: "steps", value: json!(n), right: false }),
        wrong("rotate", json!(180.5)),
        wrong("rotate", json!("left")),
        wrong("blank", json!(2)),
        wrong("paused", json!(null)),
        wrong("loudness", json!(0.5)),
        wrong("layer", json!("nowhere")),
        wrong("neurons", json!("1-")),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => prop::collection::vec(entry(), 0..4).prop_map(Command::Set),
        3 => entry().prop_map(Command::SetOne),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(|bytes| Command::Nonsense("set/octaves/x", bytes)),
        1 => "[a-z ]{0,20}".prop_map(|text| Command::Nonsense("set", text.into_bytes())),
        1 => Just(Command::Nonsense("do/nothing", Vec::new())),
        1 => prop_oneof![Just(("pause", true)), Just(("resume", false))]
            .prop_map(|(action, on)| Command::Do(action, "paused", json!(on))),
        1 => prop_oneof![Just(("blank", true)), Just(("unblank", false))]
            .prop_map(|(action, on)| Command::Do(action, "blank", json!(on))),
        1 => prop::sample::select(&SCENES[..]).prop_map(Command::Save),
        2 => prop::sample::select(&SCENES[..]).prop_map(Command::Show),
        1 => prop::sample::select(&SCENES[..]).prop_map(Command::Delete),
    ]
}

/// What is kept in a scene: none of what belongs to the device, and nothing that is no parameter.
const OF_A_LOOK: [&str; 3] = ["intensity", "steps", "rotate"];

/// The value that an entry ends at.
fn end(value: &Json) -> Json {
    value.get("to").unwrap_or(value).clone()
}

impl Command {
    /// Topic and payload; and, where the model says it is right, the names and values that change.
    fn send(&self, model: &Model, scenes: &mut Scenes) -> (String, Vec<u8>, Option<Model>) {
        let is_saved = |scenes: &Scenes, name: &str| scenes.contains_key(name);
        let with_name = |name: &str| json!({"name": name}).to_string().into_bytes();
        match self {
            Command::Do(action, name, value) => {
                (format!("do/{action}"), Vec::new(), Some(Model::from([((*name).to_owned(), value.clone())])))
            }
            Command::Save(name) => {
                let right = !name.contains('/');
                if right {
                    let look = |(name, _): &(&String, &Json)| OF_A_LOOK.contains(&name.as_str());
                    scenes.insert(name, model.iter().filter(look).map(|(n, v)| (n.clone(), v.clone())).collect());
                }
                let shown = Model::from([("scene".to_owned(), json!(name))]);
                ("do/save-scene".to_owned(), with_name(name), right.then_some(shown))
            }
            Command::Show(name) => {
                let change = scenes.get(name).map(|scene| {
                    let mut change = scene.clone();
                    change.insert("scene".to_owned(), json!(name));
                    change
                });
                ("set/scene".to_owned(), name.as_bytes().to_vec(), change)
            }
            Command::Delete(name) => {
                let right = is_saved(scenes, name);
                scenes.remove(name);
                let was_shown = model["scene"] == *name;
                let change = if was_shown { Model::from([("scene".to_owned(), Json::Null)]) } else { Model::new() };
                ("do/delete-scene".to_owned(), with_name(name), right.then_some(change))
            }
            Command::Set(entries) => {
                let object: Model = entries.iter().map(|e| (e.name.to_owned(), e.value.clone())).collect();
                // Of two entries of one name only the last is in the object.
                let right = object
                    .iter()
                    .all(|(name, value)| entries.iter().any(|e| e.name == name && &e.value == value && e.right));
                ("set".to_owned(), serde_json::to_vec(&object).unwrap(), right.then(|| by_hand(model, object)))
            }
            Command::SetOne(entry) => {
                let change = Model::from([(entry.name.to_owned(), entry.value.clone())]);
                (
                    format!("set/{}", entry.name),
                    entry.value.to_string().into_bytes(),
                    entry.right.then(|| by_hand(model, change)),
                )
            }
            Command::Nonsense(topic, payload) => ((*topic).to_owned(), payload.clone(), None),
        }
    }
}

/// What a right `set` changes: and where the look becomes another, it is no scene's any more.
fn by_hand(model: &Model, object: Model) -> Model {
    let mut change: Model = object.into_iter().map(|(name, value)| (name, end(&value))).collect();
    if OF_A_LOOK.iter().any(|name| change.get(*name).is_some_and(|value| *value != model[*name])) {
        change.insert("scene".to_owned(), Json::Null);
    }
    change
}

#[test]
fn any_sequence_of_commands_leaves_the_state_of_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let broker = Broker::start();
    let (device, operator, schemas) = runtime.block_on(async {
        let device = Device::start(&broker);
        let mut operator = Operator::connect(&broker).await;
        let about = operator::json(&operator.receive_on("about").await);
        operator.receive_on("state").await;
        let schema = |name: &str| jsonschema::draft202012::new(&about[name]).expect("a sound schema");
        (device, std::cell::RefCell::new(operator), [schema("reply_schema"), schema("state_schema")])
    });
    let [reply_schema, state_schema] = schemas;
    let scenes = std::cell::RefCell::new(Scenes::new());
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(command(), 1..20), |commands| {
        // How many changes there are to be taken back depends on a clock, and the model has none.
        let timeless = |state: &Json| {
            let mut state = state.clone();
            state.as_object_mut().and_then(|state| state.remove("undo"));
            state
        };
        // Each case goes on from where the last one left the device.
        let mut model: Model = serde_json::from_value(timeless(&device.state())).unwrap();
        let operator = &mut *operator.borrow_mut();
        for command in &commands {
            let (topic, payload, change) = command.send(&model, &mut scenes.borrow_mut());
            let reply = runtime.block_on(operator.command(&topic, payload));
            prop_assert_eq!(&reply["ok"], &json!(change.is_some()), "{:?}: {}", command, reply);
            prop_assert_eq!(reply["errors"] == json!([]), change.is_some(), "{:?}: {}", command, reply);
            prop_assert!(reply_schema.is_valid(&reply), "{}", reply);
            prop_assert!(state_schema.is_valid(&reply["state"]), "{}", reply);
            model.extend(change.unwrap_or_default());
            prop_assert_eq!(timeless(&reply["state"]), json!(model), "{:?}", command);
        }
        prop_assert_eq!(timeless(&device.state()), json!(model));
        Ok(())
    });
    outcome.unwrap_or_else(|e| panic!("{e}"));
    let about_schema = jsonschema::draft202012::new(&super::golden::about_schema()).expect("a sound schema");
    // And what is retained is what is effective.
    runtime.block_on(async {
        let mut operator = operator.into_inner();
        operator.command("set/jitter", "77").await;
        let retained = operator.receive_state("jitter", 77).await;
        assert_eq!(retained, device.state());
        let mut late = Operator::connect(&broker).await;
        // With whatever scenes all that has left behind.
        let about = operator::json(&late.receive_on("about").await);
        assert!(about_schema.is_valid(&about), "{about}");
        assert_eq!(operator::json(&late.receive_on("state").await), device.state());
    });
}
