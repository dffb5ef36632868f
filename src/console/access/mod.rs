//! Who may see the page, and who may direct from it.
//!
//! Without a password the machine itself directs, and nobody else sees anything. With one everybody is asked, the machine itself
//! too: what seems to come from here may come through a proxy. A browser logs in and gets a cookie; a program sends the
//! password with each request, as a bearer token.

mod limiter;
mod passwords;
mod sessions;
#[cfg(test)]
mod tests;

pub use passwords::{FILE, MAX_PASSWORD, MIN_PASSWORD, PasswordError, Passwords, hash, is_hash, store};

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tracing::warn;

use limiter::Limiter;
use sessions::Sessions;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look, and change nothing.
    Viewer,
    /// Everything.
    Director,
}

/// SHA-256.
type Digest = [u8; 32];

/// Programs whose passwords are remembered, so that not each of their requests is hashed.
const MAX_PROGRAMS: usize = 16;

/// Decides who somebody is; clones share what it knows.
#[derive(Clone)]
pub struct Access(Arc<Shared>);

struct Shared {
    configured: Passwords,
    /// Passwords that were set on the device or from the page; none: they cannot be.
    file: Option<PathBuf>,
    cookie: String,
    is_secure: bool,
    sessions: Mutex<Sessions>,
    limiter: Mutex<Limiter>,
    /// One password at a time is hashed: the dream needs the processor.
    hashing: Semaphore,
    programs: Mutex<HashMap<Digest, (Role, Digest)>>,
}

/// Why a password was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginError {
    Wrong,
    /// There were too many attempts; after so many seconds another one is taken.
    TooMany(u64),
    /// Nobody has set one.
    NoPassword,
}

impl Access {
    /// `port` tells the cookies of several mirrors on one machine apart; `is_secure`: the page is served by TLS.
    pub fn new(configured: Passwords, folder: Option<PathBuf>, port: u16, is_secure: bool) -> Access {
        let sessions = Sessions::read(folder.as_ref().map(|folder| folder.join("sessions.json")));
        Access(Arc::new(Shared {
            configured,
            file: folder.map(|folder| folder.join(passwords::FILE)),
            cookie: format!("reverie-{port}"),
            is_secure,
            sessions: Mutex::new(sessions),
            limiter: Mutex::default(),
            hashing: Semaphore::new(1),
            programs: Mutex::default(),
        }))
    }

    /// The passwords in effect: the configuration's come first.
    fn passwords(&self) -> Passwords {
        let set = self.0.file.as_ref().map(|file| Passwords::read(file)).unwrap_or_default();
        self.0.configured.clone().or(set)
    }

    /// Whether anybody is asked for a password.
    pub fn is_protected(&self) -> bool {
        !self.passwords().is_empty()
    }

    /// Whether a password can be set from the page: there is a place to keep it, and the configuration names none.
    pub fn can_set_password(&self) -> bool {
        self.0.file.is_some() && self.0.configured.is_empty()
    }

