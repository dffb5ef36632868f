//! Stages that hang, and an engine that fails: what systemd's watchdog makes of the one, the daemon itself of the other.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::fuse;
use crate::harness::{Hardware, Kernel, Machine, Mirror, Screen, main_pid, mirror_of_ramp, on_each_kernel, wait_for};
use crate::picture::brightness;

on_each_kernel!(
    each_stage_that_hangs_is_seen_and_the_picture_comes_back,
    an_engine_that_fails_is_opened_anew_without_a_restart,
);

const STAGES: [&str; 4] = ["display", "source", "dream", "preview"];
/// From the end of the process that hung. Until then the picture stays; where the display is what hangs, it stands still for some seconds.
const MOST_WITHOUT_A_PICTURE: Duration = Duration::from_secs(15);

/// Ten times in a row, each stage in its turn.
fn each_stage_that_hangs_is_seen_and_the_picture_comes_back(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let mirror = Mirror::start(&mut machine, &mirror_of_ramp("kind = \"kms\"", "steps = 1"));
    for time in 0..10 {
        let stage = STAGES[time % STAGES.len()];
        mirror.telemetry(|telemetry| telemetry["provider"] == "cpu");
        wait_for("its picture is on the screen", || (brightness(&machine.screen()) > 30.0).then_some(()));
        let process = main_pid(&mut machine);
        freeze(&mut machine, process, stage);
        let frozen = Instant::now();
        // Seen from outside: the picture goes with the process, the console's text is dark, and a new picture comes.
        let shows = |machine: &mut Machine| brightness(&machine.screen()) > 30.0;
        wait_for(&format!("the end of the process whose {stage} hung"), || (!shows(&mut machine)).then_some(()));
        let gone = Instant::now();
        wait_for("a new picture", || shows(&mut machine).then_some(()));
        let (dark, all) = (gone.elapsed(), frozen.elapsed());
        eprintln!(
            "{kernel:?}: {stage} hung: seen and ended after {:.1} s, the picture is back {:.1} s later",
            (all - dark).as_secs_f64(),
            dark.as_secs_f64()
        );
        assert_ne!(main_pid(&mut machine), process);
        assert!(dark < MOST_WITHOUT_A_PICTURE, "{stage}: {dark:?}");
        let told = machine.run("journalctl -u reverie -o cat");
        assert!(told.contains(&format!("{stage} had no heartbeat for")), "the journal names it: {told}");
        // What the one before told is forgotten: the camera's picture is there long before the dream, whose first ascents may take minutes.
        mirror.operator.hear("status", |status| status == b"online");
    }
    assert_eq!(machine.run("systemctl show -P NRestarts reverie").trim(), "10");
}

fn an_engine_that_fails_is_opened_anew_without_a_restart(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let mirror = Mirror::start(&mut machine, &mirror_of_ramp("kind = \"kms\"", "steps = 1"));
    let dreams = |telemetry: &Json| telemetry["provider"] == "cpu" && telemetry["fps"].as_f64() > Some(0.0);
    mirror.telemetry(dreams);
    let process = main_pid(&mut machine);
    // In a trance a dream climbs `step` itself, however long it took.
    mirror.operator.set(json!({"trance": 1.0, "step": fuse::BLOWS_AT + 1.0}));
    wait_for("the engine fails", || {
        assert!(brightness(&machine.screen()) > 30.0, "the screen went black");
        machine.run("journalctl -u reverie -o cat").contains("dream failed").then_some(())
    });
    mirror.telemetry(|telemetry| telemetry["restarts"].as_u64() >= Some(2));
    assert!(brightness(&machine.screen()) > 30.0, "the screen went black");
    mirror.operator.set(json!({"trance": 0.0, "step": 1.75}));
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
