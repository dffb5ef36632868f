//! The mirror, frame by frame.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reverie::dream::{DreamError, Dreamer, Settings};
use reverie::frame::Frame;
use reverie::mirror::Mirror;
use reverie::pack::Catalogue;
use reverie::params::Params;
use reverie::runtime::RuntimeError;

use crate::fuse;
use crate::scene::{SIZE, Sitting, catalogue, difference, dreamer, packs, picture, runtime};

const TICK: Duration = Duration::from_millis(100);

fn blank() -> Frame {
    Frame::new(0, 0)
}

fn sitting(dreamer: Dreamer) -> Sitting {
    Sitting::new(dreamer)
}

#[test]
fn the_dream_grows_on_the_picture_and_pushes_the_layer_up() {
    let catalogue = catalogue();
    let (mut sitting, params, camera) =
        (sitting(dreamer(&catalogue).patient()), Params::new(&catalogue), picture(SIZE));
    let mut out = blank();
    let mut differences = Vec::new();
    // Two seconds.
    for _ in 0..16 {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        differences.push(difference(&out, &camera));
    }
    assert!(differences[0] > 0.5 && differences[15] > 1.5 * differences[0], "{differences:?}");
    let before = sitting.dreamer.measure(&camera, &params).unwrap().objective.unwrap();
    let after = sitting.dreamer.measure(&out, &params).unwrap().objective.unwrap();
    assert!(after > 1.5 * before, "objective {before} → {after}");
    let status = sitting.dreamer.status();
    assert_eq!((status.width, status.height, status.octaves, status.steps), (SIZE.0, SIZE.1, 2, 2));
    assert_eq!(status.provider.unwrap().to_string(), "cpu");
}

#[test]
fn without_intensity_it_is_a_plain_mirror() {
    let catalogue = catalogue();
    let (mut sitting, camera) = (sitting(dreamer(&catalogue).patient()), picture(SIZE));
    let mut params = Params::new(&catalogue);
    let mut out = blank();
    sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    assert_ne!(out.pixels, camera.pixels);
    params.intensity = 0.0;
    sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    assert_eq!(out.pixels, camera.pixels);
}

#[test]
fn a_mirror_of_no_intensity_from_the_start_says_that_it_could_dream() {
    let catalogue = catalogue();
    let (mut sitting, camera) = (sitting(dreamer(&catalogue).patient()), picture(SIZE));
    let params = Params { intensity: 0.0, ..Params::new(&catalogue) };
    let mut out = blank();
    sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    // The health check takes one whose network is not open for broken, and has an update rolled back.
    assert_eq!(sitting.dreamer.status().provider.unwrap().to_string(), "cpu");
}

#[test]
fn before_the_network_is_open_the_camera_is_shown_and_soon_after_the_dream() {
    let catalogue = catalogue();
    let (mut sitting, params, camera) = (sitting(dreamer(&catalogue)), Params::new(&catalogue), picture(SIZE));
    let mut out = blank();
    sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    assert!(difference(&out, &camera) < 1.0, "something else than the camera was shown");
    assert_eq!(sitting.dreamer.status().provider, None);
    wait_until(|| {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        sitting.dreamer.status().provider.is_some()
    });
}

#[test]
fn a_change_of_layer_never_stops_the_dream() {
    let catalogue = catalogue();
    let (mut sitting, camera) = (sitting(dreamer(&catalogue)), picture(SIZE));
    let mut params = Params::new(&catalogue);
    let mut out = blank();
    let mut last = 0.0;
    wait_until(|| {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        last = sitting.dreamer.status().activation;
        sitting.dreamer.status().provider.is_some()
    });
    params.layer = "mobilenet-v2/f6".into();
    params.neurons = "31".parse().unwrap();
    // f12 goes on at first; f6's channel 31 tells a mean activation of its own, by which it is known.
    let expected = {
        let mut measuring = crate::scene::dreamer(&catalogue);
        measuring.measure(&out, &params).unwrap().activation
    };
    wait_until(|| {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        let now = sitting.dreamer.status().activation;
        now != last && (now - expected).abs() < 0.5 * expected.abs().max(0.2)
    });
}

