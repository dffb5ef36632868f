//! Word of plugged devices, as anybody on the machine might forge it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reverie::hotplug::is_about;

fuzz_target!(|bytes: &[u8]| {
    is_about(bytes, "drm");
    is_about(&[b"libudev\0", bytes].concat(), "drm");
});
