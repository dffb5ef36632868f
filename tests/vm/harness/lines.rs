//! JSON messages, one a line, over a socket: the protocol of QEMU (QMP) and of its guest agent.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{TIMEOUT, wait_for};

pub struct Lines {
    socket: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Lines {
    /// Connects as soon as something listens at `path`.
    pub fn connect(path: &Path) -> Lines {
        let socket = wait_for(&format!("a listener at {}", path.display()), || UnixStream::connect(path).ok());
        let reader = BufReader::new(socket.try_clone().expect("a second handle of a socket"));
        Lines { socket, reader }
    }

    pub fn send(&mut self, message: &Json) -> std::io::Result<()> {
        self.socket.write_all(format!("{message}\n").as_bytes())
    }

    /// What `command` returns. `peer`'s refusal or silence ends the test.
    #[track_caller]
    pub fn ask(&mut self, peer: &str, command: &str, arguments: &Json) -> Json {
        self.send(&json!({"execute": command, "arguments": arguments})).expect("QEMU is there");
        loop {
            let mut answer = self.receive(TIMEOUT).unwrap_or_else(|e| panic!("{peer}'s answer to {command}: {e}"));
            if let Some(error) = answer.get("error") {
                // A file's content may be among the arguments.
                let arguments = arguments.to_string();
                panic!("{peer} refuses {command} {arguments:.500}: {error}");
            }
            // QEMU sends events in between.
            if let Some(value) = answer.get_mut("return") {
                return value.take();
            }
        }
    }

    /// The next message; an error where none comes within `timeout`.
    pub fn receive(&mut self, timeout: Duration) -> std::io::Result<Json> {
        self.socket.set_read_timeout(Some(timeout))?;
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        // The agent puts 0xFF before an answer to a synchronisation.
        let text = line.strip_prefix(b"\xff").unwrap_or(&line);
        Ok(serde_json::from_slice(text)?)
    }
}
