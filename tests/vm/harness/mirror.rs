//! The daemon in the guest: a real unit of a real systemd, directed over MQTT.

use serde_json::Value as Json;

use super::operator::Operator;
use super::{Machine, wait_for};

pub struct Mirror {
    pub operator: Operator,
}

impl Mirror {
    /// Starts the daemon with this configuration (TOML) and waits for systemd's word that it is ready: with the first
    /// picture shown.
    pub fn start(machine: &mut Machine, config: &str) -> Mirror {
        let operator = Operator::connect(machine.broker_port());
        machine.put("/etc/reverie/reverie.toml", config.as_bytes());
        install(machine);
        machine.run("systemctl start reverie");
        operator.hear("status", |status| status == b"online");
        Mirror { operator }
    }

    /// The next telemetry (one comes every ten seconds) that `fits`.
    pub fn telemetry(&self, fits: impl Fn(&Json) -> bool) -> Json {
        self.operator.hear_json("telemetry", fits)
    }
}

/// A configuration that shows the picture of `picture::ramp`, on a screen of these settings and at these parameters (lines of
/// TOML). At an intensity of 0 what must be on the screen is known to the pixel.
pub fn mirror_of_ramp(screen: &str, params: &str) -> String {
    format!(
        r#"
[source]
kind = "still"
path = "/usr/share/reverie/photos/ramp.png"
size = "96x64"
wander = false

[screen]
{screen}

[dream]
size = "96x64"
canvas = "96x64"

[params]
{params}
"#
    )
}

/// The daemon's process, as systemd knows it.
pub fn main_pid(machine: &mut Machine) -> u32 {
    machine.run("systemctl show -P MainPID reverie").trim().parse().expect("a process number")
}

/// Puts the unit in its place and makes its user.
pub fn install(machine: &mut Machine) {
    machine.run(
        "systemd-sysusers /mnt/systemd/sysusers.conf && cp -r /mnt/systemd/reverie.service* /etc/systemd/system/ && \
         systemctl daemon-reload",
    );
}

/// What the daemon holds. Pages of files do not count: the kernel drops and fetches them as it likes.
#[derive(Debug, Clone, Copy)]
pub struct Footprint {
    /// Resident memory of its own, in KiB.
    pub own: u64,
    /// Mapped areas: each buffer of a camera or of a screen is one.
    pub areas: u64,
    /// Files held open: the least of three counts, for one that is read at a look is open for a moment.
    pub files: u64,
}

impl Footprint {
    pub fn of_daemon(machine: &mut Machine) -> Footprint {
        let proc = format!("/proc/{}", main_pid(machine));
        let said = machine.run(&format!(
            "awk '/RssAnon/ {{ print $2 }}' {proc}/status; wc -l < {proc}/maps; \
             for look in 1 2 3; do ls {proc}/fd | wc -l; sleep 0.1; done | sort -n | head -n 1"
        ));
        let numbers: Vec<u64> = said.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let [own, areas, files] = numbers[..] else { panic!("three numbers, not {said:?}") };
        Footprint { own, areas, files }
    }

    /// The last of these is not above the most of the first `warm`, up to what an allocator may vary by.
    pub fn assert_flat(trace: &[Footprint], warm: usize) {
        let most = |of: fn(&Footprint) -> u64| trace[..warm].iter().map(of).max().unwrap_or(0);
        let last = trace[trace.len() - 1];
        assert!(last.files <= most(|it| it.files), "open files: {trace:?}");
        assert!(last.areas <= most(|it| it.areas) + 8, "mapped areas: {trace:?}");
        assert!(last.own <= most(|it| it.own) + 2048, "memory, KiB: {trace:?}");
    }
}

/// Whether the first virtual terminal is in text mode, as it must be when nobody draws on the screen.
pub fn console_shows_text(machine: &mut Machine) -> bool {
    machine.run("kbdinfo -C /dev/tty1 getmode").trim() == "text"
}

/// Waits until the daemon is not running any more, and says how it ended (`success`, `signal`, `timeout` …).
pub fn wait_for_end(machine: &mut Machine) -> String {
    wait_for("the daemon ends", || {
        let said = machine.run("systemctl show -P ActiveState reverie; systemctl show -P Result reverie");
        let mut words = said.split_whitespace();
        matches!(words.next(), Some("inactive" | "failed")).then(|| words.next().unwrap_or_default().to_owned())
    })
}
