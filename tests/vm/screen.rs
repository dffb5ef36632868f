//! Screens: the monitor shows what is sent.

use crate::harness::{Hardware, Kernel, Machine, Mirror, Screen, mirror_of_ramp, on_each_kernel, wait_until};
use crate::picture::{Placement, difference, on_screen, ramp};

on_each_kernel!(
    a_framebuffer_of_32_bits_shows_the_picture,
    a_framebuffer_of_24_bits_shows_the_picture,
    a_framebuffer_of_16_bits_shows_the_picture,
    the_monitor_is_unplugged_and_another_plugged_in,
);

fn a_framebuffer_of_32_bits_shows_the_picture(kernel: Kernel) {
    framebuffer_shows_the_picture(Hardware::new(kernel, Screen::Bochs), 32);
}

fn a_framebuffer_of_24_bits_shows_the_picture(kernel: Kernel) {
    let hardware = Hardware { kernel_arguments: "video=800x600-24", ..Hardware::new(kernel, Screen::Cirrus) };
    framebuffer_shows_the_picture(hardware, 24);
}

fn a_framebuffer_of_16_bits_shows_the_picture(kernel: Kernel) {
    let hardware = Hardware { kernel_arguments: "video=800x600-16", ..Hardware::new(kernel, Screen::Cirrus) };
    framebuffer_shows_the_picture(hardware, 16);
}

fn framebuffer_shows_the_picture(hardware: Hardware, bits: u32) {
    let mut machine = Machine::start(hardware);
    assert_eq!(machine.run("cat /sys/class/graphics/fb0/bits_per_pixel").trim(), bits.to_string());
    Mirror::start(&mut machine, &mirror_of_ramp("kind = \"fbdev\"", "intensity = 0"));
    let (width, height) = machine.screen().dimensions();
    let expected = on_screen(&ramp(), width, height, Placement::Fill, 0);
    // Five bits a channel are steps of eight levels.
    let most = if bits == 16 { 12 } else { 6 };
    wait_until("the picture is on the screen", || difference(&machine.screen(), &expected).max <= most);
    machine.keep_screen("picture");
}

/// The machine alone: the kernel sees the cable pulled, and the other monitor's mode.
fn the_monitor_is_unplugged_and_another_plugged_in(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let connector = "/sys/class/drm/card0-Virtual-1";
    let is = |machine: &mut Machine, status: &str| {
        let path = format!("{connector}/status");
        wait_until(&format!("the connector is {status}"), || machine.run(&format!("cat {path}")).trim() == status);
    };
    is(&mut machine, "connected");
    machine.set_monitor(0, 0);
    is(&mut machine, "disconnected");
    machine.set_monitor(1024, 768);
    is(&mut machine, "connected");
    // sysfs shows the last probe, and the kernel's own came before the new EDID: modetest makes another.
    wait_until("the monitor's own mode comes first", || {
        machine.run("modetest -M virtio_gpu -c").contains("#0 1024x768")
    });
}
