//! Stages that hang, and an engine that fails: what systemd's watchdog makes of the one, the daemon itself of the other.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::fuse;
use crate::harness::{Hardware, Kernel, Machine, Mirror, Screen, main_pid, on_each_kernel, wait_for};
use crate::picture::brightness;

on_each_kernel!(
    each_stage_that_hangs_is_seen_and_the_picture_comes_back,
    an_engine_that_fails_is_opened_anew_without_a_restart,
);

const MIRROR: &str = r#"
[source]
kind = "still"
path = "/usr/share/reverie/photos/ramp.png"
size = "96x64"
wander = false

[screen]
kind = "kms"

[dream]
size = "96x64"

[params]
steps = 1
"#;

const STAGES: [&str; 4] = ["display", "source", "dream", "preview"];
/// What a stuck screen may cost: the patience with it, and a start. The others are given longer, while the picture stays.
const MOST_WITHOUT_A_PICTURE: Duration = Duration::from_secs(15);

/// Ten times in a row, each stage in its turn.
fn each_stage_that_hangs_is_seen_and_the_picture_comes_back(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let mirror = Mirror::start(&mut machine, MIRROR);
    for time in 0..10 {
        let stage = STAGES[time % STAGES.len()];
        mirror.telemetry(|telemetry| telemetry["provider"] == "cpu");
        wait_for("its picture is on the screen", || (brightness(&machine.screen()) > 30.0).then_some(()));
        let process = main_pid(&mut machine);
        freeze(&mut machine, process, stage);
        let frozen = Instant::now();
        // What is on the screen is looked at all the time.
        let (mut seen, mut longest) = (Instant::now(), Duration::ZERO);
        let mut is_dead = stage == "display";
        wait_for(&format!("a new process after {stage} hung"), || {
            let shows = brightness(&machine.screen()) > 30.0;
            if shows && !is_dead {
                seen = Instant::now();
            }
            longest = longest.max(seen.elapsed());
            let now = machine.run("systemctl show -P MainPID reverie; systemctl show -P SubState reverie");
            let mut words = now.split_whitespace();
            let is_new = words.next().is_some_and(|pid| pid != "0" && pid != process.to_string());
            is_dead |= is_new;
            (is_new && words.next() == Some("running")).then_some(())
        });
        let restarted = frozen.elapsed();
        wait_for("its picture is on the screen again", || (brightness(&machine.screen()) > 30.0).then_some(()));
        longest = longest.max(seen.elapsed());
        eprintln!(
            "{kernel:?}: {stage} hung: new process after {:.1} s, at most {:.1} s without a living picture",
            restarted.as_secs_f64(),
            longest.as_secs_f64()
        );
        assert!(longest < MOST_WITHOUT_A_PICTURE, "{stage}");
        let told = machine.run("journalctl -u reverie -o cat");
        assert!(told.contains(&format!("{stage} has not moved for")), "the journal names it: {told}");
    }
    assert_eq!(machine.run("systemctl show -P NRestarts reverie").trim(), "10");
}

fn an_engine_that_fails_is_opened_anew_without_a_restart(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let mirror = Mirror::start(&mut machine, MIRROR);
    let dreams = |telemetry: &Json| telemetry["provider"] == "cpu" && telemetry["fps"].as_f64() > Some(0.0);
    mirror.telemetry(dreams);
    let process = main_pid(&mut machine);
    mirror.operator.set(json!({"step": fuse::BLOWS_AT + 1.0}));
    wait_for("the engine fails", || {
        assert!(brightness(&machine.screen()) > 30.0, "the screen went black");
        machine.run("journalctl -u reverie -o cat").contains("dream failed").then_some(())
    });
    mirror.telemetry(|telemetry| telemetry["restarts"].as_u64() >= Some(2));
    assert!(brightness(&machine.screen()) > 30.0, "the screen went black");
    mirror.operator.set(json!({"step": 1.75}));
    let failed = mirror.telemetry(|_| true)["restarts"].as_u64();
    // Its rate is of the last seconds: it dreams again.
    mirror.telemetry(dreams);
    mirror.telemetry(|telemetry| dreams(telemetry) && telemetry["restarts"].as_u64() <= failed.map(|n| n + 1));
    assert_eq!(main_pid(&mut machine), process, "the daemon never ended");
}

/// Stops the thread of a stage, and no other: a control group of threads, which freezes.
fn freeze(machine: &mut Machine, process: u32, stage: &str) {
    machine.run(&format!(
        "cd /sys/fs/cgroup/system.slice/reverie.service && mkdir frozen && echo threaded > frozen/cgroup.type && \
         for task in /proc/{process}/task/*; do \
             if [ $(cat $task/comm) = {stage} ]; then echo ${{task##*/}} > frozen/cgroup.threads; fi; \
         done && test -n \"$(cat frozen/cgroup.threads)\" && echo 1 > frozen/cgroup.freeze"
    ));
}
