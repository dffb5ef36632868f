//! The governor on simulated boards: no clock, no network.

use proptest::prelude::*;

use super::*;

const FULL_HD: (usize, usize) = (1920, 1080);

/// A board that takes `ns` nanoseconds for a pixel climbed and `run_ms` for each run besides.
struct Board {
    ns: f64,
    run_ms: f64,
    /// Each frame's time is off by up to this share, and one in forty takes three times as long.
    noise: f64,
    rng: fastrand::Rng,
    /// Two layers are mixed: an ascent of each octave, and each window, is made by both.
    is_mixing: bool,
}

impl Board {
    fn new(ns: f64, run_ms: f64, noise: f64) -> Board {
        Board { ns, run_ms, noise, rng: fastrand::Rng::with_seed(7), is_mixing: false }
    }

    fn quiet_time(&self, plan: &Plan, scale: f64) -> f64 {
        let octaves = octave_sizes(plan.size, plan.octaves, scale);
        let climb: f64 = octaves.iter().map(|(w, h)| (w * h) as f64 * self.ns * 1e-9 + self.run_ms * 1e-3).sum();
        let window = (plan.size.0 * plan.size.1) as f64 * self.ns * 1e-9 + self.run_ms * 1e-3;
        let (more, times) = if self.is_mixing { (1.0, 2.0) } else { (0.0, 1.0) };
        climb * (f64::from(plan.steps) + more) + window * f64::from(plan.windows) * times
    }

    fn time(&mut self, plan: &Plan, scale: f64, throttle: f64) -> f64 {
        let mut time = self.quiet_time(plan, scale) * throttle;
        time *= 1.0 + self.noise * (2.0 * self.rng.f64() - 1.0);
        if self.noise > 0.0 && self.rng.usize(..40) == 0 {
            time *= 3.0;
        }
        time
    }
}

fn request(octaves: u32, steps: u32) -> PlanRequest {
    PlanRequest { layer: Some("f12".into()), octaves, steps, octave_scale: 1.4, windows: 0 }
}

/// Dreams for `seconds`; `throttle` is how many times slower the board is at a time. Returns (time, plan, frame time).
fn run(
    governor: &mut Governor,
    board: &mut Board,
    request: &PlanRequest,
    seconds: f64,
    throttle: impl Fn(f64) -> f64,
) -> Vec<(f64, Plan, f64)> {
    let mut log = Vec::new();
    let mut now = 0.0;
    board.is_mixing = request.layer.is_none();
    while now < seconds {
        let plan = governor.plan(request);
        let time = board.time(&plan, request.octave_scale, throttle(now));
        governor.observe(Duration::from_secs_f64(time), &plan);
        log.push((now, plan, time));
        now += time;
    }
    log
}

fn changes(log: &[(f64, Plan, f64)]) -> usize {
    log.windows(2).filter(|pair| pair[0].1 != pair[1].1).count()
}

proptest! {
    #[test]
    fn any_board_settles_soon_on_nearly_the_largest_size_in_time(
        ns in 5.0f64..2000.0, run_ms in 0.0f64..4.0, fps in 4.0f64..30.0, octaves in 1u32..5, steps in 1u32..5,
    ) {
        let (mut governor, request) = (Governor::new(FULL_HD, fps), request(octaves, steps));
        let mut board = Board::new(ns, run_ms, 0.05);
        let log = run(&mut governor, &mut board, &request, 90.0, |_| 1.0);
        let budget = 1.0 / fps;
        // Settled: two seconds, and a few frames more where a frame takes long.
        let settled: Vec<_> = log.iter().filter(|(at, ..)| *at > 10.0).collect();
        let plan = settled.last().unwrap().1;
        let quiet = board.quiet_time(&plan, 1.4);
        let least = Plan { size: (160, 96), octaves: 1, steps: 1, windows: 0 };
        prop_assert!(quiet <= budget * LATE_SHARE || plan == least, "{plan:?} takes {quiet:.3} s of {budget:.3}");
        // Not smaller than need be: two rungs more would be late.
        let rung = (0..=governor.ladder.top()).find(|&r| governor.ladder.size(r) == plan.size).unwrap();
        if plan.octaves == octaves && plan.steps == steps && rung + 2 <= governor.ladder.top() {
            let larger = Plan { size: governor.ladder.size(rung + 2), ..plan };
            let quiet = board.quiet_time(&larger, 1.4);
            prop_assert!(quiet > budget * 0.75, "{plan:?}, but {larger:?} takes only {quiet:.3} s of {budget:.3}");
        }
    }
}

