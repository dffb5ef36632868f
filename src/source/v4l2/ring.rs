//! The ring of memory-mapped buffers that a camera fills in turn.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memmap2::{Mmap, MmapOptions};
use rustix::time::{ClockId, clock_gettime};

use super::node::{Node, blank};
use super::sys::*;

/// One filled, one being filled, two in reserve; a driver may give other numbers.
const BUFFERS: u32 = 4;
/// More planes than any format we read.
pub const PLANES: usize = 3;
/// What the kernel may answer about (`VIDEO_MAX_PLANES`).
const VIDEO_MAX_PLANES: usize = 8;

/// A running stream; dropping it stops the stream.
pub struct Ring {
    node: Rc<Node>,
    buffers: Vec<Vec<Mmap>>,
}

/// A filled buffer, ours until it is given back.
pub struct Filled {
    index: u32,
    /// First byte and length of the picture in each plane.
    used: [(usize, usize); PLANES],
    pub is_corrupt: bool,
    /// When it was captured, as far as the driver says.
    pub captured: Instant,
}

impl Ring {
    /// Takes buffers and starts the stream.
    ///
    /// # Errors
    /// The driver gives none, or does not start.
    pub fn start(node: &Rc<Node>) -> io::Result<Ring> {
        let mut ring = Ring { node: Rc::clone(node), buffers: Vec::new() };
        let memory = V4L2_MEMORY_MMAP;
        let mut request = v4l2_requestbuffers { count: BUFFERS, type_: node.kind(), memory, ..blank() };
        node.call(vidioc::VIDIOC_REQBUFS, &mut request)?;
        if request.count == 0 {
            return Err(io::Error::other("the driver gives no buffers"));
        }
        for index in 0..request.count {
            let buffer = ring.map(index)?;
            ring.buffers.push(buffer);
        }
        (0..request.count).try_for_each(|index| ring.queue(index))?;
        let mut kind = node.kind();
        node.call(vidioc::VIDIOC_STREAMON, &mut kind)?;
        Ok(ring)
    }

    /// The planes of one buffer.
    fn map(&self, index: u32) -> io::Result<Vec<Mmap>> {
        let (buffer, planes) = self.call(vidioc::VIDIOC_QUERYBUF, index)?;
        let count = if self.node.is_multi_planar { (buffer.length as usize).min(VIDEO_MAX_PLANES) } else { 1 };
        let place = |plane: &v4l2_plane| {
            // SAFETY: of memory to be mapped, drivers fill in the offset.
            unsafe { (plane.m.mem_offset, plane.length) }
        };
        let single = || {
            // SAFETY: as above.
            unsafe { (buffer.m.offset, buffer.length) }
        };
        let places = (0..count).map(|i| if self.node.is_multi_planar { place(&planes[i]) } else { single() });
        places
            .map(|(offset, length)| {
                let mut options = MmapOptions::new();
                options.offset(offset.into()).len(length as usize);
                // SAFETY: the driver writes into a buffer only while it is queued, and we look at it only while it is not;
                // any bytes are pixels.
                unsafe { options.map(self.node.file()) }
            })
            .collect()
    }

    /// A request about a buffer, with room for its planes.
    fn call(
        &self,
        request: vidioc::_IOC_TYPE,
        index: u32,
    ) -> io::Result<(v4l2_buffer, [v4l2_plane; VIDEO_MAX_PLANES])> {
        let mut planes = [blank::<v4l2_plane>(); VIDEO_MAX_PLANES];
        let memory = V4L2_MEMORY_MMAP;
        let mut buffer = v4l2_buffer { index, type_: self.node.kind(), memory, ..blank() };
        if self.node.is_multi_planar {
            buffer.m.planes = planes.as_mut_ptr();
            buffer.length = VIDEO_MAX_PLANES as u32;
        }
        // The planes outlive the call.
        self.node.call(request, &mut buffer)?;
        Ok((buffer, planes))
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        self.call(vidioc::VIDIOC_QBUF, index).map(|_| ())
    }

    /// The next filled buffer; none where there is none yet.
    pub fn take(&self) -> io::Result<Option<Filled>> {
        let (buffer, planes) = match self.call(vidioc::VIDIOC_DQBUF, 0) {
            Ok(answer) => answer,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut used = [(0, 0); PLANES];
        if self.node.is_multi_planar {
            for (used, plane) in used.iter_mut().zip(&planes).take((buffer.length as usize).min(PLANES)) {
                *used = (plane.data_offset as usize, plane.bytesused.saturating_sub(plane.data_offset) as usize);
            }
        } else {
            used[0] = (0, buffer.bytesused as usize);
        }
        let is_corrupt = buffer.flags & V4L2_BUF_FLAG_ERROR != 0;
        Ok(Some(Filled { index: buffer.index, used, is_corrupt, captured: time_of(&buffer) }))
    }

    /// The planes of a filled buffer, none of them longer than its memory.
    pub fn planes(&self, filled: &Filled) -> [&[u8]; PLANES] {
        let mut planes: [&[u8]; PLANES] = [&[]; PLANES];
        let Some(buffer) = self.buffers.get(filled.index as usize) else { return planes };
        for ((plane, map), (start, length)) in planes.iter_mut().zip(buffer).zip(filled.used) {
            let start = start.min(map.len());
            *plane = &map[start..start.saturating_add(length).min(map.len())];
        }
        planes
    }

    /// Gives a buffer back to be filled.
    pub fn give_back(&self, filled: &Filled) -> io::Result<()> {
        self.queue(filled.index)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // A camera that was unplugged refuses; its buffers go all the same, with their mappings and the file.
        let mut kind = self.node.kind();
        let _ = self.node.call(vidioc::VIDIOC_STREAMOFF, &mut kind);
        self.buffers.clear();
        let memory = V4L2_MEMORY_MMAP;
        let mut none = v4l2_requestbuffers { count: 0, type_: self.node.kind(), memory, ..blank() };
        let _ = self.node.call(vidioc::VIDIOC_REQBUFS, &mut none);
    }
}

/// The driver's time where it goes by the clock that [`Instant`] goes by, else now.
fn time_of(buffer: &v4l2_buffer) -> Instant {
    let now = Instant::now();
    if buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return now;
    }
    let clock = clock_gettime(ClockId::Monotonic);
    let since_boot = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    let stamp = since_boot(buffer.timestamp.tv_sec, buffer.timestamp.tv_usec * 1000);
    let age = since_boot(clock.tv_sec, clock.tv_nsec).saturating_sub(stamp);
    // A stamp from the future, or one that old, is no time of this picture.
    match u64::try_from(age).map(Duration::from_nanos) {
        Ok(age) if age < Duration::from_secs(1) => now.checked_sub(age).unwrap_or(now),
        _ => now,
    }
}
