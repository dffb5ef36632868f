//! Hotplug events: uevents over netlink.
//!
//! Each comes twice: from the kernel at once, and from udev after it has made the links and set the permissions, when a plain
//! user may open the device. Where neither comes, callers poll, more slowly.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};
use tracing::debug;

use crate::poll;

/// Multicast groups of `NETLINK_KOBJECT_UEVENT`: the kernel's own, and what udev passes on.
const KERNEL: u32 = 1;
const UDEV: u32 = 2;
/// The kernel's longest event is half of this.
const MAX_EVENT_BYTES: usize = 4096;
/// What udev's messages begin with, and where in them the properties begin and how many bytes they are: `struct
/// udev_monitor_netlink_header`.
const UDEV_PREFIX: &[u8] = b"libudev\0";
const UDEV_PROPERTIES: usize = 16;

/// The events of one subsystem.
pub struct Hotplug {
    subsystem: &'static str,
    /// None: no events come.
    socket: Option<OwnedFd>,
}

impl Hotplug {
    /// Listens to `subsystem` (`video4linux`, `drm`) from now on. Where there is no socket, as in some sandboxes, no events come.
    pub fn listen(subsystem: &'static str) -> Hotplug {
        let socket = open().map_err(|e| debug!("no hotplug events: {e}")).ok();
        Hotplug { subsystem, socket }
    }

    /// Whether an event came since the last call. Does not wait.
    pub fn happened(&mut self) -> bool {
        let mut happened = false;
        let mut event = [0; MAX_EVENT_BYTES];
        while let Some(length) = self.receive(&mut event) {
            happened |= is_about(&event[..length], self.subsystem);
        }
        happened
    }

    /// Waits for an event, `timeout` at most.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        loop {
            if self.happened() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.socket.as_ref().map(|socket| poll::wait(socket, PollFlags::IN, left));
            if !matches!(waited, Some(Ok(_))) {
                std::thread::sleep(left);
            }
        }
    }

    /// The next event's length; none where there is no more.
    fn receive(&self, event: &mut [u8]) -> Option<usize> {
        let socket = self.socket.as_ref()?;
        loop {
            match recvfrom(socket, &mut *event, RecvFlags::DONTWAIT) {
                Ok((length, _, sender)) => {
                    let groups =
                        sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok()).map(|from| from.groups());
                    // To the kernel's group the kernel alone may send, to udev's root alone.
                    if groups.is_some_and(|groups| groups & (KERNEL | UDEV) != 0) {
                        return Some(length);
                    }
                }
                Err(Errno::INTR) => {}
                // Too many at once for the socket's memory: one of them may have been ours.
                Err(Errno::NOBUFS) => return Some(event_for_lost(event, self.subsystem)),
                Err(_) => return None,
            }
        }
    }
}

/// Writes an event of `subsystem` in place of those that were lost.
fn event_for_lost(event: &mut [u8], subsystem: &str) -> usize {
    let text = format!("change@lost\0SUBSYSTEM={subsystem}\0");
    event[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

/// Whether `event`, in either form, is about `subsystem`.
#[doc(hidden)]
pub fn is_about(event: &[u8], subsystem: &str) -> bool {
    let properties = match event.strip_prefix(UDEV_PREFIX) {
        None => event,
        Some(_) => {
            let number = |at: usize| {
                let bytes = event.get(at..at + 4)?.first_chunk()?;
                Some(u32::from_ne_bytes(*bytes) as usize)
            };
            // After the prefix, a magic number and the header's length.
            let place = number(UDEV_PROPERTIES).zip(number(UDEV_PROPERTIES + 4));
            let range = place.and_then(|(start, length)| Some(start..start.checked_add(length)?));
            range.and_then(|range| event.get(range)).unwrap_or_default()
        }
    };
    let is_ours = |property: &[u8]| property.strip_prefix(b"SUBSYSTEM=") == Some(subsystem.as_bytes());
    properties.split(|byte| *byte == 0).any(is_ours)
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(KOBJECT_UEVENT))?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL | UDEV))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGGED: &[u8] = b"add@/devices/pci0000:00/usb1/1-2/video4linux/video0\0ACTION=add\0\
        DEVPATH=/devices/pci0000:00/usb1/1-2/video4linux/video0\0SUBSYSTEM=video4linux\0MAJOR=81\0DEVNAME=video0\0SEQNUM=2431\0";

    /// As udev passes it on.
    fn by_udev(properties: &[u8]) -> Vec<u8> {
        let mut event = UDEV_PREFIX.to_vec();
        event.extend(0xFEED_CAFE_u32.to_be_bytes());
        for number in [40, 40, properties.len() as u32, 7, 8, 9, 10] {
            event.extend(number.to_ne_bytes());
        }
        event.extend(properties);
        event
    }

    #[test]
    fn events_of_both_senders_are_understood() {
        for event in [PLUGGED.to_vec(), by_udev(PLUGGED)] {
            assert!(is_about(&event, "video4linux"));
            assert!(!is_about(&event, "drm") && !is_about(&event, "video"));
        }
        assert!(!is_about(&by_udev(PLUGGED)[..60], "video4linux"), "cut off");
        let mut event = [0; MAX_EVENT_BYTES];
        let length = event_for_lost(&mut event, "drm");
        assert!(is_about(&event[..length], "drm"));
    }

    #[test]
    fn waiting_ends() {
        assert!(!Hotplug { subsystem: "drm", socket: None }.wait(Duration::from_millis(1)));
        // Nothing is plugged into anything of this name.
        assert!(!Hotplug::listen("no-such-subsystem").wait(Duration::from_millis(1)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>, at in 0usize..200, value: u8) {
            is_about(&bytes, "drm");
            is_about(&by_udev(&bytes), "drm");
            let mut spoilt = by_udev(PLUGGED);
            let length = spoilt.len();
            spoilt[at % length] = value;
            is_about(&spoilt, "drm");
        }
    }
}
