//! One part of the configuration, which may be reloaded while the daemon runs.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::backoff::Backoff;
use crate::config::Config;

/// One room's part of the configuration, as last refreshed.
pub struct Reloadable<T> {
    configs: watch::Receiver<Arc<Config>>,
    part: fn(&Config) -> T,
    current: T,
}

impl<T: PartialEq> Reloadable<T> {
    pub fn new(configs: &watch::Sender<Arc<Config>>, part: fn(&Config) -> T) -> Reloadable<T> {
        let configs = configs.subscribe();
        let current = part(&configs.borrow());
        Reloadable { configs, part, current }
    }

    pub fn get(&self) -> &T {
        &self.current
    }

    /// Takes over what was reloaded since; true where this part differs.
    pub fn refresh(&mut self) -> bool {
        if !self.configs.has_changed().unwrap_or(false) {
            return false;
        }
        let part = (self.part)(&self.configs.borrow_and_update());
        std::mem::replace(&mut self.current, part) != self.current
    }

    /// Waits until this part differs.
    async fn changed(&mut self) {
        loop {
            if self.refresh() {
                return;
            }
            if self.configs.changed().await.is_err() {
                return std::future::pending().await;
            }
            self.configs.mark_changed();
        }
    }
}

/// Runs a task until cancelled; restarts it whenever its part of the configuration differs, and after a wait where it panicked. The task is
/// given the part, and the token by which it is to end.
pub async fn restart_on_change<T, F>(
    name: &'static str,
    mut settings: Reloadable<T>,
    cancel: CancellationToken,
    task: impl Fn(&T, CancellationToken) -> F,
) where
    T: PartialEq,
    F: Future<Output = ()> + Send + 'static,
{
    let mut backoff = Backoff::default();
    while !cancel.is_cancelled() {
        let run = cancel.child_token();
        let mut running = tokio::spawn(task(settings.get(), run.clone()));
        tokio::select! {
            ended = &mut running => {
                if ended.is_ok() {
                    return;
                }
                let wait = backoff.wait();
                // The panic itself was logged where it happened.
                error!("{name} panicked; the others keep running, restarting it in {:.1} s", wait.as_secs_f64());
                cancel.run_until_cancelled(tokio::time::sleep(wait)).await;
            }
            () = settings.changed() => {
                run.cancel();
                let _ = running.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn with_host(host: &str) -> Arc<Config> {
        let mut config = Config::default();
        config.mqtt.host = host.to_owned();
        Arc::new(config)
    }

    #[tokio::test]
    async fn only_what_differs_is_restarted_and_the_old_has_ended_by_then() {
        let configs = watch::Sender::new(with_host("a"));
        let cancel = CancellationToken::new();
        let log = Arc::new(Mutex::new(Vec::new()));
        let own = log.clone();
        let settings = Reloadable::new(&configs, |config| config.mqtt.host.clone());
        let running = tokio::spawn(restart_on_change("task", settings, cancel.clone(), move |host, cancel| {
            let (host, log) = (host.clone(), own.clone());
            async move {
                log.lock().unwrap().push(format!("+{host}"));
                cancel.cancelled().await;
                log.lock().unwrap().push(format!("-{host}"));
            }
        }));
        let settle = || async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        };
        settle().await;
        let mut other = (*with_host("a")).clone();
        other.dream.target_fps = 3.0;
        configs.send_replace(Arc::new(other));
        settle().await;
        configs.send_replace(with_host("b"));
        settle().await;
        cancel.cancel();
        running.await.unwrap();
        assert_eq!(*log.lock().unwrap(), ["+a", "-a", "+b", "-b"]);
    }

    #[tokio::test]
    async fn a_task_that_panics_is_restarted() {
        let configs = watch::Sender::new(with_host("a"));
        let cancel = CancellationToken::new();
        let times = Arc::new(Mutex::new(0));
        let own = times.clone();
        let settings = Reloadable::new(&configs, |_| ());
        let again = Arc::new(tokio::sync::Notify::new());
        let word = again.clone();
        let running = tokio::spawn(restart_on_change("task", settings, cancel.clone(), move |(), cancel| {
            let (times, word) = (own.clone(), word.clone());
            async move {
                *times.lock().unwrap() += 1;
                assert!(*times.lock().unwrap() > 1, "a bug");
                word.notify_one();
                cancel.cancelled().await;
            }
        }));
        again.notified().await;
        cancel.cancel();
        running.await.unwrap();
        assert_eq!(*times.lock().unwrap(), 2);
    }

    #[test]
    fn a_change_is_reported_once() {
        let configs = watch::Sender::new(with_host("a"));
        let mut settings = Reloadable::new(&configs, |config| config.mqtt.host.clone());
        assert!(!settings.refresh());
        configs.send_replace(with_host("b"));
        assert!(settings.refresh() && settings.get() == "b" && !settings.refresh());
    }
}
