//! QEMU's guest agent: runs commands in the guest as root, copies files in and out.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::TIMEOUT;
use super::lines::Lines;

/// Bytes copied at once.
const CHUNK: usize = 1 << 20;

pub struct Agent(Lines);

/// Result of a command in the guest.
#[derive(Debug)]
pub struct Outcome {
    /// Exit status; 128 + the signal if one ended it.
    pub status: i64,
    pub out: String,
    pub err: String,
}

impl Agent {
    /// Connects, and waits until the agent answers.
    pub fn connect(path: &Path) -> Agent {
        let mut lines = Lines::connect(path);
        let id = fastrand::u32(1..1 << 30);
        lines.send(&json!({"execute": "guest-sync", "arguments": {"id": id}})).expect("QEMU is there");
        // What a former connection did not read may still come.
        while lines.receive(TIMEOUT).expect("the guest agent answers")["return"] != id {}
        Agent(lines)
    }

    /// Runs a command line in a shell. A command left in the background must redirect its output, or this waits for it.
    pub fn run(&mut self, command: &str) -> Outcome {
        let environment =
            ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"];
        let started = self.ask(
            "guest-exec",
            json!({"path": "/bin/sh", "arg": ["-c", command], "env": environment, "capture-output": true}),
        );
        let begun = Instant::now();
        let mut pause = Duration::from_millis(10);
        loop {
            let status = self.ask("guest-exec-status", json!({"pid": started["pid"]}));
            if status["exited"] == true {
                let text = |name: &str| {
                    let bytes = status[name].as_str().map(decode).unwrap_or_default();
                    String::from_utf8_lossy(&bytes).into_owned()
                };
                let signal = status["signal"].as_i64().map(|signal| 128 + signal);
                let code = status["exitcode"].as_i64().or(signal).unwrap_or(-1);
                return Outcome { status: code, out: text("out-data"), err: text("err-data") };
            }
            assert!(begun.elapsed() < 3 * TIMEOUT, "in the guest this does not end: {command}");
            std::thread::sleep(pause);
            pause = (pause * 3 / 2).min(Duration::from_millis(200));
        }
    }

    /// Writes a file in the guest.
    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        let handle = self.ask("guest-file-open", json!({"path": path, "mode": "wb"}));
        for chunk in bytes.chunks(CHUNK) {
            self.ask("guest-file-write", json!({"handle": handle, "buf-b64": encode(chunk)}));
        }
        self.ask("guest-file-close", json!({"handle": handle}));
    }

    /// Reads a file of the guest.
    pub fn get(&mut self, path: &str) -> Vec<u8> {
        let handle = self.ask("guest-file-open", json!({"path": path, "mode": "rb"}));
        let mut bytes = Vec::new();
        loop {
            let read = self.ask("guest-file-read", json!({"handle": handle, "count": CHUNK}));
            bytes.extend(decode(read["buf-b64"].as_str().unwrap_or_default()));
            if read["eof"] == true {
                break;
            }
        }
        self.ask("guest-file-close", json!({"handle": handle}));
        bytes
    }

    fn ask(&mut self, command: &str, arguments: Json) -> Json {
        self.0.ask("the guest agent", command, &arguments)
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes base64.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let value = word >> (18 - 6 * digit) & 63;
            text.push(if digit <= three.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

/// Decodes base64; the agent's is well-formed.
fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.as_bytes().chunks(4) {
        let digits: Vec<u32> =
            four.iter().filter_map(|c| DIGITS.iter().position(|digit| digit == c)).map(|value| value as u32).collect();
        let word = digits.iter().fold(0, |word, value| word << 6 | value) << (6 * (4 - digits.len()));
        bytes.extend_from_slice(&word.to_be_bytes()[1..][..digits.len() * 3 / 4]);
    }
    bytes
}

#[test]
fn base64_there_and_back() {
    for (bytes, text) in [("", ""), ("M", "TQ=="), ("Ma", "TWE="), ("Man", "TWFu"), ("Man?", "TWFuPw==")] {
        assert_eq!(encode(bytes.as_bytes()), text);
        assert_eq!(decode(text), bytes.as_bytes());
    }
}
