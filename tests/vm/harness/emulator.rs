//! One QEMU process. It ends when the value is dropped, and with the test if that is killed.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cache;
use super::qmp::Qmp;

pub struct Emulator {
    process: Child,
    /// Sockets and logs.
    run: TempDir,
    pub qmp: Qmp,
}

impl Emulator {
    /// Starts QEMU with the arguments of `hardware`, the sockets of the harness, and `more` arguments.
    pub fn launch(hardware: &[String], more: &[&str]) -> Emulator {
        let run = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| run.path().join(name).display().to_string();
        let errors = File::create(run.path().join("errors")).expect("a log file");
        let mut command = qemu();
        command
            .args(hardware)
            // Port 0: whatever is free. The guest reaches nothing outside.
            .args(["-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:1883"])
            .args(["-chardev", &format!("socket,id=agent,path={},server=on,wait=off", at("agent"))])
            .args(["-vnc", &format!("unix:{}", at("vnc"))])
            .args(["-serial", &format!("file:{}", at("serial"))])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", at("qmp"))])
            .args(more)
            .stderr(errors);
        let mut process = command.spawn().expect("starting QEMU");
        while !run.path().join("qmp").exists() {
            if let Some(status) = process.try_wait().expect("the state of QEMU's process") {
                panic!("QEMU ended ({status}): {}", read(&run.path().join("errors")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let qmp = Qmp::connect(&run.path().join("qmp"));
        Emulator { process, run, qmp }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.run.path().join(name)
    }

    /// The guest's output on its serial line.
    pub fn serial(&self) -> String {
        read(&self.file("serial"))
    }

    /// The port on 127.0.0.1 that forwards to the guest's broker.
    pub fn broker_port(&mut self) -> u16 {
        // TCP[HOST_FORWARD]  12       127.0.0.1 43567       10.0.2.15  1883     0     0
        let network = self.qmp.human("info usernet");
        let forward = network.lines().find(|line| line.contains("HOST_FORWARD"));
        let port = forward.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
        port.unwrap_or_else(|| panic!("QEMU forwards no port: {network}"))
    }

    /// Waits until the guest says on its serial line that it has booted. If it does not, the test fails with all of its output there.
    pub fn wait_for_boot(&mut self, limit: Duration) {
        let begun = Instant::now();
        while !self.serial().contains("GUEST-READY") {
            assert!(self.is_running() && begun.elapsed() < limit, "it does not boot: {}", self.serial());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether QEMU still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// QEMU's arguments for the processor: as `REVERIE_VM_ACCEL` says (`kvm` or `tcg`), else KVM where that works, else emulation.
pub static ACCELERATION: LazyLock<[String; 4]> = LazyLock::new(|| {
    let works = || Path::new("/dev/kvm").exists() && runs(&kvm()) && boots(&kvm());
    match std::env::var("REVERIE_VM_ACCEL").as_deref() {
        Ok("kvm") => kvm(),
        Ok("tcg") => emulated(),
        Ok(other) => panic!("REVERIE_VM_ACCEL is kvm or tcg, not `{other}`"),
        Err(_) if works() => kvm(),
        Err(_) => emulated(),
    }
});

fn kvm() -> [String; 4] {
    ["-accel", "kvm", "-cpu", "host"].map(str::to_owned)
}

fn emulated() -> [String; 4] {
    ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"].map(str::to_owned)
}

/// Longest time of a kernel to its first program; emulated it takes ten seconds.
const KERNEL_BOOT_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether Linux comes up with these arguments: some KVMs run a boot sector, and stop at the first AVX instruction.
fn boots(acceleration: &[String]) -> bool {
    let (image, run) = (cache::part("trixie"), tempfile::tempdir().expect("a temporary folder"));
    let at = |name: &str| run.path().join(name);
    let mut machine = qemu();
    machine.args(acceleration).args([
        "-machine",
        "pc",
        "-smp",
        "2",
        "-m",
        "512",
        "-append",
        "console=ttyS0 loglevel=7",
    ]);
    machine.arg("-kernel").arg(image.join("vmlinuz")).arg("-initrd").arg(image.join("initrd"));
    machine.arg("-serial").arg(format!("file:{}", at("serial").display()));
    machine.stdout(Stdio::null()).stderr(File::create(at("errors")).expect("a log file"));
    let Ok(mut machine) = machine.spawn() else { return false };
    let begun = Instant::now();
    let mut is_up = false;
    while !is_up && begun.elapsed() < KERNEL_BOOT_TIMEOUT {
        let has_ended = !machine.try_wait().is_ok_and(|status| status.is_none());
        if has_ended || read(&at("errors")).contains("KVM internal error") {
            break;
        }
        is_up = read(&at("serial")).contains("Run /init as init process");
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = machine.kill();
    let _ = machine.wait();
    is_up
}

/// What KVM is checked for, emulation can do.
#[test]
fn a_machine_that_works_passes_both_checks_and_one_that_does_not_fails_both() {
    assert!(runs(&emulated()) && boots(&emulated()));
    let none = ["-accel", "tcg", "-cpu", "no-such-processor"].map(str::to_owned);
    assert!(!runs(&none) && !boots(&none));
}

/// Whether a machine with these arguments runs at all. Neither a device file nor a machine that can be created is enough: some stand still
/// then. So one is booted from a sector that ends it.
fn runs(acceleration: &[String]) -> bool {
    /// Writes 0x10 to the port of `isa-debug-exit`, which ends QEMU with twice that and one.
    const PROGRAM: [u8; 5] = [0xb0, 0x10, 0xe6, 0xf4, 0xf4];
    const EXIT_CODE: i32 = 0x21;
    let mut sector = [0; 512];
    sector[..PROGRAM.len()].copy_from_slice(&PROGRAM);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut floppy = tempfile::NamedTempFile::new().expect("a file for a boot sector");
    std::io::Write::write_all(&mut floppy, &sector).expect("writing a boot sector");
    let mut machine = qemu();
    machine.args(acceleration).args(["-machine", "pc", "-boot", "a", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]);
    machine.arg("-drive").arg(format!("file={},format=raw,if=floppy", floppy.path().display()));
    let Ok(mut machine) = machine.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else { return false };
    for _ in 0..50 {
        match machine.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(100)),
            Ok(Some(status)) => return status.code() == Some(EXIT_CODE),
            Err(_) => break,
        }
    }
    let _ = machine.kill();
    let _ = machine.wait();
    false
}

fn qemu() -> Command {
    let root = cache::part("qemu");
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|place| root.join(place));
    let mut command = Command::new(root.join("usr/bin/qemu-system-x86_64"));
    command
        .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).expect("a cache folder without a colon"))
        .arg("-L")
        .arg(root.join("usr/share/qemu"))
        .arg("-L")
        .arg(root.join("usr/share/seabios"))
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
        .stdin(Stdio::null());
    // SAFETY: prctl is called between fork and exec, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}