    /// What a request's sender may do by its cookie, or by being on this machine; none: it is to log in.
    pub fn role(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Role> {
        let passwords = self.passwords();
        if passwords.is_empty() {
            return (peer.to_canonical().is_loopback() && !came_through_a_proxy(headers)).then_some(Role::Director);
        }
        let token = self.token(headers)?;
        lock(&self.0.sessions).role(token, now(), |role| passwords.mark(role))
    }

    /// What a program may do by its bearer token; none: it sends none.
    ///
    /// # Errors
    /// As [`Access::log_in`].
    pub async fn program_role(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Result<Role, LoginError>> {
        let password = bearer(headers)?;
        if let Some(role) = self.recheck(peer, headers) {
            return Some(Ok(role));
        }
        let (passwords, digest) = (self.passwords(), digest(password));
        let outcome = self.verify(peer, password, &passwords).await;
        if let Ok(role) = outcome
            && let Some(mark) = passwords.mark(role)
        {
            let mut programs = lock(&self.0.programs);
            if programs.len() >= MAX_PROGRAMS {
                programs.clear();
            }
            programs.insert(digest, (role, mark));
        }
        Some(outcome)
    }

    /// As [`Access::role`], and of a program that was let in: what it may still do.
    pub fn recheck(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Role> {
        self.role(peer, headers).or_else(|| {
            let (passwords, password) = (self.passwords(), bearer(headers)?);
            let (role, mark) = lock(&self.0.programs).get(&digest(password)).copied()?;
            (passwords.mark(role) == Some(mark)).then_some(role)
        })
    }

    /// Takes a password for a browser's session, and returns the cookie to give it.
    ///
    /// # Errors
    /// It is wrong, there were too many attempts, or there is none to compare it with.
    pub async fn log_in(&self, peer: IpAddr, password: &str) -> Result<String, LoginError> {
        let passwords = self.passwords();
        let role = self.verify(peer, password, &passwords).await?;
        let mark = passwords.mark(role).ok_or(LoginError::NoPassword)?;
        let token = new_token();
        let file = lock(&self.0.sessions).begin(&token, role, mark, now());
        keep(file).await;
        Ok(self.cookie(&token, sessions::LIFETIME))
    }

    /// Ends the session of a request; the cookie that takes its own away.
    pub async fn log_out(&self, headers: &HeaderMap) -> String {
        if let Some(token) = self.token(headers) {
            let file = lock(&self.0.sessions).end(token);
            keep(file).await;
        }
        self.cookie("", 0)
    }

    /// Sets the password of a role, and with it ends that role's sessions; an empty one takes the viewers' away.
    ///
    /// # Errors
    /// In words, why it cannot be set.
    pub async fn set_password(&self, role: Role, password: String) -> Result<(), PasswordError> {
        let file = self.0.file.clone().filter(|_| self.can_set_password()).ok_or(PasswordError::Configured)?;
        let _one = self.0.hashing.acquire().await;
        let stored = tokio::task::spawn_blocking(move || store(&file, role, &password));
        stored.await.unwrap_or(Err(PasswordError::Hash))
    }

    /// Compares a password with those there are, unless its sender has tried too often.
    async fn verify(&self, peer: IpAddr, password: &str, passwords: &Passwords) -> Result<Role, LoginError> {
        if passwords.is_empty() {
            return Err(LoginError::NoPassword);
        }
        lock(&self.0.limiter).admit(peer, Instant::now()).map_err(LoginError::TooMany)?;
        let Ok(_one) = self.0.hashing.try_acquire() else { return Err(LoginError::TooMany(1)) };
        let (passwords, password) = (passwords.clone(), password.to_owned());
        let found = tokio::task::spawn_blocking(move || passwords.role_of(&password)).await;
        match found.ok().flatten() {
            Some(role) => {
                lock(&self.0.limiter).forgive(peer);
                Ok(role)
            }
            None => {
                warn!("web page: a wrong password from {peer}");
                Err(LoginError::Wrong)
            }
        }
    }

    fn token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.0.cookie).map(|(_, token)| token)
    }

    fn cookie(&self, token: &str, seconds: u64) -> String {
        let secure = if self.0.is_secure { "; Secure" } else { "" };
        format!("{}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", self.0.cookie)
    }
}

/// Writes sessions, where they are kept.
async fn keep(file: Option<sessions::Draft>) {
    let Some(draft) = file else { return };
    let written = tokio::task::spawn_blocking(move || draft.write()).await;
    if let Ok(Err(error)) = written {
        warn!("web page: log-ins are lost at the next start: {error}");
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, password) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(password)
}

/// Such a request seems to come from this machine, and comes from somewhere else.
fn came_through_a_proxy(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

/// What a browser keeps: 256 random bits.
fn new_token() -> String {
    let mut bytes = [0; 32];
    // The kernel's generator does not fail once the machine is up.
    getrandom::fill(&mut bytes).expect("the kernel gives random numbers");
    hex(&bytes)
}

fn digest(text: &str) -> Digest {
    Sha256::digest(text.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
