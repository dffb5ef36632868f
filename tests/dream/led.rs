//! A dream that other pictures lead, and one whose neurons are chosen by how active they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reverie::dream::Dreamer;
use reverie::frame::Frame;
use reverie::guides::Guides;
use reverie::pack::Catalogue;
use reverie::params::Params;
use reverie::pixel::{Picture, from_frame};
use reverie::runtime::{Ascent, Graph};
use serde_json::{Value as Json, json};

use crate::scene::{SIZE, Sitting, difference, dreamer, packs, photo, picture, runtime, set};

const TICK: Duration = Duration::from_millis(125);

fn photos() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/photos")
}

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::read(&[packs()]).unwrap().with_guides(Guides::of(Some(photos()))))
}

/// What the default layer sees of a picture: features of each position, each of length 1.
fn features(catalogue: &Catalogue, layer: &str, frame: &Frame) -> Vec<Vec<f64>> {
    let (folder, manifest, layer) = catalogue.layer(layer).unwrap();
    let graph = Graph { folder, manifest, layer, size: (frame.width, frame.height) };
    let mut ascent = Ascent::open(&runtime(), graph).unwrap();
    let mut image = Picture::default();
    from_frame(frame, &mut image);
    let (maps, (height, width)) = ascent.maps(&image, &vec![1.0; layer.channels]).unwrap().unwrap();
    let at = |position: usize| maps.iter().skip(position).step_by(height * width).map(|value| f64::from(*value));
    let features = (0..height * width).map(|position| at(position).collect::<Vec<f64>>());
    let unit = |feature: Vec<f64>| {
        let length = feature.iter().map(|value| value * value).sum::<f64>().sqrt();
        feature.into_iter().map(|value| value / length).collect()
    };
    features.map(unit).collect()
}

/// How like the likest of the guide's features what is seen at a position is, in the mean: a cosine.
fn likeness(catalogue: &Catalogue, layer: &str, frame: &Frame, guide: &Frame) -> f64 {
    let (seen, guide) = (features(catalogue, layer, frame), features(catalogue, layer, guide));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let likest = |seen: &Vec<f64>| guide.iter().map(|guide| dot(seen, guide)).fold(f64::MIN, f64::max);
    seen.iter().map(likest).sum::<f64>() / seen.len() as f64
}

/// What a still dreamer makes of `camera`.
fn still(catalogue: &Arc<Catalogue>, camera: &Frame, changes: Json) -> Frame {
    let params = set(&Params::for_still(catalogue), catalogue, &changes).unwrap();
    let mut out = Frame::new(0, 0);
    Sitting::new(dreamer(catalogue).patient()).dream(Some(camera), &params, Duration::ZERO, &mut out).unwrap();
    out
}

#[test]
fn a_guide_leads_the_dream_to_what_is_seen_in_it() {
    let catalogue = catalogue();
    let (camera, guide) = (picture(SIZE), photo("rocket.jpg", SIZE));
    for layer in ["f12", "b10"] {
        let few = |mut changes: Json| {
            changes["layer"] = layer.into();
            (changes["octaves"], changes["steps"]) = (2.into(), 8.into());
            still(&catalogue, &camera, changes)
        };
        let [plain, led] = [few(json!({})), few(json!({"guide": "rocket"}))];
        let like = |frame: &Frame| likeness(&catalogue, layer, frame, &guide);
        let (before, without, with) = (like(&camera), like(&plain), like(&led));
        eprintln!("{layer}: likeness {before:.3}, {without:.3} dreamed without the guide, {with:.3} with it");
        assert!(with > before + 0.05 && with > without + 0.05, "{layer}: {before}, {without}, {with}");
    }
}

