//! Cameras of the guest: the kernel's virtual one, and one that is fed JPEG pictures.

use image::RgbImage;

use super::{Machine, wait_for};
use crate::colour::{Encoding, decode};

/// The kernel's virtual camera, `vivid`: 8 upright colour bars that stand still, without text over them.
pub struct Vivid {
    /// `/dev/video0`.
    pub device: String,
}

impl Vivid {
    /// Loads the driver. `options` are the module's, such as `multiplanar=2` (every device with several planes).
    pub fn plug(machine: &mut Machine, options: &str) -> Vivid {
        machine.run(&format!("modprobe vivid n_devs=1 node_types=0x1 {options} && udevadm settle"));
        let vivid = Vivid { device: "/dev/video0".to_owned() };
        vivid.control(machine, "test_pattern=0,osd_text_mode=2");
        vivid
    }

    /// Sets controls: `brightness=100,disconnect=1`.
    pub fn control(&self, machine: &mut Machine, controls: &str) {
        machine.run(&format!("v4l2-ctl -d {} --set-ctrl {controls}", self.device));
    }

    /// Takes the device away as a pulled cable does: its node goes, whoever streams gets ENODEV.
    pub fn unbind(&self, machine: &mut Machine) {
        machine.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind");
    }

    /// Gives it back, with the driver's defaults but for the still bars.
    pub fn bind(&self, machine: &mut Machine) {
        machine.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/bind && udevadm settle");
        wait_for("the camera's node", || {
            (machine.try_run(&format!("test -c {}", self.device)).status == 0).then_some(())
        });
        self.control(machine, "test_pattern=0,osd_text_mode=2");
    }

    /// A picture captured by v4l2-ctl and converted here: what any program should see. Nobody else may stream.
    pub fn reference(&self, machine: &mut Machine, format: &str, width: u32, height: u32) -> RgbImage {
        let device = &self.device;
        machine.run(&format!(
            "v4l2-ctl -d {device} --set-fmt-video=width={width},height={height},pixelformat={format} && \
             v4l2-ctl -d {device} --stream-mmap --stream-count=1 --stream-to=/tmp/reference"
        ));
        let about = machine.run(&format!("v4l2-ctl -d {device} --get-fmt-video"));
        assert!(about.contains(&format!("'{format}'")), "{device} does not take {format}: {about}");
        let bytes = machine.get("/tmp/reference");
        // v4l2-ctl writes the planes of one picture one after another.
        let in_one = match format {
            "NM12" => "NV12",
            "YM12" => "YU12",
            other => other,
        };
        decode(in_one, Encoding::told_by(&about), &bytes, width, height)
    }
}

/// A camera that sends one JPEG picture again and again: `v4l2loopback`, fed from a file.
pub struct JpegCamera {
    pub device: String,
}

impl JpegCamera {
    pub fn plug(machine: &mut Machine, jpeg: &[u8], width: u32, height: u32) -> JpegCamera {
        let device = "/dev/video10".to_owned();
        machine.put("/tmp/frame.jpg", jpeg);
        machine.run(&format!(
            "modprobe v4l2loopback video_nr=10 exclusive_caps=1 && udevadm settle && \
             v4l2-ctl -d {device} --set-fmt-video-out=width={width},height={height},pixelformat=MJPG && \
             v4l2-ctl -d {device} --set-ctrl keep_format=1"
        ));
        let camera = JpegCamera { device };
        camera.feed(machine);
        camera
    }

    /// Sends pictures, some twenty a second, until [`JpegCamera::starve`].
    pub fn feed(&self, machine: &mut Machine) {
        // A write is a picture.
        let device = &self.device;
        machine.run(&format!(
            "systemd-run --quiet --unit=feeder sh -c \
             'exec 3>{device}; while :; do dd if=/tmp/frame.jpg bs=4M status=none >&3; sleep 0.05; done'"
        ));
    }

    /// Sends nothing more: the device stays, and whoever streams waits.
    #[expect(dead_code, reason = "for the tests in which a camera falls silent")]
    pub fn starve(&self, machine: &mut Machine) {
        machine.run("systemctl stop feeder");
    }
}
