//! The board: cameras, screens, and who may open them; heat, clock, disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Finding;
use crate::config::Config;
use crate::director::Now;
use crate::display::{self, ScreenKind};
use crate::health::{self, ThermalZone};
use crate::source::{self, SourceKind};

/// Groups of the service.
const SERVICE_GROUPS: [&str; 2] = ["video", "render"];
/// Free space, bytes: below the first nothing more can be saved, below the second somebody should make room.
const DISK_FULL: u64 = 1 << 20;
const DISK_LOW: u64 = 64 << 20;
/// How long a program may take until its first picture.
const FIRST_PICTURE_LIMIT: Duration = Duration::from_secs(15);

/// The camera that would be used.
pub fn cameras(config: &Config) -> Vec<Finding> {
    const ABOUT: &str = "camera";
    let settings = config.source();
    match settings.kind {
        SourceKind::Auto | SourceKind::V4l2 => {}
        SourceKind::Program => return vec![program(ABOUT, &settings)],
        SourceKind::Still | SourceKind::Folder | SourceKind::Pattern => {
            return vec![Finding::ok(ABOUT, "none is wanted, as configured")];
        }
    }
    let survey = source::survey(&settings);
    let mut nodes: Vec<PathBuf> = survey.cameras.iter().map(|camera| camera.path.clone()).collect();
    nodes.extend(settings.device.paths().iter().filter_map(|path| path.canonicalize().ok()));
    nodes.sort();
    nodes.dedup();
    let mut findings: Vec<Finding> = nodes.iter().filter_map(|path| access_problem(ABOUT, path)).collect();
    if findings.is_empty() && survey.chosen.is_none() {
        let remedy = "`reverie devices` lists what it offers; leave source.format and source.size open";
        let unfit = survey.cameras.iter().filter_map(|camera| Some((&camera.path, camera.error.as_ref()?)));
        findings
            .extend(unfit.map(|(path, error)| Finding::warning(ABOUT, format!("{}: {error}", path.display()), remedy)));
    }
    // Named in the configuration: it has to be there.
    findings.extend(survey.missing.iter().map(|path| {
        let remedy = "plug it in; `reverie devices` lists those there are";
        Finding::failure(ABOUT, format!("{} is configured and not there", path.display()), remedy)
    }));
    findings.push(match survey.chosen {
        Some(chosen) => Finding::ok(ABOUT, chosen),
        None if settings.kind == SourceKind::V4l2 => Finding::failure(ABOUT, "no usable one", health::PLUG_IN_CAMERA),
        None => Finding::warning(ABOUT, "none: it dreams on the shipped photos", health::PLUG_IN_CAMERA),
    });
    findings
}

/// Runs the program that replaces a camera until its first picture. That the program exists was checked with the
/// configuration.
fn program(about: &'static str, settings: &source::Settings) -> Finding {
    match source::try_program(settings, FIRST_PICTURE_LIMIT) {
        Ok(seen) => Finding::ok(about, seen),
        Err(reason) => {
            let name = settings.command.first().map_or("", String::as_str);
            let remedy = "run source.command by hand, into `| head -c 99`: it is to write YUV4MPEG2. Where the mirror is running, it \
                          may hold the camera: systemctl stop reverie";
            Finding::failure(about, format!("{name}: {reason}"), remedy)
        }
    }
}