#[test]
fn a_guide_fades_in_and_out_and_stays_out_where_it_does_not_lead() {
    let catalogue = catalogue();
    let camera = picture(SIZE);
    let params = Params { fatigue: 0.0, ..Params::new(&catalogue) };
    let guided = |guided: f64| set(&params, &catalogue, &json!({"guide": "rocket", "guided": guided})).unwrap();
    // Frames that follow a change: how far each is from where it would be without it.
    let follow = |changed: &Params| -> Vec<f64> {
        let run = |changed: &Params| {
            let mut sitting = Sitting::new(dreamer(&catalogue).patient());
            let mut out = Frame::new(0, 0);
            let mut frames = Vec::new();
            for number in 0..20 {
                let params = if number < 6 { &params } else { changed };
                sitting.dream(Some(&camera), params, TICK, &mut out).unwrap();
                let mut copy = Frame::new(0, 0);
                copy.copy_from(&out);
                frames.push(copy);
            }
            frames
        };
        let (plain, led) = (run(&params), run(changed));
        plain.iter().zip(&led).map(|(a, b)| difference(a, b)).collect()
    };
    let unled = follow(&guided(0.0));
    assert!(unled.iter().all(|difference| *difference == 0.0), "{unled:?}");
    let slow = follow(&Params { crossfade: 2.0, ..guided(1.0) });
    let at_once = follow(&Params { crossfade: 0.0, ..guided(1.0) });
    assert!(slow[..6].iter().all(|difference| *difference == 0.0));
    assert!(at_once[6] > 0.2 && slow[6] < 0.5 * at_once[6], "{} and {}", at_once[6], slow[6]);
    assert!(slow[19] > 1.0, "{slow:?}");
    let back = Params { crossfade: 0.5, ..guided(1.0) };
    let back = set(&back, &catalogue, &json!({"guide": "none"})).unwrap();
    assert_eq!(back.guide, "none");
}

#[test]
fn a_caricature_keeps_to_what_the_camera_shows() {
    let catalogue = catalogue();
    let camera = photo("coffee.jpg", SIZE);
    let seen = |frame: &Frame| features(&catalogue, "f12", frame);
    let before = seen(&camera);
    let like = |frame: &Frame| {
        let now = seen(frame);
        let cosines = now.iter().zip(&before).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>());
        cosines.sum::<f64>() / now.len() as f64
    };
    let few = |caricature: f64| {
        still(&catalogue, &camera, json!({"layer": "f12", "octaves": 2, "steps": 8, "caricature": caricature}))
    };
    let (plain, half, whole) = (few(0.0), few(0.5), few(1.0));
    eprintln!("likeness {:.3}, {:.3}, {:.3}", like(&plain), like(&half), like(&whole));
    assert!(difference(&whole, &camera) > 1.0, "it is changed all the same");
    assert!(like(&whole) > like(&half) && like(&half) > like(&plain) + 0.02);
}

#[test]
fn what_cannot_lead_is_answered_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(photos().join("coffee.jpg"), folder.path().join("coffee.jpg")).unwrap();
    std::fs::write(folder.path().join("torn.png"), "no picture").unwrap();
    let guides = Guides::of(Some(folder.path().to_owned()));
    let catalogue = Catalogue::read(&[packs()]).unwrap().with_guides(guides);
    let params = Params::new(&catalogue);
    let refusal = |changes: Json| set(&params, &catalogue, &changes).unwrap_err();
    let unknown = refusal(json!({"guide": "coffe"}));
    assert!(unknown.contains("there is no picture `coffe` (did you mean `coffee`?)"), "{unknown}");
    let broken = refusal(json!({"guide": "torn", "intensity": 0.2}));
    assert!(broken.contains("torn.png: it is no JPEG, PNG or WebP"), "{broken}");
    let outside = refusal(json!({"guide": "../../etc/passwd"}));
    assert!(outside.contains("there is no picture"), "{outside}");
    let words = refusal(json!({"layer": "words", "guide": "coffee"}));
    assert!(words.contains("are classes, which no picture leads"), "{words}");
    // Another layer is led by it too; one that cannot be leaves it, as it leaves the neurons.
    let led = set(&params, &catalogue, &json!({"guide": "coffee", "caricature": 0.5})).unwrap();
    assert_eq!(set(&led, &catalogue, &json!({"layer": "f9"})).unwrap().guide, "coffee");
    let words = set(&led, &catalogue, &json!({"layer": "words"})).unwrap();
    assert_eq!((words.guide.as_str(), words.caricature), ("none", 0.0));
    // What was read stays until it is asked for anew.
    std::fs::remove_file(folder.path().join("coffee.jpg")).unwrap();
    assert!(set(&led, &catalogue, &json!({"intensity": 0.5})).is_ok());
}

