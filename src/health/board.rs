//! Temperatures and memory, as the kernel reports them.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// Where the kernel lists its thermal zones.
pub const THERMAL_DIR: &str = "/sys/class/thermal";

/// One temperature sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct ThermalZone {
    /// The driver's name for it: `cpu-thermal`.
    pub kind: String,
    pub celsius: f64,
    /// Where throttling begins, °C, if ever: the lowest trip point of the kernel's kind `passive`.
    pub passive: Option<f64>,
}

impl ThermalZone {
    /// How far it is from throttling, °C; below 0 where it throttles.
    pub fn headroom(&self) -> Option<f64> {
        self.passive.map(|passive| passive - self.celsius)
    }
}

/// How hot the board is, as far as it reports that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Heat {
    /// The hottest zone, °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// How far the nearest zone is from throttling, °C; below 0 where it throttles.
    #[serde(rename = "heat_room", skip_serializing_if = "Option::is_none")]
    pub headroom: Option<f64>,
}

impl Heat {
    pub fn of(zones: &[ThermalZone]) -> Heat {
        Heat {
            temperature: zones.iter().map(|zone| zone.celsius).max_by(f64::total_cmp),
            headroom: zones.iter().filter_map(ThermalZone::headroom).min_by(f64::total_cmp),
        }
    }
}

/// Every thermal zone below `folder` that reports a temperature. A sensor that is off reports nonsense, such as -256
/// °C, or nothing: it is skipped.
pub fn thermal_zones(folder: &Path) -> Vec<ThermalZone> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|e| e.file_name().to_string_lossy().starts_with("thermal_zone")).map(|e| e.path());
    let mut zones: Vec<ThermalZone> = folders.filter_map(|folder| zone(&folder)).collect();
    zones.sort_by(|a, b| a.kind.cmp(&b.kind));
    zones
}

fn zone(folder: &Path) -> Option<ThermalZone> {
    let text = |name: &str| Some(fs::read_to_string(folder.join(name)).ok()?.trim().to_owned());
    // Thousandths of a degree.
    let celsius = |name: &str| Some(text(name)?.parse::<f64>().ok()? / 1000.0).filter(|t| (-40.0..150.0).contains(t));
    let trips = (0..16).map_while(|number| Some((text(&format!("trip_point_{number}_type"))?, number)));
    let passive = trips.filter(|(kind, _)| kind == "passive");
    let passive = passive.filter_map(|(_, number)| celsius(&format!("trip_point_{number}_temp")));
    Some(ThermalZone {
        kind: text("type").unwrap_or_default(),
        celsius: celsius("temp")?,
        // One near 0 °C is disabled.
        passive: passive.filter(|trip| *trip > 40.0).min_by(f64::total_cmp),
    })
}

/// Resident memory of this process, MiB.
pub fn memory_mib() -> f64 {
    number_after(&fs::read_to_string("/proc/self/status").unwrap_or_default(), "VmRSS:").unwrap_or(0.0) / 1024.0
}

/// The number after `name` at the start of a line of `text`: KiB in /proc, bytes in a control group's files.
fn number_after(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Bytes this process may still allocate before others are swapped out or it is killed: what the system has
/// available, or less where a limit applies. None where that is unknown.
pub fn free_memory() -> Option<u64> {
    let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let system = number_after(&text("/proc/meminfo"), "MemAvailable:").map(|kib| (kib * 1024.0) as u64);
    let address_space = rustix::process::getrlimit(rustix::process::Resource::As).current;
    let taken = number_after(&text("/proc/self/status"), "VmSize:").map_or(0, |kib| (kib * 1024.0) as u64);
    let limited = address_space.map(|most| most.saturating_sub(taken));
    [system, limited, cgroup_headroom(Path::new("/sys/fs/cgroup"), &text("/proc/self/cgroup"))]
        .into_iter()
        .flatten()
        .min()
}

/// What the process' control group and its ancestors leave; none where none has a limit. `own` is `/proc/self/cgroup`
/// (version 2).
fn cgroup_headroom(root: &Path, own: &str) -> Option<u64> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let number = |file: &Path| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let room = |group: &Path| {
        let folder = root.join(group);
        let (most, taken) = (number(&folder.join("memory.max"))?, number(&folder.join("memory.current"))?);
        // Cached file pages, which the kernel can reclaim.
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let files = number_after(&stat, "inactive_file").unwrap_or(0.0) as u64;
        Some(most.saturating_sub(taken.saturating_sub(files)))
    };
    Path::new(own).ancestors().filter_map(room).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_with_their_throttling_point_and_nonsense_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(thermal_zones(folder.path()), []);
        let put = |zone: &str, files: &[(&str, &str)]| {
            let zone = folder.path().join(zone);
            fs::create_dir(&zone).unwrap();
            files.iter().for_each(|(name, text)| fs::write(zone.join(name), text).unwrap());
        };
        put("thermal_zone0", &[("type", "cpu-thermal\n"), ("temp", "45500\n")]);
        let trips = [
            ("trip_point_0_type", "active\n"),
            ("trip_point_0_temp", "60000\n"),
            ("trip_point_1_type", "passive\n"),
            ("trip_point_1_temp", "99000\n"),
            ("trip_point_2_type", "passive\n"),
            ("trip_point_2_temp", "97500\n"),
            ("trip_point_3_type", "critical\n"),
            ("trip_point_3_temp", "104500\n"),
        ];
        put("thermal_zone1", &[&[("type", "gpu-thermal\n"), ("temp", "61250\n")][..], &trips].concat());
        put("thermal_zone2", &[("temp", "-256000\n")]);
        put("thermal_zone3", &[("temp", "n/a")]);
        put("thermal_zone4", &[("temp", "999000")]);
        put("cooling_device0", &[("temp", "99000")]);
        let zone = |kind: &str, celsius, passive| ThermalZone { kind: kind.to_owned(), celsius, passive };
        let gpu = zone("gpu-thermal", 61.25, Some(97.5));
        assert_eq!(gpu.headroom(), Some(36.25));
        assert_eq!(thermal_zones(folder.path()), [zone("cpu-thermal", 45.5, None), gpu]);
    }

    #[test]
    fn memory_is_read() {
        assert_eq!(number_after("Name:\treverie\nVmRSS:\t  204800 kB\n", "VmRSS:"), Some(204_800.0));
        assert!(memory_mib() > 1.0 && free_memory().is_some_and(|free| free > 1 << 20));
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("system.slice/reverie.service");
        fs::create_dir_all(&service).unwrap();
        let room = || cgroup_headroom(root.path(), "1:name=systemd:/\n0::/system.slice/reverie.service\n");
        assert_eq!(room(), None);
        fs::write(service.join("memory.current"), "300\n").unwrap();
        fs::write(service.join("memory.max"), "max\n").unwrap();
        assert_eq!(room(), None);
        fs::write(service.join("memory.max"), "1000\n").unwrap();
        assert_eq!(room(), Some(700));
        fs::write(service.join("memory.stat"), "anon 100\nfile 200\ninactive_file 150\n").unwrap();
        assert_eq!(room(), Some(850));
        fs::write(root.path().join("system.slice/memory.max"), "500\n").unwrap();
        fs::write(root.path().join("system.slice/memory.current"), "400\n").unwrap();
        assert_eq!(room(), Some(100));
    }
}
