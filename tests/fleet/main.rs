//! Three hundred mirrors on one broker: the real `remote/` and `director/`, with a recorder in place of each engine. Run by hand
//! (`make test-fleet`), since what it shows are times, and memory.

#[path = "../remote/broker.rs"]
#[allow(dead_code, reason = "tests/remote uses the rest of it")]
mod broker;
#[path = "../remote/device.rs"]
#[allow(dead_code, reason = "tests/remote uses the rest of it")]
mod device;
#[path = "../remote/operator.rs"]
#[allow(dead_code, reason = "tests/remote uses the rest of it")]
mod operator;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use broker::{Broker, eventually};
use device::Device;
use operator::Operator;
use reverie::remote::Settings;
use serde_json::json;

const MIRRORS: usize = 300;
/// What the issue of a command with `at` promises.
const TOGETHER: Duration = Duration::from_millis(50);

fn mirror(broker: &Broker, number: usize) -> Device {
    // With the waits that a real device has.
    let settings = Settings::new("127.0.0.1", broker.port, format!("mirror-{number}").parse().unwrap());
    Device::directed(settings, device::handle())
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// When each mirror's effective parameters were first seen with `zoom` at `value`.
async fn changes(mirrors: &[Device], value: f64) -> Vec<Instant> {
    let waiting = mirrors.iter().map(|mirror| {
        let mut params = mirror.handle.params();
        tokio::spawn(async move {
            params.wait_for(|params| params.zoom == value).await.unwrap();
            Instant::now()
        })
    });
    let mut times = Vec::new();
    for one in waiting.collect::<Vec<_>>() {
        times.push(one.await.unwrap());
    }
    times.sort();
    times
}

#[tokio::test]
async fn three_hundred_mirrors_change_together_and_come_back_apart() {
    let mut broker = Broker::configured(|_| "allow_anonymous true\nmax_connections -1\n".to_owned());
    let before = resident_kib();
    let mirrors: Vec<Device> = (0..MIRRORS).map(|number| mirror(&broker, number)).collect();
    eventually("all connect", || accepted(&broker) >= MIRRORS).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("memory: {:.0} KiB a mirror, without its engine", (resident_kib() - before) as f64 / MIRRORS as f64);

    let operator = Operator::subscribed(&broker, "nothing").await;
    let mut spreads = Vec::new();
    for round in 1..=5 {
        let at = jiff::Timestamp::now() + Duration::from_secs(2);
        let zoom = f64::from(round) / 10.0;
        operator.publish("reverie/group/hall/set", json!({"zoom": zoom, "at": at.to_string()}).to_string()).await;
        let times = changes(&mirrors, zoom).await;
        let late = times[0].duration_since(Instant::now() - jiff::Timestamp::now().duration_since(at).unsigned_abs());
        let spread = times[MIRRORS - 1] - times[0];
        println!("at: the first {:.1} ms after the moment, the last {:.1} ms after the first", ms(late), ms(spread));
        spreads.push(spread);
    }
    let at_once = {
        let begun = Instant::now();
        operator.publish("reverie/group/hall/set/zoom", "0.7").await;
        changes(&mirrors, 0.7).await[MIRRORS - 1] - begun
    };
    println!("without at: the last {:.1} ms after the command", ms(at_once));
    assert!(spreads.iter().all(|spread| *spread <= TOGETHER), "{spreads:?}");

    // One that is restarted, and one that was away for a while.
    for away in [Duration::ZERO, Duration::from_secs(20)] {
        broker.kill();
        tokio::time::sleep(away).await;
        broker.start_again();
        come_back(&broker, away).await;
        tokio::time::sleep(Duration::from_secs(31)).await;
    }
}

/// Watches all mirrors come back to a broker that was `away`.
async fn come_back(broker: &Broker, away: Duration) {
    let begun = Instant::now();
    let mut came: Vec<Duration> = Vec::new();
    while came.len() < MIRRORS {
        let now = accepted(broker).min(MIRRORS);
        came.resize(now.max(came.len()), begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(120), "only {now} of {MIRRORS} came back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut seconds = BTreeMap::<u64, usize>::new();
    came.iter().for_each(|time| *seconds.entry(time.as_secs()).or_default() += 1);
    let within = |first: &Duration| {
        came.iter().filter(|time| (*first..*first + Duration::from_millis(100)).contains(time)).count()
    };
    let most = came.iter().map(within).max().unwrap_or_default();
    let last = came[MIRRORS - 1].as_secs_f64();
    println!(
        "away {} s: all back after {last:.1} s, by the second {seconds:?}; at most {most} within 100 ms",
        away.as_secs()
    );
    assert!(most < MIRRORS / 5, "a herd: {most} of {MIRRORS} within 100 ms");
}

/// Connections that the broker has accepted since its start.
fn accepted(broker: &Broker) -> usize {
    broker.log().matches(" as reverie-mirror-").count()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
