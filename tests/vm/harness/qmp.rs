//! QMP, QEMU's own protocol: screendumps, devices plugged and unplugged, the machine's state.

use std::path::Path;

use image::RgbImage;
use serde_json::{Value as Json, json};

use super::lines::Lines;
use super::{TIMEOUT, wait_for, wait_until};

pub struct Qmp(Lines);

impl Qmp {
    pub fn connect(path: &Path) -> Qmp {
        let mut lines = Lines::connect(path);
        lines.receive(TIMEOUT).expect("QEMU's greeting");
        let mut qmp = Qmp(lines);
        qmp.ask("qmp_capabilities", json!({}));
        qmp
    }

    /// What `command` returns; QEMU's refusal ends the test.
    pub fn ask(&mut self, command: &str, arguments: Json) -> Json {
        self.0.ask("QEMU", command, &arguments)
    }

    /// A command of the human monitor, and what it prints.
    pub fn human(&mut self, command: &str) -> String {
        let output = self.ask("human-monitor-command", json!({"command-line": command}));
        output.as_str().unwrap_or_default().to_owned()
    }

    /// What the monitor shows, as a PNG at `file`, which is read back.
    pub fn screendump(&mut self, file: &Path) -> RgbImage {
        self.ask("screendump", json!({"filename": file, "format": "png"}));
        image::open(file).expect("the screendump is a picture").into_rgb8()
    }

    /// Plugs in a read-only disk.
    pub fn add_disk(&mut self, name: &str, file: &Path) {
        let file = json!({"driver": "file", "filename": file});
        self.ask("blockdev-add", json!({"driver": "raw", "node-name": name, "read-only": true, "file": file}));
        self.ask("device_add", json!({"driver": "virtio-blk-pci", "drive": name, "id": format!("{name}-disk")}));
    }

    /// Plugs in a device: a driver of QEMU's, an identity, properties.
    #[expect(dead_code, reason = "for tests with USB devices")]
    pub fn add_device(&mut self, driver: &str, id: &str, mut properties: Json) {
        properties["driver"] = driver.into();
        properties["id"] = id.into();
        self.ask("device_add", properties);
    }

    /// Unplugs a device.
    #[expect(dead_code, reason = "for tests with USB devices")]
    pub fn remove_device(&mut self, id: &str) {
        self.ask("device_del", json!({"id": id}));
    }

    /// Writes the machine's state to `file`. The machine is stopped afterwards.
    pub fn save(&mut self, file: &Path) {
        self.ask("stop", json!({}));
        self.ask("migrate-set-parameters", json!({"max-bandwidth": 10_u64 << 30}));
        self.ask("migrate", json!({"uri": format!("exec:cat >'{}'", file.display())}));
        let status = wait_for("the machine's state saved", || {
            let status = self.ask("query-migrate", json!({}))["status"].as_str().unwrap_or_default().to_owned();
            matches!(status.as_str(), "completed" | "failed").then_some(status)
        });
        assert_eq!(status, "completed", "saving the machine's state");
    }

    /// Resumes the machine, as soon as its state is restored.
    pub fn resume(&mut self) {
        wait_until("the machine's state restored", || self.ask("query-status", json!({}))["status"] != "inmigrate");
        self.ask("cont", json!({}));
    }
}
