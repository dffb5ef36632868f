//! Left alone with everything that can happen, for `REVERIE_SOAK` minutes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Footprint, Kernel, Machine, Mirror, Vivid, configure, main_pid, on_each_kernel, wait_until};
use crate::picture::brightness;

on_each_kernel!(whatever_happens_it_goes_on);

const MINUTES: u64 = 4;

const MIRROR: &str = r#"
[source]
kind = "v4l2"
format = "YUYV"
size = "320x180"

[screen]
kind = "kms"

[dream]
size = "96x64"
canvas = "96x64"
target_fps = 3

[params]
steps = 1

[scenes]
dawn = { intensity = 0.3 }
dusk = { intensity = 0.9, zoom = 0.1 }
"#;

/// Events during which memory may grow: each of them for the first time.
const WARM_UP: u32 = 12;
/// Longest time that a connected screen may be black.
const MAX_BLACK_TIME: Duration = Duration::from_secs(10);

/// Events; some last a while.
#[derive(Debug, Clone, Copy)]
enum Chaos {
    CameraAway,
    CameraFails,
    CameraSilent,
    BrokerStops,
    BrokerDies,
    CablePulled,
    OtherMonitor,
    ClockJumps,
    DiskFull,
    Commands,
    Reload,
    SceneKept,
}

const ALL: [Chaos; 12] = [
    Chaos::CameraAway,
    Chaos::CameraFails,
    Chaos::CameraSilent,
    Chaos::BrokerStops,
    Chaos::BrokerDies,
    Chaos::CablePulled,
    Chaos::OtherMonitor,
    Chaos::ClockJumps,
    Chaos::DiskFull,
    Chaos::Commands,
    Chaos::Reload,
    Chaos::SceneKept,
];

fn whatever_happens_it_goes_on(kernel: Kernel) {
    let minutes =
        std::env::var("REVERIE_SOAK").map_or(MINUTES, |minutes| minutes.parse().expect("REVERIE_SOAK: minutes"));
    let mut machine = Machine::start_virtio(kernel);
    // Small, so that it is soon full.
    machine.run("mkdir -p /var/lib/reverie && mount -t tmpfs -o size=1m tmpfs /var/lib/reverie");
    let vivid = Vivid::plug(&mut machine, "");
    let mirror = Mirror::start(&mut machine, MIRROR);
    mirror.telemetry(|telemetry| telemetry["provider"] == "cpu");
    let mut soak = Soak { machine, vivid, mirror, random: fastrand::Rng::with_seed(11), black: Black::default() };
    wait_until("its picture is on the screen", || brightness(&soak.machine.screen()) > 20.0);
    let process = main_pid(&mut soak.machine);

    let begun = Instant::now();
    let (mut trace, mut times) = (Vec::new(), [0u32; ALL.len()]);
    while begun.elapsed() < Duration::from_secs(60 * minutes) || trace.len() <= WARM_UP as usize {
        // Each event once, then any at random.
        let next = if trace.len() < ALL.len() { trace.len() } else { soak.random.usize(0..ALL.len()) };
        times[next] += 1;
        soak.black.doing = format!("{:?}", ALL[next]);
        soak.happens(ALL[next]);
        let quiet = Duration::from_millis(soak.random.u64(500..4000));
        soak.watch(quiet);
        assert_eq!(main_pid(&mut soak.machine), process, "it ended after {:?}", ALL[next]);
        trace.push((begun.elapsed(), Footprint::of_daemon(&mut soak.machine)));
    }
    let telemetry = soak.mirror.telemetry(|_| true);
    soak.machine.keep_screen("after");
    let restarts = soak.machine.run("systemctl show -P NRestarts reverie");
    let warm = &trace[WARM_UP as usize..];
    let (first, last) = (warm[0], warm[warm.len() - 1]);
    eprintln!(
        "{kernel:?}: {:.0} minutes, {} events {:?}; restarts of the service {}, of stages {}; memory {} KiB, {} KiB at the end, \
         {:+.1} KiB a minute; files {} to {}, mappings {} to {}; black at most {:.1} s ({})",
        begun.elapsed().as_secs_f64() / 60.0,
        trace.len(),
        ALL.iter().zip(times).collect::<Vec<_>>(),
        restarts.trim(),
        telemetry["restarts"],
        first.1.memory,
        last.1.memory,
        slope(warm),
        first.1.files,
        last.1.files,
        first.1.mappings,
        last.1.mappings,
        soak.black.longest.as_secs_f64(),
        soak.black.during,
    );
    assert_eq!(restarts.trim(), "0");
    let mut footprints: Vec<Footprint> = trace.iter().map(|(_, footprint)| *footprint).collect();
    // A buffer first needed at the very end (a picture of the screen has 2.6 MiB) is no leak: the median of the last quarter counts.
    let quarter = footprints.len() * 3 / 4;
    footprints[quarter..].sort_by_key(|footprint| footprint.memory);
    footprints.truncate(quarter + (footprints.len() - quarter) / 2 + 1);
    Footprint::assert_flat(&footprints, trace.len() / 2);
    assert!(soak.black.longest < MAX_BLACK_TIME, "black during {}", soak.black.during);
}

