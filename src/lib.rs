//! Reverie, the firmware of a dreaming mirror.
//!
//! [`source`] brings pictures, the [`compositor`] lays the dream over them where the [`flow`] carries it, [`display`] shows them, at the camera's
//! rate; beside that [`dream`] looks and climbs through [`runtime`] and [`pixel`] as fast as it can. Latest-wins [`slot`]s lie between. [`mirror`] is all
//! of it in one thread. [`app`] starts and watches them; [`params`] is the one table of
//! what can be changed live, by [`remote`] (MQTT) and [`console`] (the web page); the [`director`] decides, its [`director_handle`] makes it known. [`pack`] reads graph packs, [`export`]
//! makes them. [`health`] talks to systemd. [`cli`] is the command line, [`config`] its file. ARCHITECTURE.md tells why.

pub mod app;
pub mod assets;
pub mod backoff;
pub mod checks;
pub mod cli;
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
pub mod health;
pub mod hotplug;
pub mod mirror;
pub mod pack;
pub mod params;
pub mod picture_file;
pub mod pixel;
pub mod remote;
pub mod runtime;
pub mod size;
pub mod slot;
pub mod source;
pub mod subprocess;
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
