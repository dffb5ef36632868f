//! Reverie, the firmware of a dreaming mirror.
//!
//! A camera's pictures flow at its rate: [`source`] → [`compositor`], which lays the dream over them where the [`flow`] carries it → [`display`].
//! Beside that, [`dream`] takes the newest picture and runs the network on it ([`runtime`]) as fast as the board can. Latest-wins
//! [`slot`]s lie between; [`app`] starts the threads and watches them; [`mirror`] is all of it in one thread.
//!
//! [`params`] is the one table of what can be changed live; [`protocol`] says what commands and replies mean, which [`remote`] carries over
//! MQTT and [`console`] over HTTP. The [`director`] decides, and its
//! [`director_handle`] publishes what it decided.
//!
//! [`pack`] reads graph packs, [`export`] makes them. [`config`] reads the configuration file, [`cli`] is the command line. ARCHITECTURE.md has the map, the
//! reasons and a glossary.

pub mod app;
pub mod assets;
pub mod backoff;
pub mod checks;
pub mod cli;
pub mod compose;
pub mod compositor;
pub mod config;
pub mod console;
pub mod director;
pub mod director_handle;
pub mod display;
pub mod dream;
pub mod export;
pub mod files;
pub mod flow;
pub mod frame;
pub mod guides;
pub mod health;
pub mod hotplug;
pub mod log_tail;
pub mod mirror;
pub mod pack;
pub mod params;
pub mod picture_file;
pub mod pixel;
pub mod pixel_format;
pub mod poll;
pub mod protocol;
pub mod recognition;
pub mod remote;
pub mod runtime;
pub mod size;
pub mod slot;
pub mod source;
pub mod subprocess;
pub mod text;
pub mod y4m;

/// Why a device may not be opened, for the person in front of it; none where `error` says something else.
pub fn denied(error: &std::io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::EACCES => Some("permission denied; is the user in the group `video`?"),
        // So answer systemd's rules for devices, whoever asks.
        libc::EPERM => Some(
            "forbidden, whatever the group; does the service's DeviceAllow= name it (reverie.service.d/10-devices.conf)?",
        ),
        _ => None,
    }
}

/// The candidate most like `word`, where one is like it at all: for "did you mean".
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A stranger's megabyte is not compared letter by letter.
    let word: String = word.chars().take(80).collect();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(candidate, &word), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What a message says of the `nearest` candidate, behind what it does not know; nothing where there is none.
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::process::Command;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    use super::denied;

    /// The kernel's own answers, which root gets too: for a file that may not be run (EACCES), and for one that is sealed (EPERM).
    #[test]
    fn a_missing_right_and_a_rule_against_all_are_told_apart() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let no_right = Command::new(file.path()).spawn().unwrap_err();
        assert!(denied(&no_right).unwrap().contains("in the group `video`"), "{no_right}");
        let sealed = memfd_create("sealed", MemfdFlags::ALLOW_SEALING).unwrap();
        fcntl_add_seals(&sealed, SealFlags::WRITE).unwrap();
        let forbidden = File::from(sealed).write_all(b"x").unwrap_err();
        assert!(denied(&forbidden).unwrap().contains("DeviceAllow="), "{forbidden}");
        // To the standard library both are one kind.
        assert_eq!(no_right.kind(), forbidden.kind());
        assert_eq!(denied(&File::open("/no/such/file").unwrap_err()), None);
    }
}