#[test]
fn a_pack_of_an_older_format_dreams_and_says_that_nothing_can_lead_it() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("mobilenet-v2");
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(packs().join("mobilenet-v2")).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
    }
    // As format 2 had it: without the inputs that lead.
    let text = std::fs::read_to_string(to.join("pack.toml")).unwrap();
    let mut manifest: toml::Table = toml::from_str(&text).unwrap();
    manifest["format"] = 2.into();
    let options = std::fs::read(to.join("f12.onnx")).unwrap();
    for layer in manifest["layer"].as_array_mut().unwrap() {
        layer.as_table_mut().unwrap().remove("inputs");
    }
    std::fs::write(to.join("pack.toml"), toml::to_string(&manifest).unwrap()).unwrap();
    std::fs::write(to.join("f12.onnx"), without_leading(&options)).unwrap();
    let catalogue = Catalogue::read(&[folder.path().to_owned()]).unwrap().with_guides(Guides::of(Some(photos())));
    let catalogue = Arc::new(catalogue);
    let params = Params::new(&catalogue);
    let refusal = set(&params, &catalogue, &json!({"guide": "coffee"})).unwrap_err();
    let expected = "guide: layer f12 of pack mobilenet-v2 was exported without a guide; export it again";
    assert_eq!(refusal, expected);
    let mut out = Frame::new(0, 0);
    let camera = picture(SIZE);
    Sitting::new(dreamer(&catalogue).patient()).dream(Some(&camera), &params, TICK, &mut out).unwrap();
    assert!(difference(&out, &camera) > 0.5);
}

/// A layer's graph as packs of format 2 have it.
fn without_leading(graph: &[u8]) -> Vec<u8> {
    let mut model = reverie::export::onnx::Model::read(graph).unwrap();
    model.graph = model.graph.map(|mut graph| {
        graph = reverie::compose::unled(graph);
        graph.output.retain(|output| output.name != reverie::pack::MAPS);
        graph.node.retain(|node| node.output.iter().all(|output| output != reverie::pack::MAPS));
        graph
    });
    model.to_bytes()
}

#[test]
fn neurons_are_chosen_by_how_active_they_are_on_the_camera_and_fade() {
    let catalogue = catalogue();
    let camera = photo("coffee.jpg", SIZE);
    let [strong, weak, rare] = ["strong", "weak", "rare"]
        .map(|word| still(&catalogue, &camera, json!({"octaves": 1, "steps": 4, "neurons": word})));
    assert!(difference(&strong, &weak) > 1.0);
    assert_eq!(rare.pixels, strong.pixels, "nothing is rare where nothing was seen before");
    // A still chooses before it climbs: the channels that the network itself finds most active.
    let mut measuring = dreamer(&catalogue);
    let mut activity = |channel: usize| {
        let params = set(&Params::new(&catalogue), &catalogue, &json!({"neurons": channel})).unwrap();
        measuring.measure(&camera, &params).unwrap().activation.abs()
    };
    let mut channels: Vec<(f64, usize)> = (0..96).map(|channel| (activity(channel), channel)).collect();
    channels.sort_by(|a, b| b.0.total_cmp(&a.0));
    let named: Vec<String> = channels[..6].iter().map(|(_, channel)| channel.to_string()).collect();
    let same = still(&catalogue, &camera, json!({"octaves": 1, "steps": 4, "neurons": named.join(",")}));
    assert!(difference(&same, &strong) < 0.01, "{named:?}: {}", difference(&same, &strong));
    // In a mirror that dreams already they come with the fade.
    let run = |neurons: &str, crossfade: f64| {
        let mut sitting = Sitting::new(Dreamer::patient(dreamer(&catalogue)));
        let plain = Params { fatigue: 0.0, ..Params::new(&catalogue) };
        let mut changed = set(&plain, &catalogue, &json!({"neurons": neurons})).unwrap();
        changed.crossfade = crossfade;
        let mut out = Frame::new(0, 0);
        let mut frames = Vec::new();
        for number in 0..48 {
            let params = if number < 4 { &plain } else { &changed };
            sitting.dream(Some(&camera), params, TICK, &mut out).unwrap();
            let mut copy = Frame::new(0, 0);
            copy.copy_from(&out);
            frames.push(copy);
        }
        frames
    };
    let (plain, led) = (run("all", 0.0), run("strong", 0.0));
    let apart: Vec<f64> = plain.iter().zip(&led).map(|(a, b)| difference(a, b)).collect();
    assert!(apart[4] < 0.1 && apart[6] < 0.5 * apart[47] && apart[47] > 1.0, "{apart:?}");
}
