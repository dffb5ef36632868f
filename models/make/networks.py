#!/usr/bin/env python3
"""Writes a shipped network as ONNX, from the weights in its package.

The networks are written node by node with onnx.helper. All take `image`, [1, 3, height, width] and already
normalised (the exporter puts mean and standard deviation in front), and name each block's output, which is what
is dreamed: `features.N` in MobileNetV2, `blocks.N` in EfficientNet-Lite0, `conv128_2` and the like in the faces.
"""

import argparse

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

import weights


class Graph:
    """An ONNX graph that grows at its end; every method returns the name of the tensor it made."""

    def __init__(self, arrays, epsilon):
        self.arrays, self.epsilon = arrays, epsilon
        self.nodes, self.initializers, self.used = [], [], set()

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{op}:{output}", **attributes))
        return output

    def constant(self, name, values):
        self.initializers.append(numpy_helper.from_array(numpy.ascontiguousarray(values, numpy.float32), name))
        return name

    def weight(self, name):
        if name not in self.used:
            self.initializers.append(numpy_helper.from_array(self.arrays[name].astype(numpy.float32), name))
            self.used.add(name)
        return name

    def conv(self, x, conv, norm, output=None, stride=1, padding=None):
        """A convolution without bias, and its batch normalisation."""
        kernel = self.arrays[conv + ".weight"].shape
        groups = kernel[0] if kernel[1] == 1 else 1
        if padding == "same":  # TensorFlow's: as much as the size needs, the odd pixel at right and bottom
            where = {"auto_pad": "SAME_UPPER"}
        else:
            where = {"pads": [kernel[2] // 2] * 4}
        y = self.node(
            "Conv", [x, self.weight(conv + ".weight")], conv + ".out",
            kernel_shape=kernel[2:], strides=[stride, stride], group=groups, **where,
        )
        statistics = [self.weight(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        return self.node("BatchNormalization", [y, *statistics], output or norm + ".out", epsilon=self.epsilon)

    def relu6(self, x, output=None):
        for name, value in (("zero", 0), ("six", 6)):
            if name not in self.used:
                self.initializers.append(numpy_helper.from_array(numpy.float32(value), name))
                self.used.add(name)
        return self.node("Clip", [x, "zero", "six"], output or x + ".relu6")

    def model(self, name, output, shape):
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, name, [image], [result], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="reverie models/make")
        model.ir_version = 8
        left = {n for n in self.arrays if n not in self.used and not n.endswith("num_batches_tracked")}
        assert not left, f"weights that the network did not use: {sorted(left)}"
        onnx.checker.check_model(model, full_check=True)
        return model


def mobilenet_v2(arrays):
    """MobileNetV2 1.0 without its classifier (Sandler et al. 2018), padding on both sides as PyTorch does."""
    g = Graph(arrays, epsilon=1e-5)
    x = g.relu6(g.conv("image", "features.0.0", "features.0.1", stride=2), "features.0")
    block, channels = 0, 32
    for expansion, width, repeats, first_stride in [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]:
        for repeat in range(repeats):
            block, stride = block + 1, first_stride if repeat == 0 else 1
            name, part, y = f"features.{block}", 0, x
            if expansion != 1:
                y = g.relu6(g.conv(y, f"{name}.conv.0", f"{name}.conv.1"))
                part = 3
            y = g.relu6(g.conv(y, f"{name}.conv.{part}", f"{name}.conv.{part + 1}", stride=stride))
            residual = stride == 1 and channels == width
            y = g.conv(y, f"{name}.conv.{part + 3}", f"{name}.conv.{part + 4}", output=None if residual else name)
            x = g.node("Add", [y, x], name) if residual else y
            channels = width
    x = g.relu6(g.conv(x, "features.18.0", "features.18.1"), "features.18")
    return g.model("MobileNetV2", x, [1, 1280, None, None])


def efficientnet_lite0(arrays):
    return efficientnet_lite(arrays, "EfficientNet-Lite0")


def efficientnet_lite(arrays, title):
    """EfficientNet-Lite with its classifier (Tan and Le 2019; Google's "lite" variant), padding as TensorFlow does.

    How often a block repeats and how wide it is differs between Lite0 to Lite4, and is seen from the weights."""
    g = Graph(arrays, epsilon=1e-3)
    x = g.relu6(g.conv("image", "_conv_stem", "_bn0", stride=2, padding="same"), "stem")
    block, channels, strides = 0, 32, iter([1, 2, 2, 2, 1, 2, 1])
    while (source := f"_blocks.{block}.") + "_project_conv.weight" in arrays:
        width, name, y = arrays[source + "_project_conv.weight"].shape[0], f"blocks.{block}", x
        stride = next(strides) if width != channels else 1
        if source + "_expand_conv.weight" in arrays:
            y = g.relu6(g.conv(y, source + "_expand_conv", source + "_bn0"))
        y = g.relu6(g.conv(y, source + "_depthwise_conv", source + "_bn1", stride=stride, padding="same"))
        residual = width == channels
        y = g.conv(y, source + "_project_conv", source + "_bn2", output=None if residual else name)
        x = g.node("Add", [y, x], name) if residual else y
        block, channels = block + 1, width
    x = g.relu6(g.conv(x, "_conv_head", "_bn1"), "head")
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x], "pooled")], "features")
    x = g.node("Gemm", [x, g.weight("_fc.weight"), g.weight("_fc.bias")], "logits", transB=1)
    return g.model(title, g.node("Softmax", [x], "scores", axis=1), [1, 1000])


