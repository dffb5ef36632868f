//! The name of a device, which is part of every topic.

use std::fmt;
use std::str::FromStr;

use crate::text::excerpt;

/// The longest device id, bytes; it is part of every topic.
const MAX_DEVICE_ID: usize = 64;

/// This device's name in every topic: letters, digits, `-` and `_`; never `group` or `all`, which name many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String);

/// A name that cannot be a device id.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` cannot be a device id: 1 to {MAX_DEVICE_ID} letters, digits, `-` and `_`, and neither `group` nor `all`"
)]
pub struct DeviceIdError(String);

impl DeviceId {
    /// From a host name: what a device id cannot hold becomes `-`, a reserved or empty name gets `mirror` in front.
    pub fn from_host_name(host: &str) -> DeviceId {
        let safe: String = host
            .trim()
            .chars()
            .take(MAX_DEVICE_ID)
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let safe = safe.trim_matches('-');
        match safe.parse() {
            Ok(id) => id,
            Err(_) if safe.is_empty() => DeviceId("mirror".to_owned()),
            Err(_) => DeviceId(format!("mirror-{safe}")),
        }
    }

    /// From this machine's host name.
    pub fn of_this_host() -> DeviceId {
        DeviceId::from_host_name(&std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The base topic, below which all topics of this device lie.
    pub fn base(&self) -> String {
        super::topic::base(&self.0)
    }
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(name: &str) -> Result<DeviceId, DeviceIdError> {
        let fine = (1..=MAX_DEVICE_ID).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !["group", "all"].iter().any(|reserved| name.eq_ignore_ascii_case(reserved));
        if !fine {
            return Err(DeviceIdError(excerpt(name)));
        }
        Ok(DeviceId(name.to_owned()))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_device_id_is_a_plain_topic_level_and_never_names_many() {
        for good in ["mirror-1", "Hall_2", "a"] {
            assert_eq!(good.parse::<DeviceId>().unwrap().as_str(), good);
        }
        let long = "x".repeat(MAX_DEVICE_ID + 1);
        for bad in ["", "group", "all", "ALL", "a/b", "a+b", "#", "a b", "ä", "$SYS", long.as_str()] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_host_name_becomes_a_device_id() {
        let id = |host: &str| DeviceId::from_host_name(host).0;
        assert_eq!(id("Mirror-3\n"), "mirror-3");
        assert_eq!(id("jetson.museum.example"), "jetson-museum-example");
        assert_eq!(id("all"), "mirror-all");
        assert_eq!(id("-\n"), "mirror");
        assert_eq!(id(""), "mirror");
    }

    proptest! {
        #[test]
        fn any_host_name_gives_a_valid_device_id(host in ".{0,100}") {
            let id = DeviceId::from_host_name(&host);
            prop_assert_eq!(id.as_str().parse::<DeviceId>().unwrap(), id);
        }
    }
}
