//! The power is cut at random moments, while the saved state changes all the time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    Disks, Hardware, Kernel, Machine, Operator, Screen, configure, install, is_dreaming, mirror_of_ramp,
    on_each_kernel, on_host, payload, run_on_host, shows_a_picture, wait_until,
};

on_each_kernel!(its_power_is_cut_again_and_again_and_it_always_comes_back_as_it_was);

/// Default number of cuts; `REVERIE_CUTS` overrides it.
const CUTS: u32 = 5;

/// As on an appliance (deploy/power.md): writes to the root are discarded, saved state has a file system of its own.
const MOUNTS: &str = "[Unit]
Before=reverie.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount -o ro /dev/vdb /mnt
ExecStart=mount -o noatime /dev/vdc /var/lib/reverie
[Install]
RequiredBy=reverie.service
";

fn its_power_is_cut_again_and_again_and_it_always_comes_back_as_it_was(kernel: Kernel) {
    let cuts = std::env::var("REVERIE_CUTS").map_or(CUTS, |cuts| cuts.parse().expect("REVERIE_CUTS is a number"));
    let folder = tempfile::tempdir().unwrap();
    // One processor: with more, a boot now and then ends in an `int3` that the kernel had put into its own code for a moment,
    // and that the emulator ran after it was gone.
    let hardware = Hardware { processors: 1, ..Hardware::new(kernel, Screen::Virtio) };
    let (root, state) = (folder.path().join("root.qcow2"), folder.path().join("state.qcow2"));
    make_file_system(&state);
    let payload = format!("file={},format=raw,readonly=on", payload::disk().display());
    let mut disks = Disks {
        root: Disks::new_root(kernel, &root),
        more: vec![payload, format!("file={},format=qcow2", state.display())],
        clock: None,
    };
    set_up(hardware, &disks);
    disks.root += ",snapshot=on";

    let mut random = fastrand::Rng::with_seed(kernel as u64);
    let mut ledger = Ledger::default();
    let mut slowest = Duration::ZERO;
    for cut in 1..=cuts {
        // As of a clock without a battery.
        disks.clock = (cut % 2 == 0).then_some("1970-01-01T00:00:10");
        if cut % 5 == 0 {
            // Cut again before it is up.
            let emulator = disks.switch_on(hardware);
            std::thread::sleep(Duration::from_millis(random.u64(3_000..25_000)));
            drop(emulator);
            assert_sound(&state);
        }
        let begun = Instant::now();
        let mut machine = Machine::switch_on(hardware, &disks);
        let operator = Operator::connect(machine.broker_port());
        let restored = operator.receive_json("state", |_| true);
        operator.receive_json("telemetry", is_dreaming);
        wait_until("its picture is on the screen", || shows_a_picture(&mut machine));
        slowest = slowest.max(begun.elapsed());
        ledger.assert_restored(restored["drift_angle"].as_f64().expect("a state"), cut);
        let errors = machine.run("dmesg | grep -i 'ext4.*error' || true");
        assert_eq!(errors, "", "cut {cut}");
        let complaints = machine.run("journalctl -u reverie -o cat | grep -i 'torn\\|cannot' || true");
        assert_eq!(complaints, "", "cut {cut}");

        let until = Instant::now() + Duration::from_millis(random.u64(0..9_000));
        while Instant::now() < until {
            for _ in 0..random.u32(1..20) {
                ledger.sent += 1;
                operator.publish("set", &json!({"drift_angle": angle(ledger.sent)}).to_string());
                std::thread::sleep(Duration::from_millis(random.u64(0..60)));
            }
            ledger.read(&machine.try_run("cat /var/lib/reverie/state.json").out);
        }
        drop(machine);
        assert_sound(&state);
        if cut % 10 == 0 {
            eprintln!("{kernel:?}: {cut} cuts, {} commands, kept {:?}", ledger.sent, ledger.kept);
        }
    }
    eprintln!("{kernel:?}: {cuts} cuts; dreaming at most {:.0} s after the power came back", slowest.as_secs_f64());
}

/// Commands by number: what was sent, and what was read from the state file.
#[derive(Default)]
struct Ledger {
    /// The last command.
    sent: u32,
    /// The last two that were read from the file: the folder may not have been written when the newer one was.
    kept: [u32; 2],
}

/// The angle that command `number` sets, degrees.
fn angle(number: u32) -> f64 {
    f64::from(number) / 100.0
}

impl Ledger {
    /// Notes the command in the state file's text.
    fn read(&mut self, file: &str) {
        let state: serde_json::Value = serde_json::from_str(file).unwrap_or_default();
        let found = find(&state, "drift_angle").and_then(serde_json::Value::as_f64);
        let number = found.map_or(0, |angle| (angle * 100.0).round() as u32);
        if number > self.kept[1] {
            self.kept = [self.kept[1], number];
        }
    }

    /// Asserts that the command restored after a cut is the last that was read, the one before it, or one saved after the file was last read.
    fn assert_restored(&mut self, angle: f64, cut: u32) {
        let number = (angle * 100.0).round() as u32;
        assert!((self.kept[0]..=self.sent).contains(&number), "cut {cut}: {number}, of {:?}", (self.kept, self.sent));
        self.kept = [number, number];
    }
}

fn find<'a>(json: &'a serde_json::Value, key: &str) -> Option<&'a serde_json::Value> {
    json.get(key).or_else(|| json.as_object()?.values().find_map(|value| find(value, key)))
}

/// Installs the payload, and enables it at boot.
fn set_up(hardware: Hardware, disks: &Disks) {
    let mut machine = Machine::switch_on(hardware, disks);
    machine.put("/etc/systemd/system/mounts.service", MOUNTS.as_bytes());
    machine.run("mkdir -p /var/lib/reverie && systemctl daemon-reload && systemctl start mounts");
    install(&mut machine);
    let config = mirror_of_ramp("kind = \"kms\"", "steps = 1").replace("[dream]", "[dream]\ntarget_fps = 3");
    configure(&mut machine, &config);
    machine.run("systemctl enable mounts reverie && sync");
    // Delayed, so that the agent can answer first.
    machine.run("systemd-run --quiet --on-active=1 systemctl poweroff");
    wait_until("it is off", || !machine.is_on());
}

fn make_file_system(image: &Path) {
    let raw = image.with_extension("raw");
    run_on_host(on_host("mkfs.ext4").args(["-q", "-F"]).arg(&raw).arg("32M"));
    run_on_host(Command::new("qemu-img").args(["convert", "-O", "qcow2"]).args([&raw, image]));
}

/// Asserts that the file system needs no repair but its journal replayed.
fn assert_sound(image: &Path) {
    let raw = image.with_extension("raw");
    run_on_host(Command::new("qemu-img").args(["convert", "-O", "raw"]).args([image, &raw]));
    // First the journal, then the check: anything else that it would repair is an error.
    let mut journal = on_host("e2fsck");
    let replayed = journal.args(["-E", "journal_only", "-y"]).arg(&raw).output().expect("e2fsck");
    assert!(replayed.status.code() <= Some(1), "{}", String::from_utf8_lossy(&replayed.stdout));
    run_on_host(on_host("e2fsck").args(["-f", "-n"]).arg(&raw));
}
