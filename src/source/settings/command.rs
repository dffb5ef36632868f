//! `source.command`: the program that stands for a camera.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use crate::checks::InvalidSetting;
use crate::subprocess;

const EXAMPLE: &str = r#"["ffmpeg", "-i", "rtsp://camera/", "-f", "yuv4mpegpipe", "-"]"#;

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "source.command takes a list of strings, the program and its arguments, such as [\"ffmpeg\", \"-i\", \"film.mp4\"]"
)]
enum RawCommand {
    Words(Vec<String>),
}

/// Reads the list; the error says that one is expected.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    RawCommand::deserialize(deserializer).map(|RawCommand::Words(words)| words)
}

/// Has a program named by a relative path lie below `folder`; one without a `/` is looked for in PATH.
pub fn resolve(command: &mut [String], folder: &Path) {
    if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
        *program = folder.join(&*program).to_string_lossy().into_owned();
    }
}

/// Refuses a command that could not be started.
pub fn check(command: &[String]) -> Result<(), InvalidSetting> {
    let wrong = |message: String| Err(InvalidSetting::new("command", message));
    let Some(program) = command.first() else {
        return wrong(format!("is missing: kind = \"program\" needs the program and its arguments, such as {EXAMPLE}"));
    };
    if program.is_empty() || command.iter().any(|word| word.contains('\0')) {
        return wrong(format!("is a program and its arguments, without zero bytes, such as {EXAMPLE}"));
    }
    if subprocess::find(program).is_some() {
        return Ok(());
    }
    if let Some((scheme, _)) = program.split_once("://") {
        // The rest may hold a password.
        return wrong(format!("begins with the program, not with an address ({scheme}://…), such as {EXAMPLE}"));
    }
    match program.contains('/') {
        true => wrong(format!("{program}: there is no such program that may be run")),
        false => wrong(format!("there is no program `{program}` in PATH: install it, or give its whole path")),
    }
}
