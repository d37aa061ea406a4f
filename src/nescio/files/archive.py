"""NumPy's own files, without the Python objects that they can hold."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.lib.format as npy

from nescio.errors import FileError
from nescio.files.content import one_line

__all__ = ["npy_array", "npz_arrays"]

_MAX_ARRAYS = 1000
_Result = TypeVar("_Result")


def npz_arrays(path: Path, content: bytes, *, max_bytes: int, kinds: str = "iufUSb") -> dict[str, np.ndarray]:
    """Return the arrays of an archive (npz) by name.

    Args:
        path: The file, for messages.
        content: Its bytes.
        max_bytes: An archive that unpacks to more is refused before it is unpacked.
        kinds: NumPy's letters for the kinds of numbers and text that are accepted.

    Raises:
        FileError: The archive is damaged or too large, or an array is of another kind.
    """
    return _guarded(path, "archive", lambda: _arrays(path, content, max_bytes, kinds))


def npy_array(path: Path, content: bytes, *, kinds: str = "iufUSb") -> np.ndarray:
    """Return the array of a single file (npy); arguments and errors as in :func:`npz_arrays`."""
    return _guarded(path, "array", lambda: _array(path, path.stem, content, kinds))


def _guarded(path: Path, what: str, read: Callable[[], _Result]) -> _Result:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return read()
    except FileError:
        raise
    except Exception as error:  # zipfile, zlib and the npy reader fail on damaged bytes in every possible way
        raise FileError(f"{path}: is not a readable NumPy {what} ({one_line(error)})") from error


def _arrays(path: Path, content: bytes, max_bytes: int, kinds: str) -> dict[str, np.ndarray]:
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > _MAX_ARRAYS or sum(member.file_size for member in members) > max_bytes:
            raise FileError(
                f"{path}: more than {_MAX_ARRAYS} arrays, or unpacks to more than {max_bytes} bytes"
            )
        for member in members:
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as stream:
                data = stream.read(member.file_size)
            arrays[name] = _array(path, name, data, kinds)
    return arrays


def _array(path: Path, name: str, data: bytes, kinds: str) -> np.ndarray:
    """Return an array, having refused one that claims more than it holds before memory is claimed for it."""
    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject or dtype.kind not in kinds:
        raise FileError(
            f"{path}: {name[:40]!r} holds {dtype}, not numbers or text; Python objects are never loaded"
        )
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > len(data):
        raise FileError(f"{path}: {name[:40]!r} claims the shape {shape} but is cut short")
    return npy.read_array(io.BytesIO(data), allow_pickle=False)