/// The screen that would be used.
pub fn screen(config: &Config) -> Vec<Finding> {
    const ABOUT: &str = "screen";
    if config.screen.kind == ScreenKind::Headless {
        return vec![Finding::ok(ABOUT, "none is wanted, as configured")];
    }
    let mut findings = Vec::new();
    findings.extend(modeset(Path::new("/sys/module/nvidia_drm/parameters/modeset")));
    let survey = display::survey(&config.screen);
    let nodes = survey.cards.iter().map(|card| &card.path).chain(survey.framebuffers.iter().map(|it| &it.path));
    findings.extend(nodes.filter_map(|path| access_problem(ABOUT, path)));
    let seen_elsewhere = "so the picture is on the web page only";
    findings.push(match survey.chosen {
        Some(chosen) => Finding::ok(ABOUT, chosen),
        None if config.screen.kind == ScreenKind::Auto && survey.cards.is_empty() => {
            let remedy = "is the graphics driver loaded? (on a Jetson: nvidia-drm, with modeset=1); where none is wanted, set kind = \"headless\" under [screen]";
            Finding::warning(ABOUT, format!("there is no graphics card and no framebuffer, {seen_elsewhere}"), remedy)
        }
        None if survey.cards.is_empty() && survey.framebuffers.is_empty() => Finding::failure(
            ABOUT,
            "there is no graphics card and no framebuffer",
            "is the graphics driver loaded? (on a Jetson: nvidia-drm, with modeset=1); without a screen, set kind = \"headless\" under [screen]",
        ),
        None => Finding::failure(
            ABOUT,
            "there is a graphics card, but no usable monitor",
            "is the monitor plugged in and on? `reverie devices` lists outputs and modes; look at [screen]",
        ),
    });
    findings
}

/// Without modeset NVIDIA's driver shows nothing unless there is a desktop.
fn modeset(parameter: &Path) -> Option<Finding> {
    let is_off = fs::read_to_string(parameter).is_ok_and(|text| text.trim() == "N");
    is_off.then(|| {
        Finding::failure(
            "screen",
            "nvidia-drm is loaded without modeset",
            "echo 'options nvidia-drm modeset=1' > /etc/modprobe.d/reverie.conf, and reboot (deploy/jetson/setup does it)",
        )
    })
}

/// Why a device cannot be opened: by the service where root asks, else by the caller.
fn access_problem(about: &'static str, path: &Path) -> Option<Finding> {
    let meta = fs::metadata(path).ok()?;
    let group = group_name(meta.gid());
    let seen = format!("{} belongs to group {group}, mode {:o}", path.display(), meta.mode() & 0o777);
    let wanted = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    if rustix::process::geteuid().is_root() {
        let by_group = meta.mode() & 0o060 == 0o060 && SERVICE_GROUPS.contains(&group.as_str());
        let open = by_group || meta.mode() & 0o006 == 0o006;
        let remedy = "the service is in video and render: udevadm control --reload && udevadm trigger; is 60-reverie.rules there?";
        return (!open).then(|| Finding::failure(about, seen, remedy));
    }
    let may = rustix::fs::access(path, wanted).is_ok();
    let remedy = format!("sudo usermod -aG {group} $USER, and log in again (the service is in its groups already)");
    (!may).then(|| Finding::failure(about, format!("{seen}: you may not open it"), remedy))
}

fn group_name(id: u32) -> String {
    let found = crate::files::groups().into_iter().find(|(_, number)| *number == id);
    found.map_or_else(|| id.to_string(), |(name, _)| name)
}

pub fn heat() -> Finding {
    judge_heat(&health::thermal_zones(Path::new(health::THERMAL_DIR)))
}

fn judge_heat(zones: &[ThermalZone]) -> Finding {
    const ABOUT: &str = "heat";
    let Some(hottest) = zones.iter().max_by(|a, b| a.celsius.total_cmp(&b.celsius)) else {
        return Finding::ok(ABOUT, "this board reports no temperature");
    };
    let seen = format!("{:.0} °C at {}", hottest.celsius, hottest.kind);
    let Some((zone, headroom)) =
        zones.iter().filter_map(|zone| Some((zone, zone.headroom()?))).min_by(|a, b| a.1.total_cmp(&b.1))
    else {
        return Finding::ok(ABOUT, seen);
    };
    let seen = format!("{seen}; {} throttles at {:.0} °C", zone.kind, zone.celsius + headroom);
    match headroom {
        ..=0.0 => Finding::warning(ABOUT, format!("{seen}, as it does now"), health::COOL),
        ..5.0 => Finding::warning(ABOUT, format!("{seen}, which is near"), health::COOL),
        _ => Finding::ok(ABOUT, seen),
    }
}

