use std::f32::consts::TAU;

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

#[test]
fn bytes_become_planes_from_black_to_full_light() {
    let mut frame = Frame::new(2, 1);
    frame.pixels = vec![0, 51, 102, 153, 204, 255];
    let mut picture = Picture::default();
    from_frame(&frame, &mut picture);
    let expected = [0.0, 0.6, 0.2, 0.8, 0.4, 1.0];
    assert!(picture.data.iter().zip(expected).all(|(value, expected)| (value - expected).abs() < 1e-6), "{picture:?}");
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
    fn detail_taken_off_and_added_again_is_the_picture(seed in 0u64..100) {
        let (from, to) = (noise(9, 7, seed), noise(9, 7, seed + 1));
        let mut detail = to.clone();
        subtract(&from, &mut detail);
        add(&from, &mut detail);
        prop_assert!(difference(&detail, &to, 0) < 1e-6);
    }
}

#[test]
fn light_is_bent_away_from_black_and_white_and_nowhere_else() {
    let mut picture = Picture { width: 7, height: 1, data: [-0.5, 0.0, 0.01, 0.5, 0.93, 1.0, 1.5].repeat(3) };
    soft_clip(&mut picture, 1.0);
    let row = &picture.data[..7];
    assert!(row.is_sorted() && row[0] > 0.0 && row[6] < 1.0, "{row:?}");
    assert!(row[2] > 0.01 && row[5] < 1.0 && row[3] == 0.5 && row[4] == 0.93, "{row:?}");
    // 0.06 / e.
    assert!((row[1] - 0.022_07).abs() < 1e-4, "{row:?}");
    let mut whole = Picture { width: 1, height: 1, data: vec![0.0; 3] };
    soft_clip(&mut whole, 0.0);
    assert_eq!(whole.data, [0.0; 3]);
}
