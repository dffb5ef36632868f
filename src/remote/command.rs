//! What a message below the base topic means, and the reply to it: no network here.
//!
//! Everything in a message comes from outside. Its length is checked before it is looked at; whatever is wrong with
//! it is said in the reply, and then nothing has changed.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value as Json};

use crate::director;
use crate::director_handle::DirectorHandle;
use crate::params::{self, Refusal};

/// A command longer than this is refused unread. The longest that means anything is a choice of neurons.
const MAX_PAYLOAD: usize = 64 << 10;
/// More entries than a `set` can have use for.
const MAX_ENTRIES: usize = 64;
/// Longest `id` that is echoed, bytes.
const MAX_ID: usize = 128;
/// Longest response topic that is honoured, bytes.
const MAX_RESPONSE_TOPIC: usize = 1024;
/// What is quoted back of names that are wrong, characters.
const MAX_QUOTE: usize = 80;

/// Topics below the base that the device itself writes: messages there are no commands.
const DEVICE_TOPICS: &[&str] = &["status", "about", "state", "telemetry", "reply", "snapshot"];

/// A message below the base topic.
pub struct Message<'a> {
    /// The topic without base and slash: `set/layer`.
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub retained: bool,
    /// The MQTT 5 correlation data.
    pub correlation: Option<&'a [u8]>,
}

/// Where a reply goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplyTo {
    /// The response topic asked for; none: `<base>/reply`.
    pub topic: Option<String>,
    /// The correlation data to send back.
    pub correlation: Option<Vec<u8>>,
    /// As surely as the command came: at least once, or at most once.
    pub at_least_once: bool,
}

impl ReplyTo {
    /// Bytes it holds.
    pub fn size(&self) -> usize {
        self.topic.as_ref().map_or(0, String::len) + self.correlation.as_ref().map_or(0, Vec::len)
    }
}

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reply {
    /// The command's own `id`, else its correlation data as text; null where it had neither.
    pub id: Json,
    /// Whether it was done, whole.
    pub ok: bool,
    /// Why not.
    pub errors: Vec<Problem>,
    /// What `state` tells afterwards.
    pub state: Map<String, Json>,
}

/// One thing that is wrong with a command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// The parameter it is about; null where it is about the whole command.
    pub param: Option<String>,
    pub message: String,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let param = Some(refusal.param).filter(|param| !param.is_empty());
        Problem { param, message: refusal.message }
    }
}

/// Whether a message on `topic`, below the base, would be a command: it is not where the device itself writes.
pub fn is_command(topic: &str) -> bool {
    !DEVICE_TOPICS.contains(&topic.split('/').next().unwrap_or_default())
}

/// Does what `message` says. None where it is no command at all, but the device's own telling.
pub fn execute(handle: &DirectorHandle, message: &Message) -> Option<Reply> {
    if !is_command(message.topic) {
        return None;
    }
    let mut id = message.correlation.map(id_of_correlation).unwrap_or_default();
    let errors = run(handle, message, &mut id).err().unwrap_or_default();
    let state = handle.state().borrow().clone();
    Some(Reply { id, ok: errors.is_empty(), errors, state })
}

/// The answer to a command that is not looked at, and why.
pub fn reject(handle: &DirectorHandle, message: &Message, why: &str) -> Reply {
    let mut id = message.correlation.map(id_of_correlation).unwrap_or_default();
    let text =
        Some(message.payload).filter(|payload| payload.len() <= MAX_PAYLOAD).and_then(|p| std::str::from_utf8(p).ok());
    if let Some(mut entries) = text.and_then(|text| object(text).ok()) {
        // One that is no id is not echoed, and no further fault of a command that is refused anyway.
        let _ = take_id(&mut entries, &mut id);
    }
    Reply { id, ok: false, errors: about_the_command(why), state: handle.state().borrow().clone() }
}

/// What follows `base` in a `topic` below it; nothing for the base itself.
pub fn below<'t>(topic: &'t str, base: &str) -> Option<&'t str> {
    match topic.strip_prefix(base)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// The response topic a command asks for, where a reply may go: to a topic that can be published to, and not to this
/// device's own others by mistake.
pub fn response_topic(asked: &str, base: &str) -> Option<String> {
    let reserved = below(asked, base).is_some_and(|below| below != "reply" && !below.starts_with("reply/"));
    let publishable = !asked.is_empty()
        && asked.len() <= MAX_RESPONSE_TOPIC
        && !asked.starts_with('$')
        && !asked.contains(|c: char| c.is_control() || c == '+' || c == '#');
    (publishable && !reserved).then(|| asked.to_owned())
}

