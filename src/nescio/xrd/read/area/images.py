"""Images in TIFF, CBF, EDF, HDF5 and NumPy's files as arrays."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError, MissingExtraError
from nescio.files import (
    CrashError,
    Hdf5,
    Source,
    TimeLimitError,
    answer_apart,
    groups_below,
    npy_array,
    opened_hdf5,
)
from nescio.xrd.read.area.kinds import ImageKind

__all__ = ["read_images"]

_MOST_VALUES = 2**31
_MOST_FRAMES = 10_000
_SMALLEST_SIDE = 16
# FabIO never ends on some damaged files: loading it takes up to a second, decoding some seconds for 100 MB.
_SECONDS, _SECONDS_PER_BYTE = 5.0, 2e-7
_USUAL = ("/entry/data", "/entry/instrument/detector", "/entry/measurement", "/")


def read_images(source: Source, kind: ImageKind) -> npt.NDArray[Any]:
    """Return the images of a file, shape (frames, rows, columns), numbers as they are stored.

    Of an HDF5 file these are the datasets ``data`` or ``data_000001`` ... in ``/entry/data`` (Eiger), or else the
    largest dataset with two or three dimensions.

    Raises:
        FileError: The file is damaged, too large, refers to other files, or holds no image.
        MissingExtraError: FabIO is needed, and is not installed.
    """
    if kind is ImageKind.NPY:
        images = npy_array(source, kinds="iufb")
    elif kind is ImageKind.HDF5:
        images = _from_hdf5(source)
    else:
        images = _from_fabio(source, kind)
    if images.ndim == 2:
        images = images[np.newaxis]
    if images.ndim != 3 or min(images.shape[1:]) < _SMALLEST_SIDE or not len(images):
        raise FileError(
            f"{source.name}: holds numbers of shape {images.shape}, not images of at least {_SMALLEST_SIDE} x "
            f"{_SMALLEST_SIDE} pixels"
        )
    if len(images) > _MOST_FRAMES:
        raise FileError(
            f"{source.name}: holds more than {_MOST_FRAMES:,} images; split it into several files"
        )
    return images


def _from_fabio(source: Source, kind: ImageKind) -> npt.NDArray[Any]:
    if find_spec("fabio") is None:
        raise MissingExtraError(
            f"{source.name}: reading {kind} images needs an extra: pip install nescio[area]"
        )
    try:
        answer, data = answer_apart(
            "nescio.xrd.read.area.fabio_worker",
            {"kind": str(kind), "most": source.budget.left},
            source.content,
            seconds=_SECONDS + _SECONDS_PER_BYTE * len(source.content),
            memory=2 * source.budget.limit,
        )
    except (CrashError, TimeLimitError):
        raise FileError(f"{source.name}: is damaged; reading it as {kind} did not end well") from None
    if "problem" in answer:
        raise FileError(f"{source.name}: cannot be read as {kind} ({answer['problem']})")
    source.spend(2 * len(data), "its images")
    return np.frombuffer(data, answer["dtype"]).reshape(answer["shape"])


def _from_hdf5(source: Source) -> npt.NDArray[Any]:
    with opened_hdf5(source) as file:
        for place in _USUAL:
            group = file.root.get(place)
            if group is None or not hasattr(group, "keys"):
                continue
            if (found := _image(group, "data")) is not None:
                return file.values(found, _MOST_VALUES)
            series = sorted(name for name in group if name.startswith("data_") and name[5:].isdecimal())
            if series and all(_image(group, name) is not None for name in series):
                return _joined(file, [_image(group, name) for name in series])
        images = [
            node for group in groups_below(file.root) for name in group if (node := _image(group, name))
        ]
        if not images:
            raise FileError(f"{source.name}: holds no image (a dataset with two or three dimensions)")
        return file.values(max(images, key=lambda one: int(one.size)), _MOST_VALUES)


def _joined(file: Hdf5, series: list[Any]) -> npt.NDArray[Any]:
    pieces = [file.values(one, _MOST_VALUES) for one in series]
    pieces = [piece[np.newaxis] if piece.ndim == 2 else piece for piece in pieces]
    if len({piece.shape[1:] for piece in pieces}) > 1:
        raise FileError(f"{file.source.name}: its images have different shapes")
    file.source.spend(sum(piece.nbytes for piece in pieces), "its images")
    return np.concatenate(pieces)


def _image(group: Any, name: str) -> Any:
    """Return a dataset that can hold images, or None."""
    import h5py

    node = group.get(name)
    if (
        not isinstance(node, h5py.Dataset)
        or node.dtype.kind not in "iuf"
        or len(node.shape or ()) not in (2, 3)
    ):
        return None
    return node if min(node.shape[-2:]) >= _SMALLEST_SIDE else None
