//! A frame's graph: every octave and every step of a plan in one run.
//!
//! A step of ascent is a graph of its own in the pack. Here the steps of a whole frame are put one after the other, as the dream's
//! `octaves` climb them: a picture is resized to each octave, coarse to fine, the detail gained in the one before is
//! added, and it is climbed; the parts that are climbed at the canvas's own size go beside it. What a run of each step costs besides
//! (copies to the device and back, the launch of some hundred kernels) is paid once a frame.
//!
//! | input | shape | meaning |
//! | --- | --- | --- |
//! | `picture` | f32 [1, 3, height, width] | what is climbed |
//! | `parts` | f32 [parts, 3, height, width] | parts of the canvas, climbed one step each; where there are any |
//! | `neurons_0`, `neurons_1` | f32 \[channels\] | of each layer |
//! | `steps` | f32 [[`FramePlan::ascents`] · layers] | how far each ascent of each layer climbs, in the order in which they are climbed, the parts' last |
//! | `smoothing`, `colour` | f32 [] | as of a layer's graph |
//! | `rolls` | i64 [sums of [`FramePlan::rolls`]] | for each roll in turn, from which row each row comes, then each column: before each step, and once after the last of an octave |
//!
//! | output | shape | meaning |
//! | --- | --- | --- |
//! | `dreamed` | as `picture` | the picture climbed |
//! | `parts_dreamed` | as `parts` | |
//! | `activation_0`, `activation_1` | f32 \[channels\] | mean activations before the last step of each layer |
//! | `objective` | f32 [] | before the last step of the first layer; where its graph has it |

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::apart::{Apart, WORTHWHILE};
use super::{ComposeError, Composed, LayerGraph, Lowering};
use crate::export::{Builder, Dimension, Value, initializer};
use crate::pixel::resize_weights;

/// What a frame climbs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FramePlan {
    /// Width and height of the picture, and of each part.
    pub size: (usize, usize),
    /// Widths and heights of the octaves, coarse to fine. Where the last is not the picture's, what it gains is enlarged.
    pub octaves: Vec<(usize, usize)>,
    /// Ascents an octave.
    pub steps: usize,
    /// Parts of the canvas.
    pub parts: usize,
}

impl FramePlan {
    /// How many ascents of one layer there are: the length of `steps` is that times the number of layers.
    pub fn ascents(&self) -> usize {
        self.octaves.len() * self.steps + self.parts
    }

    /// Width and height of the picture at each roll, in turn.
    pub fn rolls(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.octaves.iter().flat_map(|&size| std::iter::repeat_n(size, self.steps + 1))
    }
}

/// The graph of `plan`, dreaming with `layers`: one, or two that are mixed, of which each ascent is climbed by both in turn, each
/// by its own part of the step.
///
/// # Errors
/// A layer's graph lacks what it should have, or has its weights elsewhere than in its pack.
pub fn compose(layers: Vec<LayerGraph>, plan: &FramePlan, lowering: Lowering) -> Result<Composed, ComposeError> {
    // What is led is climbed step by step.
    let mut layers: Vec<LayerGraph> = layers.into_iter().map(LayerGraph::unled).collect();
    let weights = rename_weights(&mut layers)?;
    let mut frame = Frame::new(&layers, plan, lowering)?;
    let picture = frame.b.input("picture", &planes(1, plan.size));
    let dreamed = frame.climb_octaves(&picture)?;
    frame.b.output("dreamed", &dreamed, &planes(1, plan.size));
    // Those of the whole, not of its parts.
    let (activations, objective) = (frame.activations.clone(), frame.objective.clone());
    if plan.parts > 0 {
        let parts = frame.b.input("parts", &planes(plan.parts, plan.size));
        let climbed: Vec<Value> = frame
            .b
            .split(&parts, &vec![1; plan.parts], 0)
            .iter()
            .map(|part| frame.ascend(part))
            .collect::<Result<_, _>>()?;
        let together = frame.b.join(&climbed, 0);
        frame.b.output("parts_dreamed", &together, &planes(plan.parts, plan.size));
    }
    for (index, (layer, activation)) in layers.iter().zip(&activations).enumerate() {
        if let Some(activation) = activation {
            frame.b.output(&format!("activation_{index}"), activation, &[Dimension::Fixed(layer.channels)]);
        }
    }
    if let Some(objective) = &objective {
        frame.b.output("objective", objective, &[]);
    }
    Ok(Composed { model: frame.b.finish(initializer).to_bytes(), weights })
}

/// The files of weights of all `layers`, each under a name of its own.
fn rename_weights(layers: &mut [LayerGraph]) -> Result<BTreeMap<String, PathBuf>, ComposeError> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut files = BTreeMap::new();
    for layer in layers {
        let folder = layer.file.with_file_name("");
        let known = folders.iter().position(|known| *known == folder);
        let number = known.unwrap_or_else(|| {
            folders.push(folder);
            folders.len() - 1
        });
        files.extend(layer.rename_weights(number)?);
    }
    Ok(files)
}

struct Frame<'a> {
    b: Builder,
    layers: &'a [LayerGraph],
    /// What is made another way, for each layer.
    apart: Vec<Option<Apart<'a>>>,
    plan: &'a FramePlan,
    neurons: Vec<Value>,
    smoothing: Value,
    colour: Value,
    /// Those not used yet.
    steps: std::vec::IntoIter<Value>,
    rolls: std::vec::IntoIter<Value>,
    /// Of the last ascents.
    activations: Vec<Option<Value>>,
    objective: Option<Value>,
}