#[test]
fn calibration_takes_two_seconds() {
    let mut governor = Governor::new(FULL_HD, 10.0);
    let mut board = Board::new(200.0, 1.0, 0.0);
    let log = run(&mut governor, &mut board, &request(2, 2), 60.0, |_| 1.0);
    let last = log.iter().rev().find(|(_, plan, _)| *plan != log.last().unwrap().1).unwrap().0;
    assert!(last < 3.0, "still changing after {last:.1} s");
}

#[test]
fn noise_does_not_make_the_picture_flicker() {
    for seed in 0..20 {
        let mut governor = Governor::new(FULL_HD, 10.0);
        let mut board = Board::new(150.0 + 10.0 * seed as f64, 1.0, 0.15);
        board.rng = fastrand::Rng::with_seed(seed);
        let log = run(&mut governor, &mut board, &request(2, 2), 1800.0, |_| 1.0);
        let calm: Vec<_> = log.into_iter().filter(|(at, ..)| *at > 10.0).collect();
        assert!(changes(&calm) <= 6, "seed {seed}: {} changes in half an hour", changes(&calm));
    }
}

#[test]
fn a_board_that_throttles_is_followed_down_quickly_and_up_slowly() {
    let mut governor = Governor::new(FULL_HD, 10.0);
    let mut board = Board::new(200.0, 1.0, 0.05);
    let throttle = |now: f64| if (60.0..200.0).contains(&now) { 1.8 } else { 1.0 };
    let log = run(&mut governor, &mut board, &request(2, 2), 600.0, throttle);
    let at = |time: f64| log.iter().find(|(at, ..)| *at >= time).unwrap();
    let cool = at(59.0).1.size;
    assert!(at(70.0).1.size < cool, "not yet smaller ten seconds after");
    assert!(log.iter().filter(|(at, ..)| (72.0..200.0).contains(at)).filter(|(.., t)| *t > 0.11).count() < 120);
    assert!(at(215.0).1.size < cool, "grown again at once");
    assert_eq!(at(590.0).1.size, cool, "never grown again");
}

#[test]
fn a_board_at_the_edge_does_not_swing() {
    // It throttles whenever it dreams at a larger size for a while: growing is taken back again and again.
    let mut governor = Governor::new(FULL_HD, 10.0);
    let request = request(2, 2);
    let mut board = Board::new(200.0, 1.0, 0.02);
    let (mut now, mut heat, mut log) = (0.0, 0.0f64, Vec::new());
    while now < 3600.0 {
        let plan = governor.plan(&request);
        let time = board.time(&plan, 1.4, if heat > 50.0 { 1.4 } else { 1.0 });
        let warming = plan.size.0 as f64 / 300.0 - 1.0;
        heat = (heat + warming * time * 10.0).clamp(0.0, 100.0);
        governor.observe(Duration::from_secs_f64(time), &plan);
        log.push((now, plan, time));
        now += time;
    }
    assert!(changes(&log) < 60, "{} changes in an hour", changes(&log));
    let last_quarter: Vec<_> = log.into_iter().filter(|(at, ..)| *at > 2700.0).collect();
    assert!(changes(&last_quarter) <= 10, "{} changes in the last quarter", changes(&last_quarter));
}

