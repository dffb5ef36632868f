//! A Jetson's power mode, power draw and GPU load, from the files that `nvpmodel` and `tegrastats` read; nothing on
//! other boards.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// Power and load, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Power {
    /// Name of the power mode (`nvpmodel -q`): `15W`, `MAXN`.
    #[serde(rename = "power_mode", skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Power draw of the module, W.
    #[serde(rename = "power_w", skip_serializing_if = "Option::is_none")]
    pub watts: Option<f64>,
    /// How busy the GPU is, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_load: Option<f64>,
}

/// Reads below `root`: `/`, and in tests a folder.
pub fn power(root: &Path) -> Power {
    Power { mode: mode(root), watts: watts(&root.join("sys/class/hwmon")), gpu_load: gpu_load(root) }
}

/// The status is `pmode:0002`; the configuration names it, `< POWER_MODEL ID=2 NAME=15W >`.
fn mode(root: &Path) -> Option<String> {
    let status = text(&root.join("var/lib/nvpmodel/status"))?;
    let digits: String = status.split_once("pmode:")?.1.chars().take_while(char::is_ascii_digit).collect();
    let number: u32 = digits.parse().ok()?;
    let models = text(&root.join("etc/nvpmodel.conf")).unwrap_or_default();
    let named = models.lines().filter(|line| line.contains("POWER_MODEL")).find_map(|line| {
        let value = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        (value("ID")?.parse() == Ok(number)).then(|| value("NAME").map(str::to_owned))?
    });
    Some(named.unwrap_or_else(|| number.to_string()))
}

/// The module's input rail; on modules without one, the sum of all measured rails.
fn watts(hwmon: &Path) -> Option<f64> {
    let sensors = entries(hwmon).filter(|sensor| text(&sensor.join("name")).as_deref() == Some("ina3221"));
    let rails: Vec<(String, f64)> = sensors
        .flat_map(|sensor| {
            (1..=3).filter_map(move |number| {
                let label = text(&sensor.join(format!("in{number}_label")))?;
                // Millivolts and milliamperes.
                let value = |kind: &str| text(&sensor.join(format!("{kind}{number}_input")))?.parse::<f64>().ok();
                Some((label, value("in")? * value("curr")? / 1e6))
            })
        })
        .collect();
    let total = rails.iter().find(|(label, _)| label == "VDD_IN").map(|(_, watts)| *watts);
    let sum = || (!rails.is_empty()).then(|| rails.iter().map(|(_, watts)| watts).sum());
    total.or_else(sum).map(|watts: f64| (watts * 100.0).round() / 100.0)
}

/// The driver reports thousandths of the last interval.
fn gpu_load(root: &Path) -> Option<f64> {
    let is_gpu = |name: &str| ["gpu", "ga10b", "gv11b"].iter().any(|part| name.contains(part));
    let gpu = entries(&root.join("sys/class/devfreq"))
        .find(|device| device.file_name().is_some_and(|name| is_gpu(&name.to_string_lossy())))?;
    Some(text(&gpu.join("device/load"))?.parse::<f64>().ok()? / 10.0)
}

fn text(file: &Path) -> Option<String> {
    // Strings from a device tree end in a zero byte.
    Some(fs::read_to_string(file).ok()?.trim_matches(['\0', '\n', ' ']).to_owned())
}

fn entries(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn an_orin_nano() {
        let root = tree(&[
            ("var/lib/nvpmodel/status", "pmode:0001 fmode:quiet\n"),
            (
                "etc/nvpmodel.conf",
                "# < POWER_MODEL ID=1 >\n< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=7W >\n",
            ),
            ("sys/class/hwmon/hwmon0/name", "tmp451\n"),
            ("sys/class/hwmon/hwmon1/name", "ina3221\n"),
            ("sys/class/hwmon/hwmon1/in1_label", "VDD_IN\n"),
            ("sys/class/hwmon/hwmon1/in1_input", "5000\n"),
            ("sys/class/hwmon/hwmon1/curr1_input", "1250\n"),
            ("sys/class/hwmon/hwmon1/in2_label", "VDD_CPU_GPU_CV\n"),
            ("sys/class/hwmon/hwmon1/in2_input", "5000\n"),
            ("sys/class/hwmon/hwmon1/curr2_input", "400\n"),
            ("sys/class/hwmon/hwmon1/in3_label", "off\n"),
            ("sys/class/devfreq/15340000.vic/device/load", "7\n"),
            ("sys/class/devfreq/17000000.gpu/device/load", "874\n"),
        ]);
        let expected = Power { mode: Some("7W".to_owned()), watts: Some(6.25), gpu_load: Some(87.4) };
        assert_eq!(power(root.path()), expected);
    }

    #[test]
    fn without_an_input_rail_the_rails_are_added_and_an_unnamed_mode_is_its_number() {
        let root = tree(&[
            ("var/lib/nvpmodel/status", "pmode:0003"),
            ("sys/class/hwmon/hwmon3/name", "ina3221"),
            ("sys/class/hwmon/hwmon3/in1_label", "VDD_GPU_SOC"),
            ("sys/class/hwmon/hwmon3/in1_input", "10000"),
            ("sys/class/hwmon/hwmon3/curr1_input", "500"),
            ("sys/class/hwmon/hwmon3/in2_label", "VDD_CPU_CV"),
            ("sys/class/hwmon/hwmon3/in2_input", "10000"),
            ("sys/class/hwmon/hwmon3/curr2_input", "300"),
            ("sys/class/devfreq/17000000.gpu/device/load", "nonsense"),
        ]);
        let expected = Power { mode: Some("3".to_owned()), watts: Some(8.0), gpu_load: None };
        assert_eq!(power(root.path()), expected);
    }

    #[test]
    fn other_boards_report_nothing() {
        assert_eq!(power(tree(&[]).path()), Power::default());
        assert_eq!(serde_json::to_string(&Power::default()).unwrap(), "{}");
    }
}
