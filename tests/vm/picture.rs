//! Pictures: the one that is shown, what the monitor must show of it, and how far apart two are. All of it is computed
//! apart from the program's own code.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// How a picture lies on a screen of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// All of it is seen, between black bars.
    Fit,
    /// All of the screen is filled; what is too much on two sides is cut off.
    Fill,
}

/// A picture of 96×64 that is another in each orientation, and so smooth that every good filter enlarges it to the same:
/// red grows to the right, green downward, blue falls toward the lower right corner.
pub fn ramp() -> RgbImage {
    let (width, height) = (96, 64);
    let level = |part: f64| (40.0 + 175.0 * part).round() as u8;
    RgbImage::from_fn(width, height, |x, y| {
        let (across, down) = (f64::from(x) / f64::from(width - 1), f64::from(y) / f64::from(height - 1));
        Rgb([level(across), level(down), level(1.0 - (across + down) / 2.0)])
    })
}

/// What a screen of `width`×`height` must show of `picture`, turned clockwise by `quarters` of a turn.
pub fn on_screen(picture: &RgbImage, width: u32, height: u32, placement: Placement, quarters: u32) -> RgbImage {
    let turned = match quarters % 4 {
        0 => picture.clone(),
        1 => imageops::rotate90(picture),
        2 => imageops::rotate180(picture),
        _ => imageops::rotate270(picture),
    };
    let across = f64::from(width) / f64::from(turned.width());
    let down = f64::from(height) / f64::from(turned.height());
    let scale = match placement {
        Placement::Fit => across.min(down),
        Placement::Fill => across.max(down),
    };
    let scaled = |side: u32| (f64::from(side) * scale).round() as u32;
    let large = imageops::resize(&turned, scaled(turned.width()), scaled(turned.height()), FilterType::Triangle);
    let mut screen = RgbImage::new(width, height);
    let middle = |whole: u32, part: u32| (i64::from(whole) - i64::from(part)) / 2;
    imageops::replace(&mut screen, &large, middle(width, large.width()), middle(height, large.height()));
    screen
}

/// How far two pictures are apart, in levels of 0..255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    pub mean: f64,
    /// The largest of any pixel, but for those at hard edges of the expected picture: the edge may lie half a pixel aside.
    pub max: u8,
}

/// Compares `seen` with `expected`, which must be of the same size.
#[track_caller]
pub fn difference(seen: &RgbImage, expected: &RgbImage) -> Difference {
    assert_eq!(seen.dimensions(), expected.dimensions(), "pictures of two sizes");
    let apart = |a: &Rgb<u8>, b: &Rgb<u8>| (0..3).map(|c| a[c].abs_diff(b[c])).max().unwrap_or(0);
    let at_edge = |x: u32, y: u32| {
        let here = expected.get_pixel(x, y);
        let beside = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
        beside.iter().any(|&(x, y)| expected.get_pixel_checked(x, y).is_some_and(|pixel| apart(here, pixel) > 32))
    };
    let (mut sum, mut max) = (0.0, 0);
    for ((x, y, a), b) in seen.enumerate_pixels().zip(expected.pixels()) {
        let here = apart(a, b);
        sum += f64::from(here);
        if here > max && !at_edge(x, y) {
            max = here;
        }
    }
    Difference { mean: sum / f64::from(seen.width() * seen.height()), max }
}

/// Mean colour of the middle of each of `count` upright bars, left to right.
pub fn bars(picture: &RgbImage, count: u32) -> Vec<[f64; 3]> {
    let (width, height) = picture.dimensions();
    let bar = |index: u32| {
        let left = (width * (4 * index + 1)) / (4 * count);
        let right = (width * (4 * index + 3)) / (4 * count);
        let mut sum = [0.0; 3];
        let mut pixels = 0.0;
        for y in height / 4..height * 3 / 4 {
            for x in left..right.max(left + 1) {
                (0..3).for_each(|c| sum[c] += f64::from(picture.get_pixel(x, y)[c]));
                pixels += 1.0;
            }
        }
        sum.map(|channel| channel / pixels)
    };
    (0..count).map(bar).collect()
}

/// The largest difference of any channel of any bar.
pub fn bars_apart(one: &[[f64; 3]], other: &[[f64; 3]]) -> f64 {
    assert_eq!(one.len(), other.len(), "as many bars");
    one.iter().flatten().zip(other.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Mean of all channels of all pixels.
pub fn brightness(picture: &RgbImage) -> f64 {
    picture.as_raw().iter().map(|&v| f64::from(v)).sum::<f64>() / picture.as_raw().len() as f64
}

#[test]
fn the_ramp_is_another_in_each_orientation_and_on_each_placement() {
    let views: Vec<RgbImage> = [Placement::Fit, Placement::Fill]
        .iter()
        .flat_map(|&placement| (0..4).map(move |quarters| on_screen(&ramp(), 320, 180, placement, quarters)))
        .collect();
    for (i, one) in views.iter().enumerate() {
        for (j, other) in views.iter().enumerate() {
            let difference = difference(one, other);
            assert_eq!(i == j, difference.max < 10, "{i} and {j}: {difference:?}");
        }
    }
}

#[test]
fn a_fitted_picture_lies_between_black_bars() {
    let screen = on_screen(&ramp(), 320, 180, Placement::Fit, 0);
    assert_eq!(screen.get_pixel(20, 90), &Rgb([0; 3]));
    assert_eq!(screen.get_pixel(299, 90), &Rgb([0; 3]));
    assert!(screen.get_pixel(30, 5)[2] > 200 && screen.get_pixel(290, 175)[0] > 200);
    let turned = on_screen(&ramp(), 320, 180, Placement::Fit, 1);
    // Clockwise: the lower left corner, which has no red and all of the green, comes to the upper left.
    assert!(turned.get_pixel(102, 2)[0] < 50 && turned.get_pixel(102, 2)[1] > 200);
}

#[test]
fn an_edge_half_a_pixel_aside_is_no_difference_but_a_picture_aside_is() {
    let screen = on_screen(&ramp(), 320, 180, Placement::Fit, 0);
    let mut aside = RgbImage::new(320, 180);
    imageops::replace(&mut aside, &screen, 1, 0);
    assert!(difference(&aside, &screen).max < 4);
    imageops::replace(&mut aside, &screen, 40, 0);
    assert!(difference(&aside, &screen).max > 40);
}

#[test]
fn bars_are_measured_in_their_middles() {
    let colours = [[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0]];
    let picture = RgbImage::from_fn(81, 40, |x, _| Rgb(colours[(4 * x / 81) as usize]));
    let expected: Vec<[f64; 3]> = colours.iter().map(|c| c.map(f64::from)).collect();
    assert!(bars_apart(&bars(&picture, 4), &expected) < 1e-9);
}
