//! `reverie healthcheck`: whether to keep an update, for updaters that can return to the previous system.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;

use super::Exit;
use super::doctor::{self, Finding, Verdict};

/// Is this system good? For A/B updaters (RAUC, Mender): waits until the service dreams and stays up.
///
/// It checks what an update brings: configuration, packs, library, network, service. A missing camera or broker is no
/// reason to go back.
#[derive(ClapArgs)]
#[command(after_long_help = "Exit code: 0 where the system is good, 2 where it is not.")]
pub struct Args {
    /// Configuration file [default: /etc/reverie/reverie.toml where it exists].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long to wait for the first dream.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
}

/// A service that keeps crashing does not last that long, nor one whose driver hangs: that is found out after 30 s.
const STABLE_AFTER: Duration = Duration::from_secs(45);
/// A reload, or the end of a pause, may take so long until the next dream.
const INTERRUPTION: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub fn run(args: &Args) -> anyhow::Result<()> {
    let (_, mut findings) = doctor::examine_program(args.config.as_deref());
    let is_sound = findings.iter().all(|finding| finding.verdict != Verdict::Failure);
    // There is no point in waiting for what cannot dream.
    if is_sound && let Some(finding) = wait_for_dreams(Duration::from_secs(args.wait)) {
        findings.push(finding);
    }
    doctor::print(&findings);
    match findings.iter().any(|finding| finding.verdict == Verdict::Failure) {
        true => Err(Exit(2).into()),
        false => Ok(()),
    }
}

/// Waits until the service dreams and has kept dreaming for a while; nothing where there is no systemd.
fn wait_for_dreams(timeout: Duration) -> Option<Finding> {
    const ABOUT: &str = "service";
    let begun = Instant::now();
    let mut dreams: Option<(Instant, String)> = None;
    let mut last_dream: Option<Instant> = None;
    loop {
        let service = doctor::service_state()?;
        match (service.is_dreaming(), &dreams) {
            (true, Some((_, restarts))) if *restarts != service.restarts => dreams = None,
            (true, Some((since, _))) if since.elapsed() >= STABLE_AFTER => {
                return Some(Finding::ok(ABOUT, service.status));
            }
            (true, Some(_)) => {}
            (true, None) => dreams = Some((Instant::now(), service.restarts.clone())),
            (false, _) => dreams = None,
        }
        last_dream = if dreams.is_some() { Some(Instant::now()) } else { last_dream };
        let is_interrupted = last_dream.is_some_and(|last| last.elapsed() < INTERRUPTION);
        if dreams.is_none() && !is_interrupted && begun.elapsed() > timeout {
            let seen = format!("{}, but does not dream: {}", service.state, service.status);
            return Some(Finding::failure(ABOUT, seen, "journalctl -u reverie -e says why"));
        }
        sleep(POLL_INTERVAL);
    }
}
