//! The monitor's cable: QEMU's virtio-gpu takes the size of its monitor from a VNC viewer, and 0×0 for none.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const DESKTOP_SIZE: i32 = -223;
const EXTENDED_DESKTOP_SIZE: i32 = -308;

/// Plugs in a monitor of this size; 0×0 unplugs it. QEMU ignores 0×0 before any other size, so set one first.
pub fn set_monitor(socket: &Path, width: u16, height: u16) {
    try_set_monitor(socket, width, height)
        .unwrap_or_else(|e| panic!("setting QEMU's monitor to {width}x{height}: {e}"));
}

fn try_set_monitor(socket: &Path, width: u16, height: u16) -> std::io::Result<()> {
    let mut vnc = UnixStream::connect(socket)?;
    vnc.set_read_timeout(Some(Duration::from_secs(30)))?;
    // Version; security "none"; a shared session; then the server's size, pixel format and name.
    let mut version = [0; 12];
    vnc.read_exact(&mut version)?;
    vnc.write_all(b"RFB 003.008\n")?;
    let mut kinds = [0];
    vnc.read_exact(&mut kinds)?;
    vnc.read_exact(&mut vec![0; kinds[0].into()])?;
    vnc.write_all(&[1])?;
    vnc.read_exact(&mut [0; 4])?;
    vnc.write_all(&[1])?;
    let mut init = [0; 24];
    vnc.read_exact(&mut init)?;
    let name = u32::from_be_bytes([init[20], init[21], init[22], init[23]]);
    vnc.read_exact(&mut vec![0; name as usize])?;
    // SetEncodings: sizes only. SetDesktopSize: one screen, at 0,0.
    let encodings = [0, DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE];
    let mut message = vec![2, 0, 0, encodings.len() as u8];
    encodings.iter().for_each(|encoding| message.extend(encoding.to_be_bytes()));
    message.extend([251, 0]);
    [width, height].iter().for_each(|side| message.extend(side.to_be_bytes()));
    message.extend([1, 0]);
    message.extend([0; 8]);
    [width, height].iter().for_each(|side| message.extend(side.to_be_bytes()));
    message.extend([0; 4]);
    vnc.write_all(&message)?;
    // The reply confirms it: an update of one rectangle, of the extended size.
    let mut reply = [0; 16];
    vnc.read_exact(&mut reply)?;
    Ok(())
}
