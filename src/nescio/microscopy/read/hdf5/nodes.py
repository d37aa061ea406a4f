"""Values, axes and coordinates from HDF5 datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError
from nescio.files import Hdf5, attribute, short_name
from nescio.microscopy.read.fields import MAX_VALUES, Axis, Coordinate, axis_role, direction_of
from nescio.microscopy.read.packing import Packing, packing_of

__all__ = ["Form", "axis_of", "coordinate_of", "node_values", "packing", "text_attribute"]

_MOST_LABELS = 10_000
# As registered with The HDF Group.
_FILTERS = {
    32001: "Blosc",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32026: "Blosc2",
}


class Form(NamedTuple):
    """Description of a dataset by the file."""

    axes: tuple[Axis, ...]
    coordinates: tuple[Coordinate, ...] = ()
    notes: tuple[str, ...] = ()
    shown: bool = False
    """Whether it is the signal of its group."""
    stack: bool = False
    colour: bool = False
    marks: str = ""
    """See :class:`Field`."""


def text_attribute(node: Any, name: str) -> str:
    """Return a text attribute, at most 200 characters; empty if it is missing."""
    value = attribute(node, name)
    return short_name(value) if isinstance(value, str) else ""


def packing(file: Hdf5, node: Any) -> Packing:
    """Return the packing of the numbers of a dataset."""
    return packing_of(f"{file.source.name}: {node.name}", node.dtype, lambda name: attribute(node, name))


def node_values(file: Hdf5, node: Any, held: Packing | None = None) -> npt.NDArray[np.generic]:
    """Return the numbers of a dataset, unpacked.

    Raises:
        FileError: The data are too large or damaged, or use a compression that is not installed.
    """
    _check_filters(file, node)
    stored = file.values(node, MAX_VALUES, "iufb")
    return (packing(file, node) if held is None else held).unpacked(stored)


def _check_filters(file: Hdf5, node: Any) -> None:
    import h5py

    properties = node.id.get_create_plist()
    for index in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(index)
        if not h5py.h5z.filter_avail(code):
            called = _FILTERS.get(code) or name.decode("utf-8", "replace").strip() or "unknown"
            raise FileError(
                f"{file.source.name}: {node.name} is compressed by {called[:60]} (HDF5 filter {code}), which is not "
                "installed; pip install hdf5plugin, or save it with gzip"
            )


def axis_of(file: Hdf5, node: Any, name: str, points: int) -> Axis:
    """Return the axis described by a dataset; without values if their number does not fit.

    n + 1 bin edges are converted to n centres.
    """
    import h5py

    if not isinstance(node, h5py.Dataset):
        return Axis(name, role=axis_role(name, ""), toward=direction_of(name))
    unit = text_attribute(node, "units")
    standard = text_attribute(node, "axis") or text_attribute(node, "standard_name")
    role = axis_role(
        name,
        unit,
        kind=text_attribute(node, "dimension_type"),
        standard=standard,
        title=text_attribute(node, "long_name"),
    )
    toward = direction_of(name, standard) or direction_of(text_attribute(node, "long_name"))
    bare = Axis(name, unit=unit, role=role, toward=toward)
    empty_dimension = text_attribute(node, "NAME").startswith(
        "This is a netCDF dimension but not a netCDF variable"
    )
    if empty_dimension or node.shape not in ((points,), (points + 1,)):
        return bare
    if h5py.check_string_dtype(node.dtype) and points <= _MOST_LABELS and node.shape == (points,):
        return Axis(name, role=role, labels=tuple(map(short_name, file.texts(node, _MOST_LABELS))))
    if node.dtype.kind not in "iuf":
        return bare
    with np.errstate(all="ignore"):
        values = node_values(file, node).astype(np.float64)
    return bare._replace(values=values if len(values) == points else (values[1:] + values[:-1]) / 2)


def coordinate_of(
    file: Hdf5, node: Any, name: str, dims: Sequence[int], shape: Sequence[int]
) -> Coordinate | None:
    """Return a dataset as coordinate along dimensions of another; None if the shapes differ."""
    sizes = tuple(shape[index] for index in dims)
    if node.shape != sizes or node.dtype.kind not in "iuf":
        return None
    standard = text_attribute(node, "axis") or text_attribute(node, "standard_name")
    unit = text_attribute(node, "units")
    with np.errstate(all="ignore"):
        values = node_values(file, node).astype(np.float64)
    return Coordinate(
        name,
        tuple(dims),
        values,
        unit,
        axis_role(name, unit, standard=standard, title=text_attribute(node, "long_name")),
        direction_of(name, standard),
    )
