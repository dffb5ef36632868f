//! The exporter against ONNX Runtime: every operator's adjoint by finite differences, and the pack it writes.

mod adjoints;
mod network;
mod operators;
mod packs;
