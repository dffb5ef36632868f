use std::f32::consts::TAU;

use proptest::prelude::*;

use super::*;

/// A smooth unbounded picture: waves of several lengths and directions, as grey levels, bent so that nothing repeats.
fn waves(x: f32, y: f32) -> f32 {
    let (x, y) = (x + 15.0 * (y / 37.0).sin(), y + 15.0 * (x / 41.0 + 1.0).sin());
    let wave = |length: f32, angle: f32, phase: f32| (TAU * (x * angle.cos() + y * angle.sin()) / length + phase).sin();
    110.0
        + 30.0 * wave(67.0, 0.3, 0.0)
        + 22.0 * wave(31.0, 1.4, 1.0)
        + 16.0 * wave(17.0, 2.5, 2.0)
        + 12.0 * wave(11.0, 0.9, 3.0)
}

/// A picture with the grey level `value` at each pixel.
fn picture((width, height): (usize, usize), value: impl Fn(f32, f32) -> f32) -> Luma {
    let mut luma = Luma::new(width, height);
    for (i, pixel) in luma.pixels.iter_mut().enumerate() {
        *pixel = value((i % width) as f32, (i / width) as f32).round().clamp(0.0, 255.0) as u8;
    }
    luma
}

fn pyramid(luma: &Luma) -> Pyramid {
    let mut pyramid = Pyramid::default();
    pyramid.build(luma);
    pyramid
}

fn flow(now: &Luma, before: &Luma) -> FlowField {
    let mut field = FlowField::default();
    InverseSearch::default().flow(&pyramid(now), &pyramid(before), &mut field);
    field
}

/// Mean and largest distance of a flow from the true one, over the pixels whose true position lies in the picture, two pixels inwards.
fn errors(field: &FlowField, truth: impl Fn(f32, f32) -> (f32, f32)) -> (f32, f32) {
    let (mut sum, mut largest, mut count) = (0.0, 0.0f32, 0.0);
    let inside = |v: f32, size: usize| v >= 2.0 && v <= size as f32 - 3.0;
    for (i, (u, v)) in field.x.iter().zip(&field.y).enumerate() {
        let (x, y) = ((i % field.width) as f32, (i / field.width) as f32);
        let (tu, tv) = truth(x, y);
        if inside(x + tu, field.width) && inside(y + tv, field.height) {
            let error = (u - tu).hypot(v - tv);
            sum += error;
            largest = largest.max(error);
            count += 1.0;
        }
    }
    (sum / count, largest)
}

const SIZE: (usize, usize) = (160, 96);

/// Near-Gaussian noise of standard deviation 1, different for each seed.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut random = fastrand::Rng::with_seed(seed);
    move || (0..4).map(|_| random.f32() - 0.5).sum::<f32>() * 3f32.sqrt()
}

/// The same picture as a camera sends it: with noise of a standard deviation of `level`.
fn noisy(luma: &Luma, level: f32, seed: u64) -> Luma {
    let mut noise = noise(seed);
    let mut to = luma.clone();
    to.pixels.iter_mut().for_each(|p| *p = (f32::from(*p) + level * noise()).round().clamp(0.0, 255.0) as u8);
    to
}

#[test]
fn finds_translations() {
    let before = picture(SIZE, waves);
    for (dx, dy) in [(1.0, 0.0), (0.0, -1.0), (0.25, 0.5), (-2.3, 1.7), (6.4, -5.2), (-13.0, 8.5), (20.0, 0.0)] {
        let now = picture(SIZE, |x, y| waves(x + dx, y + dy));
        let (mean, largest) = errors(&flow(&now, &before), |_, _| (dx, dy));
        assert!(mean < 0.05 && largest < 1.0, "({dx}, {dy}): mean error {mean}, largest {largest}");
    }
}

/// Where a pixel lies when the picture turns by `angle` and grows by `zoom` about its middle.
fn turned(x: f32, y: f32, angle: f32, zoom: f32) -> (f32, f32) {
    let (x, y) = (x - SIZE.0 as f32 / 2.0, y - SIZE.1 as f32 / 2.0);
    let (sin, cos) = angle.sin_cos();
    (zoom * (cos * x - sin * y) - x, zoom * (sin * x + cos * y) - y)
}

#[test]
fn finds_rotation_and_scale() {
    let before = picture(SIZE, waves);
    for (angle, zoom) in [(0.03, 1.0), (-0.05, 1.0), (-0.1, 1.0), (0.0, 1.05), (0.0, 0.92), (0.05, 1.04)] {
        let truth = |x, y| turned(x, y, angle, zoom);
        let now = picture(SIZE, |x, y| waves(x + truth(x, y).0, y + truth(x, y).1));
        let (mean, largest) = errors(&flow(&now, &before), truth);
        let most = if angle == -0.1 { 0.2 } else { 0.12 };
        assert!(mean < most && largest < 1.5, "{angle}, {zoom}: mean error {mean}, largest {largest}");
    }
}

