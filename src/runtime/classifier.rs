//! A pack's classifier opened at one picture size: one run gives the scores of a picture.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::engines::Place;
use super::open_graph::{Input, Interface, MissingEngine, OpenGraph, Source, check_outlet};
use super::{Provider, Runtime, RuntimeError};
use crate::pixel::Picture;

/// A classifier of a pack, and the picture size it is to be opened at.
#[derive(Debug, Clone, Copy)]
pub struct ClassifierGraph<'a> {
    pub file: &'a Path,
    pub classes: usize,
    /// Width and height.
    pub size: (usize, usize),
}

/// A classifier, opened on the CPU: what GPU there is belongs to the dream.
pub struct Classifier {
    open: OpenGraph,
    size: (usize, usize),
}

const IMAGE: usize = 0;
const SCORES: usize = 0;

impl Source for ClassifierGraph<'_> {
    fn file(&self) -> PathBuf {
        self.file.to_owned()
    }

    fn label(&self) -> String {
        format!("{} at {}x{}", self.file.display(), self.size.0, self.size.1)
    }

    fn engine(&self, _: &Runtime) -> Option<Place> {
        None
    }

    fn load(&self, _: &Runtime, builder: SessionBuilder, _: Provider) -> ort::Result<Session> {
        // In the thread that runs it, whose priority is low, and in no other: the pool of threads is the dream's.
        let builder = builder.with_independent_thread_pool()?.with_intra_threads(1)?;
        let builder = builder.with_dimension_override("height", self.size.1 as i64)?;
        builder.with_dimension_override("width", self.size.0 as i64)?.commit_from_file(self.file)
    }

    fn interface(&self, session: &Session) -> Result<Interface, String> {
        let picture = vec![1, 3, self.size.1 as i64, self.size.0 as i64];
        let scores = vec![self.classes as i64];
        check_outlet(session.inputs(), "input", "image", &picture)?;
        check_outlet(session.outputs(), "output", "scores", &scores)?;
        let inputs = vec![("image".to_owned(), Input::floats(&picture)?)];
        Ok(Interface { inputs, constants: Vec::new(), outputs: vec![("scores".to_owned(), scores)] })
    }

    fn is_whole_frame(&self) -> bool {
        false
    }

    fn needs_trial(&self) -> bool {
        true
    }
}

impl Classifier {
    /// Opens `graph`.
    ///
    /// # Errors
    /// The CPU cannot run it at this size, or it does not give a score for each class.
    pub fn open(runtime: &Runtime, graph: ClassifierGraph) -> Result<Classifier, RuntimeError> {
        let open = OpenGraph::on_first(runtime, &[Provider::Cpu], &graph, MissingEngine::Build)?;
        Ok(Classifier { open, size: graph.size })
    }

    /// Picture size this was opened for.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// The score of each class in `picture`, in the order of the pack's labels: logits, or shares of 1, as the network ends.
    ///
    /// # Errors
    /// The run failed; this is best dropped and opened anew.
    ///
    /// # Panics
    /// Where `picture` is not of the size this was opened for.
    pub fn scores(&mut self, picture: &Picture) -> Result<&[f32], RuntimeError> {
        assert_eq!(picture.size(), self.size, "picture size");
        self.open.floats(IMAGE).copy_from_slice(&picture.data);
        self.open.run()?;
        Ok(self.open.output(SCORES))
    }
}
