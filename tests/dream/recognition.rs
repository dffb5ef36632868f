//! What is recognised in a picture, by the shipped classifier.

use std::sync::Arc;
use std::time::Duration;

use reverie::frame::Frame;
use reverie::pack::Catalogue;
use reverie::picture_file;
use reverie::recognition::{Glance, Recogniser};

use crate::scene::{catalogue, packs, runtime};

const SECOND: Duration = Duration::from_secs(1);

fn photo(name: &str) -> Frame {
    picture_file::read(&packs().join("../deploy/photos").join(name)).unwrap().0
}

fn glance(camera: Option<&Frame>, shown: &Frame) -> Glance {
    let nothing = Frame::new(0, 0);
    Glance { camera: camera.unwrap_or(&nothing).clone(), has_camera: camera.is_some(), shown: shown.clone() }
}

#[test]
fn a_cup_of_espresso_is_one_whatever_its_shape_and_a_rocket_is_none() {
    let mut recogniser = Recogniser::new(runtime(), &catalogue()).unwrap().unwrap();
    let (coffee, rocket) = (photo("coffee.jpg"), photo("rocket.jpg"));
    let sight = recogniser.look(&glance(Some(&coffee), &rocket), SECOND).unwrap();
    let (seen, dreamed) = (sight.seen.unwrap(), &sight.dreamed[0]);
    assert_eq!((seen.len(), seen[0].name.as_str(), seen[0].growth), (5, "espresso", None));
    assert!(seen[0].confidence > 0.5 && seen.windows(2).all(|pair| pair[0].confidence >= pair[1].confidence));
    // As "dreamed" stands the other photo, in which there is more of what is seen there than in the coffee.
    assert!(dreamed.name != "espresso" && dreamed.growth.unwrap() > 0.1, "{dreamed:?}");
    // A tall picture of the same, long after; and without a camera.
    let mut tall = Frame::new(300, 400);
    reverie::pixel::Scaler::default().fill(&coffee, &mut tall);
    let sight = recogniser.look(&glance(None, &tall), 60 * SECOND).unwrap();
    assert_eq!((sight.seen, sight.dreamed[0].name.as_str(), sight.dreamed[0].growth), (None, "espresso", None));
}

#[test]
fn a_picture_of_no_size_is_no_harm_and_packs_without_a_classifier_recognise_nothing() {
    let mut recogniser = Recogniser::new(runtime(), &catalogue()).unwrap().unwrap();
    for (width, height) in [(0, 0), (1, 1), (4096, 1)] {
        // Whatever it says of it: it must not panic, and the next look is as good as ever.
        let _ = recogniser.look(&glance(None, &Frame::new(width, height)), SECOND);
    }
    let sight = recogniser.look(&glance(None, &photo("coffee.jpg")), 60 * SECOND).unwrap();
    assert_eq!(sight.dreamed[0].name, "espresso");
    let without = Arc::new(Catalogue::read(&[packs().join("mobilenet-v2")]).unwrap());
    assert!(Recogniser::new(runtime(), &without).unwrap().is_none());
}
