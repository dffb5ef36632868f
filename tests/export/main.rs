//! The exporter against ONNX Runtime: every operator's adjoint by finite differences, networks as they are found, and the pack it
//! writes.

mod adjoints;
mod apart;
mod cases;
mod classes;
mod command;
mod halves;
mod led;
mod malformed;
mod network;
mod operators;
mod packs;
