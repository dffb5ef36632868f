//! `[schedule]` as the configuration file has it: opening hours, as text.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::scenes;
use super::schedule::{Day, DayError, Outside, Schedule};
use crate::checks::InvalidSetting;
use crate::text::excerpt;

/// Hours by weekday; a day not named is closed, unless none is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawSchedule {
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

impl Default for RawSchedule {
    fn default() -> RawSchedule {
        RawSchedule {
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

impl RawSchedule {
    fn week(&self) -> [(&'static str, &Option<String>); 7] {
        [
            ("monday", &self.monday),
            ("tuesday", &self.tuesday),
            ("wednesday", &self.wednesday),
            ("thursday", &self.thursday),
            ("friday", &self.friday),
            ("saturday", &self.saturday),
            ("sunday", &self.sunday),
        ]
    }

    /// The opening hours; none where no day is named.
    ///
    /// # Errors
    /// The first key that cannot be read.
    pub fn read(&self) -> Result<Option<Schedule>, InvalidSetting> {
        let zone = match &self.timezone {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name).map_err(|_| {
                InvalidSetting::new(
                    "timezone",
                    format!("`{}` is no time zone such as \"Europe/Berlin\"", excerpt(name)),
                )
            })?,
        };
        let is_any_named = self.week().iter().any(|(_, day)| day.is_some());
        let mut week = [0; 7].map(|_| if is_any_named { Day::default() } else { Day::open() });
        for (slot, (key, text)) in week.iter_mut().zip(self.week()) {
            if let Some(text) = text {
                *slot = text.parse().map_err(|e: DayError| InvalidSetting::new(key, e.to_string()))?;
            }
        }
        let mut exceptions = BTreeMap::new();
        for (date, day) in &self.exceptions {
            const KEY: &str = "exceptions";
            let date: Date = date.parse().map_err(|_| {
                InvalidSetting::new(KEY, format!("`{}` is no date such as \"2026-12-24\"", excerpt(date)))
            })?;
            let day = day.parse().map_err(|e: DayError| InvalidSetting::new(KEY, format!("{date}: {e}")))?;
            exceptions.insert(date, day);
        }
        if self.outside != "blank" {
            scenes::check_name(&self.outside)
                .map_err(|_| InvalidSetting::new("outside", "takes \"blank\" or the name of a scene"))?;
        }
        if !is_any_named && exceptions.is_empty() {
            return Ok(None);
        }
        let outside = match self.outside.as_str() {
            "blank" => Outside::Blank,
            scene => Outside::Scene(scene.to_owned()),
        };
        Ok(Some(Schedule::new(zone, week, exceptions, outside)))
    }
}
