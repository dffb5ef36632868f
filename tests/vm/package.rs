//! The Debian packages, as a technician uses them: `deploy/package` builds them first.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Hardware, Kernel, Machine, Operator, Screen, console_shows_text, on_each_kernel, wait_at_most, wait_for,
};
use crate::picture::brightness;

on_each_kernel!(installed_it_dreams_upgraded_it_goes_on_and_purged_it_is_gone);

/// The shipped network in an emulated machine.
const SLOW: Duration = Duration::from_secs(600);

fn installed_it_dreams_upgraded_it_goes_on_and_purged_it_is_gone(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    // A fresh system: nothing of the harness's own.
    machine.run("rm /usr/bin/reverie /usr/lib/reverie /usr/share/reverie && rm -rf /etc/reverie");
    let before = machine.run(FILES);
    let operator = Operator::connect(machine.broker_port());

    machine.run("dpkg -i /mnt/packages/old/*.deb");
    operator.hear("status", |status| status == b"online");
    let dreams = || {
        wait_at_most(SLOW, "it dreams", || {
            let telemetry = operator.hear_json("telemetry", |_| true);
            (telemetry["provider"] == "cpu" && telemetry["fps"].as_f64() > Some(0.0)).then_some(telemetry)
        })
    };
    let told = dreams();
    eprintln!("{kernel:?}: {} dreams a second at {}x{}", told["fps"], told["width"], told["height"]);
    let seen = machine.keep_screen("installed");
    assert!(brightness(&seen) > 20.0 && told["display"].as_str().unwrap().starts_with("kms"), "{told}");
    let doctor = machine.try_run("reverie doctor");
    eprintln!("{}", doctor.out);

    // What a person changed, and what the mirror was told, outlasts an upgrade.
    machine.run("sed -i 's/^.params.$/[params]\\nzoom = 0.25/' /etc/reverie/reverie.toml && systemctl reload reverie");
    let command = |topic: &str, payload: serde_json::Value| {
        operator.publish(topic, &payload.to_string());
        operator.hear_json("reply", |reply| reply["ok"] == true)
    };
    wait_for("the configuration is read again", || (command("set", json!({}))["state"]["zoom"] == 0.25).then_some(()));
    command("do/save-scene", json!({"name": "mine"}));
    wait_for("the scene is kept", || {
        (machine.try_run("grep -q mine /var/lib/reverie/state.json").status == 0).then_some(())
    });
    machine.run("dpkg --force-confdef --force-confold -i /mnt/packages/*.deb");
    operator.hear("status", |status| status == b"online");
    dreams();
    wait_for("the record for the health check says so", || {
        (machine.try_run("grep -q '\"dreaming\":true' /run/reverie/status.json").status == 0).then_some(())
    });
    assert_eq!(command("set", json!({"scene": "mine"}))["state"]["zoom"], 0.25);
    assert_eq!(machine.run("dpkg-query -W -f '${Version}' reverie").trim(), format!("{}-1", env!("CARGO_PKG_VERSION")));

    machine.run("dpkg --remove reverie");
    assert!(console_shows_text(&mut machine));
    machine.run("test -e /etc/reverie/reverie.toml && test -e /var/lib/reverie/state.json");
    machine.run("dpkg --purge reverie reverie-onnxruntime");
    let left: Vec<String> = {
        let after = machine.run(FILES);
        after.lines().filter(|line| !before.contains(line)).map(str::to_owned).collect()
    };
    assert_eq!(left, Vec::<String>::new(), "left behind");
    assert_eq!(machine.run("systemctl show -P LoadState reverie").trim(), "not-found");
}

/// Everything that a package could leave; dpkg's own books and the system's users do not count.
const FILES: &str = "find /etc /usr /var /opt -xdev -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' \
                     -not -name 'passwd*' -not -name 'group*' -not -name 'shadow*' -not -name 'gshadow*' \
                     -not -path '/var/lib/systemd/*' -not -path '/var/tmp/*' | sort";