#[test]
fn below_the_smallest_size_steps_go_first_then_octaves_and_one_of_each_is_left() {
    let mut governor = Governor::new(FULL_HD, 10.0);
    let slow = run(&mut governor, &mut Board::new(5_000.0, 0.0, 0.0), &request(3, 4), 60.0, |_| 1.0);
    assert_eq!(slow.last().unwrap().1, Plan { size: (160, 96), octaves: 1, steps: 1, windows: 0 });
    let mut governor = Governor::new(FULL_HD, 10.0);
    let tight = run(&mut governor, &mut Board::new(1_500.0, 0.0, 0.0), &request(3, 4), 60.0, |_| 1.0);
    assert_eq!(tight.last().unwrap().1, Plan { size: (160, 96), octaves: 3, steps: 2, windows: 0 });
}

#[test]
fn windows_go_before_steps_and_cost_what_a_step_does() {
    let asked = PlanRequest { windows: 4, ..request(2, 2) };
    let mut governor = Governor::new(FULL_HD, 10.0);
    let tight = run(&mut governor, &mut Board::new(1_500.0, 0.0, 0.0), &asked, 60.0, |_| 1.0);
    let plan = tight.last().unwrap().1;
    assert!(plan.windows < 2 && (plan.octaves, plan.steps) == (2, 2), "{plan:?}");
    let size = |asked: &PlanRequest| {
        let mut governor = Governor::new(FULL_HD, 10.0);
        run(&mut governor, &mut Board::new(200.0, 0.0, 0.0), asked, 60.0, |_| 1.0).last().unwrap().1.size
    };
    assert!(size(&asked) < size(&request(2, 2)), "windows were not reckoned");
}

#[test]
fn more_steps_are_answered_at_once_by_a_smaller_picture() {
    let mut governor = Governor::new(FULL_HD, 10.0);
    let mut board = Board::new(200.0, 0.0, 0.0);
    run(&mut governor, &mut board, &request(2, 2), 30.0, |_| 1.0);
    let before = governor.plan(&request(2, 2));
    let after = governor.plan(&request(2, 4));
    assert_eq!(after.steps, 4);
    assert!(after.size.0 < before.size.0, "{before:?} → {after:?}");
}

#[test]
fn a_fixed_size_is_left_alone() {
    let mut governor = Governor::fixed((333, 111));
    let log = run(&mut governor, &mut Board::new(9_000.0, 9.0, 0.0), &request(3, 5), 60.0, |_| 1.0);
    assert!(log.iter().all(|(_, plan, _)| *plan == Plan { size: (333, 111), octaves: 3, steps: 5, windows: 0 }));
}

#[test]
fn nothing_to_climb_is_nothing_to_measure() {
    let mut governor = Governor::new(FULL_HD, 10.0);
    let plan = governor.plan(&request(2, 0));
    for _ in 0..100 {
        governor.observe(Duration::from_micros(300), &plan);
    }
    assert_eq!(governor.plan(&request(2, 0)), plan);
}

#[test]
fn a_size_that_cannot_be_opened_is_not_asked_for_again_until_the_layer_changes() {
    let mut governor = Governor::new(FULL_HD, 10.0);
    let mut board = Board::new(50.0, 0.0, 0.0);
    let wanted = run(&mut governor, &mut board, &request(2, 2), 30.0, |_| 1.0).last().unwrap().1;
    governor.refuse(&wanted);
    let smaller = run(&mut governor, &mut board, &request(2, 2), 600.0, |_| 1.0);
    assert!(smaller.iter().all(|(_, plan, _)| plan.size.0 < wanted.size.0), "asked for again");
    assert!(smaller.iter().all(|(_, plan, _)| plan.size.0 * 2 > wanted.size.0), "much smaller than need be");
    let other = PlanRequest { layer: Some("f6".into()), ..request(2, 2) };
    let again = run(&mut governor, &mut board, &other, 600.0, |_| 1.0);
    assert_eq!(again.last().unwrap().1.size, wanted.size);
}

