//! `source.command`: the program that stands for a camera.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use super::sections::Fault;
use crate::subprocess;

const EXAMPLE: &str = r#"["ffmpeg", "-i", "rtsp://camera/", "-f", "yuv4mpegpipe", "-"]"#;

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "source.command takes a list of strings, the program and its arguments, such as [\"ffmpeg\", \"-i\", \"film.mp4\"]"
)]
enum Said {
    Words(Vec<String>),
}

/// Reads the list, and says what it takes where it is none.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Said::deserialize(deserializer).map(|Said::Words(words)| words)
}

/// A program that is named by a relative path lies below the folder of the file that says so; one without a `/` is looked for in
/// PATH.
pub fn resolve(command: &mut [String], folder: &Path) {
    if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
        *program = folder.join(&*program).to_string_lossy().into_owned();
    }
}

/// What is wrong with it, where it is needed.
pub fn fault(command: &[String]) -> Fault {
    let wrong = |message: String| Some(("source.command", message));
    let Some(program) = command.first() else {
        return wrong(format!("is missing: kind = \"program\" needs the program and its arguments, such as {EXAMPLE}"));
    };
    if program.is_empty() || command.iter().any(|word| word.contains('\0')) {
        return wrong(format!("is a program and its arguments, without zero bytes, such as {EXAMPLE}"));
    }
    if subprocess::find(program).is_some() {
        return None;
    }
    match program.contains('/') {
        true => wrong(format!("{program}: there is no such program that may be run")),
        false => wrong(format!("there is no program `{program}` in PATH: install it, or give its whole path")),
    }
}
