//! Monitors: placement and rotation are right, monitors may come and go, and the console comes back.

use std::time::Instant;

use image::{RgbImage, imageops};

use crate::harness::{
    Footprint, Hardware, Kernel, Machine, Mirror, Screen, configure, console_shows_text, install, main_pid,
    mirror_of_ramp, on_each_kernel, shows, wait_for_end, wait_until,
};
use crate::picture::{Placement, brightness, on_screen, ramp};

on_each_kernel!(
    every_placement_and_turn_is_right_by_kms,
    every_placement_and_turn_is_right_on_the_framebuffer,
    a_mode_is_set_by_name,
    the_picture_is_back_on_another_monitor,
    a_blank_monitor_is_switched_off_and_on,
    the_console_is_back_however_the_daemon_ends,
    the_boot_card_says_what_is_missing,
);

/// A plain mirror.
fn mirror_on(screen: &str) -> String {
    mirror_of_ramp(screen, "intensity = 0")
}

fn every_placement_and_turn_is_right(kernel: Kernel, kind: &str) {
    let mut machine = Machine::start_virtio(kernel);
    for (fit, placement) in [("fill", Placement::Fill), ("fit", Placement::Fit)] {
        for quarters in 0..4 {
            let screen = format!("kind = \"{kind}\"\nfit = \"{fit}\"\nrotate = {}", 90 * quarters);
            Mirror::start(&mut machine, &mirror_on(&screen));
            let expected = on_screen(&ramp(), 1280, 720, placement, quarters);
            wait_until(&format!("{fit}, {} degrees", 90 * quarters), || shows(&mut machine, &expected));
            machine.keep_screen(&format!("{kind}-{fit}-{}", 90 * quarters));
            machine.run("systemctl stop reverie");
        }
    }
    Mirror::start(&mut machine, &mirror_on(&format!("kind = \"{kind}\"\nmirror = true\nrotate = 90")));
    let expected = on_screen(&imageops::flip_horizontal(&ramp()), 1280, 720, Placement::Fill, 1);
    wait_until("mirrored, then turned", || shows(&mut machine, &expected));
}

fn every_placement_and_turn_is_right_by_kms(kernel: Kernel) {
    every_placement_and_turn_is_right(kernel, "kms");
}

fn every_placement_and_turn_is_right_on_the_framebuffer(kernel: Kernel) {
    every_placement_and_turn_is_right(kernel, "fbdev");
}

fn a_mode_is_set_by_name(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Bochs));
    Mirror::start(&mut machine, &mirror_on("kind = \"kms\"\nmode = \"1024x768\""));
    let expected = on_screen(&ramp(), 1024, 768, Placement::Fill, 0);
    wait_until("the picture in that mode", || shows(&mut machine, &expected));
    let listed = machine.run("reverie devices --config /etc/reverie/reverie.toml");
    assert!(listed.contains("used: kms /dev/dri/card0 Virtual-1 1024x768@"), "{listed}");
}

fn the_picture_is_back_on_another_monitor(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let mirror = Mirror::start(&mut machine, &mirror_on("kind = \"auto\""));
    let on = |width, height| on_screen(&ramp(), width, height, Placement::Fill, 0);
    wait_until("the picture is on the screen", || shows(&mut machine, &on(1280, 720)));
    let process = main_pid(&mut machine);
    let mut trace = Vec::new();
    let monitors = [(1024, 768), (800, 600), (1280, 720)];
    for (width, height) in monitors.repeat(4) {
        machine.set_monitor(0, 0);
        wait_until("the daemon sees the cable pulled", || {
            machine.run("journalctl -u reverie -o cat | grep screen | tail -n 1").contains("none")
        });
        machine.set_monitor(width, height);
        let plugged = Instant::now();
        wait_until("the picture is on the other monitor", || shows(&mut machine, &on(width.into(), height.into())));
        eprintln!("{kernel:?}: the picture on {width}x{height} after {:.2} s", plugged.elapsed().as_secs_f64());
        trace.push(Footprint::of_daemon(&mut machine));
    }
    assert_eq!(main_pid(&mut machine), process, "the daemon never ended");
    // All three were seen twice.
    Footprint::assert_flat(&trace, 6);
    let telemetry = mirror.telemetry(|telemetry| telemetry["display_lost"] == 12);
    assert!(telemetry["display"].as_str().is_some_and(|name| name.starts_with("kms ")), "{telemetry}");
}