#[test]
fn an_engine_that_fails_is_opened_anew_and_the_dream_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(packs().join("mobilenet-v2")).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, folder.path().join(from.file_name().unwrap())).unwrap();
    }
    fuse::fit(folder.path(), "f12.onnx");
    let catalogue = Arc::new(Catalogue::read(&[folder.path().to_owned()]).unwrap());
    let (mut sitting, camera) = (sitting(dreamer(&catalogue).patient()), picture(SIZE));
    let mut params = Params::new(&catalogue);
    let (mut out, mut before) = (blank(), blank());
    for _ in 0..3 {
        sitting.dream(Some(&camera), &params, TICK, &mut before).unwrap();
    }
    // In a trance a step is climbed as it is, however long a dream takes.
    let calm = params.clone();
    (params.trance, params.step) = (1.0, fuse::BLOWS_AT + 1.0);
    for _ in 0..3 {
        let failure = sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap_err();
        assert!(matches!(failure, DreamError::Runtime(_)), "{failure}");
    }
    sitting.dream(Some(&camera), &calm, TICK, &mut out).unwrap();
    assert!(difference(&out, &before) < difference(&out, &camera), "it began anew");
}

#[test]
fn without_a_camera_it_dreams_on_from_its_own_last_picture() {
    let catalogue = catalogue();
    let (mut sitting, camera) = (sitting(dreamer(&catalogue).patient()), picture(SIZE));
    let mut params = Params::new(&catalogue);
    params.zoom = 0.2;
    let (mut out, mut before) = (blank(), blank());
    for _ in 0..3 {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    }
    before.copy_from(&out);
    sitting.dream(None, &params, TICK, &mut out).unwrap();
    assert!(difference(&out, &before) < 15.0, "it leapt by {}", difference(&out, &before));
    for _ in 0..30 {
        sitting.dream(None, &params, TICK, &mut out).unwrap();
    }
    assert!(difference(&out, &before) > 10.0, "it stands still");
    let mean = out.pixels.iter().map(|p| f64::from(*p)).sum::<f64>() / out.pixels.len() as f64;
    assert!((40.0..215.0).contains(&mean), "mean brightness {mean}");
}

#[test]
fn without_any_picture_ever_something_grows_out_of_clouds() {
    let catalogue = catalogue();
    let (mut sitting, params) = (sitting(dreamer(&catalogue).patient()), Params::new(&catalogue));
    let mut first = blank();
    sitting.dream(None, &params, TICK, &mut first).unwrap();
    let before = sitting.dreamer.measure(&first, &params).unwrap().objective.unwrap();
    let mut out = blank();
    for _ in 0..15 {
        sitting.dream(None, &params, TICK, &mut out).unwrap();
    }
    let after = sitting.dreamer.measure(&out, &params).unwrap().objective.unwrap();
    assert!(after > 3.0 * before, "objective {before} → {after}");
}

#[test]
fn reset_begins_again_from_the_camera() {
    let catalogue = catalogue();
    let (mut sitting, params, camera) =
        (sitting(dreamer(&catalogue).patient()), Params::new(&catalogue), picture(SIZE));
    let (mut first, mut out) = (blank(), blank());
    sitting.dream(Some(&camera), &params, TICK, &mut first).unwrap();
    for _ in 0..5 {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    }
    assert_ne!(out.pixels, first.pixels);
    sitting.dreamer.reset();
    sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    assert_eq!(out.pixels, first.pixels);
}

#[test]
fn what_was_shown_fades_away_after_a_reset() {
    let catalogue = catalogue();
    let (mut mirror, camera) = (Mirror::new(dreamer(&catalogue).patient(), Some(4)), picture(SIZE));
    let (params, mut out) = (Params::new(&catalogue), blank());
    let mut strength = |mirror: &mut Mirror| {
        mirror.frame(Some(&camera), SIZE, &params, TICK / 4, &mut out).unwrap();
        difference(&out, &camera)
    };
    let before = (0..40).map(|_| strength(&mut mirror)).last().unwrap();
    mirror.dreamer().reset();
    let after: Vec<f64> = (0..10).map(|_| strength(&mut mirror)).collect();
    let leap = std::iter::once(&before).chain(&after).zip(&after).map(|(a, b)| a - b).fold(0.0, f64::max);
    assert!(after[9] < 0.7 * before && leap < 0.35 * before, "{before}, then {after:?}");
}

