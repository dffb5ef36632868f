//! Programs as cameras (`source.kind = "program"`): those that do as they should, and those that do not. All are a shell's.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use reverie::frame::Frame;
use reverie::health::CameraState;
use reverie::source::{self, Source, SourceKind, try_program};
use reverie::y4m::{Header, Rate, Sampling, Writer};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

const SIZE: (usize, usize) = (64, 48);
/// Sends a picture every few milliseconds, without end.
const ENDLESS: &str = "cat head; while :; do cat picture; sleep 0.02; done";

/// A folder with what scripts send: `clip`, ten pictures; `head`, its header; `picture`, one of them. Scripts run in it.
struct World(TempDir);

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let (width, height) = SIZE;
        let rate = Some(Rate { numerator: 30, denominator: 1 });
        let header = Header { width, height, rate, aspect: None, sampling: Sampling::Half, is_full_range: false };
        let mut writer = Writer::new(Vec::new(), header).unwrap();
        let mut frame = Frame::new(width, height);
        frame.pixels.fill(200);
        (0..10).for_each(|_| writer.write(&frame).unwrap());
        let clip = writer.into_inner();
        let head = clip.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let picture = (clip.len() - head) / 10;
        fs::write(folder.path().join("head"), &clip[..head]).unwrap();
        fs::write(folder.path().join("picture"), &clip[head..head + picture]).unwrap();
        fs::write(folder.path().join("clip"), clip).unwrap();
        World(folder)
    }

    fn settings(&self, script: &str) -> source::Settings {
        let script = format!("cd '{}'; echo $$ >>started; {script}", self.0.path().display());
        source::Settings {
            kind: SourceKind::Program,
            command: vec!["sh".to_owned(), "-c".to_owned(), script],
            ..source::Settings::default()
        }
    }

    fn open(&self, script: &str) -> Source {
        Source::open(&self.settings(script), &|| {}).unwrap()
    }

    /// The processes that were started, in turn.
    fn started(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.0.path().join("started")).unwrap_or_default();
        text.lines().map(|pid| pid.parse().unwrap()).collect()
    }
}

/// Whether it runs: one that was ended, and whose parent has not heard of it, does not.
fn is_running(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
        && fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Reads until `is_so`, for `seconds` at most; the pictures that came meanwhile.
fn read_until(source: &mut Source, seconds: u64, mut is_so: impl FnMut(&Source, usize) -> bool) -> usize {
    let (begun, mut frame, mut count) = (Instant::now(), Frame::new(0, 0), 0);
    loop {
        if source.next(&mut frame, &|| {}).unwrap() {
            assert_eq!((frame.width, frame.height), SIZE);
            assert!(frame.pixels.iter().all(|value| value.abs_diff(200) <= 2));
            assert!(frame.captured.elapsed() < Duration::from_secs(2));
            count += 1;
        }
        if is_so(source, count) {
            return count;
        }
        assert!(begun.elapsed() < Duration::from_secs(seconds), "not within {seconds} s; {}", source.status());
    }
}

fn is(state: CameraState) -> impl Fn(&Source, usize) -> bool {
    move |source, _| source.status().state() == Some(state)
}

#[test]
fn a_program_streams_and_is_gone_with_its_source() {
    let world = World::new();
    let mut source = world.open(ENDLESS);
    assert_eq!(
        (source.status().state(), source.status().to_string().as_str()),
        (Some(CameraState::Opening), "opening sh")
    );
    read_until(&mut source, 10, |_, count| count == 20);
    assert_eq!(
        (source.status().state(), source.status().to_string().as_str()),
        (Some(CameraState::Streaming), "streaming sh 64x48@30")
    );
    let started = world.started();
    assert!(started.len() == 1 && is_running(started[0]));
    let begun = Instant::now();
    drop(source);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!is_running(started[0]));
}

#[test]
fn of_one_that_is_faster_than_we_are_the_newest_counts() {
    let world = World::new();
    let mut source = world.open("cat head; while :; do cat picture; echo >>sent; done");
    read_until(&mut source, 10, |_, count| count == 1);
    std::thread::sleep(Duration::from_secs(1));
    // What is in the slot and in the pipe, of all that were sent meanwhile.
    let (begun, mut frame) = (Instant::now(), Frame::new(0, 0));
    assert!(source.next(&mut frame, &|| {}).unwrap() && begun.elapsed() < Duration::from_millis(100));
    assert!(frame.captured > begun.checked_sub(Duration::from_millis(500)).unwrap(), "a late picture");
    let sent = fs::read(world.0.path().join("sent")).unwrap().len();
    assert!(sent > 30, "{sent}");
}

#[test]
fn a_film_that_is_over_begins_again_at_once() {
    let world = World::new();
    let mut source = world.open("cat head; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cat picture; sleep 0.1; done");
    let begun = Instant::now();
    read_until(&mut source, 20, |source, _| {
        assert_ne!(source.status().state(), Some(CameraState::Absent));
        world.started().len() == 4
    });
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(source.status().to_string(), "streaming sh 64x48@30");
}

#[test]
fn one_that_ends_too_soon_is_started_later_and_later() {
    let world = World::new();
    let mut source = world.open("cat clip");
    let begun = Instant::now();
    read_until(&mut source, 30, |_, count| count > 0 && world.started().len() == 3);
    // A second, and then two, each shortened by up to a quarter.
    assert!(begun.elapsed() > Duration::from_millis(2200), "{:?}", begun.elapsed());
}

