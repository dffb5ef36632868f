//! Nothing on the screen jumps unless asked: a change of layer and intensity over ten seconds, frame by frame.

use std::path::Path;
use std::time::Duration;

use reverie::frame::Frame;
use reverie::params::Params;
use serde_json::{Value as Json, json};

use crate::scene::{SIZE, Sitting, catalogue, difference, dreamer, picture, set};

/// Eight dreams a second, as on a small board.
const TICK: Duration = Duration::from_millis(125);
const FADE: f64 = 10.0;
/// Frames before the change, while it lasts, and after it.
const PARTS: [usize; 3] = [24, 80, 24];

/// The frames of a dream that fades from one layer to another while its intensity is moved by a ramp.
struct Film {
    frames: Vec<Frame>,
}

impl Film {
    /// From some parameters to others, in ten seconds; or all at once, and no further than that.
    fn of(from: &Json, to: &Json, fades: bool) -> Film {
        let catalogue = catalogue();
        let (mut sitting, camera) = (Sitting::new(dreamer(&catalogue).patient()), picture(SIZE));
        let mut params = set(&Params::new(&catalogue), &catalogue, from).unwrap();
        params.intensity = 0.3;
        let mut frames = Vec::new();
        let length = if fades { PARTS.iter().sum() } else { PARTS[0] + 1 };
        for n in 0..length {
            if n == PARTS[0] {
                params = set(&params, &catalogue, to).unwrap();
                params.crossfade = if fades { FADE } else { 0.0 };
            }
            if n >= PARTS[0] {
                let part = ((n - PARTS[0] + 1) as f64 / PARTS[1] as f64).min(1.0);
                params.intensity = if fades { 0.3 + 0.6 * part } else { 0.9 };
            }
            let mut out = Frame::new(0, 0);
            sitting.dream(Some(&camera), &params, TICK, &mut out).unwrap();
            frames.push(out);
        }
        assert_eq!(sitting.dreamer.status().layer, params.layer);
        Film { frames }
    }

    /// What each frame differs from the one before by: over the whole picture, and in the worst of its 16×16 blocks, as means
    /// of the values 0..255.
    fn steps(&self) -> Vec<(f64, f64)> {
        self.frames.windows(2).map(|pair| (difference(&pair[0], &pair[1]), worst_block(&pair[0], &pair[1]))).collect()
    }

    /// For looking at: `REVERIE_FILM=folder cargo test --test dream fade`.
    fn keep(&self, name: &str) {
        let Some(folder) = std::env::var_os("REVERIE_FILM") else { return };
        for (n, frame) in self.frames.iter().enumerate() {
            let file = Path::new(&folder).join(format!("{name}-{n:03}.png"));
            let (width, height) = (frame.width as u32, frame.height as u32);
            image::save_buffer(file, &frame.pixels, width, height, image::ColorType::Rgb8).unwrap();
        }
    }
}

/// The block that changed most, by the change of its mean colour: a jump of the picture, not the play of single pixels.
fn worst_block(a: &Frame, b: &Frame) -> f64 {
    const SIDE: usize = 16;
    let mean = |frame: &Frame, x: usize, y: usize, channel: usize| {
        let pixels = (y..y + SIDE).flat_map(|y| (x..x + SIDE).map(move |x| (x, y)));
        let sum: f64 = pixels.map(|(x, y)| f64::from(frame.pixels[3 * (y * frame.width + x) + channel])).sum();
        sum / (SIDE * SIDE) as f64
    };
    let corners = (0..a.height / SIDE).flat_map(|y| (0..a.width / SIDE).map(move |x| (SIDE * x, SIDE * y)));
    let change = |(x, y)| (0..3).map(|c| (mean(a, x, y, c) - mean(b, x, y, c)).abs()).sum::<f64>() / 3.0;
    corners.map(change).fold(0.0, f64::max)
}

/// The largest of each over `steps`.
fn largest(steps: &[(f64, f64)]) -> (f64, f64) {
    steps.iter().fold((0.0, 0.0), |(a, b), step| (f64::max(a, step.0), f64::max(b, step.1)))
}

