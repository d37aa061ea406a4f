"""HDF5 and NeXus files, however damaged."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nescio.errors import FileError, NescioError
from nescio.files.content import one_line

__all__ = [
    "HDF5_SIGNATURE",
    "attribute",
    "default_data",
    "groups_below",
    "member",
    "numeric_array",
    "opened_hdf5",
    "text_of",
]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""How every HDF5 file begins."""

_MAX_OBJECTS = 10_000
_MAX_DEPTH = 12
_PROBE_SECONDS = 60


@contextmanager
def opened_hdf5(path: Path, content: bytes, max_values: int) -> Iterator[Any]:
    """Open an HDF5 file held in memory.

    Args:
        path: The file, for messages.
        content: Its bytes.
        max_values: Numbers in the largest dataset that will be read.

    Yields:
        An ``h5py.File``.

    Raises:
        FileError: It is no HDF5 file, or damaged; also where reading from it fails inside the block.
    """
    import h5py

    if not content.startswith(HDF5_SIGNATURE):
        raise FileError(f"{path}: is not an HDF5 file (it does not begin with the HDF5 signature)")
    _refuse_deadly(path, content, max_values)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            yield file
    except NescioError:
        raise
    except Exception as error:  # the HDF5 library fails on damaged bytes in every possible way
        raise FileError(f"{path}: is not a readable HDF5 file ({one_line(error)})") from error


def _refuse_deadly(path: Path, content: bytes, max_values: int) -> None:
    """Refuse a file so damaged that the HDF5 library crashes or hangs on it, by trying in another process."""
    program = str(Path(__file__).with_name("probe.py"))
    try:
        outcome = subprocess.run(  # noqa: S603 - our own program, the file's content goes to its input
            [sys.executable, "-I", program, str(max_values)],
            input=content,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FileError(f"{path}: is damaged; HDF5 did not end reading it in {_PROBE_SECONDS} s") from None
    if outcome.returncode != 0:
        raise FileError(f"{path}: is damaged; HDF5 crashed on reading it")


def member(group: Any, name: str) -> Any:
    """Return a member of a group; None where there is none, or it lies in another file."""
    import h5py

    link = group.get(name, getlink=True) if name else None
    if link is None or isinstance(link, h5py.ExternalLink):
        return None
    return group.get(name)


def groups_below(group: Any) -> Iterator[Any]:
    """Yield a group and those below it, as many as a sensible file can have."""
    for number, found in enumerate(_below(group, 0)):
        yield found
        if number > _MAX_OBJECTS:
            break


def _below(group: Any, depth: int) -> Iterator[Any]:
    import h5py

    yield group
    if depth < _MAX_DEPTH:
        for name in list(group)[:_MAX_OBJECTS]:
            found = member(group, name)
            if isinstance(found, h5py.Group):
                yield from _below(found, depth + 1)


def attribute(node: Any, name: str) -> Any:
    """Return an attribute, as text where it is text, or None."""
    value = node.attrs.get(name)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    return text_of(value) if isinstance(value, bytes) else value


def text_of(value: object) -> str:
    """Return what may be bytes as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def default_data(file: Any) -> Any:
    """Return the NXdata group that a NeXus file shows first, or None.

    It is found by the ``default`` attributes, or is the first NXdata with a ``signal``.
    """
    import h5py

    group: Any = file
    for _ in range(_MAX_DEPTH):
        name = attribute(group, "default")
        found = member(group, name) if isinstance(name, str) else None
        if not isinstance(found, h5py.Group):
            break
        group = found
    if attribute(group, "signal") is not None:
        return group
    for group in groups_below(file):
        if attribute(group, "NX_class") == "NXdata" and attribute(group, "signal") is not None:
            return group
    return None


def numeric_array(path: Path, group: Any, name: str, max_values: int) -> np.ndarray:
    """Return a dataset of real numbers as they are stored.

    Args:
        path: The file, for messages.
        group: Where the dataset is.
        name: Of the dataset.
        max_values: It may hold at most as many numbers.

    Raises:
        FileError: There is none, it lies in another file, is too large, or holds no real numbers.
    """
    import h5py

    dataset = member(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise FileError(f"{path}: {group.name} has no dataset {name[:40]!r}")
    if dataset.is_virtual or dataset.external:
        raise FileError(f"{path}: {dataset.name} lies in another file, which is not followed")
    if dataset.dtype.kind not in "iuf":
        what = "text" if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype)
        raise FileError(f"{path}: {dataset.name} must hold numbers, not {what}")
    if dataset.shape is None or math.prod(dataset.shape) > max_values:
        raise FileError(f"{path}: {dataset.name} must hold at most {max_values} numbers")
    return np.asarray(dataset[()])
