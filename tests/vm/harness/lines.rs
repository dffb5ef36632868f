//! JSON, a line a message, over a socket: how QEMU and its guest agent are spoken to.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

use super::wait_for;

pub struct Lines {
    socket: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Lines {
    /// Connects as soon as somebody listens at `path`.
    pub fn connect(path: &Path) -> Lines {
        let socket = wait_for(&format!("a listener at {}", path.display()), || UnixStream::connect(path).ok());
        let reader = BufReader::new(socket.try_clone().expect("a second handle of a socket"));
        Lines { socket, reader }
    }

    pub fn send(&mut self, message: &Json) -> std::io::Result<()> {
        self.socket.write_all(format!("{message}\n").as_bytes())
    }

    /// The next message; an error where none comes within `patience`.
    pub fn receive(&mut self, patience: Duration) -> std::io::Result<Json> {
        self.socket.set_read_timeout(Some(patience))?;
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        // The agent puts 0xFF before an answer to a synchronisation.
        let text = line.strip_prefix(b"\xff").unwrap_or(&line);
        Ok(serde_json::from_slice(text)?)
    }
}