impl<'a> Frame<'a> {
    fn new(layers: &'a [LayerGraph], plan: &'a FramePlan, lowering: Lowering) -> Result<Frame<'a>, ComposeError> {
        let apart = layers.iter().map(|layer| {
            let graph = layer.graph()?;
            Ok((lowering == Lowering::Apart).then(|| Apart::new(graph, plan.size, WORTHWHILE)))
        });
        let apart = apart.collect::<Result<_, ComposeError>>()?;
        let mut b = Builder::default();
        let neurons = layers
            .iter()
            .enumerate()
            .map(|(index, layer)| b.input(&format!("neurons_{index}"), &[Dimension::Fixed(layer.channels)]))
            .collect();
        let (smoothing, colour) = (b.input("smoothing", &[]), b.input("colour", &[]));
        let ascents = plan.ascents() * layers.len();
        let steps = b.input("steps", &[Dimension::Fixed(ascents)]);
        let steps = b.split(&steps, &vec![1; ascents], 0);
        let lengths: Vec<i64> = plan.rolls().flat_map(|(width, height)| [height as i64, width as i64]).collect();
        let rolls = b.input_ints("rolls", &[Dimension::Fixed(lengths.iter().sum::<i64>() as usize)]);
        let rolls = b.split(&rolls, &lengths, 0);
        Ok(Frame {
            b,
            layers,
            apart,
            plan,
            neurons,
            smoothing,
            colour,
            steps: steps.into_iter(),
            rolls: rolls.into_iter(),
            activations: vec![None; layers.len()],
            objective: None,
        })
    }

    /// `picture` after all octaves.
    fn climb_octaves(&mut self, picture: &Value) -> Result<Value, ComposeError> {
        let mut before: Option<(Value, (usize, usize))> = None;
        let mut climbed = picture.clone();
        for &size in &self.plan.octaves {
            let base = self.resized(picture, self.plan.size, size);
            climbed = match &before {
                Some((detail, from)) => {
                    let carried = self.resized(detail, *from, size);
                    self.b.add(&base, &carried)
                }
                None => base.clone(),
            };
            for _ in 0..self.plan.steps {
                let rolled = self.rolled(&climbed);
                climbed = self.ascend(&rolled)?;
            }
            climbed = self.rolled(&climbed);
            before = Some((self.b.sub(&climbed, &base), size));
        }
        Ok(match before {
            Some((detail, from)) if from != self.plan.size => {
                let carried = self.resized(&detail, from, self.plan.size);
                self.b.add(picture, &carried)
            }
            _ => climbed,
        })
    }

    /// `x` one ascent of each layer up.
    fn ascend(&mut self, x: &Value) -> Result<Value, ComposeError> {
        let mut x = x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            let mut inputs = HashMap::from([
                ("image", x),
                ("neurons", self.neurons[index].clone()),
                ("step", self.next_step()),
                ("smoothing", self.smoothing.clone()),
                ("colour", self.colour.clone()),
            ]);
            for (name, values) in &layer.inputs {
                let (shape, filled) = layer.filled(name, values);
                inputs.insert(name, self.b.floats(&shape, &filled));
            }
            let apart = self.apart[index].as_ref();
            let outputs = self.b.inline(layer.graph()?, &inputs, |b, node, values| apart?.instead(b, node, values));
            let mut outputs = outputs.map_err(|reason| layer.broken(reason))?;
            x = outputs.remove("dreamed").ok_or_else(|| layer.broken("it has no output `dreamed`".to_owned()))?;
            self.activations[index] = outputs.remove("activation");
            if index == 0 {
                self.objective = outputs.remove("objective");
            }
        }
        Ok(x)
    }

    fn next_step(&mut self) -> Value {
        let step = self.steps.next().expect("a step for each ascent");
        self.b.reshape(&step, &[])
    }

    /// `x` with its rows and columns in another order, the next that is given.
    fn rolled(&mut self, x: &Value) -> Value {
        let mut next = || self.rolls.next().expect("rows and columns for each roll");
        let (rows, columns) = (next(), next());
        let rolled = self.b.gather(x, &rows, 2);
        self.b.gather(&rolled, &columns, 3)
    }

    /// `x` resized as `pixel::Scaler` does it: by one product for the columns and one for the rows.
    fn resized(&mut self, x: &Value, from: (usize, usize), to: (usize, usize)) -> Value {
        let mut resized = x.clone();
        if from.0 != to.0 {
            let weights = self.b.floats(&[from.0, to.0], &transposed(&resize_weights(from.0, to.0), from.0));
            resized = self.b.op("MatMul", &[&resized, &weights], &[]);
        }
        if from.1 != to.1 {
            let weights = self.b.floats(&[to.1, from.1], &resize_weights(from.1, to.1));
            resized = self.b.op("MatMul", &[&weights, &resized], &[]);
        }
        resized
    }
}

fn planes(count: usize, (width, height): (usize, usize)) -> [Dimension; 4] {
    [count, 3, height, width].map(Dimension::Fixed)
}

/// The rows of `columns` numbers each as columns.
fn transposed(numbers: &[f32], columns: usize) -> Vec<f32> {
    let rows = numbers.len() / columns;
    (0..columns).flat_map(|column| (0..rows).map(move |row| numbers[row * columns + column])).collect()
}