#[test]
fn why_one_dies_is_known() {
    let world = World::new();
    let mut source = world
        .open("echo 'opening rtsp://me:secret@camera/' >&2; echo 'rtsp://me:secret@camera/: no route' >&2; exit 3");
    read_until(&mut source, 10, is(CameraState::Absent));
    assert_eq!(source.status().to_string(), "absent: sh: it ended by exit status: 3: rtsp://***@camera/: no route");
    let mut source = world.open("cat clip; kill -SEGV $$");
    read_until(&mut source, 10, is(CameraState::Absent));
    assert!(source.status().to_string().contains("it ended by signal: 11"), "{}", source.status());
}

#[test]
fn one_that_cannot_be_started_is_tried_again() {
    let world = World::new();
    let mut settings = world.settings("");
    settings.command[0] = world.0.path().join("later").display().to_string();
    let mut source = Source::open(&settings, &|| {}).unwrap();
    read_until(&mut source, 10, is(CameraState::Absent));
    assert!(source.status().to_string().contains("later: cannot be started: No such file"), "{}", source.status());
    std::os::unix::fs::symlink("/bin/sh", world.0.path().join("later")).unwrap();
    settings.command[2] = world.settings(ENDLESS).command[2].clone();
    drop(source);
    let mut source = Source::open(&settings, &|| {}).unwrap();
    read_until(&mut source, 10, is(CameraState::Streaming));
}

#[test]
fn a_flood_of_complaints_keeps_no_picture_away() {
    let world = World::new();
    let mut source = world.open(&format!("yes 'a frame was dropped, and more words about that' >&2 & {ENDLESS}"));
    read_until(&mut source, 20, |_, count| count == 30);
    let mut source = world.open("head -c 50000000 /dev/zero | tr '\\0' x >&2; cat clip; sleep 60");
    read_until(&mut source, 20, |_, count| count >= 1);
}

#[test]
fn garbage_is_no_picture() {
    let world = World::new();
    for (script, reason) in [
        ("cat /bin/sh; sleep 60", "it is not YUV4MPEG2: it begins with \"\\x7fELF"),
        ("echo YUV4MPEG2 W99999 H48; sleep 60", "W99999 is not a number of pixels"),
        ("cat clip picture head; sleep 60", "it is broken before picture 12"),
        ("cat clip; printf FRA", "it ends in the middle of picture 11"),
        ("exec >&-; sleep 60", "it is empty"),
        ("python3 -c 'import os; os.write(1, os.urandom(1 << 20))'", "it is not YUV4MPEG2"),
    ] {
        let mut source = world.open(script);
        read_until(&mut source, 10, is(CameraState::Absent));
        assert!(source.status().to_string().contains(reason), "{script}: {}", source.status());
    }
    assert!(world.started().iter().all(|pid| !is_running(*pid)));
}

#[test]
fn one_that_hangs_is_killed_and_started_again() {
    let world = World::new();
    // Deaf to being asked, too.
    let mut source =
        world.open("trap '' INT TERM HUP; cat clip; echo 'waiting for the sensor' >&2; sleep 600; sleep 600");
    let begun = Instant::now();
    read_until(&mut source, 20, is(CameraState::Stalled));
    assert!(begun.elapsed() > Duration::from_secs(5));
    assert_eq!(source.status().to_string(), "stalled: sh: no picture for 5 s: waiting for the sensor");
    assert!(!is_running(world.started()[0]));
    read_until(&mut source, 20, |_, _| world.started().len() == 2);
}

#[test]
fn twenty_kills_in_a_row_are_survived() {
    let world = World::new();
    let mut source = world.open(ENDLESS);
    for kill in 1..=20 {
        // It streams for long enough to be trusted again.
        let mut since = None;
        read_until(&mut source, 20, |_, count| {
            count > 0 && since.get_or_insert_with(Instant::now).elapsed() > Duration::from_millis(1200)
        });
        assert_eq!(world.started().len(), kill);
        kill_process(Pid::from_raw(world.started()[kill - 1]).unwrap(), Signal::KILL).unwrap();
        read_until(&mut source, 10, is(CameraState::Absent));
    }
    drop(source);
    assert!(world.started().iter().all(|pid| !is_running(*pid)));
    assert_eq!(world.started().len(), 20);
}

#[test]
fn a_program_is_tried_out() {
    let world = World::new();
    let patience = Duration::from_secs(2);
    let seen = try_program(&world.settings(ENDLESS), patience).unwrap();
    assert!(seen.starts_with("sh 64x48@30, after "), "{seen}");
    let reason = try_program(&world.settings("echo 'no sensor' >&2; sleep 60"), patience).unwrap_err();
    assert_eq!(reason, "no picture within 2 s: no sensor");
    let reason = try_program(&world.settings("echo 'no sensor' >&2; exit 1"), patience).unwrap_err();
    assert_eq!(reason, "it ended by exit status: 1: no sensor");
    assert!(world.started().iter().all(|pid| !is_running(*pid)));
    assert!(Path::new("/proc/self").exists(), "the test reads /proc");
}
