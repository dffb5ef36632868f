//! Opening hours in a time zone.
//!
//! Hours are those of the clock on the wall there. Where that clock is put forward, hours that begin in the gap begin as much
//! later as it is long; where it is put back, an hour that comes twice counts by its first.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::moment::is_set;
use crate::text::excerpt;

/// When it is open, and what is shown when it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    zone: TimeZone,
    /// Monday first.
    week: [Day; 7],
    /// Dates that differ, whole.
    exceptions: BTreeMap<Date, Day>,
    outside: Outside,
}

/// An opening or a closing.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub opens: bool,
    pub at: Timestamp,
    /// The moment as the clock on the wall shows it, by RFC 3339.
    pub shown: String,
}

/// What is shown outside the opening hours.
#[derive(Debug, Clone, PartialEq)]
pub enum Outside {
    /// Nothing: the screen is switched off.
    Blank,
    Scene(String),
}

/// The hours of one day, those past midnight with the day they begin on: `10:00-13:00, 14:00-02:00`, `open` or `closed`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Day(Vec<Hours>);

/// From one time to another, on the next day where that is not later.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Hours {
    from: Time,
    to: Time,
}

/// What a day's text takes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "`{0}` are not opening hours; write \"10:00-18:00\", several with commas, past midnight as \"18:00-02:00\", \"open\" or \"closed\""
)]
pub struct DayError(String);

impl Day {
    /// Around the clock.
    pub fn open() -> Day {
        Day(vec![Hours { from: Time::midnight(), to: Time::midnight() }])
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Day, DayError> {
        let wrong = || DayError(excerpt(text));
        match text.trim() {
            "closed" => return Ok(Day::default()),
            "open" => return Ok(Day::open()),
            _ => {}
        }
        let hours = text.split(',').map(|part| {
            let (from, to) = part.split_once('-')?;
            Some(Hours { from: time(from)?, to: time(to)? })
        });
        hours.collect::<Option<_>>().map(Day).ok_or_else(wrong)
    }
}

/// `9:30`, `18:00`, and `24:00` for the midnight that a day ends with.
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let is_plain =
        |digits: &str, least| (least..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_plain(hour, 1) || !is_plain(minute, 2) {
        return None;
    }
    match (hour.parse().ok()?, minute.parse().ok()?) {
        (24, 0) => Some(Time::midnight()),
        (hour, minute) => Time::new(hour, minute, 0, 0).ok(),
    }
}

impl Schedule {
    /// Hours by weekday (Monday first), with `exceptions`, in `zone`.
    pub fn new(zone: TimeZone, week: [Day; 7], exceptions: BTreeMap<Date, Day>, outside: Outside) -> Schedule {
        Schedule { zone, week, exceptions, outside }
    }

    /// Whether it is open at `moment`; none where the clock has clearly not been set.
    pub fn is_open(&self, moment: Timestamp) -> Option<bool> {
        if !is_set(moment) {
            return None;
        }
        let today = moment.to_zoned_datetime(self.zone.clone()).date();
        // What began yesterday may go on past midnight.
        let days = [today.yesterday().ok(), Some(today)].into_iter().flatten();
        Some(days.into_iter().any(|date| self.day(date).0.iter().any(|hours| self.contains(date, *hours, moment))))
    }

    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// The name of the time zone; none where the system has one without.
    pub fn zone_name(&self) -> Option<&str> {
        self.zone.iana_name()
    }

    /// When it opens or closes next after `now`; none where it never does, or the clock has clearly not been set.
    pub fn next_change(&self, now: Timestamp) -> Option<Change> {
        /// A week, and the days to both sides of it, whose hours reach into it or end it.
        const DAYS: std::ops::RangeInclusive<i64> = -1..=8;
        let is_open = self.is_open(now)?;
        let today = now.to_zoned_datetime(self.zone.clone()).date();
        // A week without exceptions in which nothing changes is followed by others like it, up to the next exception.
        let exceptions = self.exceptions.range(today..).map(|(date, _)| *date);
        std::iter::once(today).chain(exceptions).find_map(|first| {
            let dates = DAYS.filter_map(|days| first.checked_add(days.days()).ok());
            let edges: BTreeSet<Timestamp> = dates.flat_map(|date| self.edges(date)).filter(|at| *at > now).collect();
            let at = edges.into_iter().find(|at| self.is_open(*at) == Some(!is_open))?;
            let zone = at.to_zoned_datetime(self.zone.clone());
            Some(Change { opens: !is_open, at, shown: at.display_with_offset(zone.offset()).to_string() })
        })
    }

