//! The machine itself, and the daemon in it.

use serde_json::json;

use crate::harness::{
    Kernel, Machine, Mirror, configure, console_shows_text, daemon_log, main_pid, mirror_of_ramp, on_each_kernel,
    shows, wait_for_end, wait_until,
};
use crate::picture::{Placement, brightness, difference, on_screen, ramp};

on_each_kernel!(
    boots,
    mirrors_dreams_and_stops_on_the_framebuffer,
    killed_it_comes_back,
    a_reload_is_not_seen,
    a_full_disk_is_named_and_what_was_not_kept_is_kept_when_there_is_room,
);

/// A plain mirror: dreams are not shown.
fn on_framebuffer() -> String {
    mirror_of_ramp("kind = \"fbdev\"", "intensity = 0")
}

fn boots(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
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
    let mut machine = Machine::start_virtio(kernel);
    let mirror = Mirror::start(&mut machine, &on_framebuffer());
    let expected = on_screen(&ramp(), 1280, 720, Placement::Fill, 0);
    wait_until("the picture is on the screen", || shows(&mut machine, &expected));
    machine.keep_screen("mirror");

    mirror.operator.set(json!({"blank": true}));
    // For a monitor that is off QEMU shows a message in small letters.
    wait_until("the screen is dark", || brightness(&machine.screen()) < 1.0);
    mirror.operator.set(json!({"blank": false}));
    wait_until("the picture is back", || shows(&mut machine, &expected));

    mirror.operator.set(json!({"intensity": 1.0, "step": 10.0}));
    wait_until("it dreams", || difference(&machine.screen(), &expected).mean > 10.0);
    machine.keep_screen("dream");
    let telemetry = mirror.telemetry(|telemetry| telemetry["provider"] == "cpu" && telemetry["command_ms"].is_number());
    eprintln!(
        "{kernel:?}: {} ms from the camera to the screen, {} from a command",
        telemetry["latency_ms"], telemetry["command_ms"]
    );
    assert!(telemetry["latency_ms"].as_f64() > Some(0.0), "{telemetry}");
    assert_eq!((&telemetry["width"], &telemetry["height"]), (&json!(96), &json!(64)), "{telemetry}");

    machine.run("systemctl stop reverie");
    assert_eq!(wait_for_end(&mut machine), "success");
    mirror.operator.receive_status("offline");
}

fn killed_it_comes_back(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let mirror = Mirror::start(&mut machine, &on_framebuffer());
    let process = main_pid(&mut machine);
    machine.run("systemctl kill --signal=KILL reverie");
    // The broker publishes its last will.
    mirror.operator.receive_status("offline");
    mirror.operator.receive_status("online");
    assert_ne!(main_pid(&mut machine), process);
}

/// The picture does not change while the configuration is reloaded again and again.
fn a_reload_is_not_seen(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let config = mirror_of_ramp("kind = \"kms\"", "intensity = 0");
    let mirror = Mirror::start(&mut machine, &config);
    let expected = on_screen(&ramp(), 1280, 720, Placement::Fill, 0);
    wait_until("the picture is on the screen", || shows(&mut machine, &expected));
    let process = main_pid(&mut machine);
    for time in 1..=5 {
        let hold = 100 + time;
        configure(&mut machine, &config.replace("intensity = 0", &format!("intensity = 0\nhold = {hold}")));
        machine.run("systemd-run --quiet systemctl reload reverie");
        wait_until("the configuration is in effect", || {
            let apart = difference(&machine.screen(), &expected);
            assert!(apart.max <= 6, "the picture changed: {apart:?}");
            mirror.operator.publish("set", "{}");
            let reply = mirror.operator.receive_json("reply", |_| true);
            reply["state"]["hold"] == f64::from(hold)
        });
    }
    assert_eq!(main_pid(&mut machine), process);
}

fn a_full_disk_is_named_and_what_was_not_kept_is_kept_when_there_is_room(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    machine.run("mkdir -p /var/lib/reverie && mount -t tmpfs -o size=1m tmpfs /var/lib/reverie");
    let mirror = Mirror::start(&mut machine, &on_framebuffer());
    let _ = machine.try_run("cat /dev/zero >/var/lib/reverie/filler");
    mirror.operator.set(json!({"drift_angle": 77}));
    wait_until("the journal names it", || daemon_log(&mut machine).contains("No space left on device"));
    let doctor = machine.try_run("reverie doctor --json");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&doctor.out).expect("findings");
    let disk = findings.iter().find(|finding| finding["about"] == "disk").expect("the disk is checked");
    assert!(doctor.status == 2 && disk["verdict"] == "failure", "{disk}");
    assert!(disk["seen"].as_str().is_some_and(|seen| seen.contains("0 MB free at /var/lib/reverie: full")), "{disk}");

    machine.run("rm /var/lib/reverie/filler");
    wait_until("it is kept after all", || {
        machine.succeeds("grep -q '\"drift_angle\": 77' /var/lib/reverie/state.json")
    });
}