/// A board that heats up by what it works, in a sysfs tree as the kernel has it.
struct WarmBoard {
    board: Board,
    sysfs: tempfile::TempDir,
    celsius: f64,
    now: f64,
    hottest: f64,
}

impl WarmBoard {
    /// One that takes `ns` nanoseconds for a pixel climbed, and is slowed down at 90 °C.
    fn new(ns: f64) -> WarmBoard {
        let sysfs = tempfile::tempdir().unwrap();
        std::fs::create_dir(sysfs.path().join("thermal_zone0")).unwrap();
        let board = WarmBoard { board: Board::new(ns, 0.2, 0.0), sysfs, celsius: 45.0, now: 0.0, hottest: f64::MIN };
        board.put("type", "gpu-thermal");
        board.put("trip_point_0_type", "passive");
        board.put("trip_point_0_temp", "90000");
        board
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.sysfs.path().join("thermal_zone0").join(name), text).unwrap();
    }

    /// Dreams for `seconds` at an ambient temperature. Working all the time it would become 55 °C hotter than that, with a time constant
    /// of a minute. Returns size in pixels and time from frame to frame, both in the mean of the second half.
    fn live(&mut self, governor: &mut Governor, fps: f64, ambient: f64, seconds: f64) -> (usize, f64) {
        let request = request(2, 2);
        let (mut frames, mut headroom) = (Vec::new(), None);
        let (end, mut next_reading) = (self.now + seconds, self.now);
        while self.now < end {
            if self.now >= next_reading {
                self.put("temp", &format!("{:.0}", self.celsius * 1000.0));
                headroom = crate::health::thermal_zones(self.sysfs.path())
                    .iter()
                    .filter_map(crate::health::ThermalZone::headroom)
                    .min_by(f64::total_cmp);
                next_reading += 2.0;
            }
            let plan = governor.plan(&request);
            let busy = self.board.time(&plan, request.octave_scale, 1.0);
            let frame = busy.max(1.0 / fps) / governor.rate_share();
            governor.observe(Duration::from_secs_f64(busy), &plan);
            governor.update_heat(headroom, Duration::from_secs_f64(frame));
            self.celsius += (ambient + 55.0 * busy / frame - self.celsius) * frame / 60.0;
            self.hottest = f64::max(self.hottest, self.celsius);
            assert!(self.now < 30.0 || busy < 1.3 / fps, "the rate is held: {busy}");
            frames.push((plan.size.0 * plan.size.1, frame));
            self.now += frame;
        }
        let late = frames.split_off(frames.len() / 2);
        let count = late.len().max(1);
        (
            late.iter().map(|(area, _)| area).sum::<usize>() / count,
            late.iter().map(|(_, frame)| frame).sum::<f64>() / count as f64,
        )
    }
}

#[test]
fn a_hot_board_dreams_less_at_the_same_rate_and_more_when_it_is_cool_again() {
    let fps = 8.0;
    let (mut governor, mut board) = (Governor::new(FULL_HD, fps), WarmBoard::new(80.0));
    let (cool, period) = board.live(&mut governor, fps, 25.0, 300.0);
    let (hot, hot_period) = board.live(&mut governor, fps, 48.0, 1200.0);
    let (cool_again, _) = board.live(&mut governor, fps, 25.0, 3600.0);
    assert!(hot < cool * 9 / 10, "{cool} pixels in the cool, {hot} in the heat");
    assert!(hot_period < period * 1.05, "{period} seconds from frame to frame in the cool, {hot_period} in the heat");
    assert!(cool_again * 10 >= cool * 9, "{cool} pixels, and {cool_again} when it is cool again");
    assert!(board.hottest < 90.0, "it was never slowed down: {} °C", board.hottest);
}