    /// When the hours of `date` begin and end, unsorted.
    fn edges(&self, date: Date) -> Vec<Timestamp> {
        let spans = self.day(date).0.iter().filter_map(|hours| self.span(date, *hours));
        spans.flat_map(|(from, to)| [from, to]).collect()
    }

    fn day(&self, date: Date) -> &Day {
        let weekday = date.weekday().to_monday_zero_offset() as usize;
        self.exceptions.get(&date).unwrap_or(&self.week[weekday])
    }

    fn contains(&self, date: Date, hours: Hours, moment: Timestamp) -> bool {
        self.span(date, hours).is_some_and(|(from, to)| (from..to).contains(&moment))
    }

    /// From when to when the `hours` of `date` are.
    fn span(&self, date: Date, hours: Hours) -> Option<(Timestamp, Timestamp)> {
        let last = if hours.to > hours.from { date } else { date.tomorrow().ok()? };
        let at = |date: Date, time| Some(date.to_datetime(time).to_zoned_datetime(self.zone.clone()).ok()?.timestamp());
        Some((at(date, hours.from)?, at(last, hours.to)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(zone: &str, day: &str) -> Schedule {
        let day: Day = day.parse().unwrap();
        let week = [0; 7].map(|_| day.clone());
        Schedule::new(TimeZone::get(zone).unwrap(), week, BTreeMap::new(), Outside::Blank)
    }

    fn is_open(schedule: &Schedule, moment: &str) -> bool {
        schedule.is_open(moment.parse().unwrap()).unwrap()
    }

    /// The moments (UTC) between `from` and `to` at which it opens and closes.
    fn edges(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
        let (mut now, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        let mut found = Vec::new();
        let mut was = schedule.is_open(now).unwrap();
        while now < to {
            now += jiff::SignedDuration::from_secs(60);
            let open = schedule.is_open(now).unwrap();
            if open != was {
                found.push(format!("{} {now}", if open { "opens" } else { "closes" }));
            }
            was = open;
        }
        found
    }

    #[test]
    fn the_hours_of_the_wall_clock_hold_on_both_days_when_it_is_changed() {
        // 2026: Berlin goes to summer time on March 29, 01:00 UTC, and back on October 25, 01:00 UTC.
        let berlin = schedule("Europe/Berlin", "10:00-18:00");
        let around = |from, to| edges(&berlin, from, to);
        assert_eq!(
            around("2026-03-28T00:00:00Z", "2026-03-29T23:00:00Z"),
            [
                "opens 2026-03-28T09:00:00Z",
                "closes 2026-03-28T17:00:00Z",
                "opens 2026-03-29T08:00:00Z",
                "closes 2026-03-29T16:00:00Z"
            ]
        );
        assert_eq!(
            around("2026-10-24T00:00:00Z", "2026-10-25T23:00:00Z"),
            [
                "opens 2026-10-24T08:00:00Z",
                "closes 2026-10-24T16:00:00Z",
                "opens 2026-10-25T09:00:00Z",
                "closes 2026-10-25T17:00:00Z"
            ]
        );
        // South of the equator it is the other way round: Sydney goes back on April 5 and forward on October 4.
        let sydney = schedule("Australia/Sydney", "09:00-17:00");
        assert!(is_open(&sydney, "2026-04-04T22:30:00Z") == is_open(&sydney, "2026-04-05T22:30:00Z"));
        assert_eq!(
            edges(&sydney, "2026-10-03T12:00:00Z", "2026-10-04T10:00:00Z"),
            ["opens 2026-10-03T22:00:00Z", "closes 2026-10-04T06:00:00Z"]
        );
    }

    #[test]
    fn hours_within_the_change_itself_open_and_close_once() {
        let night = schedule("Europe/Berlin", "01:00-03:00");
        // One hour of spring, three of autumn.
        assert_eq!(
            edges(&night, "2026-03-28T22:00:00Z", "2026-03-29T10:00:00Z"),
            ["opens 2026-03-29T00:00:00Z", "closes 2026-03-29T01:00:00Z"]
        );
        assert_eq!(
            edges(&night, "2026-10-24T21:00:00Z", "2026-10-25T10:00:00Z"),
            ["opens 2026-10-24T23:00:00Z", "closes 2026-10-25T02:00:00Z"]
        );
        // 02:30 does not come in spring, and comes twice in autumn.
        let half_past = schedule("Europe/Berlin", "02:30-04:00");
        assert_eq!(
            edges(&half_past, "2026-03-28T22:00:00Z", "2026-03-29T10:00:00Z"),
            ["opens 2026-03-29T01:30:00Z", "closes 2026-03-29T02:00:00Z"]
        );
        assert_eq!(
            edges(&half_past, "2026-10-24T21:00:00Z", "2026-10-25T10:00:00Z"),
            ["opens 2026-10-25T00:30:00Z", "closes 2026-10-25T03:00:00Z"]
        );
        // A day that has no midnight: Cairo, April 24, 2026.
        let cairo = schedule("Africa/Cairo", "open");
        assert_eq!(edges(&cairo, "2026-04-22T00:00:00Z", "2026-04-26T00:00:00Z"), [""; 0]);
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_they_begin_on() {
        let bar = |weekday: usize, date: &str, exception: &str| {
            let mut week = [0; 7].map(|_| Day::default());
            week[weekday] = "22:00-02:00".parse().unwrap();
            let exceptions = BTreeMap::from([(date.parse().unwrap(), exception.parse().unwrap())]);
            Schedule::new(TimeZone::UTC, week, exceptions, Outside::Blank)
        };
        // 2026-11-27 is a Friday.
        let friday = bar(4, "2026-12-24", "closed");
        assert_eq!(
            edges(&friday, "2026-11-27T00:00:00Z", "2026-12-03T00:00:00Z"),
            ["opens 2026-11-27T22:00:00Z", "closes 2026-11-28T02:00:00Z"]
        );
        // An exception is that of a whole day; what began the day before goes on.
        let saturday_differs = bar(4, "2026-11-28", "10:00-12:00");
        assert_eq!(
            edges(&saturday_differs, "2026-11-27T00:00:00Z", "2026-12-03T00:00:00Z"),
            [
                "opens 2026-11-27T22:00:00Z",
                "closes 2026-11-28T02:00:00Z",
                "opens 2026-11-28T10:00:00Z",
                "closes 2026-11-28T12:00:00Z"
            ]
        );
        let friday_differs = bar(4, "2026-11-27", "closed");
        assert_eq!(edges(&friday_differs, "2026-11-27T00:00:00Z", "2026-12-03T00:00:00Z"), [""; 0]);
        // Midnight itself is a moment like others.
        let days = schedule("Europe/Berlin", "00:00-24:00");
        assert_eq!(edges(&days, "2026-11-27T00:00:00Z", "2026-11-29T00:00:00Z"), [""; 0]);
    }

    #[test]
    fn a_clock_that_was_not_set_says_nothing() {
        let berlin = schedule("Europe/Berlin", "10:00-18:00");
        assert_eq!(berlin.is_open(Timestamp::UNIX_EPOCH), None);
        assert_eq!(berlin.is_open("2024-12-31T23:59:59Z".parse().unwrap()), None);
        assert!(is_open(&berlin, "2026-11-27T10:00:00Z"));
    }

    #[test]
    fn what_is_no_hours_is_refused() {
        for good in ["open", "closed", "9:00-17:30", "00:00-24:00", " 10:00 - 12:00 , 14:00-02:00"] {
            good.parse::<Day>().unwrap();
        }
        for bad in
            ["", "10-18", "10:00", "10:00-25:00", "10:60-11:00", "10:00-18:00;", "24:01-1:00", "+1:00-2:00", "1:0-2:00"]
        {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_next_change_is_known_however_far_away() {
        let with = |day: &str, exceptions: &[(&str, &str)]| {
            let day: Day = day.parse().unwrap();
            let exceptions = exceptions.iter().map(|(date, day)| (date.parse().unwrap(), day.parse().unwrap()));
            let berlin = TimeZone::get("Europe/Berlin").unwrap();
            Schedule::new(berlin, [0; 7].map(|_| day.clone()), exceptions.collect(), Outside::Blank)
        };
        let next = |schedule: &Schedule, now: &str| {
            let change = schedule.next_change(now.parse().unwrap())?;
            Some(format!("{} {}", if change.opens { "opens" } else { "closes" }, change.shown))
        };
        let now = "2026-11-27T12:00:00Z";
        let told = |text: &str| Some(text.to_owned());
        let daily = with("10:00-18:00", &[]);
        assert_eq!(next(&daily, now), told("closes 2026-11-27T18:00:00+01:00"));
        assert_eq!(next(&daily, "2026-11-27T17:00:00Z"), told("opens 2026-11-28T10:00:00+01:00"));
        assert_eq!(next(&daily, "2027-07-01T00:00:00Z"), told("opens 2027-07-01T10:00:00+02:00"));
        assert_eq!(next(&daily, "1970-01-01T00:00:00Z"), None, "the clock was not set");
        assert_eq!(next(&with("open", &[]), now), None);
        assert_eq!(next(&with("00:00-24:00", &[]), now), None, "midnight is no change");
        let eve = [("2028-12-24", "00:00-14:00"), ("2028-12-25", "closed"), ("2026-01-01", "closed")];
        let always = with("open", &eve);
        assert_eq!(next(&always, now), told("closes 2028-12-24T14:00:00+01:00"));
        assert_eq!(next(&always, "2028-12-24T20:00:00Z"), told("opens 2028-12-26T00:00:00+01:00"));
        assert_eq!(next(&always, "2029-01-01T00:00:00Z"), None);
        // A holiday of weeks ends where the week is as usual again.
        let days: Vec<String> = (1..=30).map(|day| format!("2026-12-{day:02}")).collect();
        let holiday: Vec<(&str, &str)> = days.iter().map(|day| (day.as_str(), "closed")).collect();
        assert_eq!(next(&with("open", &holiday), "2026-12-01T12:00:00Z"), told("opens 2026-12-31T00:00:00+01:00"));
        // Where time ends.
        assert_eq!(next(&with("open", &[("9999-12-30", "closed")]), now), told("closes 9999-12-30T00:00:00+01:00"));
        assert_eq!(next(&with("open", &[("9999-12-31", "closed")]), now), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Between now and then it does not change from minute to minute, and then it does, days on which the clock is changed among them.
        #[test]
        fn the_next_change_is_the_next_one(
            week in prop::collection::vec(prop::collection::vec((0..1440i16, 0..1440i16), 0..3), 7),
            exception in (0..10i64, prop::collection::vec((0..1440i16, 0..1440i16), 0..2)),
            start in prop::sample::select(vec!["2026-03-24T00:00:00Z", "2026-10-22T00:00:00Z", "2026-11-02T00:00:00Z"]),
            minute in 0..(4 * 1440i64),
        ) {
            let text = |minutes: i16| Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).unwrap();
            let day = |hours: &Vec<(i16, i16)>| Day(hours.iter().map(|&(from, to)| Hours { from: text(from), to: text(to) }).collect());
            let days: Vec<Day> = week.iter().map(day).collect();
            let start: Timestamp = start.parse().unwrap();
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let date = start.to_zoned_datetime(zone.clone()).date().checked_add(exception.0.days()).unwrap();
            let exceptions = BTreeMap::from([(date, day(&exception.1))]);
            let schedule = Schedule::new(zone, days.try_into().unwrap(), exceptions, Outside::Blank);
            let now = start + jiff::SignedDuration::from_mins(minute);
            let open = schedule.is_open(now).unwrap();
            let within = (1..9 * 1440).map(|minutes| now + jiff::SignedDuration::from_mins(minutes));
            let seen = within.into_iter().find(|at| schedule.is_open(*at).unwrap() != open);
            let told = schedule.next_change(now);
            match seen {
                Some(at) => prop_assert_eq!(told.map(|change| (change.opens, change.at)), Some((!open, at))),
                None => prop_assert!(told.is_none_or(|change| change.at >= now + jiff::SignedDuration::from_mins(9 * 1440))),
            }
        }
    }

    proptest! {
        /// Where the clock is never changed it is open when the time of day lies in hours of that day or of the one before.
        #[test]
        fn it_is_open_when_the_wall_clock_says_so(
            week in prop::collection::vec(prop::collection::vec((0..1440i16, 0..1440i16), 0..3), 7),
            minute in 0..(3 * 7 * 1440i64),
        ) {
            let text = |minutes: i16| Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).unwrap();
            let day = |hours: &Vec<(i16, i16)>| Day(hours.iter().map(|&(from, to)| Hours { from: text(from), to: text(to) }).collect());
            let days: Vec<Day> = week.iter().map(day).collect();
            let schedule = Schedule::new(TimeZone::get("Asia/Tokyo").unwrap(), days.try_into().unwrap(), BTreeMap::new(), Outside::Blank);
            // Monday, 2026-11-02, midnight in Tokyo.
            let monday: Timestamp = "2026-11-02T00:00:00+09:00".parse().unwrap();
            let now = monday + jiff::SignedDuration::from_mins(minute);
            let (today, of_day) = ((minute / 1440) as usize % 7, (minute % 1440) as i16);
            let open_today = week[today].iter().any(|&(from, to)| of_day >= from && (to <= from || of_day < to));
            let still_open = week[(today + 6) % 7].iter().any(|&(from, to)| to <= from && of_day < to);
            prop_assert_eq!(schedule.is_open(now), Some(open_today || still_open));
        }
    }
}
