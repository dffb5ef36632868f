//! Pixel formats: each of those we read arrives with its colours, in one plane and in several.

use crate::harness::{Kernel, Machine, Mirror, Vivid, daemon_log, on_each_kernel, plain_mirror, wait_until};
use crate::picture::{bars, bars_apart};

on_each_kernel!(
    every_format_of_one_plane_arrives_with_its_colours,
    every_format_of_several_planes_arrives_with_its_colours,
    a_camera_is_set_up_by_names,
);

/// Levels by which a bar may be off: two conversions, and two resizings.
const TOLERANCE: f64 = 4.0;

/// A plain mirror of a camera, with these settings of `[source]` besides.
fn mirror_of(settings: &str) -> String {
    plain_mirror(&format!("kind = \"v4l2\"\nsize = \"320x180\"\n{settings}"), "kind = \"kms\"")
}

fn every_format_arrives(kernel: Kernel, options: &str, formats: &[&str]) {
    let mut machine = Machine::start_virtio(kernel);
    let vivid = Vivid::plug(&mut machine, options);
    for format in formats {
        let expected = bars(&vivid.reference(&mut machine, format, 320, 180), 8);
        Mirror::start(&mut machine, &mirror_of(&format!("format = \"{format}\"")));
        let mut apart = f64::INFINITY;
        wait_until(&format!("the bars in {format}: {expected:.0?}"), || {
            apart = bars_apart(&bars(&machine.screen(), 8), &expected);
            apart <= TOLERANCE
        });
        let line = machine.run("journalctl -u reverie -o cat | grep '^camera: /dev/video0' | tail -n 1");
        assert!(line.contains(&format!("{format} 320x180")), "{line}");
        eprintln!("{kernel:?}: {format}{options}: bars at most {apart:.1} levels from the reference");
        machine.keep_screen(&format!("{format}{options}"));
        machine.run("systemctl stop reverie");
    }
}

fn every_format_of_one_plane_arrives_with_its_colours(kernel: Kernel) {
    every_format_arrives(kernel, "", &["YUYV", "UYVY", "NV12", "YU12", "RGB3", "BGR3", "GREY"]);
}

fn every_format_of_several_planes_arrives_with_its_colours(kernel: Kernel) {
    every_format_arrives(kernel, "multiplanar=2", &["NM12", "YM12", "NV12", "YUYV", "RGB3"]);
}

fn a_camera_is_set_up_by_names(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let vivid = Vivid::plug(&mut machine, "");
    let source = "device = [\"/dev/video7\", 0]\n\
                  controls = { brightness = 90, horizontal_flip = true, hue = 1000, gian = 1, test_pattern = \"75% Colorbar\" }";
    Mirror::start(&mut machine, &mirror_of(source));
    wait_until("the controls are set", || {
        let set = machine.run(&format!("v4l2-ctl -d {} --get-ctrl brightness,horizontal_flip", vivid.device));
        set.contains("brightness: 90") && set.contains("horizontal_flip: 1")
    });
    let log = daemon_log(&mut machine);
    assert!(log.contains("hue = 1000: it takes -128 to 128"), "{log}");
    assert!(log.contains("it has no control gian; did you mean gain?"), "{log}");
    let devices = machine.run("reverie devices --json");
    let devices: serde_json::Value = serde_json::from_str(&devices).expect("JSON");
    let camera = &devices["cameras"]["cameras"][0];
    assert_eq!(camera["card"], "vivid", "{devices}");
    assert!(devices["cameras"]["chosen"].as_str().is_some_and(|mode| mode.starts_with("/dev/video0 ")), "{devices}");
}