#[test]
fn equal_pictures_do_not_move() {
    let luma = picture(SIZE, waves);
    let field = flow(&luma, &luma);
    let largest = field.x.iter().chain(&field.y).fold(0.0f32, |a, v| a.max(v.abs()));
    assert!(largest < 1e-3, "{largest}");
}

#[test]
fn noise_on_a_still_picture_moves_little() {
    let still = picture(SIZE, waves);
    let (mean, largest) = errors(&flow(&noisy(&still, 4.0, 1), &noisy(&still, 4.0, 2)), |_, _| (0.0, 0.0));
    assert!(mean < 0.15 && largest < 1.0, "with texture: mean {mean}, largest {largest}");
    // Half of it is a bare wall.
    let wall = picture(SIZE, |x, y| if x < 80.0 { waves(x, y) } else { 120.0 });
    let (mean, largest) = errors(&flow(&noisy(&wall, 4.0, 3), &noisy(&wall, 4.0, 4)), |_, _| (0.0, 0.0));
    assert!(mean < 0.3 && largest < 3.0, "with a bare wall: mean {mean}, largest {largest}");
}

#[test]
fn a_change_of_light_is_no_motion() {
    let before = picture(SIZE, |x, y| 0.7 * waves(x, y));
    for (gain, offset) in [(1.3, 0.0), (0.75, 0.0), (1.0, 30.0), (1.2, -15.0)] {
        let now = picture(SIZE, |x, y| gain * 0.7 * waves(x + 3.4, y - 1.2) + offset);
        let (mean, largest) = errors(&flow(&now, &before), |_, _| (3.4, -1.2));
        assert!(mean < 0.08 && largest < 1.0, "× {gain} + {offset}: mean error {mean}, largest {largest}");
    }
}

#[test]
fn what_moves_before_a_still_background_moves_alone() {
    let is_figure = |x: f32, y: f32| (x - 80.0).hypot(y - 48.0) < 22.0;
    let other = |x: f32, y: f32| waves(1000.0 - 1.3 * y, 500.0 + 1.3 * x);
    let scene = |dx: f32, dy: f32| {
        picture(SIZE, move |x, y| if is_figure(x + dx, y + dy) { other(x + dx, y + dy) } else { waves(x, y) })
    };
    let (now, before) = (scene(6.0, -3.0), scene(0.0, 0.0));
    let field = flow(&now, &before);
    let (mut figure, mut ground) = (Vec::new(), Vec::new());
    for (i, (u, v)) in field.x.iter().zip(&field.y).enumerate() {
        let (x, y) = ((i % SIZE.0) as f32, (i / SIZE.0) as f32);
        if is_figure(x + 6.0, y - 3.0) {
            figure.push((u - 6.0).hypot(v + 3.0));
        } else if !is_figure(x, y) {
            ground.push(u.hypot(*v));
        }
    }
    for (name, errors) in [("figure", figure), ("ground", ground)] {
        let mean = errors.iter().sum::<f32>() / errors.len() as f32;
        let wrong = errors.iter().filter(|e| **e > 1.0).count() as f32 / errors.len() as f32;
        assert!(mean < 0.3 && wrong < 0.06, "{name}: mean error {mean}, wrong {wrong}");
    }
}

#[test]
fn both_directions_agree() {
    let (a, b) = (pyramid(&picture(SIZE, waves)), pyramid(&picture(SIZE, |x, y| waves(x + 2.5, y - 4.0))));
    let (mut search, mut there, mut back) = (InverseSearch::default(), FlowField::default(), FlowField::default());
    search.flow(&a, &b, &mut there);
    search.flow(&b, &a, &mut back);
    let middle = 48 * SIZE.0 + 80;
    assert!((there.x[middle] + back.x[middle]).abs() < 0.1 && (there.y[middle] + back.y[middle]).abs() < 0.1);
}

#[test]
fn nothing_is_left_over_from_other_pictures() {
    let (now, before) = (picture(SIZE, |x, y| waves(x + 4.0, y)), picture(SIZE, waves));
    let (mut search, mut pyramids, mut field) =
        (InverseSearch::default(), [Pyramid::default(), Pyramid::default()], FlowField::default());
    for size in [(97, 61), (320, 180), (33, 200)] {
        pyramids[0].build(&picture(size, |x, y| waves(x, y + 7.0)));
        pyramids[1].build(&picture(size, waves));
        search.flow(&pyramids[0], &pyramids[1], &mut field);
    }
    pyramids[0].build(&now);
    pyramids[1].build(&before);
    search.flow(&pyramids[0], &pyramids[1], &mut field);
    let fresh = flow(&now, &before);
    assert_eq!((field.width, field.height), SIZE);
    assert!(field.x == fresh.x && field.y == fresh.y);
    assert_eq!(pyramids[0].luma().pixels, now.pixels);
}

