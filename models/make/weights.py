"""Reads the weights of a PyTorch file without PyTorch, which would be two gigabytes to fetch for this alone.

Both networks lie in their wheels in the format that PyTorch wrote before version 1.6: pickles of a magic number, a
protocol version and the writer's type sizes, the pickled dictionary whose tensors refer to storages by key, a list of
those keys, and the storages themselves, each an element count and that many numbers.
"""

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