fn a_blank_monitor_is_switched_off_and_on(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let mirror = Mirror::start(&mut machine, &mirror_on("kind = \"kms\""));
    let expected = on_screen(&ramp(), 1280, 720, Placement::Fill, 0);
    let is =
        |machine: &mut Machine, power: &str| machine.run("cat /sys/class/drm/card0-Virtual-1/dpms").trim() == power;
    wait_until("the picture is on the screen", || shows(&mut machine, &expected));
    wait_until("the monitor is on", || is(&mut machine, "On"));
    mirror.operator.set(serde_json::json!({"blank": true}));
    wait_until("the monitor is off", || is(&mut machine, "Off"));
    mirror.operator.set(serde_json::json!({"blank": false, "brightness": 0.5}));
    wait_until("the monitor is on again", || is(&mut machine, "On"));
    let mut dimmed = expected.clone();
    dimmed.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value / 2));
    wait_until("half of the light", || shows(&mut machine, &dimmed));
    mirror.operator.set(serde_json::json!({"brightness": 1.0}));
    wait_until("all of it", || shows(&mut machine, &expected));
}

fn the_console_is_back_however_the_daemon_ends(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    // Else systemd starts it again before the console is checked.
    machine.run("mkdir -p /etc/systemd/system/reverie.service.d");
    machine.put("/etc/systemd/system/reverie.service.d/once.conf", b"[Service]\nRestart=no\n");
    let expected = on_screen(&ramp(), 1280, 720, Placement::Fill, 0);
    for kind in ["kms", "fbdev"] {
        for end in ["systemctl stop reverie", "systemctl kill -s TERM reverie", "systemctl kill -s KILL reverie"] {
            Mirror::start(&mut machine, &mirror_on(&format!("kind = \"{kind}\"")));
            wait_until("the picture is on the screen", || shows(&mut machine, &expected));
            assert!(!console_shows_text(&mut machine), "{kind}: the terminal draws on the picture");
            machine.run(end);
            let ended = wait_for_end(&mut machine);
            assert_eq!(ended == "success", !end.contains("KILL"), "{end}: {ended}");
            assert!(console_shows_text(&mut machine), "{kind}, {end}");
            machine.run("clear >/dev/tty1; echo here again >/dev/tty1");
            wait_until(&format!("{kind}, {end}: text on the console is visible"), || {
                let screen = machine.screen();
                let light = brightness(&screen);
                screen.dimensions() == (1280, 720) && light > 0.01 && light < 10.0
            });
            machine.run("systemctl reset-failed reverie || true");
        }
    }
}

fn the_boot_card_says_what_is_missing(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let config = mirror_on("kind = \"kms\"") + "[runtime]\nonnxruntime = \"/nowhere/libonnxruntime.so\"\n";
    configure(&mut machine, &config);
    install(&mut machine);
    machine.run("systemctl start --no-block reverie");
    let has = |screen: &RgbImage, colour: [u8; 3]| screen.pixels().any(|pixel| pixel.0 == colour);
    wait_until("the card is on the screen, with what is missing in amber", || {
        let screen = machine.screen();
        screen.get_pixel(5, 5).0 == [10, 10, 16] && has(&screen, [242, 174, 73])
    });
    machine.keep_screen("card");
    let log = machine.run("journalctl -u reverie -o short-monotonic");
    // Stamps are seconds since boot, in brackets.
    let at = |text: &str| -> Option<f64> {
        let line = log.lines().find(|line| line.contains(text))?;
        line.split(['[', ']']).nth(1)?.trim().parse().ok()
    };
    let took = at("screen: kms").zip(at("Starting ")).map(|(screen, start)| screen - start);
    eprintln!("{kernel:?}: the screen is lit {:.2} s after the start", took.expect("both are in the journal"));
}
