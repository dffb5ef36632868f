"""Who takes part, and how they are timed."""

import statistics
import time

import naive
import numpy
import onnx
import onnxruntime
import torch
from networks import picture
from onnx import TensorProto, helper, numpy_helper
from torch.fx.experimental.proxy_tensor import make_fx

STEP = 1.75 / 255
# Threads spin for up to a tenth of a second after a run, PyTorch's as well as ONNX Runtime's: while they use more than this share
# of a processor they are in another's way.
IDLE = 0.1
MOMENT = 0.01
LEAST_TURNS = 5
WARM_UP = 2


def compare(entry, graph, size, threads, seconds, scratch):
    """Lets all take turns for so many seconds; a row of medians in ms, and of ratios to ours."""
    file, macs = graph
    image = picture(*size, 1)
    torch.set_num_threads(threads)
    steps = {"ours": ours(file, threads, image), "eager": eager(entry, image), "naive": plain(entry, threads, image, scratch)}
    if entry.is_compiled:
        steps["compiled"] = compiled(entry, image)
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
    times = {name: [] for name in steps}
    rates = []
    conv = best_convolutions(threads)
    begun = time.perf_counter()
    while len(rates) < LEAST_TURNS or time.perf_counter() - begun < seconds:
        for name, step in steps.items():
            times[name].append(1e3 * timed(step))
        rates.append(max(macs / timed(run) for run, macs in conv))
    limit = 1e3 * macs * size[0] * size[1] / statistics.median(rates)
    ratios = {
        name: statistics.median(other / own for own, other in zip(times["ours"], values)) for name, values in times.items()
    }
    return {
        "network": entry.name,
        "layer": entry.layer,
        "size": f"{size[1]}×{size[0]}",
        "threads": threads,
        "turns": len(rates),
        "times": {name: statistics.median(values) for name, values in times.items()},
        "ratios": ratios,
        "limit": limit,
    }


def timed(step):
    """Seconds of a step that follows on another of its own kind, as they do in a dream, when nobody else's threads spin any more."""
    busy = IDLE
    while busy >= IDLE:
        before = time.process_time()
        time.sleep(MOMENT)
        busy = (time.process_time() - before) / MOMENT
    step()
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def session(model, threads, size=None):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    for name, value in zip(("height", "width"), size or ()):
        options.add_free_dimension_override_by_name(name, value)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def ours(file, threads, image):
    graph = session(file, threads, image.shape[2:])
    channels = next(i.shape[0] for i in graph.get_inputs() if i.name == "neurons")
    feed = {"image": image.numpy(), "neurons": numpy.ones(channels, numpy.float32)}
    feed |= {name: numpy.array(value, numpy.float32) for name, value in (("step", STEP), ("smoothing", 1), ("colour", 0.3))}
    # No other picture leads: features and maps of ones, shares of 0.
    for led in (i for i in graph.get_inputs() if i.name not in feed):
        feed[led.name] = numpy.full([n if isinstance(n, int) else 1 for n in led.shape], bool(led.shape), numpy.float32)
    return lambda: graph.run(["dreamed", "activation"], feed)


def plain(entry, threads, image, scratch):
    network = entry.network
    source = network.export(scratch / f"{entry.name}.onnx".replace(" ", "-"))
    target = scratch / "naive.onnx"
    naive.gradient_step(source, entry.layer, *image.shape[2:], network.mean, network.std, network.bgr, target)
    graph = session(target, threads)
    feed = {"image": image.numpy(), "step": numpy.array(STEP, numpy.float32)}
    return lambda: graph.run(["dreamed"], feed)


def eager(entry, image):
    return climbing(lambda x: entry.network.activation(x, entry.layer), image)


def compiled(entry, image):
    """Eager's step with the network there and back compiled."""
    # The hook and the exception by which a layer is reached are not for a compiler: it is given the operations between.
    torch._dynamo.reset()
    forward = torch.compile(make_fx(lambda x: entry.network.activation(x, entry.layer))(image))
    return climbing(forward, image)


def climbing(forward, image):
    def step():
        x = image.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(0.5 * forward(x).square().sum(), x)
        return (image + STEP * gradient / (gradient.abs().mean() + 1e-8)).clamp(0, 1)

    return step


def best_convolutions(threads):
    """Convolutions that ONNX Runtime is good at, with their multiply-adds: pointwise and 3×3, of channels as deep layers have."""
    return [convolution(threads, *shape) for shape in ((128, 3, 48, 80), (256, 3, 24, 40), (256, 1, 48, 80), (512, 1, 24, 40))]


def convolution(threads, channels, kernel, height, width):
    weights = numpy.random.default_rng(1).standard_normal((channels, channels, kernel, kernel)).astype(numpy.float32)
    # Several in a row: what it costs to give the first its layout and to take the last one's is not counted as theirs.
    many, nodes = 8, []
    for i in range(many):
        nodes.append(helper.make_node("Conv", [f"x{i}", "w"], [f"x{i + 1}"], pads=[kernel // 2] * 4))
    shape = [1, channels, height, width]
    graph = helper.make_graph(
        nodes, "convolutions", [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"x{many}", TensorProto.FLOAT, shape)], [numpy_helper.from_array(weights * 0.01, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    run = session(model.SerializeToString(), threads)
    feed = {"x0": numpy.ones(shape, numpy.float32)}
    return lambda: run.run(None, feed), many * channels * channels * kernel**2 * height * width