#[test]
fn paused_it_holds_the_picture_whatever_the_camera_sees() {
    let catalogue = catalogue();
    let (mut mirror, mut camera) = (Mirror::new(dreamer(&catalogue).patient(), Some(1)), picture(SIZE));
    let mut params = Params::new(&catalogue);
    let mut out = blank();
    mirror.frame(Some(&camera), SIZE, &params, TICK, &mut out).unwrap();
    let held = out.clone();
    params.paused = true;
    camera.pixels.fill(9);
    mirror.frame(Some(&camera), SIZE, &params, TICK, &mut out).unwrap();
    assert_eq!(out.pixels, held.pixels);
}

#[test]
fn the_governed_dream_keeps_the_screens_proportions_and_takes_any_camera() {
    let catalogue = catalogue();
    let settings = Settings { size: None, max_size: (320, 240).into(), target_fps: 200.0, seed: Some(1) };
    let mut mirror = Mirror::new(Dreamer::new(runtime(), Arc::clone(&catalogue), settings), Some(1));
    let (params, mut out) = (Params::new(&catalogue), blank());
    for camera in [(640, 360), (33, 77), (1, 1), (0, 0)] {
        mirror.frame(Some(&picture(camera)), (320, 240), &params, TICK, &mut out).unwrap();
        assert_eq!((out.width, out.height), (320, 240));
        let status = mirror.dreamer().status();
        let (width, height) = (status.width, status.height);
        assert_eq!((width % 16, height % 16), (0, 0));
        assert!((width as f64 / height as f64 - 4.0 / 3.0).abs() < 0.2, "{width}x{height}");
    }
}

#[test]
fn a_layer_that_does_not_exist_is_an_error_and_the_dream_goes_on_after_it() {
    let catalogue = catalogue();
    let (mut sitting, camera) = (sitting(dreamer(&catalogue).patient()), picture(SIZE));
    let good = Params::new(&catalogue);
    let mut bad = good.clone();
    bad.layer = "f99".into();
    let mut out = blank();
    sitting.dream(Some(&camera), &good, TICK, &mut out).unwrap();
    assert!(matches!(sitting.dream(Some(&camera), &bad, TICK, &mut out), Err(DreamError::Pack(_))));
    sitting.dream(Some(&camera), &good, TICK, &mut out).unwrap();
}

#[test]
fn a_damaged_graph_is_told_and_another_layer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(packs().join("mobilenet-v2")).unwrap().flatten() {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    std::fs::write(folder.path().join("f6.onnx"), "no graph").unwrap();
    let catalogue = Arc::new(Catalogue::read(&[folder.path().to_owned()]).unwrap());
    let good = Params::new(&catalogue);
    let mut bad = good.clone();
    bad.layer = "f6".into();
    let (camera, mut out) = (picture(SIZE), blank());

    // Nothing else is open: it is an error that names the file.
    let error = sitting(dreamer(&catalogue).patient()).dream(Some(&camera), &bad, TICK, &mut out).unwrap_err();
    assert!(
        matches!(&error, DreamError::Runtime(RuntimeError::NoProvider { graph, .. }) if graph.ends_with("f6.onnx"))
    );
    assert!(error.to_string().contains("cpu: "), "{error}");

    // Something is: that goes on.
    let mut sitting = sitting(dreamer(&catalogue).patient());
    sitting.dream(Some(&camera), &good, TICK, &mut out).unwrap();
    // At once, or to be faded to.
    for seconds in [0.0, 1.0] {
        bad.crossfade = seconds;
        for _ in 0..3 {
            sitting.dream(Some(&camera), &bad, TICK, &mut out).unwrap();
            assert_eq!(sitting.dreamer.status().layer, good.layer);
        }
        assert!(difference(&out, &camera) > 0.5);
    }

    // Beside another it is done without, from the start on.
    let beside = Params { second_layer: "f6".into(), second_share: 0.5, ..good.clone() };
    let mut live = Sitting::new(dreamer(&catalogue));
    wait_until(|| {
        live.dream(Some(&camera), &beside, TICK, &mut out).unwrap();
        live.dreamer.status().provider.is_some()
    });
    for _ in 0..20 {
        live.dream(Some(&camera), &beside, TICK, &mut out).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(difference(&out, &camera) > 0.5, "the first layer dreams alone");
}

#[test]
fn a_graph_that_cannot_be_opened_is_an_error_again_and_again_and_never_a_plain_mirror() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(packs().join("mobilenet-v2")).unwrap().flatten() {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    std::fs::write(folder.path().join("f12.onnx"), "no graph").unwrap();
    let catalogue = Arc::new(Catalogue::read(&[folder.path().to_owned()]).unwrap());
    let (mut sitting, params) = (sitting(dreamer(&catalogue)), Params::new(&catalogue));
    let (camera, mut out) = (picture(SIZE), blank());
    for _ in 0..2 {
        wait_until(|| sitting.dream(Some(&camera), &params, TICK, &mut out).is_err());
    }
    std::fs::copy(packs().join("mobilenet-v2/f12.onnx"), folder.path().join("f12.onnx")).unwrap();
    wait_until(|| {
        // One more error may be under way.
        let _ = sitting.dream(Some(&camera), &params, TICK, &mut out);
        sitting.dreamer.status().provider.is_some()
    });
}

#[test]
fn while_another_layer_opens_the_last_one_is_dreamed_with_its_own_neurons_at_all_its_octaves() {
    let catalogue = catalogue();
    let (mut sitting, camera) = (sitting(dreamer(&catalogue)), picture(SIZE));
    let mut params = Params::new(&catalogue);
    (params.layer, params.octaves) = ("f6".into(), 4);
    let mut out = blank();
    wait_until(|| {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        sitting.dreamer.status().octaves == 4
    });
    // Channel 150 is one of f14's, and none of f6's.
    (params.layer, params.neurons) = ("f14".into(), "150".parse().unwrap());
    wait_until(|| {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        assert_eq!(sitting.dreamer.status().octaves, 4, "the dream stands still");
        sitting.dreamer.status().layer == "f14"
    });
}

/// Graphs open in their own time; this is only so that a test that waits for nothing ends.
fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(Instant::now() < deadline, "it never came");
    }
}

