//! What a command means, and the reply to it.
//!
//! Everything in a command comes from outside. Its length is checked before it is parsed; the reply names whatever is wrong with
//! it, and then nothing has changed.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value as Json};

use crate::director;
use crate::director_handle::DirectorHandle;
use crate::params::{self, Refusal};
use crate::picture_file;
use crate::text::excerpt;

/// A command longer than this, bytes, is refused unread. The longest that means anything is a choice of neurons.
pub const MAX_PAYLOAD: usize = 64 << 10;
/// A picture that is sent in a command's place, bytes: what one MQTT packet holds here.
pub const MAX_PICTURE: usize = 1 << 20;
/// More entries than a `set` can have use for.
const MAX_ENTRIES: usize = 64;
/// Longest `id` that is echoed, bytes.
const MAX_ID: usize = 128;

/// A command, however it came.
pub struct Command<'a> {
    /// The topic below the base topic: `set/layer`.
    pub path: &'a str,
    pub payload: &'a [u8],
    /// By what the sender will know the reply, besides an `id` in the payload (MQTT 5: the correlation data).
    pub correlation: Option<&'a [u8]>,
}

/// The reply to one command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reply {
    /// The command's own `id`, else its correlation data as text; null where it had neither.
    pub id: Json,
    /// Whether the command was run, whole.
    pub ok: bool,
    /// Why not.
    pub errors: Vec<Problem>,
    /// The payload of `state` afterwards.
    pub state: Map<String, Json>,
}

/// A reply, and who replies: many answer a command to a group.
#[derive(Serialize)]
pub struct SignedReply<'a> {
    pub device: &'a str,
    #[serde(flatten)]
    pub reply: Reply,
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

/// Runs `command` whole, or changes nothing and replies why.
pub fn execute(handle: &DirectorHandle, command: &Command) -> Reply {
    let mut id = command.correlation.map(id_of_correlation).unwrap_or_default();
    let errors = run(handle, command, &mut id).err().unwrap_or_default();
    let state = handle.state().borrow().clone();
    Reply { id, ok: errors.is_empty(), errors, state }
}

/// The reply to a command that is not run, and why.
pub fn reject(handle: &DirectorHandle, command: &Command, why: &str) -> Reply {
    let mut id = command.correlation.map(id_of_correlation).unwrap_or_default();
    let text =
        Some(command.payload).filter(|payload| payload.len() <= MAX_PAYLOAD).and_then(|p| std::str::from_utf8(p).ok());
    if let Some(mut entries) = text.and_then(|text| object(text).ok()) {
        // An invalid id is not echoed; the command is refused anyway.
        let _ = take_id(&mut entries, &mut id);
    }
    Reply { id, ok: false, errors: whole_command(why), state: handle.state().borrow().clone() }
}

fn run(handle: &DirectorHandle, command: &Command, id: &mut Json) -> Result<(), Vec<Problem>> {
    let is_no_name = || command.payload.len() > MAX_PAYLOAD || std::str::from_utf8(command.payload).is_err();
    if command.path == "set/guide" && (is_no_name() || picture_file::is_picture(command.payload)) {
        return set_guide(handle, command.payload);
    }
    if command.payload.len() > MAX_PAYLOAD {
        let size = command.payload.len();
        return Err(whole_command(format!("the payload has {size} bytes; a command has at most {MAX_PAYLOAD}")));
    }
    let text = std::str::from_utf8(command.payload).map_err(|_| whole_command("the payload is not UTF-8 text"))?;
    match command.path.split_once('/') {
        None if command.path == "set" => set(handle, text, id),
        Some(("set", param)) => set_one(handle, param, text),
        Some(("do", action)) => do_action(handle, action, text, id),
        _ => Err(whole_command(unknown_topic(command.path))),
    }
}

/// `set`: a JSON object of parameters, perhaps a scene, how slowly (`over`) and when (`at`), and an `id`.
fn set(handle: &DirectorHandle, text: &str, id: &mut Json) -> Result<(), Vec<Problem>> {
    let mut changes = object(text)?;
    take_id(&mut changes, id)?;
    handle.set(&changes).map_err(problems)
}

/// `set/<param>`: the value itself, as JSON or as bare text; for `scene` a scene's name.
fn set_one(handle: &DirectorHandle, param: &str, text: &str) -> Result<(), Vec<Problem>> {
    if param == "scene" {
        let name = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.trim().to_owned());
        return handle.set(&Map::from_iter([("scene".to_owned(), name.into())])).map_err(problems);
    }
    let spec = params::find(param).map_err(|refusal| problems(vec![refusal]))?;
    let value = match serde_json::from_str::<Entries>(text) {
        // Its target and how slowly (`to`, `over`).
        Ok(Entries(ramp)) => Json::Object(ramp),
        Err(_) => spec.read_text(text).map_err(|refusal| problems(vec![refusal]))?.to_json(),
    };
    handle.set(&Map::from_iter([(spec.name.to_owned(), value)])).map_err(problems)
}

/// `set/guide` with a picture in place of a name: it leads from now on.
fn set_guide(handle: &DirectorHandle, picture: &[u8]) -> Result<(), Vec<Problem>> {
    let problem = |message: String| vec![Problem { param: Some("guide".to_owned()), message }];
    if picture.len() > MAX_PICTURE {
        return Err(problem(format!(
            "the picture has {} bytes; one that is sent has at most {MAX_PICTURE}",
            picture.len()
        )));
    }
    let name = handle.catalogue().guides().receive(picture).map_err(|error| problem(error.to_string()))?;
    handle.set(&Map::from_iter([("guide".to_owned(), name.into())])).map_err(problems)
}

/// `do/<action>`: nothing, `PRESS` (what the buttons of Home Assistant send), or an object of what it takes.
fn do_action(handle: &DirectorHandle, name: &str, text: &str, id: &mut Json) -> Result<(), Vec<Problem>> {
    director::find_action(name).map_err(|refusal| problems(vec![refusal]))?;
    let mut entries = if matches!(text.trim(), "" | "PRESS") { Map::new() } else { object(text)? };
    take_id(&mut entries, id)?;
    handle.run_action(name, &entries).map_err(problems)
}

fn unknown_topic(topic: &str) -> String {
    format!("there is no command `{}`; commands go to `set`, `set/<param>` and `do/<action>`", excerpt(topic))
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
        Err(e) => Err(whole_command(format!("the payload is not a JSON object such as {{\"intensity\": 0.5}}: {e}"))),
    }
}

fn whole_command(message: impl Into<String>) -> Vec<Problem> {
    vec![Problem { param: None, message: message.into() }]
}

fn problems(refusals: Vec<Refusal>) -> Vec<Problem> {
    refusals.into_iter().map(Problem::from).collect()
}

/// A JSON object of bounded size without repeated names, of which the last would win in silence.
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
                return Err(A::Error::custom(format!("`{}` is given twice", excerpt(&name))));
            }
            entries.insert(name, value);
        }
        Ok(Entries(entries))
    }
}
