use super::scene::Scene;
use super::*;
use crate::health::CameraStatus;
use crate::size::Size;

const WIDTH: usize = 160;
const HEIGHT: usize = 90;

fn settings(kind: SourceKind, path: &str) -> Settings {
    Settings {
        kind,
        path: Some(format!("{}/deploy/photos/{path}", env!("CARGO_MANIFEST_DIR")).into()),
        size: Some(Size { width: WIDTH, height: HEIGHT }),
        hold: 10.0,
        fps: Some(240),
        ..Settings::default()
    }
}

fn scenes() -> Vec<(&'static str, Scene)> {
    let still = settings(SourceKind::Still, "rocket.jpg").path.unwrap();
    let folder = settings(SourceKind::Folder, "");
    let photos = folder.path.clone().unwrap();
    vec![
        ("still", Scene::Still(still::Still::read(&still, WIDTH, HEIGHT, true).unwrap())),
        ("folder", Scene::Folder(folder::Folder::open(&photos, WIDTH, HEIGHT, &folder).unwrap())),
        ("pattern", Scene::Pattern(pattern::Pattern)),
    ]
}

fn drawn(scene: &mut Scene, time: f64) -> Vec<u8> {
    let mut frame = Frame::new(WIDTH, HEIGHT);
    scene.draw(time, &mut frame).unwrap();
    frame.pixels
}

/// Mean difference of two pictures, on 0..255.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn scenes_move_smoothly_and_do_move() {
    for (name, mut scene) in scenes() {
        let first = drawn(&mut scene, 0.0);
        let mut before = first.clone();
        // Over a change of pictures in the folder too.
        for number in 1..=360 {
            let now = drawn(&mut scene, f64::from(number) / 30.0);
            let moved = difference(&before, &now);
            assert!(moved < 6.0, "{name} leaps by {moved:.1} at picture {number}");
            before = now;
        }
        assert!(difference(&first, &before) > 10.0, "{name} stands still");
    }
}

#[test]
fn the_same_time_gives_the_same_picture() {
    for ((name, mut one), (_, mut other)) in scenes().into_iter().zip(scenes()) {
        drawn(&mut other, 1.0);
        assert!(drawn(&mut one, 8.5) == drawn(&mut other, 8.5), "{name}");
    }
}

#[test]
fn a_view_never_leaves_its_picture() {
    for (width, height) in [(640, 427), (100, 1000), (3000, 20)] {
        let picture = Frame::new(width, height);
        for second in 0..2000 {
            let view = view::View::wandering(&picture, WIDTH, HEIGHT, f64::from(second) * 0.7, 0.3);
            let fits = view.left >= 0.0
                && view.top >= 0.0
                && view.left + view.width <= width as f64
                && view.top + view.height <= height as f64;
            assert!(fits && view.width > 1.0 && view.height > 1.0, "{view:?} of {width}x{height}");
        }
    }
}

#[test]
fn a_still_streams_like_a_camera() {
    let mut source = Source::open(&settings(SourceKind::Still, "coffee.jpg"), &|| {}).unwrap();
    let (mut first, mut second) = (Frame::new(0, 0), Frame::new(0, 0));
    assert!(source.next(&mut first, &|| {}).unwrap() && source.next(&mut second, &|| {}).unwrap());
    assert_eq!((first.width, first.height), (WIDTH, HEIGHT));
    assert!(second.captured > first.captured);
    assert_eq!(source.status(), CameraStatus::NotUsed("still coffee.jpg".to_owned()));
}

#[test]
fn a_picture_that_cannot_be_read_is_left_out_of_its_folder_and_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), b"no picture").unwrap();
    let mut only = settings(SourceKind::Folder, "");
    only.path = Some(folder.path().to_owned());
    let refusal = Source::open(&only, &|| {}).err().unwrap().to_string();
    assert!(refusal.contains("holds no picture that can be read"), "{refusal}");
    std::fs::copy(settings(SourceKind::Still, "rocket.jpg").path.unwrap(), folder.path().join("b.jpg")).unwrap();
    assert!(Source::open(&only, &|| {}).unwrap().next(&mut Frame::new(0, 0), &|| {}).unwrap());
    only.kind = SourceKind::Still;
    only.path = Some(folder.path().join("a.jpg"));
    let refusal = Source::open(&only, &|| {}).err().unwrap().to_string();
    assert!(refusal.contains("a.jpg"), "{refusal}");
}

#[test]
fn a_camera_that_is_not_there_is_waited_for() {
    let mut absent = settings(SourceKind::V4l2, "");
    absent.device = "/dev/no-such-camera".into();
    let mut source = Source::open(&absent, &|| {}).unwrap();
    assert!(!source.next(&mut Frame::new(0, 0), &|| {}).unwrap());
    assert_eq!(source.status(), CameraStatus::Absent { reason: None, stand_in: None });
}

#[test]
fn without_a_camera_photos_stand_in() {
    let mut auto = settings(SourceKind::Auto, "");
    auto.device = "/dev/no-such-camera".into();
    let mut source = Source::open(&auto, &|| {}).unwrap();
    assert!(source.next(&mut Frame::new(0, 0), &|| {}).unwrap());
    assert!(source.status().to_string().starts_with("absent, folder "), "{}", source.status());
}
