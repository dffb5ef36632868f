//! The names of the topics, and who is addressed by which.
//!
//! Everything of one device lies below its base topic, `reverie/<device>`; commands to many below [`ALL`] and [`group`].

/// What the device itself publishes below its base topic.
pub const STATUS: &str = "status";
pub const ABOUT: &str = "about";
pub const STATE: &str = "state";
pub const TELEMETRY: &str = "telemetry";
pub const REPLY: &str = "reply";
pub const SNAPSHOT: &str = "snapshot";

/// The payloads of [`STATUS`].
pub const ONLINE: &str = "online";
pub const OFFLINE: &str = "offline";

/// Where commands to every device go.
pub const ALL: &str = "reverie/all";

/// Longest response topic that is honoured, bytes.
const MAX_RESPONSE_TOPIC: usize = 1024;

/// The base topic of the device of this name.
pub fn base(device: &str) -> String {
    format!("reverie/{device}")
}

/// One topic of the device of this name.
pub fn of_device(device: &str, topic: &str) -> String {
    format!("{}/{topic}", base(device))
}

/// A subscription to one topic of every device.
pub fn of_every_device(topic: &str) -> String {
    of_device("+", topic)
}

/// The name of the device whose [`STATUS`] this is.
pub fn device_of_status(topic: &str) -> Option<&str> {
    topic.strip_prefix("reverie/")?.strip_suffix(STATUS)?.strip_suffix('/')
}

/// Where commands to a group of devices go.
pub fn group(name: &str) -> String {
    format!("reverie/group/{name}")
}

/// Subscriptions to the commands to many below `base`, [`ALL`] or a [`group`].
pub fn commands(base: &str) -> [String; 2] {
    [format!("{base}/set/#"), format!("{base}/do/#")]
}

/// Subscriptions to every command to the device at `base`, which is in these groups.
pub fn all_commands(base: &str, groups: &[String]) -> Vec<String> {
    // Whatever is no command is answered too, below the device's own base topic.
    let own = format!("{base}/#");
    std::iter::once(own).chain(commands(ALL)).chain(groups.iter().flat_map(|name| commands(&group(name)))).collect()
}

/// A command's topic, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'t> {
    /// Below the base topic: `set/layer`.
    pub path: &'t str,
    /// Whether it goes to a group or to all.
    pub is_for_many: bool,
}

/// Parses the topic of a command to the device at `base`; none where it is no command to this one. `is_member` returns
/// whether the device is in a group.
pub fn command<'t>(topic: &'t str, base: &str, is_member: impl Fn(&str) -> bool) -> Option<Address<'t>> {
    let address = match below(topic, base) {
        Some(path) => Address { path, is_for_many: false },
        None => {
            let rest = topic.strip_prefix("reverie/")?;
            let path = match rest.strip_prefix("all/") {
                Some(path) => path,
                None => {
                    let (group, path) = rest.strip_prefix("group/")?.split_once('/')?;
                    // A message of a group that was just left may still arrive.
                    is_member(group).then_some(path)?
                }
            };
            Address { path, is_for_many: true }
        }
    };
    let first = address.path.split('/').next().unwrap_or_default();
    (![STATUS, ABOUT, STATE, TELEMETRY, REPLY, SNAPSHOT].contains(&first)).then_some(address)
}

/// The response topic that a command asks for, where a reply may go there: it can be published to, and is not one of this
/// device's other topics by mistake.
pub fn response(asked: &str, base: &str) -> Option<String> {
    let reserved = below(asked, base).is_some_and(|path| path != REPLY && !path.starts_with("reply/"));
    let publishable = !asked.is_empty()
        && asked.len() <= MAX_RESPONSE_TOPIC
        && !asked.starts_with('$')
        && !asked.contains(|c: char| c.is_control() || c == '+' || c == '#');
    (publishable && !reserved).then(|| asked.to_owned())
}

/// What follows `base` in a `topic` below it; nothing for the base itself, which a subscription to `<base>/#` includes.
fn below<'t>(topic: &'t str, base: &str) -> Option<&'t str> {
    match topic.strip_prefix(base)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "reverie/mirror-1";

    fn address(topic: &str) -> Option<(&str, bool)> {
        command(topic, BASE, |group| group == "hall").map(|address| (address.path, address.is_for_many))
    }

    #[test]
    fn a_device_takes_its_own_commands_and_those_to_its_groups_and_to_all() {
        assert_eq!(address("reverie/mirror-1/set/layer"), Some(("set/layer", false)));
        assert_eq!(address("reverie/all/do/blank"), Some(("do/blank", true)));
        assert_eq!(address("reverie/group/hall/set"), Some(("set", true)));
        assert_eq!(address("reverie/mirror-1/dance"), Some(("dance", false)), "it is answered that there is none");
        for other in
            ["reverie/mirror-10/set", "reverie/mirror-2/set", "reverie/group/attic/set", "reverie/group/hall", "other"]
        {
            assert_eq!(address(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_device_publishes_itself_is_no_command() {
        for own in ["status", "about", "state", "telemetry", "reply", "reply/ctl", "snapshot"] {
            assert_eq!(address(&format!("{BASE}/{own}")), None, "{own}");
        }
    }

    #[test]
    fn a_reply_goes_anywhere_but_where_it_would_be_taken_for_something_else() {
        for good in ["reply/mirror-1/ctl", "reverie/mirror-1/reply", "reverie/mirror-1/reply/7", "reverie/mirror-2/x"] {
            assert_eq!(response(good, BASE).as_deref(), Some(good));
        }
        let long = "x".repeat(MAX_RESPONSE_TOPIC + 1);
        for bad in ["", "a/+", "a/#", "$SYS/x", "a\0", "reverie/mirror-1/set/layer", "reverie/mirror-1", long.as_str()]
        {
            assert_eq!(response(bad, BASE), None, "{bad}");
        }
    }

    #[test]
    fn a_status_names_its_device() {
        assert_eq!(device_of_status("reverie/mirror-1/status"), Some("mirror-1"));
        assert_eq!(device_of_status("reverie/mirror-1/state"), None);
    }
}