#[test]
fn a_hot_board_of_a_fixed_size_dreams_less_often_and_as_often_as_before_when_it_is_cool_again() {
    let fps = 8.0;
    let (mut governor, mut board) = (Governor::fixed((880, 480)), WarmBoard::new(80.0));
    let (size, cool) = board.live(&mut governor, fps, 25.0, 300.0);
    let (hot_size, hot) = board.live(&mut governor, fps, 48.0, 1200.0);
    let (_, cool_again) = board.live(&mut governor, fps, 25.0, 3600.0);
    assert_eq!((size, hot_size), (880 * 480, 880 * 480));
    assert!(hot > cool * 1.2, "{cool} seconds from frame to frame in the cool, {hot} in the heat");
    assert!(cool_again < cool * 1.05, "{cool} seconds, and {cool_again} when it is cool again");
    assert!(board.hottest < 90.0, "it was never slowed down: {} °C", board.hottest);
}

#[test]
fn a_fade_of_layers_holds_the_rate_and_leaves_the_picture_as_large_as_it_was() {
    for windows in [0, 2] {
        let alone = PlanRequest { windows, ..request(2, 1) };
        let mixed = PlanRequest { layer: None, ..alone.clone() };
        let (mut governor, mut board) = (Governor::new(FULL_HD, 10.0), Board::new(250.0, 1.0, 0.0));
        let before = run(&mut governor, &mut board, &alone, 61.0, |_| 1.0).last().unwrap().1;
        let fade = run(&mut governor, &mut board, &mixed, 600.0, |_| 1.0);
        assert_eq!(fade[0].1.size, before.size, "a short fade is worth no other size");
        let late = fade.iter().filter(|(at, _, time)| *at > 10.0 && *time > 0.11).count();
        assert_eq!(late, 0, "with {windows} windows, of {}", fade.len());
        let (first, last) = (fade[0].1, fade.last().unwrap().1);
        assert_eq!(last.size == before.size, windows > 0, "{before:?} → {last:?}");
        assert!(windows == 0 || first.windows < windows, "windows are left out at once: {first:?}");
        let other = PlanRequest { layer: Some("f6".into()), ..alone.clone() };
        assert_eq!(run(&mut governor, &mut board, &other, 60.0, |_| 1.0).last().unwrap().1, before);
    }
}

#[test]
fn more_steps_and_heat_are_answered_during_a_fade_as_ever() {
    let mixed = |steps| PlanRequest { layer: None, ..request(2, steps) };
    let (mut governor, mut board) = (Governor::new(FULL_HD, 10.0), Board::new(200.0, 0.0, 0.0));
    run(&mut governor, &mut board, &request(2, 2), 30.0, |_| 1.0);
    let before = run(&mut governor, &mut board, &mixed(2), 30.0, |_| 1.0).last().unwrap().1;
    let more = governor.plan(&mixed(4));
    assert!(more.steps == 4 && more.size.0 < before.size.0, "{before:?} → {more:?}");
    let cool = run(&mut governor, &mut board, &mixed(4), 60.0, |_| 1.0).last().unwrap().2;
    governor.update_heat(Some(1.0), Duration::from_secs(15));
    governor.update_heat(Some(1.0), Duration::from_secs(15));
    let hot = run(&mut governor, &mut board, &mixed(4), 60.0, |_| 1.0).last().unwrap().2;
    assert!(hot < 0.7 * cool, "a frame takes {cool:.3} s, and {hot:.3} s when it is hot");
}

#[test]
fn a_fade_that_is_called_off_leaves_the_size_alone() {
    let (mut governor, mut board) = (Governor::new(FULL_HD, 10.0), Board::new(200.0, 1.0, 0.0));
    let before = run(&mut governor, &mut board, &request(2, 2), 61.0, |_| 1.0).last().unwrap().1;
    let mixed = PlanRequest { layer: None, ..request(2, 2) };
    run(&mut governor, &mut board, &mixed, 1.0, |_| 1.0);
    let after = run(&mut governor, &mut board, &request(2, 2), 60.0, |_| 1.0);
    assert!(after.iter().all(|(_, plan, _)| *plan == before), "{before:?}");
}
