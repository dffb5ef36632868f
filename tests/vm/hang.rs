//! Stages that hang, which systemd's watchdog ends, and an engine that fails, which the daemon opens again.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fuse;
use crate::harness::{
    Kernel, Machine, Mirror, daemon_log, is_dreaming, main_pid, mirror_of_ramp, on_each_kernel, shows_a_picture,
    wait_until,
};

on_each_kernel!(
    each_stage_that_hangs_is_seen_and_the_picture_comes_back,
    an_engine_that_fails_is_opened_anew_without_a_restart,
);

const STAGES: [&str; 4] = ["display", "source", "dream", "preview"];
/// Longest time without a picture, from the end of the process that hung. Until then the picture stays; if the display hangs, it freezes for some
/// seconds.
const MAX_DARK_TIME: Duration = Duration::from_secs(15);

/// Ten times in a row, the stages in turn.
fn each_stage_that_hangs_is_seen_and_the_picture_comes_back(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let mirror = Mirror::start(&mut machine, &mirror_of_ramp("kind = \"kms\"", "steps = 1"));
    for round in 0..10 {
        let stage = STAGES[round % STAGES.len()];
        mirror.telemetry(|telemetry| telemetry["provider"] == "cpu");
        wait_until("its picture is on the screen", || shows_a_picture(&mut machine));
        let process = main_pid(&mut machine);
        freeze(&mut machine, process, stage);
        let frozen = Instant::now();
        // From outside: the picture goes with the process, the console's text is dark, and a new picture comes.
        wait_until(&format!("the end of the process whose {stage} hung"), || !shows_a_picture(&mut machine));
        let gone = Instant::now();
        wait_until("a new picture", || shows_a_picture(&mut machine));
        let (dark, all) = (gone.elapsed(), frozen.elapsed());
        eprintln!(
            "{kernel:?}: {stage} hung: seen and ended after {:.1} s, the picture is back {:.1} s later",
            (all - dark).as_secs_f64(),
            dark.as_secs_f64()
        );
        assert_ne!(main_pid(&mut machine), process);
        assert!(dark < MAX_DARK_TIME, "{stage}: {dark:?}");
        let log = daemon_log(&mut machine);
        assert!(log.contains(&format!("{stage} had no heartbeat for")), "the journal names it: {log}");
        // Discards what the process before published: the camera's picture is there long before the dream, whose first ascents may take minutes.
        mirror.operator.receive_status("online");
    }
    assert_eq!(machine.run("systemctl show -P NRestarts reverie").trim(), "10");
}

fn an_engine_that_fails_is_opened_anew_without_a_restart(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let mirror = Mirror::start(&mut machine, &mirror_of_ramp("kind = \"kms\"", "steps = 1"));
    mirror.telemetry(is_dreaming);
    let process = main_pid(&mut machine);
    // In a trance an ascent takes `step` itself, whatever time passed.
    mirror.operator.set(json!({"trance": 1.0, "step": fuse::BLOWS_AT + 1.0}));
    wait_until("the engine fails", || {
        assert!(shows_a_picture(&mut machine), "the screen went black");
        daemon_log(&mut machine).contains("dream failed")
    });
    mirror.telemetry(|telemetry| telemetry["restarts"].as_u64() >= Some(2));
    assert!(shows_a_picture(&mut machine), "the screen went black");
    mirror.operator.set(json!({"trance": 0.0, "step": 1.75}));
    let failed = mirror.telemetry(|_| true)["restarts"].as_u64();
    // The rate is that of the last seconds: it dreams again.
    mirror.telemetry(is_dreaming);
    mirror.telemetry(|telemetry| is_dreaming(telemetry) && telemetry["restarts"].as_u64() <= failed.map(|n| n + 1));
    assert_eq!(main_pid(&mut machine), process, "the daemon never ended");
}

/// Freezes the thread of a stage, and no other, in a threaded control group.
fn freeze(machine: &mut Machine, process: u32, stage: &str) {
    machine.run(&format!(
        "cd /sys/fs/cgroup/system.slice/reverie.service && mkdir frozen && echo threaded > frozen/cgroup.type && \
         for task in /proc/{process}/task/*; do \
             if [ $(cat $task/comm) = {stage} ]; then echo ${{task##*/}} > frozen/cgroup.threads; fi; \
         done && test -n \"$(cat frozen/cgroup.threads)\" && echo 1 > frozen/cgroup.freeze"
    ));
}