pub fn clock() -> Finding {
    const ABOUT: &str = "clock";
    let now = Now::read();
    let seen = format!("{:.0}", now.wall);
    if !now.is_set() {
        let remedy = "is there a network, and a time server in it? until then opening hours are ignored (timedatectl)";
        return Finding::warning(ABOUT, format!("it has not been set: {seen}"), remedy);
    }
    let asked = Command::new("timedatectl").args(["show", "-p", "NTPSynchronized", "--value"]).output();
    match asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()) {
        Ok(answer) if answer == "yes" => Finding::ok(ABOUT, format!("{seen}, set by the network")),
        Ok(answer) if answer == "no" => {
            let remedy = "timedatectl set-ntp true; several mirrors change together only by a common clock";
            Finding::warning(ABOUT, format!("{seen}, not set by the network"), remedy)
        }
        _ => Finding::ok(ABOUT, seen),
    }
}

/// Where state is saved.
pub fn disk(config: &Config) -> Finding {
    let installed = PathBuf::from(Config::INSTALLED_STATE);
    let file = config.memory_file().or_else(|| installed.exists().then(|| installed.join("state.json")));
    let Some(file) = file else {
        return Finding::ok("disk", "nothing is saved: there is no state directory (systemd's, or memory.file)");
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(folder) {
        Err(error) => Finding::failure(
            "disk",
            format!("{}: {error}", folder.display()),
            "make that folder, for the user that the mirror runs as",
        ),
        Ok(found) => {
            let read_only = found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
            judge_disk(folder, found.f_bavail * found.f_frsize, found.f_favail, read_only)
        }
    }
}

fn judge_disk(folder: &Path, free: u64, files: u64, read_only: bool) -> Finding {
    const ABOUT: &str = "disk";
    let seen = format!("{} MB free at {}", free >> 20, folder.display());
    match () {
        () if read_only => Finding::warning(
            ABOUT,
            format!("{} is mounted read-only: scenes and settings are lost at every start", folder.display()),
            "mount a small partition there (deploy/power.md)",
        ),
        () if free < DISK_FULL || files == 0 => {
            Finding::failure(ABOUT, format!("{seen}: full"), "make room: journalctl --vacuum-size=50M, apt clean")
        }
        () if free < DISK_LOW => Finding::warning(ABOUT, seen, "make room: journalctl --vacuum-size=50M, apt clean"),
        () => Finding::ok(ABOUT, seen),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_full_disk_is_a_failure_and_little_room_a_warning() {
        let judge = |free, files, read_only| judge_disk(Path::new("/var/lib/reverie"), free, files, read_only).verdict;
        assert_eq!(judge(1 << 30, 1000, false), Verdict::Ok);
        assert_eq!(judge(20 << 20, 1000, false), Verdict::Warning);
        assert_eq!(judge(0, 1000, false), Verdict::Failure);
        assert_eq!(judge(1 << 30, 0, false), Verdict::Failure);
        assert_eq!(judge(1 << 30, 1000, true), Verdict::Warning);
    }

    #[test]
    fn heat_is_a_warning_before_the_board_throttles() {
        let zone = |celsius, passive| ThermalZone { kind: "cpu-thermal".to_owned(), celsius, passive };
        assert_eq!(judge_heat(&[]).verdict, Verdict::Ok);
        assert_eq!(judge_heat(&[zone(99.0, None)]).verdict, Verdict::Ok);
        assert_eq!(judge_heat(&[zone(50.0, Some(97.0)), zone(60.0, None)]).verdict, Verdict::Ok);
        let near = judge_heat(&[zone(94.0, Some(97.0))]);
        assert_eq!(near.verdict, Verdict::Warning);
        assert!(near.seen.contains("97 °C"), "{near:?}");
    }

    #[test]
    fn a_driver_without_modeset_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (says, is_fault) in [("N\n", true), ("Y\n", false)] {
            fs::write(file.path(), says).unwrap();
            assert_eq!(modeset(file.path()).is_some(), is_fault);
        }
        assert_eq!(modeset(Path::new("/nowhere")), None);
    }
}
