//! A machine: a kernel, a monitor, a booted Debian, with the payload mounted at /mnt.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use image::RgbImage;

use super::agent::{Agent, Outcome};
use super::emulator::{ACCELERATION, Emulator};
use super::{TIMEOUT, cache, payload, run_on_host, vnc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Debian trixie's 6.12.
    Linux6,
    /// Debian sid's, 7.2 when this was written.
    Linux7,
}

/// What the monitor is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// 1280×720 at first; the only one whose monitor can be unplugged ([`Machine::set_monitor`]).
    Virtio,
    /// `bochs`, with EDID.
    Bochs,
    /// `cirrus`, the one that can do 16 and 24 bits a pixel.
    Cirrus,
}

/// A machine's hardware. Machines of the same hardware share one saved state, made when it is first needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardware {
    pub kernel: Kernel,
    pub screen: Screen,
    pub processors: u8,
    /// More arguments on the kernel's command line, such as `video=800x600-16`.
    pub kernel_arguments: &'static str,
}

pub struct Machine {
    emulator: Emulator,
    agent: Agent,
    port: u16,
    /// The state it was restored from, if any.
    _saved: Option<SavedState>,
}

impl Kernel {
    fn suite(self) -> &'static str {
        match self {
            Kernel::Linux6 => "trixie",
            Kernel::Linux7 => "sid",
        }
    }
}

impl Hardware {
    pub fn new(kernel: Kernel, screen: Screen) -> Hardware {
        Hardware { kernel, screen, processors: 2, kernel_arguments: "" }
    }

    /// QEMU's arguments for it. They must be the same where a state is saved and where it is restored.
    fn arguments(self) -> Vec<String> {
        let image = cache::part(self.kernel.suite());
        let at = |name: &str| image.join(name).display().to_string();
        // Nothing to wait for, nothing to probe, no mitigations: under emulation, each of them costs time.
        let quiet = "console=tty0 console=ttyS0 net.ifnames=0 loglevel=4 mitigations=off audit=0 apparmor=0 nokaslr \
                     no_timer_check cryptomgr.notests rcupdate.rcu_expedited=1 nowatchdog systemd.show_status=0";
        let screen = match self.screen {
            Screen::Virtio => "virtio-gpu-pci,edid=on,xres=1280,yres=720",
            Screen::Bochs => "bochs-display,edid=on,xres=1280,yres=720",
            Screen::Cirrus => "cirrus-vga",
        };
        let arguments = [
            "-machine",
            "pc",
            "-smp",
            &self.processors.to_string(),
            "-m",
            "1024",
            "-kernel",
            &at("vmlinuz"),
            "-initrd",
            &at("initrd"),
            "-append",
            &format!("{quiet} {}", self.kernel_arguments),
            "-device",
            "virtio-blk-pci,drive=root",
            "-device",
            "virtio-net-pci,netdev=net,romfile=",
            "-device",
            "virtio-serial-pci",
            "-device",
            "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-device",
            "virtio-rng-pci",
            "-device",
            screen,
        ]
        .map(str::to_owned);
        ACCELERATION.iter().cloned().chain(arguments).collect()
    }

    /// The saved state; made if there is none yet.
    fn saved(self) -> SavedState {
        let name = format!("state-{:?}-{:?}-{}", self.kernel, self.screen, self.kernel_arguments.replace(' ', "+"));
        let name = name.to_lowercase();
        let name = name.trim_end_matches('-');
        let recipe = format!("{} {}", cache::part("qemu").display(), self.arguments().join(" "));
        let key = reverie::pack::hex_sha256(recipe.as_bytes());
        let folder = cache::folder().join(format!("{name}-{}", &key[..12]));
        // One test makes it; others wait, those of other checkouts too.
        let lock = File::create(cache::folder().join("state.lock")).expect("a lock file in the cache");
        lock.lock().expect("the cache's lock");
        if !folder.exists() {
            remove_older(name);
            let scratch = cache::folder().join(".state");
            let _ = fs::remove_dir_all(&scratch);
            fs::create_dir(&scratch).expect("a folder in the cache");
            self.boot_and_save(&scratch);
            fs::rename(&scratch, &folder).expect("moving the saved state");
        }
        let used = File::open(folder.join("memory")).expect("the saved memory");
        used.lock_shared().expect("the saved state's lock");
        SavedState { folder, _used: used }
    }

    fn boot_and_save(self, folder: &Path) {
        let disk = folder.join("disk.qcow2");
        overlay(&cache::part(self.kernel.suite()).join("root.ext4"), &disk);
        let mut emulator = Emulator::launch(&self.arguments(), &["-drive", &format!("{},cache=unsafe", drive(&disk))]);
        emulator.wait_for_boot(TIMEOUT);
        let synced = Agent::connect(&emulator.file("agent")).run("udevadm settle; sync");
        assert_eq!(synced.status, 0, "{synced:?}");
        emulator.qmp.save(&folder.join("memory"));
    }
}

/// Disks that outlast the machine, each as the value of QEMU's `-drive`: `file=…,format=…`. Dropping the machine cuts their power: what it had not
/// flushed is lost.
pub struct Disks {
    pub root: String,
    /// `/dev/vdb`, `/dev/vdc`, …
    pub more: Vec<String>,
    /// The clock at power-on, where that is not the present time: `1970-01-01T00:00:10`.
    pub clock: Option<&'static str>,
}

impl Disks {
    /// The root file system as it was built, with changes kept in `file`.
    pub fn new_root(kernel: Kernel, file: &Path) -> String {
        overlay(&cache::part(kernel.suite()).join("root.ext4"), file);
        format!("file={},format=qcow2", file.display())
    }

