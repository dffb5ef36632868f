"""Where ONNX's own reference of an operator is wrong, or takes minutes."""

import numpy
import torch
import torch.nn.functional as F
from onnx.reference.op_run import OpRun
from onnx.reference.ops import op_conv


class Conv(op_conv.Conv):
    """The reference goes through groups one by one, in Python."""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None, strides=None):
        if group in (None, 1) or auto_pad not in (None, "NOTSET"):
            return super()._run(x, w, b, auto_pad, dilations, group, kernel_shape, pads, strides)
        top, left, bottom, right = pads or [0] * 4
        x, w, b = (None if values is None else torch.tensor(values.copy()) for values in (x, w, b))
        x = F.pad(x, (left, right, top, bottom))
        return (F.conv2d(x, w, b, strides or 1, 0, dilations or 1, group).numpy(),)


class MaxPool(OpRun):
    """The largest of each window. The reference pads one axis wrongly where the other is not padded (onnx 1.23)."""

    def _run(self, x, auto_pad, ceil_mode, dilations, kernel_shape, pads, storage_order, strides):
        assert auto_pad in (None, "NOTSET") and all(d == 1 for d in dilations or [1])
        pads, strides = pads or [0] * 4, strides or [1, 1]
        begin, end = pads[:2], pads[2:]
        # Rounded up, a window may reach beyond the padding, but not begin there.
        more = [stride - 1 if ceil_mode else 0 for stride in strides]
        around = [(0, 0), (0, 0), *((b, e + m) for b, e, m in zip(begin, end, more))]
        padded = numpy.pad(x, around, constant_values=-numpy.inf)
        windows = numpy.lib.stride_tricks.sliding_window_view(padded, kernel_shape, axis=(2, 3))
        largest = windows[:, :, :: strides[0], :: strides[1]].max(axis=(4, 5))
        counts = [-(-(size + b) // stride) for size, b, stride in zip(x.shape[2:], begin, strides)]
        return (largest[:, :, : counts[0], : counts[1]],)