#[test]
fn an_empty_picture_has_an_empty_flow() {
    let field = flow(&Luma::new(0, 0), &Luma::new(0, 0));
    assert!(field.x.is_empty() && field.y.is_empty());
}

#[test]
#[should_panic(expected = "pictures of one size")]
fn pictures_must_be_of_one_size() {
    flow(&Luma::new(32, 32), &Luma::new(32, 33));
}

/// Pictures that are hard on arithmetic: black and white noise, stripes (whose Hessians have rank one), and plain black.
fn hard((width, height): (usize, usize), kind: u8, seed: u64) -> Luma {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut luma = Luma::new(width, height);
    for (i, pixel) in luma.pixels.iter_mut().enumerate() {
        let (x, y) = (i % width, i / width);
        *pixel = match kind {
            0 => random.u8(..),
            1 => 255 * random.u8(0..2),
            2 => 255 * ((x / 3 + seed as usize) % 2) as u8,
            3 => 255 * (((x + 2 * y) / 5 + seed as usize) % 2) as u8,
            4 => 255 * ((x + y + seed as usize) % 2) as u8,
            _ => 0,
        };
    }
    luma
}

#[test]
fn a_camera_that_stands_still_loses_nothing_and_nothing_creeps_for_all_its_noise() {
    // Half of it is a bare wall.
    let wall = picture(SIZE, |x, y| if x < 80.0 { waves(x, y) } else { 120.0 });
    let mut tracker = Tracker::default();
    tracker.track(&noisy(&wall, 4.0, 0));
    for seed in 1..6 {
        tracker.track(&noisy(&wall, 4.0, seed));
        let back = tracker.backward();
        let creeps = back.x.iter().zip(&back.y).map(|(x, y)| x.hypot(*y)).sum::<f32>() / back.x.len() as f32;
        assert!(creeps < 0.05, "it creeps by {creeps} pixels");
        let lost = tracker.confidence().iter().filter(|seen| **seen < 0.9).count();
        assert!(lost * 100 < tracker.confidence().len(), "{lost} pixels were taken for new");
        assert!(tracker.movement() < 0.01, "{} of the picture moved", tracker.movement());
    }
}

#[test]
fn something_dim_that_appears_is_movement_though_it_moves_nowhere() {
    let room = |x: f32, y: f32| if x < 80.0 { waves(x, y) } else { 120.0 };
    let inside = |x: f32, y: f32| (110.0..126.0).contains(&x) && (30.0..46.0).contains(&y);
    // Brighter than the bare wall by a fifth of full light, on a sixtieth of the picture.
    let stands = picture(SIZE, |x, y| if inside(x, y) { 170.0 } else { room(x, y) });
    let mut tracker = Tracker::default();
    tracker.track(&noisy(&picture(SIZE, room), 2.0, 0));
    tracker.track(&noisy(&stands, 2.0, 1));
    assert!((0.01..0.5).contains(&tracker.movement()), "{} of the picture moved", tracker.movement());
    tracker.track(&noisy(&stands, 2.0, 2));
    assert!(tracker.movement() < 0.01, "{} of a picture that stands moved", tracker.movement());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_pictures_of_any_size_give_a_finite_flow(
        width in 1usize..400, height in 1usize..400, kinds in (0u8..6, 0u8..6), seed in 0u64..1000,
    ) {
        let field = flow(&hard((width, height), kinds.0, seed), &hard((width, height), kinds.1, seed + 1));
        prop_assert_eq!((field.width, field.height), (width, height));
        prop_assert_eq!((field.x.len(), field.y.len()), (width * height, width * height));
        let bound = 2.0 * (width + height) as f32;
        for v in field.x.iter().chain(&field.y) {
            prop_assert!(v.abs() <= bound, "{}", v);
        }
    }

    #[test]
    fn a_translation_is_found_at_any_size(
        width in 96usize..400, height in 96usize..400, dx in -10.0f32..10.0, dy in -10.0f32..10.0,
    ) {
        let before = picture((width, height), waves);
        let now = picture((width, height), |x, y| waves(x + dx, y + dy));
        let (mean, _) = errors(&flow(&now, &before), |_, _| (dx, dy));
        prop_assert!(mean < 0.2, "{}", mean);
    }
}