    /// As [`Machine::switch_on`], without waiting for anything.
    pub fn switch_on(&self, hardware: Hardware) -> Emulator {
        let mut arguments = vec!["-drive".to_owned(), format!("{},if=none,id=root", self.root)];
        arguments.extend(self.more.iter().flat_map(|disk| ["-drive".to_owned(), format!("{disk},if=virtio")]));
        arguments.extend(self.clock.iter().flat_map(|clock| ["-rtc".to_owned(), format!("base={clock}")]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Emulator::launch(&hardware.arguments(), &arguments)
    }
}

/// Makes a qcow2 image of the changes to the raw image `base`.
fn overlay(base: &Path, file: &Path) {
    run_on_host(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(base).arg(file));
}

/// A folder with `memory`, the machine's state, and `disk.qcow2`, the changes on its disk since the image.
struct SavedState {
    folder: PathBuf,
    /// Locked while in use, so that nobody removes it.
    _used: File,
}

/// Removes states of the same name that an older recipe made and nobody uses.
fn remove_older(name: &str) {
    for entry in fs::read_dir(cache::folder()).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let is_older = file.strip_prefix(name).is_some_and(|rest| rest.len() == 13 && rest.starts_with('-'));
        if is_older && File::open(entry.path().join("memory")).is_ok_and(|memory| memory.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// `target/tmp/vm-screens/TEST-NAME.png`.
fn kept_screen(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm-screens");
    fs::create_dir_all(&folder).expect("a folder below target/tmp");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed").replace("::", "-");
    folder.join(format!("{test}-{name}.png"))
}

fn drive(disk: &Path) -> String {
    format!("file={},format=qcow2,if=none,id=root", disk.display())
}

impl Machine {
    /// A machine with two processors and [`Screen::Virtio`].
    pub fn start_virtio(kernel: Kernel) -> Machine {
        Machine::start(Hardware::new(kernel, Screen::Virtio))
    }

    /// A machine that has just booted, with the payload at /mnt: its saved state, restored. Its changes are discarded.
    pub fn start(hardware: Hardware) -> Machine {
        let saved = hardware.saved();
        let incoming = format!("exec:cat '{}'", saved.folder.join("memory").display());
        let disk = format!("{},snapshot=on", drive(&saved.folder.join("disk.qcow2")));
        let mut emulator = Emulator::launch(&hardware.arguments(), &["-drive", &disk, "-incoming", &incoming]);
        emulator.qmp.resume();
        let agent = Agent::connect(&emulator.file("agent"));
        let port = emulator.broker_port();
        let mut machine = Machine { emulator, agent, port, _saved: Some(saved) };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        machine.run(&format!("date --set=@{now}"));
        if hardware.screen == Screen::Virtio {
            machine.set_monitor(1280, 720);
        }
        machine.emulator.qmp.add_disk("payload", payload::disk());
        machine.run("i=0; while [ ! -b /dev/vdb ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i+1)); done; mount -o ro /dev/vdb /mnt");
        machine
    }

    /// Switches on a machine with these disks, which it changes, and waits until it has booted.
    pub fn switch_on(hardware: Hardware, disks: &Disks) -> Machine {
        let mut emulator = disks.switch_on(hardware);
        emulator.wait_for_boot(2 * TIMEOUT);
        let agent = Agent::connect(&emulator.file("agent"));
        let port = emulator.broker_port();
        Machine { emulator, agent, port, _saved: None }
    }

    /// Runs a command line in the guest as root and returns what it prints; it must succeed.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> String {
        let outcome = self.agent.run(command);
        assert_eq!(outcome.status, 0, "in the guest: {command}\n{}{}", outcome.out, outcome.err);
        outcome.out
    }

    /// As [`Machine::run`], for commands that may fail.
    pub fn try_run(&mut self, command: &str) -> Outcome {
        self.agent.run(command)
    }

    /// Whether a command line in the guest succeeds.
    pub fn succeeds(&mut self, command: &str) -> bool {
        self.try_run(command).status == 0
    }

    /// Writes a file in the guest.
    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        self.agent.put(path, bytes);
    }

    /// Reads a file of the guest.
    pub fn get(&mut self, path: &str) -> Vec<u8> {
        self.agent.get(path)
    }

    /// What the monitor shows. The last one of each test stays in `target/tmp/vm-screens/`, to be viewed.
    pub fn screen(&mut self) -> RgbImage {
        self.emulator.qmp.screendump(&kept_screen("last"))
    }

    /// As [`Machine::screen`], and the picture stays there under `name`.
    pub fn keep_screen(&mut self, name: &str) -> RgbImage {
        self.emulator.qmp.screendump(&kept_screen(name))
    }

    /// Plugs in another monitor, which prefers this size; 0×0 unplugs it. Of [`Screen::Virtio`] alone.
    pub fn set_monitor(&mut self, width: u16, height: u16) {
        vnc::set_monitor(&self.emulator.file("vnc"), width, height);
    }

    /// Whether it is switched on.
    pub fn is_on(&mut self) -> bool {
        self.emulator.is_running()
    }

    /// The port on 127.0.0.1 that forwards to the guest's broker.
    pub fn broker_port(&self) -> u16 {
        self.port
    }
}

/// A failing test prints the end of the guest's journal.
impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && self.emulator.is_running() {
            let journal = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.agent.run("journalctl --no-pager --output=short-monotonic | grep -v qemu-ga | tail -n 60").out
            }));
            eprintln!("--- the guest's journal\n{}", journal.unwrap_or_default());
        }
    }
}
