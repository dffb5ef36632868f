//! What the tests dream on, and with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reverie::compositor::DreamInput;
use reverie::dream::{DreamError, Dreamer, Settings};
use reverie::frame::Frame;
use reverie::pack::Catalogue;
use reverie::params::Params;
use reverie::runtime::{Provider, Runtime, Settings as RuntimeSettings};
use reverie::slot::Item;
use serde_json::Value as Json;

pub const SIZE: (usize, usize) = (160, 96);

pub fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

pub fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::read(&[packs()]).unwrap())
}

pub fn runtime() -> Arc<Runtime> {
    let settings = RuntimeSettings { providers: vec![Provider::Cpu], ..RuntimeSettings::default() };
    Arc::new(Runtime::load(settings).unwrap_or_else(|e| panic!("{e}")))
}

/// A dreamer that lives on frames of [`SIZE`] and always dreams the same.
pub fn dreamer(catalogue: &Arc<Catalogue>) -> Dreamer {
    let settings = Settings { size: Some(SIZE.into()), max_size: SIZE.into(), target_fps: 10.0, seed: Some(1) };
    Dreamer::new(runtime(), Arc::clone(catalogue), settings)
}

/// `params` changed as a command would; else its refusals.
pub fn set(params: &Params, catalogue: &Catalogue, changes: &Json) -> Result<Params, String> {
    let changed = params.with(changes.as_object().unwrap(), catalogue);
    changed.map_err(|refusals| refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// A dreamer before a camera that stands still: every frame of its dream is seen as it is made.
pub struct Sitting {
    pub dreamer: Dreamer,
    input: DreamInput,
}

impl Sitting {
    pub fn new(dreamer: Dreamer) -> Sitting {
        Sitting { dreamer, input: DreamInput::blank() }
    }

    /// Dreams on `camera`, or on nothing, and lays that over it; over a picture that nothing was dreamed on yet, nothing.
    pub fn dream(
        &mut self,
        camera: Option<&Frame>,
        params: &Params,
        elapsed: Duration,
        out: &mut Frame,
    ) -> Result<(), DreamError> {
        let size = camera.map_or(SIZE, |camera| (camera.width, camera.height));
        let since = Some(self.input.frame_number);
        let before =
            std::mem::replace(&mut self.input, DreamInput::still(camera.unwrap_or(&Frame::new(size.0, size.1))));
        self.input.frame_number = before.frame_number + 1;
        self.input.since_frame = since;
        self.input.movement = 0.0;
        if camera.is_none() {
            self.input.has_camera = false;
            if (before.camera.width, before.camera.height) == size {
                self.input.camera = before.camera;
            }
        }
        match self.dreamer.dream(&self.input, params, elapsed)? {
            Some(layer) => layer.over(&self.input.camera, out),
            None => out.copy_from(&self.input.camera),
        }
        Ok(())
    }
}

/// Hills under a sky with a ball in front: something to see at every scale.
pub fn picture((width, height): (usize, usize)) -> Frame {
    let mut frame = Frame::new(width, height);
    for (i, rgb) in frame.pixels.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((i % width) as f64 / width as f64, (i / width) as f64 / height as f64);
        let hill = 0.6 + 0.1 * (9.0 * x).sin() + 0.03 * (41.0 * x).cos();
        let ball = ((x - 0.4) * width as f64 / height as f64).hypot(y - 0.55);
        let [r, g, b] = match (ball < 0.2, y > hill) {
            (true, _) => [220.0 - 500.0 * ball, 120.0 - 300.0 * ball, 60.0],
            (false, true) => [70.0 + 60.0 * (70.0 * x).sin(), 110.0 + 40.0 * (50.0 * y).cos(), 50.0],
            (false, false) => [110.0 + 60.0 * y, 150.0 + 60.0 * y, 215.0],
        };
        rgb.copy_from_slice(&[r as u8, g as u8, b as u8]);
    }
    frame
}

/// A photo that ships, cut to `size`.
pub fn photo(name: &str, (width, height): (usize, usize)) -> Frame {
    let photo = image::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/photos").join(name)).unwrap();
    let filter = image::imageops::FilterType::Triangle;
    let mut frame = Frame::new(width, height);
    frame.pixels.copy_from_slice(photo.resize_to_fill(width as u32, height as u32, filter).to_rgb8().as_raw());
    frame
}

/// Mean difference of two frames of one size, in values of 0..255.
pub fn difference(a: &Frame, b: &Frame) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let sum: f64 = a.pixels.iter().zip(&b.pixels).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / a.pixels.len() as f64
}
