//! A camera unplugged and plugged in again twenty times, in every way there is, at random moments; a program in place of one, killed as often.

use std::time::{Duration, Instant};

use crate::harness::{
    Footprint, Kernel, Machine, Mirror, Vivid, daemon_log, main_pid, on_each_kernel, plain_mirror, shows_a_picture,
    wait_until,
};

on_each_kernel!(a_camera_goes_and_comes_back_twenty_times, a_program_is_killed_twenty_times);

const SCREEN: &str = "kind = \"kms\"";
/// Rounds until every cache is filled.
const WARM_UP: u32 = 6;
const TIMES: u32 = 20;

fn a_camera_goes_and_comes_back_twenty_times(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    let vivid = Vivid::plug(&mut machine, "");
    let source = "kind = \"v4l2\"\nformat = \"YUYV\"\nsize = \"320x180\"";
    Mirror::start(&mut machine, &plain_mirror(source, SCREEN));
    // How often the camera was opened.
    let opened = |machine: &mut Machine| -> u32 {
        let count = machine.run("journalctl -u reverie -o cat | grep -c '^camera: /dev/video0' || true");
        count.trim().parse().expect("a count")
    };
    wait_until("the camera streams", || opened(&mut machine) == 1);
    wait_until("its picture is on the screen", || shows_a_picture(&mut machine));
    let process = main_pid(&mut machine);
    let mut random = fastrand::Rng::with_seed(3);
    let mut longest = Duration::ZERO;
    let mut trace = Vec::new();
    for round in 1..=WARM_UP + TIMES {
        std::thread::sleep(Duration::from_millis(random.u64(0..1500)));
        let away = Duration::from_millis(random.u64(0..1500));
        let way = random.u32(0..4);
        match way {
            0 => {
                vivid.unbind(&mut machine);
                std::thread::sleep(away);
                vivid.bind(&mut machine);
            }
            1 => vivid.control(&mut machine, "disconnect=1"),
            2 => vivid.control(&mut machine, "inject_fatal_streaming_error=1"),
            _ => {
                // A driver in use cannot be unloaded: first its device goes.
                vivid.unbind(&mut machine);
                wait_until("the driver goes", || machine.succeeds("rmmod vivid"));
                std::thread::sleep(away);
                Vivid::plug(&mut machine, "");
            }
        }
        let plugged = Instant::now();
        wait_until(&format!("it streams again, round {round}, way {way}"), || {
            assert!(shows_a_picture(&mut machine), "the screen went black");
            opened(&mut machine) == round + 1
        });
        longest = longest.max(plugged.elapsed());
        trace.push(Footprint::of_daemon(&mut machine));
    }
    eprintln!("{kernel:?}: back after {:.1} s at most; {trace:?}", longest.as_secs_f64());
    assert_eq!(main_pid(&mut machine), process, "the daemon never ended");
    Footprint::assert_flat(&trace, WARM_UP as usize);

    // Stalled, though it is there: closed after two seconds, and opened again.
    let count = opened(&mut machine);
    vivid.control(&mut machine, "percentage_of_dropped_buffers=100");
    wait_until("it is seen to be stalled", || daemon_log(&mut machine).contains("no picture for 2 s"));
    vivid.control(&mut machine, "percentage_of_dropped_buffers=0");
    wait_until("it streams again", || opened(&mut machine) > count);
}

/// Writes grey YUV4MPEG2 pictures, five a second.
const FILM: &str = r#"#!/bin/sh
printf 'YUV4MPEG2 W64 H64 F5:1 C444\n'
grey=$(printf '%12288s' '' | tr ' ' '\200')
while printf 'FRAME\n%s' "$grey"; do sleep 0.2; done
"#;

fn a_program_is_killed_twenty_times(kernel: Kernel) {
    let mut machine = Machine::start_virtio(kernel);
    machine.put("/usr/local/bin/film", FILM.as_bytes());
    machine.run("chmod 755 /usr/local/bin/film");
    let source = "kind = \"program\"\ncommand = [\"/usr/local/bin/film\"]";
    Mirror::start(&mut machine, &plain_mirror(source, SCREEN));
    let process = main_pid(&mut machine);
    // The daemon's children; reading every process took the emulated machine seconds.
    let running = |machine: &mut Machine| -> Vec<u32> {
        let children = machine.run(&format!("cat /proc/{process}/task/*/children 2>/dev/null || true"));
        children.split_whitespace().map(|number| number.parse().expect("a process number")).collect()
    };
    wait_until("the program runs", || running(&mut machine).len() == 1);
    wait_until("its picture is on the screen", || shows_a_picture(&mut machine));
    let mut random = fastrand::Rng::with_seed(3);
    let mut trace = Vec::new();
    for round in 1..=WARM_UP + TIMES {
        // Long enough to count as sound, else the restart delays grow.
        std::thread::sleep(Duration::from_millis(random.u64(1500..3000)));
        let [killed] = running(&mut machine)[..] else { panic!("one program was expected, round {round}") };
        machine.run(&format!("kill -KILL {killed}"));
        wait_until(&format!("it runs again, round {round}"), || {
            assert!(shows_a_picture(&mut machine), "the screen went black");
            matches!(running(&mut machine)[..], [one] if one != killed)
        });
        trace.push(Footprint::of_daemon(&mut machine));
    }
    eprintln!("{kernel:?}: {trace:?}");
    assert_eq!(main_pid(&mut machine), process, "the daemon never ended");
    Footprint::assert_flat(&trace, WARM_UP as usize);
}