#[test]
fn on_a_board_that_is_far_too_slow_the_octaves_take_turns() {
    let catalogue = catalogue();
    // No board dreams a thousand frames a second.
    let settings = Settings { size: None, max_size: SIZE.into(), target_fps: 1000.0, seed: Some(1) };
    let dreamer = Dreamer::new(runtime(), Arc::clone(&catalogue), settings).patient();
    let (mut sitting, params, camera) = (sitting(dreamer), Params::new(&catalogue), picture(SIZE));
    let pixels = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&pixels);
    sitting.dreamer.on_step(move |progress| told.lock().unwrap().push(progress.total));
    let mut out = blank();
    wait_until(|| {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        let status = sitting.dreamer.status();
        (status.octaves, status.steps) == (1, 1)
    });
    pixels.lock().unwrap().clear();
    for _ in 0..4 {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    }
    let pixels = pixels.lock().unwrap();
    let [a, b, c, d] = pixels[..] else { panic!("one ascent a frame was expected: {pixels:?}") };
    assert!((a, b) == (c, d) && a != b, "{pixels:?}");
}

#[test]
fn steps_and_octaves_that_are_set_during_a_fade_are_dreamed_with_at_once() {
    let catalogue = catalogue();
    let (mut sitting, camera) = (sitting(dreamer(&catalogue).patient()), picture(SIZE));
    let mut params = Params::new(&catalogue);
    let mut out = blank();
    sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    // All day long.
    (params.layer, params.crossfade) = ("f6".into(), 86_400.0);
    for (octaves, steps) in [(2, 2), (3, 4), (1, 1)] {
        (params.octaves, params.steps) = (octaves, steps);
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        let status = sitting.dreamer.status();
        assert_eq!((status.octaves, status.steps), (octaves, steps));
        assert!(status.layer == "f12" && !status.awaits_layer, "it fades");
    }
}

#[test]
fn a_board_that_is_far_too_slow_is_relieved_during_a_fade_too() {
    let catalogue = catalogue();
    // No board dreams a thousand frames a second.
    let settings = Settings { size: None, max_size: SIZE.into(), target_fps: 1000.0, seed: Some(1) };
    let dreamer = Dreamer::new(runtime(), Arc::clone(&catalogue), settings).patient();
    let (mut sitting, mut params, camera) = (sitting(dreamer), Params::new(&catalogue), picture(SIZE));
    let mut out = blank();
    sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
    (params.layer, params.crossfade) = ("f6".into(), 86_400.0);
    wait_until(|| {
        sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
        let status = sitting.dreamer.status();
        assert_eq!(status.layer, "f12", "it fades");
        (status.octaves, status.steps) == (1, 1)
    });
}
