use std::f32::consts::{PI, TAU};

use proptest::prelude::*;

use super::*;
use crate::frame::Frame;

/// A picture of slow waves, different in each plane: smooth enough for bilinear interpolation to be near exact.
fn waves(width: usize, height: usize) -> Picture {
    let mut picture = Picture::new(width, height);
    for (c, plane) in picture.planes_mut().enumerate() {
        for (i, value) in plane.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f32 / width as f32, (i / width) as f32 / height as f32);
            *value = 0.5 + 0.2 * (TAU * (x + 0.3 * c as f32)).sin() + 0.2 * (TAU * y + c as f32).cos();
        }
    }
    picture
}

fn noise(width: usize, height: usize, seed: u64) -> Picture {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut picture = Picture::new(width, height);
    picture.data.iter_mut().for_each(|value| *value = rng.f32());
    picture
}

/// Largest difference in the middle of two pictures, `margin` away from the edges.
fn difference(a: &Picture, b: &Picture, margin: usize) -> f32 {
    assert_eq!(a.size(), b.size());
    let (width, height) = a.size();
    let mut largest = 0.0f32;
    for (a, b) in a.planes().zip(b.planes()) {
        for y in margin..height - margin {
            for x in margin..width - margin {
                largest = largest.max((a[y * width + x] - b[y * width + x]).abs());
            }
        }
    }
    largest
}

fn warped(from: &Picture, motion: Motion) -> Picture {
    let mut to = Picture::default();
    warp(from, &mut to, motion);
    to
}

#[test]
fn every_byte_survives_there_and_back() {
    let mut frame = Frame::new(32, 24);
    frame.pixels.iter_mut().enumerate().for_each(|(i, p)| *p = (i % 256) as u8);
    let (mut picture, mut back) = (Picture::default(), Frame::new(0, 0));
    from_frame(&frame, false, &mut picture);
    assert_eq!(picture.data[32 * 24], 1.0 / 255.0, "green is the second plane");
    to_frame(&picture, &mut back);
    assert_eq!(back.pixels, frame.pixels);
}

#[test]
fn what_lies_outside_the_range_is_clipped() {
    let picture = Picture { width: 1, height: 1, data: vec![-0.5, 1.5, f32::NAN] };
    let mut frame = Frame::new(0, 0);
    to_frame(&picture, &mut frame);
    assert_eq!(frame.pixels, [0, 255, 0]);
}

#[test]
fn a_mirror_swaps_left_and_right_only() {
    let mut frame = Frame::new(2, 2);
    frame.pixels = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let mut picture = Picture::default();
    from_frame(&frame, true, &mut picture);
    to_frame(&picture, &mut frame);
    assert_eq!(frame.pixels, [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]);
}

#[test]
fn turning_is_clockwise_and_sliding_goes_right_and_down() {
    let mut picture = Picture::new(9, 9);
    let spot = |picture: &Picture| {
        let plane = &picture.data[..81];
        let at = plane.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        (at % 9, at / 9)
    };
    picture.data[4 * 9 + 6] = 1.0; // two to the right of the centre
    let quarter = warped(&picture, Motion { angle: PI / 2.0, ..Motion::NONE });
    assert_eq!(spot(&quarter), (4, 6), "right turns to below");
    let moved = warped(&picture, Motion { slide: (1.0, 2.0), ..Motion::NONE });
    assert_eq!(spot(&moved), (7, 6));
    let grown = warped(&picture, Motion { zoom: 2.0, ..Motion::NONE });
    assert_eq!(spot(&grown), (8, 4), "twice as far from the centre");
}

#[test]
fn filling_cuts_the_middle_and_never_stretches() {
    // Black bars left and right of a grey square, and a white line across its middle.
    let mut wide = Frame::new(60, 20);
    for y in 0..20 {
        for x in 20..40 {
            wide.pixels[3 * (y * 60 + x)..][..3].fill(if (9..11).contains(&y) { 255 } else { 128 });
        }
    }
    let mut square = Frame::new(40, 40);
    Scaler::default().fill(&wide, &mut square);
    let at = |x: usize, y: usize| square.pixels[3 * (y * 40 + x)];
    for (x, y) in [(2, 5), (37, 5), (2, 34)] {
        assert!(at(x, y).abs_diff(128) < 8, "the bars are cut off, {} at {x}, {y}", at(x, y));
    }
    assert!(at(20, 20) > 240 && at(20, 12) < 140, "the line is where it was");
}

#[test]
fn holding_moves_mean_and_spread_by_its_strength() {
    let mut picture = noise(40, 30, 1);
    picture.data.iter_mut().for_each(|v| *v = 0.8 + 0.4 * (*v - 0.5));
    let before = Tone::of(&picture);
    let target = Tone { mean: [0.3, 0.4, 0.5], spread: [0.05; 3] };
    let mut half = picture.clone();
    target.hold(&mut half, 0.5);
    let after = Tone::of(&half);
    for c in 0..3 {
        assert!((after.mean[c] - (before.mean[c] + target.mean[c]) / 2.0).abs() < 1e-3, "{after:?}");
        assert!((after.spread[c] - (before.spread[c] + target.spread[c]) / 2.0).abs() < 1e-3, "{after:?}");
    }
    let mut untouched = picture.clone();
    target.hold(&mut untouched, 0.0);
    assert_eq!(untouched, picture);
}

