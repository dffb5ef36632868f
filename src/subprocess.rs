//! Programs that are started, and ended together with everything that they started.
//!
//! A [`Subprocess`] runs in a process group of its own. When it is dropped the group is interrupted (as by ^C, on which ffmpeg,
//! GStreamer and rpicam-vid close their camera or file), killed where that does not help soon, and reaped. Where this
//! process is killed itself, nobody does that: the program then ends by its closed pipes, or by systemd, which ends all of a
//! service.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use std::os::unix::process::CommandExt;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::text::printable;

/// How long an interrupted program may take to close its files and devices.
const INTERRUPT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a killed program may take to end. One that hangs in a driver takes longer, and is reaped by a thread.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two checks whether a program has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Longer lines of a program's error output are cut off.
const MAX_LINE_BYTES: usize = 240;
/// Environment variables of systemd that are meant for this process alone.
const NOT_FOR_CHILDREN: [&str; 5] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "JOURNAL_STREAM"];

/// A running program.
pub struct Subprocess {
    /// None once it was reaped.
    child: Option<Child>,
    group: Option<Pid>,
    status: Option<ExitStatus>,
    stderr: StderrLog,
}

/// What a program wrote to its standard error.
#[derive(Clone, Default)]
struct StderrLog(Arc<(Mutex<StderrState>, Condvar)>);

#[derive(Default)]
struct StderrState {
    last: Option<String>,
    is_over: bool,
}

/// The file that a command's first word means: itself where it is a path, else the first of that name in PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(is_program);
    }
    if program.is_empty() {
        return None;
    }
    let places = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&places).map(|folder| folder.join(program)).find(is_program)
}

impl Subprocess {
    /// Starts `command`, whose standard input and output the caller has chosen. `on_line` gets each line of its standard error.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(mut command: Command, on_line: impl FnMut(&str) + Send + 'static) -> io::Result<Subprocess> {
        for name in NOT_FOR_CHILDREN {
            command.env_remove(name);
        }
        let mut child = command.stderr(Stdio::piped()).process_group(0).spawn()?;
        let stderr = child.stderr.take();
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // From here on it ends with this, whatever fails.
        let started = Subprocess { child: Some(child), group, status: None, stderr: StderrLog::default() };
        if let Some(stderr) = stderr {
            let log = started.stderr.clone();
            let listen = move || log.listen(stderr, on_line);
            // Not joined: where another program was given the pipe and keeps running, so does this thread.
            drop(std::thread::Builder::new().name("stderr".to_owned()).spawn(listen)?);
        }
        Ok(started)
    }

    /// Its standard output, where it is piped, once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.as_mut()?.stdout.take()
    }

    /// Its standard input, where it is piped, once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.as_mut()?.stdin.take()
    }

    /// Its exit status; none where it still runs after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while !self.has_ended() {
            if begun.elapsed() >= timeout {
                return None;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        self.reap()
    }

    /// The last line that it wrote to its standard error. After it has ended, this waits a moment for the very last one.
    pub fn last_error_line(&self) -> Option<String> {
        let timeout = if self.status.is_some() { INTERRUPT_TIMEOUT } else { Duration::ZERO };
        let state = self.stderr.state();
        let (state, _) = self
            .stderr
            .0
            .1
            .wait_timeout_while(state, timeout, |state| !state.is_over)
            .unwrap_or_else(PoisonError::into_inner);
        state.last.clone()
    }

    /// Whether it has ended, without reaping it: until it is reaped its process id is not reused.
    fn has_ended(&self) -> bool {
        let (Some(_), Some(pid)) = (&self.child, self.group) else { return true };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error: there is no such child any more.
        !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
    }

    /// Kills what an ended program left behind, and reaps it.
    fn reap(&mut self) -> Option<ExitStatus> {
        if let Some(mut child) = self.child.take() {
            self.signal(Signal::KILL);
            self.status = child.wait().ok();
        }
        self.status
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // An error: nothing of it is left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        if self.child.is_none() {
            return;
        }
        self.signal(Signal::INT);
        if self.wait(INTERRUPT_TIMEOUT).is_some() {
            return;
        }
        self.signal(Signal::KILL);
        if self.wait(KILL_TIMEOUT).is_none()
            && let Some(mut child) = self.child.take()
        {
            // It hangs in a driver. It must neither block us nor stay a zombie.
            let _ = std::thread::Builder::new().name("reaper".to_owned()).spawn(move || child.wait());
        }
    }
}

impl StderrLog {
    fn state(&self) -> MutexGuard<'_, StderrState> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, mut stderr: ChildStderr, mut on_line: impl FnMut(&str)) {
        let (mut bytes, mut lines) = ([0; 4096], Lines::default());
        let mut on_line = |line: &str| {
            self.state().last = Some(line.to_owned());
            on_line(line);
        };
        loop {
            match stderr.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => lines.take(&bytes[..count], &mut on_line),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        lines.end(&mut on_line);
        self.state().is_over = true;
        self.0.1.notify_all();
    }
}

