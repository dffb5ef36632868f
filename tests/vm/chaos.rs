//! A camera taken away and given back twenty times, in every way there is, at random moments; a program that stands for one, killed as often.

use std::time::{Duration, Instant};

use crate::harness::{Footprint, Hardware, Kernel, Machine, Mirror, Screen, Vivid, main_pid, on_each_kernel, wait_for};
use crate::picture::brightness;

on_each_kernel!(a_camera_goes_and_comes_back_twenty_times, a_program_is_killed_twenty_times);

const MIRROR: &str = r#"
[source]
kind = "v4l2"
format = "YUYV"
size = "320x180"

[screen]
kind = "kms"

[dream]
size = "128x72"
canvas = "128x72"

[params]
intensity = 0
mirror = false
"#;

/// Rounds that fill every cache there is.
const WARM_UP: u32 = 6;
const TIMES: u32 = 20;

fn a_camera_goes_and_comes_back_twenty_times(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    let vivid = Vivid::plug(&mut machine, "");
    Mirror::start(&mut machine, MIRROR);
    let taken = |machine: &mut Machine| -> u32 {
        let count = machine.run("journalctl -u reverie -o cat | grep -c '^camera: /dev/video0' || true");
        count.trim().parse().expect("a count")
    };
    wait_for("the camera streams", || (taken(&mut machine) == 1).then_some(()));
    wait_for("its picture is on the screen", || (brightness(&machine.screen()) > 30.0).then_some(()));
    let process = main_pid(&mut machine);
    let mut random = fastrand::Rng::with_seed(3);
    let mut longest = Duration::ZERO;
    let mut trace = Vec::new();
    for time in 1..=WARM_UP + TIMES {
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
                wait_for("the driver goes", || (machine.try_run("rmmod vivid").status == 0).then_some(()));
                std::thread::sleep(away);
                Vivid::plug(&mut machine, "");
            }
        }
        let given_back = Instant::now();
        wait_for(&format!("it streams again, time {time}, way {way}"), || {
            assert!(brightness(&machine.screen()) > 30.0, "the screen went black");
            (taken(&mut machine) == time + 1).then_some(())
        });
        longest = longest.max(given_back.elapsed());
        trace.push(Footprint::of_daemon(&mut machine));
    }
    eprintln!("{kernel:?}: back after {:.1} s at most; {trace:?}", longest.as_secs_f64());
    assert_eq!(main_pid(&mut machine), process, "the daemon never ended");
    Footprint::assert_flat(&trace, WARM_UP as usize);

    // Silent, though it is there: given up after two seconds, and taken up again.
    let count = taken(&mut machine);
    vivid.control(&mut machine, "percentage_of_dropped_buffers=100");
    wait_for("it is seen to be stalled", || {
        machine.run("journalctl -u reverie -o cat").contains("no picture for 2 s").then_some(())
    });
    vivid.control(&mut machine, "percentage_of_dropped_buffers=0");
    wait_for("it streams again", || (taken(&mut machine) > count).then_some(()));
}

/// Writes grey YUV4MPEG2 pictures, five a second.
const FILM: &str = r#"#!/bin/sh
printf 'YUV4MPEG2 W64 H64 F5:1 C444\n'
grey=$(printf '%12288s' '' | tr ' ' '\200')
while printf 'FRAME\n%s' "$grey"; do sleep 0.2; done
"#;

fn a_program_is_killed_twenty_times(kernel: Kernel) {
    let mut machine = Machine::start(Hardware::new(kernel, Screen::Virtio));
    machine.put("/usr/local/bin/film", FILM.as_bytes());
    machine.run("chmod 755 /usr/local/bin/film");
    let source = "kind = \"program\"\ncommand = [\"/usr/local/bin/film\"]";
    let config = MIRROR.replace("kind = \"v4l2\"\nformat = \"YUYV\"\nsize = \"320x180\"", source);
    Mirror::start(&mut machine, &config);
    let process = main_pid(&mut machine);
    // The daemon's children; asking every process there is took the emulated machine seconds.
    let running = |machine: &mut Machine| -> Vec<u32> {
        let said = machine.run(&format!("cat /proc/{process}/task/*/children 2>/dev/null || true"));
        said.split_whitespace().map(|number| number.parse().expect("a process number")).collect()
    };
    wait_for("the program runs", || (running(&mut machine).len() == 1).then_some(()));
    wait_for("its picture is on the screen", || (brightness(&machine.screen()) > 30.0).then_some(()));
    let mut random = fastrand::Rng::with_seed(3);
    let mut trace = Vec::new();
    for time in 1..=WARM_UP + TIMES {
        // Long enough to be taken for a sound one, else the waits grow.
        std::thread::sleep(Duration::from_millis(random.u64(1500..3000)));
        let [killed] = running(&mut machine)[..] else { panic!("one program was expected, time {time}") };
        machine.run(&format!("kill -KILL {killed}"));
        wait_for(&format!("it runs again, time {time}"), || {
            assert!(brightness(&machine.screen()) > 30.0, "the screen went black");
            matches!(running(&mut machine)[..], [one] if one != killed).then_some(())
        });
        trace.push(Footprint::of_daemon(&mut machine));
    }
    eprintln!("{kernel:?}: {trace:?}");
    assert_eq!(main_pid(&mut machine), process, "the daemon never ended");
    Footprint::assert_flat(&trace, WARM_UP as usize);
}