/// Holds the frames of a fade to what those of a dream that is left alone differ by: its own life, from frame to frame.
fn check(name: &str, from: &Json, to: &Json) {
    let film = Film::of(from, to, true);
    film.keep(name);
    let steps = film.steps();
    let (before, rest) = steps.split_at(PARTS[0] - 1);
    // The first frames of a dream grow fast by themselves.
    let alone = largest(&[&before[PARTS[0] / 2..], &rest[PARTS[1] + 8..]].concat());
    let fading = largest(rest);
    let most = (1.25 * alone.0 + 0.25, 1.5 * alone.1 + 0.5);
    println!("{name}: alone {alone:.2?}, fading {fading:.2?} of at most {most:.2?}");
    assert!(fading.0 <= most.0 && fading.1 <= most.1, "{name}: it jumps by {fading:.2?}, more than {most:.2?}");
    // And that this sees a jump where there is one.
    let cut = Film::of(from, to, false).steps()[PARTS[0] - 1];
    assert!(cut.0 > most.0 && cut.1 > most.1, "{name}: a cut is but {cut:.2?}, within {most:.2?}");
}

#[test]
fn a_layer_and_the_intensity_fade_over_ten_seconds() {
    check("middle-to-shallow", &json!({"layer": "f12"}), &json!({"layer": "f6", "neurons": "all"}));
    check("shallow-to-deep", &json!({"layer": "f6"}), &json!({"layer": "f15", "neurons": "all"}));
}

#[test]
fn neurons_fade_as_layers_do() {
    check("neurons", &json!({"neurons": "15"}), &json!({"neurons": "40"}));
}

#[test]
fn a_second_layer_comes_goes_and_gives_way_as_layers_do() {
    let beside = json!({"layer": "f12", "second_layer": "r7", "second_share": 0.6});
    check("second-comes", &json!({"layer": "f12"}), &beside);
    check("second-goes", &beside, &json!({"second_layer": "none"}));
    check("second-stays-beside-another", &beside, &json!({"layer": "f9", "neurons": "all"}));
}

#[test]
fn two_layers_share_a_still() {
    let catalogue = catalogue();
    let few = |changes: Json| {
        let params = Params { octaves: 1, steps: 6, ..Params::for_still(&catalogue) };
        let params = set(&params, &catalogue, &changes).unwrap();
        let mut out = Frame::new(0, 0);
        let mut sitting = Sitting::new(dreamer(&catalogue).patient());
        sitting.dream(Some(&picture(SIZE)), &params, Duration::ZERO, &mut out).unwrap();
        out
    };
    let share = |share: f64| few(json!({"layer": "f12", "second_layer": "r7", "second_share": share}));
    let (first, second) = (few(json!({"layer": "f12"})), few(json!({"layer": "r7"})));
    assert_eq!(share(0.0).pixels, first.pixels);
    assert_eq!(share(1.0).pixels, second.pixels, "the whole of each climb is the second's");
    let half = share(0.5);
    let apart = difference(&first, &second);
    let (from_first, from_second) = (difference(&half, &first), difference(&half, &second));
    assert!(from_first > 0.2 * apart && from_second > 0.2 * apart, "{from_first} and {from_second} of {apart}");
}

#[test]
fn a_second_layer_that_cannot_be_is_refused_and_one_that_becomes_the_first_goes() {
    let catalogue = catalogue();
    let params = Params::new(&catalogue);
    let refusal = |changes: Json| set(&params, &catalogue, &changes).unwrap_err();
    let itself = refusal(json!({"layer": "f9", "second_layer": "f9"}));
    assert_eq!(itself, "second_layer: is the layer itself: give its neurons weights instead");
    let unknown = refusal(json!({"second_layer": "r77"}));
    assert!(unknown.starts_with("second_layer: no layer is called `r77` (did you mean `r7`?)"), "{unknown}");
    let neurons = refusal(json!({"second_layer": "f9", "second_neurons": "eyse"}));
    assert!(neurons.starts_with("second_neurons: ") && neurons.contains("did you mean `eyes`"), "{neurons}");
    let chosen = refusal(json!({"second_layer": "f9", "second_neurons": "strong"}));
    assert!(chosen.starts_with("second_neurons: "), "{chosen}");
    let beside = set(&params, &catalogue, &json!({"second_layer": "f9"})).unwrap();
    let swapped = set(&beside, &catalogue, &json!({"layer": "f9"})).unwrap();
    assert_eq!((swapped.layer.as_str(), swapped.second_layer.as_str()), ("f9", "none"));
}
