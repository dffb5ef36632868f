"""A naive gradient of an ONNX network, as a control for the exporter: each operator's adjoint said in the plainest way.

A convolution goes back by ConvTranspose, a clip by Where, a largest value by looking at every position of its window in turn, a local
response normalisation by Pow and slices over channels. Fixed to one picture size.
"""

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

EPSILON = 1e-8


def gradient_step(source, layer, height, width, mean, std, bgr, target):
    """Writes the graph of one step up the gradient of ½·Σ a² of `layer` to `target`: image, step → dreamed."""
    model = onnx.load(source)
    picture = model.graph.input[0]
    for dim, size in zip(picture.type.tensor_type.shape.dim, (1, 3, height, width)):
        dim.Clear()
        dim.dim_value = size
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    Naive(model, layer, (height, width), mean, std, bgr).write(target)


class Naive:
    def __init__(self, model, layer, size, mean, std, bgr):
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.source, self.layer, self.size = model, layer, size
        self.normal = (mean, std, bgr)
        self.nodes, self.initializers, self.count = [], [], 0
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        values = [*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input]
        self.shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}

    def op(self, operator, inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"{operator}_{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, values, dtype=numpy.float32):
        self.count += 1
        name = f"constant_{self.count}"
        self.initializers.append(numpy_helper.from_array(numpy.asarray(values, dtype), name))
        return name

    def ints(self, values):
        return self.constant(values, numpy.int64)

    def write(self, target):
        picture = self.source.graph.input[0].name
        mean, std, bgr = self.normal
        x = self.op("Sub", ["image", self.constant(numpy.reshape(mean, (1, 3, 1, 1)))])
        x = self.op("Div", [x, self.constant(numpy.reshape(std, (1, 3, 1, 1)))])
        flip = lambda v: self.op("Gather", [v, self.ints([2, 1, 0])], axis=1) if bgr else v
        names, tape = {picture: flip(x)}, []
        for node in self.needed():
            inputs = [names.get(i, i) for i in node.input]
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
                continue
            if all(i in self.constants or not i for i in node.input):
                raise ValueError(f"{node.op_type} of constants only")
            for i in inputs:
                if i in self.constants and all(t.name != i for t in self.initializers):
                    self.initializers.append(numpy_helper.from_array(self.constants[i], i))
            if node.op_type in ("Dropout", "Identity"):
                names[node.output[0]] = inputs[0]
            else:
                attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
                names[node.output[0]] = self.op(node.op_type, inputs, **attributes)
            tape.append((node, inputs, names[node.output[0]]))
        gradients = {self.layer: names[self.layer]}
        for node, inputs, output in reversed(tape):
            g = gradients.pop(node.output[0], None)
            if g is None:
                continue
            for name, part in self.adjoint(node, inputs, output, g):
                gradients[name] = self.op("Add", [gradients[name], part]) if name in gradients else part
        g = self.op("Div", [flip(gradients[picture]), self.constant(numpy.reshape(std, (1, 3, 1, 1)))])
        strength = self.op("Add", [self.op("ReduceMean", [self.op("Abs", [g])], keepdims=0), self.constant(EPSILON)])
        step = self.op("Mul", [self.op("Div", [g, strength]), "step"])
        self.nodes.append(
            helper.make_node("Clip", [self.op("Add", ["image", step]), self.constant(0.0), self.constant(1.0)], ["dreamed"])
        )
        shape = [1, 3, *self.size]
        inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape),
                  helper.make_tensor_value_info("step", TensorProto.FLOAT, [])]
        outputs = [helper.make_tensor_value_info("dreamed", TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "naive", inputs, outputs, self.initializers)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), target)

    def needed(self):
        """The nodes that the layer depends on, in order."""
        wanted, nodes = {self.layer}, []
        for node in reversed(self.source.graph.node):
            if wanted & set(node.output):
                wanted |= set(node.input)
                nodes.append(node)
        return reversed(nodes)

    def adjoint(self, node, inputs, output, g):
        rule = getattr(self, f"back_{node.op_type.lower()}", None)
        if rule is None:
            raise ValueError(f"no naive adjoint for {node.op_type}")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return rule(node, inputs, output, g, attributes)

    def back_identity(self, node, _inputs, _output, g, _attributes):
        return [(node.input[0], g)]

    back_dropout = back_identity

    def back_add(self, node, _inputs, _output, g, _attributes):
        return [(name, g) for name in node.input if name not in self.constants]

    def back_concat(self, node, _inputs, _output, g, _attributes):
        sizes = [self.shapes[name][1] for name in node.input]
        return list(zip(node.input, self.op("Split", [g, self.ints(sizes)], outputs=len(sizes), axis=1)))

    def back_relu(self, node, inputs, _output, g, _attributes):
        above = self.op("Greater", [inputs[0], self.constant(0.0)])
        return [(node.input[0], self.op("Where", [above, g, self.constant(0.0)]))]

    def back_clip(self, node, inputs, _output, g, attributes):
        low, high = (
            float(self.constants[node.input[i]]) if len(node.input) > i else attributes[name] for i, name in ((1, "min"), (2, "max"))
        )
        above = self.op("Greater", [inputs[0], self.constant(low)])
        below = self.op("Less", [inputs[0], self.constant(high)])
        return [(node.input[0], self.op("Where", [self.op("And", [above, below]), g, self.constant(0.0)]))]

    def back_batchnormalization(self, node, _inputs, _output, g, attributes):
        scale, _, _, variance = (self.constants[name] for name in node.input[1:5])
        factor = scale / numpy.sqrt(variance + attributes.get("epsilon", 1e-5))
        return [(node.input[0], self.op("Mul", [g, self.constant(factor.reshape(1, -1, 1, 1))]))]

    def back_conv(self, node, inputs, _output, g, attributes):
        kernel = self.constants[node.input[1]].shape[2:]
        return [(node.input[0], self.transposed(node, inputs[1], g, kernel, attributes, attributes.get("group", 1)))]

    def transposed(self, node, weights, g, kernel, attributes, group):
        """Transposed convolution with the window of `node`, cropped to its input."""
        size, (top, left, *_rest) = self.shapes[node.input[0]][2:], self.begin(node, kernel, attributes)
        strides = attributes.get("strides", [1, 1])
        whole = self.op("ConvTranspose", [g, weights], strides=strides, group=group, kernel_shape=list(kernel),
                        output_padding=[s - 1 for s in strides])
        # What the last windows do not reach is 0.
        reach = [(n - 1) * s + k + s - 1 for n, s, k in zip(self.shapes[node.output[0]][2:], strides, kernel)]
        more = [max(0, begin + n - r) for begin, n, r in zip((top, left), size, reach)]
        if any(more):
            whole = self.op("Pad", [whole, self.ints([0, 0, 0, 0, 0, 0, *more])])
        return self.op("Slice", [whole, self.ints([top, left]), self.ints([top + size[0], left + size[1]]), self.ints([2, 3])])

    def begin(self, node, kernel, attributes):
        if attributes.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
            total = [
                max((n - 1) * s + k - size, 0)
                for n, s, k, size in zip(self.shapes[node.output[0]][2:], attributes.get("strides", [1, 1]), kernel,
                                         self.shapes[node.input[0]][2:])
            ]
            return [t // 2 for t in total] + [t - t // 2 for t in total]
        return attributes.get("pads", [0] * 4)

    def back_averagepool(self, node, _inputs, _output, g, attributes):
        kernel, channels = attributes["kernel_shape"], self.shapes[node.input[0]][1]
        weights = self.constant(numpy.full((channels, 1, *kernel), 1 / numpy.prod(kernel)))
        return [(node.input[0], self.transposed(node, weights, g, kernel, attributes, channels))]

    def back_maxpool(self, node, inputs, output, g, attributes):
        kernel, channels = attributes["kernel_shape"], self.shapes[node.input[0]][1]
        strides = attributes.get("strides", [1, 1])
        top, left, *_ = self.begin(node, kernel, attributes)
        height, width = self.shapes[node.output[0]][2:]
        size = self.shapes[node.input[0]][2:]
        ends = [max(0, (n - 1) * s + k - begin - m)
                for n, s, k, begin, m in zip((height, width), strides, kernel, (top, left), size)]
        padded = self.op("Pad", [inputs[0], self.ints([0, 0, top, left, 0, 0, *ends]), self.constant(-1e30)])
        total, taken = None, None
        for row in range(kernel[0]):
            for column in range(kernel[1]):
                last = [row + (height - 1) * strides[0] + 1, column + (width - 1) * strides[1] + 1]
                seen = self.op("Slice", [padded, self.ints([row, column]), self.ints(last), self.ints([2, 3]), self.ints(strides)])
                won = self.op("Equal", [seen, output])
                if taken is not None:
                    won = self.op("And", [won, self.op("Not", [taken])])
                taken = won if taken is None else self.op("Or", [taken, won])
                part = self.op("Where", [won, g, self.constant(0.0)])
                tap = numpy.zeros((channels, 1, *kernel))
                tap[:, :, row, column] = 1
                part = self.transposed(node, self.constant(tap), part, kernel, attributes, channels)
                total = part if total is None else self.op("Add", [total, part])
        return [(node.input[0], total)]

    def back_lrn(self, node, inputs, _output, g, attributes):
        size, alpha = attributes["size"], attributes.get("alpha", 1e-4)
        beta, bias = attributes.get("beta", 0.75), attributes.get("bias", 1.0)
        x, channels = inputs[0], self.shapes[node.input[0]][1]
        before = (size - 1) // 2
        after = size - 1 - before

        def neighbours(v, before, after):
            padded = self.op("Pad", [v, self.ints([0, before, 0, 0, 0, after, 0, 0])])
            parts = [self.op("Slice", [padded, self.ints([i]), self.ints([i + channels]), self.ints([1])]) for i in range(size)]
            return self.op("Sum", parts)

        squares = neighbours(self.op("Mul", [x, x]), before, after)
        base = self.op("Add", [self.op("Mul", [squares, self.constant(alpha / size)]), self.constant(bias)])
        direct = self.op("Mul", [g, self.op("Pow", [base, self.constant(-beta)])])
        ratio = self.op("Mul", [self.op("Mul", [g, x]), self.op("Pow", [base, self.constant(-beta - 1)])])
        factor = self.op("Mul", [x, self.constant(2 * alpha * beta / size)])
        return [(node.input[0], self.op("Sub", [direct, self.op("Mul", [factor, neighbours(ratio, after, before)])]))]
