//! The Debian packages, as a technician uses them: `deploy/package` builds them first.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Kernel, Machine, Operator, console_shows_text, is_dreaming, on_each_kernel, wait_at_most, wait_until,
};
use crate::picture::brightness;

on_each_kernel!(installed_it_dreams_upgraded_it_goes_on_and_purged_it_is_gone);

/// Time for the shipped network's first dreams in an emulated machine.
const DREAM_TIMEOUT: Duration = Duration::from_secs(600);

fn installed_it_dreams_upgraded_it_goes_on_and_purged_it_is_gone(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    // A fresh system: nothing of the harness's own.
    machine.run("rm /usr/bin/reverie /usr/lib/reverie /usr/share/reverie && rm -rf /etc/reverie");
    let before = machine.run(FILES);
    let operator = Operator::connect(machine.broker_port());

    machine.run("dpkg -i /mnt/packages/old/*.deb");
    operator.receive_status("online");
    let dreams = || {
        wait_at_most(DREAM_TIMEOUT, "it dreams", || {
            Some(operator.receive_json("telemetry", |_| true)).filter(is_dreaming)
        })
    };
    let telemetry = dreams();
    eprintln!("{kernel:?}: {} dreams a second at {}x{}", telemetry["fps"], telemetry["width"], telemetry["height"]);
    let screen = machine.keep_screen("installed");
    assert!(brightness(&screen) > 20.0 && telemetry["display"].as_str().unwrap().starts_with("kms"), "{telemetry}");
    let doctor = machine.try_run("reverie doctor");
    eprintln!("{}", doctor.out);

    // Edits of the configuration, and saved scenes, survive an upgrade.
    machine.run("sed -i 's/^.params.$/[params]\\nzoom = 0.25/' /etc/reverie/reverie.toml && systemctl reload reverie");
    let command = |topic: &str, payload: serde_json::Value| {
        operator.publish(topic, &payload.to_string());
        operator.receive_json("reply", |reply| reply["ok"] == true)
    };
    wait_until("the configuration is read again", || command("set", json!({}))["state"]["zoom"] == 0.25);
    command("do/save-scene", json!({"name": "mine"}));
    wait_until("the scene is kept", || machine.succeeds("grep -q mine /var/lib/reverie/state.json"));
    machine.run("dpkg --force-confdef --force-confold -i /mnt/packages/*.deb");
    operator.receive_status("online");
    dreams();
    wait_until("the record for the health check says so", || {
        machine.succeeds("grep -q '\"dreaming\":true' /run/reverie/status.json")
    });
    let verdict = machine.run("reverie healthcheck --wait 300");
    assert!(verdict.contains("service"), "{verdict}");
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

/// Everything that a package could leave behind; dpkg's own database and the system's users do not count.
const FILES: &str = "find /etc /usr /var /opt -xdev -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' \
                     -not -name 'passwd*' -not -name 'group*' -not -name 'shadow*' -not -name 'gshadow*' \
                     -not -path '/var/lib/systemd/*' -not -path '/var/tmp/*' | sort";
