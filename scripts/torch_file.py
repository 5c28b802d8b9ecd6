"""Reads the tensors of a file that torch.save wrote, without PyTorch and without running any code of it.

torch.save pickles, and a pickle is a program. This reader knows the handful of
functions that plain tensors are made with and refuses a file that asks for
another. Two layouts exist (torch/serialization.py):

    from PyTorch 1.6 on   a zip archive, stored: NAME/data.pkl, and NAME/data/KEY for each storage
    before                pickles in a row: a magic number, the protocol 1001, the writer's system,
                          the object, the keys of its storages; then each storage: int64 count, values
"""

import functools
import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip


class TorchFileError(ValueError):
    """Says in one sentence why a file is not read."""


def read(path):
    """Returns the pickled object of path: dicts, lists and numbers, with NumPy arrays for tensors."""
    try:
        with open(path, "rb") as file:
            return _read_zip(file) if zipfile.is_zipfile(file) else _read_pickles(file)
    except TorchFileError:
        raise
    except Exception as error:  # a damaged pickle raises what its instructions happen to
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TorchFileError(f"the file cannot be read as PyTorch weights ({reason[:200]}); expected what torch.save writes") from error


def _read_zip(file):
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        (pickled,) = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        folder = pickled.removesuffix("data.pkl")
        if folder + "constants.pkl" in names:
            raise TorchFileError("the file is a TorchScript program; expected weights alone, as torch.save(model.state_dict(), FILE) writes them")
        packed = next((member.filename for member in archive.infolist() if member.compress_type != zipfile.ZIP_STORED), None)
        if packed is not None:
            raise TorchFileError(f"its member {packed!r} is compressed; expected a file as torch.save writes it, which compresses nothing")
        order = archive.read(folder + "byteorder").decode() if folder + "byteorder" in names else "little"
        swap = {"little": "<", "big": ">"}[order]

        @functools.cache  # tensors may share a storage
        def storage(dtype, key, count):
            return np.frombuffer(archive.read(f"{folder}data/{key}"), swap + dtype, count)

        return _Unpickler(io.BytesIO(archive.read(pickled)), storage).load()


def _read_pickles(file):
    def no_storage(*_):
        raise TorchFileError("a storage stands where none does; expected what torch.save writes")

    def header():
        return _Unpickler(file, no_storage).load()

    file.seek(0)
    if header() != MAGIC or header() != _PROTOCOL:
        raise TorchFileError("the file is a pickle that PyTorch did not write; expected what torch.save writes")
    swap = "<" if header()["little_endian"] else ">"

    # The values come after the object, so storages are empty until then.
    storages = {}

    def storage(dtype, key, count):
        if count < 0 or count > file_size:
            raise TorchFileError(f"a storage says {count} values; the file has fewer bytes")
        return storages.setdefault(key, np.zeros(count, swap + dtype))

    here = file.tell()
    file_size = file.seek(0, io.SEEK_END)
    file.seek(here)
    loaded = _Unpickler(file, storage).load()
    for key in header():
        values = storages[key]
        (count,) = struct.unpack(swap + "q", file.read(8))
        data = file.read(values.nbytes)
        if count != len(values) or len(data) != values.nbytes:
            raise TorchFileError(f"storage {key} is cut short or of another size; expected the whole file")
        values[:] = np.frombuffer(data, values.dtype)
    return loaded


class _Unpickler(pickle.Unpickler):
    """Unpickles tensors over the storages that storage(dtype, key, count) returns."""

    def __init__(self, file, storage):
        super().__init__(file, encoding="utf-8")
        self._storage = storage

    def find_class(self, module, name):
        """Returns what stands for a global of the pickle: what makes tensors, and nothing else."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: _tensor(storage, offset, size, stride)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        if (module, name) == ("torch", "Size"):
            return lambda sizes: tuple(sizes)
        if module == "torch" and name in _DTYPES:
            return name
        raise TorchFileError(f"the file asks for {module}.{name}, which is more than tensors; expected weights alone, as torch.save(model.state_dict(), FILE) writes them")

    def persistent_load(self, pid):
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or dtype not in _DTYPES or any(view):
            raise TorchFileError("a storage is of an unknown kind; expected what torch.save writes")
        return self._storage(_DTYPES[dtype], key, count)


def _tensor(storage, offset, size, stride):
    """Returns the view that a tensor is of its storage."""
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    inside = len(size) == len(stride) and min((offset, *size, *stride)) >= 0 and (0 in size or last < len(storage)) and math.prod(size) <= len(storage)
    if not inside or len(size) > 8:
        raise TorchFileError(f"a tensor of shape {tuple(size)} lies outside of its storage; the file is damaged")
    return np.lib.stride_tricks.as_strided(storage[offset:], size, [step * storage.itemsize for step in stride])
