//! The daemon in the guest: a real unit of a real systemd, directed over MQTT.

use image::RgbImage;
use serde_json::Value as Json;

use super::operator::Operator;
use super::{Machine, wait_for};
use crate::picture::{brightness, difference};

pub struct Mirror {
    pub operator: Operator,
}

impl Mirror {
    /// Starts the daemon with this configuration (TOML) and waits until systemd reports it ready: with the first picture
    /// shown.
    pub fn start(machine: &mut Machine, config: &str) -> Mirror {
        let operator = Operator::connect(machine.broker_port());
        configure(machine, config);
        install(machine);
        machine.run("systemctl start reverie");
        operator.receive_status("online");
        Mirror { operator }
    }

    /// The next telemetry (published every ten seconds) that `matches`.
    pub fn telemetry(&self, matches: impl Fn(&Json) -> bool) -> Json {
        self.operator.receive_json("telemetry", matches)
    }
}

/// Whether the daemon that publishes this telemetry dreams.
pub fn is_dreaming(telemetry: &Json) -> bool {
    telemetry["provider"] == "cpu" && telemetry["fps"].as_f64() > Some(0.0)
}

/// A configuration of these sections (lines of TOML), with dream and canvas of `size`.
fn config(source: &str, screen: &str, size: &str, params: &str) -> String {
    format!(
        r#"
[source]
{source}

[screen]
{screen}

[dream]
size = "{size}"
canvas = "{size}"

[params]
{params}
"#
    )
}

/// A configuration that shows the picture of `picture::ramp`. At an intensity of 0 what must be on the screen is known to the
/// pixel.
pub fn mirror_of_ramp(screen: &str, params: &str) -> String {
    let source = r#"kind = "still"
path = "/usr/share/reverie/photos/ramp.png"
size = "96x64"
wander = false"#;
    config(source, screen, "96x64", params)
}

/// A configuration that shows its source as it is: without dreams, and not mirrored.
pub fn plain_mirror(source: &str, screen: &str) -> String {
    config(source, screen, "128x72", "intensity = 0\nmirror = false")
}

/// Writes the daemon's configuration.
pub fn configure(machine: &mut Machine, config: &str) {
    machine.put("/etc/reverie/reverie.toml", config.as_bytes());
}

/// The daemon's log, without time stamps.
pub fn daemon_log(machine: &mut Machine) -> String {
    machine.run("journalctl -u reverie -o cat")
}

/// Whether the monitor shows a picture, and neither text nor nothing.
pub fn shows_a_picture(machine: &mut Machine) -> bool {
    brightness(&machine.screen()) > 30.0
}

/// Whether the monitor shows `expected`.
pub fn shows(machine: &mut Machine, expected: &RgbImage) -> bool {
    let screen = machine.screen();
    if screen.dimensions() != expected.dimensions() {
        return false;
    }
    let apart = difference(&screen, expected);
    apart.max <= 6 && apart.mean <= 2.0
}

/// The daemon's process id.
pub fn main_pid(machine: &mut Machine) -> u32 {
    machine.run("systemctl show -P MainPID reverie").trim().parse().expect("a process number")
}

/// Installs the unit and its user.
pub fn install(machine: &mut Machine) {
    machine.run(
        "systemd-sysusers /mnt/systemd/sysusers.conf && cp -r /mnt/systemd/reverie.service* /etc/systemd/system/ && \
         systemctl daemon-reload",
    );
}

/// What the daemon holds. File-backed pages do not count: the kernel drops and reads them as it likes.
#[derive(Debug, Clone, Copy)]
pub struct Footprint {
    /// Resident anonymous memory, in KiB.
    pub memory: u64,
    /// Memory mappings: each buffer of a camera or of a screen is one.
    pub mappings: u64,
    /// Open files: the least of three counts, since a file that is polled is open for a moment.
    pub files: u64,
}

impl Footprint {
    pub fn of_daemon(machine: &mut Machine) -> Footprint {
        let proc = format!("/proc/{}", main_pid(machine));
        let output = machine.run(&format!(
            "awk '/RssAnon/ {{ print $2 }}' {proc}/status; wc -l < {proc}/maps; \
             for count in 1 2 3; do ls {proc}/fd | wc -l; sleep 0.1; done | sort -n | head -n 1"
        ));
        let numbers: Vec<u64> = output.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let [memory, mappings, files] = numbers[..] else { panic!("three numbers, not {output:?}") };
        Footprint { memory, mappings, files }
    }

    /// Asserts that the last is not above the largest of the first `warm_up`, but for what an allocator may vary by.
    pub fn assert_flat(trace: &[Footprint], warm_up: usize) {
        let most = |of: fn(&Footprint) -> u64| trace[..warm_up].iter().map(of).max().unwrap_or(0);
        let last = trace[trace.len() - 1];
        assert!(last.files <= most(|it| it.files), "open files: {trace:?}");
        assert!(last.mappings <= most(|it| it.mappings) + 8, "memory mappings: {trace:?}");
        assert!(last.memory <= most(|it| it.memory) + 2048, "memory, KiB: {trace:?}");
    }
}

/// Whether the first virtual terminal is in text mode, as it must be when nobody draws on the screen.
pub fn console_shows_text(machine: &mut Machine) -> bool {
    machine.run("kbdinfo -C /dev/tty1 getmode").trim() == "text"
}

/// Waits until the daemon has ended, and returns systemd's result (`success`, `signal`, `timeout` …).
pub fn wait_for_end(machine: &mut Machine) -> String {
    wait_for("the daemon ends", || {
        let output = machine.run("systemctl show -P ActiveState reverie; systemctl show -P Result reverie");
        let mut words = output.split_whitespace();
        matches!(words.next(), Some("inactive" | "failed")).then(|| words.next().unwrap_or_default().to_owned())
    })
}
