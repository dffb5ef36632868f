//! A private Mosquitto: its own port and folder, ended with the test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than any machine needs: what is waited for comes, or the test fails.
pub const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Broker {
    pub port: u16,
    dir: TempDir,
    process: Option<Child>,
}

impl Broker {
    /// A broker that lets everybody in.
    pub fn start() -> Broker {
        Broker::configured(|_| "allow_anonymous true\n".to_owned())
    }

    /// A broker with `configure`'s lines after its `listener`; `configure` may put files into the folder it is given.
    pub fn configured(configure: impl FnOnce(&Path) -> String) -> Broker {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let lines = configure(dir.path());
        let mut broker = Broker { port: 0, dir, process: None };
        // Between looking for a free port and listening on it, another test may have taken it.
        for _ in 0..20 {
            broker.port = free_port();
            // `user root` keeps Mosquitto, where root starts it, from becoming someone who cannot read its folder.
            let config = format!(
                "user root\nlistener {} 127.0.0.1\npersistence false\nset_tcp_nodelay true\n{lines}",
                broker.port
            );
            fs::write(broker.dir.path().join("mosquitto.conf"), config).expect("writing mosquitto.conf");
            if broker.try_start() {
                return broker;
            }
        }
        panic!("Mosquitto does not start; its log:\n{}", broker.log());
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// After [`Broker::kill`]: starts it on the same port. What it retained is forgotten.
    pub fn start_again(&mut self) {
        assert!(self.try_start(), "Mosquitto does not start again; its log:\n{}", self.log());
    }

    /// Lets it read its password file again.
    pub fn reload(&self) {
        let pid = self.process.as_ref().expect("a running broker").id();
        let done = Command::new("kill").args(["-HUP", &pid.to_string()]).status().expect("running kill");
        assert!(done.success());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn try_start(&mut self) -> bool {
        let log = File::create(self.dir.path().join("log")).expect("a log file");
        let started = Command::new("mosquitto")
            .arg("-c")
            .arg(self.dir.path().join("mosquitto.conf"))
            // Daemons lie outside a plain user's PATH.
            .env("PATH", format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut process = started.expect("these tests need a real Mosquitto: run `deploy/install-tools test`");
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            if self.log().contains(" running") {
                self.process = Some(process);
                return true;
            }
            if process.try_wait().expect("asking after Mosquitto").is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = process.kill();
        let _ = process.wait();
        false
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Puts a user into a password file, or changes the password.
pub fn set_password(file: &Path, user: &str, password: &str) {
    let create = (!file.exists()).then_some("-c");
    let done = Command::new("mosquitto_passwd").args(create).arg("-b").arg(file).args([user, password]).output();
    let done = done.expect("mosquitto_passwd comes with Mosquitto");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Waits until `so` holds, and says what did not.
pub async fn eventually(what: &str, so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("never so: {what}"));
}

/// A free port below those that the system gives to outgoing connections, so that it is still free when a broker
/// that was killed comes back to it.
fn free_port() -> u16 {
    (0..1000)
        .map(|_| fastrand::u16(10_000..32_000))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
