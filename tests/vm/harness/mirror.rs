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
        machine
            .run("cp /mnt/reverie.service /etc/systemd/system/ && systemctl daemon-reload && systemctl start reverie");
        operator.hear("status", |status| status == b"online");
        Mirror { operator }
    }

    /// The next telemetry (one comes every ten seconds) that `fits`.
    pub fn telemetry(&self, fits: impl Fn(&Json) -> bool) -> Json {
        self.operator.hear_json("telemetry", fits)
    }
}

/// The daemon's process, as systemd knows it.
pub fn main_pid(machine: &mut Machine) -> u32 {
    machine.run("systemctl show -P MainPID reverie").trim().parse().expect("a process number")
}

/// Resident memory in KiB, and open files, of the daemon.
pub fn footprint(machine: &mut Machine) -> (u64, u64) {
    let pid = main_pid(machine);
    let said = machine.run(&format!("awk '/VmRSS/ {{ print $2 }}' /proc/{pid}/status; ls /proc/{pid}/fd | wc -l"));
    let mut numbers = said.split_whitespace().map(|word| word.parse().expect("a number"));
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
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
