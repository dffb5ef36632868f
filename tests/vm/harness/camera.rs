//! Cameras of the guest: the kernel's virtual one, and one that plays a JPEG picture.

use image::RgbImage;

use super::{Machine, wait_until};
use crate::colour::{Encoding, decode};

/// The kernel's virtual camera, `vivid`: 8 static vertical colour bars, without text over them.
pub struct Vivid {
    /// `/dev/video0`.
    pub device: String,
}

impl Vivid {
    /// Loads the driver. `options` are the module's, such as `multiplanar=2` (formats of several planes).
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

    /// Unplugs the camera: as with a pulled cable its node goes, and whoever streams gets ENODEV.
    pub fn unbind(&self, machine: &mut Machine) {
        machine.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind");
    }

    /// Plugs it in again, with the driver's defaults but for the static bars.
    pub fn bind(&self, machine: &mut Machine) {
        machine.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/bind && udevadm settle");
        wait_until("the camera's node", || machine.succeeds(&format!("test -c {}", self.device)));
        self.control(machine, "test_pattern=0,osd_text_mode=2");
    }

    /// A picture captured by v4l2-ctl and converted here, to compare with. Nothing else may stream.
    pub fn reference(&self, machine: &mut Machine, format: &str, width: u32, height: u32) -> RgbImage {
        let device = &self.device;
        machine.run(&format!(
            "v4l2-ctl -d {device} --set-fmt-video=width={width},height={height},pixelformat={format} && \
             v4l2-ctl -d {device} --stream-mmap --stream-count=1 --stream-to=/tmp/reference"
        ));
        let properties = machine.run(&format!("v4l2-ctl -d {device} --get-fmt-video"));
        assert!(properties.contains(&format!("'{format}'")), "{device} does not take {format}: {properties}");
        let bytes = machine.get("/tmp/reference");
        // v4l2-ctl writes the planes of one picture one after another.
        let single_planar = match format {
            "NM12" => "NV12",
            "YM12" => "YU12",
            other => other,
        };
        decode(single_planar, Encoding::parse(&properties), &bytes, width, height)
    }
}

/// A camera that repeats one JPEG picture: `v4l2loopback`, fed from a file.
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
        // Each write is a picture.
        let device = &self.device;
        machine.run(&format!(
            "systemd-run --quiet --unit=feeder sh -c \
             'exec 3>{device}; while :; do dd if=/tmp/frame.jpg bs=4M status=none >&3; sleep 0.05; done'"
        ));
    }

    /// Stops sending: the device stays, and whoever streams waits.
    #[expect(dead_code, reason = "for the tests in which a camera stalls")]
    pub fn starve(&self, machine: &mut Machine) {
        machine.run("systemctl stop feeder");
    }
}
