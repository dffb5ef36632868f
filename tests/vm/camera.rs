//! Cameras: their colours arrive.

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

use crate::harness::{JpegCamera, Kernel, Machine, Mirror, Vivid, main_pid, on_each_kernel, plain_mirror, wait_until};
use crate::picture::{bars, bars_apart};

on_each_kernel!(
    yuyv_of_vivid_arrives_with_its_colours,
    mjpg_arrives_with_its_colours,
    a_camera_taken_away_and_given_back_is_taken_up_again,
    the_first_camera_ever_may_be_plugged_in_later,
);

/// Levels by which a bar may be off: two conversions, two resizings, and JPEG if used.
const TOLERANCE: f64 = 5.0;

/// A plain mirror of a camera.
fn mirror_of(device: &str) -> String {
    let source = format!("kind = \"v4l2\"\ndevice = \"{device}\"\nsize = \"640x360\"");
    plain_mirror(&source, "kind = \"fbdev\"")
}

fn wait_for_bars(machine: &mut Machine, expected: &[[f64; 3]]) {
    wait_until(&format!("these bars are on the screen: {expected:.0?}"), || {
        bars_apart(&bars(&machine.screen(), 8), expected) <= TOLERANCE
    });
}

fn yuyv_of_vivid_arrives_with_its_colours(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let vivid = Vivid::plug(&mut machine, "");
    let expected = bars(&vivid.reference(&mut machine, "YUYV", 640, 360), 8);
    Mirror::start(&mut machine, &mirror_of(&vivid.device));
    wait_for_bars(&mut machine, &expected);
    machine.keep_screen("bars");
}

fn mjpg_arrives_with_its_colours(kernel: Kernel) {
    let colours =
        [[191; 3], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [20; 3]];
    let picture = RgbImage::from_fn(640, 360, |x, _| Rgb(colours[x as usize / 80]));
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&picture).expect("a JPEG");
    let mut machine = Machine::start_virtio(kernel);
    let camera = JpegCamera::plug(&mut machine, &jpeg, 640, 360);
    Mirror::start(&mut machine, &mirror_of(&camera.device));
    wait_for_bars(&mut machine, &bars(&picture, 8));
    machine.keep_screen("bars");
}

fn a_camera_taken_away_and_given_back_is_taken_up_again(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let vivid = Vivid::plug(&mut machine, "");
    let upright = bars(&vivid.reference(&mut machine, "YUYV", 640, 360), 8);
    let flipped: Vec<[f64; 3]> = upright.iter().rev().copied().collect();
    Mirror::start(&mut machine, &mirror_of(&vivid.device));
    wait_for_bars(&mut machine, &upright);
    let process = main_pid(&mut machine);
    // Flipped each time, so that no old picture passes for a new one.
    for (flip, expected) in [(1, &flipped), (0, &upright), (1, &flipped)] {
        vivid.unbind(&mut machine);
        vivid.bind(&mut machine);
        vivid.control(&mut machine, &format!("horizontal_flip={flip}"));
        wait_for_bars(&mut machine, expected);
    }
    assert_eq!(main_pid(&mut machine), process, "the daemon never ended");
}

/// The service starts where no camera driver is loaded.
fn the_first_camera_ever_may_be_plugged_in_later(kernel: Kernel) {
    // In another machine: once a driver was loaded, the kernel knows such devices.
    let mut other = Machine::start_virtio(kernel);
    let vivid = Vivid::plug(&mut other, "");
    let expected = bars(&vivid.reference(&mut other, "YUYV", 640, 360), 8);
    drop(other);
    let mut machine = Machine::start_virtio(kernel);
    assert_eq!(machine.run("grep video4linux /proc/devices || true"), "");
    Mirror::start(&mut machine, &mirror_of(&vivid.device));
    Vivid::plug(&mut machine, "");
    wait_for_bars(&mut machine, &expected);
}
