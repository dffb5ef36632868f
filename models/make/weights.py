"""Reads weights without the libraries that wrote them, which would be gigabytes to fetch for this alone.

MobileNetV2 and EfficientNet-Lite0 lie in their wheels in the format that PyTorch wrote before version 1.6 (`read`): pickles of
a magic number, a protocol version and the writer's type sizes, the pickled dictionary whose tensors refer to storages by key,
a list of those keys, and the storages themselves, each an element count and that many numbers. The faces lie as TensorFlow.js
has it (`read_manifest`): a list of tensors, and their numbers one after the other, most of them in bytes.
"""

import json
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "DoubleStorage": "<f8", "LongStorage": "<i8", "IntStorage": "<i4"}


class _Storage:
    """A block of numbers, filled in after the dictionary that refers to it was read."""

    def __init__(self, dtype, size):
        self.dtype, self.size, self.data = numpy.dtype(dtype), size, None


class _Tensor:
    """What the file says of a tensor: a view of a storage."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self):
        strides = [stride * self.storage.dtype.itemsize for stride in self.strides]
        view = numpy.lib.stride_tricks.as_strided(self.storage.data[self.offset :], self.shape, strides, writeable=False)
        return view.copy()


class _Unpickler(pickle.Unpickler):
    """Knows the few names that a dictionary of tensors consists of, and runs nothing else a file might ask for."""

    def __init__(self, file, storages):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"the file refers to {module}.{name}, which is no part of a dictionary of tensors")

    def persistent_load(self, reference):
        kind, dtype, key, _device, size, view = reference
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"unknown kind of reference: {kind}")
        return self.storages.setdefault(key, _Storage(dtype, size))


def read(path):
    """The weights in the file `path`: name -> numpy array."""
    storages = {}
    with open(path, "rb") as file:
        if _Unpickler(file, storages).load() != MAGIC:
            raise ValueError(f"{Path(path).name} is not a PyTorch file of the old format")
        _protocol, _type_sizes = _Unpickler(file, storages).load(), _Unpickler(file, storages).load()
        tensors = _Unpickler(file, storages).load()
        for key in _Unpickler(file, storages).load():
            storage = storages[key]
            size = int.from_bytes(file.read(8), "little")
            if size != storage.size:
                raise ValueError(f"{Path(path).name}: storage {key} has {size} numbers, not {storage.size}")
            storage.data = numpy.frombuffer(file.read(size * storage.dtype.itemsize), storage.dtype)
    return {name: tensor.array() for name, tensor in tensors.items()}


def read_manifest(manifest):
    """The weights that TensorFlow.js's manifest `manifest` lists, out of the file beside it: name -> numpy array."""
    arrays = {}
    for group in json.loads(Path(manifest).read_text()):
        (name,) = group["paths"]
        data, begin = (Path(manifest).parent / name).read_bytes(), 0
        for tensor in group["weights"]:
            quantised = tensor.get("quantization", {"dtype": tensor["dtype"], "scale": 1, "min": 0})
            dtype = numpy.dtype(quantised["dtype"]).newbyteorder("<")
            count = int(numpy.prod(tensor["shape"]))
            stored = numpy.frombuffer(data, dtype, count, begin).astype(numpy.float64)
            arrays[tensor["name"]] = (stored * quantised["scale"] + quantised["min"]).reshape(tensor["shape"])
            begin += count * dtype.itemsize
        if begin != len(data):
            raise ValueError(f"{name} has {len(data)} bytes, its manifest lists {begin}")
    return arrays
