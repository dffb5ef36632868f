//! `[schedule]`: opening hours.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::sections::Fault;
use crate::director::{self, Day, Outside};

/// Hours by weekday, as text; a day not named is closed, unless none is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// None: the system's.
    pub timezone: Option<String>,
    pub monday: Option<String>,
    pub tuesday: Option<String>,
    pub wednesday: Option<String>,
    pub thursday: Option<String>,
    pub friday: Option<String>,
    pub saturday: Option<String>,
    pub sunday: Option<String>,
    /// Hours of single dates, in place of their weekday's.
    pub exceptions: BTreeMap<String, String>,
    /// `blank`, or a scene.
    pub outside: String,
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule {
            timezone: None,
            monday: None,
            tuesday: None,
            wednesday: None,
            thursday: None,
            friday: None,
            saturday: None,
            sunday: None,
            exceptions: BTreeMap::new(),
            outside: "blank".to_owned(),
        }
    }
}

impl Schedule {
    fn week(&self) -> [(&'static str, &Option<String>); 7] {
        [
            ("schedule.monday", &self.monday),
            ("schedule.tuesday", &self.tuesday),
            ("schedule.wednesday", &self.wednesday),
            ("schedule.thursday", &self.thursday),
            ("schedule.friday", &self.friday),
            ("schedule.saturday", &self.saturday),
            ("schedule.sunday", &self.sunday),
        ]
    }

    pub(super) fn fault(&self) -> Fault {
        self.read().err()
    }

    /// The opening hours; none where no day is named.
    pub(super) fn read(&self) -> Result<Option<director::Schedule>, (&'static str, String)> {
        let zone = match &self.timezone {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name).map_err(|_| {
                let name: String = name.chars().take(40).collect();
                ("schedule.timezone", format!("`{name}` is no time zone such as \"Europe/Berlin\""))
            })?,
        };
        let is_any_named = self.week().iter().any(|(_, day)| day.is_some());
        let mut week = [0; 7].map(|_| if is_any_named { Day::default() } else { Day::open() });
        for (slot, (key, text)) in week.iter_mut().zip(self.week()) {
            if let Some(text) = text {
                *slot = text.parse().map_err(|e: director::DayError| (key, e.to_string()))?;
            }
        }
        let mut exceptions = BTreeMap::new();
        for (date, day) in &self.exceptions {
            const KEY: &str = "schedule.exceptions";
            let wrong =
                || (KEY, format!("`{}` is no date such as \"2026-12-24\"", date.chars().take(40).collect::<String>()));
            let date: Date = date.parse().map_err(|_| wrong())?;
            exceptions.insert(date, day.parse().map_err(|e: director::DayError| (KEY, format!("{date}: {e}")))?);
        }
        if self.outside != "blank" {
            director::check_scene_name(&self.outside)
                .map_err(|_| ("schedule.outside", "takes \"blank\" or the name of a scene".to_owned()))?;
        }
        if !is_any_named && exceptions.is_empty() {
            return Ok(None);
        }
        let outside = match self.outside.as_str() {
            "blank" => Outside::Blank,
            scene => Outside::Scene(scene.to_owned()),
        };
        Ok(Some(director::Schedule::new(zone, week, exceptions, outside)))
    }
}
