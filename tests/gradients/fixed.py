"""Graphs at one picture size."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime


def handed_out(path, size):
    """What is left of the graph at `path`, for a picture of height × width, when ONNX Runtime hands it to its providers; without the weights."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    for name, value in zip(("height", "width"), size):
        options.add_free_dimension_override_by_name(name, value)
    with tempfile.TemporaryDirectory(prefix="reverie-fixed-") as scratch:
        options.optimized_model_filepath = str(Path(scratch) / "graph.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath, load_external_data=False)