def faces(arrays):
    """dlib's ResNet-29 for faces as face-api has it, as far as it is dreamed: nobody is told from anybody by what is left.

    A kernel has a bias, and then a scale and another bias for each channel: one kernel and one bias here. Where a block halves
    the maps, its first kernel is not padded: of an even size it leaves a row less than the pool beside it does, and the original
    fills up with zeros behind the block. Here the picture below that kernel is padded at the bottom and right instead, so that both
    have equal sizes always; the last row and column alone differ, of even sizes."""
    g = Graph(arrays, epsilon=None)

    def conv(x, name, output, stride=1, pads=(1, 1, 1, 1)):
        taken = [arrays[f"{name}/{part}"] for part in ("conv/filters", "conv/bias", "scale/weights", "scale/biases")]
        g.used.update(f"{name}/{part}" for part in ("conv/filters", "conv/bias", "scale/weights", "scale/biases"))
        filters, bias, scale, biases = taken
        kernel = g.constant(name + ".weight", (filters * scale).transpose(3, 2, 0, 1))
        bias = g.constant(name + ".bias", bias * scale + biases)
        return g.node("Conv", [x, kernel, bias], output, kernel_shape=filters.shape[:2], strides=[stride, stride], pads=pads)

    def relu(x, output):
        return g.node("Relu", [x], output)

    x = relu(conv("image", "conv32_down", "conv32_down.sum", stride=2, pads=[0] * 4), "conv32_down")
    x = g.node("MaxPool", [x], "pool", kernel_shape=[3, 3], strides=[2, 2])
    for name in ["conv32_1", "conv32_2", "conv32_3", "conv64_down", "conv64_1", "conv64_2", "conv64_3", "conv128_down", "conv128_1"]:
        halves = name.endswith("_down")
        beside = {"stride": 2, "pads": [0, 0, 1, 1]} if halves else {}
        y = relu(conv(x, f"{name}/conv1", f"{name}.sum1", **beside), f"{name}.relu1")
        y = conv(y, f"{name}/conv2", f"{name}.sum2")
        if halves:
            x = g.node("AveragePool", [x], f"{name}.pool", kernel_shape=[2, 2], strides=[2, 2])
            outputs, inputs = arrays[f"{name}/conv2/conv/filters"].shape[3], arrays[f"{name}/conv1/conv/filters"].shape[2]
            # As many channels again, of zeros.
            x = g.node("Conv", [x, g.constant(f"{name}.wider", numpy.eye(outputs, inputs)[:, :, None, None])], f"{name}.shortcut", kernel_shape=[1, 1])
        x = relu(g.node("Add", [y, x], f"{name}.sum"), name)
    g.used.update(name for name in arrays if name.startswith(("conv128_2/", "conv256_")) or name == "fc")
    return g.model("Faces", x, [1, 128, None, None])


# How much of a colour the letters see as grey, and how grey it is: blue, green, red.
GREY, LUMA = 0.85, (0.114, 0.587, 0.299)


def letters(model):
    """PP-OCRv4's detector of text as it is in its wheel, but for its first kernel, which sees colours paled: it was trained to find text of every
    colour, and of its own accord it dreams in green and magenta."""
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    assert first.input[0] == model.graph.input[0].name
    kernel = next(node for node in model.graph.node if first.input[1] in node.output).attribute[0].t
    paled = (1 - GREY) * numpy.eye(3) + GREY * numpy.ones((3, 1)) * numpy.array(LUMA)
    values = numpy.einsum("ocij,cd->odij", numpy_helper.to_array(kernel).astype(numpy.float64), paled)
    kernel.CopyFrom(numpy_helper.from_array(values.astype(numpy.float32), kernel.name))
    onnx.checker.check_model(model)
    return model


# How each is written, and how its weights are read.
NETWORKS = {
    "mobilenet-v2": (mobilenet_v2, weights.read),
    "efficientnet-lite0": (efficientnet_lite0, weights.read),
    "faces": (faces, weights.read_manifest),
    "letters": (letters, onnx.load),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("weights", help="the PyTorch file from the wheel, or the manifest of the weights from the package")
    parser.add_argument("onnx", help="the file to write")
    args = parser.parse_args()
    write, read = NETWORKS[args.network]
    onnx.save(write(read(args.weights)), args.onnx)


if __name__ == "__main__":
    main()