/// Makes lines of what comes, none longer than [`MAX_LINE_BYTES`].
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, bytes: &[u8], on_line: &mut impl FnMut(&str)) {
        for &byte in bytes {
            // Progress is written over itself.
            if matches!(byte, b'\n' | b'\r') {
                self.end(on_line);
            } else if self.0.len() < MAX_LINE_BYTES {
                self.0.push(byte);
            }
        }
    }

    fn end(&mut self, on_line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.0);
        let plain = printable(&text);
        if !plain.trim().is_empty() {
            on_line(&without_passwords(plain.trim()));
        }
        self.0.clear();
    }
}

/// Addresses with a user and a password (`rtsp://user:password@camera/`) without these: error output is logged and published.
fn without_passwords(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("://") {
        plain.push_str(before);
        plain.push_str("://");
        let authority = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        rest = match after[..authority].rfind('@') {
            Some(at) => {
                plain.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    plain + rest
}

/// The file name of a program, without its folder.
pub fn name_of(program: &str) -> &str {
    Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn is_there(pid: i32) -> bool {
        rustix::process::test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
    }

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(10), "not within 10 s: {what}");
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    #[test]
    fn programs_are_found_as_the_shell_finds_them() {
        assert!(find("sh").is_some() && find("/bin/sh").is_some());
        for missing in ["", "no-such-program", "/bin/no-such-program", "/", "/etc/passwd", "/bin"] {
            assert_eq!(find(missing), None, "{missing}");
        }
        assert_eq!((name_of("/usr/bin/ffmpeg"), name_of("ffmpeg")), ("ffmpeg", "ffmpeg"));
    }

    #[test]
    fn exit_status_and_last_line_of_error_output_are_known() {
        let mut program = Subprocess::start(shell("echo one >&2; printf 'two\\rthree' >&2; exit 3"), |_| {}).unwrap();
        assert_eq!(program.wait(Duration::from_secs(10)).unwrap().code(), Some(3));
        assert_eq!(program.last_error_line().as_deref(), Some("three"));
        assert_eq!(program.wait(Duration::ZERO).unwrap().code(), Some(3), "asked again");
    }

    #[test]
    fn everything_that_it_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        // One that is deaf to interrupts, a child of its own, and one in between.
        let deaf = format!("trap '' INT TERM; sleep 600 & echo $! $$ >{}; wait; wait", file.display());
        let program = Subprocess::start(shell(&deaf), |_| {}).unwrap();
        let pids = || -> Vec<i32> {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if text.ends_with('\n') {
                text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
            } else {
                vec![]
            }
        };
        until("both run", || pids().len() == 2);
        assert!(pids().iter().all(|pid| is_there(*pid)));
        let begun = Instant::now();
        drop(program);
        assert!(begun.elapsed() < INTERRUPT_TIMEOUT + KILL_TIMEOUT, "{:?}", begun.elapsed());
        until("all are gone", || !pids().iter().any(|pid| is_running(*pid)));
    }

    /// A zombie whose parent is gone may wait for init to reap it.
    fn is_running(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn what_it_left_behind_is_killed_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let mut program =
            Subprocess::start(shell(&format!("sleep 600 2>/dev/null & echo $! >{}", file.display())), |_| {}).unwrap();
        assert!(program.wait(Duration::from_secs(10)).unwrap().success());
        let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        until("it is gone", || !is_running(pid));
    }

    #[test]
    fn lines_are_bounded_and_plain() {
        let (mut lines, mut written) = (Lines::default(), Vec::new());
        let mut on_line = |line: &str| written.push(line.to_owned());
        lines.take(b"  a\tb\x1b[0m\n\n\r", &mut on_line);
        lines.take(&[b'x'; 9999], &mut on_line);
        lines.take(b"\nrest", &mut on_line);
        lines.end(&mut on_line);
        assert_eq!(written, ["a b [0m", &"x".repeat(MAX_LINE_BYTES), "rest"]);
    }

    #[test]
    fn passwords_in_addresses_are_neither_logged_nor_published() {
        for (line, logged) in [
            ("rtsp://me:p@ss@10.0.0.2:554/a@b: refused", "rtsp://***@10.0.0.2:554/a@b: refused"),
            ("http://h/x and ftp://u@h", "http://h/x and ftp://***@h"),
            ("nothing: //here", "nothing: //here"),
            ("rtsp://", "rtsp://"),
        ] {
            assert_eq!(without_passwords(line), logged);
        }
    }

    #[test]
    fn children_cannot_notify_systemd() {
        let mut command = shell("echo ${NOTIFY_SOCKET-none} >&2");
        command.env("NOTIFY_SOCKET", "/run/x");
        let mut program = Subprocess::start(command, |_| {}).unwrap();
        program.wait(Duration::from_secs(10)).unwrap();
        assert_eq!(program.last_error_line().as_deref(), Some("none"));
    }
}
