//! A mirror: made-up clips whose movement is known, dreamed as `run` dreams. The same things, larger and on real clips, are measured by
//! `make bench-motion`.

use std::time::Duration;

use reverie::frame::Frame;
use reverie::mirror::Mirror;
use reverie::params::Params;

use crate::scene::{SIZE, catalogue, dreamer, photo};

/// Thirty pictures a second, a dream at every fourth.
const TICK: Duration = Duration::from_millis(33);
const EVERY: u32 = 4;

/// What a clip showed, and what was made of it.
struct Film {
    camera: Vec<Frame>,
    shown: Vec<Frame>,
}

impl Film {
    /// Dreams `count` pictures, with noise over each.
    fn of(count: usize, picture: impl Fn(usize) -> Frame) -> Film {
        let catalogue = catalogue();
        let (mut params, mut rng) = (Params::new(&catalogue), fastrand::Rng::with_seed(5));
        // What tires changes by itself; here only what the camera does is to be seen.
        params.fatigue = 0.0;
        let mut mirror = Mirror::new(dreamer(&catalogue).patient(), Some(EVERY));
        let (mut camera, mut shown) = (Vec::new(), Vec::new());
        for number in 0..count {
            let mut picture = picture(number);
            picture.pixels.iter_mut().for_each(|value| *value = value.saturating_add(rng.u8(0..5)).saturating_sub(2));
            let mut out = Frame::new(0, 0);
            mirror.frame(Some(&picture), SIZE, &params, TICK, &mut out).unwrap();
            camera.push(picture);
            shown.push(out);
        }
        Film { camera, shown }
    }

    /// Picture less camera, levels of 255.
    fn difference(&self, number: usize) -> Vec<f64> {
        let pairs = self.shown[number].pixels.iter().zip(&self.camera[number].pixels);
        pairs.map(|(shown, camera)| f64::from(*shown) - f64::from(*camera)).collect()
    }

    fn detail(&self, number: usize) -> f64 {
        let difference = self.difference(number);
        difference.iter().map(|value| value.abs()).sum::<f64>() / difference.len() as f64
    }

    /// How much of the dream at one moment is there at another (1: all of it), by projection; looked for so many pixels to the left of where it
    /// was, away from the edges.
    fn kept(&self, before: usize, after: usize, moved: usize) -> f64 {
        let (before, after) = (self.difference(before), self.difference(after));
        let (mut product, mut squares) = (0.0, 0.0);
        for y in 8..SIZE.1 - 8 {
            for x in 24..SIZE.0 - 8 {
                for c in 0..3 {
                    let (was, is) = (before[3 * (y * SIZE.0 + x) + c], after[3 * (y * SIZE.0 + x - moved) + c]);
                    product += was * is;
                    squares += was * was;
                }
            }
        }
        product / squares
    }
}

/// The part of `photo` at `left`, in so much light.
fn part(photo: &Frame, left: usize, light: f64) -> Frame {
    let mut frame = Frame::new(SIZE.0, SIZE.1);
    for (y, row) in frame.pixels.chunks_exact_mut(3 * SIZE.0).enumerate() {
        let from = &photo.pixels[3 * (y * photo.width + left)..][..3 * SIZE.0];
        for (to, from) in row.iter_mut().zip(from) {
            *to = (f64::from(*from) * light).min(250.0) as u8;
        }
    }
    frame
}

#[test]
fn a_picture_that_moves_takes_its_dream_along() {
    let wide = photo("coffee.jpg", (SIZE.0 + 80, SIZE.1));
    let film = Film::of(72, |number| part(&wide, 2 * number.saturating_sub(40), 1.0));
    assert!(film.detail(50) > 5.0, "there is hardly a dream: {}", film.detail(50));
    // Eight pictures at two pixels each.
    let (carried, left_behind) = (film.kept(56, 64, 16), film.kept(56, 64, 0));
    assert!(carried > 0.7 && left_behind < 0.35, "{carried:.2} of it went along, {left_behind:.2} stayed behind");
}

#[test]
fn somebody_who_crosses_the_picture_is_seen_where_he_is() {
    let room = photo("coffee.jpg", SIZE);
    let left = |number: usize| 10 + 2 * number.saturating_sub(20);
    let film = Film::of(70, |number| {
        let mut frame = room.clone();
        for y in 20..80 {
            let row = &mut frame.pixels[3 * (y * SIZE.0 + left(number))..][..3 * 24];
            for (x, rgb) in row.chunks_exact_mut(3).enumerate() {
                let cloth = if (x / 4 + y / 5) % 2 == 0 { [40, 90, 170] } else { [70, 130, 200] };
                rgb.copy_from_slice(&cloth);
            }
        }
        frame
    });
    // Of each change of the camera by which he is seen, how much is in the picture.
    let (mut product, mut squares) = (0.0, 0.0);
    for number in 35..70 {
        let change = |frames: &[Frame], at: usize| {
            f64::from(frames[number].pixels[at]) - f64::from(frames[number - 5].pixels[at])
        };
        for at in 0..film.camera[number].pixels.len() {
            let moved = change(&film.camera, at);
            if moved.abs() > 30.0 {
                product += moved * change(&film.shown, at);
                squares += moved * moved;
            }
        }
    }
    let follow = product / squares;
    assert!((0.9..1.1).contains(&follow), "{follow:.2} of his movement is seen");
}

#[test]
fn a_step_of_light_keeps_the_dream_and_a_cut_ends_it() {
    let (coffee, rocket) = (photo("coffee.jpg", SIZE), photo("rocket.jpg", SIZE));
    let film = Film::of(50, |number| part(&coffee, 0, if number < 44 { 0.7 } else { 0.91 }));
    let kept = film.kept(43, 49, 0);
    assert!((0.8..1.3).contains(&kept), "{kept:.2} of the dream after a step of light");
    let film = Film::of(50, |number| part(if number < 44 { &coffee } else { &rocket }, 0, 1.0));
    let kept = film.kept(43, 49, 0);
    assert!(kept.abs() < 0.03, "{kept:.2} of the dream after a cut");
}