/// Growth of the daemon's memory, in KiB a minute: least squares.
fn slope(trace: &[(Duration, Footprint)]) -> f64 {
    let points: Vec<(f64, f64)> = trace.iter().map(|(at, it)| (at.as_secs_f64() / 60.0, it.memory as f64)).collect();
    let many = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / many, y + point.1 / many));
    let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    along / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>().max(f64::MIN_POSITIVE)
}

/// How long a connected screen was black.
#[derive(Default)]
struct Black {
    since: Option<Instant>,
    longest: Duration,
    during: String,
    doing: String,
}

impl Black {
    fn observe(&mut self, is_black: bool) {
        match (is_black, self.since) {
            (false, _) => self.since = None,
            (true, None) => self.since = Some(Instant::now()),
            (true, Some(since)) if since.elapsed() > self.longest => {
                self.longest = since.elapsed();
                self.during.clone_from(&self.doing);
            }
            (true, Some(_)) => {}
        }
    }
}

struct Soak {
    machine: Machine,
    vivid: Vivid,
    mirror: Mirror,
    random: fastrand::Rng,
    black: Black,
}

impl Soak {
    /// Watches the screen for `time`.
    fn watch(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let is_black = brightness(&self.machine.screen()) < 10.0;
            self.black.observe(is_black);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn happens(&mut self, chaos: Chaos) {
        let time = Duration::from_millis(self.random.u64(200..6000));
        match chaos {
            Chaos::CameraAway => {
                self.vivid.unbind(&mut self.machine);
                self.watch(time);
                self.vivid.bind(&mut self.machine);
            }
            Chaos::CameraFails => self.vivid.control(&mut self.machine, "inject_fatal_streaming_error=1"),
            Chaos::CameraSilent => {
                self.vivid.control(&mut self.machine, "percentage_of_dropped_buffers=100");
                self.watch(time);
                self.vivid.control(&mut self.machine, "percentage_of_dropped_buffers=0");
            }
            Chaos::BrokerStops => {
                self.machine.run("systemctl stop mosquitto");
                self.watch(time);
                self.broker_is_back();
            }
            Chaos::BrokerDies => {
                self.machine.run("systemctl kill --signal=KILL mosquitto");
                self.broker_is_back();
            }
            Chaos::CablePulled => {
                self.machine.set_monitor(0, 0);
                std::thread::sleep(time);
                self.machine.set_monitor(1280, 720);
                self.black.since = None;
            }
            Chaos::OtherMonitor => {
                self.machine.set_monitor(1024, 768);
                self.watch(time);
                self.machine.set_monitor(1280, 720);
            }
            Chaos::ClockJumps => {
                let by = self.random.i32(-4_000_000..4_000_000);
                self.machine.run(&format!("date --set=@$(($(date +%s) + {by})) >/dev/null"));
            }
            Chaos::DiskFull => {
                let _ = self.machine.try_run("cat /dev/zero >/var/lib/reverie/filler");
                self.mirror.operator.publish("set", &json!({"drift_angle": self.random.u32(0..360)}).to_string());
                self.watch(time + Duration::from_secs(4));
                self.machine.run("rm /var/lib/reverie/filler");
            }
            Chaos::Commands => {
                for _ in 0..100 {
                    let (intensity, angle) = (self.random.f64(), self.random.f64() * 400.0);
                    let command = json!({"intensity": intensity, "drift_angle": angle, "zoom": intensity / 10.0});
                    self.mirror.operator.publish("set", &command.to_string());
                    self.mirror.operator.publish("do/snapshot", "");
                    self.mirror.operator.publish("do/next-scene", "{");
                }
            }
            Chaos::Reload => {
                let zoom = self.random.f64();
                let config = MIRROR.replace("steps = 1", &format!("steps = 1\nzoom = {zoom}"));
                configure(&mut self.machine, &config);
                self.machine.run("systemctl reload reverie");
            }
            Chaos::SceneKept => {
                let name = format!("scene-{}", self.random.u32(0..5));
                self.mirror.operator.publish("do/save-scene", &json!({"name": name}).to_string());
                self.mirror.operator.publish("set", &json!({"scene": "dusk"}).to_string());
            }
        }
    }

    fn broker_is_back(&mut self) {
        self.machine.run("systemctl reset-failed mosquitto; systemctl restart mosquitto");
        // Both reconnect by themselves.
        self.mirror.operator.receive_status("online");
    }
}
