"""Readers of NumPy's npy and npz files that never load Python objects."""

from __future__ import annotations

import io
import math
import warnings
from typing import TYPE_CHECKING

from nescio.errors import FileError
from nescio.files.messages import one_line
from nescio.files.source import Source
from nescio.files.unpacking import opened_zip, zip_member

if TYPE_CHECKING:
    import numpy as np

__all__ = ["npy_array", "npz_arrays"]

_LONGEST_HEADER = 10_000
_LAST_CHARACTER = 0x10FFFF


def npz_arrays(source: Source, *, kinds: str = "iufUSb") -> dict[str, np.ndarray]:
    """Return the arrays of an archive (npz) by name.

    Args:
        source: The archive.
        kinds: Accepted kinds of numbers and text, as NumPy's letters.

    Raises:
        FileError: The archive is damaged or exceeds its memory budget, or an array has another kind.
    """
    with opened_zip(source, "NumPy archive") as archive:
        return {
            (name := member.filename.removesuffix(".npy")): _array(
                source, name, zip_member(source, archive, member), kinds
            )
            for member in archive.infolist()
        }


def npy_array(source: Source, *, kinds: str = "iufUSb") -> np.ndarray:
    """Return the array of a single file (npy); arguments and errors as in :func:`npz_arrays`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _array(source, source.path.stem, source.content, kinds)
    except FileError:
        raise
    except Exception as error:  # NumPy fails on damaged bytes in every possible way
        raise FileError(f"{source.name}: is not a readable NumPy array ({one_line(error)})") from error


def _array(source: Source, name: str, data: bytes | bytearray, kinds: str) -> np.ndarray:
    """Return an array; check the size that its header claims before memory is allocated."""
    import numpy as np
    import numpy.lib.format as npy

    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(stream, max_header_size=_LONGEST_HEADER)
    if dtype.hasobject or dtype.kind not in kinds:
        raise FileError(
            f"{source.name}: {name[:40]!r} holds {str(dtype)[:60]}, not numbers or text;"
            " Python objects are never loaded"
        )
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size > len(data) - stream.tell():
        raise FileError(f"{source.name}: {name[:40]!r} claims the shape {shape} but is cut short")
    if max(shape, default=0) > 2**62 or len(shape) > 32:
        raise FileError(f"{source.name}: {name[:40]!r} claims the shape {str(shape)[:60]}, which cannot be")
    values = np.frombuffer(data, dtype, math.prod(shape), stream.tell()) if size else np.zeros(0, dtype)
    if dtype.kind == "U" and values.size and values.view(f"{dtype.byteorder}u4").max() > _LAST_CHARACTER:
        raise FileError(f"{source.name}: {name[:40]!r} holds a character that does not exist")
    if not values.flags.writeable:
        source.spend(size, f"the array {name[:40]!r}")
        values = values.copy()
    return values.reshape(shape, order="F" if fortran else "C")
