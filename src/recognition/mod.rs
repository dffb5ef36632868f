//! What the network recognises in the camera's picture, and in its own dream of it: the loop of recognition and affirmation, in figures.
//!
//! Classes are kinds of things that the network was trained to tell apart. It knows no person from another.

mod guesses;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::pack::{Catalogue, LIKENESS, PackError};
use crate::pixel::{self, Picture, Scaler};
use crate::runtime::{Classifier, ClassifierGraph, Runtime, RuntimeError};
use crate::slot::Item;

use guesses::Guesses;

/// Pictures are looked at in so many pixels, whatever their shape: as many as classifiers are trained with.
const PIXELS: usize = 224 * 224;
/// How many classes are named of each picture.
const NAMED: usize = 5;

/// `[recognition]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Whether anything is recognised, where a pack can.
    pub on: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { on: true }
    }
}

/// What is looked at, at one moment.
#[derive(Debug)]
pub struct Glance {
    /// The camera's picture; of any content where there is none.
    pub camera: Frame,
    pub has_camera: bool,
    /// What is shown: the camera's picture with the dream on it.
    pub shown: Frame,
}

impl Item for Glance {
    fn blank() -> Glance {
        Glance { camera: Frame::new(0, 0), has_camera: false, shown: Frame::new(0, 0) }
    }
}

/// What was recognised, over the last seconds; the likeliest class first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sight {
    /// In the camera's picture; none without a camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Vec<Guess>>,
    /// In what is shown.
    pub dreamed: Vec<Guess>,
}

/// A class, and how likely the network takes it to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    pub name: String,
    /// 0 to 1; those of all classes add up to 1.
    pub confidence: f32,
    /// By how much that is more than in the camera's picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<f32>,
}

/// Why nothing is recognised.
#[derive(Debug, thiserror::Error)]
pub enum RecognitionError {
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Recognises, picture after picture, with a pack's classifier.
pub struct Recogniser {
    runtime: Arc<Runtime>,
    graph: PathBuf,
    names: Vec<String>,
    classifier: Option<Classifier>,
    seen: Guesses,
    dreamed: Guesses,
    scaler: Scaler,
    small: Frame,
    picture: Picture,
}

impl Recogniser {
    /// One that uses the pack of `catalogue` that recognises; none where there is none.
    ///
    /// # Errors
    /// Its class names cannot be read.
    pub fn new(runtime: Arc<Runtime>, catalogue: &Catalogue) -> Result<Option<Recogniser>, RecognitionError> {
        let Some((dir, manifest)) = catalogue.recogniser() else { return Ok(None) };
        let (Some(graph), Some(names)) = (&manifest.recognise, manifest.class_names(dir)?) else { return Ok(None) };
        Ok(Some(Recogniser {
            runtime,
            graph: dir.join(graph),
            names,
            classifier: None,
            seen: Guesses::default(),
            dreamed: Guesses::default(),
            scaler: Scaler::default(),
            small: Frame::new(0, 0),
            picture: Picture::default(),
        }))
    }

    /// What is recognised at `glance`, `elapsed` after the last one. Takes a moment longer where pictures have another shape than before.
    ///
    /// # Errors
    /// The classifier cannot be opened at this size, or failed. The next look opens it anew.
    pub fn look(&mut self, glance: &Glance, elapsed: Duration) -> Result<Sight, RecognitionError> {
        if glance.has_camera {
            let scores = self.classify(&glance.camera)?;
            self.seen.take(&scores, elapsed);
        } else {
            self.seen.forget();
        }
        let scores = self.classify(&glance.shown)?;
        self.dreamed.take(&scores, elapsed);
        let seen = glance.has_camera.then_some(&self.seen);
        let of = |guesses: &Guesses, before: Option<&Guesses>| -> Vec<Guess> {
            let named = guesses.likeliest(NAMED).into_iter();
            let guess = |class: usize| Guess {
                name: self.names[class].clone(),
                confidence: rounded(guesses.confidence(class)),
                growth: before.map(|before| rounded(guesses.confidence(class) - before.confidence(class))),
            };
            named.map(guess).collect()
        };
        Ok(Sight { seen: seen.map(|seen| of(seen, None)), dreamed: of(&self.dreamed, seen) })
    }

    /// What `frame` looks like to the classifier: a direction among axes that are the same for all pictures. Those of pictures alike have a small angle.
    ///
    /// # Errors
    /// As [`Recogniser::look`].
    pub fn likeness(&mut self, frame: &Frame) -> Result<[i8; LIKENESS], RecognitionError> {
        Ok(guesses::direction(&self.classify(frame)?))
    }

    /// The scores of `frame`, as small as classifiers like it.
    fn classify(&mut self, frame: &Frame) -> Result<Vec<f32>, RecognitionError> {
        let size: (usize, usize) = frame.size().within_pixels(PIXELS).into();
        self.small.resize(size.0, size.1);
        self.scaler.stretch(frame, &mut self.small);
        pixel::from_frame(&self.small, &mut self.picture);
        let open = self.classifier.take().filter(|classifier| classifier.size() == size);
        let graph = ClassifierGraph { file: &self.graph, classes: self.names.len(), size };
        let mut classifier = open.map_or_else(|| Classifier::open(&self.runtime, graph), Ok)?;
        let scores = classifier.scores(&self.picture)?.to_vec();
        self.classifier = Some(classifier);
        Ok(scores)
    }
}

/// To thousandths: more would only be noise to read.
fn rounded(share: f32) -> f32 {
    (share * 1000.0).round() / 1000.0
}
