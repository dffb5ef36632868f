//! Rewriting a network before it is lowered: batch normalisations go into the convolutions before them, channels that are
//! picked keep their axis.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::network::{Network, Node};
use super::rules::{is_training, scale_and_shift};
use super::tensor::Tensor;

impl Network {
    /// Folds each batch normalisation into the convolution that alone feeds it. The convolution's own result is
    /// gone then, unless it is one of `keep`, whose makers stay as they are.
    pub fn fold_batch_norms(&mut self, keep: &HashSet<String>) {
        let mut uses: HashMap<&str, usize> = HashMap::new();
        let taken = self.nodes.iter().flat_map(|n| &n.inputs).chain(&self.outputs).chain(keep);
        taken.for_each(|name| *uses.entry(name).or_default() += 1);

        let makers: HashMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(index, node)| (node.output(), index)).collect();
        let mut folded = Vec::new();
        for (index, norm) in self.nodes.iter().enumerate().filter(|(_, n)| n.operator == "BatchNormalization") {
            let Some(&conv) = norm.input(0).and_then(|name| makers.get(name)) else { continue };
            if uses.get(self.nodes[conv].output()) == Some(&1)
                && let Some(weights) = self.folded_weights(&self.nodes[conv], norm)
            {
                folded.push((conv, index, weights));
            }
        }
        let mut gone = HashSet::new();
        for (conv, norm, (weights, bias)) in folded {
            let made = self.nodes[norm].output().to_owned();
            let names = [format!("{made}/weights"), format!("{made}/bias")];
            for (name, tensor) in names.iter().zip([weights, bias]) {
                self.constants.insert(name.clone(), Arc::new(tensor));
            }
            let node = &mut self.nodes[conv];
            node.inputs.truncate(1);
            node.inputs.extend(names);
            node.outputs = vec![made];
            gone.insert(norm);
        }
        let mut index = 0..;
        self.nodes.retain(|_| index.next().is_none_or(|i| !gone.contains(&i)));
    }

    /// A Gather of one channel, which loses the axis, and the Unsqueeze that brings it back become one Gather that keeps it.
    pub fn keep_axis_of_gathers(&mut self) {
        let index_of = |node: &Node| {
            let index = node.input(1).and_then(|name| self.constants.get(name)).filter(|index| index.dims.is_empty());
            index.filter(|_| node.operator == "Gather" && [1, -3].contains(&node.int("axis", 0)))
        };
        let channels: HashMap<&str, (&Node, &Arc<Tensor>)> =
            self.nodes.iter().filter_map(|node| Some((node.output(), (node, index_of(node)?)))).collect();
        let mut kept = Vec::new();
        for (place, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.operator == "Unsqueeze") {
            let axes = node.input(1).and_then(|name| self.constants.get(name)?.as_ints()).or(node.ints("axes"));
            if let Some((gather, index)) = node.input(0).and_then(|name| channels.get(name))
                && matches!(axes, Some([1 | -3]))
            {
                kept.push((place, (*gather).clone(), index.reshaped(&[1])));
            }
        }
        let lost: HashSet<String> = kept.iter().map(|(_, gather, _)| gather.output().to_owned()).collect();
        for (place, gather, index) in kept {
            let list = format!("{}/channels", self.nodes[place].output());
            self.constants.insert(list.clone(), Arc::new(index));
            let inputs = vec![gather.inputs[0].clone(), list];
            self.nodes[place] = Node { inputs, outputs: self.nodes[place].outputs.clone(), ..gather };
        }
        let taken: HashSet<&String> = self.nodes.iter().flat_map(|node| &node.inputs).chain(&self.outputs).collect();
        let gone: HashSet<String> = lost.into_iter().filter(|name| !taken.contains(name)).collect();
        self.nodes.retain(|node| !gone.contains(node.output()));
    }

    /// Weights and bias of `conv` followed by `norm`; `None` where either is not as it should be, which the rules
    /// say more about.
    fn folded_weights(&self, conv: &Node, norm: &Node) -> Option<(Tensor, Tensor)> {
        if conv.operator != "Conv" || is_training(norm) {
            return None;
        }
        let stored = |node: &Node, i: usize| node.input(i).and_then(|name| self.constants.get(name)).cloned();
        let weights = stored(conv, 1)?;
        let channels = *weights.dims.first()?;
        let epsilon = norm.float("epsilon", 1e-5);
        let numbers = (stored(norm, 1)?, stored(norm, 2)?, stored(norm, 3)?, stored(norm, 4)?);
        let (multiply, add) = scale_and_shift(&numbers.0, &numbers.1, &numbers.2, &numbers.3, epsilon).ok()?;
        let bias = match conv.input(2) {
            Some(name) => self.constants.get(name)?.as_floats()?.to_vec(),
            None => vec![0.0; channels],
        };
        let values = weights.as_floats()?;
        if multiply.len() != channels || bias.len() != channels || values.is_empty() {
            return None;
        }
        let each = values.len() / channels;
        let scaled = values.iter().enumerate().map(|(i, &w)| (f64::from(w) * multiply[i / each]) as f32).collect();
        let shifted = (0..channels).map(|i| (f64::from(bias[i]) * multiply[i] + add[i]) as f32).collect();
        Some((Tensor::floats(&weights.dims, scaled), Tensor::floats(&[channels], shifted)))
    }
}
