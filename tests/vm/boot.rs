//! The machine itself, and the daemon in it.

use serde_json::json;

use crate::harness::{
    Hardware, Kernel, Machine, Mirror, Screen, console_shows_text, main_pid, mirror_of_ramp, on_each_kernel, wait_for,
    wait_for_end,
};
use crate::picture::{Placement, brightness, difference, on_screen, ramp};

on_each_kernel!(
    boots,
    mirrors_dreams_and_stops_on_the_framebuffer,
    killed_it_comes_back,
    a_reload_is_not_seen,
    a_full_disk_is_named_and_what_was_not_kept_is_kept_when_there_is_room,
);

/// Nothing dreams until it is told.
fn on_framebuffer() -> String {
    mirror_of_ramp("kind = \"fbdev\"", "intensity = 0")
}

fn boots(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let release = machine.run("uname -r");
    let wanted = if kernel == Kernel::Linux6 { "6.12." } else { "7." };
    assert!(release.starts_with(wanted), "{release}");
    let failed = machine.run("systemctl list-units --failed --no-legend");
    assert_eq!(failed, "", "units that failed");
    machine.run("test -c /dev/dri/card0 && test -c /dev/fb0");
    let console = machine.keep_screen("console");
    assert_eq!(console.dimensions(), (1280, 720));
    assert!(brightness(&console) > 0.1, "the console shows text");
    assert!(console_shows_text(&mut machine));
}

fn mirrors_dreams_and_stops_on_the_framebuffer(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let mirror = Mirror::start(&mut machine, &on_framebuffer());
    let expected = on_screen(&ramp(), 1280, 720, Placement::Fill, 0);
    let shows_ramp = |machine: &mut Machine| {
        let seen = difference(&machine.screen(), &expected);
        (seen.max <= 6 && seen.mean <= 2.0).then_some(())
    };
    wait_for("the picture is on the screen", || shows_ramp(&mut machine));

    machine.keep_screen("mirror");

    mirror.operator.set(json!({"blank": true}));
    // Switched off, QEMU says so in small letters.
    wait_for("the screen is dark", || (brightness(&machine.screen()) < 1.0).then_some(()));
    mirror.operator.set(json!({"blank": false}));
    wait_for("the picture is back", || shows_ramp(&mut machine));

    mirror.operator.set(json!({"intensity": 1.0, "step": 10.0}));
    wait_for("it dreams", || (difference(&machine.screen(), &expected).mean > 10.0).then_some(()));
    machine.keep_screen("dream");
    let told = mirror.telemetry(|telemetry| telemetry["provider"] == "cpu" && telemetry["command_ms"].is_number());
    eprintln!(
        "{kernel:?}: {} ms from the camera to the screen, {} from a command",
        told["latency_ms"], told["command_ms"]
    );
    assert!(told["latency_ms"].as_f64() > Some(0.0), "{told}");
    assert_eq!((&told["width"], &told["height"]), (&json!(96), &json!(64)), "{told}");

    machine.run("systemctl stop reverie");
    assert_eq!(wait_for_end(&mut machine), "success");
    mirror.operator.hear("status", |status| status == b"offline");
}

fn killed_it_comes_back(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let mirror = Mirror::start(&mut machine, &on_framebuffer());
    let process = main_pid(&mut machine);
    machine.run("systemctl kill --signal=KILL reverie");
    // The broker says the last words of one that died.
    mirror.operator.hear("status", |status| status == b"offline");
    mirror.operator.hear("status", |status| status == b"online");
    assert_ne!(main_pid(&mut machine), process);
}

/// The picture stands there all the time, while the configuration is read again and again.
fn a_reload_is_not_seen(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let config = mirror_of_ramp("kind = \"kms\"", "intensity = 0");
    let mirror = Mirror::start(&mut machine, &config);
    let expected = on_screen(&ramp(), 1280, 720, Placement::Fill, 0);
    wait_for("the picture is on the screen", || (difference(&machine.screen(), &expected).max <= 6).then_some(()));
    let process = main_pid(&mut machine);
    for time in 1..=5 {
        let hold = 100 + time;
        machine.put(
            "/etc/reverie/reverie.toml",
            config.replace("intensity = 0", &format!("intensity = 0\nhold = {hold}")).as_bytes(),
        );
        machine.run("systemd-run --quiet systemctl reload reverie");
        wait_for("the configuration is in effect", || {
            let seen = difference(&machine.screen(), &expected);
            assert!(seen.max <= 6, "something else was seen: {seen:?}");
            mirror.operator.publish("set", "{}");
            let reply = mirror.operator.hear_json("reply", |_| true);
            (reply["state"]["hold"] == f64::from(hold)).then_some(())
        });
    }
    assert_eq!(main_pid(&mut machine), process);
}

fn a_full_disk_is_named_and_what_was_not_kept_is_kept_when_there_is_room(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    machine.run("mkdir -p /var/lib/reverie && mount -t tmpfs -o size=1m tmpfs /var/lib/reverie");
    let mirror = Mirror::start(&mut machine, &on_framebuffer());
    let _ = machine.try_run("cat /dev/zero >/var/lib/reverie/filler");
    mirror.operator.set(json!({"drift_angle": 77}));
    wait_for("the journal tells it", || {
        machine.run("journalctl -u reverie -o cat").contains("No space left on device").then_some(())
    });
    let doctor = machine.try_run("reverie doctor --json");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&doctor.out).expect("findings");
    let disk = findings.iter().find(|finding| finding["about"] == "disk").expect("the disk is looked at");
    assert!(doctor.status == 2 && disk["verdict"] == "failure", "{disk}");
    assert!(disk["seen"].as_str().is_some_and(|seen| seen.contains("0 MB free at /var/lib/reverie: full")), "{disk}");

    machine.run("rm /var/lib/reverie/filler");
    wait_for("it is kept after all", || {
        (machine.try_run("grep -q '\"drift_angle\": 77' /var/lib/reverie/state.json").status == 0).then_some(())
    });
}
