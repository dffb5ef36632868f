//! What systemd knows about the service.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use super::Finding;
use crate::health::{self, ServiceRecord};

const ABOUT: &str = "service";

/// Checks the service, and who else draws on the screen. Nothing where systemd does not run.
pub fn examine() -> Vec<Finding> {
    if !Path::new("/run/systemd/system").exists() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if unit_properties("display-manager.service").is_some_and(|unit| unit["ActiveState"] == "active") {
        findings.push(Finding::warning(
            "screen",
            "a desktop is running and holds the screen",
            "systemctl disable --now display-manager && systemctl set-default multi-user.target",
        ));
    }
    findings.extend(unit_properties("reverie.service").map(|unit| judge(&unit)));
    findings
}

/// Properties of a unit; none where systemd does not answer.
fn unit_properties(unit: &str) -> Option<HashMap<String, String>> {
    const PROPERTIES: &str = "LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result,StatusText";
    let output = Command::new("systemctl").args(["show", "-p", PROPERTIES, unit]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let found: HashMap<String, String> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    (found.len() == PROPERTIES.split(',').count()).then_some(found)
}

/// The service, as it is now.
pub struct Service {
    pub state: String,
    pub restarts: String,
    /// Its status line, for people.
    pub status: String,
    /// None where the service is older than the record.
    record: Option<ServiceRecord>,
}

impl Service {
    /// Whether dreams come.
    pub fn is_dreaming(&self) -> bool {
        let dreams = self.record.map_or_else(|| health::line_says_dreaming(&self.status), |record| record.dreaming);
        self.state == "active" && dreams
    }
}

/// None where systemd does not run.
pub fn service_state() -> Option<Service> {
    if !Path::new("/run/systemd/system").exists() {
        return None;
    }
    let mut unit = unit_properties("reverie.service")?;
    let mut take = |key: &str| unit.remove(key).unwrap_or_default();
    let record = ServiceRecord::read(Path::new(health::RUNTIME_DIR));
    Some(Service { state: take("ActiveState"), restarts: take("NRestarts"), status: take("StatusText"), record })
}

fn judge(unit: &HashMap<String, String>) -> Finding {
    let is = |key: &str| unit[key].as_str();
    match (is("LoadState"), is("ActiveState")) {
        ("not-found", _) => Finding::ok(ABOUT, "not installed: it is run by hand"),
        ("masked", _) => Finding::failure(ABOUT, "masked: it cannot start", "systemctl unmask reverie"),
        (_, "active") if is("UnitFileState") == "disabled" => {
            Finding::warning(ABOUT, "runs, but will not start after the next power cut", "systemctl enable reverie")
        }
        (_, "active") => match is("NRestarts") {
            "0" => Finding::ok(ABOUT, format!("runs: {}", is("StatusText"))),
            restarts => Finding::warning(
                ABOUT,
                format!("runs, restarted {restarts} times since boot: {}", is("StatusText")),
                "journalctl -u reverie -p warning says why",
            ),
        },
        (_, state) => Finding::failure(
            ABOUT,
            format!("{state} ({}): {}", is("SubState"), is("Result")),
            "systemctl start reverie; journalctl -u reverie -e says why it ended",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn unit(load: &str, active: &str, file: &str, restarts: &str) -> HashMap<String, String> {
        let pairs = [
            ("LoadState", load),
            ("ActiveState", active),
            ("SubState", "running"),
            ("UnitFileState", file),
            ("NRestarts", restarts),
            ("Result", "success"),
            ("StatusText", "8 dreams a second"),
        ];
        pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    #[test]
    fn it_dreams_where_its_record_says_so_and_an_older_one_by_its_status_line() {
        let is_dreaming = |state: &str, status: &str, record: Option<bool>| {
            let record = record.map(|dreaming| ServiceRecord { dreaming });
            Service { state: state.to_owned(), restarts: "0".to_owned(), status: status.to_owned(), record }
                .is_dreaming()
        };
        let line = "0.4 dreams a second at 160x96 on cpu; camera present";
        assert!(is_dreaming("active", "in other words", Some(true)) && is_dreaming("active", line, None));
        assert!(!is_dreaming("active", line, Some(false)) && !is_dreaming("active", "", None));
        assert!(!is_dreaming("activating", line, Some(true)));
    }

    #[test]
    fn a_service_that_will_not_be_there_tomorrow_is_a_warning() {
        let verdict = |load, active, file, restarts| judge(&unit(load, active, file, restarts)).verdict;
        assert_eq!(verdict("loaded", "active", "enabled", "0"), Verdict::Ok);
        assert_eq!(verdict("loaded", "active", "enabled", "3"), Verdict::Warning);
        assert_eq!(verdict("loaded", "active", "disabled", "0"), Verdict::Warning);
        assert_eq!(verdict("loaded", "failed", "enabled", "0"), Verdict::Failure);
        assert_eq!(verdict("loaded", "inactive", "enabled", "0"), Verdict::Failure);
        assert_eq!(verdict("masked", "inactive", "masked", "0"), Verdict::Failure);
        assert_eq!(verdict("not-found", "inactive", "", "0"), Verdict::Ok);
    }
}
