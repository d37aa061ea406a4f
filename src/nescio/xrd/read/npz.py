"""Patterns in NumPy archives."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from pathlib import Path

import numpy as np
import numpy.lib.format as npy
import xarray as xr

from nescio.errors import FileError
from nescio.xrd.read.measured import MAX_BYTES
from nescio.xrd.read.named import dataset_from_named

__all__ = ["read_npz"]

_MAX_ARRAYS = 1000


def read_npz(path: Path, content: bytes, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read an archive of arrays named as in :func:`nescio.xrd.read.named.dataset_from_named`.

    Raises:
        FileError: The archive is damaged, holds Python objects, or lacks an axis or intensities.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            arrays = _arrays(path, content)
    except FileError:
        raise
    except Exception as error:  # zipfile, zlib and the npy reader fail on damaged bytes in every possible way
        raise FileError(f"{path}: is not a readable NumPy archive ({_one_line(error)})") from error
    return dataset_from_named(path, arrays, {}, axis=axis, wavelength=wavelength)


def _arrays(path: Path, content: bytes) -> dict[str, np.ndarray]:
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > _MAX_ARRAYS or sum(member.file_size for member in members) > MAX_BYTES:
            raise FileError(
                f"{path}: more than {_MAX_ARRAYS} arrays, or unpacks to more than {MAX_BYTES} bytes"
            )
        for member in members:
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as stream:
                data = stream.read(member.file_size)
            _check_header(path, name, data)
            arrays[name] = npy.read_array(io.BytesIO(data), allow_pickle=False)
    return arrays


def _check_header(path: Path, name: str, data: bytes) -> None:
    """Refuse an array that claims more than it holds, before memory is claimed for it."""
    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject or dtype.kind not in "iufUSb":
        raise FileError(
            f"{path}: {name[:40]!r} holds {dtype}, not numbers or text; Python objects are never loaded"
        )
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > len(data):
        raise FileError(f"{path}: {name[:40]!r} claims the shape {shape} but is cut short")


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
