//! The power is cut at random moments, while what is kept changes all the time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    Disks, Hardware, Kernel, Machine, Operator, Screen, install, mirror_of_ramp, on_each_kernel, on_host, payload,
    wait_for,
};
use crate::picture::brightness;

on_each_kernel!(its_power_is_cut_again_and_again_and_it_always_comes_back_as_it_was);

/// Cuts; `REVERIE_CUTS` says another number.
const CUTS: u32 = 5;

/// As on an appliance (deploy/power.md): the root forgets what is written to it, what is kept has a file system of its own.
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
    // One processor: where there are more, a boot ends now and then in an `int3` that the kernel had put into its own code
    // for a moment, and that the emulator ran after it was gone.
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
    let mut told = Told::default();
    let mut slowest = Duration::ZERO;
    for cut in 1..=cuts {
        // A clock without a battery says what it likes.
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
        let state_now = operator.hear_json("state", |_| true);
        operator.hear_json("telemetry", |telemetry| {
            telemetry["provider"] == "cpu" && telemetry["fps"].as_f64() > Some(0.0)
        });
        wait_for("its picture is on the screen", || (brightness(&machine.screen()) > 30.0).then_some(()));
        slowest = slowest.max(begun.elapsed());
        told.compare(state_now["drift_angle"].as_f64().expect("a state"), cut);
        let errors = machine.run("dmesg | grep -i 'ext4.*error' || true");
        assert_eq!(errors, "", "cut {cut}");
        let complaints = machine.run("journalctl -u reverie -o cat | grep -i 'torn\\|cannot' || true");
        assert_eq!(complaints, "", "cut {cut}");

        let until = Instant::now() + Duration::from_millis(random.u64(0..9_000));
        while Instant::now() < until {
            for _ in 0..random.u32(1..20) {
                told.number += 1;
                operator.publish("set", &json!({"drift_angle": angle(told.number)}).to_string());
                std::thread::sleep(Duration::from_millis(random.u64(0..60)));
            }
            told.look(&machine.try_run("cat /var/lib/reverie/state.json").out);
        }
        drop(machine);
        assert_sound(&state);
        if cut % 10 == 0 {
            eprintln!("{kernel:?}: {cut} cuts, {} commands, kept {:?}", told.number, told.kept);
        }
    }
    eprintln!("{kernel:?}: {cuts} cuts; dreaming at most {:.0} s after the power came back", slowest.as_secs_f64());
}

/// What was said, and what was seen in the file.
#[derive(Default)]
struct Told {
    /// The last command's; each is one more.
    number: u32,
    /// The last two that were seen in the file: the folder may not have been written when the newer was.
    kept: [u32; 2],
}

/// In degrees.
fn angle(number: u32) -> f64 {
    f64::from(number) / 100.0
}

impl Told {
    /// Takes note of what the file says.
    fn look(&mut self, file: &str) {
        let state: serde_json::Value = serde_json::from_str(file).unwrap_or_default();
        let found = find(&state, "drift_angle").and_then(serde_json::Value::as_f64);
        let number = found.map_or(0, |angle| (angle * 100.0).round() as u32);
        if number > self.kept[1] {
            self.kept = [self.kept[1], number];
        }
    }

    /// After a cut it is the last that was kept, the one before it, or one kept since nobody looked.
    fn compare(&mut self, angle: f64, cut: u32) {
        let number = (angle * 100.0).round() as u32;
        assert!(
            (self.kept[0]..=self.number).contains(&number),
            "cut {cut}: {number}, of {:?}",
            (self.kept, self.number)
        );
        self.kept = [number, number];
    }
}

fn find<'a>(json: &'a serde_json::Value, key: &str) -> Option<&'a serde_json::Value> {
    json.get(key).or_else(|| json.as_object()?.values().find_map(|value| find(value, key)))
}

/// Installs what is tested, to begin with the machine.
fn set_up(hardware: Hardware, disks: &Disks) {
    let mut machine = Machine::switch_on(hardware, disks);
    machine.put("/etc/systemd/system/mounts.service", MOUNTS.as_bytes());
    machine.run("mkdir -p /var/lib/reverie && systemctl daemon-reload && systemctl start mounts");
    install(&mut machine);
    let config = mirror_of_ramp("kind = \"kms\"", "steps = 1").replace("[dream]", "[dream]\ntarget_fps = 3");
    machine.put("/etc/reverie/reverie.toml", config.as_bytes());
    machine.run("systemctl enable mounts reverie && sync");
    // Not before the answer is given.
    machine.run("systemd-run --quiet --on-active=1 systemctl poweroff");
    wait_for("it is off", || (!machine.is_on()).then_some(()));
}

fn make_file_system(image: &Path) {
    let raw = image.with_extension("raw");
    command(on_host("mkfs.ext4").args(["-q", "-F"]).arg(&raw).arg("32M"));
    command(Command::new("qemu-img").args(["convert", "-O", "qcow2"]).args([&raw, image]));
}

/// Nothing but the journal has to be replayed.
fn assert_sound(image: &Path) {
    let raw = image.with_extension("raw");
    command(Command::new("qemu-img").args(["convert", "-O", "raw"]).args([image, &raw]));
    // First the journal, then all that is to be asked: anything else that it would mend is an error.
    let mut journal = on_host("e2fsck");
    let replayed = journal.args(["-E", "journal_only", "-y"]).arg(&raw).output().expect("e2fsck");
    assert!(replayed.status.code() <= Some(1), "{}", String::from_utf8_lossy(&replayed.stdout));
    command(on_host("e2fsck").args(["-f", "-n"]).arg(&raw));
}

fn command(command: &mut Command) {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
}
