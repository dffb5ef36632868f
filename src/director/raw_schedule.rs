//! Opening hours as text: `[schedule]` of the configuration file, and what the action `hours` takes.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::scenes;
use super::schedule::{Day, DayError, Outside, Schedule};
use crate::checks::InvalidSetting;
use crate::params::Refusal;
use crate::text::excerpt;

/// What a command may say of one day, characters: over a dozen openings.
const MAX_TEXT: usize = 200;
/// Dates with hours of their own in a command: more than anybody types.
const MAX_EXCEPTIONS: usize = 400;

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
    /// The name of each field.
    pub const KEYS: &[&str] = &[
        "timezone",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "exceptions",
        "outside",
    ];

    /// Out of the entries of a command, of which the keys are known to be right; what the hours say is not checked yet.
    ///
    /// # Errors
    /// The first entry that is no text, or too long.
    pub fn of(entries: &Map<String, Json>) -> Result<RawSchedule, Refusal> {
        let is_text = |json: &Json| json.as_str().is_some_and(|text| text.chars().count() <= MAX_TEXT);
        for (key, json) in entries {
            match json {
                Json::Object(dates) if key == "exceptions" => {
                    if dates.len() > MAX_EXCEPTIONS || !dates.values().all(is_text) {
                        let why = format!(
                            "is at most {MAX_EXCEPTIONS} dates, each with text of at most {MAX_TEXT} characters: {{\"2026-12-24\": \"10:00-14:00\"}}"
                        );
                        return Err(Refusal::new(key.as_str(), why));
                    }
                }
                _ if key == "exceptions" => {
                    let why = "is an object of dates and their hours: {\"2026-12-24\": \"10:00-14:00\"}";
                    return Err(Refusal::new(key.as_str(), why));
                }
                json if is_text(json) => {}
                _ => return Err(Refusal::new(key.as_str(), format!("is text of at most {MAX_TEXT} characters"))),
            }
        }
        serde_json::from_value(entries.clone().into()).map_err(Refusal::whole)
    }

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

/// Opening hours as somebody wrote them, and what that means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpeningHours {
    said: RawSchedule,
    schedule: Option<Schedule>,
}

impl OpeningHours {
    /// # Errors
    /// The first key that cannot be read.
    pub fn read(said: RawSchedule) -> Result<OpeningHours, InvalidSetting> {
        Ok(OpeningHours { schedule: said.read()?, said })
    }

    pub fn said(&self) -> &RawSchedule {
        &self.said
    }

    /// None: it is always open.
    pub fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }

    /// The scene that is shown outside them.
    pub fn scene_outside(&self) -> Option<&str> {
        match self.schedule()?.outside() {
            Outside::Scene(name) => Some(name),
            Outside::Blank => None,
        }
    }

    /// As `about` describes them: what was said, without the days that were not named, and the zone where its name is known.
    pub fn describe(&self) -> Option<Map<String, Json>> {
        let schedule = self.schedule()?;
        let mut said = serde_json::to_value(&self.said).ok()?.as_object_mut().map(std::mem::take)?;
        said.insert("timezone".to_owned(), schedule.zone_name().into());
        said.retain(|_, value| !value.is_null());
        Some(said)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Json) -> Result<OpeningHours, Refusal> {
        let said = RawSchedule::of(json.as_object().unwrap())?;
        OpeningHours::read(said).map_err(|invalid| Refusal::new(invalid.key, invalid.message))
    }

    #[test]
    fn what_is_wrong_with_hours_is_said_by_key() {
        let long = "10:00-11:00,".repeat(50);
        let many: Map<String, Json> = (0..=MAX_EXCEPTIONS).map(|n| (format!("{n}"), json!("closed"))).collect();
        for (wrong, says) in [
            (json!({"monday": "10-18"}), "monday: `10-18` are not opening hours"),
            (json!({"monday": "open", "sunday": 10}), "sunday: is text of at most 200"),
            (json!({"friday": null}), "friday: is text"),
            (json!({"tuesday": long}), "tuesday: is text of at most 200"),
            (json!({"timezone": "Mars/Olympus"}), "timezone: `Mars/Olympus` is no time zone"),
            (json!({"timezone": "../../etc/passwd"}), "timezone: "),
            (json!({"exceptions": "closed"}), "exceptions: is an object"),
            (json!({"exceptions": {"2026-12-24": 5}}), "exceptions: is at most 400 dates"),
            (json!({ "exceptions": many }), "exceptions: is at most 400 dates"),
            (json!({"exceptions": {"24.12.": "closed"}}), "exceptions: `24.12.` is no date"),
            (json!({"exceptions": {"2026-12-24": "noon"}}), "exceptions: 2026-12-24: `noon` are not opening hours"),
            (json!({"outside": "a/b"}), "outside: takes \"blank\" or the name of a scene"),
        ] {
            let refused = read(wrong.clone()).unwrap_err().to_string();
            assert!(refused.starts_with(says), "{wrong}: {refused}");
        }
    }

    #[test]
    fn a_command_takes_what_the_configuration_does() {
        let fields = serde_json::to_value(RawSchedule::default()).unwrap();
        assert_eq!(fields.as_object().unwrap().keys().collect::<Vec<_>>(), RawSchedule::KEYS);
    }

    #[test]
    fn hours_are_described_as_they_were_said_with_their_zone() {
        let hours =
            read(json!({"timezone": "europe/berlin", "monday": "10:00-18:00", "exceptions": {"2026-12-28": "closed"}}));
        let described = json!(hours.unwrap().describe());
        assert_eq!(
            described,
            json!({"timezone": "Europe/Berlin", "monday": "10:00-18:00", "exceptions": {"2026-12-28": "closed"}, "outside": "blank"})
        );
        assert_eq!(read(json!({"outside": "calm"})).unwrap().describe(), None, "no day is named: it is always open");
    }
}
