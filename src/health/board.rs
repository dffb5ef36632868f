//! What the board tells of itself.

use std::fs;
use std::path::Path;

/// The hottest thermal zone, °C, where the board has any.
pub fn temperature() -> Option<f64> {
    hottest(Path::new("/sys/class/thermal"))
}

fn hottest(zones: &Path) -> Option<f64> {
    let zones =
        fs::read_dir(zones).ok()?.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("thermal_zone"));
    // Thousandths of a degree. A sensor that is off says nonsense, such as -256 °C or nothing at all.
    let read = |zone: fs::DirEntry| fs::read_to_string(zone.path().join("temp")).ok()?.trim().parse::<f64>().ok();
    zones.filter_map(read).map(|milli| milli / 1000.0).filter(|t| (-40.0..150.0).contains(t)).max_by(f64::total_cmp)
}

/// Resident memory of this process, MiB.
pub fn memory_mib() -> f64 {
    resident_kib(&fs::read_to_string("/proc/self/status").unwrap_or_default()).unwrap_or(0.0) / 1024.0
}

fn resident_kib(status: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_zone_counts_and_nonsense_does_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(hottest(folder.path()), None);
        for (zone, temperature) in
            [("0", "45500\n"), ("1", "61250\n"), ("2", "-256000\n"), ("3", "n/a"), ("4", "999000")]
        {
            let zone = folder.path().join(format!("thermal_zone{zone}"));
            fs::create_dir(&zone).unwrap();
            fs::write(zone.join("temp"), temperature).unwrap();
        }
        let fan = folder.path().join("cooling_device0");
        fs::create_dir(&fan).unwrap();
        fs::write(fan.join("temp"), "99000").unwrap();
        assert_eq!(hottest(folder.path()), Some(61.25));
    }

    #[test]
    fn memory_is_read() {
        assert_eq!(resident_kib("Name:\treverie\nVmRSS:\t  204800 kB\n"), Some(204_800.0));
        assert!(memory_mib() > 1.0);
    }
}