fn run(handle: &DirectorHandle, message: &Message, id: &mut Json) -> Result<(), Vec<Problem>> {
    let topic = message.topic;
    if message.retained {
        return Err(about_the_command(if message.payload.is_empty() {
            "retained messages are no commands; this empty one cleared what was retained here"
        } else {
            "retained commands are ignored, since they would replay at every start: send it without the retain flag, \
             and clear this one with an empty retained message"
        }));
    }
    if message.payload.len() > MAX_PAYLOAD {
        let size = message.payload.len();
        return Err(about_the_command(format!("the payload has {size} bytes; a command has at most {MAX_PAYLOAD}")));
    }
    let text = std::str::from_utf8(message.payload).map_err(|_| about_the_command("the payload is not UTF-8 text"))?;
    match topic.split_once('/') {
        None if topic == "set" => set(handle, text, id),
        Some(("set", param)) => set_one(handle, param, text),
        Some(("do", action)) => act(handle, action, text, id),
        _ => Err(about_the_command(unknown_topic(topic))),
    }
}

/// `<base>/set`: a JSON object of parameters, perhaps a scene, how slowly and when, and an `id`.
fn set(handle: &DirectorHandle, text: &str, id: &mut Json) -> Result<(), Vec<Problem>> {
    let mut changes = object(text)?;
    take_id(&mut changes, id)?;
    handle.set(&changes).map_err(problems)
}

/// `<base>/set/<param>`: the value itself, as JSON or as bare text; or for `scene` a scene's name.
fn set_one(handle: &DirectorHandle, param: &str, text: &str) -> Result<(), Vec<Problem>> {
    if param == "scene" {
        let name = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.trim().to_owned());
        return handle.set(&Map::from_iter([("scene".to_owned(), name.into())])).map_err(problems);
    }
    let spec = params::find(param).map_err(|refusal| problems(vec![refusal]))?;
    let value = match serde_json::from_str::<Entries>(text) {
        // Where to and how slowly.
        Ok(Entries(ramp)) => Json::Object(ramp),
        Err(_) => spec.read_text(text).map_err(|refusal| problems(vec![refusal]))?.to_json(),
    };
    handle.set(&Map::from_iter([(spec.name.to_owned(), value)])).map_err(problems)
}

/// `<base>/do/<action>`: nothing, `PRESS` (what the buttons of Home Assistant send), or an object of what it takes.
fn act(handle: &DirectorHandle, name: &str, text: &str, id: &mut Json) -> Result<(), Vec<Problem>> {
    director::find_action(name).map_err(|refusal| problems(vec![refusal]))?;
    let mut entries = if matches!(text.trim(), "" | "PRESS") { Map::new() } else { object(text)? };
    take_id(&mut entries, id)?;
    handle.run_action(name, &entries).map_err(problems)
}

fn unknown_topic(topic: &str) -> String {
    format!("there is no command `{}`; commands go to `set`, `set/<param>` and `do/<action>`", quote(topic))
}

/// Takes `id` out of a command's entries.
fn take_id(entries: &mut Map<String, Json>, id: &mut Json) -> Result<(), Vec<Problem>> {
    match entries.shift_remove("id") {
        None => Ok(()),
        Some(echo @ Json::Number(_)) => {
            *id = echo;
            Ok(())
        }
        Some(Json::String(text)) if text.len() <= MAX_ID => {
            *id = text.into();
            Ok(())
        }
        Some(_) => {
            let message = format!("an id is a number, or text of at most {MAX_ID} bytes");
            Err(vec![Problem { param: Some("id".to_owned()), message }])
        }
    }
}

/// Correlation data as the reply's `id`: as text where it is text, else in hexadecimal; null where it is long.
fn id_of_correlation(data: &[u8]) -> Json {
    match std::str::from_utf8(data) {
        Ok(text) if text.len() <= MAX_ID && !text.contains(char::is_control) => text.into(),
        _ if 2 * data.len() <= MAX_ID => data.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        _ => Json::Null,
    }
}

fn object(text: &str) -> Result<Map<String, Json>, Vec<Problem>> {
    match serde_json::from_str(text) {
        Ok(Entries(entries)) => Ok(entries),
        Err(e) => {
            Err(about_the_command(format!("the payload is not a JSON object such as {{\"intensity\": 0.5}}: {e}")))
        }
    }
}

fn about_the_command(message: impl Into<String>) -> Vec<Problem> {
    vec![Problem { param: None, message: message.into() }]
}

fn problems(refusals: Vec<Refusal>) -> Vec<Problem> {
    refusals.into_iter().map(Problem::from).collect()
}

fn quote(name: &str) -> String {
    name.chars().take(MAX_QUOTE).collect()
}

/// A JSON object of bounded size in which no name comes twice: the last would win in silence.
struct Entries(Map<String, Json>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Map::new();
        while let Some((name, value)) = map.next_entry::<String, Json>()? {
            if entries.len() == MAX_ENTRIES {
                return Err(A::Error::custom(format!("it has more than {MAX_ENTRIES} entries")));
            }
            if entries.contains_key(&name) {
                return Err(A::Error::custom(format!("`{}` is given twice", quote(&name))));
            }
            entries.insert(name, value);
        }
        Ok(Entries(entries))
    }
}