#[test]
fn feedback_held_in_tone_neither_burns_out_nor_goes_dark() {
    let target = Tone::of(&waves(64, 48));
    for (gain, shift) in [(1.1, 0.02), (0.9, -0.02)] {
        let mut picture = noise(64, 48, 3);
        for _ in 0..500 {
            picture.data.iter_mut().for_each(|v| *v = ((*v - 0.5) * gain + 0.5 + shift).clamp(0.0, 1.0));
            target.hold(&mut picture, 0.3);
        }
        let tone = Tone::of(&picture);
        for c in 0..3 {
            assert!((tone.mean[c] - target.mean[c]).abs() < 0.15, "{tone:?} held to {target:?}");
            assert!((0.3..1.6).contains(&(tone.spread[c] / target.spread[c])), "{tone:?} held to {target:?}");
        }
    }
}

#[test]
fn a_covered_lens_gives_no_noise_and_no_nonsense() {
    let black = Tone::of(&Picture::new(32, 32));
    let mut picture = noise(32, 32, 5);
    (0..100).for_each(|_| black.hold(&mut picture, 1.0));
    assert!(picture.data.iter().all(|v| v.is_finite()));
    let mut flat = Picture::new(32, 32);
    Tone::NEUTRAL.hold(&mut flat, 1.0);
    assert!(flat.data.iter().all(|v| (v - Tone::NEUTRAL.mean[0]).abs() < 1e-3));
}

proptest! {
    #[test]
    fn rolling_back_gives_the_picture_back(w in 1usize..40, h in 1usize..40, dx in -300i32..300, dy in -300i32..300) {
        let picture = noise(w, h, 9);
        let (mut there, mut back) = (Picture::new(w, h), Picture::new(w, h));
        roll(&picture.data, &mut there.data, w, h, dx, dy);
        let (x, y) = (dx.rem_euclid(w as i32) as usize, dy.rem_euclid(h as i32) as usize);
        prop_assert_eq!(there.data[y * w + x], picture.data[0], "the corner is where it was rolled to");
        roll(&there.data, &mut back.data, w, h, -dx, -dy);
        prop_assert_eq!(back, picture);
    }

    #[test]
    fn no_motion_changes_nothing(w in 1usize..40, h in 1usize..40) {
        let picture = noise(w, h, 11);
        prop_assert_eq!(warped(&picture, Motion::NONE), picture.clone());
        // A whole turn goes through the interpolation and still ends where it began.
        let turned = warped(&picture, Motion { angle: TAU, ..Motion::NONE });
        prop_assert!(difference(&turned, &picture, 0) < 1e-3);
    }

    #[test]
    fn there_and_back_is_where_it_was(zoom in 1.0f32..1.3, angle in -0.3f32..0.3, x in -4.0f32..4.0, y in -4.0f32..4.0) {
        let picture = waves(96, 80);
        let there = warped(&picture, Motion { zoom, angle, slide: (0.0, 0.0) });
        let back = warped(&there, Motion { zoom: 1.0 / zoom, angle: -angle, slide: (0.0, 0.0) });
        prop_assert!(difference(&back, &picture, 26) < 0.01);
        let there = warped(&picture, Motion { slide: (x, y), ..Motion::NONE });
        let back = warped(&there, Motion { slide: (-x, -y), ..Motion::NONE });
        prop_assert!(difference(&back, &picture, 10) < 0.01);
    }

    #[test]
    fn warping_never_leaves_the_range_of_the_picture(
        w in 1usize..50, h in 1usize..50, zoom in 0.01f32..100.0, angle in -7.0f32..7.0, x in -500.0f32..500.0,
    ) {
        let moved = warped(&noise(w, h, 13), Motion { zoom, angle, slide: (x, -x) });
        prop_assert!(moved.data.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn resizing_keeps_the_mean_and_smooth_pictures(w in 40usize..90, h in 40usize..90) {
        let picture = waves(64, 64);
        let (mut other, mut back) = (Picture::new(w, h), Picture::new(64, 64));
        let mut scaler = Scaler::default();
        scaler.resize(&picture, &mut other);
        scaler.resize(&other, &mut back);
        prop_assert!(difference(&back, &picture, 4) < 0.02);
        for (a, b) in Tone::of(&picture).mean.iter().zip(Tone::of(&other).mean) {
            prop_assert!((a - b).abs() < 0.01);
        }
    }

    #[test]
    fn blending_goes_from_one_to_the_other(amount in 0.0f32..=1.0) {
        let (from, to) = (noise(9, 7, 1), noise(9, 7, 2));
        let mut mixed = to.clone();
        lerp(&from, &mut mixed, amount);
        for ((m, f), t) in mixed.data.iter().zip(&from.data).zip(&to.data) {
            prop_assert!((m - (f * (1.0 - amount) + t * amount)).abs() < 1e-6);
        }
        let mut detail = to.clone();
        subtract(&from, &mut detail);
        add(&from, &mut detail);
        prop_assert!(difference(&detail, &to, 0) < 1e-6);
    }
}
